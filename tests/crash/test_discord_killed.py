"""The process dies while users wait in Discord; the next one finishes everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import TOKEN, FakeDiscord
from tests.fakes.discord.interactions import Interaction, Modal
from tests.fakes.discord.messages import Message
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.support.bot_process import BotProcess

FOREVER = 3600.0


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    """The fake server with its real limits; the test fails if it has recorded a violation."""
    async with FakeDiscord(flood=True) as discord:
        # A process that was killed a moment ago has told the next one nothing.
        discord.gateway.identify_seconds = 0
        yield discord
    assert discord.violations == []


@pytest.fixture
async def gateway() -> AsyncIterator[FakeOpenAIGateway]:
    """A gateway that finishes at once unless a test changes that."""
    async with FakeOpenAIGateway(cheap=True, render_seconds=0.1) as gateway:
        yield gateway
    assert gateway.violations == []


@pytest.fixture
def bot_process(
    discord: FakeDiscord, gateway: FakeOpenAIGateway, tmp_path: Path
) -> Iterator[BotProcess]:
    """A process that is not yet started."""
    with BotProcess(
        tmp_path,
        DISCORD_BOT_TOKEN=TOKEN,
        DISCORD_API_URL=discord.url,
        PROVIDERS__LOCAL__KIND="openai",
        PROVIDERS__LOCAL__API_KEY=KEY,
        PROVIDERS__LOCAL__BASE_URL=gateway.url,
        PROVIDERS__LOCAL__MAX_CONCURRENT="100",
    ) as process:
        yield process


@dataclass(frozen=True)
class Asked:
    """One who waits, and how they asked."""

    person: FakeUser
    use: Interaction

    @property
    def status(self) -> Message:
        """The acknowledgement, which became the status."""
        assert self.use.original is not None
        return self.use.original

    @property
    def videos(self) -> list[Message]:
        """All that were ever posted for this person where they asked."""
        every = self.use.channel.history.values()
        return [message for message in every if message.video and message.pings == [self.person]]

    @property
    def is_finished(self) -> bool:
        """Whether the video is there and the status is gone."""
        return len(self.videos) == 1 and self.status.deleted


def _places(discord: FakeDiscord, people: list[FakeUser]) -> list[tuple[FakeUser, Channel]]:
    """Twenty in the channels of ten guilds, fifteen in threads and posts, fifteen alone."""
    places = []
    for number in range(0, 20, 2):
        pair = people[number : number + 2]
        general = discord.guild(f"Guild {number}", pair).text("general")
        places += [(person, general) for person in pair]
    for number in range(20, 35, 5):
        five = people[number : number + 5]
        guild = discord.guild(f"Guild {number}", five)
        talk, posts = guild.text("talk"), guild.forum("posts")
        rooms = [talk.thread("Kites"), posts.thread("Boats"), talk.thread("Mine", private=True)]
        places += [(one, rooms[turn % 3]) for turn, one in enumerate(five)]
    alone = people[35:]
    discord.guild("Home", alone)
    return places + [(message, message.dm) for message in alone]


async def _fifty_ask(discord: FakeDiscord) -> list[Asked]:
    people = [discord.user(f"Person {number}") for number in range(50)]
    asked = [
        Asked(one, await one.uses("/video", channel=place, prompt=f"kite {one.id}"))
        for one, place in _places(discord, people)
    ]
    for one in asked:
        await one.use.shows("Task")
    return asked


async def _serves(discord: FakeDiscord) -> None:
    """The process has come up: its commands are known, and it hears."""
    commands, gateway = discord.world.commands, discord.gateway
    await discord.until(lambda: commands.syncs and gateway.listening(None))


async def _again(discord: FakeDiscord, reelay: BotProcess) -> None:
    """Kill the process; the next one comes up."""
    reelay.kill()
    await discord.until(lambda: not discord.gateway.listening(None))
    reelay.start()
    await _serves(discord)


async def _noted(discord: FakeDiscord) -> None:
    """All that was done until now is written down: somebody's later question is answered."""
    late = discord.user("Late")
    late.installs()
    await late.uses("/quota")
    await late.sees("You can spend")


async def _made(discord: FakeDiscord, gateway: FakeOpenAIGateway, count: int) -> None:
    """Wait until this many videos are in progress and stored as such."""
    async with asyncio.timeout(PATIENCE_S):
        while gateway.creates.total() < count:
            await _noted(discord)
    await _noted(discord)


async def test_fifty_users_get_one_video_each_after_a_crash(
    discord: FakeDiscord, gateway: FakeOpenAIGateway, bot_process: BotProcess
) -> None:
    """Each gets one video where it was asked for; no status is posted twice or left standing.

    Buttons and forms of before do what they say, and the commands are not told once more.
    """
    bot_process.start()
    await _serves(discord)
    video, modal = await _made_before(discord)
    gateway.render_seconds = FOREVER
    asked = await _fifty_ask(discord)
    await _made(discord, gateway, 51)
    await _again(discord, bot_process)
    first = asked[0]
    press = await first.person.presses(first.status, "Cancel")
    await press.shows("cannot stop it. It costs 4 credits")
    gateway.render_seconds = 0.1
    await discord.until(lambda: all(request.is_finished for request in asked))
    for request in asked:
        (film,) = request.videos
        assert "repeated" not in film.text
        said = [event.message for event in request.use.channel.log if event.kind == "sent"]
        assert [message for message in said if message and message.interaction is request.use] == [
            request.status,
            film,
        ]
    await _buttons_and_forms_work(video, modal)
    assert set(gateway.creates.values()) == {1, 2}
    assert len(discord.world.commands.syncs) == 1
    assert discord.unanswered == []


async def _made_before(discord: FakeDiscord) -> tuple[Message, Modal]:
    """Ann's finished video, and the form behind its button Again, open but not sent."""
    ann = discord.user("Ann")
    discord.guild("Anns", [ann])
    await ann.uses("/video", prompt="a red kite")
    video = await ann.dm.shows_video()
    await ann.dm.until(lambda dm: dm.from_bot == [video])
    press = await ann.presses(video, "Again")
    return video, await press.modal


async def _buttons_and_forms_work(video: Message, modal: Modal) -> None:
    ann = modal.interaction.by
    assert isinstance(ann, FakeUser)
    await ann.submits(modal)
    await ann.dm.shows_video(times=2)
    press = await ann.presses(video, "Again")
    await ann.submits(await press.modal, prompt="a blue kite")
    third = await ann.dm.shows_video(times=3)
    assert "a blue kite" in third.text
    await ann.presses(third, "Delete")
    await ann.dm.until(lambda _: third.deleted)


async def test_acknowledged_interactions_are_handled_after_a_crash(
    discord: FakeDiscord, bot_process: BotProcess
) -> None:
    """What was stored and not handled is handled by the next process, in order and once."""
    people = [discord.user(f"Person {number}") for number in range(5)]
    discord.guild("Home", people)
    stopped = discord.faults.add("update_original_webhook_message", "hanging", times=len(people))
    bot_process.start()
    await _serves(discord)
    asked = []
    for person in people:
        uses = [
            await person.uses("/language", code="zh"),
            await person.uses("/video", prompt="a kite"),
            await person.uses("/quota"),
        ]
        asked.append(uses)
    await discord.until(lambda: discord.unanswered == [] and stopped.left == 0)
    await _noted(discord)
    await _again(discord, bot_process)
    for person, (language, video, quota) in zip(people, asked, strict=True):
        film = await person.dm.shows_video()
        await person.dm.until(lambda dm, film=film: dm.from_bot == [film])  # type: ignore[misc]
        seen_by_all = [
            message for message in person.dm.history.values() if message.only_for is None
        ]
        assert seen_by_all == [video.original, film]
        # The answers to the later ones are in the language that the first has asked for.
        assert "4 秒" in film.text
        assert "用中文" in (await language.shows("")).text
        await quota.shows("您可用")


@pytest.mark.parametrize("place", ["guild", "thread", "direct", "lent"])
async def test_send_interrupted_by_a_crash_is_found_or_marked(
    discord: FakeDiscord, gateway: FakeOpenAIGateway, bot_process: BotProcess, place: str
) -> None:
    """A status is edited again; a result is found where the bot can look, else marked."""
    ann = discord.user("Ann")
    channel = _place(discord, ann, place)
    gateway.render_seconds = FOREVER
    discord.faults.add("update_original_webhook_message", "held-after")
    bot_process.start()
    await _serves(discord)
    asked = Asked(ann, await ann.uses("/video", channel=channel, prompt="a red kite"))
    await asked.use.shows("Task")
    await _made(discord, gateway, 1)
    discord.faults.add("execute_webhook", "held-after")
    await _again(discord, bot_process)
    await channel.until(lambda _: len(discord.calls_to("update_original_webhook_message")) > 1)
    await _noted(discord)
    gateway.render_seconds = 0.1
    await channel.until(lambda _: asked.videos)
    await _again(discord, bot_process)
    await channel.until(lambda _: asked.status.deleted)
    await _noted(discord)
    first, *more = asked.videos
    assert "repeated" not in first.text
    if place == "lent":
        (second,) = more
        assert second.text.splitlines()[1].startswith("(repeated)")
    else:
        assert more == []
    assert len(asked.use.said) == 2 + len(more)
    assert gateway.creates.total() == 1


def _place(discord: FakeDiscord, ann: FakeUser, kind: str) -> Channel:
    if kind == "lent":
        ann.installs()
        return discord.guild("Strangers", [ann], bot=False).text("general")
    general = discord.guild("Kites", [ann]).text("general")
    match kind:
        case "direct":
            return ann.dm
        case "thread":
            return general.thread("Ideas")
    return general
