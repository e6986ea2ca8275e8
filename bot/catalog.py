"""Models: what may be asked for, at what price, from which provider, until when. Always data.

`bot/catalog.toml` has the built-in models of each provider kind; `CATALOG_FILE` has the same shape
and goes before it, model by model. `deploy/catalog.example.toml` explains every key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from itertools import combinations
from pathlib import Path
from typing import Any

from rapidfuzz import process

from bot.catalog_file import (
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
from bot.model import MakeVideo, Order, Refusal
from bot.offers import Defaults, Model, Offer, Size, Usable, always, orientation_of
from bot.wishes import fulfilled
from providers.base import Orientation

_EXACT = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """One state of the catalogue; never changed, only replaced as a whole."""

    models: tuple[Model, ...]
    by_name: Mapping[str, Model]

    @classmethod
    def of(cls, models: Iterable[Model]) -> _Snapshot:
        listed = tuple(models)
        names = {name.lower(): model for model in listed for name in (model.name, *model.aliases)}
        return cls(listed, names)


class Catalog:
    """All models that some configured provider serves.

    It may be read again while others look at it, in other threads too: they see all of the old
    state or all of the new one.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self._now = _Snapshot.of(models)
        self._file: Path | None = None
        self._kinds: Mapping[str, str] = {}
        self._stamp: object = None

    @classmethod
    def load(cls, file: Path | None, kinds: Mapping[str, str]) -> Catalog:
        """Built-in models, then those of the file. `kinds`: provider name -> its kind."""
        stamp = _stamp(file)
        catalog = cls(_read(file, kinds))
        catalog._file, catalog._kinds, catalog._stamp = file, dict(kinds), stamp
        return catalog

    def changed_on_disk(self) -> bool:
        """Whether the file is not the one that was read last; cheap."""
        return _stamp(self._file) != self._stamp

    def reload(self) -> bool:
        """Read the file again: whether anything is different now.

        Raises `CatalogError`, and stays as it was.
        """
        # Noted first, and also of a wrong file: one complaint for each change of it is enough.
        self._stamp = _stamp(self._file)
        fresh = _Snapshot.of(_read(self._file, self._kinds))
        changed = fresh.models != self._now.models
        self._now = fresh
        return changed

    def models(self, now: float, usable: Usable = always) -> tuple[Model, ...]:
        """What can be asked for now; the first one is the default."""
        asked = (model.by(usable) for model in self._now.models if model.can_be_asked_for(now))
        return tuple(model for model in asked if model is not None)

    def unavailable(self, now: float) -> tuple[Model, ...]:
        """Models that are switched off or retired."""
        return tuple(one for one in self._now.models if not one.can_be_asked_for(now))

    def default(self, now: float, usable: Usable = always) -> Model:
        """The model for those who name none."""
        found = self.models(now, usable)
        if not found:
            raise Refusal("models-none")
        return found[0]

    def find(self, name: str, now: float, usable: Usable = always) -> Model:
        """The model of this name or alias. Unknown ids pass where the catalogue says so."""
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
        """Who serves this model, whether or not it can still be asked for."""
        snapshot = self._now
        model = snapshot.by_name.get(name.lower())
        if model is not None:
            return model.offers
        through = next((one for one in snapshot.models if one.passthrough), None)
        passed = _passed_through(through, name) if through else None
        return passed.offers if passed else ()

    def lists(self, provider: str, remote_model: str) -> bool:
        """Whether an offer names this very model of a provider, rather than passing it on."""
        return any(
            (offer.provider, offer.model) == (provider, remote_model)
            for model in self._now.models
            for offer in model.offers
        )

    def offers_for(self, order: Order) -> tuple[Offer, ...]:
        """Who can make exactly this."""
        return tuple(offer for offer in self.offers(order.model) if offer.can_make(order))

    def complete(
        self,
        wish: MakeVideo,
        defaults: Defaults,
        now: float,
        picture: Orientation | None,
        usable: Usable = always,
    ) -> tuple[Order, int]:
        """Check every wish and make the order whole: (order, price in credits).

        `picture` is the orientation of the attached one. What was not asked for now gives way in
        silence where the model, or the other wishes, want it otherwise; a wish never does.
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
    """What tells one state of the file from another."""
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
    # The operator's own models come first: the first of all is the default.
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
    # What no configured provider serves is not there at all.
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
    """One for all sizes that are made in the same durations, so that each is made in all of its."""
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
    """Whether one of the sizes can stand so."""
    return any(size.orientation in {None, orientation} for size in sizes)


def _offer(provider: str, entry: OfferEntry, model: ModelEntry) -> Offer:
    """What it does not say for itself is as the model says."""

    def own(key: str) -> Any:  # noqa: ANN401 - as the key says
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
    """What would make an order that says one thing of its orientation and another of its size."""
    yield from _ambiguous(model.sizes)
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
        if not _stands(model.sizes, orientation):
            yield f"orientations: no size is {orientation}; leave it out or add one"
    for offer in entry.offers:
        found = list(_at_odds(offer, entry, model))
        if not found and not _offers("", offer, entry, model.sizes, model.orientations):
            found = ["durations: no size of it is made in one of them; write others or add a size"]
        yield from (f"offers: {offer.model}: {line}" for line in found)


def _ambiguous(sizes: Sequence[Size]) -> Iterable[str]:
    for one, other in combinations(sizes, 2):
        alike = one.orientation is None or other.orientation in {None, one.orientation}
        others = {alias.lower() for alias in other.aliases}
        for alias in one.aliases:
            if alike and alias.lower() in others:
                yield f"sizes: {alias} is an alias of {one.name} and of {other.name}; leave one out"


def _at_odds(offer: OfferEntry, entry: ModelEntry, model: Model) -> Iterable[str]:
    """What an offer says of its orientations that its model or its sizes do not bear out."""
    sizes = [size for size in model.sizes if size.name in _sizes_of(offer, entry)]
    for orientation in offer.orientations or ():
        if orientation not in model.orientations:
            yield f"orientations: the model has no {orientation}; add it there"
        elif not _stands(sizes, orientation):
            yield f"orientations: no size of it is {orientation}; leave it out or add one"
    if offer.sizes is None or offer.orientations is None:
        return
    for size in sizes:
        if size.orientation not in {None, *offer.orientations}:
            yield f"orientations: {size.name} is {size.orientation}; add that or leave the size out"


def _passed_through(model: Model, name: str) -> Model | None:
    """The model under a name that nobody knows, by those who take any; None: nobody does."""
    open_to_all = model.by(lambda offer: offer.passthrough)
    if open_to_all is None:
        return None
    offers = tuple(replace(offer, model=name) for offer in open_to_all.offers)
    return replace(open_to_all, name=name, title=name, aliases=(), offers=offers)
