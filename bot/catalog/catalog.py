"""The model catalogue: what users may request, at what price, from which provider."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from itertools import combinations
from pathlib import Path
from typing import Any

from rapidfuzz import process

from bot.catalog.catalog_file import (
    BUILT_IN,
    NAME,
    CatalogError,
    ModelEntry,
    OfferEntry,
    SizeEntry,
    check_entries,
    durations_of,
    offered_durations,
    origin,
    read_entries,
)
from bot.catalog.models import Defaults, Model, Offer, Size, Usable, always
from bot.catalog.validation import fulfilled
from bot.domain.commands import MakeVideo
from bot.domain.errors import Refusal
from bot.domain.tasks import Order, orientation_of
from providers.types import Orientation

_EXACT = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """An immutable version of the catalogue; a reload replaces it as a whole."""

    models: tuple[Model, ...]
    by_name: Mapping[str, Model]

    @classmethod
    def of(cls, models: Iterable[Model]) -> _Snapshot:
        listed = tuple(models)
        names = {name.lower(): model for model in listed for name in (model.name, *model.aliases)}
        return cls(listed, names)


class Catalog:
    """All models that a configured provider serves.

    It may be reloaded while other threads read it: they see either the old or the new version.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self._now = _Snapshot.of(models)
        self._file: Path | None = None
        self._kinds: Mapping[str, str] = {}
        self._stamp: object = None

    @classmethod
    def load(cls, file: Path | None, kinds: Mapping[str, str]) -> Catalog:
        """Read the built-in models and those of the file. `kinds`: provider name -> its kind.

        Raises `CatalogError`.
        """
        stamp = _stamp(file)
        catalog = cls(_read(file, kinds))
        catalog._file, catalog._kinds, catalog._stamp = file, dict(kinds), stamp
        return catalog

    def changed_on_disk(self) -> bool:
        """Whether the file has changed since it was last read; cheap."""
        return _stamp(self._file) != self._stamp

    def reload(self) -> bool:
        """Read the file again and return whether any model has changed.

        Raises `CatalogError`; the catalogue is then unchanged.
        """
        # Recorded before reading, so that an invalid file is reported once per change.
        self._stamp = _stamp(self._file)
        fresh = _Snapshot.of(_read(self._file, self._kinds))
        changed = fresh.models != self._now.models
        self._now = fresh
        return changed

    def models(self, now: float, usable: Usable = always) -> tuple[Model, ...]:
        """Models that can be requested now; the first one is the default."""
        asked = (model.by(usable) for model in self._now.models if model.can_be_asked_for(now))
        return tuple(model for model in asked if model is not None)

    def unavailable(self, now: float) -> tuple[Model, ...]:
        """Models that are disabled or retired."""
        return tuple(one for one in self._now.models if not one.can_be_asked_for(now))

    def default(self, now: float, usable: Usable = always) -> Model:
        """The model for requests that do not name one. Raises `Refusal` if there is no model."""
        found = self.models(now, usable)
        if not found:
            raise Refusal("models-none")
        return found[0]

    def find(self, name: str, now: float, usable: Usable = always) -> Model:
        """Find a model by name or alias; a passthrough model matches any name. Raises `Refusal`."""
        snapshot = self._now
        model = snapshot.by_name.get(name.strip().lower())
        if model is None:
            model = self._through(snapshot, name.strip(), now)
        if model is None:
            names = [one.name for one in self.models(now, usable)]
            if not names:
                raise Refusal("models-none")
            near = process.extract(name, names, limit=3, score_cutoff=50)
            nearest = ", ".join(str(found[0]) for found in near)
            raise Refusal("model-unknown", name=name, nearest=nearest, all=", ".join(names))
        everything = ", ".join(one.name for one in self.models(now, usable))
        if not model.can_be_asked_for(now):
            raise Refusal("model-retired", name=model.name, all=everything)
        found = model.by(usable)
        if found is None:
            raise Refusal("model-off", name=model.name, all=everything or "none")
        return found

    @staticmethod
    def _through(snapshot: _Snapshot, name: str, now: float) -> Model | None:
        models = (one for one in snapshot.models if one.passthrough and one.can_be_asked_for(now))
        through = next(models, None)
        return _passed_through(through, name) if through and re.match(NAME, name) else None

    def offers(self, name: str) -> tuple[Offer, ...]:
        """All offers of this model, even if it can no longer be requested."""
        snapshot = self._now
        model = snapshot.by_name.get(name.lower())
        if model is not None:
            return model.offers
        through = next((one for one in snapshot.models if one.passthrough), None)
        passed = _passed_through(through, name) if through else None
        return passed.offers if passed else ()

    def lists(self, provider: str, remote_model: str) -> bool:
        """Whether an offer names exactly this model of a provider; passthrough does not count."""
        return any(
            (offer.provider, offer.model) == (provider, remote_model)
            for model in self._now.models
            for offer in model.offers
        )

    def offers_for(self, order: Order) -> tuple[Offer, ...]:
        """The offers that can make exactly this order."""
        return tuple(offer for offer in self.offers(order.model) if offer.can_make(order))

    def complete(
        self,
        wish: MakeVideo,
        defaults: Defaults,
        now: float,
        picture: Orientation | None,
        usable: Usable = always,
    ) -> tuple[Order, int]:
        """Validate the options and fill in defaults. Returns (order, price in credits).

        `picture` is the orientation of the attached picture. Defaults yield to the model and to
        the options given; an option given is never changed. Raises `Refusal`.
        """
        return fulfilled(wish, defaults, self._wanted(wish, defaults, now, usable), picture)

    def _wanted(self, wish: MakeVideo, defaults: Defaults, now: float, usable: Usable) -> Model:
        if wish.model is not None:
            return self.find(wish.model, now, usable)
        if defaults.model is not None:
            try:
                return self.find(defaults.model, now, usable)
            except Refusal:
                return self.default(now, usable)
        return self.default(now, usable)


# --- reading -----------------------------------------------------------------------------


def _stamp(file: Path | None) -> object:
    """A value that changes when the file changes."""
    try:
        seen = file.stat() if file else None
    except OSError:
        return "not there"
    return seen and (seen.st_mtime_ns, seen.st_size, seen.st_ino)


def _read(file: Path | None, kinds: Mapping[str, str]) -> list[Model]:
    entries = {entry.name: entry for entry in read_entries(BUILT_IN)}
    own = read_entries(file) if file else ()
    entries |= {entry.name: entry for entry in own}
    check_entries(entries.values(), own, file, kinds)
    # The operator's own models come first: the first model is the default.
    names = [entry.name for entry in own]
    names += [name for name in entries if name not in names]
    models = [_model(entries[name], kinds) for name in names]
    lines = [
        f"{origin(entries[model.name], own, file)}: {problem}"
        for model in models
        for problem in _contradictions(model, entries[model.name])
    ]
    if lines:
        raise CatalogError(lines)
    # Models without a configured provider are left out.
    return [found for model in models if (found := model.by(always)) is not None]


# --- from entries to models ---------------------------------------------------------------


def _model(entry: ModelEntry, kinds: Mapping[str, str]) -> Model:
    seconds = durations_of(entry)
    sizes = tuple(_sized(size, seconds) for size in entry.sizes)
    orientations = _orientations(entry, sizes)
    offers = [
        made
        for offer in entry.offers
        for name, kind in kinds.items()
        if name == offer.provider or kind == offer.kind
        for made in _offers(name, offer, entry, sizes, orientations)
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
        orientations=orientations,
        images=entry.images,
        styles=entry.styles,
        watermark=entry.watermark,
        private=entry.private,
        storyboard=entry.storyboard,
        remix=entry.remix,
        offers=tuple(offers),
    )


def _offers(
    provider: str,
    entry: OfferEntry,
    model: ModelEntry,
    sizes: Sequence[Size],
    orientations: tuple[Orientation, ...],
) -> list[Offer]:
    """Build one offer per set of durations; it makes each of its sizes in all its durations."""
    whole = _offer(provider, entry, model)
    seconds, standing = offered_durations(entry, model), entry.orientations or orientations
    alike: dict[tuple[int, ...], list[Size]] = {}
    for size in sizes:
        if size.name in _sizes_of(entry, model) and size.orientation in {None, *standing}:
            made = tuple(one for one in seconds if one in size.durations)
            alike.setdefault(made, []).append(size)
    return [
        replace(
            whole,
            durations=made,
            sizes=tuple(size.name for size in those),
            orientations=tuple(one for one in standing if _stands(those, one)),
        )
        for made, those in alike.items()
        if made
    ]


def _sizes_of(entry: OfferEntry, model: ModelEntry) -> tuple[str, ...]:
    return entry.sizes or tuple(size.name for size in model.sizes)


def _stands(sizes: Iterable[Size], orientation: Orientation) -> bool:
    """Whether one of the sizes can have this orientation."""
    return any(size.orientation in {None, orientation} for size in sizes)


def _offer(provider: str, entry: OfferEntry, model: ModelEntry) -> Offer:
    """Build an offer; keys that the entry does not set are inherited from the model."""

    def own(key: str) -> Any:  # noqa: ANN401 - the type depends on the key
        said = getattr(entry, key)
        return getattr(model, key) if said is None else said

    return Offer(
        provider=provider,
        model=entry.model,
        priority=entry.priority,
        cost=entry.cost,
        styles=own("styles"),
        images=own("images"),
        watermark=own("watermark"),
        private=own("private"),
        storyboard=own("storyboard"),
        remix=own("remix"),
        prompt_limit=own("prompt_limit"),
        passthrough=own("passthrough"),
    )


def _midnight(day: date | None) -> float | None:
    return None if day is None else datetime.combine(day, time.min, UTC).timestamp()


def _sized(entry: SizeEntry, seconds: tuple[int, ...]) -> Size:
    width, height = entry.width, entry.height
    exact = _EXACT.fullmatch(entry.name)
    if exact is not None and width is None:
        width, height = int(exact[1]), int(exact[2])
    orientation = entry.orientation
    if orientation is None and width and height:
        orientation = orientation_of(width, height)
    own = seconds if entry.durations is None else entry.durations
    return Size(entry.name, entry.price, orientation, width, height, entry.aliases, own)


def _orientations(entry: ModelEntry, sizes: Sequence[Size]) -> tuple[Orientation, ...]:
    if entry.orientations:
        return entry.orientations
    found: list[Orientation] = []
    for size in sizes:
        found += [size.orientation] if size.orientation else ["landscape", "portrait"]
    return tuple(dict.fromkeys(found))


def _contradictions(model: Model, entry: ModelEntry) -> Iterable[str]:
    """Yield problems that would let an order's size contradict its orientation."""
    yield from _ambiguous(model.sizes)
    for size in model.sizes:
        if (
            size.width
            and size.height
            and size.orientation != orientation_of(size.width, size.height)
        ):
            yield f"sizes: {size.name} is not {size.orientation}; remove its orientation"
        if size.orientation not in {None, *model.orientations}:
            yield f"orientations: {size.name} is {size.orientation}; add it or remove the size"
    for orientation in model.orientations:
        if not _stands(model.sizes, orientation):
            yield f"orientations: no size is {orientation}; remove it or add such a size"
    for offer in entry.offers:
        found = list(_at_odds(offer, entry, model))
        if not found and not _offers("", offer, entry, model.sizes, model.orientations):
            found = ["durations: none of its sizes has one of them; change them or add a size"]
        yield from (f"offers: {offer.model}: {line}" for line in found)


def _ambiguous(sizes: Sequence[Size]) -> Iterable[str]:
    for one, other in combinations(sizes, 2):
        alike = one.orientation is None or other.orientation in {None, one.orientation}
        others = {alias.lower() for alias in other.aliases}
        for alias in one.aliases:
            if alike and alias.lower() in others:
                yield f"sizes: {alias} is an alias of both {one.name} and {other.name}; remove one"


def _at_odds(offer: OfferEntry, entry: ModelEntry, model: Model) -> Iterable[str]:
    """Yield orientations of an offer that contradict its model or its sizes."""
    sizes = [size for size in model.sizes if size.name in _sizes_of(offer, entry)]
    for orientation in offer.orientations or ():
        if orientation not in model.orientations:
            yield f"orientations: the model has no {orientation}; add it there"
        elif not _stands(sizes, orientation):
            yield f"orientations: none of its sizes is {orientation}; remove it or add such a size"
    if offer.sizes is None or offer.orientations is None:
        return
    for size in sizes:
        if size.orientation not in {None, *offer.orientations}:
            yield f"orientations: {size.name} is {size.orientation}; add it or remove the size"


def _passed_through(model: Model, name: str) -> Model | None:
    """The model under an unknown name, limited to offers that pass names on; None without such."""
    open_to_all = model.by(lambda offer: offer.passthrough)
    if open_to_all is None:
        return None
    offers = tuple(replace(offer, model=name) for offer in open_to_all.offers)
    return replace(open_to_all, name=name, title=name, aliases=(), offers=offers)
