"""No token is visible, the bot's or an interaction's: in no log, message or gateway request."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import structlog

from bot.logs import REDACTED, Redactor, configure
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import TOKEN, FakeDiscord, ImageFile
from tests.fakes.discord.faults import FaultKind
from tests.fakes.discord.messages import Message
from tests.fakes.discord.secrets import INTERACTION_TOKEN_PREFIX, assert_no_secrets
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.jimmy import FakeJimmyGateway
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.support import sample_images
from tests.support.bot_in_process import settings
from tests.support.bot_process import BotProcess
from tests.support.discord_bot import running_bot
from tests.support.jumpable_clock import JumpableClock

WEB = ("healthz", "readyz", "metrics", "nothing")
EXPIRED = 900.0
FOREVER = 10_000.0


def _assert_untold(discord: FakeDiscord) -> None:
    """Nobody was told any of it: in no message of any kind, nor in what stands behind buttons."""
    assert all(
        interaction.token.startswith(INTERACTION_TOKEN_PREFIX)
        for interaction in discord.interactions
    )
    assert_no_secrets(json.dumps([call.body for call in discord.calls], default=str))
    for channel in discord.world.channels.values():
        assert_no_secrets(repr([event.lines for event in channel.log]))
        for message in channel.history.values():
            assert_no_secrets(repr((message.text, message.embeds, message.components)))


def _free_port() -> str:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return str(it.getsockname()[1])


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Who looks at what the process tells over HTTP."""
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
def general(discord: FakeDiscord, ann: FakeUser) -> Channel:
    """A channel there."""
    return discord.guild("Kites", [ann]).text("general")


# --- a whole conversation ----------------------------------------------------------------


Faults = tuple[tuple[str, FaultKind], ...]
_RESPOND, _FILL, _FOLLOW = (
    "create_interaction_response",
    "update_original_webhook_message",
    "execute_webhook",
)
_AT_FIRST: Faults = (
    ("get_bot_gateway", "503"),
    ("bulk_set_application_commands", "dropped-before"),
    (_RESPOND, "503"),
    (_FILL, "503"),
)
_AT_WORK: Faults = (
    ("download", "502-html"),
    (_RESPOND, "429"),
    (_FILL, "429"),
    (_FOLLOW, "503"),
    ("delete_webhook_message", "503"),
)
_AT_A_REFUSAL: Faults = (
    (_RESPOND, "dropped-before"),
    (_FILL, "dropped-before"),
    (_FOLLOW, "429"),
    ("delete_original_webhook_message", "502-html"),
)
_AT_A_FORM: Faults = (
    (_RESPOND, "dropped-after"),
    (_FILL, "garbage-after"),
    (_FOLLOW, "dropped-before"),
    ("delete_webhook_message", "dropped-after"),
)
_LATE: Faults = (("create_message", "503"), ("create_message", "dropped-before"))


def _suffers(discord: FakeDiscord, faults: Faults) -> None:
    for operation, kind in faults:
        discord.faults.add(operation, kind)


async def _film(channel: Channel, count: int) -> Message:
    """Wait for this many videos and nothing else of the bot; the newest."""
    film = await channel.shows_video(times=count)
    await channel.until(lambda channel: len(channel.from_bot) == count)
    return film


async def _refused(ann: FakeUser, channel: Channel) -> None:
    """Ask for what cannot be had, and be told so alone."""
    use = await ann.uses("/video", channel=channel, prompt="too long", duration=7)
    await channel.until(lambda _: use.original and use.original.deleted)
    assert [message for message in use.messages if message.only_for is ann]


async def _talk(discord: FakeDiscord, ann: FakeUser, general: Channel, photo: Path) -> None:
    """Words, a picture, a form, a refusal, presses, an admin's look: with faults on the way."""
    await (await ann.uses("/start", channel=general)).shows("/video")
    _suffers(discord, _AT_WORK)
    picture = ImageFile(photo, "photo.jpg")
    await ann.uses("/video", channel=general, prompt="it flies", image=picture)
    film = await _film(general, 1)
    discord.gateway.drop()
    _suffers(discord, _AT_A_REFUSAL)
    await _refused(ann, general)
    _suffers(discord, _AT_A_FORM)
    form = await (await ann.presses(film, "Again")).modal
    await ann.submits(form, prompt="a boat")
    film = await _film(general, 2)
    task = film.text.split()[-1]
    await (await ann.presses(film, "Delete")).shows("Deleted here")
    await (await ann.uses("/fetch", channel=general, task=task)).shows(task)
    await (await ann.uses("/admin providers")).shows("jimmy")
    await (await ann.uses("/admin task", task=task)).shows(task)


@pytest.mark.parametrize("logs", ["json", "console"])
async def test_logs_hide_every_token(
    discord: FakeDiscord,
    ann: FakeUser,
    general: Channel,
    tmp_path: Path,
    client: httpx.AsyncClient,
    logs: str,
) -> None:
    """A process at DEBUG, with faults of every kind, in both formats."""
    port = _free_port()
    async with FakeJimmyGateway(cheap=True, render_seconds=0.1) as gateway:
        environ = {
            "DISCORD_BOT_TOKEN": TOKEN,
            "DISCORD_API_URL": discord.url,
            "HTTP_PORT": port,
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "ADMINS": f"discord:{ann.id}",
            "DAILY_CREDITS": "1000",
            "LOG_LEVEL": "DEBUG",
            "LOG_FORMAT": logs,
            "PROVIDERS__JIMMY__API_KEY": KEY,
            "PROVIDERS__JIMMY__BASE_URL": gateway.url,
        }
        with BotProcess(tmp_path, **environ) as process:
            _suffers(discord, _AT_FIRST)
            process.start()
            await discord.until(lambda: discord.world.listens(None))
            await discord.until(lambda: discord.world.commands.syncs)
            await _talk(discord, ann, general, sample_images.photo(tmp_path / "p.jpg", 640, 360))
            told = [await client.get(f"http://127.0.0.1:{port}/{path}") for path in WEB]
            log = process.log_text
        given = json.dumps(gateway.bodies) + repr(list(gateway.pictures.values()))
        assert gateway.bodies
        assert gateway.violations == []
    every = (*_AT_FIRST, *_AT_WORK, *_AT_A_REFUSAL, *_AT_A_FORM)
    assert set(every) - set(discord.faults.suffered) == set()
    assert "debug" in log
    for text in (log, given, *(response.text + str(response.headers) for response in told)):
        assert_no_secrets(text)
    assert discord.url not in given
    assert discord.cdn_url not in given
    _assert_untold(discord)


@pytest.fixture
def _restored_logging() -> Iterator[None]:
    """Restore the logging of this process."""
    root, libraries = logging.getLogger(), [logging.getLogger(library) for library in LIBRARIES]
    before = (root.handlers[:], root.level, [library.level for library in libraries])
    yield
    root.handlers[:], root.level = before[:2]
    for one, level in zip(libraries, before[2], strict=True):
        one.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


LIBRARIES = ("discord", "aiohttp", "asyncio", "aiosqlite", "httpx")


@pytest.mark.usefixtures("_restored_logging")
@pytest.mark.parametrize("logs", ["json", "console"])
async def test_library_logs_hide_every_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], logs: str
) -> None:
    """Each library tells all it knows: every event of the gateway and each address called.

    The video comes after the interaction's time, which is over in between.
    """
    clock = JumpableClock()
    async with (
        FakeDiscord(clock) as discord,
        FakeOpenAIGateway(cheap=True, now=clock.now) as gateway,
    ):
        gateway.render_seconds = FOREVER
        ann = discord.user("Ann")
        general = discord.guild("Kites", [ann]).text("general")
        environ = {"LOG_LEVEL": "DEBUG", "LOG_FORMAT": logs, "DAILY_CREDITS": "1000"}
        with_token = {"DISCORD_BOT_TOKEN": TOKEN, "PROVIDERS__LOCAL__API_KEY": KEY}
        configure(settings(tmp_path, **environ, **with_token, PROVIDERS__LOCAL__KIND="openai"))
        for library in LIBRARIES:
            logging.getLogger(library).setLevel(logging.DEBUG)
        _suffers(discord, (*_AT_FIRST, *_LATE))
        async with running_bot(clock, discord, gateway, tmp_path, **environ):
            await ann.uses("/video", channel=general, prompt="a kite")
            await discord.until(lambda: gateway.creates.total() == 1)
            _suffers(discord, _AT_A_REFUSAL)
            await _refused(ann, general)
            clock.jump(EXPIRED)
            gateway.render_seconds = 0.1
            await _film(general, 1)
            discord.gateway.drop()
            await (await ann.uses("/tasks", channel=general)).shows("a kite")
        every = (*_AT_FIRST, *_AT_A_REFUSAL, *_LATE)
        assert set(every) - set(discord.faults.suffered) == set()
        assert discord.violations == []
        assert gateway.violations == []
        _assert_untold(discord)
        assert_no_secrets(repr([(job.body, job.picture) for job in gateway.jobs.values()]))
    log = capsys.readouterr().err
    assert "INTERACTION_CREATE" in log
    assert f"/{REDACTED}" in log
    assert_no_secrets(log)


@pytest.mark.parametrize(
    "around",
    ["{}", '"{}"', "\n{}", "%22{}%22", "/{}/callback", "token={}", "b'{}'", "abc{}", "{}==}}"],
)
def test_interaction_tokens_are_redacted_everywhere(around: str) -> None:
    """Wherever the token stands, also nested once more as text or JSON."""
    token = f"{INTERACTION_TOKEN_PREFIX}6MTIzNDU2Nzg5MDEyMzQ1Njc4OnNlY3JldC1wYXJ0_-"
    text = around.format(token)
    for form in (text, repr(text), json.dumps(text), json.dumps(repr(text)), quote(text)):
        shown = Redactor()(form)
        assert INTERACTION_TOKEN_PREFIX not in shown
        assert token[-12:] not in shown
