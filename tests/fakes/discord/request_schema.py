"""What Discord's description says of the bodies of calls, in the notation of `discord_facts`."""

from __future__ import annotations

_NAMED = """*name:str(1..32) name_localizations:<str(1..32)>(..34)? *description:str(1..100)
  description_localizations:<str(1..100)>(..34)? required:bool?"""
_CHOICE = "*name:str(1..100) name_localizations:<str(1..100)>(..34)?"
_SAID = """content:str(..2000)? embeds:[RichEmbed](..10)?
  allowed_mentions:MessageAllowedMentionsRequest?"""
_BUILT = """components:[MessageComponent](..40)? attachments:[MessageAttachmentRequest](..10)?"""
_SELECT = """id:int(0..)? *custom_id:str(1..100) placeholder:str(..150)? min_values:int(0..25)?
  max_values:int(1..25)? disabled:bool? required:bool?"""
_MEDIA = """url:uri(..2048)? width:int? height:int? placeholder:str(..64)?
  placeholder_version:int(0..)? is_animated:bool? description:str(..4096)?"""
_OPTION = "*label:str(1..100) *value:str(1..100) description:str(..100)? default:bool?"
_PLACES = "[int=1,3,0,2,4,5,10,11,12,13,14,15]"
_SAFE = "int(-9007199254740991..9007199254740991)"

REQUEST_TYPES = f"""
MessageCreateRequest: content:str(..4000)? embeds:[RichEmbed](..10)?
  allowed_mentions:MessageAllowedMentionsRequest? sticker_ids:[id](..3)?
  components:[MessageComponent](..40)? flags:int? attachments:[MessageAttachmentRequest](..10)?
  poll:PollCreateRequest? shared_client_theme:CustomClientThemeShareRequest?
  message_reference:MessageReferenceRequest? nonce:int|str(..25)? enforce_nonce:bool? tts:bool?
IncomingWebhookRequestPartial: {_SAID} {_BUILT} poll:PollCreateRequest? tts:bool? flags:int?
  username:str(1..80)? avatar_url:uri(..2048)? thread_name:str(..100)? applied_tags:[id](..5)?
IncomingWebhookUpdateRequestPartial: {_SAID} {_BUILT} poll:PollCreateRequest? flags:int?
MessageEditRequestPartial: content:str(..4000)? embeds:[RichEmbed](..10)? flags:int?
  allowed_mentions:MessageAllowedMentionsRequest? sticker_ids:[id]? {_BUILT}
ApplicationCommandAutocompleteCallbackRequest: *type:int=8 *data:CallbackChoices
CreateMessageInteractionCallbackRequest: *type:int=4,5 data:IncomingWebhookInteractionRequest?
ModalInteractionCallbackRequest: *type:int=9 *data:ModalInteractionCallbackRequestData
PongInteractionCallbackRequest: *type:int=1
UpdateMessageInteractionCallbackRequest: *type:int=6,7
  data:IncomingWebhookUpdateForInteractionCallbackRequestPartial?
ApplicationCommandUpdateRequest: *name:str(1..32) name_localizations:<str(1..32)>(..34)?
  description:str(..100)? description_localizations:<str(1..100)>(..34)?
  options:[CommandOption](..25)? default_member_permissions:int(0..18014398509481983)?
  dm_permission:bool? contexts:[int=0,1,2](1..)? integration_types:[int=0,1](1..)? handler:int=1,2?
  type:int=1,2,3,4? id:id?
CreatePrivateChannelRequest: recipient_id:id? access_tokens:[str]? nicks:<str>?
RichEmbed: type:str? url:uri(..2048)? title:str(..256)? color:int(0..16777215)? timestamp:date?
  description:str(..4096)? author:RichEmbedAuthor? image:RichEmbedImage?
  thumbnail:RichEmbedThumbnail? footer:RichEmbedFooter? fields:[RichEmbedField](..25)?
  provider:RichEmbedProvider? video:RichEmbedVideo?
MessageAllowedMentionsRequest: parse:[str=users,roles,everyone]? users:[id](..100)?
  roles:[id](..100)? replied_user:bool?
ActionRowComponentForMessageRequest: *type:int=1 id:int(0..)? *components:[InRow](1..5)
ContainerComponentForMessageRequest: *type:int=17 id:int(0..)? accent_color:int(0..16777215)?
  *components:[InContainer](1..40) spoiler:bool?
FileComponentForMessageRequest: *type:int=13 id:int(0..)? spoiler:bool?
  *file:UnfurledMediaRequestWithAttachmentReferenceRequired
MediaGalleryComponentForMessageRequest: *type:int=12 id:int(0..)?
  *items:[MediaGalleryItemRequest](1..10)
SectionComponentForMessageRequest: *type:int=9 id:int(0..)?
  *components:[TextDisplayComponentForMessageRequest](1..3)
  *accessory:ButtonComponentForMessageRequest|ThumbnailComponentForMessageRequest
SeparatorComponentForMessageRequest: *type:int=14 id:int(0..)? spacing:int=1,2? divider:bool?
TextDisplayComponentForMessageRequest: *type:int=10 id:int(0..)? *content:str(1..4000)
MessageAttachmentRequest: *id:id filename:str(1..1024)? description:str(..1024)?
  duration_secs:float(0..)? waveform:str(..400)? title:str(..1024)? is_spoiler:bool? is_remix:bool?
MessageReferenceRequest: guild_id:id? channel_id:id? *message_id:id fail_if_not_exists:bool?
  type:int=0?
InteractionApplicationCommandAutocompleteCallbackIntegerData:
  choices:[ApplicationCommandOptionIntegerChoice](..25)?
InteractionApplicationCommandAutocompleteCallbackNumberData:
  choices:[ApplicationCommandOptionNumberChoice](..25)?
InteractionApplicationCommandAutocompleteCallbackStringData:
  choices:[ApplicationCommandOptionStringChoice](..25)?
IncomingWebhookInteractionRequest: {_SAID} {_BUILT} poll:PollCreateRequest? tts:bool? flags:int?
ModalInteractionCallbackRequestData: *custom_id:str(1..100) *title:str(1..45)
  *components:[InModal](1..40)
IncomingWebhookUpdateForInteractionCallbackRequestPartial: {_SAID} {_BUILT} flags:int?
ApplicationCommandAttachmentOption: *type:int=11 {_NAMED}
ApplicationCommandBooleanOption: *type:int=5 {_NAMED}
ApplicationCommandChannelOption: *type:int=7 {_NAMED} channel_types:{_PLACES}?
ApplicationCommandIntegerOption: *type:int=4 {_NAMED} autocomplete:bool?
  choices:[ApplicationCommandOptionIntegerChoice](..25)? min_value:{_SAFE}? max_value:{_SAFE}?
ApplicationCommandMentionableOption: *type:int=9 {_NAMED}
ApplicationCommandNumberOption: *type:int=10 {_NAMED} autocomplete:bool?
  choices:[ApplicationCommandOptionNumberChoice](..25)? min_value:float? max_value:float?
ApplicationCommandRoleOption: *type:int=8 {_NAMED}
ApplicationCommandStringOption: *type:int=3 {_NAMED} autocomplete:bool? min_length:int(0..6000)?
  max_length:int(1..6000)? choices:[ApplicationCommandOptionStringChoice](..25)?
ApplicationCommandSubcommandGroupOption: *type:int=2 {_NAMED}
  options:[ApplicationCommandSubcommandOption](..25)?
ApplicationCommandSubcommandOption: *type:int=1 {_NAMED} options:[PlainOption](..25)?
ApplicationCommandUserOption: *type:int=6 {_NAMED}
RichEmbedAuthor: name:str(..256)? url:uri(..2048)? icon_url:uri(..2048)?
RichEmbedImage: {_MEDIA}
RichEmbedThumbnail: {_MEDIA}
RichEmbedFooter: text:str(..2048)? icon_url:uri(..2048)?
RichEmbedField: *name:str(..256) *value:str(..1024) inline:bool?
RichEmbedProvider: name:str(..256)? url:uri(..2048)?
RichEmbedVideo: {_MEDIA}
ButtonComponentForMessageRequest: *type:int=2 id:int(0..)? custom_id:str(1..100)?
  *style:int=1,2,3,4,5,6 label:str(..80)? disabled:bool? url:uri(..512)? sku_id:id?
  emoji:ComponentEmojiForRequest?
ChannelSelectComponentForMessageRequest: *type:int=8 {_SELECT}
  default_values:[ChannelSelectDefaultValue](..25)? channel_types:{_PLACES}?
MentionableSelectComponentForMessageRequest: *type:int=7 {_SELECT}
  default_values:[RoleSelectDefaultValue|UserSelectDefaultValue](..25)?
RoleSelectComponentForMessageRequest: *type:int=6 {_SELECT}
  default_values:[RoleSelectDefaultValue](..25)?
StringSelectComponentForMessageRequest: *type:int=3 {_SELECT}
  *options:[StringSelectOptionForRequest](1..25)
UserSelectComponentForMessageRequest: *type:int=5 {_SELECT}
  default_values:[UserSelectDefaultValue](..25)?
UnfurledMediaRequestWithAttachmentReferenceRequired: *url:uri(..2048)
MediaGalleryItemRequest: description:str(1..1024)? spoiler:bool? *media:UnfurledMediaRequest
ThumbnailComponentForMessageRequest: *type:int=11 id:int(0..)? description:str(1..1024)?
  spoiler:bool? *media:UnfurledMediaRequest
ApplicationCommandOptionIntegerChoice: {_CHOICE} *value:{_SAFE}
ApplicationCommandOptionNumberChoice: {_CHOICE} *value:float
ApplicationCommandOptionStringChoice: {_CHOICE} *value:str(..6000)
ActionRowComponentForModalRequest: *type:int=1 id:int(0..)?
  *components:[TextInputComponentForModalRequest](1..5)
LabelComponentForModalRequest: *type:int=18 id:int(0..)? *label:str(1..45)
  description:str(1..100)? *component:InLabel
TextDisplayComponentForModalRequest: *type:int=10 id:int(0..)? *content:str(1..4000)
ComponentEmojiForRequest: id:id? *name:str(..32)
ChannelSelectDefaultValue: *type:str=channel *id:id
RoleSelectDefaultValue: *type:str=role *id:id
UserSelectDefaultValue: *type:str=user *id:id
StringSelectOptionForRequest: {_OPTION} emoji:ComponentEmojiForRequest?
UnfurledMediaRequest: *url:uri(..2048)
TextInputComponentForModalRequest: *type:int=4 id:int(0..)? *custom_id:str(1..100) *style:int=1,2
  label:str(1..45)? value:str(..4000)? placeholder:str(..100)? required:bool?
  min_length:int(0..4000)? max_length:int(1..4000)?
ChannelSelectComponentForModalRequest: *type:int=8 {_SELECT}
  default_values:[ChannelSelectDefaultValue](..25)? channel_types:{_PLACES}?
CheckboxComponentForModalRequest: *type:int=23 id:int(0..)? *custom_id:str(1..100) default:bool?
CheckboxGroupComponentForModalRequest: *type:int=22 id:int(0..)? *custom_id:str(1..100)
  min_values:int(0..10)? max_values:int(1..10)? required:bool?
  *options:[CheckboxGroupOptionForRequest](1..10)
FileUploadComponentForModalRequest: *type:int=19 id:int(0..)? *custom_id:str(1..100)
  min_values:int(0..10)? max_values:int(1..10)? required:bool?
MentionableSelectComponentForModalRequest: *type:int=7 {_SELECT}
  default_values:[RoleSelectDefaultValue|UserSelectDefaultValue](..25)?
RadioGroupComponentForModalRequest: *type:int=21 id:int(0..)? *custom_id:str(1..100)
  required:bool? *options:[RadioGroupOptionForRequest](2..10)
RoleSelectComponentForModalRequest: *type:int=6 {_SELECT}
  default_values:[RoleSelectDefaultValue](..25)?
StringSelectComponentForModalRequest: *type:int=3 {_SELECT}
  *options:[StringSelectOptionForRequest](1..25)
UserSelectComponentForModalRequest: *type:int=5 {_SELECT}
  default_values:[UserSelectDefaultValue](..25)?
CheckboxGroupOptionForRequest: {_OPTION}
RadioGroupOptionForRequest: {_OPTION}
"""

UNIONS = """
MessageComponent = ActionRowComponentForMessageRequest ContainerComponentForMessageRequest
  FileComponentForMessageRequest MediaGalleryComponentForMessageRequest
  SectionComponentForMessageRequest SeparatorComponentForMessageRequest
  TextDisplayComponentForMessageRequest
InContainer = ActionRowComponentForMessageRequest FileComponentForMessageRequest
  MediaGalleryComponentForMessageRequest SectionComponentForMessageRequest
  SeparatorComponentForMessageRequest TextDisplayComponentForMessageRequest
InRow = ButtonComponentForMessageRequest ChannelSelectComponentForMessageRequest
  MentionableSelectComponentForMessageRequest RoleSelectComponentForMessageRequest
  StringSelectComponentForMessageRequest UserSelectComponentForMessageRequest
InModal = ActionRowComponentForModalRequest LabelComponentForModalRequest
  TextDisplayComponentForModalRequest
InLabel = ChannelSelectComponentForModalRequest CheckboxComponentForModalRequest
  CheckboxGroupComponentForModalRequest FileUploadComponentForModalRequest
  MentionableSelectComponentForModalRequest RadioGroupComponentForModalRequest
  RoleSelectComponentForModalRequest StringSelectComponentForModalRequest
  TextInputComponentForModalRequest UserSelectComponentForModalRequest
CommandOption = ApplicationCommandAttachmentOption ApplicationCommandBooleanOption
  ApplicationCommandChannelOption ApplicationCommandIntegerOption
  ApplicationCommandMentionableOption ApplicationCommandNumberOption ApplicationCommandRoleOption
  ApplicationCommandStringOption ApplicationCommandSubcommandGroupOption
  ApplicationCommandSubcommandOption ApplicationCommandUserOption
PlainOption = ApplicationCommandAttachmentOption ApplicationCommandBooleanOption
  ApplicationCommandChannelOption ApplicationCommandIntegerOption
  ApplicationCommandMentionableOption ApplicationCommandNumberOption ApplicationCommandRoleOption
  ApplicationCommandStringOption ApplicationCommandUserOption
CallbackChoices = InteractionApplicationCommandAutocompleteCallbackIntegerData
  InteractionApplicationCommandAutocompleteCallbackNumberData
  InteractionApplicationCommandAutocompleteCallbackStringData
"""
"""Short names for one of these."""
