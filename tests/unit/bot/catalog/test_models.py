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
from bot.catalog.models import Defaults, Offer
from bot.domain.commands import MakeVideo
from bot.domain.errors import Refusal
from bot.domain.tasks import Order
from bot.presentation.i18n import refusal
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
def two(file: Path) -> Catalog:
    return Catalog.load(file, {"plain": "openai", "fancy": "openai"})


def complete(catalog: Catalog, wish: MakeVideo) -> Order:
    return catalog.complete(wish, Defaults(), NOW, None)[0]


def makers(catalog: Catalog, order: Order) -> list[str]:
    return [offer.provider for offer in catalog.offers_for(order)]


# --- going where it can be made ----------------------------------------------------------


def test_an_order_goes_where_it_cannot_be_made(two: Catalog) -> None:
    """Duration, size, style, picture and change: each leaves only those who can do it."""
    plain = complete(two, MakeVideo("kite"))
    assert (plain.seconds, plain.size, makers(two, plain)) == (4, "1280x720", ["plain"])
    assert makers(two, complete(two, MakeVideo("kite", seconds=10))) == ["fancy"]
    assert makers(two, complete(two, MakeVideo("kite", size="large"))) == ["fancy"]
    assert makers(two, complete(two, MakeVideo("kite", storyboard=True))) == ["fancy"]
    assert makers(two, replace(plain, image="picture.png")) == ["plain"]
    assert makers(two, replace(plain, remix_of="abcd2345", seconds=10)) == []
    assert makers(two, complete(two, MakeVideo("a longer prompt than fancy takes"))) == ["plain"]


def test_what_nobody_asked_for_stands_in_the_way(two: Catalog) -> None:
    """Somebody who names a style alone gets the duration that goes with it."""
    order = complete(two, MakeVideo("kite", style="Anime"))
    assert (order.style, order.seconds, makers(two, order)) == ("anime", 10, ["fancy"])
    usual = two.complete(
        MakeVideo("kite", style="anime"), Defaults(seconds=8, orientation="portrait"), NOW, None
    )
    assert (usual[0].seconds, usual[0].orientation) == (10, "portrait")


def test_wishes_that_exclude_each_other_are_bent(two: Catalog) -> None:
    """Each can be had, but not together: which ones, and what would go."""
    with pytest.raises(Refusal) as raised:
        complete(two, MakeVideo("kite", style="anime", seconds=4))
    assert raised.value.sentence == "together-not-possible"
    assert raised.value.facts["wishes"] == "--duration 4, --style anime"
    assert raised.value.facts["durations"] == "10"
    with pytest.raises(Refusal) as raised:
        complete(two, MakeVideo("kite", storyboard=True, image=Path("a.png")))
    assert raised.value.facts["without"] == "--image, --storyboard"


def test_what_has_nothing_to_do_with_it_is_blamed(two: Catalog) -> None:
    """Of many wishes only those are named that exclude each other, in a whole sentence."""
    with pytest.raises(Refusal) as raised:
        complete(two, MakeVideo("kite", style="anime", image=Path("a.png"), size="small"))
    assert raised.value.facts["wishes"] == "--style anime, --image"
    for language, sentence in (
        ("en", "m cannot do all of this at once: --style anime, --image. It could without"),
        ("zh", "m 不能同时满足：--style anime, --image。去掉"),
    ):
        assert refusal(language, raised.value).startswith(sentence)
    with pytest.raises(Refusal) as raised:
        complete(two, MakeVideo("kite", style="anime", image=Path("a.png"), storyboard=True))
    assert refusal("en", raised.value).endswith("It could without one of these: --image.")
    with pytest.raises(Refusal) as raised:
        complete(
            two, MakeVideo("kite", style="anime", image=Path("a.png"), seconds=4, size="large")
        )
    assert refusal("en", raised.value).endswith("Please ask for less.")


def test_a_prompt_too_long_for_a_style_is_blamed_on_the_style(two: Catalog) -> None:
    """Where only a shorter prompt goes with the wishes, it is told how short."""
    with pytest.raises(Refusal) as raised:
        complete(two, MakeVideo("a red kite over the sea", style="anime"))
    assert raised.value.sentence == "prompt-too-long"
    assert raised.value.facts == {"count": 23, "limit": 10, "model": "m --style anime"}


def test_a_size_must_be_called_by_its_number(two: Catalog) -> None:
    """An alias that several sizes share is decided by the orientation."""
    assert complete(two, MakeVideo("kite", size="small")).size == "1280x720"
    upright = complete(two, MakeVideo("kite", size="Small", orientation="portrait"))
    assert upright.size == "720x1280"
    with pytest.raises(Refusal, match="size-against-orientation"):
        complete(two, MakeVideo("kite", size="large", orientation="portrait"))


def test_the_public_limits_promise_what_nobody_can_make(two: Catalog) -> None:
    """A model shows what its usable offers make; without any it cannot be had."""
    (model,) = [one for one in two.models(NOW) if one.name == "m"]
    assert model.durations == (4, 8, 10)
    assert model.prompt_limit == 4000

    def fancy(offer: Offer) -> bool:
        return offer.provider == "fancy"

    (model,) = [one for one in two.models(NOW, fancy) if one.name == "m"]
    assert (model.durations, model.default_duration, model.images) == ((10,), 10, 0)
    assert (model.remix, model.prompt_limit) == (False, 10)
    with pytest.raises(Refusal) as raised:
        two.complete(MakeVideo("kite", model="m"), Defaults(), NOW, None, lambda _: False)
    assert raised.value.sentence == "model-off"
    assert "none" not in refusal("en", raised.value)
    with pytest.raises(Refusal, match="models-none"):
        two.find("no such model", NOW, lambda _: False)


def test_a_size_is_sold_in_a_duration_that_it_is_not_made_in(tmp_path: Path) -> None:
    """Durations may hang on the size, those of an offer on a range."""
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
    assert raised.value.facts["durations"] == "10, 20"


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
def test_something_is_shown_that_cannot_be_had(
    tmp_path_factory: pytest.TempPathFactory, wide: list[int], offers: list[dict[str, object]]
) -> None:
    """Whatever offers leave out: a catalogue that is refused, or one that keeps each promise."""
    file = tmp_path_factory.mktemp("shaped") / "catalog.toml"
    file.write_text(_SHAPED.format(wide=wide, offers=", ".join(_toml(one) for one in offers)))
    try:
        catalog = Catalog.load(file, {"mine": "sandbox"})
    except CatalogError:
        return
    model = catalog.find("m", NOW)
    wishes = [MakeVideo("kite"), MakeVideo("x" * model.prompt_limit)]
    wishes += [MakeVideo("kite", seconds=one) for one in model.durations]
    wishes += [MakeVideo("kite", size=one.name) for one in model.sizes]
    wishes += [MakeVideo("kite", orientation=one) for one in model.orientations]
    wishes += [MakeVideo("kite", style=one) for one in model.styles]
    for wish in wishes:
        assert makers(catalog, complete(catalog, wish))


# --- reading it again --------------------------------------------------------------------


def test_a_changed_catalogue_needs_a_restart(two: Catalog, file: Path) -> None:
    """A change is seen on disk and taken over; one that is wrong changes nothing, told once."""
    assert not two.changed_on_disk()
    file.write_text(TWO.replace("durations = [4, 8]\n", "durations = [8]\n"))
    assert two.changed_on_disk()
    assert two.reload()
    assert not two.changed_on_disk()
    assert not two.reload()
    file.write_text("[[models]]\nname = 3\n")
    with pytest.raises(CatalogError):
        two.reload()
    assert not two.changed_on_disk()
    assert complete(two, MakeVideo("kite", model="m")).seconds == 8
    file.unlink()
    assert two.changed_on_disk()
    with pytest.raises(CatalogError):
        two.reload()


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
def test_a_gateway_is_asked_for_what_it_does_not_document(
    kind: str, model: str, durations: tuple[int, ...], sizes: int
) -> None:
    """With one kind configured, its models allow just what its documents say."""
    found = Catalog.load(None, {"mine": kind}).find(model, NOW)
    assert (found.durations, len(found.sizes)) == (durations, sizes)
    assert len(found.styles) == (12 if kind == "mountsea" else 0)
    assert found.storyboard == (kind == "mountsea")
    assert found.watermark == (kind in {"mountsea", "jxincm"})
    assert found.private == (kind == "jxincm")
    assert found.remix == (kind in {"openai", "zenlayer", "jxincm", "mountsea"})


def test_a_long_large_video_is_sold_where_it_is_not_made() -> None:
    """Mountsea makes 25 seconds only where small."""
    catalog = Catalog.load(None, {"mine": "mountsea"})
    wish = MakeVideo("kite", model="sora-2-pro", seconds=25)
    assert complete(catalog, wish).size == "1280x720"
    with pytest.raises(Refusal, match="together-not-possible"):
        complete(catalog, replace(wish, size="large"))


_catalog = Catalog.load(None, EVERY_KIND)
_models = _catalog.models(NOW)
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
def test_an_accepted_order_can_be_made_by_nobody(wish: MakeVideo, off: set[str]) -> None:
    """Whatever is wished for and whoever is off: an order that somebody makes, or a refusal."""

    def usable(offer: Offer) -> bool:
        return offer.provider not in off

    try:
        order, price = _catalog.complete(wish, Defaults(), NOW, None, usable)
    except Refusal:
        return
    whole = replace(order, image="picture.png" if wish.image else None)
    assert any(usable(offer) for offer in _catalog.offers_for(whole))
    assert price > 0
    for field in ("seconds", "orientation", "watermark", "private", "storyboard"):
        assert getattr(wish, field) in {None, getattr(order, field)}


def test_any_name_is_sent_to_a_gateway_of_few_models() -> None:
    """Unknown ids go only where servers have models of any name."""
    catalog = Catalog.load(None, {"one": "mountsea", "two": "openai", "three": "relay147"})
    assert [offer.provider for offer in catalog.offers("Wan-AI/Wan2.2")] == ["two"]
    assert catalog.lists("one", "sora-2")
    assert not catalog.lists("two", "Wan-AI/Wan2.2")
    with pytest.raises(Refusal, match="model-unknown"):
        Catalog.load(None, {"one": "mountsea"}).find("Wan-AI/Wan2.2", NOW)
