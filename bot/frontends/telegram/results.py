"""Finished videos on their way into a chat, and once more for those who ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog
from telegram import InlineKeyboardMarkup, Message

from bot.cards import DatabaseError
from bot.domain.errors import Refusal
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import Delivery, State, Task, Video
from bot.frontends.telegram.kit import SENDS, Kit
from bot.frontends.telegram.markup import Html, caption, escaped, keyboard
from bot.frontends.telegram.pace import Rank
from bot.frontends.telegram.post import Film
from bot.frontends.telegram.spot import Spot, message_key, user_of
from bot.frontends.telegram.statuses import Statuses
from bot.media.links import PublishError
from bot.media.storage import DiskFull
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import translate
from bot.services.packaging import prepare_delivery
from bot.services.videos import can_remix

_log = structlog.get_logger(__name__)
_DAY = 86400.0
_FILE_STANDS = 60.0
"""Seconds in which a file that was asked for is not posted a second time."""
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
        """Post the result where it was asked for, or to its person if that chat is closed to us."""
        spot = Spot.parse(delivery.destination.address)
        card = await self._card(task, spot)
        words = caption(task, note, repeated=delivery.repeated)
        film = self._film(card, task, video, words)
        try:
            message = await self._kit.post.film(spot, film)
        except DeliveryError as error:
            message = await self._in_private(error, task, spot, film, note)
        key = message_key(message.chat.id, message.message_id)
        await self._remember(card, message, key, whole=not note)
        self._kit.beside(self._statuses.end(task))
        return key

    async def posted(self, task: Task) -> str | None:
        """Whether it is known to stand somewhere: its receipt."""
        card = await self._kit.cards.of_task(task.id, MessageKind.RESULT)
        return card.message_ref if card is not None else None

    async def tell(self, task: Task, text: str) -> None:
        """The last word: below the request, or in the status if its person has stopped it."""
        spot = Spot.parse(task.destination.address)
        if task.state is State.CANCELLED and await self._statuses.end(task, text):
            return
        markup = await self._choice(task, spot)
        try:
            await self._kit.post.text(spot, escaped(text), Rank.WORD, markup)
        except DeliveryError as error:
            if not error.is_permanent or spot.private:
                raise
            await self._kit.post.text(Spot(user_of(task.user_id)), escaped(text), Rank.WORD, markup)
        self._kit.beside(self._statuses.end(task))

    async def _in_private(
        self, error: DeliveryError, task: Task, spot: Spot, film: Film, note: str
    ) -> Message:
        if not error.is_permanent or spot.private:
            raise error
        why = translate(task.language, "posted-in-private")
        words = caption(task, "\n".join(part for part in (why, note) if part), repeated=False)
        own = Spot(user_of(task.user_id))
        try:
            return await self._kit.post.film(own, replace(film, caption=words))
        except DeliveryError as second:
            # Why the chat itself does not take it says more than that there is no other way.
            raise (error if second.is_permanent else second) from None

    # --- for people ----------------------------------------------------------------------

    async def again(self, task: Task, spot: Spot, language: str) -> None:
        """A result that was delivered before, once more; without an upload where that can be.

        Raises `Refusal`, `Later`, `DeliveryError`, `DeliveryOutcomeUnknown`.
        """
        card = await self._card(task, spot)
        task = replace(task, language=language)

        async def send(known: str | None, lost: int) -> None:
            video, note = (known, "") if known else await self._packed(task)
            if video is None:
                await self._kit.answer(spot, language, note)
                return
            film = self._film(card, task, video, caption(task, note, repeated=lost > 0))
            message = await self._kit.post.film(spot, film)
            await self._remember(card, message, None, whole=not note)

        await self._at_most_twice(card, card.body.get("video"), send)

    async def as_file(
        self, task: Task, card: InteractiveMessage, spot: Spot, language: str
    ) -> None:
        """The video as the file that the gateway has made; raises as `again` does."""

        async def send(known: str | None, lost: int) -> None:
            path = self._kit.desk.storage.result_path(task.file or "-")
            if not known and (task.file is None or not path.is_file()):
                raise Refusal("fetch-expired", task=task.id)
            if not known and (task.bytes or 0) > self._kit.post.largest:
                _, note = await self._packed(replace(task, language=language))
                await self._kit.answer(
                    spot, language, note or translate(language, "reason-too-large")
                )
                return
            words = escaped(translate(language, "caption-repeated")) if lost else ""
            file = known or path
            message = await self._kit.post.document(spot, file, f"{task.id}.mp4", words)
            if message.document is not None:
                await self._change(card, file=message.document.file_id)
            await self._file_stands(card)

        await self._at_most_twice(card, card.body.get("file"), send)

    async def _at_most_twice(
        self,
        card: InteractiveMessage,
        known: str | None,
        send: Callable[[str | None, int], Awaitable[None]],
    ) -> None:
        """Send by Telegram's id where one is known, else from our disk; `send` marks a repetition.

        A send whose answer was lost is remembered, for this update will be tried again.
        """
        lost = int(card.body.get("lost", 0))
        try:
            if lost < SENDS:
                await self._by_id_or_anew(known, lost, send)
        except DeliveryOutcomeUnknown:
            await self._kit.cards.note(card, lost=lost + 1)
            raise
        if lost:
            await self._change(card, lost=0)

    @staticmethod
    async def _by_id_or_anew(
        known: str | None, lost: int, send: Callable[[str | None, int], Awaitable[None]]
    ) -> None:
        try:
            await send(known, lost)
        except DeliveryError as error:
            # Another bot's token cannot use the ids of the one before it.
            if known is None or not error.is_permanent or error.reason != "unknown":
                raise
            await send(None, lost)

    def has_file(self, card: InteractiveMessage) -> bool:
        """Whether the file was posted just now: who presses twice wants it once."""
        return self._kit.desk.clock.now() - float(card.body.get("file_at", 0)) < _FILE_STANDS

    async def _file_stands(self, card: InteractiveMessage) -> None:
        await self._change(card, file_at=self._kit.desk.clock.now())

    async def _packed(self, task: Task) -> tuple[Video | None, str]:
        desk = self._kit.desk
        kept_for = desk.settings.result_retention_days * _DAY
        try:
            parcel = await prepare_delivery(desk, task, self._kit.post.largest, kept_for)
        except FileNotFoundError:
            raise Refusal("fetch-expired", task=task.id) from None
        except (DiskFull, PublishError) as error:
            raise DeliveryError("unknown", str(error)) from None
        if parcel.video is None and not parcel.note:
            raise Refusal("reason-too-large")
        return parcel.video, parcel.note

    # --- cards ---------------------------------------------------------------------------

    async def _card(self, task: Task, spot: Spot) -> InteractiveMessage:
        return await self._kit.cards.open(
            MessageKind.RESULT, task.user_id, spot.room.address, task=task.id
        )

    def _film(self, card: InteractiveMessage, task: Task, video: Video | str, words: Html) -> Film:
        return Film(video, words, self._markup(card, task), bool(task.order.spoiler))

    def _markup(self, card: InteractiveMessage, task: Task) -> InlineKeyboardMarkup:
        words = [("button-again", "again"), ("button-file", "file")]
        if can_remix(self._kit.desk, task):
            words.insert(1, ("button-remix", "remix"))
        return keyboard(card, [[(translate(task.language, word), verb) for word, verb in words]])

    async def _choice(self, task: Task, spot: Spot) -> InlineKeyboardMarkup | None:
        if task.state not in _CHOICES:
            return None
        word, verb = _CHOICES[task.state]
        card = await self._kit.cards.open(
            MessageKind.CHOICES,
            task.user_id,
            spot.room.address,
            task=task.id,
            body={"choices": [f"/{verb} {task.id}"]},
        )
        return keyboard(card, [[(translate(task.language, word), "0")]])

    async def _remember(
        self, card: InteractiveMessage, message: Message, key: str | None, *, whole: bool
    ) -> None:
        facts: dict[str, str] = {}
        if whole and message.video is not None:
            facts["video"] = message.video.file_id
        await self._change(card, key, **facts)

    async def _change(
        self, card: InteractiveMessage, key: str | None = None, **facts: str | float
    ) -> None:
        try:
            await self._kit.cards.note(card, **facts)
            if key is not None:
                await self._kit.cards.change(card, message=key)
        except DatabaseError as error:
            # It stands in the chat: that is what counts.
            _log.warning("result_not_remembered", task=card.task_id, why=str(error))
