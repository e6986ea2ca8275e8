"""Texts: in every language, with their parameters, and each in use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fluent.syntax import ast as fluent
from fluent.syntax import parse, visitor

import bot
from bot.commands.admin_parser import ADMIN_COMMANDS
from bot.commands.parser import COMMANDS, FITS, SETTING_NAMES, VIDEO_OPTIONS
from bot.domain.errors import Refusal
from bot.domain.provider_health import ProviderMode
from bot.domain.tasks import State
from bot.media.images import FORMATS
from bot.presentation.i18n import (
    LANGUAGES,
    LOCALES_DIR,
    format_datetime,
    format_duration,
    format_error,
    translate,
)
from providers.types import FailureKind

CODE = Path(bot.__file__).parent


NEW_YEAR = 1_798_761_600.0
"""2027-01-01 00:00 UTC."""


UTC = ZoneInfo("UTC")


SAMPLES: dict[str, tuple[str | int, ...]] = {
    "charged": ("yes", "no"),
    "asked": ("portrait", "landscape", "square", "x"),
    "really": ("portrait", "square"),
    "nearest": ("/video", ""),
    "styles": ("anime", ""),
    "percent": (50, 0, ""),
    "reason": ("Because.",),
}


OTHERS = (60, 0, 1, 2, "help")


class _Variables(visitor.Visitor):
    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_VariableReference(self, node: fluent.VariableReference) -> None:  # noqa: N802
        self.names.add(node.id.name)


@cache
def sentences(language: str) -> dict[str, frozenset[str]]:
    """Key -> the facts that it takes."""
    found: dict[str, frozenset[str]] = {}
    for entry in parse((LOCALES_DIR / f"{language}.ftl").read_text(encoding="utf-8")).body:
        assert not isinstance(entry, fluent.Junk), entry.content
        if isinstance(entry, fluent.Message):
            assert entry.id.name not in found, entry.id.name
            variables = _Variables()
            variables.visit(entry)
            found[entry.id.name] = frozenset(variables.names)
    return found


@cache
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in CODE.rglob("*.py")}


def calls(*names: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of these functions or methods, and where it stands."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            if name in names:
                yield f"{path.name}:{node.lineno}", node


def literal(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def said() -> list[tuple[str, str, set[str]]]:
    """(where, sentence, facts) of every call that names its sentence and its facts."""
    found = []
    for where, call in calls("Refusal", "translate", "reply"):
        key = next((word for word in map(literal, call.args[:2]) if word), None)
        facts = {keyword.arg for keyword in call.keywords}
        if key is not None and None not in facts:
            found.append((where, key, {fact for fact in facts if fact}))
    return found


OPTIONS = (
    *("prompt", "image", "model", "duration", "orientation", "size", "style", "watermark"),
    *("private", "spoiler", "storyboard", "fit", "task", "clear", "code", "user", "credits"),
    *("reason", "state", "verdict", "job", "name", "mode", "count"),
    *("allow", "forbid", "role", "server", "language"),
)
"""Of the commands in Discord: each is named and described."""


def families() -> set[str]:
    """The keys that code puts together."""
    parts = [f"{kind}-{state}" for kind in ("state", "status") for state in State]
    parts += [f"word-{state}" for state in ("failed", "cancelled", "review", "undelivered")]
    parts += [f"orientation-{way}" for way in ("portrait", "landscape", "square")]
    parts += [f"admin-resolved-{verdict}" for verdict in ("charge", "refund", "attach")]
    parts += [f"admin-provider-{mode}" for mode in ProviderMode]
    parts += [f"alert-{why}" for why in ("misconfigured", "unreachable")]
    parts += [f"{what}-not-possible" for what in ("watermark", "private", "storyboard")]
    parts += [word.summary_key for word in (*COMMANDS, *ADMIN_COMMANDS)]
    parts += [f"option-{name}{more}" for name in OPTIONS for more in ("", "-about")]
    parts += [f"option-{name}" for name in SETTING_NAMES] + ["help-server"]
    parts += [f"fit-{fit}" for fit in FITS] + [f"form-{verb}" for verb in ("again", "remix")]
    return set(parts) | {f"reason-{reason}" for reason in reasons()}


def reasons() -> set[str]:
    """Why a task may be where it is: as gateways, front-ends and our own code name it."""
    found = {kind.replace("_", "-") for kind in FailureKind}
    found |= {"unknown", "chat-gone", "blocked", "too-large", "send-unclear", "create-unclear"}
    found |= {"answer-expired"}
    for _, call in calls("fail", "DeliveryError"):
        found.add(literal(call.args[0]) or "unknown")
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "reason":
                word = literal(node.value)
                found |= {word} if word and re.fullmatch("[a-z-]+", word) else set()
    return found


def rendered(language: str, key: str) -> Iterator[str]:
    """The sentence with sample facts, each in turn with all its values."""
    samples = {name: SAMPLES.get(name, OTHERS) for name in sentences(language)[key]}
    plain = {name: values[0] for name, values in samples.items()}
    yield translate(language, key, **plain)
    for name, values in samples.items():
        for value in values[1:]:
            yield translate(language, key, **{**plain, name: value})


# --- the sentences -----------------------------------------------------------------------


def test_every_language_has_its_file() -> None:
    """And each file is offered."""
    assert {path.stem for path in LOCALES_DIR.glob("*.ftl")} == set(LANGUAGES)


def test_every_language_has_the_same_texts_and_parameters() -> None:
    """None is missing in any language."""
    for language in LANGUAGES:
        assert sentences(language) == sentences("en"), language


def test_every_text_is_translated() -> None:
    """Every Chinese text has Chinese in it, and no English one has."""
    free = {"moment", "models-free-orientation"}
    han = re.compile(r"[\u4e00-\u9fff]")
    for key in sentences("zh").keys() - free:
        assert all(han.search(text) for text in rendered("zh", key) if text), key
        assert not any(han.search(text) for text in rendered("en", key)), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_show_no_markup(language: str) -> None:
    """No braces, dollar signs, gaps or blanks at the ends, whatever the parameters are."""
    for key in sentences(language):
        for text in rendered(language, key):
            assert not re.search(r"[{}$]|  |\?\?\?", text), text
            assert text == text.strip(), key


def test_empty_parameter_has_its_own_form() -> None:
    """Where a parameter may be empty, the text has another form for that."""
    for language in LANGUAGES:
        for key, facts in sentences(language).items():
            if facts & {"nearest", "styles", "percent"}:
                assert all("none" not in text for text in rendered(language, key)), key
        assert "none" not in translate(language, "banned", reason="")
        assert "none" not in translate(language, "admin-banned", person="console:a", reason="")
        assert "none" not in translate(language, "admin-user-banned", reason="")


def test_singular_is_used_for_one() -> None:
    """One of something is told as one."""
    for key in sentences("en"):
        for text in rendered("en", key):
            assert not re.search(r"(?<![\d.,])1 (credits|videos|tasks|days)\b", text), text
            assert not re.search(r"(?<![\d.,])[02-9]\d* (credit|video|task|day)\b", text), text


def test_named_commands_and_options_exist() -> None:
    """Every command and option in a text is one."""
    commands = {word.name for word in COMMANDS} | {"admin"}
    for language, key in ((code, key) for code in LANGUAGES for key in sentences(code)):
        for text in rendered(language, key):
            named = set(re.findall(r"(?<![\w/])/([a-z]+)\b", text))
            assert named <= commands, text
            assert set(re.findall(r"--([a-z-]+)", text)) <= set(VIDEO_OPTIONS), text


def test_every_accepted_image_format_is_named() -> None:
    """In the text about files that are no pictures."""
    for language in LANGUAGES:
        text = translate(language, "image-not-one", name="a.png", seems="text")
        assert all(kind in text for kind in FORMATS)


# --- sentences and code ------------------------------------------------------------------


def test_every_text_named_in_code_exists() -> None:
    """Every sentence that code names exists."""
    unknown = [(where, key) for where, key, _ in said() if key not in sentences("en")]
    assert unknown == []
    assert families() <= sentences("en").keys()


def test_every_call_passes_exactly_the_parameters() -> None:
    """Every call gives a text just the parameters that it takes."""
    wrong = [
        (where, key, sorted(facts ^ sentences("en")[key]))
        for where, key, facts in said()
        if key in sentences("en") and facts != sentences("en")[key]
    ]
    assert wrong == []


def test_every_text_is_used() -> None:
    """Every text is named in code or belongs to a family."""
    named = {
        node.value
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    reasons_named = {f"reason-{word}" for word in named}
    assert sentences("en").keys() - named - reasons_named - families() == set()


def test_call_search_finds_known_calls() -> None:
    """The tests above search real calls: this finds those that everybody knows."""
    found = {key for _, key, _ in said()}
    assert {"prompt-empty", "no-credits", "accepted", "quota", "image-broken"} <= found
    assert {"timeout", "model-unavailable", "file-lost", "create-unclear"} <= reasons()


# --- saying them -------------------------------------------------------------------------


def test_unknown_language_falls_back_to_english() -> None:
    """Variants of a language are that language."""
    assert translate("fr", "state-done") == translate("en", "state-done") == "done"
    assert translate("", "state-done") == "done"
    assert (
        translate("zh-Hans-CN", "state-done")
        == translate("ZH", "state-done")
        == translate("zh", "state-done")
    )


def test_unknown_key_or_missing_parameter_raises() -> None:
    """Neither is said to a person."""
    with pytest.raises(KeyError, match="no-such-sentence"):
        translate("en", "no-such-sentence")
    with pytest.raises(KeyError, match="prompt"):
        translate("en", "delivered", task="abcd2345")


def test_price_is_shown_in_credits() -> None:
    """A price is told in credits, in the right number."""
    assert (
        translate("en", "cancel-done", task="t", price=1)
        == "t is cancelled. You got 1 credit back."
    )
    assert "4 credits back" in translate("en", "cancel-done", task="t", price=4)
    assert "4 \u70b9" in translate("zh", "cancel-done", task="t", price=4)


@pytest.mark.parametrize("prompt", ["portrait", "none", "{ $task }", "{task} %s", "\u2068x\u2069"])
def test_user_text_is_repeated_literally(prompt: str) -> None:
    """In every language."""
    for language in LANGUAGES:
        assert translate(language, "delivered", task="t", prompt=prompt).endswith(prompt)


def test_no_credits_names_need_balance_and_refill_time() -> None:
    """The time is in the user's zone."""
    refused = Refusal("no-credits", needed=12, have=3, limit=60, refills_at=NEW_YEAR)
    assert format_error("en", refused) == (
        "This needs 12 credits; you have 3. Your 60 daily credits come back at"
        " 2027-01-01 00:00 (UTC)."
    )
    assert "2027-01-01 08:00\uff08Asia/Shanghai\uff09" in format_error(
        "zh", refused, ZoneInfo("Asia/Shanghai")
    )
    none = Refusal("no-credits", needed=1, have=0, limit=0, refills_at=NEW_YEAR)
    assert format_error("en", none) == (
        "This needs 1 credit; you have 0. You have no daily credits; an admin can grant some."
    )


def test_long_user_text_is_shortened() -> None:
    """Lists of Reelay's own are complete."""
    names = ", ".join(f"model-{number}" for number in range(100))
    text = format_error("en", Refusal("model-unknown", name="x" * 5000, nearest="", all=names))
    assert "x" * 200 + "\u2026" in text
    assert len(text) < 300 + len(names)
    assert names in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "about 5 s"),
        (3, "about 5 s"),
        (42, "about 40 s"),
        (89, "about 90 s"),
        (90, "about 2 min"),
        (134, "about 2 min"),
        (3500, "about 58 min"),
        (5400, "about 2 h"),
        (9000, "about 2 h"),
    ],
)
def test_durations_are_rounded_for_people(seconds: float, text: str) -> None:
    """Not given to the second."""
    assert format_duration("en", seconds) == text


def test_time_is_shown_with_its_zone() -> None:
    """A moment is told where it is looked at, with the zone's name."""
    assert format_datetime("en", NEW_YEAR, UTC) == "2027-01-01 00:00 (UTC)"
    assert (
        format_datetime("en", NEW_YEAR, ZoneInfo("Asia/Tokyo")) == "2027-01-01 09:00 (Asia/Tokyo)"
    )
