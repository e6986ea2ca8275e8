"""A catalogue that cannot be used: every fault is reported with what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.catalog.catalog import Catalog
from bot.catalog.catalog_file import (
    BUILT_IN_FILE,
    KEY_HINTS,
    CatalogError,
    ModelEntry,
    OfferEntry,
    SizeEntry,
    read_entries,
)
from providers import PROVIDERS
from tests.support.catalog_files import KINDS, NOW, model_toml, write_file

BAD = {
    "models = 3": "models: is invalid; write each model under its own [[models]]",
    'models = ["x"]': "model number 1: is invalid; write each model under its own [[models]]",
    "[[model]]": "model: unknown key; did you mean models? keys: models",
    model_toml(name=None): 'model number 1: name: is missing; write a string, like "wan2.2";'
    " the name of a model has no spaces",
    model_toml(name='"a b"'): 'model a b: name: is invalid; write a string, like "wan2.2";'
    " the name of a model has no spaces",
    model_toml(aliases='["a b"]'): "model m: aliases.1: is invalid; write a list of"
    ' names without spaces, like ["wan", "local"]',
    model_toml(titel='"x"'): "model m: titel: unknown key; did you mean title? keys: name, ",
    model_toml(sizes='[{ name = "1280x720", prise = 1, price = 1 }]'): "model m: sizes.1.prise:"
    " unknown key; did you mean price? keys: name, price, orientation, width, height",
    model_toml(sizes="[]"): 'model m: sizes: is invalid; write a list like [{ name = "1280x720"',
    model_toml(
        sizes='[{ name = "1280x720" }]'
    ): "model m: sizes.1.price: is missing; write credits per second, 0 or more",
    model_toml(sizes='[{ name = "1280x720", price = -1 }]'): "model m: sizes.1.price: is invalid;",
    model_toml(sizes='[{ name = "1280x720", price = inf }]'): "model m: sizes.1.price: is invalid;",
    model_toml(
        sizes='[{ name = "large", price = 1, width = 5 }]'
    ): "model m: sizes: large: width and height go together; set both or neither",
    model_toml(
        sizes='[{ name = "A", price = 1 }, { name = "a", price = 1 }]'
    ): "model m: sizes: a is listed twice",
    model_toml(
        sizes='[{ name = "720x1280", price = 1, orientation = "landscape" }]'
    ): "model m: sizes: 720x1280 is not landscape; remove its orientation",
    model_toml(
        orientations='["landscape", "portrait"]'
    ): "model m: orientations: no size is portrait; remove it or add such a size",
    model_toml(orientations='["upright"]'): "model m: orientations.1: is invalid; write"
    " a list with some of",
    model_toml(
        orientations='["landscape"]',
        sizes='[{ name = "a", price = 1 }, { name = "720x1280", price = 1 }]',
    ): "model m: orientations: 720x1280 is portrait; add it or remove the size",
    model_toml(durations="[0]"): "model m: durations.1: is invalid; write a list of whole seconds",
    model_toml(durations="[]"): "model m: durations: set a list (durations = [4, 8]) or a range"
    " (duration_range = [1, 20])",
    model_toml(duration_range="[1, 20]"): "model m: durations: set either durations or"
    " duration_range, not both",
    model_toml(durations=None, duration_range="[9, 1]"): "model m: durations: set a list",
    model_toml(durations=None, duration_range="[1, 10000000000]"): "model m: duration_range.2: is"
    " invalid; write the shortest and the longest duration in seconds, like [1, 20]",
    model_toml(default_duration="5"): "model m: default_duration: 5 is not one of the durations",
    model_toml(
        retire_at='"soon"'
    ): "model m: retire_at: is invalid; write a date without quotes, like 2027-06-30",
    model_toml(offers='[{ model = "x" }]'): "model m: offers: x: set either kind or provider",
    model_toml(
        offers='[{ kind = "sandbox", provider = "local", model = "x" }]'
    ): "model m: offers: x: set either kind or provider",
    model_toml(offers='[{ kind = "opnai", model = "x" }]'): "model m: offers: unknown kind opnai;"
    f" use one of {', '.join(PROVIDERS)}",
    model_toml(
        offers='[{ provider = "nobody", model = "x" }]'
    ): "model m: offers: no provider is named nobody; configured: local, sandbox",
    model_toml() + model_toml(): "model m: is defined twice; remove one",
    model_toml(offers='[{ kind = "sandbox", model = "x", durations = [5] }]'): "model m: offers: x:"
    " durations: the model has no 5; add it there",
    model_toml(
        offers='[{ kind = "sandbox", model = "x", sizes = [] }]'
    ): "model m: offers: x: sizes: is empty; omit it to support all",
    model_toml(
        offers='[{ kind = "sandbox", model = "x", remix = true }]'
    ): "model m: offers: x: remix: the model has it off; set remix = true there",
    model_toml(
        offers='[{ kind = "sandbox", model = "x", images = 2 }]'
    ): "model m: offers: x: images: the model has 1; set that or less",
    model_toml(
        offers='[{ kind = "sandbox", model = "x", durations = [4], duration_range = [1, 4] }]'
    ): "model m: offers: x: set either durations or duration_range, not both",
    model_toml(
        offers='[{ kind = "sandbox", model = "x", duration_range = [5, 9] }]'
    ): "model m: offers: x: duration_range: contains no duration of the model; change it",
    model_toml(
        offers='[{ kind = "sandbox", model = "x", orientations = ["portrait"] }]'
    ): "model m: offers: x: orientations: the model has no portrait; add it there",
    model_toml(
        sizes='[{ name = "1280x720", price = 1 }, { name = "720x1280", price = 1 }]',
        offers='[{ kind = "openai", model = "x", sizes = ["1280x720"],'
        ' orientations = ["landscape", "portrait"] }]',
    ): "model m: offers: x: orientations: none of its sizes is portrait;"
    " remove it or add such a size",
    model_toml(
        sizes='[{ name = "1280x720", price = 1 }, { name = "720x1280", price = 1 }]',
        offers='[{ kind = "openai", model = "x", sizes = ["1280x720", "720x1280"],'
        ' orientations = ["landscape"] }]',
    ): "model m: offers: x: orientations: 720x1280 is portrait; add it or remove the size",
    model_toml(
        durations="[4, 8]",
        sizes='[{ name = "1280x720", price = 1, durations = [4] },'
        ' { name = "720x1280", price = 1, durations = [8] }]',
        offers='[{ kind = "openai", model = "x", durations = [4], orientations = ["portrait"] }]',
    ): "model m: offers: x: durations: none of its sizes has one of them;"
    " change them or add a size",
    model_toml(sizes='[{ name = "1280x720", price = 1, durations = [5, 4] }]'): "model m: sizes:"
    " 1280x720: durations: the model has no 5; add it there",
    model_toml(
        sizes='[{ name = "1280x720", price = 1, durations = [] }, { name = "a", price = 1 }]'
    ): "model m: sizes: 1280x720: durations: is empty; omit it to support all",
    model_toml(
        durations="[4, 8]", sizes='[{ name = "1280x720", price = 1, durations = [4] }]'
    ): "model m: durations: no size supports 8; remove it or add it to a size",
    model_toml(
        sizes='[{ name = "1280x720", price = 1, aliases = ["B"] }, { name = "b", price = 2 }]'
    ): "model m: sizes: 1280x720: the alias B is the name of a size; choose another",
    model_toml(
        sizes='[{ name = "1280x720", price = 1, aliases = ["Small"] },'
        ' { name = "640x360", price = 2, aliases = ["small"] }]'
    ): "model m: sizes: Small is an alias of both 1280x720 and 640x360; remove one",
    model_toml(
        sizes='[{ name = "a", price = 1, aliases = ["small"] },'
        ' { name = "640x360", price = 2, aliases = ["small"] }]'
    ): "model m: sizes: small is an alias of both a and 640x360; remove one",
    model_toml(sizes='[{ name = "1280x720", price = 1, aliases = [""] }]'): "model m:"
    " sizes.1.aliases.1: is invalid; write a list of names",
    model_toml(
        offers='[{ kind = "sandbox", model = "x", cost = -1 }]'
    ): "model m: offers.1.cost: is invalid; write your cost per second, 0 or more",
    model_toml(
        aliases='["Sandbox"]'
    ): "model m: the name Sandbox also belongs to sandbox; choose another",
    "not toml": "is not TOML: ",
}


@pytest.mark.parametrize(("text", "line"), BAD.items(), ids=range(len(BAD)))
def test_each_fault_names_file_model_key_and_remedy(tmp_path: Path, text: str, line: str) -> None:
    """Each is told in a line with file, model, key and what to write."""
    file = write_file(tmp_path, text)
    with pytest.raises(CatalogError) as caught:
        Catalog.load(file, KINDS)
    (told,) = caught.value.lines
    assert told.startswith(f"{file}: {line}")


def test_all_faults_of_shape_are_reported_at_once(tmp_path: Path) -> None:
    """All that is wrong in the file's shape is told at once."""
    file = write_file(tmp_path, model_toml(images="-1") + model_toml(name='"n"', remix='"perhaps"'))
    with pytest.raises(CatalogError) as caught:
        Catalog.load(file, KINDS)
    assert caught.value.lines == (
        f"{file}: model m: images: is invalid; write 0 or 1",
        f"{file}: model n: remix: is invalid; write true or false",
    )
    assert str(caught.value) == "\n".join(caught.value.lines)


def test_unreadable_file_is_reported_in_one_line(tmp_path: Path) -> None:
    """A missing file, a folder and bytes that are not UTF-8."""
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(CatalogError, match="cannot be read"):
            Catalog.load(path, KINDS)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# caf\xe9")
    with pytest.raises(CatalogError, match="cannot be read"):
        Catalog.load(latin, KINDS)


def test_every_key_has_a_remedy_text() -> None:
    """For each key there is a text on what to write there."""
    shapes = (ModelEntry, SizeEntry, OfferEntry)
    assert {key for shape in shapes for key in shape.model_fields} <= set(KEY_HINTS)


def test_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    """Some Windows editors put it before the first line."""
    file = tmp_path / "marked.toml"
    file.write_text(model_toml(), encoding="utf-8-sig")
    assert Catalog.load(file, KINDS).find("m", NOW).name == "m"


def test_built_in_models_are_valid() -> None:
    """Each has a title, and offers of existing kinds."""
    for entry in read_entries(BUILT_IN_FILE):
        assert entry.title
        assert {offer.kind for offer in entry.offers} <= set(PROVIDERS)
