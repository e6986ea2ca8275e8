"""Drafts: what a plain message would become, with buttons to change, start or drop it."""

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
from bot.frontends.telegram.context import NAME, ChatContext, remember
from bot.frontends.telegram.message_parser import IncomingMessage
from bot.frontends.telegram.rendering import Button, Html, escaped, keyboard, truncate
from bot.frontends.telegram.status_messages import StatusMessages
from bot.frontends.telegram.target import ChatTarget, parse_message_ref
from bot.frontends.telegram.video_requests import VideoRequestDraft, order_video
from bot.presentation.i18n import format_error, translate
from bot.services.queries import language_for
from bot.services.videos import Quote, quote_video

_MAX_PROMPT_CHARS = 600
"""Characters of the prompt that a draft shows."""
_PROMPT_WAIT_S = 3600.0
"""Seconds in which a text after an image belongs to it."""
_BUTTONS_PER_ROW = 3
_MAX_REMEMBERED_ALBUMS = 1000
_PAGES = ("model", "seconds", "orientation", "size")


class Drafts:
    """The drafts of one front-end."""

    def __init__(self, context: ChatContext, status_messages: StatusMessages) -> None:
        self._context = context
        self._status_messages = status_messages
        self._albums: dict[str, None] = {}

    async def create(self, incoming: IncomingMessage, request: VideoRequestDraft) -> None:
        """Show what the message would become; nothing is ordered yet. Raises `RetryLater`."""
        target, user = incoming.target, incoming.user
        body = request.to_json | {"reply": target.reply, "page": "", "of": incoming.album}
        opened = await self._last(incoming)
        if opened is None or opened.body.get("reply") != target.reply:
            address = target.channel_only.address
            opened = await self._context.interactive_messages.create(
                MessageKind.DRAFT, user.id, address, body=body
            )
        elif opened.message_ref is not None:
            # This very message was dealt with before a crash.
            return
        interactive = replace(opened, body=body)
        language = await language_for(self._context.app, user)
        text, markup = await self._render(interactive, user, language)
        body = interactive.body | {"shown": _mark(text, markup)}
        await self._context.interactive_messages.change(interactive, body=body)
        await self._context.send(interactive, target, language, text, markup)

    async def _last(self, incoming: IncomingMessage) -> InteractiveMessage | None:
        return await self._context.interactive_messages.newest(
            MessageKind.DRAFT,
            incoming.user.id,
            incoming.target.channel_only.address,
            _PROMPT_WAIT_S,
        )

    async def fill(self, incoming: IncomingMessage) -> bool:
        """Add a text to a draft whose image came without one. Returns whether there was one."""
        interactive = await self._last(incoming)
        if interactive is None or interactive.message_ref is None:
            return False
        if (
            interactive.body["video"]["prompt"]
            and interactive.body.get("words") != incoming.target.reply
        ):
            return False
        video = interactive.body["video"] | {"prompt": incoming.text}
        # When it is tried again, these very words are there already.
        body = interactive.body | {"video": video, "words": incoming.target.reply}
        await self._redraw(replace(interactive, body=body), incoming.user)
        return True

    async def join(self, incoming: IncomingMessage) -> bool:
        """Handle another message of a known album; its caption may be the missing prompt."""
        if incoming.album in self._albums:
            return True
        interactive = await self.of_album(incoming)
        if interactive is None:
            return False
        if incoming.text:
            await self.fill(incoming)
        return True

    async def of_album(self, incoming: IncomingMessage) -> InteractiveMessage | None:
        """Return the draft that an earlier message of the album created."""
        interactive = await self._last(incoming) if incoming.album is not None else None
        return (
            interactive
            if interactive is not None and interactive.body.get("of") == incoming.album
            else None
        )

    def is_handled(self, album: str | None) -> None:
        """Mark an album as used by a command: its later messages create no draft."""
        if album is not None:
            remember(self._albums, album, None, _MAX_REMEMBERED_ALBUMS)

    # --- presses -------------------------------------------------------------------------

    async def press(self, interactive: InteractiveMessage, verb: str, user: User) -> None:
        """Handle a button of a draft. Raises `RetryLater`, `DeliveryError`."""
        if verb == "start":
            await self._start(interactive, user)
        elif verb == "drop":
            language = await language_for(self._context.app, user)
            await self._finish(interactive, escaped(translate(language, "draft-dropped")))
        elif verb in {*_PAGES, "back"}:
            page = "" if verb == "back" else verb
            await self._redraw(replace(interactive, body=interactive.body | {"page": page}), user)
        elif verb.isdecimal():
            await self._redraw(_chosen(interactive, int(verb)), user)

    async def _start(self, interactive: InteractiveMessage, user: User) -> None:
        request = VideoRequestDraft.from_json(interactive.body)
        target = replace(
            ChatTarget.parse(interactive.destination.address), reply=interactive.body.get("reply")
        )
        language = await language_for(self._context.app, user)
        try:
            reply = await order_video(
                self._context, user, target, request, f"draft:{interactive.callback_id}"
            )
        except Refusal as refused:
            await self._redraw(
                interactive,
                user,
                format_error(language, refused, self._context.app.credit_rules.timezone),
            )
            return
        if reply.task is None or not reply.ok:
            await self._redraw(interactive, user, reply.text)
            return
        await self._status_messages.convert_draft(interactive, reply.task, reply.text)

    async def _finish(self, interactive: InteractiveMessage, text: Html) -> None:
        chat, message = parse_message_ref(interactive.message_ref or "0:0")
        await self._context.sender.edit(chat, message, text)
        await self._context.interactive_messages.change(
            interactive, body={"video": {"prompt": " "}}
        )
        await self._context.interactive_messages.close(interactive)

    async def _redraw(self, interactive: InteractiveMessage, user: User, trouble: str = "") -> None:
        language = await language_for(self._context.app, user)
        text, markup = await self._render(interactive, user, language, trouble)
        mark = _mark(text, markup)
        if interactive.body.get("shown") == mark:
            # Pressed twice, or nothing came of it: Telegram refuses an edit that changes nothing.
            return
        await self._context.interactive_messages.change(
            interactive, body=interactive.body | {"shown": ""}
        )
        chat, message = parse_message_ref(interactive.message_ref or "0:0")
        await self._context.sender.edit(chat, message, text, markup)
        await self._context.interactive_messages.change(
            interactive, body=interactive.body | {"shown": mark}
        )

    # --- how it looks --------------------------------------------------------------------

    async def _render(
        self, interactive: InteractiveMessage, user: User, language: str, trouble: str = ""
    ) -> tuple[Html, InlineKeyboardMarkup]:
        """Return text and buttons of the draft; the possible choices are kept in its body."""
        request = VideoRequestDraft.from_json(interactive.body)
        if not request.video.prompt:
            text = _joined("", _notes(language, request), translate(language, "draft-no-prompt"))
            return text, keyboard(interactive, [[(translate(language, "button-drop"), "drop")]])
        complete = replace(request.for_quote, prompt=request.video.prompt)
        try:
            quote = await quote_video(
                user,
                Destination(NAME, interactive.destination.address),
                complete,
                self._context.app,
                request.image.orientation if request.image else None,
            )
        except Refusal as refused:
            reason = format_error(language, refused, self._context.app.credit_rules.timezone)
            text = _joined(_quotation(request), trouble or reason)
            return text, keyboard(interactive, self._replace_unavailable(interactive, language))
        text = _joined(
            _quotation(request), _notes(language, request), _facts(language, quote), trouble
        )
        return text, keyboard(interactive, _rows(interactive, quote, language))

    def _replace_unavailable(
        self, interactive: InteractiveMessage, language: str
    ) -> list[list[Button]]:
        """Offer to start over where the request cannot be fulfilled."""
        interactive.body["offered"] = [["model", None]]
        interactive.body["page"] = ""
        row = [(translate(language, "button-drop"), "drop")]
        if any(value for name, value in interactive.body["video"].items() if name != "prompt"):
            row.insert(0, (translate(language, "button-reset"), "0"))
        return [row]


def _chosen(interactive: InteractiveMessage, number: int) -> InteractiveMessage:
    """Return the draft with one of the offered values chosen."""
    offered = interactive.body.get("offered") or []
    if number >= len(offered):
        return interactive
    name, value = offered[number]
    video: dict[str, Any] = {**interactive.body["video"]}
    if name == "model":
        # What another model cannot do would only be refused.
        video = {"prompt": video["prompt"]}
    video[name] = value
    return replace(interactive, body=interactive.body | {"video": video, "page": ""})


def _rows(interactive: InteractiveMessage, quote: Quote, language: str) -> list[list[Button]]:
    page = interactive.body.get("page")
    if interactive.body.get("remix"):
        # It is made as the one before it was.
        return [[_start(quote, language)], [(translate(language, "button-drop"), "drop")]]
    if page not in _PAGES:
        return _front(quote, language)
    options = _options(str(page), quote, language)
    interactive.body["offered"] = [[page, value] for _, value, _ in options]
    buttons = [
        (f"\u2713 {label}" if current else label, str(number))
        for number, (label, _, current) in enumerate(options)
    ]
    in_a_row = 1 if page == "model" else _BUTTONS_PER_ROW
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
    orientation = quote.order.orientation
    return [size.name for size in quote.model.sizes if size.orientation in {None, orientation}]


def _options(page: str, quote: Quote, language: str) -> Sequence[tuple[str, Any, bool]]:
    """Return (label, value, whether it is chosen)."""
    order, model = quote.order, quote.model
    if page == "model":
        return [
            (size_name.title, size_name.name, size_name.name == order.model)
            for size_name in quote.available_models
        ]
    if page == "seconds":
        return [
            (
                translate(language, "button-seconds", seconds=size_name),
                size_name,
                size_name == order.seconds,
            )
            for size_name in model.durations
        ]
    if page == "orientation":
        return [
            (
                translate(language, f"orientation-{size_name}"),
                size_name,
                size_name == order.orientation,
            )
            for size_name in model.orientations
        ]
    return [(size_name, size_name, size_name == order.size) for size_name in _sizes(quote)]


def _mark(text: Html, markup: InlineKeyboardMarkup) -> str:
    return hashlib.sha256(f"{text}{markup.to_json()}".encode()).hexdigest()[:16]


def _joined(quotation: Html, *texts: str) -> Html:
    return "\n".join(part for part in (quotation, *map(escaped, texts)) if part)


def _quotation(request: VideoRequestDraft) -> Html:
    short = truncate(" ".join(request.video.prompt.split()), _MAX_PROMPT_CHARS)
    return f"<blockquote>{escaped(short)}</blockquote>"


def _notes(language: str, request: VideoRequestDraft) -> str:
    notes = []
    if request.remix_of is not None:
        notes.append(translate(language, "draft-remix", task=request.remix_of))
    if request.image is not None:
        notes.append(translate(language, "draft-picture"))
    if request.album:
        notes.append(translate(language, "album-first"))
    return "\n".join(notes)


def _facts(language: str, quote: Quote) -> str:
    order = quote.order
    orientation = (
        translate(language, f"orientation-{order.orientation}") if order.orientation else ""
    )
    shape = " ".join(part for part in (orientation, order.size or "") if part)
    return translate(
        language,
        "draft-facts",
        model=quote.model.title,
        seconds=order.seconds,
        shape=shape,
        price=quote.price,
        free=quote.available_credits,
    )
