"""No token is to be seen of objects and errors, the bot's or an interaction's."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator

import pytest

from bot.clock import SystemClock
from bot.domain.users import User as Human
from bot.frontends.discord import Discord as FrontEnd
from bot.frontends.discord.client import Client
from bot.frontends.discord.context import ChatContext
from bot.frontends.discord.http import InvalidRequestCounter
from bot.frontends.discord.interaction_payload import StoredInteraction
from bot.frontends.discord.rendering import embed
from bot.frontends.discord.sender import MessageSender, OutgoingMessage
from bot.frontends.discord.target import ChatTarget, message_ref
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from tests.e2e.discord.conftest import RunBot
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import TOKEN, FakeDiscord
from tests.fakes.discord.faults import FaultKind
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.secrets import INTERACTION_TOKEN_PREFIX, assert_no_secrets
from tests.fakes.discord.users import FakeUser

EXPIRED = 900.0


@pytest.fixture
def general(discord: FakeDiscord, ann: FakeUser) -> Channel:
    """A channel of her guild."""
    return discord.guild("Kites", [ann]).text("general")


def _spot(use: Interaction, channel: Channel, discord: FakeDiscord) -> ChatTarget:
    """Where this answer belongs, as the front-end knows it."""
    return ChatTarget(
        channel.id,
        guild=channel.guild.id if channel.guild else None,
        access="own",
        app=discord.bot.id,
        token=use.token,
        until=use.time + EXPIRED,
        interaction_id=use.id,
    )


async def test_reprs_hide_every_token(
    discord: FakeDiscord, run_bot: RunBot, ann: FakeUser, general: Channel
) -> None:
    """Of the settings, the front-end, its parts and what it knows of interactions."""
    async with run_bot() as parts:
        use = await ann.uses("/quota", channel=general)
        await use.shows("credits")
        (front_end,) = parts.front_ends
        assert isinstance(front_end, FrontEnd)
        inner = list(vars(front_end).values())
        (context,) = [part for part in inner if isinstance(part, ChatContext)]
        spot = _spot(use, general, discord)
        asked = StoredInteraction(
            use.id, spot, Human(f"discord:{ann.id}"), "ann", {"line": "/quota"}
        )
        sender, settings = context.sender, context.app.settings
        things: list[object] = [front_end, *inner, sender, sender.client.http, spot, asked]
        things += [context.app, settings, settings.model_dump(), context.interactive_messages]
        for thing in things:
            for text in (repr(thing), str(thing), f"{thing}", f"{[thing]}"):
                assert_no_secrets(text)
        assert_no_secrets(settings.model_dump_json())
    assert use.token in spot.address
    assert ChatTarget.parse(spot.address) == spot


KINDS: tuple[FaultKind, ...] = (
    "429-cloudflare",
    "500",
    "502",
    "502-html",
    "503",
    "504",
    "dropped-before",
    "dropped-after",
    "garbage-after",
)


@pytest.fixture
async def sender(
    discord: FakeDiscord, run_bot: RunBot, ann: FakeUser, general: Channel
) -> AsyncIterator[tuple[MessageSender, ChatTarget]]:
    """A way out of the test's own, and an answer that is to be given."""
    async with run_bot():
        use = await ann.uses("/quota", channel=general)
        await use.shows("credits")
        refused = InvalidRequestCounter(SystemClock())
        async with Client(refused, None) as client:
            await client.login(TOKEN)
            own = MessageSender(client, SystemClock(), refused)
            await own.open()
            yield own, _spot(use, general, discord)
            await own.close()


def _assert_error_hidden(error: BaseException) -> None:
    """Itself, all that it came from, and how it would be printed."""
    assert_no_secrets("".join(traceback.format_exception(error)))
    one: BaseException | None = error
    while one is not None:
        assert_no_secrets(f"{one!s} {one!r} {one.args}")
        one = one.__cause__ or one.__context__


@pytest.mark.parametrize("kind", KINDS)
async def test_errors_hide_every_token(
    discord: FakeDiscord, sender: tuple[MessageSender, ChatTarget], kind: FaultKind
) -> None:
    """Whatever fails on the wire: the error, its causes and their tracebacks."""
    own, spot = sender
    words = OutgoingMessage([embed("a word")])
    for operation in ("execute_webhook", "update_original_webhook_message"):
        discord.faults.add(operation, kind, times=None, retry_after=0.1)
    # At an answer that says 5xx, discord.py would itself retry it for a minute.
    sends = (
        [own.send_followup, own.edit_original_response]
        if kind.startswith("dropped")
        else [own.send_followup]
    )
    for send in sends:
        with pytest.raises((DeliveryError, DeliveryOutcomeUnknown)) as caught:
            await send(spot, words)
        _assert_error_hidden(caught.value)


async def test_errors_about_a_refused_token_hide_it(
    discord: FakeDiscord, sender: tuple[MessageSender, ChatTarget]
) -> None:
    """Discord does not know it, or is unreachable."""
    own, spot = sender
    stranger = ChatTarget(
        spot.channel, app=spot.app, token=f"{INTERACTION_TOKEN_PREFIX}6unknown", until=spot.until
    )
    words, message = OutgoingMessage([embed("a word")]), message_ref(spot.channel, 1)
    with pytest.raises(DeliveryError) as caught:
        await own.send_followup(stranger, words)
    _assert_error_hidden(caught.value)
    discord.violations.clear()
    assert not await own.delete(spot, message)
    await discord.outage("refused")
    with pytest.raises((DeliveryError, DeliveryOutcomeUnknown)) as away:
        await own.send_followup(spot, words)
    _assert_error_hidden(away.value)
    await discord.recovered()
