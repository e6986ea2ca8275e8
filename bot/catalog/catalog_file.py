"""The catalogue file: its format, and precise messages about every problem in it."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, StringConstraints, ValidationError
from rapidfuzz import process

from providers import PROVIDERS
from providers.types import Orientation

BUILT_IN_FILE = Path(__file__).parent / "catalog.toml"
MODEL_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$"
"""Names of models that users can type."""
DurationSeconds = Annotated[int, Field(ge=1, le=3600)]
LowercaseStr = Annotated[str, StringConstraints(to_lower=True)]
"""Lower case, like provider names and kinds in the settings."""


class CatalogError(Exception):
    """The catalogue is invalid; one line per problem."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SizeEntry(_Entry):
    """One size of a model."""

    name: str = Field(min_length=1)
    """The gateway's name of the size: `720x1280`, `small`."""
    price: float = Field(ge=0)
    """Credits per second."""
    orientation: Orientation | None = None
    width: PositiveInt | None = None
    height: PositiveInt | None = None
    aliases: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Other names that users may type; sizes of different orientations may share an alias."""
    durations: tuple[DurationSeconds, ...] | None = None
    """The durations of the model that this size supports; None: all."""


class OfferEntry(_Entry):
    """A provider, or a kind of provider, that serves a model."""

    kind: LowercaseStr | None = None
    """All configured providers of this kind ..."""
    provider: LowercaseStr | None = None
    """... or only the provider of this name."""
    model: str = Field(min_length=1)
    """The gateway's id of the model."""
    priority: int = 0
    cost: float = Field(default=0.0, ge=0)
    """Cost to the operator per second, in any one currency."""
    durations: tuple[DurationSeconds, ...] | None = None
    """From here on: what the offer supports of the model; None: everything."""
    duration_range: tuple[DurationSeconds, DurationSeconds] | None = None
    """Instead of durations: all durations of the model in this range."""
    sizes: tuple[str, ...] | None = None
    orientations: tuple[Orientation, ...] | None = None
    styles: tuple[str, ...] | None = None
    images: int | None = Field(default=None, ge=0)
    watermark: bool | None = None
    private: bool | None = None
    storyboard: bool | None = None
    remix: bool | None = None
    prompt_limit: PositiveInt | None = None
    passthrough: bool | None = None
    """Whether the offer accepts unknown model names, if its model is a passthrough."""


class ModelEntry(_Entry):
    """One model. `deploy/catalog.example.toml` explains every key."""

    name: str = Field(pattern=MODEL_NAME_PATTERN)
    title: str = ""
    aliases: tuple[Annotated[str, Field(pattern=MODEL_NAME_PATTERN)], ...] = ()
    enabled: bool = True
    retire_at: date | None = None
    passthrough: bool = False
    prompt_limit: PositiveInt = 4000
    durations: tuple[DurationSeconds, ...] = ()
    duration_range: tuple[DurationSeconds, DurationSeconds] | None = None
    default_duration: int | None = None
    sizes: tuple[SizeEntry, ...] = Field(min_length=1)
    orientations: tuple[Orientation, ...] = ()
    images: int = Field(default=1, ge=0)
    styles: tuple[str, ...] = ()
    watermark: bool = False
    private: bool = False
    storyboard: bool = False
    remix: bool = False
    offers: tuple[OfferEntry, ...] = Field(min_length=1)


class _File(_Entry):
    models: tuple[ModelEntry, ...] = ()


_ENTRY_TYPES: dict[str, type[_Entry]] = {
    "models": ModelEntry,
    "sizes": SizeEntry,
    "offers": OfferEntry,
}
KEY_HINTS = {
    "models": "each model under its own [[models]]",
    "name": 'a string, like "wan2.2"; the name of a model has no spaces',
    "title": 'a string, like "Wan on our own GPU"',
    "aliases": 'a list of names without spaces, like ["wan", "local"]',
    "enabled": "true or false",
    "retire_at": "a date without quotes, like 2027-06-30",
    "passthrough": "true or false",
    "prompt_limit": "a whole number of characters above 0",
    "durations": "a list of whole seconds from 1 to 3600, like [4, 8]",
    "duration_range": "the shortest and the longest duration in seconds, like [1, 20]",
    "default_duration": "one of the durations",
    "sizes": 'a list like [{ name = "1280x720", price = 1 }]',
    "price": "credits per second, 0 or more",
    "orientation": '"portrait", "landscape" or "square"',
    "width": "a whole number above 0",
    "height": "a whole number above 0",
    "orientations": 'a list with some of "portrait", "landscape" and "square"',
    "images": "0 or 1",
    "styles": 'a list like ["anime", "comic"]',
    "watermark": "true or false",
    "private": "true or false",
    "remix": "true or false",
    "storyboard": "true or false",
    "cost": "your cost per second, 0 or more",
    "offers": 'a list like [{ kind = "openai", model = "sora-2" }]',
    "kind": 'a string, like "openai"',
    "provider": "the name of a configured provider",
    "model": "the gateway's id of the model",
    "priority": "a whole number",
}
"""Key -> description of a valid value."""


def read_entries(file: Path) -> tuple[ModelEntry, ...]:
    """Read the models of a file. Raises `CatalogError`."""
    try:
        # Editors on Windows may write a byte order mark.
        raw = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError([f"{file}: cannot be read: {error}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise CatalogError([f"{file}: is not TOML: {error}"]) from None
    try:
        return _File.model_validate(raw).models
    except ValidationError as error:
        raise CatalogError(_error_lines(file, raw, error)) from None


def _error_lines(file: Path, raw: Mapping[str, object], error: ValidationError) -> list[str]:
    lines = []
    problems = error.errors(include_url=False)
    locations = [problem["loc"] for problem in problems]
    for problem in problems:
        location = problem["loc"]
        if any(
            len(other) > len(location) and other[: len(location)] == location for other in locations
        ):
            # A list counts as too short if its only entry is invalid, which is reported itself.
            continue
        label = ""
        if len(location) > 1 and isinstance(location[1], int):
            label = f"model {_model_label(raw['models'], location[1])}: "
            location = location[2:]
        key = ".".join(str(part + 1) if isinstance(part, int) else part for part in location)
        label += f"{key}: " if key else ""
        lines.append(f"{file}: {label}{_problem_text(problem['type'], problem['loc'])}")
    return list(dict.fromkeys(lines))


def _model_label(models: object, index: int) -> str:
    entry = models[index] if isinstance(models, list) else None
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else f"number {index + 1}"


def _problem_text(kind: str, location: Sequence[str | int]) -> str:
    """Say what is wrong at the location and how to fix it."""
    names = [part for part in location if isinstance(part, str)]
    if kind == "extra_forbidden":
        entry_type = _ENTRY_TYPES[names[-2]] if len(names) > 1 else _File
        keys = list(entry_type.model_fields)
        closest = process.extractOne(names[-1], keys, score_cutoff=70)
        hint = f"did you mean {closest[0]}? " if closest else ""
        return f"unknown key; {hint}keys: {', '.join(keys)}"
    wrong = "is missing" if kind == "missing" else "is invalid"
    return f"{wrong}; write {KEY_HINTS[names[-1]]}"


# --- checks across entries -------------------------------------------------------------


def check_entries(
    entries: Iterable[ModelEntry],
    custom: Sequence[ModelEntry],
    file: Path | None,
    kinds: Mapping[str, str],
) -> None:
    """Check entries against each other and the configured providers. Raises `CatalogError`."""
    duplicates = [
        name for name, count in Counter(entry.name for entry in custom).items() if count > 1
    ]
    lines = [f"{file}: model {name}: is defined twice; remove one" for name in duplicates]
    seen: dict[str, str] = {}
    for entry in entries:
        location = entry_location(entry, custom, file)
        for name in (entry.name, *entry.aliases):
            if name.lower() in seen:
                lines.append(
                    f"{location}: the name {name} also belongs to {seen[name.lower()]};"
                    " choose another"
                )
            seen[name.lower()] = entry.name
        lines += [f"{location}: {problem}" for problem in _entry_problems(entry, kinds)]
    if lines:
        raise CatalogError(lines)


def entry_location(entry: ModelEntry, custom: Sequence[ModelEntry], file: Path | None) -> str:
    """File and model of an entry, for error messages."""
    return f"{file if entry in custom else BUILT_IN_FILE.name}: model {entry.name}"


def _entry_problems(entry: ModelEntry, kinds: Mapping[str, str]) -> Iterable[str]:
    allowed = durations_of(entry)
    if entry.durations and entry.duration_range:
        yield "durations: set either durations or duration_range, not both"
    elif not allowed:
        yield "durations: set a list (durations = [4, 8]) or a range (duration_range = [1, 20])"
    elif entry.default_duration is not None and entry.default_duration not in allowed:
        yield f"default_duration: {entry.default_duration} is not one of the durations"
    yield from _size_problems(entry)
    for offer in entry.offers:
        yield from _offer_problems(offer, kinds)
        yield from _exceeded_limits(offer, entry)


def _size_problems(entry: ModelEntry) -> Iterable[str]:
    names = Counter(size.name.lower() for size in entry.sizes)
    yield from (f"sizes: {name} is listed twice" for name in names if names[name] > 1)
    allowed = durations_of(entry)
    for size in entry.sizes:
        if (size.width is None) != (size.height is None):
            yield f"sizes: {size.name}: width and height go together; set both or neither"
        for alias in size.aliases:
            if alias.lower() in names:
                yield f"sizes: {size.name}: the alias {alias} is the name of a size; choose another"
        if size.durations == ():
            yield f"sizes: {size.name}: durations: is empty; omit it to support all"
        for seconds in size.durations or ():
            if seconds not in allowed:
                yield f"sizes: {size.name}: durations: the model has no {seconds}; add it there"
    for seconds in allowed:
        if all(
            size.durations is not None and seconds not in size.durations for size in entry.sizes
        ):
            yield f"durations: no size supports {seconds}; remove it or add it to a size"


def _exceeded_limits(offer: OfferEntry, entry: ModelEntry) -> Iterable[str]:
    """Yield what an offer claims to support although its model does not."""
    allowed: dict[str, tuple[object, ...]] = {
        "durations": durations_of(entry),
        "sizes": tuple(size.name for size in entry.sizes),
        "styles": entry.styles,
    }
    for key, values in allowed.items():
        for value in getattr(offer, key) or ():
            if value not in values:
                yield f"offers: {offer.model}: {key}: the model has no {value}; add it there"
    for key in ("durations", "sizes", "orientations"):
        if getattr(offer, key) == ():
            yield f"offers: {offer.model}: {key}: is empty; omit it to support all"
    if offer.durations and offer.duration_range:
        yield f"offers: {offer.model}: set either durations or duration_range, not both"
    elif offer.duration_range and durations_of(entry) and not offered_durations(offer, entry):
        yield f"offers: {offer.model}: duration_range: contains no duration of the model; change it"
    for key in ("watermark", "private", "storyboard", "remix"):
        if getattr(offer, key) and not getattr(entry, key):
            yield f"offers: {offer.model}: {key}: the model has it off; set {key} = true there"
    for key in ("images", "prompt_limit"):
        if (getattr(offer, key) or 0) > getattr(entry, key):
            limit = getattr(entry, key)
            yield f"offers: {offer.model}: {key}: the model has {limit}; set that or less"


def _offer_problems(offer: OfferEntry, kinds: Mapping[str, str]) -> Iterable[str]:
    if (offer.kind is None) == (offer.provider is None):
        yield f"offers: {offer.model}: set either kind or provider"
    elif offer.kind is not None and offer.kind not in PROVIDERS:
        yield f"offers: unknown kind {offer.kind}; use one of {', '.join(PROVIDERS)}"
    elif offer.provider is not None and offer.provider not in kinds:
        configured = ", ".join(kinds) or "none"
        yield f"offers: no provider is named {offer.provider}; configured: {configured}"


def durations_of(entry: ModelEntry | OfferEntry) -> tuple[int, ...]:
    """All durations of the entry in seconds, ascending."""
    if entry.duration_range is not None:
        first, last = entry.duration_range
        return tuple(range(first, last + 1))
    return tuple(sorted(set(entry.durations or ())))


def offered_durations(offer: OfferEntry, entry: ModelEntry) -> tuple[int, ...]:
    """The durations of the model that an offer supports."""
    if offer.durations is None and offer.duration_range is None:
        return durations_of(entry)
    listed = durations_of(offer)
    return tuple(seconds for seconds in durations_of(entry) if seconds in listed)
