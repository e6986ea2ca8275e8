"""What Discord's description says of answers, in the notation of `discord_facts`.

Only the fields that this fake returns; the description has more.
"""

from __future__ import annotations

_TEXTS = """*name:str name_localizations:<str>? *description:str description_localizations:<str>?
  required:bool"""
_MESSAGE = """*type:int *content:str *mentions:[UserResponse] *mention_roles:[id]
  *attachments:[MessageAttachmentResponse] *embeds:[MessageEmbedResponse]
  *timestamp:date *edited_timestamp:date? *flags:int *components:[TopComponentResponse]
  *id:id *channel_id:id *author:UserResponse *pinned:bool *mention_everyone:bool
  *tts:bool application_id:id nonce:int|str(..25) webhook_id:id
  message_reference:MessageReferenceResponse interaction_metadata:InteractionMetadata"""
_MEMBER = """*avatar:str? *banner:str? *communication_disabled_until:date? *flags:int
  *joined_at:date *nick:str? *pending:bool *premium_since:date? *roles:[id]"""
_SELECT = """*id:int *custom_id:str placeholder:str *min_values:int *max_values:int disabled:bool"""
_IMAGE = """url:str proxy_url:uri width:int(0..4294967295) height:int(0..4294967295)
  content_type:str description:str flags:int(0..4294967295)"""
_SAFE = "int(-9007199254740991..9007199254740991)"
_BY = """user:UserResponse *authorizing_integration_owners:<id>
  original_response_message_id:id"""
_ACCOUNT = f"""*id:id *username:str *avatar:str? *discriminator:str *public_flags:int *flags:{_SAFE}
  bot:bool *global_name:str?"""

RESPONSE_TYPES = f"""
GatewayResponse: *url:uri
GatewayBotResponse: *url:uri *session_start_limit:GatewayBotSessionStartLimitResponse *shards:int
GatewayBotSessionStartLimitResponse: *max_concurrency:int *remaining:int *reset_after:int
  *total:int
UserResponse: {_ACCOUNT} *primary_guild:UserPrimaryGuildResponse?
UserPIIResponse: {_ACCOUNT} primary_guild:UserPrimaryGuildResponse? *mfa_enabled:bool *locale:str
  email:str? verified:bool
PrivateApplicationResponse: *id:id *name:str *icon:str? *description:str *type:int=4?
  bot:UserResponse bot_public:bool bot_require_code_grant:bool *verify_key:str *flags:int
  *flags_new:str *redirect_uris:[uri] *interactions_endpoint_url:uri?
  *role_connections_verification_url:uri? *owner:UserResponse *approximate_guild_count:int
  *approximate_user_install_count:int *approximate_user_authorization_count:int
  *explicit_content_filter:int=0,1 *team:TeamResponse? *eligible_oauth2_scopes:[str]
GuildWithCountsResponse: *id:id *name:str *icon:str? *description:str? *home_header:str?
  *splash:str? *discovery_splash:str? *features:[str] *banner:str? *owner_id:id *application_id:id?
  *region:str *afk_channel_id:id? *afk_timeout:int=60,300,900,1800,3600 *system_channel_id:id?
  *system_channel_flags:int *widget_enabled:bool *widget_channel_id:id?
  *verification_level:int=0,1,2,3,4 *roles:[GuildRoleResponse]
  *default_message_notifications:int=0,1 *mfa_level:int=0,1 *explicit_content_filter:int=0,1,2
  *max_presences:int? *max_members:int *max_stage_video_channel_users:int
  *max_video_channel_users:int *vanity_url_code:str? *premium_tier:int=0,1,2,3
  *premium_subscription_count:int *preferred_locale:str *rules_channel_id:id?
  *safety_alerts_channel_id:id? *public_updates_channel_id:id? *premium_progress_bar_enabled:bool
  *nsfw:bool *nsfw_level:int=0,1,2,3 *emojis:[EmojiResponse] *stickers:[GuildStickerResponse]
  *incidents_data:GuildIncidentsDataResponse?
GuildRoleResponse: *id:id *name:str *permissions:str *position:int *color:int
  *colors:GuildRoleColorsResponse *hoist:bool *managed:bool *mentionable:bool *icon:str?
  *unicode_emoji:str? tags:GuildRoleTagsResponse *flags:int
GuildRoleColorsResponse: *primary_color:int *secondary_color:int? *tertiary_color:int?
GuildRoleTagsResponse: bot_id:id
GuildMemberResponse: {_MEMBER} *user:UserResponse *mute:bool *deaf:bool
BasicGuildMemberResponse: {_MEMBER}
GuildChannelResponse: *id:id *type:int=0,2,4,5,13,14,15 last_message_id:id? *flags:int
  last_pin_timestamp:date? *guild_id:id *name:str parent_id:id? rate_limit_per_user:int bitrate:int
  user_limit:int rtc_region:str? permissions:str topic:str?
  default_auto_archive_duration:int=60,1440,4320,10080 default_thread_rate_limit_per_user:int
  *position:int permission_overwrites:[ChannelPermissionOverwriteResponse] nsfw:bool
  available_tags:[ForumTagResponse] default_reaction_emoji:DefaultReactionEmojiResponse?
  default_sort_order:int=0,1? default_forum_layout:int=0,1,2
  default_tag_setting:str=match_all,match_some?
ChannelPermissionOverwriteResponse: *id:id *type:int=0,1 *allow:str *deny:str
ThreadResponse: *id:id *type:int=10,11,12 last_message_id:id? *flags:int last_pin_timestamp:date?
  *guild_id:id *name:str parent_id:id? rate_limit_per_user:int bitrate:int user_limit:int
  rtc_region:str? permissions:str *owner_id:id *thread_metadata:ThreadMetadataResponse
  *message_count:int *member_count:int *total_message_sent:int
ThreadMetadataResponse: *archived:bool *archive_timestamp:date?
  *auto_archive_duration:int=60,1440,4320,10080 *locked:bool create_timestamp:date invitable:bool
PrivateChannelResponse: *id:id *type:int=1 last_message_id:id? *flags:int
  last_pin_timestamp:date? *recipients:[UserResponse]
PrivateGroupChannelResponse: *id:id *type:int=3 last_message_id:id? *flags:int
  last_pin_timestamp:date? *recipients:[UserResponse] *name:str? *icon:str? *owner_id:id
  managed:bool application_id:id
MessageResponse: {_MESSAGE} referenced_message:BasicMessageResponse?
BasicMessageResponse: {_MESSAGE}
MessageAttachmentResponse: *id:id *filename:str *size:int *url:uri *proxy_url:uri width:int
  height:int description:str content_type:str ephemeral:bool flags:int title:str?
MessageReferenceResponse: *type:int=0 *channel_id:id message_id:id guild_id:id
ApplicationCommandInteractionMetadataResponse: *id:id *type:int=2 {_BY} target_user:UserResponse
  target_message_id:id
MessageComponentInteractionMetadataResponse: *id:id *type:int=3 {_BY} *interacted_message_id:id
ModalSubmitInteractionMetadataResponse: *id:id *type:int=5 {_BY}
  *triggering_interaction_metadata:ApplicationCommandInteractionMetadataResponse|MessageComponentInteractionMetadataResponse
MessageEmbedResponse: *type:str url:uri title:str description:str color:int timestamp:date
  fields:[MessageEmbedFieldResponse] author:MessageEmbedAuthorResponse
  provider:MessageEmbedProviderResponse image:MessageEmbedImageResponse
  thumbnail:MessageEmbedImageResponse video:MessageEmbedVideoResponse
  footer:MessageEmbedFooterResponse flags:int? components:[ContainerComponentResponse]
MessageEmbedFieldResponse: *name:str *value:str *inline:bool
MessageEmbedAuthorResponse: *name:str url:str icon_url:str proxy_icon_url:uri
MessageEmbedProviderResponse: *name:str url:uri
MessageEmbedImageResponse: {_IMAGE}
MessageEmbedVideoResponse: {_IMAGE}
MessageEmbedFooterResponse: *text:str icon_url:str proxy_icon_url:uri
ActionRowComponentResponse: *type:int=1 *id:int *components:[InRowResponse]
ContainerComponentResponse: *type:int=17 *id:int *accent_color:int?
  *components:[InContainerResponse] *spoiler:bool
FileComponentResponse: *type:int=13 *id:int *file:UnfurledMediaResponse *name:str? *size:int?
  *spoiler:bool
MediaGalleryComponentResponse: *type:int=12 *id:int *items:[MediaGalleryItemResponse]
MediaGalleryItemResponse: *media:UnfurledMediaResponse *description:str? *spoiler:bool
SectionComponentResponse: *type:int=9 *id:int *components:[TextDisplayComponentResponse]
  *accessory:ButtonComponentResponse|ThumbnailComponentResponse
SeparatorComponentResponse: *type:int=14 *id:int *spacing:int=1,2 *divider:bool
TextDisplayComponentResponse: *type:int=10 *id:int *content:str
ThumbnailComponentResponse: *type:int=11 *id:int *media:UnfurledMediaResponse *description:str?
  *spoiler:bool
UnfurledMediaResponse: *id:id *url:str *proxy_url:str width:int? height:int? content_type:str?
  attachment_id:id
ButtonComponentResponse: *type:int=2 *id:int custom_id:str *style:int=1,2,3,4,5,6 label:str
  disabled:bool emoji:ComponentEmojiResponse url:uri(..2048)? sku_id:id
ComponentEmojiResponse: id:id *name:str animated:bool
StringSelectComponentResponse: *type:int=3 {_SELECT} *options:[StringSelectOptionResponse]
StringSelectOptionResponse: *label:str *value:str description:str emoji:ComponentEmojiResponse
  default:bool
UserSelectComponentResponse: *type:int=5 {_SELECT}
  default_values:[UserSelectDefaultValueResponse]
RoleSelectComponentResponse: *type:int=6 {_SELECT}
  default_values:[RoleSelectDefaultValueResponse]
MentionableSelectComponentResponse: *type:int=7 {_SELECT}
  default_values:[RoleSelectDefaultValueResponse|UserSelectDefaultValueResponse]
ChannelSelectComponentResponse: *type:int=8 {_SELECT} channel_types:[int]
  default_values:[ChannelSelectDefaultValueResponse]
ChannelSelectDefaultValueResponse: *type:str=channel *id:id
RoleSelectDefaultValueResponse: *type:str=role *id:id
UserSelectDefaultValueResponse: *type:str=user *id:id
ApplicationCommandResponse: *id:id *application_id:id *version:id
  *default_member_permissions:str? *type:int=1,2,3,4 *name:str name_localizations:<str>?
  *description:str description_localizations:<str>? guild_id:id dm_permission:bool
  contexts:[int=0,1,2]? integration_types:[int=0,1] options:[CommandOptionResponse] nsfw:bool
  handler:int=1,2
InteractionCallbackResponse: *interaction:InteractionResponse
  resource:CreateMessageInteractionCallbackResponse|LaunchActivityInteractionCallbackResponse|UpdateMessageInteractionCallbackResponse
InteractionResponse: *id:id *type:int=1,2,3,4,5,6 response_message_id:id
  response_message_loading:bool response_message_ephemeral:bool channel_id:id guild_id:id
CreateMessageInteractionCallbackResponse: *type:int=4 *message:MessageResponse
UpdateMessageInteractionCallbackResponse: *type:int=7 *message:MessageResponse
ApplicationCommandAttachmentOptionResponse: *type:int=11 {_TEXTS}
ApplicationCommandBooleanOptionResponse: *type:int=5 {_TEXTS}
ApplicationCommandChannelOptionResponse: *type:int=7 {_TEXTS} channel_types:[int]
ApplicationCommandIntegerOptionResponse: *type:int=4 {_TEXTS} autocomplete:bool
  choices:[ApplicationCommandOptionIntegerChoiceResponse] min_value:{_SAFE} max_value:{_SAFE}
ApplicationCommandMentionableOptionResponse: *type:int=9 {_TEXTS}
ApplicationCommandNumberOptionResponse: *type:int=10 {_TEXTS} autocomplete:bool
  choices:[ApplicationCommandOptionNumberChoiceResponse] min_value:float max_value:float
ApplicationCommandRoleOptionResponse: *type:int=8 {_TEXTS}
ApplicationCommandStringOptionResponse: *type:int=3 {_TEXTS} autocomplete:bool
  choices:[ApplicationCommandOptionStringChoiceResponse] min_length:int max_length:int
ApplicationCommandSubcommandGroupOptionResponse: *type:int=2 {_TEXTS}
  options:[ApplicationCommandSubcommandOptionResponse]
ApplicationCommandSubcommandOptionResponse: *type:int=1 {_TEXTS} options:[PlainOptionResponse]
ApplicationCommandUserOptionResponse: *type:int=6 {_TEXTS}
ApplicationCommandOptionIntegerChoiceResponse: *name:str name_localizations:<str>? *value:{_SAFE}
ApplicationCommandOptionNumberChoiceResponse: *name:str name_localizations:<str>? *value:float
ApplicationCommandOptionStringChoiceResponse: *name:str name_localizations:<str>? *value:str
"""

UNIONS = """
TopComponentResponse = ActionRowComponentResponse ContainerComponentResponse
  FileComponentResponse MediaGalleryComponentResponse SectionComponentResponse
  SeparatorComponentResponse TextDisplayComponentResponse
InContainerResponse = ActionRowComponentResponse FileComponentResponse
  MediaGalleryComponentResponse SectionComponentResponse SeparatorComponentResponse
  TextDisplayComponentResponse
InRowResponse = ButtonComponentResponse ChannelSelectComponentResponse
  MentionableSelectComponentResponse RoleSelectComponentResponse StringSelectComponentResponse
  TextInputComponentResponse UserSelectComponentResponse
CommandOptionResponse = ApplicationCommandAttachmentOptionResponse
  ApplicationCommandBooleanOptionResponse ApplicationCommandChannelOptionResponse
  ApplicationCommandIntegerOptionResponse ApplicationCommandMentionableOptionResponse
  ApplicationCommandNumberOptionResponse ApplicationCommandRoleOptionResponse
  ApplicationCommandStringOptionResponse ApplicationCommandSubcommandGroupOptionResponse
  ApplicationCommandSubcommandOptionResponse ApplicationCommandUserOptionResponse
PlainOptionResponse = ApplicationCommandAttachmentOptionResponse
  ApplicationCommandBooleanOptionResponse ApplicationCommandChannelOptionResponse
  ApplicationCommandIntegerOptionResponse ApplicationCommandMentionableOptionResponse
  ApplicationCommandNumberOptionResponse ApplicationCommandRoleOptionResponse
  ApplicationCommandStringOptionResponse ApplicationCommandUserOptionResponse
InteractionMetadata = ApplicationCommandInteractionMetadataResponse
  MessageComponentInteractionMetadataResponse ModalSubmitInteractionMetadataResponse
"""
"""Short names for one of these."""
