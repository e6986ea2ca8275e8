"""The slash commands: typed options, choices, and entries in the menu of messages.

Command names are the same on all platforms; all other texts are in the language of the client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str

from bot.commands.parser import FITS, ORIENTATIONS
from bot.domain.commands import MakeVideo
from bot.domain.provider_health import ProviderMode
from bot.domain.tasks import State
from bot.frontends.discord.autocomplete import Autocomplete
from bot.frontends.discord.interaction_payload import fit_of, orientation_of
from bot.frontends.discord.interaction_receiver import InteractionReceiver
from bot.presentation.i18n import DEFAULT_LANGUAGE, LANGUAGES, translate

Prompt = Range[str, 1, 4000]
Seconds = Range[int, 1, 3600]
Credits = Range[int, -1_000_000_000, 1_000_000_000]
Share = Range[int, -1, 1_000_000_000]
Limit = Range[int, 0, 1_000_000_000]
Count = Range[int, 1, 999]
TaskId = Range[str, 1, 40]
Word = Range[str, 1, 100]
Place = (
    discord.TextChannel
    | discord.VoiceChannel
    | discord.ForumChannel
    # As Discord tells of it: a thread that is put away is not known otherwise.
    | app_commands.AppCommandThread
)
"""Channel types in which commands can be used in a guild."""
_CONTEXTS = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True)
_INSTALLATION = app_commands.AppInstallationType(guild=True, user=True)
_LANGUAGE_OF = {
    discord.Locale.american_english: "en",
    discord.Locale.british_english: "en",
    discord.Locale.chinese: "zh",
    discord.Locale.taiwan_chinese: "zh",
}
_MAX_CHOICE_CHARS = 100
"""Maximum length of a description (application-commands, "command structure")."""


class CommandTranslator(app_commands.Translator):
    """Translates names and descriptions."""

    async def translate(
        self,
        string: locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        """Return the text in that language; None: Discord shows the English one."""
        del context
        key, language = string.extras.get("key"), _LANGUAGE_OF.get(locale)
        return (
            None
            if key is None or language is None
            else translate(language, key)[:_MAX_CHOICE_CHARS]
        )


def build(
    tree: app_commands.CommandTree[Any], receiver: InteractionReceiver, choices: Autocomplete
) -> None:
    """Add every command to the tree."""
    for command in (
        *_video_commands(receiver, choices),
        *_task_commands(receiver, choices),
        *_account_commands(receiver, choices),
    ):
        tree.add_command(command)
    for menu in _message_menus(receiver):
        tree.add_command(menu)
    tree.add_command(_admin(receiver))
    tree.add_command(_server(receiver))


def _text_key(key: str) -> locale_str:
    return locale_str(translate(DEFAULT_LANGUAGE, key)[:_MAX_CHOICE_CHARS], key=key)


def _command(
    name: str,
    callback: Callable[..., Any],
    suggestions: dict[str, Callable[..., Any]] | None = None,
    *,
    within: str = "",
    **fixed: list[Choice[Any]],
) -> app_commands.Command[Any, Any, Any]:
    """A command, or one `within` a group.

    Each option is named and described by `option-<its name>` in the locales.
    """
    options = [
        option for option in callback.__annotations__ if option not in {"interaction", "return"}
    ]
    for decorate in (
        app_commands.describe(
            **{option: _text_key(f"option-{option}-about") for option in options}
        ),
        app_commands.rename(**{option: _text_key(f"option-{option}") for option in options}),
        app_commands.autocomplete(**(suggestions or {})),
        app_commands.choices(**fixed),
    ):
        callback = decorate(callback)
    return app_commands.Command(
        name=name,
        description=_text_key(f"{within}help-{name}"),
        callback=callback,
        # A group says that for all in it.
        allowed_contexts=None if within else _CONTEXTS,
        allowed_installs=None if within else _INSTALLATION,
    )


def _one_of(prefix: str, words: Any) -> list[Choice[Any]]:  # noqa: ANN401 - an enum or a tuple
    return [Choice(name=_text_key(f"{prefix}-{word}"), value=str(word)) for word in words]


def _literal_choices(words: Any) -> list[Choice[Any]]:  # noqa: ANN401 - an enum or a tuple
    return [Choice(name=str(word), value=str(word)) for word in words]


def _video_commands(
    receiver: InteractionReceiver, choices: Autocomplete
) -> list[app_commands.Command[Any, Any, Any]]:
    async def video(
        interaction: discord.Interaction,
        prompt: Prompt,
        image: discord.Attachment | None = None,
        model: Word | None = None,
        duration: Seconds | None = None,
        orientation: str | None = None,
        size: Word | None = None,
        style: Word | None = None,
        watermark: bool | None = None,  # noqa: FBT001 - as above
        private: bool | None = None,  # noqa: FBT001 - as above
        spoiler: bool | None = None,  # noqa: FBT001 - as above
        storyboard: bool | None = None,  # noqa: FBT001 - as above
        fit: str | None = None,
    ) -> None:
        video = MakeVideo(
            prompt=prompt,
            model=model,
            seconds=duration,
            orientation=orientation_of(orientation),
            size=size,
            style=style,
            watermark=watermark,
            # "No" is what nobody needs to say.
            private=private or None,
            spoiler=spoiler,
            storyboard=storyboard or None,
            fit=fit_of(fit),
        )
        await receiver.video(interaction, video, image)

    async def remix(interaction: discord.Interaction, task: TaskId, prompt: Prompt) -> None:
        await receiver.remix(interaction, task, prompt)

    async def retry(interaction: discord.Interaction, task: TaskId) -> None:
        await receiver.retry(interaction, task)

    options = {
        "model": _suggestions(choices.models),
        "duration": _suggestions(choices.durations),
        "size": _suggestions(choices.sizes),
        "style": _suggestions(choices.styles),
    }
    own = {"task": _suggestions(choices.tasks)}
    return [
        _command(
            "video",
            video,
            options,
            orientation=_one_of("orientation", ORIENTATIONS),
            fit=_one_of("fit", FITS),
        ),
        _command("remix", remix, own),
        _command("retry", retry, own),
    ]


def _task_commands(
    receiver: InteractionReceiver, choices: Autocomplete
) -> list[app_commands.Command[Any, Any, Any]]:
    async def cancel(interaction: discord.Interaction, task: TaskId) -> None:
        await receiver.line(interaction, f"/cancel {task}")

    async def fetch(interaction: discord.Interaction, task: TaskId) -> None:
        await receiver.line(interaction, f"/fetch {task}")

    own = {"task": _suggestions(choices.tasks)}
    return [
        _no_options("tasks", receiver),
        _command("cancel", cancel, own),
        _command("fetch", fetch, own),
    ]


def _account_commands(
    receiver: InteractionReceiver, choices: Autocomplete
) -> list[app_commands.Command[Any, Any, Any]]:
    async def settings(
        interaction: discord.Interaction,
        model: Word | None = None,
        duration: Seconds | None = None,
        orientation: str | None = None,
        clear: str | None = None,
    ) -> None:
        named: dict[str, str | int | None] = {
            "model": model,
            "seconds": duration,
            "orientation": orientation,
        }
        changes: dict[str, str | int | None] = {
            name: value for name, value in named.items() if value is not None
        }
        if clear is not None:
            changes["seconds" if clear == "duration" else clear] = None
        await receiver.settings(interaction, changes)

    async def language(interaction: discord.Interaction, code: str | None = None) -> None:
        await receiver.line(interaction, f"/language {code or ''}")

    return [
        *(_no_options(name, receiver) for name in ("quota", "models", "privacy", "forgetme")),
        *(_no_options(name, receiver) for name in ("start", "help")),
        _command(
            "settings",
            settings,
            {"model": _suggestions(choices.models), "duration": _suggestions(choices.durations)},
            orientation=_one_of("orientation", ORIENTATIONS),
            clear=_one_of("option", ("model", "duration", "orientation", "language")),
        ),
        _command(
            "language",
            language,
            code=[Choice(name=name, value=code) for code, name in LANGUAGES.items()],
        ),
    ]


def _no_options(name: str, receiver: InteractionReceiver) -> app_commands.Command[Any, Any, Any]:
    async def plain(interaction: discord.Interaction) -> None:
        await receiver.line(interaction, f"/{name}")

    return _command(name, plain)


def _suggestions(find: Callable[..., Any]) -> Callable[..., Any]:
    # A method looks to discord.py as if the command were one of a group.
    async def typing(interaction: discord.Interaction, typed: str) -> list[Choice[Any]]:
        suggestions: list[Choice[Any]] = await find(interaction, typed)
        return suggestions

    return typing


def _message_menus(receiver: InteractionReceiver) -> list[app_commands.ContextMenu]:
    async def picture(interaction: discord.Interaction, message: discord.Message) -> None:
        await receiver.use_picture(interaction, message)

    async def video(interaction: discord.Interaction, message: discord.Message) -> None:
        await receiver.use_video(interaction, message)

    return [
        app_commands.ContextMenu(
            name=_text_key(key),
            callback=callback,
            allowed_contexts=_CONTEXTS,
            allowed_installs=_INSTALLATION,
        )
        for key, callback in (("menu-picture", picture), ("menu-remix", video))
    ]


def _server(receiver: InteractionReceiver) -> app_commands.Command[Any, Any, Any]:
    """`/server`: hidden from members who do not manage the guild, and refused to them."""

    async def server(
        interaction: discord.Interaction,
        allow: Place | None = None,
        forbid: Place | None = None,
        role: discord.Role | None = None,
        credits: Share | None = None,  # noqa: A002 - the option's name
        language: str | None = None,
        spoiler: bool | None = None,  # noqa: FBT001 - as above
    ) -> None:
        changes = {
            "allow": str(allow.id) if allow is not None else None,
            "forbid": str(forbid.id) if forbid is not None else None,
            "role": str(role.id) if role is not None else None,
            "share": credits,
            "language": language,
            "spoiler": spoiler,
        }
        await receiver.group(interaction, changes)

    command = _command(
        "server",
        server,
        language=[Choice(name=name, value=code) for code, name in LANGUAGES.items()],
    )
    command.default_permissions = discord.Permissions(manage_guild=True)
    command.allowed_contexts = app_commands.AppCommandContext(guild=True)
    command.allowed_installs = app_commands.AppInstallationType(guild=True)
    return command


# --- for admins --------------------------------------------------------------------------


def _admin(receiver: InteractionReceiver) -> app_commands.Group:
    """`/admin`: hidden until a guild shows it, and refused to all but `ADMINS` anyway."""
    group = app_commands.Group(
        name="admin",
        description=_text_key("menu-admin"),
        default_permissions=discord.Permissions.none(),
        allowed_contexts=_CONTEXTS,
        allowed_installs=_INSTALLATION,
    )
    for command in (*_admin_user_commands(receiver), *_admin_task_commands(receiver)):
        group.add_command(command)
    return group


def _admin_line(receiver: InteractionReceiver) -> Callable[..., Any]:
    """Build the line of an admin command from its options."""

    async def say_so(interaction: discord.Interaction, word: str, *more: object) -> None:
        rest = " ".join(str(word) for word in more if word is not None)
        await receiver.line(interaction, f"/admin {word} {rest}".rstrip())

    return say_so


def _admin_user_commands(
    receiver: InteractionReceiver,
) -> list[app_commands.Command[Any, Any, Any]]:
    say_so = _admin_line(receiver)

    async def grant(interaction: discord.Interaction, user: discord.User, credits: Credits) -> None:  # noqa: A002 - the option's name
        await say_so(interaction, "grant", f"discord:{user.id}", credits)

    async def limit(interaction: discord.Interaction, user: discord.User, credits: Limit) -> None:  # noqa: A002 - the option's name
        await say_so(interaction, "limit", f"discord:{user.id}", credits)

    async def ban(
        interaction: discord.Interaction, user: discord.User, reason: Word | None = None
    ) -> None:
        await say_so(interaction, "ban", f"discord:{user.id}", reason)

    async def unban(interaction: discord.Interaction, user: discord.User) -> None:
        await say_so(interaction, "unban", f"discord:{user.id}")

    async def user(interaction: discord.Interaction, user: discord.User) -> None:
        await say_so(interaction, "user", f"discord:{user.id}")

    callbacks = (grant, limit, ban, unban, user)
    return [_command(callback.__name__, callback, within="admin-") for callback in callbacks]


def _admin_task_commands(
    receiver: InteractionReceiver,
) -> list[app_commands.Command[Any, Any, Any]]:
    say_so = _admin_line(receiver)

    async def group(
        interaction: discord.Interaction,
        credits: Limit,  # noqa: A002 - the option's name
        server: Word | None = None,
    ) -> None:
        chat = server or str(interaction.guild_id or "CHAT")
        await say_so(interaction, "group", chat if ":" in chat else f"discord:{chat}", credits)

    async def tasks(interaction: discord.Interaction, state: str | None = None) -> None:
        await say_so(interaction, "tasks", state)

    async def task(interaction: discord.Interaction, task: TaskId) -> None:
        await say_so(interaction, "task", task)

    async def requeue(interaction: discord.Interaction, task: TaskId) -> None:
        await say_so(interaction, "requeue", task)

    async def resolve(
        interaction: discord.Interaction,
        task: TaskId,
        verdict: str,
        job: Word | None = None,
    ) -> None:
        await say_so(interaction, "resolve", task, verdict, job)

    async def providers(interaction: discord.Interaction) -> None:
        await say_so(interaction, "providers")

    async def provider(interaction: discord.Interaction, name: Word, mode: str) -> None:
        await say_so(interaction, "provider", name, mode)

    async def reload(interaction: discord.Interaction) -> None:
        await say_so(interaction, "reload")

    async def audit(interaction: discord.Interaction, count: Count | None = None) -> None:
        await say_so(interaction, "audit", count)

    return [
        _command("group", group, within="admin-"),
        _command("tasks", tasks, within="admin-", state=_literal_choices(State)),
        _command("task", task, within="admin-"),
        _command("requeue", requeue, within="admin-"),
        _command(
            "resolve",
            resolve,
            within="admin-",
            verdict=_literal_choices(("charge", "refund", "attach")),
        ),
        _command("providers", providers, within="admin-"),
        _command("provider", provider, within="admin-", mode=_literal_choices(ProviderMode)),
        _command("reload", reload, within="admin-"),
        _command("audit", audit, within="admin-"),
    ]
