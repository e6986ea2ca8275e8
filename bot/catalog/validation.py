"""Validate the options of a request against a model and fill in defaults.

A `Refusal` names the invalid option, or the options that exclude each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import combinations, product

from rapidfuzz import process

from bot.catalog import pricing
from bot.catalog.models import Model, Offer, Size, UserDefaults
from bot.domain.commands import MakeVideo
from bot.domain.errors import Refusal
from bot.domain.tasks import Order
from providers.types import Orientation


def build_order(
    command: MakeVideo, defaults: UserDefaults, model: Model, image_orientation: Orientation | None
) -> tuple[Order, int]:
    """Return (order, price in credits). Raises `Refusal`."""
    candidates = _candidate_orders(command, defaults, model, image_orientation)
    chosen = next(
        (candidate for candidate in candidates if _offer_for(model, candidate[0]) is not None), None
    )
    if chosen is None:
        raise _conflicting_options(command, model)
    order, size = chosen
    return replace(order, image=None), pricing.video_price(size.price_per_second, order.seconds)


# --- single options ---------------------------------------------------------------------


def _check_prompt(command: MakeVideo, model: Model) -> str:
    prompt = command.prompt.strip()
    if not prompt:
        raise Refusal("prompt-empty")
    if len(prompt) > model.prompt_limit:
        raise Refusal(
            "prompt-too-long", count=len(prompt), limit=model.prompt_limit, model=model.name
        )
    return prompt


def _candidate_durations(command: MakeVideo, defaults: UserDefaults, model: Model) -> list[int]:
    """The requested duration, or all durations of the model, preferred ones first."""
    if command.seconds is None:
        defaults_first = [defaults.seconds or 0, model.default_duration]
        preferred = [seconds for seconds in defaults_first if seconds in model.durations]
        return list(dict.fromkeys([*preferred, *model.durations]))
    if command.seconds not in model.durations:
        raise Refusal(
            "duration-not-allowed",
            asked=command.seconds,
            model=model.name,
            allowed=model.durations_text(),
        )
    return [command.seconds]


def _candidate_shapes(
    command: MakeVideo, defaults: UserDefaults, model: Model, image_orientation: Orientation | None
) -> list[tuple[Size, Orientation]]:
    """The requested size and orientation, or all that the model has, preferred ones first."""
    if command.orientation is not None and command.orientation not in model.orientations:
        raise Refusal(
            "orientation-not-allowed",
            asked=command.orientation,
            model=model.name,
            allowed=", ".join(model.orientations),
        )
    sizes = model.sizes if command.size is None else _matching_sizes(command, model)
    orientations = (
        [command.orientation]
        if command.orientation
        else _preferred_orientations(defaults, model, image_orientation)
    )
    return [
        (size, orientation)
        for orientation in orientations
        for size in sizes
        if size.orientation in {None, orientation}
    ]


def _matching_sizes(command: MakeVideo, model: Model) -> list[Size]:
    requested = (command.size or "").lower().replace("*", "x").replace("\u00d7", "x")
    matching = [size for size in model.sizes if size.matches_name(requested)]
    if not matching:
        allowed_names = [
            size.name
            for size in model.sizes
            if size.orientation in (None, command.orientation or size.orientation)
        ]
        raise Refusal(
            "size-not-allowed",
            asked=command.size or "",
            model=model.name,
            allowed=", ".join(allowed_names),
        )
    fitting = [
        size
        for size in matching
        if size.orientation in (None, command.orientation or size.orientation)
    ]
    if not fitting:
        raise Refusal(
            "size-against-orientation",
            size=matching[0].name,
            really=matching[0].orientation or "",
            asked=command.orientation or "",
        )
    return fitting


def _preferred_orientations(
    defaults: UserDefaults, model: Model, image_orientation: Orientation | None
) -> list[Orientation]:
    """Order the orientations: that of the image, the user's default, then the model's order."""
    preferred = [
        orientation for orientation in model.orientations if orientation == image_orientation
    ]
    preferred += [
        orientation for orientation in model.orientations if orientation == defaults.orientation
    ]
    return list(dict.fromkeys([*preferred, *model.orientations]))


def _check_style(command: MakeVideo, model: Model) -> str | None:
    if command.style is None:
        return None
    style = next((name for name in model.styles if name.lower() == command.style.lower()), None)
    if style is None:
        if not model.styles:
            raise Refusal("style-not-possible", model=model.name)
        closest = process.extractOne(command.style, model.styles, score_cutoff=50)
        raise Refusal(
            "style-unknown",
            asked=command.style,
            model=model.name,
            nearest=str(closest[0]) if closest else "",
            all=", ".join(model.styles),
        )
    return style


def _check_features(command: MakeVideo, model: Model) -> None:
    if command.image is not None and model.images == 0:
        raise Refusal("image-not-possible", model=model.name)
    for key in ("watermark", "private", "storyboard"):
        if getattr(command, key) is not None and not getattr(model, key):
            raise Refusal(f"{key}-not-possible", model=model.name)


# --- combinations of options --------------------------------------------------------------


def _candidate_orders(
    command: MakeVideo, defaults: UserDefaults, model: Model, image_orientation: Orientation | None
) -> Iterator[tuple[Order, Size]]:
    """Yield every order that satisfies the options, best match with the defaults first."""
    prompt = _check_prompt(command, model)
    durations = _candidate_durations(command, defaults, model)
    shapes = _candidate_shapes(command, defaults, model, image_orientation)
    _check_features(command, model)
    style = _check_style(command, model)
    for (size, orientation), duration in product(shapes, durations):
        order = Order(
            model=model.name,
            prompt=prompt,
            seconds=duration,
            size=size.name,
            width=size.width,
            height=size.height,
            orientation=orientation,
            style=style,
            watermark=command.watermark,
            private=command.private,
            storyboard=command.storyboard,
            spoiler=command.spoiler,
            # A placeholder: only its presence matters here.
            image=None if command.image is None else "image",
        )
        yield order, size


def _offer_for(model: Model, order: Order) -> Offer | None:
    return next((offer for offer in model.offers if offer.can_make(order)), None)


_OPTION_LABELS = {
    "seconds": "--duration",
    "size": "--size",
    "orientation": "--{}",
    "style": "--style",
    "image": "--image",
    "watermark": "--watermark",
    "private": "--private",
    "storyboard": "--storyboard",
}


def _conflicting_options(command: MakeVideo, model: Model) -> Refusal:
    """Find the smallest set of options that no offer supports together, and what would help."""
    given = [key for key in _OPTION_LABELS if getattr(command, key) is not None]
    without_prompt = replace(command, prompt="-")
    prompt_limits = {offer.prompt_limit for _, offer in _possible_orders(without_prompt, model)}
    if prompt_limits:
        return Refusal(
            "prompt-too-long",
            count=len(command.prompt.strip()),
            limit=max(prompt_limits),
            model=" ".join([model.name, *(_option_text(key, command) for key in given)]),
        )
    conflict = next(
        subset
        for count in range(1, len(given) + 1)
        for subset in combinations(given, count)
        if not any(
            _possible_orders(_without_options(without_prompt, set(given) - set(subset)), model)
        )
    )
    removable = [
        key for key in conflict if any(_possible_orders(_without_options(command, {key}), model))
    ]
    durations = {
        order.seconds
        for order, _ in _possible_orders(_without_options(command, {"seconds"}), model)
    }
    return Refusal(
        "together-not-possible",
        model=model.name,
        wishes=", ".join(_option_text(key, command) for key in conflict),
        without=", ".join(_option_text(key, command) for key in removable),
        durations=", ".join(str(seconds) for seconds in sorted(durations)),
    )


def _possible_orders(command: MakeVideo, model: Model) -> Iterator[tuple[Order, Offer]]:
    """Yield every order that satisfies the options, with each offer that can make it."""
    orders = _candidate_orders(command, UserDefaults(), model, None)
    return (
        (order, offer) for order, _ in orders for offer in model.offers if offer.can_make(order)
    )


def _without_options(command: MakeVideo, keys: Collection[str]) -> MakeVideo:
    return replace(command, **dict.fromkeys(keys))  # type: ignore[arg-type]


def _option_text(key: str, command: MakeVideo) -> str:
    value = getattr(command, key)
    if key in {"seconds", "size", "style"}:
        return f"{_OPTION_LABELS[key]} {value}"
    if key == "watermark" and not value:
        return "--no-watermark"
    return _OPTION_LABELS[key].format(value)
