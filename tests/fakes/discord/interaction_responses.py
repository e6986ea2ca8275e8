"""Interaction responses: the first one, follow-ups, and their edits."""

from __future__ import annotations

from typing import Any

from tests.fakes.discord import serializers as shown
from tests.fakes.discord.error_responses import (
    Call,
    Problem,
    avoidable_error,
    invalid_form_body,
    unavoidable_error,
)
from tests.fakes.discord.interactions import (
    COMMAND,
    MOST_FOLLOW_UPS,
    PRESS,
    SUBMIT,
    TOKEN_LIFETIME,
    TYPING,
    Answer,
    AnswerKind,
    Choice,
    Interaction,
    Modal,
)
from tests.fakes.discord.message_rules import MessageContent, compose_message
from tests.fakes.discord.messages import EPHEMERAL, LOADING, Message

Json = dict[str, Any]
MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9
_FITS = {
    MESSAGE: {COMMAND, PRESS, SUBMIT},
    DEFERRED: {COMMAND, PRESS, SUBMIT},
    DEFERRED_UPDATE: {PRESS, SUBMIT},
    UPDATE: {PRESS, SUBMIT},
    CHOICES: {TYPING},
    MODAL: {COMMAND, PRESS},
}


class Interactions(dict[str, Interaction]):
    """All interactions by token."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[Interaction] = []
        """Late responses."""

    # --- the first answer ----------------------------------------------------------------

    def respond(self, call: Call) -> Json | None:
        """A callback."""
        it = self.get(call.path["interaction_token"])
        if it is None or str(it.id) != call.path["interaction_id"]:
            avoidable_error(10062, "Unknown interaction", 404)
        if it.answered is not None:
            avoidable_error(40060, "Interaction has already been acknowledged.")
        if call.time - it.time > call.world.first_within:
            self.late.append(it)
            avoidable_error(10062, "Unknown interaction", 404)
        kind: int = call.body["type"]
        if it.kind not in _FITS.get(kind, set()):
            words = f"an interaction of type {it.kind} is not answered by {kind}"
            invalid_form_body(Problem(("type",), "INTERACTION_CALLBACK_TYPE_INVALID", words))
        if it.source is None and (kind == UPDATE or (kind == DEFERRED_UPDATE and it.kind == PRESS)):
            invalid_form_body(
                Problem(("type",), "INTERACTION_CALLBACK_TYPE_INVALID", "There is no message")
            )
        it.answered = self._answer(call, it, kind)
        it.world.changed(it.channel)
        return _told(it, kind) if call.query.get("with_response") else None

    def _answer(self, call: Call, it: Interaction, kind: int) -> Answer:
        data = Call(call.world, call.route, call.path, {}, call.body.get("data") or {}, call.files,
                    call.time, call.violations)  # fmt: skip
        match kind:
            case 4:
                it.original = _sent(data, it)
                return _said("message", call, message=it.original)
            case 5:
                flags = (EPHEMERAL if _hidden(data, it) else 0) | LOADING
                it.original = _put(data, it, MessageContent(flags=flags))
                return _said("thinking", call, message=it.original)
            case 6:
                it.original = it.source
                return _said("nothing yet", call, message=it.source)
            case 7:
                it.original = it.source
                assert it.source is not None
                _edit(data, it, it.source)
                return _said("update", call, message=it.source)
            case 8:
                return _said("choices", call, choices=_choices(data, it))
        modal = Modal(interaction=it, **{key: data.body[key] for key in _OF_MODAL})
        _check_modal(modal)
        words = f"  → a form for {it.by.name}: {modal.title}"
        fields = [f"  {field.label}: {field.value or '…'}" for field in modal.fields]
        it.world.record(it.channel, "answered", [words, *fields], True, None, it.by)
        return _said("modal", call, modal=modal)

    # --- what follows --------------------------------------------------------------------

    def follow_up(self, call: Call) -> Json | None:
        """One more message."""
        it = self._open(call)
        it.follow_ups += 1
        if it.user_only and it.follow_ups > MOST_FOLLOW_UPS:
            words = "Maximum number of follow-up messages reached for this interaction"
            avoidable_error(40094, words)
        original = it.original
        if original is not None and original.thinking and original.interaction is it:
            # The first that follows stands where the bot seemed to think.
            kept = original.flags & EPHEMERAL
            if call.get("flags", 0) & EPHEMERAL != kept:
                call.add_violation(
                    "whether it is ephemeral was settled when the answer was deferred"
                )
            _fill(call, it, original)
            return shown.message(original)
        return shown.message(_sent(call, it))

    def get_message(self, call: Call) -> Json:
        """A message by an interaction."""
        return shown.message(self._message(call, self._open(call)))

    def edit_message(self, call: Call) -> Json:
        """Edit a message of an interaction; a deferred one appears."""
        it = self._open(call)
        message = self._message(call, it)
        if message.thinking:
            _fill(call, it, message)
        else:
            _edit(call, it, message)
        return shown.message(message)

    def delete_message(self, call: Call) -> None:
        """Delete a message of an interaction."""
        it = self._open(call)
        it.world.delete(self._message(call, it), by_bot=True)

    def _open(self, call: Call) -> Interaction:
        if int(call.id("webhook_id")) != call.world.application:
            avoidable_error(10015, "Unknown Webhook", 404)
        it = self.get(call.path["webhook_token"])
        if it is None:
            avoidable_error(50027, "Invalid Webhook Token", 401)
        if call.time - it.time > TOKEN_LIFETIME:
            avoidable_error(50027, "Invalid Webhook Token", 401)
        if it.answered is None:
            avoidable_error(10015, "Unknown Webhook", 404)
        if it.channel.gone:
            unavoidable_error(10003, "Unknown Channel")
        return it

    def _message(self, call: Call, it: Interaction) -> Message:
        asked = call.path.get("message_id", "@original")
        if asked == "@original":
            message = it.original
        else:
            mine = [*it.said, *([it.original] if it.original else [])]
            message = next((one for one in mine if str(one.id) == asked), None)
        if message is None or message.deleted:
            unavoidable_error(10008, "Unknown Message")
        return message


_VALUES: dict[int, tuple[type, ...]] = {3: (str,), 4: (int,), 10: (int, float)}
_OF_MODAL = ("title", "custom_id", "components")


def _said(kind: AnswerKind, call: Call, **more: Any) -> Answer:
    return Answer(kind=kind, time=call.time, **more)


def _sent(call: Call, it: Interaction) -> Message:
    hidden = _hidden(call, it)
    made = compose_message(call, it.channel, it.file_limit, ephemeral=hidden)
    made.flags |= EPHEMERAL if hidden else 0
    return _put(call, it, made)


def _hidden(call: Call, it: Interaction) -> bool:
    """Whether only who asked may see it: so asked, or since apps from outside are not wanted."""
    return bool(call.get("flags", 0) & EPHEMERAL) or it.unwanted


def _put(call: Call, it: Interaction, made: MessageContent) -> Message:
    alone = it.by if made.flags & EPHEMERAL else None
    if alone is not None:
        made.pings, made.pings_everyone = [], False
    message = it.world.put(
        it.channel,
        it.world.bot,
        interaction=it,
        only_for=alone,
        asked=call.body,
        **made.fields(),
    )
    it.said.append(message)
    return message


def _fill(call: Call, it: Interaction, message: Message) -> None:
    """Fill a deferred response, with the same visibility."""
    kept = message.flags & EPHEMERAL
    made = compose_message(call, it.channel, it.file_limit, ephemeral=bool(kept))
    made.flags = made.flags & ~(EPHEMERAL | LOADING) | kept
    it.world.change(message, **made.fields(), asked=call.body)


def _edit(call: Call, it: Interaction, message: Message) -> None:
    made = compose_message(call, it.channel, it.file_limit, message, ephemeral=message.ephemeral)
    made.pings, made.pings_everyone = message.pings, message.pings_everyone
    it.world.change(message, **made.fields())


def _choices(call: Call, it: Interaction) -> list[Choice]:
    found = [Choice(choice["name"], choice["value"]) for choice in call.get("choices", [])]
    wanted = _focused(it.data.get("options") or [])["type"]
    for at, one in enumerate(found):
        if not isinstance(one.value, _VALUES[wanted]):
            words = f"Could not interpret {one.value!r} as what the option is"
            invalid_form_body(
                Problem(("data", "choices", str(at), "value"), "STRING_TYPE_CONVERT", words)
            )
    return found


def _focused(options: list[Json]) -> Json:
    for option in options:
        if option.get("focused"):
            return option
        if option.get("options"):
            return _focused(option["options"])
    raise AssertionError("nothing is being typed")


def _check_modal(modal: Modal) -> None:
    known: set[str] = set()
    for number, field in enumerate(modal.fields):
        at = ("data", "components", str(number))
        if field.custom_id in known:
            words = "Component custom id cannot be duplicated"
            invalid_form_body(Problem((*at, "custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", words))
        known.add(field.custom_id)
        least, most = field.part.get("min_length") or 0, field.part.get("max_length") or 4000
        if field.part["type"] == 4 and not (least <= len(field.value) <= most or not field.value):
            words = f"Must be between {least} and {most} in length."
            invalid_form_body(Problem((*at, "value"), "BASE_TYPE_BAD_LENGTH", words))
        if field.part["type"] == 4 and not (
            field.part.get("label") or _labelled(modal, field.part)
        ):
            invalid_form_body(
                Problem((*at, "label"), "BASE_TYPE_REQUIRED", "This field is required")
            )
    if not 1 <= len(modal.components) <= 5:
        invalid_form_body(
            Problem(("data", "components"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5.")
        )


def _labelled(modal: Modal, part: Json) -> bool:
    return any(component.get("component") is part for component in modal.components)


def _told(it: Interaction, kind: int) -> Json:
    assert it.answered is not None
    told: Json = {"id": str(it.id), "type": it.kind}
    message = it.answered.message
    if message is not None:
        told |= {
            "response_message_id": str(message.id),
            "response_message_loading": message.thinking,
            "response_message_ephemeral": message.ephemeral,
        }
    told_all: Json = {"interaction": told}
    if message is not None and kind in {MESSAGE, UPDATE}:
        told_all["resource"] = {"type": kind, "message": shown.message(message)}
    return told_all
