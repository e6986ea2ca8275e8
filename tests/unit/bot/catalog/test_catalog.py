"""What can be requested: options are applied or refused with what is allowed, never changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalog.catalog import Catalog
from bot.catalog.catalog_file import ModelEntry, OfferEntry, SizeEntry
from bot.catalog.models import UserDefaults
from bot.domain.commands import MakeVideo
from bot.domain.errors import Refusal
from bot.domain.tasks import Order
from providers import PROVIDERS
from providers.types import Orientation
from tests.support.catalog_files import KINDS, NOW, model_toml, write_file
from tests.support.paths import ROOT

EXAMPLE = ROOT / "deploy" / "catalog.example.toml"
EVERYTHING = """
[[models]]
name = "all"
aliases = ["Everything"]
prompt_limit = 20
durations = [10, 5]
default_duration = 10
sizes = [
    { name = "small", price = 0.5 },
    { name = "LARGE", price = 2 },
    { name = "720x1280", price = 1 },
    { name = "1000x1000", price = 1 },
]
styles = ["anime", "Comic"]
watermark = true
private = true
offers = [{ kind = "sandbox", model = "everything-1" }]

[[models]]
name = "bare"
durations = [4]
sizes = [{ name = "1280x720", price = 0 }]
images = 0
offers = [{ kind = "sandbox", model = "bare-1" }]
"""


def served(catalog: Catalog, name: str) -> list[tuple[str, str, int]]:
    """(provider, its own id, priority) of whoever serves a model."""
    return [(offer.provider, offer.remote_model, offer.priority) for offer in catalog.offers(name)]


@pytest.fixture
def built_in_catalog() -> Catalog:
    return Catalog.load(None, KINDS)


@pytest.fixture(scope="module")
def own_catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return Catalog.load(write_file(tmp_path_factory.mktemp("own"), EVERYTHING), KINDS)


def complete(
    catalog: Catalog,
    wish: MakeVideo,
    defaults: UserDefaults | None = None,
    picture: Orientation | None = None,
) -> tuple[Order, int]:
    return catalog.build_order(wish, defaults or UserDefaults(), NOW, picture)


def refused(catalog: Catalog, wish: MakeVideo) -> tuple[str, dict[str, str | float]]:
    with pytest.raises(Refusal) as caught:
        complete(catalog, wish)
    return caught.value.text_key, caught.value.params


def names(catalog: Catalog, now: float = NOW) -> list[str]:
    return [one.name for one in catalog.available_models(now)]


# --- which models there are --------------------------------------------------------------


def test_only_models_with_a_served_offer_exist() -> None:
    """Only models with an offer at a configured provider exist."""
    assert names(Catalog.load(None, {"sandbox": "sandbox"})) == ["sandbox"]
    assert names(Catalog.load(None, {"local": "openai"})) == ["sora-2", "sora-2-pro"]
    assert names(Catalog.load(None, {})) == []
    with pytest.raises(Refusal, match="models-none"):
        Catalog.load(None, {}).default_model(NOW)


def test_sandbox_is_not_the_default_beside_a_real_gateway(built_in_catalog: Catalog) -> None:
    """With a gateway configured beside the sandbox, the default makes real videos."""
    assert built_in_catalog.default_model(NOW).name == "sora-2"


def test_every_built_in_kind_has_a_model() -> None:
    """A configured provider of any kind can be used without a catalogue."""
    for kind in PROVIDERS:
        assert names(Catalog.load(None, {"mine": kind})), kind


def test_offer_of_a_kind_applies_to_each_provider_of_it() -> None:
    """A second account of a kind serves the same models."""
    catalog = Catalog.load(None, {"a": "openai", "b": "openai", "c": "sandbox"})
    assert served(catalog, "sora-2") == [("a", "sora-2", 0), ("b", "sora-2", 0)]
    assert served(catalog, "SORA-2-pro") == [("a", "sora-2-pro", 0), ("b", "sora-2-pro", 0)]
    assert served(catalog, "sandbox") == [("c", "sandbox", 0)]


def test_offer_that_names_a_provider_is_its_alone(tmp_path: Path) -> None:
    """An offer that names a provider is only for that one, in any spelling of its name."""
    offers = '[{ provider = "B", model = "x", priority = 2 }, { kind = "OpenAI", model = "y" }]'
    file = write_file(tmp_path, model_toml(offers=offers))
    catalog = Catalog.load(file, {"a": "openai", "b": "sandbox"})
    assert served(catalog, "m") == [("b", "x", 2), ("a", "y", 0)]


def test_models_of_the_file_come_first(own_catalog: Catalog) -> None:
    """The first model of the file is the default."""
    assert names(own_catalog) == ["all", "bare", "sora-2", "sora-2-pro", "sandbox"]
    assert own_catalog.default_model(NOW).name == "all"


def test_model_of_the_file_replaces_the_built_in_one(tmp_path: Path) -> None:
    """An entry of the same name replaces the built-in one completely."""
    catalog = Catalog.load(write_file(tmp_path, model_toml(name='"sandbox"')), KINDS)
    sandbox = catalog.find("sandbox", NOW)
    assert names(catalog).count("sandbox") == 1
    assert sandbox.durations == (4,)
    assert not sandbox.remix


def test_retirement_begins_at_midnight_utc(tmp_path: Path) -> None:
    """From then on a model cannot be requested; its jobs can continue."""
    catalog = Catalog.load(write_file(tmp_path, model_toml(retire_at="2026-11-21")), KINDS)
    end = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
    assert catalog.find("m", end - 1).name == "m"
    assert "m" in names(catalog, end - 1)
    assert "m" not in names(catalog, end)
    with pytest.raises(Refusal) as caught:
        catalog.find("m", end)
    assert caught.value.text_key == "model-retired"
    assert caught.value.params == {"name": "m", "all": "sora-2, sora-2-pro, sandbox"}
    assert catalog.offers("m")


def test_disabled_model_is_hidden_and_refused(tmp_path: Path) -> None:
    """`enabled = false` hides a model and refuses it by name; built-in ones as well."""
    catalog = Catalog.load(
        write_file(tmp_path, model_toml(name='"sora-2"', enabled="false")), KINDS
    )
    assert "sora-2" not in names(catalog)
    with pytest.raises(Refusal, match="model-retired"):
        catalog.find("sora-2", NOW)


# --- finding one -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["all", "ALL", " all ", "everything", "Everything"])
def test_model_name_ignores_case_blanks_and_uses_aliases(own_catalog: Catalog, name: str) -> None:
    """Upper case, blanks and aliases lead to the model."""
    assert own_catalog.find(name, NOW).name == "all"


def test_unknown_model_is_refused_with_suggestions() -> None:
    """The refusal has the nearest names and all of them."""
    catalog = Catalog.load(None, {"sandbox": "sandbox"})
    with pytest.raises(Refusal) as caught:
        catalog.find("sanbox", NOW)
    assert caught.value.text_key == "model-unknown"
    assert caught.value.params == {"name": "sanbox", "nearest": "sandbox", "all": "sandbox"}
    with pytest.raises(Refusal) as caught:
        catalog.find("qqq", NOW)
    assert caught.value.params["nearest"] == ""


def test_self_hosted_model_id_passes_unchanged(built_in_catalog: Catalog) -> None:
    """Behind the official format any id is passed on as typed, under its own name."""
    name = "Wan-AI/Wan2.2-T2V-A14B-Diffusers"
    order, price = complete(built_in_catalog, MakeVideo("a kite", model=name))
    assert (order.model, order.seconds, price) == (name, 4, 4)
    assert served(built_in_catalog, name) == [("local", name, 0)]


@pytest.mark.parametrize("name", ["", "two words", "-x", "\u6a21\u578b", "x" * 101, "a;b"])
def test_invalid_model_id_is_an_unknown_model(built_in_catalog: Catalog, name: str) -> None:
    """It is not passed to a gateway, where its job would fail."""
    with pytest.raises(Refusal, match="model-unknown"):
        built_in_catalog.find(name, NOW)


def test_example_shows_every_key() -> None:
    """The example loads, has every key, and its model can be requested."""
    text = EXAMPLE.read_text(encoding="utf-8")
    for shape in (ModelEntry, SizeEntry, OfferEntry):
        assert [key for key in shape.model_fields if key not in text] == []
    catalog = Catalog.load(EXAMPLE, KINDS)
    order, price = complete(catalog, MakeVideo("a kite"))
    assert (order.model, order.seconds, order.size, price) == ("wan", 5, "832x480", 3)


# --- making an order whole ---------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("name", "size", "seconds", "credits"),
    [
        ("sora-2", "720x1280", 8, 8),
        ("sora-2-pro", "720x1280", 8, 24),
        ("sora-2-pro", "1792x1024", 8, 40),
        ("sora-2-pro", "1080x1920", 12, 60),
        ("sandbox", "854x480", 5, 5),
    ],
)
def test_price_follows_quality_and_size(
    built_in_catalog: Catalog,
    name: str,
    size: str,
    seconds: int,
    credits: int,  # noqa: A002 - what people call it
) -> None:
    """Standard 720p counts once, pro 720p three times, pro at 1024 lines and more five times."""
    order, price = complete(
        built_in_catalog, MakeVideo("x", model=name, size=size, seconds=seconds)
    )
    assert price == credits
    assert f"{order.width}x{order.height}" == size


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


# --- defaults and pictures ---------------------------------------------------------------


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
