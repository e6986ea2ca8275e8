"""Typed lines: a prompt stays as typed, and every slip is answered with what to write."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.admin_parser import ADMIN_COMMANDS
from bot.commands.parser import COMMANDS, ORIENTATIONS, SETTING_NAMES, VIDEO_OPTIONS
from bot.commands.parser import parse_command as parse_line
from bot.domain.commands import (
    AdminCommand,
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
from bot.domain.tasks import State

OPTIONS = " ".join(f"--{name}" for name in VIDEO_OPTIONS)
WORDS = ", ".join(word.name for word in ADMIN_COMMANDS)

parse = partial(parse_line, allow_files=True)


def test_only_the_console_may_name_local_files() -> None:
    """Users elsewhere are told to attach the picture."""
    with pytest.raises(Refusal, match="image-by-path"):
        parse_line("/video --image /etc/passwd a kite")


def video(line: str) -> MakeVideo:
    command = parse(f"/video {line}")
    assert isinstance(command, MakeVideo)
    return command


def refused(line: str) -> tuple[str, dict[str, str | float]]:
    with pytest.raises(Refusal) as caught:
        parse(line)
    return caught.value.text_key, caught.value.params


# --- prompts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt",
    [
        'a cat\'s "best" day',
        "it's 5 o'clock, isn't it",
        "a path C:\\temp\\new \\n",
        "50 % off $HOME `date` #1",
        "a well-known 4-s clip - slow",
        "two   blanks\nand a line",
        "a cat \u2014 asleep",
        "\u2014 and then",
        "a cat \u2014asleep at last\u2014 wakes",
        "a --4k --- ---- dash",
        "dog/--portrait",
        "\u4e00\u53ea\u732b\u2014\u2014\u5728\u7761\u89c9",
        "/tasks",
    ],
)
def test_prompt_is_left_unchanged(prompt: str) -> None:
    """Apostrophes, quotes, backslashes, dashes and blanks in a prompt are left alone."""
    assert video(prompt) == MakeVideo(prompt)


def test_options_may_stand_anywhere() -> None:
    """Before, after and inside the prompt."""
    wanted = MakeVideo("a cat at the piano", model="sandbox", seconds=8, orientation="portrait")
    for line in (
        "--model sandbox --duration 8 --portrait a cat at the piano",
        "a cat at the piano --model sandbox --duration 8 --portrait",
        "a cat --model=sandbox at --portrait the --duration=8 piano",
        "--MODEL sandbox a cat at\n--duration 8\nthe piano --Portrait",
    ):
        assert video(line) == wanted


def test_every_option_reaches_its_field() -> None:
    """Each option of the table reaches its field."""
    line = "x --model m --duration 4 --landscape --size large --style anime --no-watermark"
    assert video(f"{line} --private --image a.png") == MakeVideo(
        "x",
        model="m",
        seconds=4,
        orientation="landscape",
        size="large",
        style="anime",
        watermark=False,
        private=True,
        image=Path("a.png"),
    )
    assert video("x --watermark").watermark is True


@pytest.mark.parametrize("typed", ["\u2014portrait", "\u2013portrait", "--portrait"])
def test_long_dash_begins_an_option(typed: str) -> None:
    """Phones turn two dashes into a long one."""
    assert video(f"a cat {typed} asleep") == MakeVideo("a cat asleep", orientation="portrait")


def test_double_dash_ends_the_options() -> None:
    """After a lone `--` everything is prompt."""
    assert video("--portrait -- a --landscape -- cat") == MakeVideo(
        "a --landscape -- cat", orientation="portrait"
    )
    assert video("a cat --").prompt == "a cat"


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ('--image "my photo.jpg" x', "my photo.jpg"),
        ("--image 'my photo.jpg' x", "my photo.jpg"),
        ("--image \u201cmy photo.jpg\u201d x", "my photo.jpg"),
        ('--image="my photo.jpg" x', "my photo.jpg"),
        ("x --image photo's.jpg", "photo's.jpg"),
        ("x --image 'unclosed.jpg", "'unclosed.jpg"),
        ("x --image ~nobody-has-this-name/a.png", "~nobody-has-this-name/a.png"),
        ("x --image ~/a.png", str(Path.home() / "a.png")),
    ],
)
def test_value_may_be_quoted(typed: str, path: str) -> None:
    """With any quotation marks; a single mark is part of the value."""
    assert video(typed) == MakeVideo("x", image=Path(path))


@pytest.mark.parametrize(
    "typed", ["4", "4s", "4 s", "4S", "4 sec", "4secs", "4 seconds", "4\u79d2", "4 \u79d2", "=4s"]
)
def test_seconds_accept_a_unit(typed: str) -> None:
    """A unit behind the number is understood and does not end up in the prompt."""
    gap = "" if typed.startswith("=") else " "
    assert video(f"a cat --duration{gap}{typed} asleep") == MakeVideo("a cat asleep", seconds=4)


def test_unit_must_be_a_whole_word_after_the_number() -> None:
    """Other words stay in the prompt."""
    assert video("--duration 4 s-curve road").prompt == "s-curve road"
    assert video("--duration 4 a s b").prompt == "a s b"


def test_parser_leaves_model_and_values_to_the_catalog() -> None:
    """An empty prompt and odd values pass: the catalogue knows what is allowed."""
    assert video("") == MakeVideo("")
    assert video("--model x --size y --style z --duration 0") == MakeVideo(
        "", model="x", size="y", style="z", seconds=0
    )


REFUSED_VIDEOS = [
    ("--portrat x", "option-unknown", {"option": "--portrat", "nearest": "--portrait"}),
    ("\u2014portrat x", "option-unknown", {"option": "--portrat", "nearest": "--portrait"}),
    ("x --portrait, y", "option-unknown", {"option": "--portrait,", "nearest": "--portrait"}),
    ("x --dur 4", "option-unknown", {"option": "--dur", "nearest": "--duration"}),
    ("x --fps=4", "option-unknown", {"option": "--fps", "nearest": ""}),
    ("x --\u7ad6\u5c4f", "option-unknown", {"option": "--\u7ad6\u5c4f", "nearest": ""}),
    ("--portrait x --portrait", "option-twice", {"option": "--portrait"}),
    ("--model a --model b", "option-twice", {"option": "--model"}),
    ("x --portrait=yes", "option-takes-nothing", {"option": "--portrait"}),
    ("x --private= y", "option-takes-nothing", {"option": "--private"}),
    ("x --model", "option-needs-value", {"option": "--model", "value": "NAME"}),
    ("x --model= y", "option-needs-value", {"option": "--model", "value": "NAME"}),
    ("x --image --portrait", "option-needs-value", {"option": "--image", "value": "FILE"}),
    ("x --image \u2014portrait", "option-needs-value", {"option": "--image", "value": "FILE"}),
    ('x --style ""', "option-needs-value", {"option": "--style", "value": "NAME"}),
    ("x --duration", "option-needs-value", {"option": "--duration", "value": "SECONDS"}),
    ("x --duration four", "duration-not-a-number", {"asked": "four"}),
    ("x --duration 4.5", "duration-not-a-number", {"asked": "4.5"}),
    ("x --duration -4", "duration-not-a-number", {"asked": "-4"}),
    ("x --duration 4m", "duration-not-a-number", {"asked": "4m"}),
    ("x --duration \u00b2", "duration-not-a-number", {"asked": "\u00b2"}),
    (
        "x --portrait --landscape",
        "options-exclude",
        {"first": "--portrait", "second": "--landscape"},
    ),
    (
        "x --no-watermark --watermark",
        "options-exclude",
        {"first": "--watermark", "second": "--no-watermark"},
    ),
]


@pytest.mark.parametrize(("line", "sentence", "facts"), REFUSED_VIDEOS)
def test_misspelt_option_is_refused_with_a_suggestion(
    line: str, sentence: str, facts: dict[str, str | float]
) -> None:
    """Nothing is made."""
    if sentence == "option-unknown":
        facts = {**facts, "all": OPTIONS}
    assert refused(f"/video {line}") == (sentence, facts)


# --- the other commands ------------------------------------------------------------------

UNDERSTOOD: list[tuple[str, Command]] = [
    ("/remix abcd2345 now at night, it's late", Remix("abcd2345", "now at night, it's late")),
    ("/remix #ABCD2345 --portrait stays", Remix("abcd2345", "--portrait stays")),
    ("/tasks", ListTasks()),
    ("  /TASKS  ", ListTasks()),
    ("/tasks@reelay_bot", ListTasks()),
    ("/video@reelay_bot a cat", MakeVideo("a cat")),
    ("/cancel abcd2345", Cancel("abcd2345")),
    ("/cancel #ABcd2345", Cancel("abcd2345")),
    ("/retry abcd2345", Retry("abcd2345")),
    ("/fetch abcd2345", Fetch("abcd2345")),
    ("/quota", ShowQuota()),
    ("/models", ListModels()),
    ("/settings", ChangeSettings()),
    ("/settings model Wan-AI/Wan2.2", ChangeSettings({"model": "Wan-AI/Wan2.2"})),
    ("/settings model -", ChangeSettings({"model": None})),
    ("/settings model \u2014", ChangeSettings({"model": None})),
    ("/settings Duration 8", ChangeSettings({"seconds": 8})),
    ("/settings duration 8 s", ChangeSettings({"seconds": 8})),
    ("/settings duration none", ChangeSettings({"seconds": None})),
    ("/settings orientation Portrait", ChangeSettings({"orientation": "portrait"})),
    ("/settings orientation OFF", ChangeSettings({"orientation": None})),
    ("/settings language ZH", ChangeSettings({"language": "zh"})),
    ("/language", ChangeLanguage()),
    ("/language ZH", ChangeLanguage("zh")),
    ("/language zh-CN", ChangeLanguage("zh")),
    ("/privacy", ShowPrivacy()),
    ("/forgetme", ForgetMe()),
    ("/forgetme YES", ForgetMe(confirmed=True)),
    ("/forgetme \u662f", ForgetMe(confirmed=True)),
    ("/start", Start()),
    ("/start from-a-link", Start()),
    ("/help", Help()),
    ("/help me", Help()),
    ("/admin", AdminCommand("help")),
    ("/admin help", AdminCommand("help")),
    (
        "/admin GRANT telegram:123 50",
        AdminCommand("grant", {"person": "telegram:123", "credits": 50}),
    ),
    ("/admin grant Discord:4 -5", AdminCommand("grant", {"person": "discord:4", "credits": -5})),
    (
        "/admin limit console:local 0",
        AdminCommand("limit", {"person": "console:local", "credits": 0}),
    ),
    ("/admin ban telegram:1", AdminCommand("ban", {"person": "telegram:1"})),
    (
        "/admin ban telegram:1 sends  --spam",
        AdminCommand("ban", {"person": "telegram:1", "text": "sends  --spam"}),
    ),
    ("/admin unban telegram:1", AdminCommand("unban", {"person": "telegram:1"})),
    ("/admin user telegram:1", AdminCommand("user", {"person": "telegram:1"})),
    ("/admin tasks", AdminCommand("tasks")),
    ("/admin tasks Review", AdminCommand("tasks", {"state": "review"})),
    ("/admin task #ABCD2345", AdminCommand("task", {"task": "abcd2345"})),
    ("/admin requeue abcd2345", AdminCommand("requeue", {"task": "abcd2345"})),
    (
        "/admin resolve abcd2345 Charge",
        AdminCommand("resolve", {"task": "abcd2345", "verdict": "charge"}),
    ),
    (
        "/admin resolve abcd2345 refund",
        AdminCommand("resolve", {"task": "abcd2345", "verdict": "refund"}),
    ),
    (
        "/admin resolve abcd2345 attach Video_1:X",
        AdminCommand(
            "resolve", {"task": "abcd2345", "verdict": "attach", "remote_id": "Video_1:X"}
        ),
    ),
    ("/admin audit", AdminCommand("audit")),
    ("/admin audit 50", AdminCommand("audit", {"count": 50})),
]


@pytest.mark.parametrize(("line", "command"), UNDERSTOOD)
def test_every_form_of_every_command_is_parsed(line: str, command: Command) -> None:
    """Each form of each command means just this."""
    assert parse(line) == command


CREDITS = {"most": 1_000_000_000}
REFUSED: list[tuple[str, str, dict[str, str | float]]] = [
    ("", "not-a-command", {"nearest": ""}),
    ("/", "not-a-command", {"nearest": ""}),
    ("a red kite", "not-a-command", {"nearest": ""}),
    ("help", "not-a-command", {"nearest": "/help"}),
    ("Quota please", "not-a-command", {"nearest": "/quota"}),
    ("/vidoe a cat", "command-unknown", {"name": "vidoe", "nearest": "/video"}),
    ("/lang zh", "command-unknown", {"name": "lang", "nearest": "/language"}),
    ("/xyz", "command-unknown", {"name": "xyz", "nearest": ""}),
    (f"/video {'x' * 100_000}", "line-too-long", {"count": 100_007, "limit": 100_000}),
    ("/remix", "task-missing", {"command": "/remix"}),
    ("/remix abcd2345", "remix-needs-prompt", {"task": "abcd2345"}),
    ("/remix a.b x", "task-not-an-id", {"task": "a.b"}),
    ("/cancel", "task-missing", {"command": "/cancel"}),
    ("/retry", "task-missing", {"command": "/retry"}),
    ("/fetch", "task-missing", {"command": "/fetch"}),
    ("/fetch #", "task-not-an-id", {"task": "#"}),
    ("/cancel all-of-them", "task-not-an-id", {"task": "all-of-them"}),
    ("/cancel abcd2345 now", "too-much", {"command": "/cancel", "rest": "now"}),
    ("/tasks all", "too-much", {"command": "/tasks", "rest": "all"}),
    (
        "/settings colour red",
        "setting-unknown",
        {"name": "colour", "all": ", ".join(SETTING_NAMES)},
    ),
    ("/settings model", "setting-needs-value", {"name": "model"}),
    ("/settings duration 0", "duration-not-a-number", {"asked": "0"}),
    ("/settings duration long", "duration-not-a-number", {"asked": "long"}),
    (
        "/settings orientation up",
        "orientation-unknown",
        {"asked": "up", "allowed": ", ".join(ORIENTATIONS)},
    ),
    ("/language zh en", "too-much", {"command": "/language", "rest": "en"}),
    ("/forgetme no", "too-much", {"command": "/forgetme", "rest": "no"}),
    ("/forgetme yes please", "too-much", {"command": "/forgetme", "rest": "please"}),
    ("/admin grnat x", "admin-word-unknown", {"word": "grnat", "nearest": "grant", "all": WORDS}),
    ("/admin zzz 1 2", "admin-word-unknown", {"word": "zzz", "nearest": "", "all": WORDS}),
    ("/admin group 1 2", "group-not-an-id", {"group": "1"}),
    ("/admin group", "group-not-an-id", {"group": "CHAT"}),
    ("/admin group discord:1", "credits-missing", {"least": 0, "most": 1_000_000_000}),
    ("/admin grant", "person-missing", {}),
    ("/admin grant bob 5", "person-not-an-id", {"person": "bob"}),
    ("/admin user telegram:bob", "person-not-an-id", {"person": "telegram:bob"}),
    ("/admin user telegram:", "person-not-an-id", {"person": "telegram:"}),
    ("/admin grant telegram:1", "credits-missing", {"least": -1_000_000_000, **CREDITS}),
    (
        "/admin grant telegram:1 many",
        "credits-not-a-number",
        {"asked": "many", "least": -1_000_000_000, **CREDITS},
    ),
    ("/admin limit telegram:1 -1", "credits-not-a-number", {"asked": "-1", "least": 0, **CREDITS}),
    (
        "/admin limit telegram:1 1000000001",
        "credits-not-a-number",
        {"asked": "1000000001", "least": 0, **CREDITS},
    ),
    ("/admin grant telegram:1 5 6", "too-much", {"command": "/admin", "rest": "6"}),
    ("/admin unban telegram:1 x", "too-much", {"command": "/admin", "rest": "x"}),
    ("/admin tasks lost", "state-unknown", {"state": "lost", "all": ", ".join(State)}),
    ("/admin task", "task-missing", {"command": "/admin"}),
    ("/admin resolve", "task-missing", {"command": "/admin resolve"}),
    (
        "/admin resolve abcd2345",
        "verdict-unknown",
        {"all": "charge, refund, attach REMOTE_ID"},
    ),
    ("/admin resolve abcd2345 attach", "remote-id-missing", {}),
    ("/admin resolve abcd2345 charge x", "too-much", {"command": "/admin resolve", "rest": "x"}),
    ("/admin audit 0", "count-not-a-number", {"asked": "0", "least": 1, "most": 999}),
]


@pytest.mark.parametrize(
    ("line", "sentence", "facts"),
    REFUSED,
    ids=[f"{number}-{sentence}" for number, (_, sentence, _) in enumerate(REFUSED)],
)
def test_invalid_line_is_refused_with_a_suggestion(
    line: str, sentence: str, facts: dict[str, str | float]
) -> None:
    """A line without meaning, or with too much, is refused with what to write."""
    assert refused(line) == (sentence, facts)


@pytest.mark.parametrize("sign", ["\0", "\x1b", "\x7f", "\x9b", "\ud800"])
def test_control_characters_are_removed_and_newlines_kept(sign: str) -> None:
    """Lone surrogates are removed as well."""
    assert video(f"a{sign}b\nc\td") == MakeVideo("ab\nc\td")


# --- the tables --------------------------------------------------------------------------


def test_every_listed_command_is_parsed() -> None:
    """Whatever /help lists is a command, with its arguments as written there."""
    for word in COMMANDS:
        assert _meant(f"/{word.name} {word.usage}") != "command-unknown"
    for word in ADMIN_COMMANDS:
        assert _meant(f"/admin {word.name} {word.usage}") != "admin-word-unknown"


def _meant(line: str) -> str:
    try:
        return type(parse(line)).__name__
    except Refusal as refusal:
        return refusal.text_key


def test_every_listed_option_is_parsed() -> None:
    """Whatever the menus offer is an option."""
    for name, usage in VIDEO_OPTIONS.items():
        value = {"duration": "4", "fit": "pad"}.get(name, usage or "")
        assert video(f"x --{name} {value}") != MakeVideo("x"), name


# --- whatever is typed -------------------------------------------------------------------

_PIECES = st.sampled_from(
    [f"/{word.name}" for word in COMMANDS]
    + [f"/admin {word.name}" for word in ADMIN_COMMANDS]
    + [f"--{name}" for name in VIDEO_OPTIONS]
    + [
        "--",
        "\u2014portrait",
        "\u2013",
        "=",
        '"',
        "'",
        "\u201c",
        "4",
        "s",
        "-",
        "@",
        "#",
        "~",
        "~x/",
    ]
    + [
        "telegram:1",
        "abcd2345",
        "attach",
        "charge",
        "review",
        "yes",
        "model",
        "\0",
        "\n",
        "/",
        "\u0661",
    ]
)
_LINES = st.one_of(
    st.text(max_size=60),
    st.text(max_size=60).map(lambda text: f"/video {text}"),
    st.lists(_PIECES | st.text(max_size=5), max_size=12).map(" ".join),
    st.lists(_PIECES, max_size=12).map("".join),
)


@given(line=_LINES)
def test_any_line_is_a_command_or_a_refusal(line: str) -> None:
    """Whatever is typed, the answer is a command or a refusal."""
    try:
        parse(line)
    except Refusal:
        return


@given(prompt=st.from_regex(r"[^\W\d_][\w ,.'\"!?\u2014-]{0,40}[\w.!?]", fullmatch=True))
def test_prompt_with_quotes_and_dashes_is_unchanged(prompt: str) -> None:
    """Without an option in it, the prompt is what was typed."""
    if "--" not in prompt and "\u2014" not in prompt:
        assert video(f"--portrait {prompt}") == MakeVideo(prompt, orientation="portrait")
    assert video(f"--portrait -- {prompt}") == MakeVideo(prompt, orientation="portrait")
