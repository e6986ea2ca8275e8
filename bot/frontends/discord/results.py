"""Finished videos on their way to those who wait, whatever the time, and once more on demand."""

from __future__ import annotations

from dataclasses import replace

import discord
import structlog

from bot.cards import DatabaseError
from bot.domain.errors import Refusal
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import Delivery, State, Task, Video
from bot.frontends.discord.asked import Asked
from bot.frontends.discord.kit import Kit
from bot.frontends.discord.markup import Button, caption, embed, keyboard, note_with_link
from bot.frontends.discord.post import Words
from bot.frontends.discord.spot import Spot, user_of
from bot.frontends.discord.statuses import Statuses
from bot.inbox import Later
from bot.media.links import PublishError
from bot.media.storage import DiskFull
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import translate
from bot.services.packaging import DeliveryPayload, prepare_delivery
from bot.services.queries import language_for
from bot.services.videos import can_remix

_log = structlog.get_logger(__name__)
_DAY = 86400.0
_MOMENT = 1.0
_STYLE = discord.ButtonStyle
_CHOICES = {
    State.FAILED: ("button-retry", "retry"),
    State.UNDELIVERED: ("button-fetch", "fetch"),
}
"""What a person may want to press below the last word."""


class Results:
    """Posts results and last words."""

    def __init__(self, kit: Kit, statuses: Statuses) -> None:
        self._kit = kit
        self._statuses = statuses

    # --- for the engine ------------------------------------------------------------------

    async def deliver(self, task: Task, delivery: Delivery, video: Video, note: str) -> str:
        """Post the result where it was asked for, or to its person if that is closed to us."""
        spot = Spot.parse(delivery.destination.address)
        card = await self._card(task, spot)
        beside = caption(task, note, repeated=delivery.repeated)
        words = self._words(card, task, video, beside, whole=not note)
        key = await self._posted(task, spot, words, f"v{task.id}")
        await self._note(card, key)
        self._kit.beside(self._statuses.end(task))
        return key

    async def posted(self, task: Task, delivery: Delivery) -> str | None:
        """Whether it stands somewhere, as far as that was noted or can be seen."""
        card = await self._kit.cards.of_task(task.id, MessageKind.RESULT)
        if card is None:
            return None
        if card.message_ref is not None:
            return card.message_ref
        try:
            key = await self._kit.post.look(
                Spot.parse(delivery.destination.address), card.callback_id
            )
        except (DeliveryError, DeliveryOutcomeUnknown):
            return None
        if key is not None:
            await self._note(card, key)
            self._kit.beside(self._statuses.end(task))
        return key

    async def tell(self, task: Task, text: str) -> None:
        """The last word: a message to its person, or in the status if they have stopped it."""
        if task.state is State.CANCELLED and await self._statuses.end(task, text):
            return
        spot = Spot.parse(task.destination.address)
        said = discord.Embed(description=note_with_link(text))
        words = Words([said], await self._choice(task, spot), mention=user_of(task.user_id))
        await self._posted(task, spot, words, f"w{task.id}{task.state.value[:3]}")
        self._kit.beside(self._statuses.end(task))

    # --- where it goes -------------------------------------------------------------------

    async def _posted(self, task: Task, spot: Spot, words: Words, nonce: str) -> str:
        """By the token, then by the bot's own right, then to the person alone."""
        closed: DeliveryError | None = None
        # The first that follows an acknowledgement fills it, and what was to fill it would be
        # written over the video (receiving-and-responding, "followup messages").
        if await self._kit.inbox.holds(spot.asked):
            if spot.right != "own":
                raise DeliveryError("throttled", "it is being answered", retry_after=_MOMENT)
        elif spot.by_token(self._kit.desk.clock.now()):
            try:
                return await self._kit.post.follow(spot, words)
            except DeliveryError as error:
                if not error.is_permanent:
                    raise
                closed = error
        if spot.right == "lent":
            raise closed or DeliveryError("answer-expired", is_permanent=True)
        if spot.right == "own":
            try:
                return await self._kit.post.send(spot.channel, words, nonce)
            except DeliveryError as error:
                if not error.is_permanent or spot.guild is None:
                    raise
                closed = error
        return await self._in_private(task, spot, words, nonce, closed)

    async def _in_private(
        self, task: Task, spot: Spot, words: Words, nonce: str, closed: DeliveryError | None
    ) -> str:
        why = embed(translate(task.language, "posted-in-private"))
        words = replace(words, embeds=[why, *words.embeds], mention=None)
        try:
            channel = await self._kit.post.direct(user_of(task.user_id))
            return await self._kit.post.send(channel, words, f"p{nonce}")
        except DeliveryError as second:
            if second.reason == "too-large":
                self._kit.post.takes_less(spot.channel)
            # Why the channel itself does not take it says more than that there is no other way.
            raise (closed if second.is_permanent and closed is not None else second) from None

    # --- for people ----------------------------------------------------------------------

    async def again(self, asked: Asked, task: Task) -> None:
        """A result that was delivered before, once more. Raises `Refusal`, `Later`."""
        card = await self._card(task, asked.spot)
        # It may be another one by now than when it was ordered.
        language = await language_for(self._kit.desk, asked.person, asked.group)
        task = replace(task, language=language)
        parcel = await self._packed(task, self._kit.post.largest(asked.spot))
        if parcel.video is None:
            await self._kit.answer(asked, parcel.note, linked=True)
            return
        beside = caption(task, parcel.note, repeated=False)
        words = self._words(card, task, parcel.video, beside, whole=not parcel.note)
        try:
            if asked.fresh:
                await self._kit.post.fill(asked.spot, replace(words, mention=None))
            else:
                await self._kit.post.follow(asked.spot, replace(words, mention=None), private=True)
        except DeliveryOutcomeUnknown as error:
            raise Later(str(error)) from None
        except DeliveryError as error:
            if not error.is_permanent:
                raise Later(str(error), error.retry_after) from None
            _log.info("not_fetched", task=task.id, why=str(error))

    async def original(self, asked: Asked, task: Task) -> None:
        """The video as the gateway has made it: by a link, or as a file if it fits."""
        desk = self._kit.desk
        path = desk.storage.result_path(task.file or "-")
        if task.file is None or not path.is_file():
            raise Refusal("fetch-expired", task=task.id)
        if desk.publisher is not None:
            valid_for = min(
                desk.settings.result_retention_days * _DAY, desk.publisher.max_validity_s
            )
            try:
                link = await desk.publisher.publish(path, desk.clock.now(), valid_for)
            except PublishError as error:
                raise Later(str(error)) from None
            await self._kit.answer(asked, link, linked=True)
            return
        if (task.bytes or 0) > self._kit.post.largest(asked.spot):
            raise Refusal("reason-too-large")
        words = Words([], file=path, name=f"{task.id}.mp4")
        try:
            await self._kit.post.follow(asked.spot, words, private=True)
        except DeliveryOutcomeUnknown as error:
            # It is likelier there than not.
            _log.info("original_not_heard_of", task=task.id, why=str(error))
        except DeliveryError as error:
            if error.reason == "too-large":
                raise Refusal("reason-too-large") from None
            if not error.is_permanent:
                raise Later(str(error), error.retry_after) from None
            _log.info("original_not_sent", task=task.id, why=str(error))

    async def delete(self, asked: Asked, card: InteractiveMessage, key: str) -> None:
        """Take a result away; the video itself is kept for `/fetch`. Raises `Later`."""
        try:
            gone = await self._kit.post.delete(asked.spot, key)
        except (DeliveryError, DeliveryOutcomeUnknown) as error:
            raise Later(str(error)) from None
        language = await language_for(self._kit.desk, asked.person, asked.group)
        if not gone:
            raise Refusal("cannot-delete")
        task = card.task_id or ""
        await self._kit.answer(asked, translate(language, "result-deleted", task=task))

    async def _packed(self, task: Task, limit: int) -> DeliveryPayload:
        desk = self._kit.desk
        kept_for = desk.settings.result_retention_days * _DAY
        try:
            parcel = await prepare_delivery(desk, task, limit, kept_for)
        except FileNotFoundError:
            raise Refusal("fetch-expired", task=task.id) from None
        except (DiskFull, PublishError) as error:
            raise Later(str(error)) from None
        if parcel.video is None and not parcel.note:
            raise Refusal("reason-too-large")
        return parcel

    # --- cards ---------------------------------------------------------------------------

    async def _card(self, task: Task, spot: Spot) -> InteractiveMessage:
        return await self._kit.cards.open(MessageKind.RESULT, task.user_id, spot.room, task=task.id)

    def _words(
        self,
        card: InteractiveMessage,
        task: Task,
        video: Video,
        beside: discord.Embed,
        *,
        whole: bool,
    ) -> Words:
        language = task.language
        row: list[Button] = [(translate(language, "button-again"), "again", _STYLE.primary)]
        if can_remix(self._kit.desk, task):
            row.append((translate(language, "button-remix"), "remix", _STYLE.secondary))
        if not whole or video.path.name != task.file:
            row.append((translate(language, "button-original"), "original", _STYLE.secondary))
        row.append((translate(language, "button-delete"), "delete", _STYLE.danger))
        return Words(
            [beside],
            keyboard(card, [row]),
            mention=user_of(task.user_id),
            file=video.path,
            name=f"{task.id}.mp4",
            spoiler=bool(task.order.spoiler),
        )

    async def _choice(self, task: Task, spot: Spot) -> discord.ui.View | None:
        if task.state not in _CHOICES:
            return None
        word, verb = _CHOICES[task.state]
        body = {"choices": [f"/{verb} {task.id}"]}
        card = await self._kit.cards.open(
            MessageKind.CHOICES, task.user_id, spot.room, task=task.id, body=body
        )
        return keyboard(card, [[(translate(task.language, word), "0", _STYLE.primary)]])

    async def _note(self, card: InteractiveMessage, key: str) -> None:
        try:
            await self._kit.cards.change(card, message=key)
        except DatabaseError as error:
            # It stands in the channel: that is what counts.
            _log.warning("result_not_remembered", task=card.task_id, why=str(error))
