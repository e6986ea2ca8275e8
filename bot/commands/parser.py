"""Parse typed text into commands. Pure; shared by all front-ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from bot.commands.admin_parser import parse_admin
from bot.commands.tokens import Word, first, nearest, nothing_more, task_id, word
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

_LONGEST_LINE = 100_000
# They break databases, terminals and chats, and are never typed on purpose.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# A prompt is free text: only the value of an option may be quoted, and only a word that starts with
# dashes is an option. Phone keyboards replace "--" with a long dash.
_LONG_DASHES = ("\u2014", "\u2013")
_OPTION = re.compile(r"(?<!\S)(?:--|[\u2013\u2014])(?P<name>[^\W\d][^\s=]*)|(?<!\S)--(?!\S)")
_VALUE = re.compile(r"(?:=|\s+)((?:\"[^\"]*\"|'[^']*'|\u201c[^\u201d]*\u201d)(?!\S)|\S+)")
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d"}
_UNIT = re.compile(r"\s*(?:s|secs?|seconds?|\u79d2)(?!\S)", re.IGNORECASE)
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

COMMANDS: tuple[Word, ...] = (
    word("video", "PROMPT"),
    word("remix", "TASK PROMPT"),
    word("tasks"),
    word("cancel", "TASK"),
    word("retry", "TASK"),
    word("fetch", "TASK"),
    word("quota"),
    word("models"),
    word("settings", "[NAME VALUE]"),
    word("language", "CODE"),
    word("privacy"),
    word("forgetme"),
    word("start"),
    word("help"),
)

SETTINGS = ("model", "duration", "orientation", "language")
ORIENTATIONS: tuple[Orientation, ...] = ("portrait", "landscape")
FITS: tuple[Fit, ...] = ("crop", "pad")


def parse(line: str, *, files: bool = False) -> Command:
    """Parse one line. Raises `Refusal` and nothing else.

    `files`: whether an image may be given as a path on this machine, which only the console allows.
    """
    text = cleaned(line).strip()
    if len(text) > _LONGEST_LINE:
        raise Refusal("line-too-long", count=len(text), limit=_LONGEST_LINE)
    name, rest = first(text.removeprefix("/"))
    if not text.startswith("/") or not name:
        raise Refusal("not-a-command", nearest=nearest(name, list(_PARSERS), "/"))
    # In groups, Telegram appends the bot name: /video@reelay_bot.
    name = name.partition("@")[0].lower()
    parser = _PARSERS.get(name)
    if parser is None:
        raise Refusal("command-unknown", name=name, nearest=nearest(name, list(_PARSERS), "/"))
    command = parser(rest)
    if isinstance(command, MakeVideo) and command.image is not None and not files:
        raise Refusal("image-by-path")
    return command


def cleaned(text: str) -> str:
    """Remove control characters, which databases, terminals and chats do not handle."""
    return _CONTROL.sub("", text)


# --- /video ------------------------------------------------------------------------------


def _video(rest: str) -> MakeVideo:
    prompt, options = _split_options(rest)
    upright = _either(options, "portrait", "landscape")
    return MakeVideo(
        prompt=prompt,
        model=options.get("model"),
        seconds=_seconds(options.get("duration")),
        orientation=None if upright is None else ORIENTATIONS[0 if upright else 1],
        size=options.get("size"),
        style=options.get("style"),
        watermark=_either(options, "watermark", "no-watermark"),
        private=True if "private" in options else None,
        storyboard=True if "storyboard" in options else None,
        spoiler=True if "spoiler" in options else None,
        image=_path(options["image"]) if "image" in options else None,
        fit=_fit(options["fit"]) if "fit" in options else None,
    )


def _split_options(rest: str) -> tuple[str, dict[str, str]]:
    """Split into (prompt, options). Options may stand before, after or within the prompt."""
    pieces: list[str] = []
    options: dict[str, str] = {}
    begin = at = 0
    while found := _OPTION.search(rest, at):
        name, at = found["name"], found.end()
        if name and _is_prose(found[0], name.lower()):
            continue
        pieces.append(rest[begin : found.start()])
        begin = at
        if not name:
            break
        begin = at = _take(name.lower(), rest, at, options)
    pieces.append(rest[begin:])
    return " ".join(piece.strip() for piece in pieces if piece.strip()), options


def _is_prose(word: str, name: str) -> bool:
    """Whether a long dash is punctuation: it means "--" only before something like an option."""
    return word.startswith(_LONG_DASHES) and not nearest(name, list(VIDEO_OPTIONS))


def _take(name: str, rest: str, at: int, options: dict[str, str]) -> int:
    """Add one option to `options` and return the position after it."""
    if name not in VIDEO_OPTIONS:
        raise Refusal(
            "option-unknown",
            option=f"--{name}",
            nearest=nearest(name, list(VIDEO_OPTIONS), "--"),
            all=" ".join(f"--{word}" for word in VIDEO_OPTIONS),
        )
    if name in options:
        raise Refusal("option-twice", option=f"--{name}")
    if VIDEO_OPTIONS[name] is None:
        if rest.startswith("=", at):
            raise Refusal("option-takes-nothing", option=f"--{name}")
        options[name] = ""
        return at
    found = _VALUE.match(rest, at)
    typed = found[1] if found else ""
    value = _unquoted(typed)
    if found is None or not value or typed.startswith(("--", *_LONG_DASHES)):
        raise Refusal("option-needs-value", option=f"--{name}", value=str(VIDEO_OPTIONS[name]))
    options[name] = value
    unit = _UNIT.match(rest, found.end()) if name == "duration" else None
    return unit.end() if unit else found.end()


def _unquoted(value: str) -> str:
    if len(value) > 1 and _QUOTES.get(value[0]) == value[-1]:
        return value[1:-1].strip()
    return value


def _fit(value: str) -> Fit:
    fit = next((fit for fit in FITS if fit == value.lower()), None)
    if fit is None:
        raise Refusal("fit-unknown", asked=value, allowed=", ".join(FITS))
    return fit


def _path(value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError:
        # Unknown home directory: the missing file is reported later.
        return Path(value)


def _seconds(value: str | None) -> int | None:
    if value is None:
        return None
    number = _DURATION.fullmatch(value)
    if number is None:
        raise Refusal("duration-not-a-number", asked=value)
    return int(number[1])


def _either(options: dict[str, str], first: str, second: str) -> bool | None:
    """Return True for the first flag, False for the second, None if neither is given."""
    if first in options and second in options:
        raise Refusal("options-exclude", first=f"--{first}", second=f"--{second}")
    return first in options if {first, second} & options.keys() else None


# --- other commands ----------------------------------------------------------------------


def _remix(rest: str) -> Remix:
    task, prompt = first(rest)
    task = task_id(task, "/remix")
    if not prompt:
        raise Refusal("remix-needs-prompt", task=task)
    return Remix(task, prompt)


def _about_task(command: str, make: Callable[[str], Command]) -> Callable[[str], Command]:
    def parser(rest: str) -> Command:
        task, more = first(rest)
        nothing_more(more, command)
        return make(task_id(task, command))

    return parser


def _plain(command: str, made: Command) -> Callable[[str], Command]:
    def parser(rest: str) -> Command:
        nothing_more(rest, command)
        return made

    return parser


def _settings(rest: str) -> ChangeSettings:
    name, value = first(rest)
    if not name:
        return ChangeSettings()
    name = name.lower()
    if name not in SETTINGS:
        raise Refusal("setting-unknown", name=name, all=", ".join(SETTINGS))
    if not value:
        raise Refusal("setting-needs-value", name=name)
    cleared = value.lower() in {"-", "none", "off", *_LONG_DASHES}
    if name == "duration":
        return ChangeSettings({"seconds": None if cleared else _positive_seconds(value)})
    if name == "orientation" and not cleared and value.lower() not in ORIENTATIONS:
        raise Refusal("orientation-unknown", asked=value, allowed=", ".join(ORIENTATIONS))
    # Some model ids are case-sensitive: the catalogue resolves them.
    return ChangeSettings({name: None if cleared else value if name == "model" else value.lower()})


def _positive_seconds(value: str) -> int:
    seconds = _seconds(value)
    if not seconds:
        raise Refusal("duration-not-a-number", asked=value)
    return seconds


def _language(rest: str) -> ChangeLanguage:
    code, more = first(rest)
    nothing_more(more, "/language")
    # zh-CN and zh_TW are read as zh: there is only one Chinese locale.
    return ChangeLanguage(re.split("[-_]", code.lower())[0] or None)


def _forget_me(rest: str) -> ForgetMe:
    word, more = first(rest)
    nothing_more(more, "/forgetme")
    if word and word.lower() not in {"yes", "y", "是"}:
        raise Refusal("too-much", command="/forgetme", rest=word)
    return ForgetMe(confirmed=bool(word))


_PARSERS: dict[str, Callable[[str], Command]] = {
    "video": _video,
    "remix": _remix,
    "tasks": _plain("/tasks", ListTasks()),
    "cancel": _about_task("/cancel", Cancel),
    "retry": _about_task("/retry", Retry),
    "fetch": _about_task("/fetch", Fetch),
    "quota": _plain("/quota", ShowQuota()),
    "models": _plain("/models", ListModels()),
    "settings": _settings,
    "language": _language,
    "privacy": _plain("/privacy", ShowPrivacy()),
    "forgetme": _forget_me,
    # A deep link adds a payload after /start: ignored.
    "start": lambda _rest: Start(),
    "help": lambda _rest: Help(),
    "admin": parse_admin,
}
