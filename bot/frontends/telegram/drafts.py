"""Draft cards: what a plain message would become, with buttons to change it, start it, drop it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from telegram import InlineKeyboardMarkup

from bot.domain.errors import Refusal
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import Destination
from bot.domain.users import User
from bot.frontends.telegram.incoming import Incoming
from bot.frontends.telegram.kit import NAME, Kit, remember
from bot.frontends.telegram.making import Wish, make
from bot.frontends.telegram.markup import Button, Html, cut, escaped, keyboard
from bot.frontends.telegram.spot import Spot, message_of
from bot.frontends.telegram.statuses import Statuses
from bot.presentation.i18n import format_error, translate
from bot.services.queries import language_for
from bot.services.videos import Quote, quote_video

_SHOWN = 600
"""Characters of the prompt that a card shows."""
_WAITS_FOR_WORDS = 3600.0
"""Seconds in which a text that follows a picture belongs to it."""
_IN_A_ROW = 3
_REMEMBERED = 1000
_PAGES = ("model", "seconds", "orientation", "size")


class Drafts:
    """The draft cards of one front-end."""

    def __init__(self, kit: Kit, statuses: Statuses) -> None:
        self._kit = kit
        self._statuses = statuses
        self._albums: dict[str, None] = {}

    async def open(self, incoming: Incoming, wish: Wish) -> None:
        """Show what the message would become; nothing is ordered yet. Raises `Later`."""
        spot, person = incoming.spot, incoming.person
        body = wish.body | {"reply": spot.reply, "page": "", "of": incoming.album}
        opened = await self._last(incoming)
        if opened is None or opened.body.get("reply") != spot.reply:
            address = spot.room.address
            opened = await self._kit.cards.open(MessageKind.DRAFT, person.id, address, body=body)
        elif opened.message_ref is not None:
            # This very message was dealt with before a crash.
            return
        card = replace(opened, body=body)
        language = await language_for(self._kit.desk, person)
        text, markup = await self._drawn(card, person, language)
        body = card.body | {"shown": _mark(text, markup)}
        await self._kit.cards.change(card, body=body)
        await self._kit.put_up(card, spot, language, text, markup)

    async def _last(self, incoming: Incoming) -> InteractiveMessage | None:
        return await self._kit.cards.newest(
            MessageKind.DRAFT,
            incoming.person.id,
            incoming.spot.room.address,
            _WAITS_FOR_WORDS,
        )

    async def fill(self, incoming: Incoming) -> bool:
        """A text that follows a picture without words belongs to it. Whether there was one."""
        card = await self._last(incoming)
        if card is None or card.message_ref is None:
            return False
        if card.body["video"]["prompt"] and card.body.get("words") != incoming.spot.reply:
            return False
        video = card.body["video"] | {"prompt": incoming.text}
        # When it is tried again, these very words are there already.
        body = card.body | {"video": video, "words": incoming.spot.reply}
        await self._redraw(replace(card, body=body), incoming.person)
        return True

    async def join(self, incoming: Incoming) -> bool:
        """One more piece of an album that is dealt with; its words may be those that lack."""
        if incoming.album in self._albums:
            return True
        card = await self.of_album(incoming)
        if card is None:
            return False
        if incoming.text:
            await self.fill(incoming)
        return True

    async def of_album(self, incoming: Incoming) -> InteractiveMessage | None:
        """The draft that an earlier piece of its album has brought."""
        card = await self._last(incoming) if incoming.album is not None else None
        return card if card is not None and card.body.get("of") == incoming.album else None

    def dealt_with(self, album: str | None) -> None:
        """A command has used this album: what is still to come of it brings no draft."""
        if album is not None:
            remember(self._albums, album, None, _REMEMBERED)

    # --- presses -------------------------------------------------------------------------

    async def press(self, card: InteractiveMessage, verb: str, person: User) -> None:
        """A button of the card. Raises `Later`, `DeliveryError`."""
        if verb == "start":
            await self._start(card, person)
        elif verb == "drop":
            language = await language_for(self._kit.desk, person)
            await self._finish(card, escaped(translate(language, "draft-dropped")))
        elif verb in {*_PAGES, "back"}:
            page = "" if verb == "back" else verb
            await self._redraw(replace(card, body=card.body | {"page": page}), person)
        elif verb.isdecimal():
            await self._redraw(_chosen(card, int(verb)), person)

    async def _start(self, card: InteractiveMessage, person: User) -> None:
        wish = Wish.parse(card.body)
        spot = replace(Spot.parse(card.destination.address), reply=card.body.get("reply"))
        language = await language_for(self._kit.desk, person)
        try:
            reply = await make(self._kit, person, spot, wish, f"draft:{card.callback_id}")
        except Refusal as refused:
            await self._redraw(
                card, person, format_error(language, refused, self._kit.desk.credit_rules.timezone)
            )
            return
        if reply.task is None or not reply.ok:
            await self._redraw(card, person, reply.text)
            return
        await self._statuses.take_over(card, reply.task, reply.text)

    async def _finish(self, card: InteractiveMessage, text: Html) -> None:
        chat, message = message_of(card.message_ref or "0:0")
        await self._kit.post.edit(chat, message, text)
        await self._kit.cards.change(card, body={"video": {"prompt": " "}})
        await self._kit.cards.end(card)

    async def _redraw(self, card: InteractiveMessage, person: User, trouble: str = "") -> None:
        language = await language_for(self._kit.desk, person)
        text, markup = await self._drawn(card, person, language, trouble)
        mark = _mark(text, markup)
        if card.body.get("shown") == mark:
            # Pressed twice, or nothing came of it: Telegram refuses an edit that changes nothing.
            return
        await self._kit.cards.change(card, body=card.body | {"shown": ""})
        chat, message = message_of(card.message_ref or "0:0")
        await self._kit.post.edit(chat, message, text, markup)
        await self._kit.cards.change(card, body=card.body | {"shown": mark})

    # --- how it looks --------------------------------------------------------------------

    async def _drawn(
        self, card: InteractiveMessage, person: User, language: str, trouble: str = ""
    ) -> tuple[Html, InlineKeyboardMarkup]:
        """The card's text and buttons; what may be chosen is kept in its body."""
        wish = Wish.parse(card.body)
        if not wish.video.prompt:
            text = _joined("", _notes(language, wish), translate(language, "draft-no-prompt"))
            return text, keyboard(card, [[(translate(language, "button-drop"), "drop")]])
        asked = replace(wish.quotable, prompt=wish.video.prompt)
        try:
            quote = await quote_video(
                person,
                Destination(NAME, card.destination.address),
                asked,
                self._kit.desk,
                wish.picture.orientation if wish.picture else None,
            )
        except Refusal as refused:
            why = format_error(language, refused, self._kit.desk.credit_rules.timezone)
            text = _joined(_quotation(wish), trouble or why)
            return text, keyboard(card, self._rescue(card, language))
        text = _joined(_quotation(wish), _notes(language, wish), _facts(language, quote), trouble)
        return text, keyboard(card, _rows(card, quote, language))

    def _rescue(self, card: InteractiveMessage, language: str) -> list[list[Button]]:
        """What may help where the wish cannot be fulfilled: to begin anew."""
        card.body["offered"] = [["model", None]]
        card.body["page"] = ""
        row = [(translate(language, "button-drop"), "drop")]
        if any(value for name, value in card.body["video"].items() if name != "prompt"):
            row.insert(0, (translate(language, "button-reset"), "0"))
        return [row]


def _chosen(card: InteractiveMessage, number: int) -> InteractiveMessage:
    """The card with one of the values that it had offered."""
    offered = card.body.get("offered") or []
    if number >= len(offered):
        return card
    name, value = offered[number]
    video: dict[str, Any] = {**card.body["video"]}
    if name == "model":
        # What another model cannot do would only be refused.
        video = {"prompt": video["prompt"]}
    video[name] = value
    return replace(card, body=card.body | {"video": video, "page": ""})


def _rows(card: InteractiveMessage, quote: Quote, language: str) -> list[list[Button]]:
    page = card.body.get("page")
    if card.body.get("remix"):
        # It is made as the one before it was.
        return [[_start(quote, language)], [(translate(language, "button-drop"), "drop")]]
    if page not in _PAGES:
        return _front(quote, language)
    options = _options(str(page), quote, language)
    card.body["offered"] = [[page, value] for _, value, _ in options]
    buttons = [
        (f"\u2713 {label}" if current else label, str(number))
        for number, (label, _, current) in enumerate(options)
    ]
    in_a_row = 1 if page == "model" else _IN_A_ROW
    rows = [buttons[start : start + in_a_row] for start in range(0, len(buttons), in_a_row)]
    return [*rows, [(translate(language, "button-back"), "back")]]


def _front(quote: Quote, language: str) -> list[list[Button]]:
    order, model = quote.order, quote.model
    row = [(translate(language, "button-seconds", seconds=order.seconds), "seconds")]
    if len(model.orientations) > 1 and order.orientation:
        row.append((translate(language, f"orientation-{order.orientation}"), "orientation"))
    if len(_sizes(quote)) > 1 and order.size:
        row.append((order.size, "size"))
    return [
        [_start(quote, language)],
        [(translate(language, "button-model", model=model.title), "model")],
        row,
        [(translate(language, "button-drop"), "drop")],
    ]


def _start(quote: Quote, language: str) -> Button:
    return translate(language, "button-start", price=quote.price), "start"


def _sizes(quote: Quote) -> list[str]:
    way = quote.order.orientation
    return [one.name for one in quote.model.sizes if one.orientation in {None, way}]


def _options(page: str, quote: Quote, language: str) -> Sequence[tuple[str, Any, bool]]:
    """(what the button says, the value, whether it is chosen now)."""
    order, model = quote.order, quote.model
    if page == "model":
        return [(one.title, one.name, one.name == order.model) for one in quote.available_models]
    if page == "seconds":
        return [
            (translate(language, "button-seconds", seconds=one), one, one == order.seconds)
            for one in model.durations
        ]
    if page == "orientation":
        return [
            (translate(language, f"orientation-{one}"), one, one == order.orientation)
            for one in model.orientations
        ]
    return [(one, one, one == order.size) for one in _sizes(quote)]


def _mark(text: Html, markup: InlineKeyboardMarkup) -> str:
    return hashlib.sha256(f"{text}{markup.to_json()}".encode()).hexdigest()[:16]


def _joined(quotation: Html, *texts: str) -> Html:
    return "\n".join(part for part in (quotation, *map(escaped, texts)) if part)


def _quotation(wish: Wish) -> Html:
    short = cut(" ".join(wish.video.prompt.split()), _SHOWN)
    return f"<blockquote>{escaped(short)}</blockquote>"


def _notes(language: str, wish: Wish) -> str:
    notes = []
    if wish.remix_of is not None:
        notes.append(translate(language, "draft-remix", task=wish.remix_of))
    if wish.picture is not None:
        notes.append(translate(language, "draft-picture"))
    if wish.album:
        notes.append(translate(language, "album-first"))
    return "\n".join(notes)


def _facts(language: str, quote: Quote) -> str:
    order = quote.order
    way = translate(language, f"orientation-{order.orientation}") if order.orientation else ""
    shape = " ".join(part for part in (way, order.size or "") if part)
    return translate(
        language,
        "draft-facts",
        model=quote.model.title,
        seconds=order.seconds,
        shape=shape,
        price=quote.price,
        free=quote.available_credits,
    )
