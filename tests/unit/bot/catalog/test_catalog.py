"""What can be requested: options are applied or refused with what is allowed, never changed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.catalog.catalog import Catalog
from bot.catalog.catalog_file import ModelEntry, OfferEntry, SizeEntry
from bot.domain.commands import MakeVideo
from bot.domain.errors import Refusal
from providers import PROVIDERS
from tests.support.catalog_files import KINDS, NOW, complete, model_toml, write_file
from tests.support.paths import ROOT

EXAMPLE = ROOT / "deploy" / "catalog.example.toml"


def served(catalog: Catalog, name: str) -> list[tuple[str, str, int]]:
    """(provider, its own id, priority) of each provider of a model."""
    return [(offer.provider, offer.remote_model, offer.priority) for offer in catalog.offers(name)]


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
