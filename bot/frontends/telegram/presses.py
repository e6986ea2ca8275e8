"""What comes of a button: each press is answered at once, and the second one harms nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog
from telegram import CallbackQuery, Message

from bot.cards import DatabaseError
from bot.commands import parser
from bot.domain.commands import Cancel, ChangeLanguage, ForgetMe, Retry
from bot.domain.errors import Refusal
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import ACTIVE, State
from bot.domain.users import User
from bot.frontends.telegram.drafts import Drafts
from bot.frontends.telegram.incoming import person_of
from bot.frontends.telegram.kit import Kit, remember
from bot.frontends.telegram.making import ask
from bot.frontends.telegram.markup import LONGEST_TOAST, cut, escaped, pressed
from bot.frontends.telegram.results import Results
from bot.frontends.telegram.spot import Spot, message_key, message_of
from bot.frontends.telegram.statuses import Statuses
from bot.frontends.telegram.talk import STILL_ASKED, Talk
from bot.inbox import Later
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import format_error, translate
from bot.presentation.task_messages import final_message
from bot.services.queries import language_for, task_by_id

_log = structlog.get_logger(__name__)
_REMEMBERED = 1000


@dataclass(slots=True)
class _Press:
    """One press of a card's owner."""

    query: CallbackQuery
    card: InteractiveMessage
    verb: str
    person: User
    language: str
    spot: Spot
    """Where what comes of it belongs: below the card."""


class Presses:
    """Deals with what people press."""

    def __init__(
        self, kit: Kit, statuses: Statuses, results: Results, drafts: Drafts, talk: Talk
    ) -> None:
        self._kit = kit
        self._statuses = statuses
        self._results = results
        self._drafts = drafts
        self._talk = talk
        self._answered: dict[str, None] = {}
        """Presses that were answered in an earlier try."""
        self._kinds = {
            MessageKind.STATUS: self._status,
            MessageKind.RESULT: self._result,
            MessageKind.DRAFT: self._draft,
            MessageKind.CHOICES: self._choices,
        }

    async def press(self, query: CallbackQuery) -> None:
        """One press, whoever's. Raises `Later`."""
        person = person_of(query.from_user, self._kit.desk.settings)
        language = await language_for(self._kit.desk, person)
        token, verb = pressed(query.data or "")
        card = await self._kit.cards.get(token)
        if card is None or card.kind not in self._kinds:
            await self._toast(query, translate(language, "press-too-old"), alert=True)
        elif card.user_id != person.id:
            await self._toast(query, translate(language, "card-not-yours"), alert=True)
        else:
            card = await self._seen(query, card)
            one = _Press(query, card, verb, person, language, _below(query, card))
            await self._kindly(one)

    async def _kindly(self, press: _Press) -> None:
        try:
            await self._kinds[press.card.kind](press)
        except Refusal as refused:
            await self._say(
                press, format_error(press.language, refused, self._kit.desk.credit_rules.timezone)
            )
        except DeliveryError as error:
            if not error.is_permanent:
                raise Later(str(error), error.retry_after) from None
        except DeliveryOutcomeUnknown as error:
            raise Later(str(error)) from None
        except (Later, DatabaseError):
            raise
        except Exception:  # noqa: BLE001 - a fault of ours; the person is not to wait for nothing
            _log.exception("press_failed")
            await self._say(press, translate(press.language, "internal-error"))

    async def _say(self, press: _Press, text: str) -> None:
        """What must be heard: over the chat, or in it if it is too long or too late for that."""
        if not await self._toast(press.query, text, alert=True):
            await self._kit.answer(press.spot, press.language, text)

    async def _seen(self, query: CallbackQuery, card: InteractiveMessage) -> InteractiveMessage:
        """Who presses has proven that the message is there, whatever became of our send."""
        if card.message_ref is not None or query.message is None:
            return card
        key = message_key(query.message.chat.id, query.message.message_id)
        await self._kit.cards.change(card, message=key)
        return replace(card, message_ref=key)

    async def _toast(self, query: CallbackQuery, text: str = "", *, alert: bool = False) -> bool:
        """Answer the press, if that was not done. Whether all of the text was said by it."""
        if query.id in self._answered:
            return False
        remember(self._answered, query.id, None, _REMEMBERED)
        short = cut(text, LONGEST_TOAST)
        return await self._kit.post.toast(query.id, short, alert=alert) and short == text

    # --- by kind -------------------------------------------------------------------------

    async def _status(self, press: _Press) -> None:
        task = await task_by_id(self._kit.desk, press.card.task_id or "")
        if press.verb != "cancel" or task is None:
            # The card was a draft; its start was pressed twice, or is tried again.
            await self._toast(press.query, translate(press.language, "press-done"))
            if task is not None and task.state in ACTIVE:
                self._statuses.refresh(task)
            return
        update = f"cancel:{press.query.id}"
        reply = await ask(self._kit, press.person, press.spot, Cancel(task.id), update)
        await self._say(press, reply.text)
        now_is = await task_by_id(self._kit.desk, task.id)
        if now_is is not None and now_is.state is State.CANCELLED:
            await self._statuses.end(now_is, final_message(now_is))

    async def _result(self, press: _Press) -> None:
        if press.verb == "again":
            await self._again(press)
        elif press.verb == "remix":
            await self._remix(press)
        else:
            await self._file(press)

    async def _again(self, press: _Press) -> None:
        card, before = press.card, press.card.body.get("again", "")
        last = await task_by_id(self._kit.desk, str(before)) if before else None
        if last is not None and last.state in ACTIVE and not await self._results.posted(last):
            toast = translate(press.language, "again-under-way", task=last.id)
            await self._toast(press.query, toast, alert=True)
            return
        # Two presses that race are one, because both know of the same one before them.
        update = f"again:{card.callback_id}:{before}"
        command = Retry(card.task_id or "", video_seen=True)
        reply = await ask(self._kit, press.person, press.spot, command, update)
        if reply.task is None or not reply.ok:
            await self._say(press, reply.text)
            return
        await self._toast(press.query)
        await self._statuses.announce(press.spot, reply.task, reply.text)
        await self._kit.cards.note(card, again=reply.task.id)

    async def _remix(self, press: _Press) -> None:
        asked = await self._kit.cards.newest(
            MessageKind.QUESTION, press.person.id, press.spot.room.address, STILL_ASKED
        )
        if (
            asked is not None
            and asked.message_ref
            and asked.body.get("card") == press.card.callback_id
        ):
            await self._toast(press.query, translate(press.language, "question-open"), alert=True)
            return
        await self._toast(press.query)
        cause = f"press:{press.query.id}"
        await self._talk.ask_for_change(press.person, _asking(press), press.card, cause)

    async def _file(self, press: _Press) -> None:
        task = await task_by_id(self._kit.desk, press.card.task_id or "")
        if task is None:
            raise Refusal("press-too-old")
        if self._results.has_file(press.card):
            await self._toast(press.query, translate(press.language, "file-below"), alert=True)
            return
        await self._toast(press.query)
        await self._results.as_file(task, press.card, press.spot, press.language)

    async def _draft(self, press: _Press) -> None:
        if press.card.is_closed:
            await self._toast(press.query, translate(press.language, "press-done"))
            return
        await self._toast(press.query)
        await self._drafts.press(press.card, press.verb, press.person)

    async def _choices(self, press: _Press) -> None:
        choices = press.card.body.get("choices", [])
        if press.card.is_closed or not press.verb.isdecimal() or int(press.verb) >= len(choices):
            await self._toast(press.query, translate(press.language, "press-done"))
            return
        await self._toast(press.query)
        line = choices[int(press.verb)]
        update = f"choice:{press.card.callback_id}:{press.verb}"
        if not line:
            await self._close(press, translate(press.language, "nothing-done"))
            return
        command = parser.parse_command(line)
        if isinstance(command, ChangeLanguage | ForgetMe):
            reply = await ask(self._kit, press.person, press.spot, command, update)
            await self._close(press, reply.text)
        elif await self._talk.do(press.person, press.spot, command, update):
            await self._kit.cards.end(press.card)

    async def _close(self, press: _Press, text: str) -> None:
        """The choice is made: its message says what came of it."""
        if press.card.message_ref is not None:
            chat, message = message_of(press.card.message_ref)
            await self._kit.post.edit(chat, message, escaped(text))
        await self._kit.cards.end(press.card)


def _below(query: CallbackQuery, card: InteractiveMessage) -> Spot:
    """Where the pressed message stands now, which may be another chat than the request's."""
    spot = Spot.parse(card.destination.address)
    if query.message is None:
        return spot
    chat, message = query.message.chat.id, query.message.message_id
    return Spot(chat, spot.thread if chat == spot.chat else None, message)


def _asking(press: _Press) -> Spot:
    """Where a question opens the field of who has pressed: below a message of theirs."""
    message = press.query.message
    request = message.reply_to_message if isinstance(message, Message) else None
    if request is None or request.from_user != press.query.from_user:
        return press.spot
    return replace(press.spot, reply=request.message_id)
