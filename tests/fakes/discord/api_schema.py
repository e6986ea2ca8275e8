"""Discord's API schema, from its description, in a compact notation.

Derived from the description of API v10 (discord/discord-api-spec, MIT); `test_api_schema.py`
compares these tables with the description itself where that is at hand.

Notation: `name:type|other type`, a star before what is required, `?` after what may be null,
`[X]` for an array of X and `<X>` for an object whose values are X; `(1..5)` behind a type are
bounds: of a number, or of a length; `int=1,2` is one of these words. `id` is a snowflake, `date` a
time. A type with capital letters that has no table is one that nothing here needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.fakes.discord import request_schema as given
from tests.fakes.discord import response_schema as told

PLAIN = frozenset({"int", "float", "str", "bool", "id", "date", "uri"})


@dataclass(frozen=True, slots=True)
class ValueType:
    """What a value may be."""

    name: str
    """A plain type, the name of an object, `[]` or `<>`."""
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()
    inner: tuple[ValueType, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object, or one parameter."""

    kinds: tuple[ValueType, ...]
    required: bool = False
    null: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One call."""

    method: str
    path: str
    body: Field | None
    query: Mapping[str, Field]
    answer: Field | None
    """None: 204."""
    bare: bool
    """Whether 204 is an answer as well."""
    open: bool
    """Whether it needs no token."""


_OPERATIONS = """
get_gateway -> GatewayResponse open: GET /gateway
get_bot_gateway -> GatewayBotResponse: GET /gateway/bot
get_my_user -> UserPIIResponse: GET /users/@me
get_my_application -> PrivateApplicationResponse: GET /applications/@me
get_my_oauth2_application -> PrivateApplicationResponse: GET /oauth2/applications/@me
get_user -> UserResponse: GET /users/{user_id}
create_dm -> PrivateChannelResponse|PrivateGroupChannelResponse: POST /users/@me/channels
  CreatePrivateChannelRequest
get_guild -> GuildWithCountsResponse: GET /guilds/{guild_id} with_counts:bool
get_guild_member -> GuildMemberResponse: GET /guilds/{guild_id}/members/{user_id}
list_guild_channels -> [AnyChannel]?: GET /guilds/{guild_id}/channels
list_application_commands -> [ApplicationCommandResponse]?:
  GET /applications/{application_id}/commands with_localizations:bool
bulk_set_application_commands -> [ApplicationCommandResponse]?:
  PUT /applications/{application_id}/commands [ApplicationCommandUpdateRequest](..130)?
list_guild_application_commands -> [ApplicationCommandResponse]?:
  GET /applications/{application_id}/guilds/{guild_id}/commands with_localizations:bool
bulk_set_guild_application_commands -> [ApplicationCommandResponse]?:
  PUT /applications/{application_id}/guilds/{guild_id}/commands
  [ApplicationCommandUpdateRequest](..130)?
get_channel -> AnyChannel: GET /channels/{channel_id}
trigger_typing_indicator -> TypingIndicatorResponse 204: POST /channels/{channel_id}/typing
list_messages -> [MessageResponse]?: GET /channels/{channel_id}/messages around:id before:id
  after:id limit:int(1..100)
create_message -> MessageResponse: POST /channels/{channel_id}/messages MessageCreateRequest
get_message -> MessageResponse: GET /channels/{channel_id}/messages/{message_id}
update_message -> MessageResponse: PATCH /channels/{channel_id}/messages/{message_id}
  MessageEditRequestPartial
delete_message -> 204: DELETE /channels/{channel_id}/messages/{message_id}
create_interaction_response -> InteractionCallbackResponse 204 open:
  POST /interactions/{interaction_id}/{interaction_token}/callback Callback with_response:bool
execute_webhook -> MessageResponse 204 open: POST /webhooks/{webhook_id}/{webhook_token}
  IncomingWebhookRequestPartial|IncomingWebhookUpdateRequestPartial wait:bool thread_id:id
  with_components:bool
get_original_webhook_message -> MessageResponse open:
  GET /webhooks/{webhook_id}/{webhook_token}/messages/@original thread_id:id
update_original_webhook_message -> MessageResponse open:
  PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original
  IncomingWebhookUpdateRequestPartial thread_id:id with_components:bool
delete_original_webhook_message -> 204 open:
  DELETE /webhooks/{webhook_id}/{webhook_token}/messages/@original thread_id:id
get_webhook_message -> MessageResponse open:
  GET /webhooks/{webhook_id}/{webhook_token}/messages/{message_id} thread_id:id
update_webhook_message -> MessageResponse open:
  PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}
  IncomingWebhookUpdateRequestPartial thread_id:id with_components:bool
delete_webhook_message -> 204 open:
  DELETE /webhooks/{webhook_id}/{webhook_token}/messages/{message_id} thread_id:id
"""

_UNIONS = """
AnyChannel = GuildChannelResponse PrivateChannelResponse PrivateGroupChannelResponse
  ThreadResponse
Callback = ApplicationCommandAutocompleteCallbackRequest CreateMessageInteractionCallbackRequest
  LaunchActivityInteractionCallbackRequest ModalInteractionCallbackRequest
  PongInteractionCallbackRequest SocialLayerSKUPurchaseEligibilityInteractionCallbackRequest
  UpdateMessageInteractionCallbackRequest
"""

_PLACES = "[int=1,3,0,2,4,5,10,11,12,13,14,15,16]?"
_DOCUMENTED = f"""
ApplicationCommandUpdateRequest: nsfw:bool?
ApplicationCommandChannelOption: channel_types:{_PLACES}
ChannelSelectComponentForMessageRequest: channel_types:{_PLACES}
ChannelSelectComponentForModalRequest: channel_types:{_PLACES}
RichEmbed: flags:int?
MessageEditRequestPartial: tts:bool?
IncomingWebhookUpdateRequestPartial: tts:bool?
IncomingWebhookUpdateForInteractionCallbackRequestPartial: tts:bool?
"""
"""Fields that are documented, or always sent by libraries, and missing in the description."""


def _lines(table: str) -> list[str]:
    """Records, each on one line."""
    return [line for line in re.sub(r"\n +", " ", table).splitlines() if line]


UNIONS: dict[str, tuple[str, ...]] = {
    name: tuple(members.split())
    for name, _, members in (
        line.partition(" = ") for line in _lines(_UNIONS + given.UNIONS + told.UNIONS)
    )
}
"""One of these."""


def _split(text: str) -> list[str]:
    """Split at bars outside of brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "[<(") - (sign in "]>)")
        if sign == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _kinds(text: str) -> tuple[ValueType, ...]:
    return tuple(kind for part in _split(text) for kind in _of_one(part))


def _of_one(text: str) -> list[ValueType]:
    if text in UNIONS:
        return [ValueType(name) for name in UNIONS[text]]
    text, low, high = _bounds(text)
    if text[0] in "[<":
        return [ValueType(text[0] + text[-1], low, high, inner=_kinds(text[1:-1]))]
    name, _, words = text.partition("=")
    return [ValueType(name, low, high, tuple(words.split(",")) if words else ())]


def _bounds(text: str) -> tuple[str, float | None, float | None]:
    found = re.fullmatch(r"(.+)\((-?\d*)\.\.(\d*)\)", text)
    if found is None:
        return text, None, None
    low, high = (int(group) if group else None for group in found.groups()[1:])
    return found[1], low, high


def field(text: str, *, required: bool = False) -> Field:
    """Parse the type of a field."""
    return Field(_kinds(text.removesuffix("?")), required, text.endswith("?"))


def fields(text: str) -> dict[str, Field]:
    """Parse fields."""
    found = {}
    for word in text.split():
        name, _, kind = word.lstrip("*").partition(":")
        found[name] = field(kind, required=word.startswith("*"))
    return found


def _objects(table: str) -> dict[str, dict[str, Field]]:
    return {name: fields(rest) for name, _, rest in (line.partition(":") for line in _lines(table))}


def _operation(line: str) -> tuple[str, Operation]:
    head, _, rest = line.partition(":")
    name, _, answers = head.partition(" -> ")
    method, path, *more = rest.split()
    bodies = [word for word in more if word[0].isupper() or word[0] == "["]
    told_first, *others = answers.split()
    return name, Operation(
        method,
        path,
        field(bodies[0]) if bodies else None,
        fields(" ".join(word for word in more if word not in bodies)),
        None if told_first == "204" else field(told_first),
        bare="204" in answers.split(),
        open="open" in others,
    )


OPERATIONS = dict(_operation(line) for line in _lines(_OPERATIONS))
REQUEST_TYPES = _objects(given.REQUEST_TYPES)
RESPONSE_TYPES = _objects(told.RESPONSE_TYPES)
"""The fake returns only these fields; the description has more."""
DOCUMENTED = _objects(_DOCUMENTED)
OBJECTS = {
    name: one | DOCUMENTED.get(name, {}) for name, one in (REQUEST_TYPES | RESPONSE_TYPES).items()
}


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())
