"""The catalogue's file: its shape, and every exact word about what is wrong in one."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    StringConstraints,
    ValidationError,
)
from rapidfuzz import process

from providers import PROVIDERS
from providers.base import Orientation

BUILT_IN = Path(__file__).parent / "catalog.toml"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$"
"""What people can type as a model's name."""
Seconds = Annotated[int, Field(ge=1, le=3600)]
Lower = Annotated[str, StringConstraints(to_lower=True)]
"""As the settings take the names of providers and kinds."""


class CatalogError(Exception):
    """A catalogue that cannot be used; one line for each thing that is wrong."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SizeEntry(_Entry):
    """One size of a model."""

    name: str = Field(min_length=1)
    """What the gateway calls it: `720x1280`, `small`."""
    price: float = Field(ge=0)
    """Credits a second."""
    orientation: Orientation | None = None
    width: PositiveInt | None = None
    height: PositiveInt | None = None
    aliases: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """What people may call it, too; sizes of several orientations may share one."""
    durations: tuple[Seconds, ...] | None = None
    """Which of the model's it is made in; None: all."""


class OfferEntry(_Entry):
    """Who serves a model, under which id."""

    kind: Lower | None = None
    """Every configured provider of this kind serves it ..."""
    provider: Lower | None = None
    """... or just the one of this name."""
    model: str = Field(min_length=1)
    """The gateway's own id."""
    priority: int = 0
    cost: float = Field(default=0.0, ge=0)
    """What a second costs the operator, in any one currency."""
    durations: tuple[Seconds, ...] | None = None
    """This and the following: what it can make of the model; None: all."""
    duration_range: tuple[Seconds, Seconds] | None = None
    """Instead of durations: those of the model that lie in it."""
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
    """Whether it takes unknown names too, where its model passes them on."""


class ModelEntry(_Entry):
    """One model. `deploy/catalog.example.toml` explains every key."""

    name: str = Field(pattern=NAME)
    title: str = ""
    aliases: tuple[Annotated[str, Field(pattern=NAME)], ...] = ()
    enabled: bool = True
    retire_at: date | None = None
    passthrough: bool = False
    prompt_limit: PositiveInt = 4000
    durations: tuple[Seconds, ...] = ()
    duration_range: tuple[Seconds, Seconds] | None = None
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


_SHAPES: dict[str, type[_Entry]] = {"models": ModelEntry, "sizes": SizeEntry, "offers": OfferEntry}
WRITE = {
    "models": "each model under its own [[models]]",
    "name": 'a text, like "wan2.2"; a model\'s has no spaces',
    "title": 'a text, like "Wan on our own GPU"',
    "aliases": 'names in a list, like ["wan", "local"]; they have no spaces',
    "enabled": "true or false",
    "retire_at": "a day without quotes, like 2027-06-30",
    "passthrough": "true or false",
    "prompt_limit": "a whole number of characters above 0",
    "durations": "whole seconds from 1 to 3600 in a list, like [4, 8]",
    "duration_range": "the first and the last second, like [1, 20]",
    "default_duration": "one of the durations",
    "sizes": 'a list like [{ name = "1280x720", price = 1 }]',
    "price": "credits a second, 0 or more",
    "orientation": '"portrait", "landscape" or "square"',
    "width": "a whole number above 0",
    "height": "a whole number above 0",
    "orientations": 'some of "portrait", "landscape" and "square" in a list',
    "images": "0 or 1",
    "styles": 'a list like ["anime", "comic"]',
    "watermark": "true or false",
    "private": "true or false",
    "remix": "true or false",
    "storyboard": "true or false",
    "cost": "what a second costs you, 0 or more",
    "offers": 'a list like [{ kind = "openai", model = "sora-2" }]',
    "kind": 'a text, like "openai"',
    "provider": "the name of a configured provider",
    "model": "the gateway's own id",
    "priority": "a whole number",
}
"""Key -> what to write there."""


def read_entries(file: Path) -> tuple[ModelEntry, ...]:
    """The models of a file. Raises `CatalogError`."""
    try:
        # Editors of Windows put a mark before the first line.
        raw = tomllib.loads(file.read_text(encoding="utf-8-sig"))
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
    problems = error.errors(include_url=False)
    places = [problem["loc"] for problem in problems]
    for problem in problems:
        where = problem["loc"]
        if any(len(place) > len(where) and place[: len(where)] == where for place in places):
            # A list counts as too short when its only entry is wrong, which is told.
            continue
        label = ""
        if len(where) > 1 and isinstance(where[1], int):
            label = f"model {_named(raw['models'], where[1])}: "
            where = where[2:]
        key = ".".join(str(part + 1) if isinstance(part, int) else part for part in where)
        label += f"{key}: " if key else ""
        lines.append(f"{file}: {label}{_wrong(problem['type'], problem['loc'])}")
    return list(dict.fromkeys(lines))


def _named(models: object, number: int) -> str:
    entry = models[number] if isinstance(models, list) else None
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else f"number {number + 1}"


def _wrong(kind: str, where: Sequence[str | int]) -> str:
    """What is wrong there and what to write."""
    words = [part for part in where if isinstance(part, str)]
    if kind == "extra_forbidden":
        shape = _SHAPES[words[-2]] if len(words) > 1 else _File
        keys = list(shape.model_fields)
        near = process.extractOne(words[-1], keys, score_cutoff=70)
        hint = f"did you mean {near[0]}? " if near else ""
        return f"there is no such key; {hint}keys: {', '.join(keys)}"
    wrong = "is missing" if kind == "missing" else "is wrong"
    return f"{wrong}; write {WRITE[words[-1]]}"


# --- what one entry alone cannot tell ----------------------------------------------------


def check_entries(
    entries: Iterable[ModelEntry],
    own: Sequence[ModelEntry],
    file: Path | None,
    kinds: Mapping[str, str],
) -> None:
    """Check what one entry alone cannot tell. Raises `CatalogError`."""
    twice = [name for name, count in Counter(entry.name for entry in own).items() if count > 1]
    lines = [f"{file}: model {name}: is there twice; leave one out" for name in twice]
    seen: dict[str, str] = {}
    for entry in entries:
        where = origin(entry, own, file)
        for name in (entry.name, *entry.aliases):
            if name.lower() in seen:
                lines.append(
                    f"{where}: the name {name} is also one of {seen[name.lower()]}; choose another"
                )
            seen[name.lower()] = entry.name
        lines += [f"{where}: {problem}" for problem in _problems(entry, kinds)]
    if lines:
        raise CatalogError(lines)


def origin(entry: ModelEntry, own: Sequence[ModelEntry], file: Path | None) -> str:
    """Where an entry stands, for people who look for it."""
    return f"{file if entry in own else BUILT_IN.name}: model {entry.name}"


def _problems(entry: ModelEntry, kinds: Mapping[str, str]) -> Iterable[str]:
    allowed = durations_of(entry)
    if entry.durations and entry.duration_range:
        yield "durations: write either durations or duration_range, not both"
    elif not allowed:
        yield "durations: write a list (durations = [4, 8]) or a range (duration_range = [1, 20])"
    elif entry.default_duration is not None and entry.default_duration not in allowed:
        yield f"default_duration: {entry.default_duration} is not one of the durations"
    yield from _problems_of_sizes(entry)
    for offer in entry.offers:
        yield from _problems_of_offer(offer, kinds)
        yield from _beyond(offer, entry)


def _problems_of_sizes(entry: ModelEntry) -> Iterable[str]:
    names = Counter(size.name.lower() for size in entry.sizes)
    yield from (f"sizes: {name} is there twice" for name in names if names[name] > 1)
    allowed = durations_of(entry)
    for size in entry.sizes:
        if (size.width is None) != (size.height is None):
            yield f"sizes: {size.name}: width and height go together; write both or none"
        for alias in size.aliases:
            if alias.lower() in names:
                yield f"sizes: {size.name}: the alias {alias} is a size's name; choose another"
        if size.durations == ():
            yield f"sizes: {size.name}: durations: is empty; leave it out for all of them"
        for one in size.durations or ():
            if one not in allowed:
                yield f"sizes: {size.name}: durations: the model has no {one}; add it there"
    for one in allowed:
        if all(size.durations is not None and one not in size.durations for size in entry.sizes):
            yield f"durations: no size is made in {one}; leave it out or add it to one"


def _beyond(offer: OfferEntry, entry: ModelEntry) -> Iterable[str]:
    """What an offer says it can do although its model cannot."""
    allowed: dict[str, tuple[object, ...]] = {
        "durations": durations_of(entry),
        "sizes": tuple(size.name for size in entry.sizes),
        "styles": entry.styles,
    }
    for key, known in allowed.items():
        for one in getattr(offer, key) or ():
            if one not in known:
                yield f"offers: {offer.model}: {key}: the model has no {one}; add it there"
    for key in ("durations", "sizes", "orientations"):
        if getattr(offer, key) == ():
            yield f"offers: {offer.model}: {key}: is empty; leave it out for all of them"
    if offer.durations and offer.duration_range:
        yield f"offers: {offer.model}: write either durations or duration_range, not both"
    elif offer.duration_range and durations_of(entry) and not offered_durations(offer, entry):
        yield f"offers: {offer.model}: duration_range: the model has none in it; write another"
    for key in ("watermark", "private", "storyboard", "remix"):
        if getattr(offer, key) and not getattr(entry, key):
            yield f"offers: {offer.model}: {key}: the model has it off; write {key} = true there"
    for key in ("images", "prompt_limit"):
        if (getattr(offer, key) or 0) > getattr(entry, key):
            most = getattr(entry, key)
            yield f"offers: {offer.model}: {key}: the model has {most}; write that or less"


def _problems_of_offer(offer: OfferEntry, kinds: Mapping[str, str]) -> Iterable[str]:
    if (offer.kind is None) == (offer.provider is None):
        yield f"offers: {offer.model}: write either kind or provider"
    elif offer.kind is not None and offer.kind not in PROVIDERS:
        yield f"offers: there is no kind {offer.kind}; write one of {', '.join(PROVIDERS)}"
    elif offer.provider is not None and offer.provider not in kinds:
        configured = ", ".join(kinds) or "none"
        yield f"offers: no provider is called {offer.provider}; configured: {configured}"


def durations_of(entry: ModelEntry | OfferEntry) -> tuple[int, ...]:
    """Every whole number of seconds that it names, ascending."""
    if entry.duration_range is not None:
        first, last = entry.duration_range
        return tuple(range(first, last + 1))
    return tuple(sorted(set(entry.durations or ())))


def offered_durations(offer: OfferEntry, entry: ModelEntry) -> tuple[int, ...]:
    """Which of the model's durations an offer makes."""
    if offer.durations is None and offer.duration_range is None:
        return durations_of(entry)
    own = durations_of(offer)
    return tuple(one for one in durations_of(entry) if one in own)
