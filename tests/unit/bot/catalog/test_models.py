"""What each provider can make of a model: orders go only where they can be made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalog.catalog import Catalog
from bot.catalog.catalog_file import CatalogError
from bot.catalog.models import Offer, UserDefaults
from bot.domain.commands import MakeVideo
from bot.domain.errors import Refusal
from bot.domain.tasks import Order
from bot.presentation.i18n import format_error
from providers import PROVIDERS

NOW = 1_800_000_000.0
EVERY_KIND = {kind: kind for kind in PROVIDERS}
TWO = """
[[models]]
name = "m"
durations = [4, 8, 10]
sizes = [
    { name = "1280x720", price = 1, aliases = ["small"] },
    { name = "720x1280", price = 1, aliases = ["small"] },
    { name = "1792x1024", price = 5, aliases = ["large"] },
]
styles = ["anime"]
images = 1
storyboard = true
remix = true

[[models.offers]]
provider = "plain"
model = "x"
durations = [4, 8]
sizes = ["1280x720", "720x1280"]
styles = []
storyboard = false

[[models.offers]]
provider = "fancy"
model = "y"
durations = [10]
images = 0
remix = false
prompt_limit = 10
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A catalogue of one model that two serve."""
    it = tmp_path / "catalog.toml"
    it.write_text(TWO)
    return it


@pytest.fixture
def two_providers(file: Path) -> Catalog:
    return Catalog.load(file, {"plain": "openai", "fancy": "openai"})


def complete(catalog: Catalog, wish: MakeVideo) -> Order:
    return catalog.build_order(wish, UserDefaults(), NOW, None)[0]


def makers(catalog: Catalog, order: Order) -> list[str]:
    return [offer.provider for offer in catalog.offers_for(order)]


# --- going where it can be made ----------------------------------------------------------


def test_order_goes_only_where_it_can_be_made(two_providers: Catalog) -> None:
    """Duration, size, style, image and remix: each excludes the providers that cannot."""
    plain = complete(two_providers, MakeVideo("kite"))
    assert (plain.seconds, plain.size, makers(two_providers, plain)) == (4, "1280x720", ["plain"])
    assert makers(two_providers, complete(two_providers, MakeVideo("kite", seconds=10))) == [
        "fancy"
    ]
    assert makers(two_providers, complete(two_providers, MakeVideo("kite", size="large"))) == [
        "fancy"
    ]
    assert makers(two_providers, complete(two_providers, MakeVideo("kite", storyboard=True))) == [
        "fancy"
    ]
    assert makers(two_providers, replace(plain, image="picture.png")) == ["plain"]
    assert makers(two_providers, replace(plain, remix_of="abcd2345", seconds=10)) == []
    assert makers(
        two_providers, complete(two_providers, MakeVideo("a longer prompt than fancy takes"))
    ) == ["plain"]


def test_style_alone_selects_a_matching_duration(two_providers: Catalog) -> None:
    """A style without a duration selects the duration that goes with it."""
    order = complete(two_providers, MakeVideo("kite", style="Anime"))
    assert (order.style, order.seconds, makers(two_providers, order)) == ("anime", 10, ["fancy"])
    usual = two_providers.build_order(
        MakeVideo("kite", style="anime"), UserDefaults(seconds=8, orientation="portrait"), NOW, None
    )
    assert (usual[0].seconds, usual[0].orientation) == (10, "portrait")


def test_conflicting_options_are_named(two_providers: Catalog) -> None:
    """Each is available, but not together: the refusal names them, and what would work."""
    with pytest.raises(Refusal) as raised:
        complete(two_providers, MakeVideo("kite", style="anime", seconds=4))
    assert raised.value.text_key == "together-not-possible"
    assert raised.value.params["wishes"] == "--duration 4, --style anime"
    assert raised.value.params["durations"] == "10"
    with pytest.raises(Refusal) as raised:
        complete(two_providers, MakeVideo("kite", storyboard=True, image=Path("a.png")))
    assert raised.value.params["without"] == "--image, --storyboard"


def test_only_conflicting_options_are_named(two_providers: Catalog) -> None:
    """Of many options only those that exclude each other, in a whole sentence."""
    with pytest.raises(Refusal) as raised:
        complete(two_providers, MakeVideo("kite", style="anime", image=Path("a.png"), size="small"))
    assert raised.value.params["wishes"] == "--style anime, --image"
    for language, sentence in (
        ("en", "m cannot do all of this at once: --style anime, --image. It could without"),
        ("zh", "m 不能同时满足：--style anime, --image。去掉"),
    ):
        assert format_error(language, raised.value).startswith(sentence)
    with pytest.raises(Refusal) as raised:
        complete(
            two_providers, MakeVideo("kite", style="anime", image=Path("a.png"), storyboard=True)
        )
    assert format_error("en", raised.value).endswith("It could without one of these: --image.")
    with pytest.raises(Refusal) as raised:
        complete(
            two_providers,
            MakeVideo("kite", style="anime", image=Path("a.png"), seconds=4, size="large"),
        )
    assert format_error("en", raised.value).endswith("Please ask for less.")


def test_prompt_too_long_for_a_style_names_its_limit(two_providers: Catalog) -> None:
    """Where only a shorter prompt goes with the options, the refusal says how short."""
    with pytest.raises(Refusal) as raised:
        complete(two_providers, MakeVideo("a red kite over the sea", style="anime"))
    assert raised.value.text_key == "prompt-too-long"
    assert raised.value.params == {"count": 23, "limit": 10, "model": "m --style anime"}


def test_shared_alias_is_decided_by_orientation(two_providers: Catalog) -> None:
    """An alias of several sizes is decided by the orientation."""
    assert complete(two_providers, MakeVideo("kite", size="small")).size == "1280x720"
    upright = complete(two_providers, MakeVideo("kite", size="Small", orientation="portrait"))
    assert upright.size == "720x1280"
    with pytest.raises(Refusal, match="size-against-orientation"):
        complete(two_providers, MakeVideo("kite", size="large", orientation="portrait"))


def test_model_limits_are_those_of_usable_offers(two_providers: Catalog) -> None:
    """A model shows what its usable offers make; without any it is unavailable."""
    (model,) = [shown for shown in two_providers.available_models(NOW) if shown.name == "m"]
    assert model.durations == (4, 8, 10)
    assert model.prompt_limit == 4000

    def fancy(offer: Offer) -> bool:
        return offer.provider == "fancy"

    (model,) = [shown for shown in two_providers.available_models(NOW, fancy) if shown.name == "m"]
    assert (model.durations, model.default_duration, model.images) == ((10,), 10, 0)
    assert (model.remix, model.prompt_limit) == (False, 10)
    with pytest.raises(Refusal) as raised:
        two_providers.build_order(
            MakeVideo("kite", model="m"), UserDefaults(), NOW, None, lambda _: False
        )
    assert raised.value.text_key == "model-off"
    assert "none" not in format_error("en", raised.value)
    with pytest.raises(Refusal, match="models-none"):
        two_providers.find("no such model", NOW, lambda _: False)


def test_durations_may_depend_on_the_size(tmp_path: Path) -> None:
    """And those of an offer on a range."""
    file = tmp_path / "catalog.toml"
    file.write_text("""
[[models]]
name = "m"
durations = [5, 10, 20, 25]
default_duration = 25
sizes = [
    { name = "1792x1024", price = 5, aliases = ["large"], durations = [5, 10, 20] },
    { name = "1280x720", price = 1, aliases = ["small"] },
]
offers = [{ kind = "openai", model = "x", duration_range = [6, 25] }]
""")
    catalog = Catalog.load(file, {"mine": "openai"})
    found = catalog.find("m", NOW)
    assert (found.durations, found.default_duration) == ((10, 20, 25), 25)
    assert complete(catalog, MakeVideo("kite", seconds=25)).size == "1280x720"
    large = complete(catalog, MakeVideo("kite", size="large"))
    assert (large.seconds, makers(catalog, large)) == (10, ["mine"])
    assert makers(catalog, replace(large, seconds=25)) == []
    with pytest.raises(Refusal) as raised:
        complete(catalog, MakeVideo("kite", size="large", seconds=25))
    assert raised.value.params["durations"] == "10, 20"


_SHAPED = """
[[models]]
name = "m"
durations = [4, 8]
sizes = [
    {{ name = "1280x720", price = 1, durations = {wide} }},
    {{ name = "720x1280", price = 1 }},
    {{ name = "free", price = 2 }},
]
styles = ["anime", "comic"]
offers = [{offers}]
"""


def _some(*values: object) -> st.SearchStrategy[list[object] | None]:
    return st.none() | st.lists(st.sampled_from(values), unique=True)


_offers = st.fixed_dictionaries(
    {
        "durations": _some(4, 8),
        "sizes": _some("1280x720", "720x1280", "free"),
        "orientations": _some("landscape", "portrait"),
        "styles": _some("anime", "comic"),
        "prompt_limit": st.none() | st.just(10),
    }
)


def _toml(offer: dict[str, object]) -> str:
    keys = {"kind": "sandbox", "model": "x"} | offer
    return f"{{{', '.join(f'{k} = {json.dumps(v)}' for k, v in keys.items() if v is not None)}}}"


@given(st.sampled_from([[4], [8], [4, 8]]), st.lists(_offers, min_size=1, max_size=3))
def test_every_shown_option_can_be_ordered(
    tmp_path_factory: pytest.TempPathFactory, wide: list[int], offers: list[dict[str, object]]
) -> None:
    """A catalogue is refused, or keeps each promise."""
    file = tmp_path_factory.mktemp("shaped") / "catalog.toml"
    file.write_text(_SHAPED.format(wide=wide, offers=", ".join(_toml(offer) for offer in offers)))
    try:
        catalog = Catalog.load(file, {"mine": "sandbox"})
    except CatalogError:
        return
    model = catalog.find("m", NOW)
    wishes = [MakeVideo("kite"), MakeVideo("x" * model.prompt_limit)]
    wishes += [MakeVideo("kite", seconds=duration) for duration in model.durations]
    wishes += [MakeVideo("kite", size=size.name) for size in model.sizes]
    wishes += [MakeVideo("kite", orientation=orientation) for orientation in model.orientations]
    wishes += [MakeVideo("kite", style=style) for style in model.styles]
    for wish in wishes:
        assert makers(catalog, complete(catalog, wish))


# --- reading it again --------------------------------------------------------------------


def test_changed_catalog_is_reloaded_without_restart(two_providers: Catalog, file: Path) -> None:
    """A changed file is loaded; a wrong one changes nothing and is reported once."""
    assert not two_providers.has_changed_on_disk()
    file.write_text(TWO.replace("durations = [4, 8]\n", "durations = [8]\n"))
    assert two_providers.has_changed_on_disk()
    assert two_providers.reload()
    assert not two_providers.has_changed_on_disk()
    assert not two_providers.reload()
    file.write_text("[[models]]\nname = 3\n")
    with pytest.raises(CatalogError):
        two_providers.reload()
    assert not two_providers.has_changed_on_disk()
    assert complete(two_providers, MakeVideo("kite", model="m")).seconds == 8
    file.unlink()
    assert two_providers.has_changed_on_disk()
    with pytest.raises(CatalogError):
        two_providers.reload()


# --- built in ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "model", "durations", "sizes"),
    [
        ("openai", "sora-2", (4, 8, 12, 16, 20), 2),
        ("openai", "sora-2-pro", (4, 8, 12, 16, 20), 6),
        ("zenlayer", "sora-2", (4, 8, 12), 2),
        ("relay147", "sora-2", (4, 8, 12), 2),
        ("relay147", "sora-2-pro", (4, 8, 12), 4),
        ("jxincm", "sora-2", (10, 15), 4),
        ("jxincm", "sora-2-pro", (10, 15, 25), 4),
        ("mountsea", "sora-2", (10, 15), 2),
        ("mountsea", "sora-2-pro", (10, 15, 25), 4),
        ("jimmy", "sora2-12s", (12,), 2),
    ],
)
def test_models_of_one_kind_allow_what_its_documents_say(
    kind: str, model: str, durations: tuple[int, ...], sizes: int
) -> None:
    """With one kind configured, its models allow just that."""
    found = Catalog.load(None, {"mine": kind}).find(model, NOW)
    assert (found.durations, len(found.sizes)) == (durations, sizes)
    assert len(found.styles) == (12 if kind == "mountsea" else 0)
    assert found.storyboard == (kind == "mountsea")
    assert found.watermark == (kind in {"mountsea", "jxincm"})
    assert found.private == (kind == "jxincm")
    assert found.remix == (kind in {"openai", "zenlayer", "jxincm", "mountsea"})


def test_mountsea_sells_25_seconds_only_in_small() -> None:
    """Mountsea makes 25 seconds only where small."""
    catalog = Catalog.load(None, {"mine": "mountsea"})
    wish = MakeVideo("kite", model="sora-2-pro", seconds=25)
    assert complete(catalog, wish).size == "1280x720"
    with pytest.raises(Refusal, match="together-not-possible"):
        complete(catalog, replace(wish, size="large"))


_catalog = Catalog.load(None, EVERY_KIND)
_models = _catalog.available_models(NOW)
_wishes = st.builds(
    MakeVideo,
    prompt=st.sampled_from(["a kite", "x" * 4500, "x" * 20000]),
    model=st.none() | st.sampled_from([model.name for model in _models]),
    seconds=st.none() | st.sampled_from([4, 10, 12, 15, 20, 25, 7]),
    orientation=st.none() | st.sampled_from(["portrait", "landscape"]),
    size=st.none() | st.sampled_from(["small", "large", "1280x720", "16:9", "1080x1920", "huge"]),
    style=st.none() | st.sampled_from(["anime", "sitcom", "none"]),
    watermark=st.none() | st.booleans(),
    private=st.none() | st.just(True),
    storyboard=st.none() | st.just(True),
    image=st.none() | st.just(Path("a.png")),
)


@given(_wishes, st.sets(st.sampled_from(sorted(EVERY_KIND))))
def test_accepted_order_can_be_made_by_a_provider(wish: MakeVideo, off: set[str]) -> None:
    """Whatever is requested and disabled: an order that a provider makes, or a refusal."""

    def usable(offer: Offer) -> bool:
        return offer.provider not in off

    try:
        order, price = _catalog.build_order(wish, UserDefaults(), NOW, None, usable)
    except Refusal:
        return
    whole = replace(order, image="picture.png" if wish.image else None)
    assert any(usable(offer) for offer in _catalog.offers_for(whole))
    assert price > 0
    for field in ("seconds", "orientation", "watermark", "private", "storyboard"):
        assert getattr(wish, field) in {None, getattr(order, field)}


def test_unknown_model_ids_go_only_to_open_servers() -> None:
    """To servers that have models of any name."""
    catalog = Catalog.load(None, {"one": "mountsea", "two": "openai", "three": "relay147"})
    assert [offer.provider for offer in catalog.offers("Wan-AI/Wan2.2")] == ["two"]
    assert catalog.has_offer("one", "sora-2")
    assert not catalog.has_offer("two", "Wan-AI/Wan2.2")
    with pytest.raises(Refusal, match="model-unknown"):
        Catalog.load(None, {"one": "mountsea"}).find("Wan-AI/Wan2.2", NOW)
