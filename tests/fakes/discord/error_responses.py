"""Error responses of Discord, and the call that handlers work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from tests.fakes.discord.state import DiscordState

Json = dict[str, Any]


class Problem(NamedTuple):
    """One thing that is wrong with a body."""

    at: tuple[str, ...]
    """Where: names and numbers from the outside in."""
    code: str
    words: str

    def __str__(self) -> str:
        return f"{'.'.join(self.at) or 'body'}: {self.words}"


class ApiError(Exception):
    """An error response."""

    def __init__(
        self,
        status: int,
        code: int,
        words: str,
        *,
        foreseen: bool,
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(words)
        self.status = status
        self.code = code
        self.words = words
        self.foreseen = foreseen
        """A careful bot could have avoided it."""
        self.problems = problems

    @property
    def body(self) -> Json:
        """What is answered."""
        told: Json = {"message": self.words, "code": self.code}
        if self.problems:
            told["errors"] = _nested(self.problems)
        return told


def invalid_form_body(*problems: Problem) -> NoReturn:
    """Refuse a body that is not what it must be."""
    raise ApiError(400, 50035, "Invalid Form Body", foreseen=True, problems=problems)


def avoidable_error(code: int, words: str, status: int = 400) -> NoReturn:
    """An error that a careful bot could have avoided; a violation."""
    raise ApiError(status, code, words, foreseen=True)


def unavoidable_error(code: int, words: str, status: int = 404) -> NoReturn:
    """An error that no bot could have avoided; no violation."""
    raise ApiError(status, code, words, foreseen=False)


def _nested(problems: Sequence[Problem]) -> Json:
    told: Json = {}
    for problem in problems:
        place = told
        for name in problem.at:
            place = place.setdefault(name, {})
        place.setdefault("_errors", []).append({"code": problem.code, "message": problem.words})
    return told


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a call, on disk."""

    field: str
    name: str
    path: Path
    size: int
    sha256: str
    kind: str = ""


@dataclass(slots=True)
class Call:
    """One call, checked against the facts."""

    world: DiscordState
    route: str
    """As `POST /channels/{channel}/messages`."""
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any
    files: Mapping[int, Upload]
    """By their number."""
    time: float
    violations: list[str] = field(default_factory=list)

    def id(self, name: str) -> int:
        """A number in the path."""
        text = self.path[name]
        if not text.isdigit():
            invalid_form_body(
                Problem((name,), "NUMBER_TYPE_COERCE", f'Value "{text}" is not snowflake.')
            )
        return int(text)

    def get(self, name: str, default: Any = None) -> Any:
        """A parameter of the body; what is null is as if it was not given."""
        found = self.body.get(name)
        return default if found is None else found

    def add_violation(self, words: str) -> None:
        """Record a violation that is served nevertheless."""
        self.violations.append(words)
