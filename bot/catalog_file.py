"""The catalogue's file: its shape, and every exact word about what is wrong in one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from providers.base import Orientation

BUILT_IN = Path(__file__).parent / "catalog.toml"


class CatalogError(Exception):
    """A catalogue that cannot be used; one line for each thing that is wrong."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SizeEntry(_Entry):
    """One size of a model."""

    name: str
    """What the gateway calls it: `720x1280`, `small`."""
    price: float = Field(ge=0)
    """Credits a second."""
    orientation: Orientation | None = None
    width: int | None = Field(default=None, gt=0)
    height: int | None = Field(default=None, gt=0)


class OfferEntry(_Entry):
    """Who serves a model, under which id."""

    kind: str | None = None
    """Every configured provider of this kind serves it ..."""
    provider: str | None = None
    """... or just the one of this name."""
    model: str
    """The gateway's own id."""
    priority: int = 0


class ModelEntry(_Entry):
    """One model. `deploy/catalog.example.toml` explains every key."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$")
    title: str = ""
    aliases: tuple[str, ...] = ()
    enabled: bool = True
    retire_at: date | None = None
    passthrough: bool = False
    prompt_limit: int = Field(default=4000, gt=0)
    durations: tuple[int, ...] = ()
    duration_range: tuple[int, int] | None = None
    default_duration: int | None = None
    sizes: tuple[SizeEntry, ...] = Field(min_length=1)
    orientations: tuple[Orientation, ...] = ()
    images: int = Field(default=1, ge=0)
    styles: tuple[str, ...] = ()
    watermark: bool = False
    private: bool = False
    remix: bool = False
    offers: tuple[OfferEntry, ...] = Field(min_length=1)

    @field_validator("durations")
    @classmethod
    def _positive(cls, durations: tuple[int, ...]) -> tuple[int, ...]:
        if any(seconds <= 0 for seconds in durations):
            raise ValueError("every duration is a whole number of seconds above 0")
        return tuple(sorted(set(durations)))


class _File(_Entry):
    models: tuple[ModelEntry, ...] = ()


def read_entries(file: Path) -> tuple[ModelEntry, ...]:
    """The models of a file. Raises `CatalogError`."""
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError([f"{file}: cannot be read: {error}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise CatalogError([f"{file}: is not TOML: {error}"]) from None
    try:
        return _File.model_validate(raw).models
    except ValidationError as error:
        raise CatalogError(_lines(file, raw, error)) from None


def _lines(file: Path, raw: Mapping[str, object], error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        where = list(problem["loc"])
        label = ""
        models = raw.get("models")
        if len(where) > 1 and where[0] == "models" and isinstance(where[1], int):
            entry = models[where[1]] if isinstance(models, list) else {}
            name = entry.get("name") if isinstance(entry, dict) else None
            label = f"model {name or f'number {where[1] + 1}'}: "
            where = where[2:]
        key = ".".join(str(part) for part in where)
        lines.append(f"{file}: {label}{key}: {problem['msg']}")
    return lines


def check_entries(
    entries: Iterable[ModelEntry],
    own: Sequence[ModelEntry],
    file: Path | None,
    kinds: Mapping[str, str],
) -> None:
    """Check what one entry alone cannot tell. Raises `CatalogError`."""
    lines = []
    seen: dict[str, str] = {}
    for entry in entries:
        where = f"{file if entry in own else BUILT_IN.name}: model {entry.name}"
        for name in (entry.name, *entry.aliases):
            if name.lower() in seen:
                lines.append(f"{where}: the name {name} is also one of {seen[name.lower()]}")
            seen[name.lower()] = entry.name
        lines += [f"{where}: {problem}" for problem in _problems(entry, kinds)]
    if lines:
        raise CatalogError(lines)


def _problems(entry: ModelEntry, kinds: Mapping[str, str]) -> Iterable[str]:
    allowed = durations_of(entry)
    if not allowed:
        yield "durations: write a list (durations = [4, 8]) or a range (duration_range = [1, 20])"
    elif entry.default_duration is not None and entry.default_duration not in allowed:
        yield f"default_duration: {entry.default_duration} is not one of its durations"
    for size in entry.sizes:
        if (size.width is None) != (size.height is None):
            yield f"sizes: {size.name}: width and height go together"
    for offer in entry.offers:
        if (offer.kind is None) == (offer.provider is None):
            yield "offers: name either a kind or a provider"
        elif offer.provider is not None and offer.provider not in kinds:
            configured = ", ".join(kinds) or "none"
            yield f"offers: no provider is called {offer.provider} (configured: {configured})"


def durations_of(entry: ModelEntry) -> tuple[int, ...]:
    """Every whole number of seconds that may be asked for, ascending."""
    if entry.duration_range is not None:
        first, last = entry.duration_range
        return tuple(range(max(first, 1), last + 1))
    return entry.durations
