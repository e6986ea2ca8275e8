"""Parse typed text into commands. Pure; shared by all front-ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from bot.commands.admin_parser import parse_admin
from bot.commands.tokens import (
    CommandSpec,
    command_spec,
    parse_task_id,
    reject_extra_arguments,
    split_first_word,
    suggest,
)
from bot.domain.commands import (
    Cancel,
    ChangeLanguage,
    ChangeSettings,
    Command,
    Fetch,
    ForgetMe,
    Help,
    ListModels,
    ListTasks,
    MakeVideo,
    Remix,
    Retry,
    ShowPrivacy,
    ShowQuota,
    Start,
)
from bot.domain.errors import Refusal
from bot.domain.tasks import Fit
from providers.types import Orientation

_MAX_LINE_CHARS = 100_000
# They break databases, terminals and chats, and are never typed on purpose.
_CONTROL_CHARS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# A prompt is free text: only the value of an option may be quoted, and only a word that starts with
# dashes is an option. Phone keyboards replace "--" with a long dash.
_LONG_DASHES = ("\u2014", "\u2013")
_OPTION = re.compile(r"(?<!\S)(?:--|[\u2013\u2014])(?P<name>[^\W\d][^\s=]*)|(?<!\S)--(?!\S)")
_VALUE = re.compile(r"(?:=|\s+)((?:\"[^\"]*\"|'[^']*'|\u201c[^\u201d]*\u201d)(?!\S)|\S+)")
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d"}
_DURATION_UNIT = re.compile(r"\s*(?:s|secs?|seconds?|\u79d2)(?!\S)", re.IGNORECASE)
_DURATION = re.compile(r"([0-9]{1,9})\s*(?:s|secs?|seconds?|\u79d2)?", re.IGNORECASE)


VIDEO_OPTIONS: dict[str, str | None] = {
    "model": "NAME",
    "duration": "SECONDS",
    "portrait": None,
    "landscape": None,
    "size": "NAME",
    "style": "NAME",
    "watermark": None,
    "no-watermark": None,
    "private": None,
    "storyboard": None,
    "spoiler": None,
    "image": "FILE",
    "fit": "crop/pad",
}
"""Option -> placeholder of its value; None: a flag without a value."""

COMMANDS: tuple[CommandSpec, ...] = (
    command_spec("video", "PROMPT"),
    command_spec("remix", "TASK PROMPT"),
    command_spec("tasks"),
    command_spec("cancel", "TASK"),
    command_spec("retry", "TASK"),
    command_spec("fetch", "TASK"),
    command_spec("quota"),
    command_spec("models"),
    command_spec("settings", "[NAME VALUE]"),
    command_spec("language", "CODE"),
    command_spec("privacy"),
    command_spec("forgetme"),
    command_spec("start"),
    command_spec("help"),
)

SETTING_NAMES = ("model", "duration", "orientation", "language")
ORIENTATIONS: tuple[Orientation, ...] = ("portrait", "landscape")
FITS: tuple[Fit, ...] = ("crop", "pad")


def parse_command(line: str, *, allow_files: bool = False) -> Command:
    """Parse one line. Raises `Refusal` and nothing else.

    `allow_files`: whether an image may be given as a path on this machine; only for the console.
    """
    text = strip_control_chars(line).strip()
    if len(text) > _MAX_LINE_CHARS:
        raise Refusal("line-too-long", count=len(text), limit=_MAX_LINE_CHARS)
    name, rest = split_first_word(text.removeprefix("/"))
    if not text.startswith("/") or not name:
        raise Refusal("not-a-command", nearest=suggest(name, list(_PARSERS), "/"))
    # In groups, Telegram appends the bot name: /video@reelay_bot.
    name = name.partition("@")[0].lower()
    parser = _PARSERS.get(name)
    if parser is None:
        raise Refusal("command-unknown", name=name, nearest=suggest(name, list(_PARSERS), "/"))
    command = parser(rest)
    if isinstance(command, MakeVideo) and command.image is not None and not allow_files:
        raise Refusal("image-by-path")
    return command


def strip_control_chars(text: str) -> str:
    """Remove control characters, which databases, terminals and chats do not handle."""
    return _CONTROL_CHARS.sub("", text)


# --- /video ------------------------------------------------------------------------------


def _parse_video(rest: str) -> MakeVideo:
    prompt, options = _split_options(rest)
    portrait = _flag_pair(options, "portrait", "landscape")
    return MakeVideo(
        prompt=prompt,
        model=options.get("model"),
        seconds=_parse_seconds(options.get("duration")),
        orientation=None if portrait is None else ORIENTATIONS[0 if portrait else 1],
        size=options.get("size"),
        style=options.get("style"),
        watermark=_flag_pair(options, "watermark", "no-watermark"),
        private=True if "private" in options else None,
        storyboard=True if "storyboard" in options else None,
        spoiler=True if "spoiler" in options else None,
        image=_parse_path(options["image"]) if "image" in options else None,
        fit=_parse_fit(options["fit"]) if "fit" in options else None,
    )


def _split_options(rest: str) -> tuple[str, dict[str, str]]:
    """Split into (prompt, options). Options may stand before, after or within the prompt."""
    pieces: list[str] = []
    options: dict[str, str] = {}
    start = position = 0
    while match := _OPTION.search(rest, position):
        name, position = match["name"], match.end()
        if name and _is_prose(match[0], name.lower()):
            continue
        pieces.append(rest[start : match.start()])
        start = position
        if not name:
            break
        start = position = _consume_option(name.lower(), rest, position, options)
    pieces.append(rest[start:])
    return " ".join(piece.strip() for piece in pieces if piece.strip()), options


def _is_prose(word: str, name: str) -> bool:
    """Whether a long dash is punctuation: it means "--" only before something like an option."""
    return word.startswith(_LONG_DASHES) and not suggest(name, list(VIDEO_OPTIONS))


def _consume_option(name: str, rest: str, position: int, options: dict[str, str]) -> int:
    """Add one option to `options` and return the position after it."""
    if name not in VIDEO_OPTIONS:
        raise Refusal(
            "option-unknown",
            option=f"--{name}",
            nearest=suggest(name, list(VIDEO_OPTIONS), "--"),
            all=" ".join(f"--{option}" for option in VIDEO_OPTIONS),
        )
    if name in options:
        raise Refusal("option-twice", option=f"--{name}")
    if VIDEO_OPTIONS[name] is None:
        if rest.startswith("=", position):
            raise Refusal("option-takes-nothing", option=f"--{name}")
        options[name] = ""
        return position
    match = _VALUE.match(rest, position)
    typed = match[1] if match else ""
    value = _unquote(typed)
    if match is None or not value or typed.startswith(("--", *_LONG_DASHES)):
        raise Refusal("option-needs-value", option=f"--{name}", value=str(VIDEO_OPTIONS[name]))
    options[name] = value
    unit = _DURATION_UNIT.match(rest, match.end()) if name == "duration" else None
    return unit.end() if unit else match.end()


def _unquote(value: str) -> str:
    if len(value) > 1 and _QUOTES.get(value[0]) == value[-1]:
        return value[1:-1].strip()
    return value


def _parse_fit(value: str) -> Fit:
    fit = next((fit for fit in FITS if fit == value.lower()), None)
    if fit is None:
        raise Refusal("fit-unknown", asked=value, allowed=", ".join(FITS))
    return fit


def _parse_path(value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError:
        # Unknown home directory: the missing file is reported later.
        return Path(value)


def _parse_seconds(value: str | None) -> int | None:
    if value is None:
        return None
    number = _DURATION.fullmatch(value)
    if number is None:
        raise Refusal("duration-not-a-number", asked=value)
    return int(number[1])


def _flag_pair(options: dict[str, str], on_flag: str, off_flag: str) -> bool | None:
    """Return True for the first flag, False for the second, None if neither is given."""
    if on_flag in options and off_flag in options:
        raise Refusal("options-exclude", first=f"--{on_flag}", second=f"--{off_flag}")
    return on_flag in options if {on_flag, off_flag} & options.keys() else None


# --- other commands ----------------------------------------------------------------------


def _parse_remix(rest: str) -> Remix:
    task_id, prompt = split_first_word(rest)
    task_id = parse_task_id(task_id, "/remix")
    if not prompt:
        raise Refusal("remix-needs-prompt", task=task_id)
    return Remix(task_id, prompt)


def _task_command(command: str, build: Callable[[str], Command]) -> Callable[[str], Command]:
    def parser(rest: str) -> Command:
        task_id, more = split_first_word(rest)
        reject_extra_arguments(more, command)
        return build(parse_task_id(task_id, command))

    return parser


def _no_args(command: str, instance: Command) -> Callable[[str], Command]:
    def parser(rest: str) -> Command:
        reject_extra_arguments(rest, command)
        return instance

    return parser


def _parse_settings(rest: str) -> ChangeSettings:
    name, value = split_first_word(rest)
    if not name:
        return ChangeSettings()
    name = name.lower()
    if name not in SETTING_NAMES:
        raise Refusal("setting-unknown", name=name, all=", ".join(SETTING_NAMES))
    if not value:
        raise Refusal("setting-needs-value", name=name)
    is_cleared = value.lower() in {"-", "none", "off", *_LONG_DASHES}
    if name == "duration":
        return ChangeSettings({"seconds": None if is_cleared else _parse_positive_seconds(value)})
    if name == "orientation" and not is_cleared and value.lower() not in ORIENTATIONS:
        raise Refusal("orientation-unknown", asked=value, allowed=", ".join(ORIENTATIONS))
    # Some model ids are case-sensitive: the catalogue resolves them.
    return ChangeSettings(
        {name: None if is_cleared else value if name == "model" else value.lower()}
    )


def _parse_positive_seconds(value: str) -> int:
    seconds = _parse_seconds(value)
    if not seconds:
        raise Refusal("duration-not-a-number", asked=value)
    return seconds


def _parse_language(rest: str) -> ChangeLanguage:
    code, more = split_first_word(rest)
    reject_extra_arguments(more, "/language")
    # zh-CN and zh_TW are read as zh: there is only one Chinese locale.
    return ChangeLanguage(re.split("[-_]", code.lower())[0] or None)


def _parse_forget_me(rest: str) -> ForgetMe:
    answer, more = split_first_word(rest)
    reject_extra_arguments(more, "/forgetme")
    if answer and answer.lower() not in {"yes", "y", "是"}:
        raise Refusal("too-much", command="/forgetme", rest=answer)
    return ForgetMe(confirmed=bool(answer))


_PARSERS: dict[str, Callable[[str], Command]] = {
    "video": _parse_video,
    "remix": _parse_remix,
    "tasks": _no_args("/tasks", ListTasks()),
    "cancel": _task_command("/cancel", Cancel),
    "retry": _task_command("/retry", Retry),
    "fetch": _task_command("/fetch", Fetch),
    "quota": _no_args("/quota", ShowQuota()),
    "models": _no_args("/models", ListModels()),
    "settings": _parse_settings,
    "language": _parse_language,
    "privacy": _no_args("/privacy", ShowPrivacy()),
    "forgetme": _parse_forget_me,
    # A deep link adds a payload after /start: ignored.
    "start": lambda _rest: Start(),
    "help": lambda _rest: Help(),
    "admin": parse_admin,
}
