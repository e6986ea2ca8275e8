"""What comes of a message: a command done, a draft shown, a question answered, or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import structlog
from telegram import ForceReply, Message

from bot.cards import DatabaseError
from bot.commands import parser
from bot.commands.tokens import split_first_word
from bot.domain.commands import AdminCommand, Command, Fetch, MakeVideo, Remix, Retry
from bot.domain.errors import Refusal
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import State, Task
from bot.domain.users import User
from bot.frontends.telegram import people
from bot.frontends.telegram.drafts import Drafts
from bot.frontends.telegram.incoming import (
    Answered,
    Incoming,
    Picture,
    is_from_channel,
    is_nobody,
    read,
    spot_of,
)
from bot.frontends.telegram.kit import Kit
from bot.frontends.telegram.making import Wish, ask, make
from bot.frontends.telegram.markup import escaped, keyboard
from bot.frontends.telegram.menus import Menus
from bot.frontends.telegram.results import Results
from bot.frontends.telegram.spot import Spot, message_key
from bot.frontends.telegram.statuses import Statuses
from bot.inbox import Later
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import LANGUAGES, format_error, translate
from bot.presentation.task_messages import final_message
from bot.services.queries import language_for, task_by_id
from bot.services.videos import can_remix

_log = structlog.get_logger(__name__)
STILL_ASKED = 600.0
"""Seconds in which a question that was asked is not asked again, and words may be its answer."""
_OF_TASKS = {"cancel", "retry", "fetch", "remix"}
_DEEP_LINK = "task_"
_MAKING = (MakeVideo, Remix, Retry)


class Talk:
    """Deals with what people write."""

    def __init__(
        self, kit: Kit, statuses: Statuses, results: Results, drafts: Drafts, menus: Menus
    ) -> None:
        self._kit = kit
        self._statuses = statuses
        self._results = results
        self._drafts = drafts
        self._menus = menus

    async def message(self, message: Message) -> None:
        """One message, whoever has sent it. Raises `Later`."""
        if message.migrate_to_chat_id or message.migrate_from_chat_id:
            await self._migrated(message)
            return
        user, me = message.from_user, self._kit.me
        if me is None or is_from_channel(message) or user is None:
            return
        incoming = read(message, me, self._kit.desk.settings)
        if incoming is None:
            return
        if is_nobody(message):
            # Credits belong to persons, and nobody can tell who this is.
            language = self._kit.desk.settings.default_language
            await self._kit.answer(spot_of(message), language, translate(language, "nobody"))
        elif not user.is_bot:
            await people.remember(self._kit.desk, incoming)
            await self._kindly(incoming)

    async def _migrated(self, message: Message) -> None:
        old, new = message.migrate_from_chat_id, message.migrate_to_chat_id
        here = message.chat.id
        await self._kit.post.moved(old or here, new or here)

    async def _kindly(self, incoming: Incoming) -> None:
        """Let no refusal be silent, and no outage lose what was asked."""
        try:
            await self._understood(incoming)
        except Refusal as refused:
            await self._refuse(incoming, refused)
        except DeliveryError as error:
            if not error.is_permanent:
                raise Later(str(error), error.retry_after) from None
        except DeliveryOutcomeUnknown as error:
            raise Later(str(error)) from None
        except (Later, DatabaseError):
            raise
        except Exception:  # noqa: BLE001 - a fault of ours; the person is not to wait for nothing
            _log.exception("message_failed")
            await self._refuse(incoming, Refusal("internal-error"))

    async def _refuse(self, incoming: Incoming, refused: Refusal) -> None:
        language = await language_for(self._kit.desk, incoming.person)
        text = format_error(language, refused, self._kit.desk.credit_rules.timezone)
        await self._kit.answer(incoming.spot, language, text)

    async def _understood(self, incoming: Incoming) -> None:
        card = await self._answered_card(incoming)
        own = card if card is not None and card.user_id == incoming.person.id else None
        if incoming.command is not None:
            await self._command(incoming, card)
        elif self._is_aside(card, incoming):
            return
        elif own is not None and own.kind is MessageKind.QUESTION and incoming.text:
            await self._answer_to(own, incoming)
        elif own is not None and own.kind is MessageKind.RESULT and incoming.text:
            # It may be no more than thanks: nothing is ordered before its person says so.
            wish = await self._after(own, MakeVideo(incoming.text))
            await self._drafts.open(incoming, wish)
        else:
            await self._plain(incoming)

    @staticmethod
    def _is_aside(card: InteractiveMessage | None, incoming: Incoming) -> bool:
        """People of a group talk about what the bot has made for one of them."""
        others = card is not None and card.user_id != incoming.person.id
        return others and incoming.addressed == "answer"

    async def _answered_card(self, incoming: Incoming) -> InteractiveMessage | None:
        """The card of ours that the message is a reply to."""
        answered = incoming.answered
        if answered is None or not answered.ours:
            return None
        card = await self._kit.cards.get(answered.token) if answered.token else None
        return card or await self._kit.cards.at(answered.key)

    # --- commands ------------------------------------------------------------------------

    async def _command(self, incoming: Incoming, card: InteractiveMessage | None) -> None:
        name = incoming.command or ""
        if name == "video":
            await self._video(incoming, card)
            return
        line = incoming.text
        if name == "start":
            await self._start(incoming)
            return
        if name in _OF_TASKS and card is not None and card.task_id is not None:
            line = _about(card.task_id, line)
        if name == "admin":
            line = await people.with_person(self._kit.desk, incoming)
        if name in {"language", "forgetme"} and not split_first_word(split_first_word(line)[1])[0]:
            await self._offer(incoming, name)
            return
        try:
            command = parser.parse_command(line)
        except Refusal as refused:
            if refused.text_key == "command-unknown" and not incoming.spot.private:
                # In a group it may be another bot's.
                return
            raise
        await self.do(incoming.person, incoming.spot, command, _key(incoming))

    async def do(self, person: User, spot: Spot, command: Command, update: str) -> bool:
        """Have a command done and answer it. Whether it has brought a task.

        Raises as `_understood` does.
        """
        reply = await ask(self._kit, person, spot, command, update)
        language = await language_for(self._kit.desk, person)
        if isinstance(command, Fetch) and reply.video is not None and reply.task is not None:
            await self._results.again(reply.task, spot, language)
        elif isinstance(command, _MAKING) and reply.ok and reply.task is not None:
            await self._statuses.announce(spot, reply.task, reply.text)
            return True
        else:
            await self._kit.answer(spot, language, reply.text)
            if reply.ok and reply.task is not None and not isinstance(command, AdminCommand):
                await self._brought_up_to_date(reply.task)
        return False

    async def _brought_up_to_date(self, task: Task) -> None:
        now_is = await task_by_id(self._kit.desk, task.id)
        if now_is is not None and now_is.state is State.CANCELLED:
            await self._statuses.end(now_is, final_message(now_is))

    async def _start(self, incoming: Incoming) -> None:
        """`/start`, perhaps with what a link has put behind it."""
        _, payload = split_first_word(incoming.text)
        task = None
        if payload.startswith(_DEEP_LINK):
            task = await task_by_id(self._kit.desk, payload.removeprefix(_DEEP_LINK))
        if task is not None and task.user_id == incoming.person.id:
            await self.do(incoming.person, incoming.spot, Fetch(task.id), _key(incoming))
            return
        self._menus.person_started(incoming.person)
        await self.do(
            incoming.person, incoming.spot, parser.parse_command("/start"), _key(incoming)
        )

    async def _offer(self, incoming: Incoming, name: str) -> None:
        """A command that is better pressed than typed."""
        person, spot = incoming.person, incoming.spot
        language = await language_for(self._kit.desk, person)
        if name == "language":
            choices = [f"/language {code}" for code in LANGUAGES]
            labels = list(LANGUAGES.values())
            # Who reads none of it must find the way all the same.
            text = " / ".join(translate(code, "language-choose") for code in LANGUAGES)
        else:
            choices = ["/forgetme yes", ""]
            labels = [translate(language, "button-forget"), translate(language, "button-keep")]
            text = translate(language, "forgetme-choose")
        body = {"choices": choices}
        card = await self._kit.open_once(MessageKind.CHOICES, person, spot, body, _key(incoming))
        markup = keyboard(card, [[(label, str(n)) for n, label in enumerate(labels)]])
        if card.message_ref is None:
            await self._kit.put_up(card, spot, language, escaped(text), markup)

    # --- videos --------------------------------------------------------------------------

    async def _video(self, incoming: Incoming, card: InteractiveMessage | None) -> None:
        """`/video`, with words and a picture here or in the message that is replied to."""
        command = parser.parse_command(incoming.text)
        if not isinstance(command, MakeVideo):
            raise Refusal("not-a-command", nearest="")
        answered = incoming.answered
        own = card is not None and card.user_id == incoming.person.id
        if (
            own
            and card is not None
            and card.kind is MessageKind.RESULT
            and incoming.picture is None
        ):
            if command.prompt:
                wish = await self._after(card, command)
                await self._order(incoming.person, incoming.spot, wish, _key(incoming))
            else:
                await self.ask_for_change(incoming.person, incoming.spot, card, _key(incoming))
            return
        draft = await self._drafts.of_album(incoming)
        self._drafts.dealt_with(incoming.album)
        picture = incoming.picture or (answered.picture if answered else None)
        if draft is not None:
            picture = Wish.parse(draft.body).picture
        if not command.prompt and answered is not None:
            command = replace(command, prompt=_words_of(answered))
        wish = _wish(command, picture, incoming)
        if command.prompt:
            await self._order(incoming.person, incoming.spot, wish, _key(incoming), draft)
        elif draft is None:
            await self._ask_for_words(incoming, wish)

    async def _order(
        self,
        person: User,
        spot: Spot,
        wish: Wish,
        update: str,
        draft: InteractiveMessage | None = None,
    ) -> bool:
        """Have it made; the draft of its album, if there is one, becomes its status.

        Whether it was taken in.
        """
        reply = await make(self._kit, person, spot, wish, update)
        language = await language_for(self._kit.desk, person)
        if reply.task is None or not reply.ok:
            await self._kit.answer(spot, language, reply.text)
            return False
        note = translate(language, "album-first") if wish.album else ""
        text = "\n".join(part for part in (reply.text, note) if part)
        if draft is not None:
            await self._statuses.take_over(draft, reply.task, text)
        else:
            await self._statuses.announce(spot, reply.task, text)
        return True

    async def _after(self, card: InteractiveMessage, change: MakeVideo) -> Wish:
        """What the finished video of this card would become."""
        task = await task_by_id(self._kit.desk, card.task_id or "")
        if task is None:
            raise Refusal("press-too-old")
        return Wish.after(task, change, remix=can_remix(self._kit.desk, task))

    async def _plain(self, incoming: Incoming) -> None:
        """Words or a picture without a command: a draft."""
        if await self._drafts.join(incoming):
            return
        language = await language_for(self._kit.desk, incoming.person)
        # Our name alone, in reply to a picture or to words, is about those.
        answered = None if incoming.other else incoming.answered
        picture = incoming.picture or (answered.picture if answered else None)
        words = incoming.text or (_words_of(answered) if answered else "")
        if picture is None and not words:
            if incoming.album is None:
                word = "takes-pictures" if incoming.other else "ask-me"
                await self._kit.answer(incoming.spot, language, translate(language, word))
            return
        if (
            incoming.picture is None
            and incoming.text
            and (await self._answers_unasked(incoming) or await self._drafts.fill(incoming))
        ):
            return
        await self._drafts.open(incoming, _wish(MakeVideo(words), picture, incoming))

    # --- questions -----------------------------------------------------------------------

    async def _ask_for_words(self, incoming: Incoming, wish: Wish) -> None:
        """`/video` alone: what should it show? The picture and the options are kept."""
        cause = _key(incoming)
        await self._question(incoming.person, incoming.spot, "question-video", wish.body, cause)

    async def ask_for_change(
        self, person: User, spot: Spot, card: InteractiveMessage, cause: str
    ) -> None:
        """What should be other in this video? Raises `Refusal`, `Later`."""
        if card.user_id != person.id or card.task_id is None:
            raise Refusal("card-not-yours")
        body = {"remix": card.task_id, "card": card.callback_id}
        await self._question(person, spot, "question-remix", body, cause, task=card.task_id)

    async def _question(
        self,
        person: User,
        spot: Spot,
        sentence: str,
        body: dict[str, Any],
        cause: str,
        **facts: str,
    ) -> None:
        language = await language_for(self._kit.desk, person)
        card = await self._kit.open_once(MessageKind.QUESTION, person, spot, body, cause)
        if card.message_ref is not None:
            return
        # In a group only the one who is asked gets the field to answer in.
        markup = ForceReply(
            selective=True, input_field_placeholder=translate(language, "question-placeholder")
        )
        text = escaped(translate(language, sentence, **facts))
        await self._kit.put_up(card, spot, language, text, markup)

    async def _answer_to(self, card: InteractiveMessage, incoming: Incoming) -> None:
        wish = await self._answered(card, incoming)
        if await self._order(incoming.person, incoming.spot, wish, _key(incoming)):
            await self._kit.cards.end(card)

    async def _answers_unasked(self, incoming: Incoming) -> bool:
        """Words that follow a question without being a reply to it: a draft of what it remembers.

        They may be about something else, so nothing is ordered yet. Whether there was one.
        """
        if not incoming.spot.private or incoming.answered is not None:
            return False
        room = incoming.spot.room.address
        card = await self._kit.cards.newest(
            MessageKind.QUESTION, incoming.person.id, room, STILL_ASKED
        )
        if card is None or card.message_ref is None:
            return False
        await self._drafts.open(incoming, await self._answered(card, incoming))
        await self._kit.cards.end(card)
        return True

    async def _answered(self, card: InteractiveMessage, incoming: Incoming) -> Wish:
        """What a question has kept, with the words of its answer."""
        if "card" in card.body:
            result = await self._kit.cards.get(str(card.body["card"]))
            if result is None:
                raise Refusal("press-too-old")
            return await self._after(result, MakeVideo(incoming.text))
        wish = Wish.parse(card.body)
        wish = replace(wish, video=replace(wish.video, prompt=incoming.text))
        return replace(wish, picture=incoming.picture) if incoming.picture else wish


def _key(incoming: Incoming) -> str:
    """A message says what it says once, however often Telegram brings it."""
    return message_key(incoming.spot.chat, incoming.spot.reply or 0)


def _words_of(answered: Answered) -> str:
    """What somebody has written, as words for a video: of a command only its prompt."""
    if answered.ours:
        return ""
    if not answered.text.startswith("/"):
        return answered.text
    try:
        command = parser.parse_command(answered.text)
    except Refusal:
        return ""
    return command.prompt if isinstance(command, MakeVideo) else ""


def _wish(command: MakeVideo, picture: Picture | None, incoming: Incoming) -> Wish:
    own = incoming.picture is not None and incoming.album is not None
    return Wish(command, picture, album=own)


def _about(task: str, line: str) -> str:
    """`/cancel` in reply to a card is about its task."""
    command, rest = split_first_word(line)
    word, _ = split_first_word(rest)
    if command.partition("@")[0] == "/remix":
        return line if word.lower() == task else f"{command} {task} {rest}"
    return line if word else f"{command} {task}"
