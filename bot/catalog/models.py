"""Models, their sizes, and the offers of providers. Pure data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from bot.domain.tasks import Order
from providers.types import Orientation


@dataclass(frozen=True, slots=True)
class UserDefaults:
    """A user's defaults for options that a request does not give."""

    model: str | None = None
    orientation: str | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider that serves a model under its own id, and what it supports of the model."""

    provider: str
    remote_model: str
    priority: int = 0
    cost_per_second: float = 0.0
    """Cost to the operator per second of video."""
    durations: tuple[int, ...] = ()
    sizes: tuple[str, ...] = ()
    orientations: tuple[Orientation, ...] = ()
    styles: tuple[str, ...] = ()
    images: int = 1
    watermark: bool = False
    private: bool = False
    storyboard: bool = False
    remix: bool = False
    prompt_limit: int = 4000
    passthrough: bool = False
    """The provider accepts any model id."""

    def can_make(self, order: Order) -> bool:
        """Whether the offer can make exactly this order."""
        return (
            order.seconds in self.durations
            and order.size in self.sizes
            and order.orientation in self.orientations
            and (order.style is None or order.style in self.styles)
            and (order.image is None or self.images > 0)
            and (order.watermark is None or self.watermark)
            and (order.private is None or self.private)
            and (not order.storyboard or self.storyboard)
            and (order.remix_of is None or self.remix)
            and len(order.prompt) <= self.prompt_limit
        )


OfferFilter = Callable[[Offer], bool]
"""Whether an offer can be used now."""


def any_offer(_offer: Offer) -> bool:
    """Accept every offer."""
    return True


@dataclass(frozen=True, slots=True)
class Size:
    """A size of a video; without an orientation it can be made in any."""

    name: str
    price_per_second: float
    orientation: Orientation | None = None
    width: int | None = None
    height: int | None = None
    aliases: tuple[str, ...] = ()
    durations: tuple[int, ...] = ()
    """The durations of the model that this size supports."""

    def matches_name(self, name: str) -> bool:
        """Whether the name, in lower case, is the size's name or an alias."""
        return name in {self.name.lower(), *(alias.lower() for alias in self.aliases)}


@dataclass(frozen=True, slots=True)
class Model:
    """What may be requested under one public name."""

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
    """Allowed orientations; the first one is the default."""
    images: int
    styles: tuple[str, ...]
    watermark: bool
    private: bool
    storyboard: bool
    remix: bool
    offers: tuple[Offer, ...]

    def is_available(self, now: float) -> bool:
        """Whether the model is enabled and not retired."""
        return self.enabled and (self.retires_at is None or now < self.retires_at)

    def durations_text(self) -> str:
        """Format the durations as `4, 8, 12` or `1-20`."""
        first, last = self.durations[0], self.durations[-1]
        if len(self.durations) > 3 and self.durations == tuple(range(first, last + 1)):
            return f"{first}-{last}"
        return ", ".join(str(seconds) for seconds in self.durations)

    def restricted_to(self, offer_filter: OfferFilter) -> Model | None:
        """Reduce the model to what the accepted offers support; None if no offer is accepted."""
        offers = tuple(offer for offer in self.offers if offer_filter(offer))
        if not offers:
            return None
        durations = tuple(
            value for value in self.durations if _any_offer_has(offers, "durations", value)
        )
        sizes = tuple(size for size in self.sizes if _any_offer_has(offers, "sizes", size.name))
        default = self.default_duration if self.default_duration in durations else durations[0]
        return replace(
            self,
            offers=offers,
            durations=durations,
            default_duration=default,
            sizes=sizes,
            orientations=tuple(
                value
                for value in self.orientations
                if _any_offer_has(offers, "orientations", value)
            ),
            styles=tuple(value for value in self.styles if _any_offer_has(offers, "styles", value)),
            images=max(offer.images for offer in offers),
            prompt_limit=max(offer.prompt_limit for offer in offers),
            watermark=any(offer.watermark for offer in offers),
            private=any(offer.private for offer in offers),
            storyboard=any(offer.storyboard for offer in offers),
            remix=any(offer.remix for offer in offers),
        )

    def price_range(self) -> tuple[float, float]:
        """Return the lowest and the highest price in credits per second."""
        rates = [size.price_per_second for size in self.sizes]
        return min(rates), max(rates)


def _any_offer_has(offers: Iterable[Offer], field: str, value: object) -> bool:
    return any(value in getattr(offer, field) for offer in offers)
