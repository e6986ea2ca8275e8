"""Models: what may be asked for, at what price, from which provider, until when. Always data.

`bot/catalog.toml` has the built-in models of each provider kind; `CATALOG_FILE` has the same shape
and goes before it, model by model. `deploy/catalog.example.toml` explains every key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path

from rapidfuzz import process

from bot.catalog_file import (
    BUILT_IN,
    NAME,
    CatalogError,
    ModelEntry,
    SizeEntry,
    check_entries,
    durations_of,
    origin,
    read_entries,
)
from bot.model import MakeVideo, Order, Refusal
from bot.quotas import prices
from providers.base import Orientation

_EXACT = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


# --- what the rest of Reelay sees --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a person wants where they do not say."""

    model: str | None = None
    orientation: str | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider that serves a model, under its own id."""

    provider: str
    model: str
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Size:
    """One size; with width and height its orientation is given, else it is free."""

    name: str
    price_per_second: float
    orientation: Orientation | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """What may be asked for under one public name."""

    name: str
    title: str
    aliases: tuple[str, ...]
    enabled: bool
    retires_at: float | None
    passthrough: bool
    prompt_limit: int
    durations: tuple[int, ...]
    default_duration: int
    sizes: tuple[Size, ...]
    orientations: tuple[Orientation, ...]
    """Which may be asked for; the first one is the default."""
    images: int
    styles: tuple[str, ...]
    watermark: bool
    private: bool
    remix: bool
    offers: tuple[Offer, ...]

    def can_be_asked_for(self, now: float) -> bool:
        """Switched on and not retired."""
        return self.enabled and (self.retires_at is None or now < self.retires_at)

    def durations_text(self) -> str:
        """`4, 8, 12` or `1-20`."""
        first, last = self.durations[0], self.durations[-1]
        if len(self.durations) > 3 and self.durations == tuple(range(first, last + 1)):
            return f"{first}-{last}"
        return ", ".join(str(seconds) for seconds in self.durations)

    def price_range(self) -> tuple[float, float]:
        """The lowest and the highest credits a second."""
        rates = [size.price_per_second for size in self.sizes]
        return min(rates), max(rates)


class Catalog:
    """All models that some configured provider serves."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = tuple(models)
        self._by_name = {
            name.lower(): model for model in models for name in (model.name, *model.aliases)
        }

    @classmethod
    def load(cls, file: Path | None, kinds: Mapping[str, str]) -> Catalog:
        """Built-in models, then those of the file. `kinds`: provider name -> its kind."""
        entries = {entry.name: entry for entry in read_entries(BUILT_IN)}
        own = read_entries(file) if file else ()
        entries |= {entry.name: entry for entry in own}
        check_entries(entries.values(), own, file, kinds)
        # The operator's own models come first: the first of all is the default.
        names = [entry.name for entry in own]
        names += [name for name in entries if name not in names]
        models = [_model(entries[name], kinds) for name in names]
        lines = [
            f"{origin(entries[model.name], own, file)}: {problem}"
            for model in models
            for problem in _contradictions(model)
        ]
        if lines:
            raise CatalogError(lines)
        return cls([model for model in models if model.offers])

    def models(self, now: float) -> tuple[Model, ...]:
        """What can be asked for now; the first one is the default."""
        return tuple(model for model in self._models if model.can_be_asked_for(now))

    def default(self, now: float) -> Model:
        """The model for those who name none."""
        usable = self.models(now)
        if not usable:
            raise Refusal("models-none")
        return usable[0]

    def find(self, name: str, now: float) -> Model:
        """The model of this name or alias. Unknown ids pass where the catalogue says so."""
        model = self._by_name.get(name.strip().lower())
        if model is not None:
            if not model.can_be_asked_for(now):
                raise Refusal("model-retired", name=model.name, all=self._names(now))
            return model
        through = next((one for one in self.models(now) if one.passthrough), None)
        if through is not None and re.match(NAME, name.strip()):
            return _passed_through(through, name.strip())
        near = process.extract(
            name, [one.name for one in self.models(now)], limit=3, score_cutoff=50
        )
        nearest = ", ".join(str(found[0]) for found in near)
        raise Refusal("model-unknown", name=name, nearest=nearest, all=self._names(now))

    def _names(self, now: float) -> str:
        return ", ".join(model.name for model in self.models(now))

    def offers(self, name: str) -> tuple[Offer, ...]:
        """Who serves this model, whether or not it can still be asked for."""
        model = self._by_name.get(name.lower())
        if model is not None:
            return model.offers
        through = next((one for one in self._models if one.passthrough), None)
        return _passed_through(through, name).offers if through else ()

    def complete(
        self,
        wish: MakeVideo,
        defaults: Defaults,
        now: float,
        picture: Orientation | None,
    ) -> tuple[Order, int]:
        """Check every wish and make the order whole: (order, price in credits).

        `picture` is the orientation of the attached one. A default that the model cannot do gives
        way in silence, since it was not asked for now; a wish never does.
        """
        model = self._wanted(wish, defaults, now)
        prompt = _prompt(wish, model)
        seconds = _seconds(wish, defaults, model)
        size, orientation = _size(wish, defaults, model, picture)
        _check_extras(wish, model)
        order = Order(
            model=model.name,
            prompt=prompt,
            seconds=seconds,
            size=size.name,
            width=size.width,
            height=size.height,
            orientation=orientation,
            style=_style(wish, model),
            watermark=wish.watermark,
            private=wish.private,
        )
        return order, prices.price(size.price_per_second, seconds)

    def _wanted(self, wish: MakeVideo, defaults: Defaults, now: float) -> Model:
        if wish.model is not None:
            return self.find(wish.model, now)
        if defaults.model is not None:
            try:
                return self.find(defaults.model, now)
            except Refusal:
                return self.default(now)
        return self.default(now)


# --- from entries to models ---------------------------------------------------------------


def _model(entry: ModelEntry, kinds: Mapping[str, str]) -> Model:
    seconds = durations_of(entry)
    sizes = tuple(_sized(size) for size in entry.sizes)
    offers = [
        Offer(name, offer.model, offer.priority)
        for offer in entry.offers
        for name, kind in kinds.items()
        if name == offer.provider or kind == offer.kind
    ]
    return Model(
        name=entry.name,
        title=entry.title or entry.name,
        aliases=entry.aliases,
        enabled=entry.enabled,
        retires_at=_midnight(entry.retire_at),
        passthrough=entry.passthrough,
        prompt_limit=entry.prompt_limit,
        durations=seconds,
        default_duration=entry.default_duration or seconds[0],
        sizes=sizes,
        orientations=_orientations(entry, sizes),
        images=entry.images,
        styles=entry.styles,
        watermark=entry.watermark,
        private=entry.private,
        remix=entry.remix,
        offers=tuple(offers),
    )


def _midnight(day: date | None) -> float | None:
    return None if day is None else datetime.combine(day, time.min, UTC).timestamp()


def _sized(entry: SizeEntry) -> Size:
    width, height = entry.width, entry.height
    exact = _EXACT.fullmatch(entry.name)
    if exact is not None and width is None:
        width, height = int(exact[1]), int(exact[2])
    orientation = entry.orientation
    if orientation is None and width and height:
        orientation = orientation_of(width, height)
    return Size(entry.name, entry.price, orientation, width, height)


def orientation_of(width: int, height: int) -> Orientation:
    """Which way a picture of this size stands."""
    if width == height:
        return "square"
    return "portrait" if height > width else "landscape"


def _orientations(entry: ModelEntry, sizes: Sequence[Size]) -> tuple[Orientation, ...]:
    if entry.orientations:
        return entry.orientations
    found: list[Orientation] = []
    for size in sizes:
        found += [size.orientation] if size.orientation else ["landscape", "portrait"]
    return tuple(dict.fromkeys(found))


def _contradictions(model: Model) -> Iterable[str]:
    """What would make an order that says one thing of its orientation and another of its size."""
    for size in model.sizes:
        if (
            size.width
            and size.height
            and size.orientation != orientation_of(size.width, size.height)
        ):
            yield f"sizes: {size.name} is not {size.orientation}; leave orientation out"
        if size.orientation not in {None, *model.orientations}:
            yield f"orientations: {size.name} is {size.orientation}; add that or leave the size out"
    for orientation in model.orientations:
        if all(size.orientation not in {None, orientation} for size in model.sizes):
            yield f"orientations: no size is {orientation}; leave it out or add one"


def _passed_through(model: Model, name: str) -> Model:
    offers = tuple(replace(offer, model=name) for offer in model.offers)
    return replace(model, name=name, title=name, aliases=(), offers=offers)


# --- checking wishes ---------------------------------------------------------------------


def _prompt(wish: MakeVideo, model: Model) -> str:
    prompt = wish.prompt.strip()
    if not prompt:
        raise Refusal("prompt-empty")
    if len(prompt) > model.prompt_limit:
        raise Refusal(
            "prompt-too-long", count=len(prompt), limit=model.prompt_limit, model=model.name
        )
    return prompt


def _seconds(wish: MakeVideo, defaults: Defaults, model: Model) -> int:
    if wish.seconds is not None:
        if wish.seconds not in model.durations:
            raise Refusal(
                "duration-not-allowed",
                asked=wish.seconds,
                model=model.name,
                allowed=model.durations_text(),
            )
        return wish.seconds
    if defaults.seconds is not None and defaults.seconds in model.durations:
        return defaults.seconds
    return model.default_duration


def _size(
    wish: MakeVideo, defaults: Defaults, model: Model, picture: Orientation | None
) -> tuple[Size, Orientation]:
    if wish.orientation is not None and wish.orientation not in model.orientations:
        raise Refusal(
            "orientation-not-allowed",
            asked=wish.orientation,
            model=model.name,
            allowed=", ".join(model.orientations),
        )
    if wish.size is not None:
        return _named_size(wish, defaults, model, picture)
    orientation = wish.orientation or _unsaid(defaults, model, picture)
    fitting = [size for size in model.sizes if size.orientation in (None, orientation)]
    return fitting[0], orientation


def _named_size(
    wish: MakeVideo, defaults: Defaults, model: Model, picture: Orientation | None
) -> tuple[Size, Orientation]:
    asked = (wish.size or "").lower().replace("*", "x").replace("\u00d7", "x")
    size = next((one for one in model.sizes if one.name.lower() == asked), None)
    if size is None:
        fitting = [
            one.name
            for one in model.sizes
            if one.orientation in (None, wish.orientation or one.orientation)
        ]
        raise Refusal(
            "size-not-allowed", asked=wish.size or "", model=model.name, allowed=", ".join(fitting)
        )
    if size.orientation is None:
        return size, wish.orientation or _unsaid(defaults, model, picture)
    if wish.orientation not in (None, size.orientation):
        raise Refusal(
            "size-against-orientation",
            size=size.name,
            really=size.orientation,
            asked=wish.orientation,
        )
    return size, size.orientation


def _unsaid(defaults: Defaults, model: Model, picture: Orientation | None) -> Orientation:
    """The orientation where none was named: the picture's, the person's own, the model's."""
    if picture in model.orientations and picture is not None:
        return picture
    for one in model.orientations:
        if one == defaults.orientation:
            return one
    return model.orientations[0]


def _style(wish: MakeVideo, model: Model) -> str | None:
    if wish.style is None:
        return None
    style = next((one for one in model.styles if one.lower() == wish.style.lower()), None)
    if style is None:
        if not model.styles:
            raise Refusal("style-not-possible", model=model.name)
        near = process.extractOne(wish.style, model.styles, score_cutoff=50)
        raise Refusal(
            "style-unknown",
            asked=wish.style,
            model=model.name,
            nearest=str(near[0]) if near else "",
            all=", ".join(model.styles),
        )
    return style


def _check_extras(wish: MakeVideo, model: Model) -> None:
    if wish.image is not None and model.images == 0:
        raise Refusal("image-not-possible", model=model.name)
    if wish.watermark is not None and not model.watermark:
        raise Refusal("watermark-not-possible", model=model.name)
    if wish.private is not None and not model.private:
        raise Refusal("private-not-possible", model=model.name)
