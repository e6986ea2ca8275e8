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
    BUILT_IN_FILE,
    MODEL_NAME_PATTERN,
    CatalogError,
    ModelEntry,
    OfferEntry,
    SizeEntry,
    check_entries,
    durations_of,
    entry_location,
    offered_durations,
    read_entries,
)
from bot.catalog.models import Model, Offer, OfferFilter, Size, UserDefaults, any_offer
from bot.catalog.validation import build_order
from bot.domain.commands import MakeVideo
from bot.domain.errors import Refusal
from bot.domain.tasks import Order, orientation_of
from providers.types import Orientation

_EXACT_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """An immutable version of the catalogue; a reload replaces it as a whole."""

    models: tuple[Model, ...]
    by_name: Mapping[str, Model]

    @classmethod
    def of(cls, models: Iterable[Model]) -> _Snapshot:
        ordered = tuple(models)
        by_name = {
            name.lower(): model for model in ordered for name in (model.name, *model.aliases)
        }
        return cls(ordered, by_name)


class Catalog:
    """All models that a configured provider serves.

    It may be reloaded while other threads read it: they see either the old or the new version.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self._snapshot = _Snapshot.of(models)
        self._file: Path | None = None
        self._kinds: Mapping[str, str] = {}
        self._fingerprint: object = None

    @classmethod
    def load(cls, file: Path | None, kinds: Mapping[str, str]) -> Catalog:
        """Read the built-in models and those of the file. `kinds`: provider name -> its kind.

        Raises `CatalogError`.
        """
        fingerprint = _file_fingerprint(file)
        catalog = cls(_read_models(file, kinds))
        catalog._file, catalog._kinds, catalog._fingerprint = file, dict(kinds), fingerprint
        return catalog

    def has_changed_on_disk(self) -> bool:
        """Whether the file has changed since it was last read; cheap."""
        return _file_fingerprint(self._file) != self._fingerprint

    def reload(self) -> bool:
        """Read the file again and return whether any model has changed.

        Raises `CatalogError`; the catalogue is then unchanged.
        """
        # Recorded before reading, so that an invalid file is reported once per change.
        self._fingerprint = _file_fingerprint(self._file)
        fresh = _Snapshot.of(_read_models(self._file, self._kinds))
        changed = fresh.models != self._snapshot.models
        self._snapshot = fresh
        return changed

    def available_models(
        self, now: float, offer_filter: OfferFilter = any_offer
    ) -> tuple[Model, ...]:
        """Models that can be requested now; the first one is the default."""
        restricted = (
            model.restricted_to(offer_filter)
            for model in self._snapshot.models
            if model.is_available(now)
        )
        return tuple(model for model in restricted if model is not None)

    def unavailable_models(self, now: float) -> tuple[Model, ...]:
        """Models that are disabled or retired."""
        return tuple(model for model in self._snapshot.models if not model.is_available(now))

    def default_model(self, now: float, offer_filter: OfferFilter = any_offer) -> Model:
        """The model for requests that do not name one. Raises `Refusal` if there is no model."""
        models = self.available_models(now, offer_filter)
        if not models:
            raise Refusal("models-none")
        return models[0]

    def find(self, name: str, now: float, offer_filter: OfferFilter = any_offer) -> Model:
        """Find a model by name or alias; a passthrough model matches any name. Raises `Refusal`."""
        snapshot = self._snapshot
        model = snapshot.by_name.get(name.strip().lower())
        if model is None:
            model = self._passthrough_model(snapshot, name.strip(), now)
        if model is None:
            names = [available.name for available in self.available_models(now, offer_filter)]
            if not names:
                raise Refusal("models-none")
            matches = process.extract(name, names, limit=3, score_cutoff=50)
            nearest = ", ".join(str(match[0]) for match in matches)
            raise Refusal("model-unknown", name=name, nearest=nearest, all=", ".join(names))
        all_names = ", ".join(
            available.name for available in self.available_models(now, offer_filter)
        )
        if not model.is_available(now):
            raise Refusal("model-retired", name=model.name, all=all_names)
        restricted = model.restricted_to(offer_filter)
        if restricted is None:
            raise Refusal("model-off", name=model.name, all=all_names or "none")
        return restricted

    @staticmethod
    def _passthrough_model(snapshot: _Snapshot, name: str, now: float) -> Model | None:
        models = (
            model for model in snapshot.models if model.passthrough and model.is_available(now)
        )
        passthrough = next(models, None)
        if passthrough is None or not re.match(MODEL_NAME_PATTERN, name):
            return None
        return _as_passthrough(passthrough, name)

    def offers(self, name: str) -> tuple[Offer, ...]:
        """All offers of this model, even if it can no longer be requested."""
        snapshot = self._snapshot
        model = snapshot.by_name.get(name.lower())
        if model is not None:
            return model.offers
        passthrough = next(
            (candidate for candidate in snapshot.models if candidate.passthrough), None
        )
        renamed = _as_passthrough(passthrough, name) if passthrough else None
        return renamed.offers if renamed else ()

    def has_offer(self, provider: str, remote_model: str) -> bool:
        """Whether an offer names exactly this model of a provider; passthrough does not count."""
        return any(
            (offer.provider, offer.remote_model) == (provider, remote_model)
            for model in self._snapshot.models
            for offer in model.offers
        )

    def offers_for(self, order: Order) -> tuple[Offer, ...]:
        """The offers that can make exactly this order."""
        return tuple(offer for offer in self.offers(order.model) if offer.can_make(order))

    def build_order(
        self,
        command: MakeVideo,
        defaults: UserDefaults,
        now: float,
        image_orientation: Orientation | None,
        offer_filter: OfferFilter = any_offer,
    ) -> tuple[Order, int]:
        """Validate the options and fill in defaults. Returns (order, price in credits).

        `image_orientation` is that of the attached image. Defaults yield to the model and to
        the options given; an option given is never changed. Raises `Refusal`.
        """
        return build_order(
            command,
            defaults,
            self._requested_model(command, defaults, now, offer_filter),
            image_orientation,
        )

    def _requested_model(
        self, command: MakeVideo, defaults: UserDefaults, now: float, offer_filter: OfferFilter
    ) -> Model:
        if command.model is not None:
            return self.find(command.model, now, offer_filter)
        if defaults.model is not None:
            try:
                return self.find(defaults.model, now, offer_filter)
            except Refusal:
                return self.default_model(now, offer_filter)
        return self.default_model(now, offer_filter)


# --- reading -----------------------------------------------------------------------------


def _file_fingerprint(file: Path | None) -> object:
    """A value that changes when the file changes."""
    try:
        stat = file.stat() if file else None
    except OSError:
        return "not there"
    return stat and (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _read_models(file: Path | None, kinds: Mapping[str, str]) -> list[Model]:
    entries = {entry.name: entry for entry in read_entries(BUILT_IN_FILE)}
    custom = read_entries(file) if file else ()
    entries |= {entry.name: entry for entry in custom}
    check_entries(entries.values(), custom, file, kinds)
    # The operator's own models come first: the first model is the default.
    names = [entry.name for entry in custom]
    names += [name for name in entries if name not in names]
    models = [_build_model(entries[name], kinds) for name in names]
    lines = [
        f"{entry_location(entries[model.name], custom, file)}: {problem}"
        for model in models
        for problem in _contradictions(model, entries[model.name])
    ]
    if lines:
        raise CatalogError(lines)
    # Models without a configured provider are left out.
    return [
        restricted for model in models if (restricted := model.restricted_to(any_offer)) is not None
    ]


# --- from entries to models ---------------------------------------------------------------


def _build_model(entry: ModelEntry, kinds: Mapping[str, str]) -> Model:
    seconds = durations_of(entry)
    sizes = tuple(_build_size(size, seconds) for size in entry.sizes)
    orientations = _model_orientations(entry, sizes)
    offers = [
        built
        for offer in entry.offers
        for name, kind in kinds.items()
        if name == offer.provider or kind == offer.kind
        for built in _build_offers(name, offer, entry, sizes, orientations)
    ]
    return Model(
        name=entry.name,
        title=entry.title or entry.name,
        aliases=entry.aliases,
        enabled=entry.enabled,
        retires_at=_utc_midnight(entry.retire_at),
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


def _build_offers(
    provider: str,
    entry: OfferEntry,
    model: ModelEntry,
    sizes: Sequence[Size],
    orientations: tuple[Orientation, ...],
) -> list[Offer]:
    """Build one offer per set of durations; it makes each of its sizes in all its durations."""
    full_offer = _build_offer(provider, entry, model)
    possible_durations = offered_durations(entry, model)
    possible_orientations = entry.orientations or orientations
    sizes_by_durations: dict[tuple[int, ...], list[Size]] = {}
    for size in sizes:
        if size.name not in _offered_sizes(entry, model):
            continue
        if size.orientation in {None, *possible_orientations}:
            durations = tuple(
                seconds for seconds in possible_durations if seconds in size.durations
            )
            sizes_by_durations.setdefault(durations, []).append(size)
    return [
        replace(
            full_offer,
            durations=durations,
            sizes=tuple(size.name for size in grouped_sizes),
            orientations=tuple(
                orientation
                for orientation in possible_orientations
                if _supports_orientation(grouped_sizes, orientation)
            ),
        )
        for durations, grouped_sizes in sizes_by_durations.items()
        if durations
    ]


def _offered_sizes(entry: OfferEntry, model: ModelEntry) -> tuple[str, ...]:
    return entry.sizes or tuple(size.name for size in model.sizes)


def _supports_orientation(sizes: Iterable[Size], orientation: Orientation) -> bool:
    """Whether one of the sizes can have this orientation."""
    return any(size.orientation in {None, orientation} for size in sizes)


def _build_offer(provider: str, entry: OfferEntry, model: ModelEntry) -> Offer:
    """Build an offer; keys that the entry does not set are inherited from the model."""

    def inherited(key: str) -> Any:  # noqa: ANN401 - the type depends on the key
        value = getattr(entry, key)
        return getattr(model, key) if value is None else value

    return Offer(
        provider=provider,
        remote_model=entry.model,
        priority=entry.priority,
        cost_per_second=entry.cost,
        styles=inherited("styles"),
        images=inherited("images"),
        watermark=inherited("watermark"),
        private=inherited("private"),
        storyboard=inherited("storyboard"),
        remix=inherited("remix"),
        prompt_limit=inherited("prompt_limit"),
        passthrough=inherited("passthrough"),
    )


def _utc_midnight(day: date | None) -> float | None:
    return None if day is None else datetime.combine(day, time.min, UTC).timestamp()


def _build_size(entry: SizeEntry, seconds: tuple[int, ...]) -> Size:
    width, height = entry.width, entry.height
    match = _EXACT_SIZE.fullmatch(entry.name)
    if match is not None and width is None:
        width, height = int(match[1]), int(match[2])
    orientation = entry.orientation
    if orientation is None and width and height:
        orientation = orientation_of(width, height)
    durations = seconds if entry.durations is None else entry.durations
    return Size(entry.name, entry.price, orientation, width, height, entry.aliases, durations)


def _model_orientations(entry: ModelEntry, sizes: Sequence[Size]) -> tuple[Orientation, ...]:
    if entry.orientations:
        return entry.orientations
    orientations: list[Orientation] = []
    for size in sizes:
        orientations += [size.orientation] if size.orientation else ["landscape", "portrait"]
    return tuple(dict.fromkeys(orientations))


def _contradictions(model: Model, entry: ModelEntry) -> Iterable[str]:
    """Yield problems that would let an order's size contradict its orientation."""
    yield from _ambiguous_aliases(model.sizes)
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
        if not _supports_orientation(model.sizes, orientation):
            yield f"orientations: no size is {orientation}; remove it or add such a size"
    for offer in entry.offers:
        problems = list(_offer_contradictions(offer, entry, model))
        if not problems and not _build_offers("", offer, entry, model.sizes, model.orientations):
            problems = ["durations: none of its sizes has one of them; change them or add a size"]
        yield from (f"offers: {offer.model}: {problem}" for problem in problems)


def _ambiguous_aliases(sizes: Sequence[Size]) -> Iterable[str]:
    for size, other in combinations(sizes, 2):
        may_conflict = size.orientation is None or other.orientation in {None, size.orientation}
        other_aliases = {alias.lower() for alias in other.aliases}
        for alias in size.aliases:
            if may_conflict and alias.lower() in other_aliases:
                yield f"sizes: {alias} is an alias of both {size.name} and {other.name}; remove one"


def _offer_contradictions(offer: OfferEntry, entry: ModelEntry, model: Model) -> Iterable[str]:
    """Yield orientations of an offer that contradict its model or its sizes."""
    sizes = [size for size in model.sizes if size.name in _offered_sizes(offer, entry)]
    for orientation in offer.orientations or ():
        if orientation not in model.orientations:
            yield f"orientations: the model has no {orientation}; add it there"
        elif not _supports_orientation(sizes, orientation):
            yield f"orientations: none of its sizes is {orientation}; remove it or add such a size"
    if offer.sizes is None or offer.orientations is None:
        return
    for size in sizes:
        if size.orientation not in {None, *offer.orientations}:
            yield f"orientations: {size.name} is {size.orientation}; add it or remove the size"


def _as_passthrough(model: Model, name: str) -> Model | None:
    """The model under an unknown name, limited to offers that pass names on; None without such."""
    passthrough = model.restricted_to(lambda offer: offer.passthrough)
    if passthrough is None:
        return None
    offers = tuple(replace(offer, remote_model=name) for offer in passthrough.offers)
    return replace(passthrough, name=name, title=name, aliases=(), offers=offers)
