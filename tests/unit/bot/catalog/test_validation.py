"""Options of a request: applied or refused with what is allowed, never changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalog.catalog import Catalog
from bot.catalog.models import UserDefaults
from bot.domain.commands import MakeVideo
from bot.domain.errors import Refusal
from bot.domain.tasks import Order
from providers.types import Orientation
from tests.support.catalog_files import NOW, complete

REFUSED = [
    (MakeVideo(" \n"), "prompt-empty", {}),
    (MakeVideo("x" * 21), "prompt-too-long", {"count": 21, "limit": 20, "model": "all"}),
    (
        MakeVideo("x", seconds=8),
        "duration-not-allowed",
        {"asked": 8, "model": "all", "allowed": "5, 10"},
    ),
    (
        MakeVideo("x", model="sandbox", seconds=21),
        "duration-not-allowed",
        {"asked": 21, "model": "sandbox", "allowed": "1-20"},
    ),
    (
        MakeVideo("x", size="huge"),
        "size-not-allowed",
        {"asked": "huge", "model": "all", "allowed": "small, LARGE, 720x1280, 1000x1000"},
    ),
    (
        MakeVideo("x", size="huge", orientation="landscape"),
        "size-not-allowed",
        {"asked": "huge", "model": "all", "allowed": "small, LARGE"},
    ),
    (
        MakeVideo("x", size="720x1280", orientation="landscape"),
        "size-against-orientation",
        {"size": "720x1280", "really": "portrait", "asked": "landscape"},
    ),
    (
        MakeVideo("x", model="bare", orientation="portrait"),
        "orientation-not-allowed",
        {"asked": "portrait", "model": "bare", "allowed": "landscape"},
    ),
    (
        MakeVideo("x", style="animee"),
        "style-unknown",
        {"asked": "animee", "model": "all", "nearest": "anime", "all": "anime, Comic"},
    ),
    (MakeVideo("x", model="bare", style="anime"), "style-not-possible", {"model": "bare"}),
    (MakeVideo("x", model="bare", image=Path("a")), "image-not-possible", {"model": "bare"}),
    (MakeVideo("x", model="bare", watermark=True), "watermark-not-possible", {"model": "bare"}),
    (MakeVideo("x", model="bare", watermark=False), "watermark-not-possible", {"model": "bare"}),
    (MakeVideo("x", model="bare", private=True), "private-not-possible", {"model": "bare"}),
]


_WISHES = st.builds(
    MakeVideo,
    prompt=st.text(max_size=25),
    model=st.sampled_from([None, "all", "bare", "sora-2", "sora-2-pro", "sandbox", "any/Model-1"]),
    seconds=st.none() | st.integers(0, 30),
    orientation=st.sampled_from([None, "portrait", "landscape", "square"]),
    size=st.sampled_from([None, "small", "720x1280", "1280x720", "1792x1024", "x"]),
    style=st.sampled_from([None, "anime", "y"]),
    watermark=st.sampled_from([None, True, False]),
    private=st.sampled_from([None, True]),
    image=st.sampled_from([None, Path("a.png")]),
)


_DEFAULTS = st.builds(
    UserDefaults,
    model=st.sampled_from([None, "bare", "gone", "x y"]),
    orientation=st.sampled_from([None, "portrait", "square"]),
    seconds=st.none() | st.integers(0, 30),
)


def refused(catalog: Catalog, wish: MakeVideo) -> tuple[str, dict[str, str | float]]:
    with pytest.raises(Refusal) as caught:
        complete(catalog, wish)
    return caught.value.text_key, caught.value.params


def test_order_always_has_duration_size_and_orientation(built_in_catalog: Catalog) -> None:
    """Whatever the user left out."""
    order, price = complete(built_in_catalog, MakeVideo("  a red kite\n"))
    assert order == Order(
        model="sora-2",
        prompt="a red kite",
        seconds=4,
        size="1280x720",
        width=1280,
        height=720,
        orientation="landscape",
    )
    assert price == 4


def test_every_available_option_is_applied(own_catalog: Catalog) -> None:
    """Each option reaches the order, in the catalogue's own spelling."""
    wish = MakeVideo(
        "a kite",
        model="Everything",
        seconds=5,
        orientation="portrait",
        size="large",
        style="COMIC",
        watermark=False,
        private=True,
        image=Path("a.png"),
    )
    order, price = complete(own_catalog, wish)
    assert order == Order(
        model="all",
        prompt="a kite",
        seconds=5,
        size="LARGE",
        orientation="portrait",
        style="Comic",
        watermark=False,
        private=True,
    )
    assert price == 10


@pytest.mark.parametrize(
    ("wish", "sentence", "facts"),
    REFUSED,
    ids=[f"{number}-{sentence}" for number, (_, sentence, _) in enumerate(REFUSED)],
)
def test_unavailable_option_is_refused_with_the_allowed_values(
    own_catalog: Catalog, wish: MakeVideo, sentence: str, facts: dict[str, str | float]
) -> None:
    """It is refused with what is allowed instead."""
    assert refused(own_catalog, wish) == (sentence, facts)


@pytest.mark.parametrize("typed", ["720X1280", "720*1280", "720\u00d71280"])
def test_size_accepts_any_multiplication_sign(own_catalog: Catalog, typed: str) -> None:
    """People write the sign between the numbers as they know it."""
    assert complete(own_catalog, MakeVideo("x", size=typed))[0].size == "720x1280"


def test_prompt_of_the_maximum_length_is_accepted(own_catalog: Catalog) -> None:
    """Blanks around the prompt do not count."""
    assert len(complete(own_catalog, MakeVideo(f" {'x' * 20} "))[0].prompt) == 20


def test_unavailable_default_falls_back_to_the_models(built_in_catalog: Catalog) -> None:
    """Nobody asked for it now, so the model's default silently replaces it."""
    gone = UserDefaults(model="two words", orientation="square", seconds=7)
    order, _ = complete(built_in_catalog, MakeVideo("x"), gone)
    assert (order.model, order.orientation, order.seconds) == ("sora-2", "landscape", 4)


def test_user_default_applies_where_nothing_is_given(built_in_catalog: Catalog) -> None:
    """What a person has set is taken where they do not say."""
    mine = UserDefaults(model="sora-2-pro", orientation="portrait", seconds=12)
    order, price = complete(built_in_catalog, MakeVideo("x"), mine)
    assert (order.model, order.size, order.seconds, price) == ("sora-2-pro", "720x1280", 12, 36)


def test_given_option_overrides_the_default(built_in_catalog: Catalog) -> None:
    """What is said now goes before what was set."""
    mine = UserDefaults(model="sora-2-pro", orientation="portrait", seconds=12)
    wish = MakeVideo("x", model="sora-2", orientation="landscape", seconds=8)
    order, _ = complete(built_in_catalog, wish, mine)
    assert (order.model, order.size, order.seconds) == ("sora-2", "1280x720", 8)


def test_orientation_of_the_image_goes_before_the_default(built_in_catalog: Catalog) -> None:
    """A given option goes before the image, the image before the user's default."""
    mine = UserDefaults(orientation="landscape")
    assert complete(built_in_catalog, MakeVideo("x"), mine, "portrait")[0].size == "720x1280"
    said = MakeVideo("x", orientation="landscape")
    assert complete(built_in_catalog, said, mine, "portrait")[0].size == "1280x720"


def test_square_image_falls_back_to_the_default_orientation(built_in_catalog: Catalog) -> None:
    """Where a model has no square size, the user's default counts, then the model's."""
    mine = UserDefaults(orientation="portrait")
    assert complete(built_in_catalog, MakeVideo("x"), mine, "square")[0].orientation == "portrait"
    assert complete(built_in_catalog, MakeVideo("x"), None, "square")[0].orientation == "landscape"


def test_named_size_takes_the_orientation(own_catalog: Catalog) -> None:
    """A size for any orientation takes the one given, the image's, or the default."""
    small = MakeVideo("x", size="small")
    assert complete(own_catalog, small)[0].orientation == "landscape"
    assert complete(own_catalog, small, None, "portrait")[0].orientation == "portrait"
    wish = replace(small, orientation="portrait")
    assert complete(own_catalog, wish)[0].orientation == "portrait"


@given(
    wish=_WISHES,
    defaults=_DEFAULTS,
    picture=st.sampled_from([None, "portrait", "landscape", "square"]),
)
def test_order_never_contradicts_the_request(
    own_catalog: Catalog, wish: MakeVideo, defaults: UserDefaults, picture: Orientation | None
) -> None:
    """Every request leads to a refusal or to an order that agrees with it."""
    try:
        order, price = own_catalog.build_order(wish, defaults, NOW, picture)
    except Refusal:
        return
    assert wish.model in (None, order.model)
    assert wish.seconds in (None, order.seconds)
    assert wish.orientation in (None, order.orientation)
    # For the models of the built-in catalogue `small` is another name of a size.
    also = "small" if order.model.startswith("sora-2") else None
    assert wish.size in (None, also, order.size)
    assert (wish.watermark, wish.private) == (order.watermark, order.private)
    if order.width and order.height:
        stands = {True: "portrait", False: "landscape"}[order.height > order.width]
        assert order.orientation == ("square" if order.height == order.width else stands)
    assert price >= (0 if order.model == "bare" else 1)
