"""The Bot API schema, from its official description, in a compact notation.

Derived from Bot API 10.1 (PaulSonOfLars/telegram-bot-api-spec, MIT); `test_api_schema.py`
compares these tables with the description itself where that is at hand.

Notation: `name:type|other type`, a star before what is required, `[X]` for an array of X, and
`name:type=word` for a text that is always this word. A type with capital letters that has no
table of its own is one that nothing here needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter of a method or one field of an object."""

    types: tuple[str, ...]
    """`int`, `str`, `bool`, `float`, `file`, the name of an object, or one of these in `[]`."""
    required: bool = False
    description_word: str = ""
    """All that may be said; empty: anything."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method."""

    result: tuple[str, ...]
    fields: Mapping[str, Field]


_TO = """business_connection_id:str *chat_id:int|str message_thread_id:int
  direct_messages_topic_id:int"""
_HOW = """disable_notification:bool protect_content:bool allow_paid_broadcast:bool
  message_effect_id:str reply_parameters:ReplyParameters"""
_MARKED = """suggested_post_parameters:SuggestedPostParameters
  reply_markup:InlineKeyboardMarkup|ReplyKeyboardMarkup|ReplyKeyboardRemove|ForceReply"""
_CAPTION = "caption:str parse_mode:str caption_entities:[MessageEntity]"
_ABOVE = "show_caption_above_media:bool"
_EDITED = """business_connection_id:str chat_id:int|str message_id:int inline_message_id:str
  reply_markup:InlineKeyboardMarkup"""

_METHODS = f"""
getMe -> User:
getUpdates -> [Update]: offset:int limit:int timeout:int allowed_updates:[str]
setWebhook -> bool: *url:str certificate:file ip_address:str max_connections:int
  allowed_updates:[str] drop_pending_updates:bool secret_token:str
deleteWebhook -> bool: drop_pending_updates:bool
getWebhookInfo -> WebhookInfo:
sendMessage -> Message: {_TO} {_HOW} {_MARKED} *text:str parse_mode:str
  entities:[MessageEntity] link_preview_options:LinkPreviewOptions
sendVideo -> Message: {_TO} {_HOW} {_MARKED} {_CAPTION} {_ABOVE} *video:file|str duration:int
  width:int height:int thumbnail:file|str cover:file|str start_timestamp:int has_spoiler:bool
  supports_streaming:bool
sendDocument -> Message: {_TO} {_HOW} {_MARKED} {_CAPTION} *document:file|str
  thumbnail:file|str disable_content_type_detection:bool
sendPhoto -> Message: {_TO} {_HOW} {_MARKED} {_CAPTION} {_ABOVE} *photo:file|str has_spoiler:bool
sendChatAction -> bool: business_connection_id:str *chat_id:int|str message_thread_id:int
  *action:str
editMessageText -> Message|bool: {_EDITED} text:str parse_mode:str entities:[MessageEntity]
  link_preview_options:LinkPreviewOptions rich_message:InputRichMessage
editMessageCaption -> Message|bool: {_EDITED} {_CAPTION} {_ABOVE}
editMessageReplyMarkup -> Message|bool: {_EDITED}
deleteMessage -> bool: *chat_id:int|str *message_id:int
deleteMessages -> bool: *chat_id:int|str *message_ids:[int]
copyMessage -> MessageId: *chat_id:int|str message_thread_id:int direct_messages_topic_id:int
  {_HOW} {_MARKED} {_CAPTION} {_ABOVE} *from_chat_id:int|str *message_id:int
  video_start_timestamp:int
forwardMessage -> Message: *chat_id:int|str message_thread_id:int direct_messages_topic_id:int
  *from_chat_id:int|str *message_id:int video_start_timestamp:int disable_notification:bool
  protect_content:bool message_effect_id:str suggested_post_parameters:SuggestedPostParameters
answerCallbackQuery -> bool: *callback_query_id:str text:str show_alert:bool url:str
  cache_time:int
getFile -> File: *file_id:str
setMyCommands -> bool: *commands:[BotCommand] scope:BotCommandScope language_code:str
getMyCommands -> [BotCommand]: scope:BotCommandScope language_code:str
deleteMyCommands -> bool: scope:BotCommandScope language_code:str
setMyName -> bool: name:str language_code:str
getMyName -> BotName: language_code:str
setMyDescription -> bool: description:str language_code:str
getMyDescription -> BotDescription: language_code:str
setMyShortDescription -> bool: short_description:str language_code:str
getMyShortDescription -> BotShortDescription: language_code:str
getChat -> ChatFullInfo: *chat_id:int|str
getChatMember -> ChatMember: *chat_id:int|str *user_id:int
leaveChat -> bool: *chat_id:int|str
setMessageReaction -> bool: *chat_id:int|str *message_id:int reaction:[ReactionType] is_big:bool
"""

_GIVEN = """
ReplyParameters: *message_id:int chat_id:int|str allow_sending_without_reply:bool quote:str
  quote_parse_mode:str quote_entities:[MessageEntity] quote_position:int checklist_task_id:int
  poll_option_id:str
LinkPreviewOptions: is_disabled:bool url:str prefer_small_media:bool prefer_large_media:bool
  show_above_text:bool
MessageEntity: *type:str *offset:int *length:int url:str user:User language:str
  custom_emoji_id:str unix_time:int date_time_format:str
InlineKeyboardMarkup: *inline_keyboard:[[InlineKeyboardButton]]
InlineKeyboardButton: *text:str icon_custom_emoji_id:str style:str url:str callback_data:str
  web_app:WebAppInfo login_url:LoginUrl switch_inline_query:str
  switch_inline_query_current_chat:str switch_inline_query_chosen_chat:SwitchInlineQueryChosenChat
  copy_text:CopyTextButton callback_game:CallbackGame pay:bool
CopyTextButton: *text:str
ReplyKeyboardMarkup: *keyboard:[[KeyboardButton]] is_persistent:bool resize_keyboard:bool
  one_time_keyboard:bool input_field_placeholder:str selective:bool
KeyboardButton: *text:str icon_custom_emoji_id:str style:str
  request_users:KeyboardButtonRequestUsers request_chat:KeyboardButtonRequestChat
  request_managed_bot:KeyboardButtonRequestManagedBot request_contact:bool request_location:bool
  request_poll:KeyboardButtonPollType web_app:WebAppInfo
ReplyKeyboardRemove: *remove_keyboard:bool selective:bool
ForceReply: *force_reply:bool input_field_placeholder:str selective:bool
BotCommand: *command:str *description:str
BotCommandScopeDefault: *type:str=default
BotCommandScopeAllPrivateChats: *type:str=all_private_chats
BotCommandScopeAllGroupChats: *type:str=all_group_chats
BotCommandScopeAllChatAdministrators: *type:str=all_chat_administrators
BotCommandScopeChat: *type:str=chat *chat_id:int|str
BotCommandScopeChatAdministrators: *type:str=chat_administrators *chat_id:int|str
BotCommandScopeChatMember: *type:str=chat_member *chat_id:int|str *user_id:int
ReactionTypeEmoji: *type:str=emoji *emoji:str
ReactionTypeCustomEmoji: *type:str=custom_emoji *custom_emoji_id:str
ReactionTypePaid: *type:str=paid
"""

_TOLD = """
Chat: *id:int *type:str title:str username:str first_name:str last_name:str is_forum:bool
  is_direct_messages:bool
MessageId: *message_id:int
PhotoSize: *file_id:str *file_unique_id:str *width:int *height:int file_size:int
Document: *file_id:str *file_unique_id:str thumbnail:PhotoSize file_name:str mime_type:str
  file_size:int
Voice: *file_id:str *file_unique_id:str *duration:int mime_type:str file_size:int
Sticker: *file_id:str *file_unique_id:str *type:str *width:int *height:int *is_animated:bool
  *is_video:bool thumbnail:PhotoSize emoji:str set_name:str premium_animation:File
  mask_position:MaskPosition custom_emoji_id:str needs_repainting:bool file_size:int
File: *file_id:str *file_unique_id:str file_size:int file_path:str
CallbackQuery: *id:str *from:User message:MaybeInaccessibleMessage inline_message_id:str
  *chat_instance:str data:str game_short_name:str
InaccessibleMessage: *chat:Chat *message_id:int *date:int
ForumTopicCreated: *name:str *icon_color:int icon_custom_emoji_id:str is_name_implicit:bool
ForumTopicClosed:
ForumTopicReopened:
MessageOriginUser: *type:str=user *date:int *sender_user:User
MessageOriginHiddenUser: *type:str=hidden_user *date:int *sender_user_name:str
MessageOriginChat: *type:str=chat *date:int *sender_chat:Chat author_signature:str
MessageOriginChannel: *type:str=channel *date:int *chat:Chat *message_id:int author_signature:str
TextQuote: *text:str entities:[MessageEntity] *position:int is_manual:bool
ChatMemberUpdated: *chat:Chat *from:User *date:int *old_chat_member:ChatMember
  *new_chat_member:ChatMember invite_link:ChatInviteLink via_join_request:bool
  via_chat_folder_invite_link:bool
ChatMemberOwner: *status:str=creator *user:User *is_anonymous:bool custom_title:str
ChatMemberAdministrator: *status:str=administrator *user:User *can_be_edited:bool
  *is_anonymous:bool *can_manage_chat:bool *can_delete_messages:bool *can_manage_video_chats:bool
  *can_restrict_members:bool *can_promote_members:bool *can_change_info:bool
  *can_invite_users:bool *can_post_stories:bool *can_edit_stories:bool *can_delete_stories:bool
  can_post_messages:bool can_edit_messages:bool can_pin_messages:bool can_manage_topics:bool
  can_manage_direct_messages:bool can_manage_tags:bool custom_title:str
ChatMemberMember: *status:str=member tag:str *user:User until_date:int
ChatMemberLeft: *status:str=left *user:User
ChatMemberBanned: *status:str=kicked *user:User *until_date:int
WebhookInfo: *url:str *has_custom_certificate:bool *pending_update_count:int ip_address:str
  last_error_date:int last_error_message:str last_synchronization_error_date:int
  max_connections:int allowed_updates:[str]
BotName: *name:str
BotDescription: *description:str
BotShortDescription: *short_description:str
AcceptedGiftTypes: *unlimited_gifts:bool *limited_gifts:bool *unique_gifts:bool
  *premium_subscription:bool *gifts_from_channels:bool
ResponseParameters: migrate_to_chat_id:int retry_after:int
"""

_TOLD_IN_PART = """
Update: *update_id:int message:Message edited_message:Message channel_post:Message
  edited_channel_post:Message callback_query:CallbackQuery my_chat_member:ChatMemberUpdated
User: *id:int *is_bot:bool *first_name:str last_name:str username:str language_code:str
  is_premium:bool can_join_groups:bool can_read_all_group_messages:bool
  supports_inline_queries:bool can_connect_to_business:bool has_main_web_app:bool
  has_topics_enabled:bool
Message: *message_id:int message_thread_id:int from:User sender_chat:Chat *date:int *chat:Chat
  forward_origin:MessageOrigin is_topic_message:bool is_automatic_forward:bool
  reply_to_message:Message quote:TextQuote edit_date:int has_protected_content:bool
  media_group_id:str author_signature:str text:str entities:[MessageEntity]
  link_preview_options:LinkPreviewOptions effect_id:str document:Document photo:[PhotoSize]
  sticker:Sticker video:Video voice:Voice caption:str caption_entities:[MessageEntity]
  show_caption_above_media:bool has_media_spoiler:bool new_chat_members:[User]
  left_chat_member:User new_chat_title:str group_chat_created:bool supergroup_chat_created:bool
  migrate_to_chat_id:int migrate_from_chat_id:int pinned_message:MaybeInaccessibleMessage
  forum_topic_created:ForumTopicCreated forum_topic_closed:ForumTopicClosed
  forum_topic_reopened:ForumTopicReopened reply_markup:InlineKeyboardMarkup
Video: *file_id:str *file_unique_id:str *width:int *height:int *duration:int thumbnail:PhotoSize
  cover:[PhotoSize] start_timestamp:int file_name:str mime_type:str file_size:int
ChatFullInfo: *id:int *type:str title:str username:str first_name:str last_name:str is_forum:bool
  *accent_color_id:int *max_reaction_count:int active_usernames:[str] bio:str description:str
  invite_link:str *accepted_gift_types:AcceptedGiftTypes linked_chat_id:int
"""

UNIONS: dict[str, tuple[str, ...]] = {
    "BotCommandScope": (
        "BotCommandScopeDefault",
        "BotCommandScopeAllPrivateChats",
        "BotCommandScopeAllGroupChats",
        "BotCommandScopeAllChatAdministrators",
        "BotCommandScopeChat",
        "BotCommandScopeChatAdministrators",
        "BotCommandScopeChatMember",
    ),
    "ChatMember": (
        "ChatMemberOwner",
        "ChatMemberAdministrator",
        "ChatMemberMember",
        "ChatMemberRestricted",
        "ChatMemberLeft",
        "ChatMemberBanned",
    ),
    "MaybeInaccessibleMessage": ("Message", "InaccessibleMessage"),
    "MessageOrigin": (
        "MessageOriginUser",
        "MessageOriginHiddenUser",
        "MessageOriginChat",
        "MessageOriginChannel",
    ),
    "ReactionType": ("ReactionTypeEmoji", "ReactionTypeCustomEmoji", "ReactionTypePaid"),
}
"""One of these."""


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


ACTIONS = words(
    """typing upload_photo record_video upload_video record_voice upload_voice upload_document
    choose_sticker find_location record_video_note upload_video_note"""
)
STYLES = words("danger success primary")
UPDATES = words(
    """message edited_message channel_post edited_channel_post business_connection business_message
    edited_business_message deleted_business_messages guest_message message_reaction
    message_reaction_count inline_query chosen_inline_result callback_query shipping_query
    pre_checkout_query purchased_paid_media poll poll_answer my_chat_member chat_member
    chat_join_request chat_boost removed_chat_boost managed_bot"""
)


def _records(table: str) -> list[tuple[str, str]]:
    """Each record's head and the rest of it."""
    lines = re.sub(r"\n\s+", " ", table).strip().splitlines()
    return [(head, rest) for head, _, rest in (line.partition(":") for line in lines)]


def _fields(text: str) -> dict[str, Field]:
    return dict(_field(word) for word in text.split())


def _field(word: str) -> tuple[str, Field]:
    name, _, kind = word.lstrip("*").partition(":")
    types, _, only = kind.partition("=")
    return name, Field(tuple(types.split("|")), word.startswith("*"), only)


def _method(head: str, text: str) -> tuple[str, Method]:
    name, _, result = head.partition(" -> ")
    return name, Method(tuple(result.split("|")), _fields(text))


METHODS = dict(_method(head, rest) for head, rest in _records(_METHODS))
IN_PART = {head: _fields(rest) for head, rest in _records(_TOLD_IN_PART)}
"""The fake returns only these fields; the description has more."""
OBJECTS = {head: _fields(rest) for head, rest in _records(_GIVEN) + _records(_TOLD)} | IN_PART
