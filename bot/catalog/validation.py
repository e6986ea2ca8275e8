"""Validate the options of a request against a model and fill in defaults.

A `Refusal` names the invalid option, or the options that exclude each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import combinations, product

from rapidfuzz import process

from bot.catalog import pricing
from bot.catalog.models import Defaults, Model, Offer, Size
from bot.domain.commands import MakeVideo
from bot.domain.errors import Refusal
from bot.domain.tasks import Order
from providers.types import Orientation


def fulfilled(
    wish: MakeVideo, defaults: Defaults, model: Model, picture: Orientation | None
) -> tuple[Order, int]:
    """Return (order, price in credits). Raises `Refusal`."""
    orders = _orders(wish, defaults, model, picture)
    found = next((it for it in orders if _maker(model, it[0]) is not None), None)
    if found is None:
        raise _not_together(wish, model)
    order, size = found
    return replace(order, image=None), pricing.price(size.price_per_second, order.seconds)


# --- single options ---------------------------------------------------------------------


def _prompt(wish: MakeVideo, model: Model) -> str:
    prompt = wish.prompt.strip()
    if not prompt:
        raise Refusal("prompt-empty")
    if len(prompt) > model.prompt_limit:
        raise Refusal(
            "prompt-too-long", count=len(prompt), limit=model.prompt_limit, model=model.name
        )
    return prompt


def _seconds(wish: MakeVideo, defaults: Defaults, model: Model) -> list[int]:
    """The requested duration, or all durations of the model, preferred ones first."""
    if wish.seconds is None:
        first = [defaults.seconds or 0, model.default_duration]
        liked = [one for one in first if one in model.durations]
        return list(dict.fromkeys([*liked, *model.durations]))
    if wish.seconds not in model.durations:
        raise Refusal(
            "duration-not-allowed",
            asked=wish.seconds,
            model=model.name,
            allowed=model.durations_text(),
        )
    return [wish.seconds]


def _shapes(
    wish: MakeVideo, defaults: Defaults, model: Model, picture: Orientation | None
) -> list[tuple[Size, Orientation]]:
    """The requested size and orientation, or all that the model has, preferred ones first."""
    if wish.orientation is not None and wish.orientation not in model.orientations:
        raise Refusal(
            "orientation-not-allowed",
            asked=wish.orientation,
            model=model.name,
            allowed=", ".join(model.orientations),
        )
    sizes = model.sizes if wish.size is None else _named_sizes(wish, model)
    liked = [wish.orientation] if wish.orientation else _liked(defaults, model, picture)
    return [(size, one) for one in liked for size in sizes if size.orientation in {None, one}]


def _named_sizes(wish: MakeVideo, model: Model) -> list[Size]:
    asked = (wish.size or "").lower().replace("*", "x").replace("\u00d7", "x")
    named = [size for size in model.sizes if size.is_called(asked)]
    if not named:
        fitting = [
            one.name
            for one in model.sizes
            if one.orientation in (None, wish.orientation or one.orientation)
        ]
        raise Refusal(
            "size-not-allowed", asked=wish.size or "", model=model.name, allowed=", ".join(fitting)
        )
    fitting_sizes = [
        size for size in named if size.orientation in (None, wish.orientation or size.orientation)
    ]
    if not fitting_sizes:
        raise Refusal(
            "size-against-orientation",
            size=named[0].name,
            really=named[0].orientation or "",
            asked=wish.orientation or "",
        )
    return fitting_sizes


def _liked(defaults: Defaults, model: Model, picture: Orientation | None) -> list[Orientation]:
    """Order the orientations: that of the picture, the user's default, then the model's order."""
    first = [one for one in model.orientations if one == picture]
    first += [one for one in model.orientations if one == defaults.orientation]
    return list(dict.fromkeys([*first, *model.orientations]))


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
    for key in ("watermark", "private", "storyboard"):
        if getattr(wish, key) is not None and not getattr(model, key):
            raise Refusal(f"{key}-not-possible", model=model.name)


# --- combinations of options --------------------------------------------------------------


def _orders(
    wish: MakeVideo, defaults: Defaults, model: Model, picture: Orientation | None
) -> Iterator[tuple[Order, Size]]:
    """Yield every order that satisfies the options, best match with the defaults first."""
    prompt = _prompt(wish, model)
    seconds = _seconds(wish, defaults, model)
    shapes = _shapes(wish, defaults, model, picture)
    _check_extras(wish, model)
    style = _style(wish, model)
    for (size, orientation), duration in product(shapes, seconds):
        order = Order(
            model=model.name,
            prompt=prompt,
            seconds=duration,
            size=size.name,
            width=size.width,
            height=size.height,
            orientation=orientation,
            style=style,
            watermark=wish.watermark,
            private=wish.private,
            storyboard=wish.storyboard,
            spoiler=wish.spoiler,
            # A placeholder: only its presence matters here.
            image=None if wish.image is None else "picture",
        )
        yield order, size


def _maker(model: Model, order: Order) -> Offer | None:
    return next((offer for offer in model.offers if offer.can_make(order)), None)


_NAMED = {
    "seconds": "--duration",
    "size": "--size",
    "orientation": "--{}",
    "style": "--style",
    "image": "--image",
    "watermark": "--watermark",
    "private": "--private",
    "storyboard": "--storyboard",
}


def _not_together(wish: MakeVideo, model: Model) -> Refusal:
    """Find the smallest set of options that no offer supports together, and what would help."""
    named = [key for key in _NAMED if getattr(wish, key) is not None]
    brief = replace(wish, prompt="-")
    shorter = {offer.prompt_limit for _, offer in _made(brief, model)}
    if shorter:
        return Refusal(
            "prompt-too-long",
            count=len(wish.prompt.strip()),
            limit=max(shorter),
            model=" ".join([model.name, *(_called(key, wish) for key in named)]),
        )
    clash = next(
        some
        for count in range(1, len(named) + 1)
        for some in combinations(named, count)
        if not any(_made(_without(brief, set(named) - set(some)), model))
    )
    helpful = [key for key in clash if any(_made(_without(wish, {key}), model))]
    durations = {order.seconds for order, _ in _made(_without(wish, {"seconds"}), model)}
    return Refusal(
        "together-not-possible",
        model=model.name,
        wishes=", ".join(_called(key, wish) for key in clash),
        without=", ".join(_called(key, wish) for key in helpful),
        durations=", ".join(str(one) for one in sorted(durations)),
    )


def _made(wish: MakeVideo, model: Model) -> Iterator[tuple[Order, Offer]]:
    """Yield every order that satisfies the options, with each offer that can make it."""
    orders = _orders(wish, Defaults(), model, None)
    return ((it, offer) for it, _ in orders for offer in model.offers if offer.can_make(it))


def _without(wish: MakeVideo, keys: Collection[str]) -> MakeVideo:
    return replace(wish, **dict.fromkeys(keys))  # type: ignore[arg-type]


def _called(key: str, wish: MakeVideo) -> str:
    value = getattr(wish, key)
    if key in {"seconds", "size", "style"}:
        return f"{_NAMED[key]} {value}"
    if key == "watermark" and not value:
        return "--no-watermark"
    return _NAMED[key].format(value)
