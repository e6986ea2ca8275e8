"""A real bot on discord.py works with the fake Discord."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import discord as library
import pytest
import yarl
from discord import app_commands, ui

from tests.fakes.discord.api_caller import MP4
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord, ImageFile
from tests.fakes.discord.users import FakeUser
from tests.support.sample_images import color_card, encode_image

PNG = encode_image(color_card(), "PNG")
Interaction = library.Interaction


class Again(ui.Modal, title="Once more"):
    """A form."""

    prompt: ui.TextInput[Again] = ui.TextInput(label="Prompt", default="a kite")

    async def on_submit(self, interaction: Interaction) -> None:
        await interaction.response.send_message(f"again: {self.prompt.value}", ephemeral=True)


class Controls(ui.View):
    """A button and a list."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @ui.button(label="Again", custom_id="again")
    async def again(self, it: Interaction, _: ui.Button[Controls]) -> None:
        await it.response.send_modal(Again())

    @ui.select(
        custom_id="size",
        options=[library.SelectOption(label="Small"), library.SelectOption(label="Large")],
    )
    async def size(self, it: Interaction, chosen: ui.Select[Controls]) -> None:
        await it.response.edit_message(content=f"size {chosen.values[0]}", view=None)


class Bot(library.AutoShardedClient):
    """Commands, buttons, lists and forms as Reelay has them, by the library's own means."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            intents=library.Intents(guilds=True),
            allowed_mentions=library.AllowedMentions.none(),
            guild_ready_timeout=0.1,
            **settings,
        )
        self.read: list[bytes] = []
        self.tree = app_commands.CommandTree(self)
        self.tree.add_command(video)
        self.tree.add_command(Admin())
        self.tree.add_command(remix)

    async def setup_hook(self) -> None:
        await self.tree.sync()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """The library would wait five seconds before all sessions but the first."""


@app_commands.command(description="Makes a video")
@app_commands.allowed_installs(guilds=True, users=True)
async def video(
    it: library.Interaction[Bot],
    prompt: app_commands.Range[str, 1, 100],
    image: library.Attachment | None = None,
    duration: app_commands.Range[int, 4, 15] = 4,
    model: str = "best",
) -> None:
    await it.response.defer()
    if image is not None:
        it.client.read.append(await image.read())
    embed = library.Embed(title="Working", description=prompt)
    await it.followup.send(embed=embed.add_field(name="Seconds", value=str(duration)))
    file = library.File(io.BytesIO(MP4), "kite.mp4")
    words = f"{prompt} by {model}"
    await it.edit_original_response(content=words, embed=None, attachments=[file], view=Controls())


@video.autocomplete("model")
async def models(_: library.Interaction[Bot], typed: str) -> list[app_commands.Choice[str]]:
    names = ["sora-2", "sora-2-pro", "veo-3"]
    return [app_commands.Choice(name=name, value=name) for name in names if typed in name]


class Admin(app_commands.Group, name="admin", description="For admins"):
    """A group of words that nobody is shown who is no administrator."""

    def __init__(self) -> None:
        super().__init__(default_permissions=library.Permissions())

    @app_commands.command(description="Gives credits")
    async def grant(self, it: Interaction, user: library.Member | library.User, n: int) -> None:
        file = library.File(io.BytesIO(b"x"), "receipt.txt")
        await it.response.send_message(f"{n} for {user.mention}", ephemeral=True, file=file)


@app_commands.context_menu(name="Remix this video")
async def remix(it: Interaction, message: library.Message) -> None:
    await it.response.send_message(f"remix of {message.attachments[0].filename}")


@pytest.fixture
async def discord(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeDiscord]:
    """The server to which the library is pointed; no rule may be broken."""
    async with FakeDiscord() as discord:
        monkeypatch.setattr(library.http.Route, "BASE", discord.url)
        gateway = yarl.URL(discord.gateway_url)
        monkeypatch.setattr(library.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway)
        yield discord
    assert discord.violations == []


@asynccontextmanager
async def running(discord: FakeDiscord, **settings: Any) -> AsyncIterator[Bot]:
    """Such a bot at work."""
    bot = Bot(**settings)
    work = asyncio.create_task(bot.start(discord.token))
    try:
        yield bot
    finally:
        await bot.close()
        await asyncio.wait([work])


@pytest.fixture
def ann(discord: FakeDiscord) -> FakeUser:
    """A user."""
    return discord.user("Ann")


@pytest.fixture
def general(discord: FakeDiscord, ann: FakeUser) -> Channel:
    """A place where she and the bot are."""
    return discord.guild("Kites", [ann, discord.user("Bob")]).text("general")


async def test_command_with_options_and_file_reaches_the_bot(
    discord: FakeDiscord, ann: FakeUser, general: Channel
) -> None:
    """Options, an image, a deferred response, a file, and the final text."""
    async with running(discord) as bot:
        picture = ImageFile(PNG, "kite.png")
        await ann.uses("/video", channel=general, prompt="a kite", image=picture, duration=5)
        message = await general.shows_video()
        assert message.video is not None
        assert message.video.path.read_bytes() == MP4
    assert bot.read == [PNG]
    assert (
        discord.event_log(general)
        == """\
── Kites / general (text)
Ann uses /video prompt: a kite, image: ⟨picture kite.png⟩, duration: 5
Reelay
  (thinking…)
✎ Reelay
  │ **Working**
  │ a kite
  │ Seconds: 5
✎ Reelay
  ⟨video kite.mp4⟩
  a kite by best
  [Again]
  [choose ▾ Small, Large]
"""
    )


async def test_buttons_lists_and_forms_reach_the_bot(
    discord: FakeDiscord, ann: FakeUser, general: Channel
) -> None:
    """And each answer reaches its user."""
    async with running(discord):
        await ann.uses("/video", channel=general, prompt="a kite")
        message = await general.shows_video()
        press = await ann.presses(message, "Again")
        modal = await press.modal
        assert [(field.label, field.value) for field in modal.fields] == [("Prompt", "a kite")]
        sent = await ann.submits(modal, prompt="a blue kite")
        assert (await sent.answer).text == "again: a blue kite"
        assert (await ann.sees("again")).only_for is ann
        chosen = await ann.chooses(message, "Large")
        assert (await chosen.answer).kind == "update"
        assert message.content == "size Large"
        assert message.labels == []


async def test_autocomplete_and_menus_reach_the_bot(
    discord: FakeDiscord, ann: FakeUser, general: Channel
) -> None:
    """Choices while typing, a subcommand with a member, a message's menu."""
    async with running(discord):
        offered = await ann.types("/video", channel=general, prompt="x", model="sora")
        assert [choice.value for choice in offered] == ["sora-2", "sora-2-pro"]
        bob = next(account for account in discord.world.accounts.values() if account.name == "Bob")
        await ann.uses("/admin grant", channel=general, user=bob, n=4)
        note = await ann.sees("4 for")
        assert note.content == f"4 for {bob.mention}"
        assert note.attachments[0].ephemeral
        film = await ann.says(channel=general, files=[ImageFile(MP4, "mine.mp4")])
        await ann.uses_menu("Remix this video", film)
        await general.shows("remix of mine.mp4")


@pytest.mark.parametrize("kind", ["thread", "post", "voice", "dm", "stranger", "group"])
async def test_every_kind_of_channel_reaches_the_bot(
    discord: FakeDiscord, ann: FakeUser, general: Channel, kind: str
) -> None:
    """Each is described as the library needs it."""
    guild = general.guild
    assert guild is not None
    ann.installs()
    places: dict[str, Callable[[], Channel]] = {
        "thread": lambda: general.thread("Ideas"),
        "post": lambda: guild.forum("films").thread("Mine"),
        "voice": lambda: guild.voice("Talk"),
        "dm": lambda: ann.dm,
        "stranger": lambda: discord.guild("Strangers", [ann], bot=False).text("talk"),
        "group": lambda: discord.group([ann]),
    }
    async with running(discord):
        await ann.uses("/video", channel=places[kind](), prompt="a kite")
        await discord.until(lambda: any(interaction.original and interaction.original.video
                                        for interaction in discord.interactions))  # fmt: skip


async def test_messages_of_the_bot_are_accepted(
    discord: FakeDiscord, ann: FakeUser, general: Channel
) -> None:
    """Channels, direct messages, nonces, components v2 and mentions as the library sends them."""
    async with running(discord) as bot:
        await discord.until(lambda: discord.world.listens(None))
        channel = await bot.fetch_channel(general.id)
        assert isinstance(channel, library.TextChannel)
        named = library.AllowedMentions(users=[library.Object(ann.id)])
        words = f"{ann.mention} it is done"
        for _ in range(2):
            file = library.File(io.BytesIO(MP4), "kite.mp4", spoiler=True)
            await channel.send(words, nonce="job1", allowed_mentions=named, file=file)
        user = await bot.fetch_user(ann.id)
        view = ui.LayoutView()
        box: ui.Container[ui.LayoutView] = ui.Container(ui.TextDisplay("**Done**"), accent_color=5)
        box.add_item(ui.MediaGallery(library.MediaGalleryItem("attachment://a.mp4")))
        sent = await user.send(view=view.add_item(box), file=library.File(io.BytesIO(MP4), "a.mp4"))
        reply = await channel.get_partial_message(general.messages[0].id).reply("there")
        await reply.edit(content="here")
        await sent.delete()
        async with channel.typing():
            pass
    assert (
        discord.transcript(general)
        == """\
── Kites / general (text)
Reelay (pings Ann)
  ⟨video SPOILER_kite.mp4, hidden⟩
  @Ann it is done
Reelay ↩ Reelay: @Ann it is done
  here
"""
    )
    assert "│ **Done**" in discord.event_log(ann.dm)


async def test_broken_connection_loses_no_event(
    discord: FakeDiscord, ann: FakeUser, general: Channel
) -> None:
    """After op 7, a plain break and a lost session the bot returns."""
    gateway, guild = discord.gateway, general.guild
    gateway.identify_seconds = 0
    async with running(discord):
        for number, disturb in enumerate((gateway.reconnect, gateway.drop, gateway.invalidate)):
            await discord.until(lambda: discord.world.listens(guild))
            disturb()
            await discord.until(lambda: not discord.world.listens(guild))
            # What is done while the session may go on is told when it does.
            waits = 20.0 if disturb == gateway.invalidate else 0
            await ann.uses("/video", channel=general, prompt=f"kite {number}", waits=waits)
            await general.shows_video(times=number + 1)
    assert gateway.resumed == [0, 0]
    assert len(gateway.identified) == 2
    assert len(discord.world.commands.syncs) == 1


async def test_shards_get_their_own_guilds(
    discord: FakeDiscord, ann: FakeUser, general: Channel
) -> None:
    """One client with two shards gets each guild once."""
    other = discord.guild("Films", [ann]).text("general")
    discord.world.shards = discord.gateway.max_concurrency = 2
    async with running(discord, shard_connect_timeout=20):
        for channel in (general, other):
            it = await ann.uses("/video", channel=channel, prompt="a kite", waits=20)
            assert it.told == 1
            await channel.shows_video()
    assert sorted(session[1:] for session in discord.gateway.identified) == [(0, 2), (1, 2)]
