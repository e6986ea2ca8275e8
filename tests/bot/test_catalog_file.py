"""A catalogue that cannot be used: every fault is told with what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.catalog import Catalog
from bot.catalog_file import (
    BUILT_IN,
    WRITE,
    CatalogError,
    ModelEntry,
    OfferEntry,
    SizeEntry,
    read_entries,
)
from providers import PROVIDERS
from tests.standins.catalogs import KINDS, NOW, model, written

BAD = {
    "models = 3": "models: is wrong; write each model under its own [[models]]",
    'models = ["x"]': "model number 1: is wrong; write each model under its own [[models]]",
    "[[model]]": "model: there is no such key; did you mean models? keys: models",
    model(name=None): 'model number 1: name: is missing; write a text, like "wan2.2";'
    " a model's has no spaces",
    model(name='"a b"'): 'model a b: name: is wrong; write a text, like "wan2.2";'
    " a model's has no spaces",
    model(aliases='["a b"]'): "model m: aliases.1: is wrong; write names in a list,"
    ' like ["wan", "local"]; they have no spaces',
    model(titel='"x"'): "model m: titel: there is no such key; did you mean title? keys: name, ",
    model(sizes='[{ name = "1280x720", prise = 1, price = 1 }]'): "model m: sizes.1.prise: there is"
    " no such key; did you mean price? keys: name, price, orientation, width, height",
    model(sizes="[]"): 'model m: sizes: is wrong; write a list like [{ name = "1280x720"',
    model(sizes='[{ name = "1280x720" }]'): "model m: sizes.1.price: is missing; write credits a"
    " second, 0 or more",
    model(sizes='[{ name = "1280x720", price = -1 }]'): "model m: sizes.1.price: is wrong;",
    model(sizes='[{ name = "1280x720", price = inf }]'): "model m: sizes.1.price: is wrong;",
    model(sizes='[{ name = "large", price = 1, width = 5 }]'): "model m: sizes: large: width and"
    " height go together; write both or none",
    model(sizes='[{ name = "A", price = 1 }, { name = "a", price = 1 }]'): "model m: sizes: a is"
    " there twice",
    model(sizes='[{ name = "720x1280", price = 1, orientation = "landscape" }]'): "model m: sizes:"
    " 720x1280 is not landscape; leave orientation out",
    model(orientations='["landscape", "portrait"]'): "model m: orientations: no size is portrait;"
    " leave it out or add one",
    model(orientations='["upright"]'): "model m: orientations.1: is wrong; write some of",
    model(
        orientations='["landscape"]',
        sizes='[{ name = "a", price = 1 }, { name = "720x1280", price = 1 }]',
    ): "model m: orientations: 720x1280 is portrait; add that or leave the size out",
    model(durations="[0]"): "model m: durations.1: is wrong; write whole seconds from 1 to 3600",
    model(durations="[]"): "model m: durations: write a list (durations = [4, 8]) or a range"
    " (duration_range = [1, 20])",
    model(duration_range="[1, 20]"): "model m: durations: write either durations or"
    " duration_range, not both",
    model(durations=None, duration_range="[9, 1]"): "model m: durations: write a list",
    model(durations=None, duration_range="[1, 10000000000]"): "model m: duration_range.2: is wrong;"
    " write the first and the last second, like [1, 20]",
    model(default_duration="5"): "model m: default_duration: 5 is not one of the durations",
    model(retire_at='"soon"'): "model m: retire_at: is wrong; write a day without quotes, like"
    " 2027-06-30",
    model(offers='[{ model = "x" }]'): "model m: offers: x: write either kind or provider",
    model(offers='[{ kind = "sandbox", provider = "local", model = "x" }]'): "model m: offers: x:"
    " write either kind or provider",
    model(offers='[{ kind = "opnai", model = "x" }]'): "model m: offers: there is no kind opnai;"
    f" write one of {', '.join(PROVIDERS)}",
    model(offers='[{ provider = "nobody", model = "x" }]'): "model m: offers: no provider is called"
    " nobody; configured: local, sandbox",
    model() + model(): "model m: is there twice; leave one out",
    model(offers='[{ kind = "sandbox", model = "x", durations = [5] }]'): "model m: offers: x:"
    " durations: the model has no 5; add it there",
    model(offers='[{ kind = "sandbox", model = "x", sizes = [] }]'): "model m: offers: x: sizes: is"
    " empty; leave it out for all of them",
    model(offers='[{ kind = "sandbox", model = "x", remix = true }]'): "model m: offers: x: remix:"
    " the model has it off; write remix = true there",
    model(offers='[{ kind = "sandbox", model = "x", images = 2 }]'): "model m: offers: x: images:"
    " the model has 1; write that or less",
    model(
        offers='[{ kind = "sandbox", model = "x", durations = [4], duration_range = [1, 4] }]'
    ): "model m: offers: x: write either durations or duration_range, not both",
    model(offers='[{ kind = "sandbox", model = "x", duration_range = [5, 9] }]'): "model m: offers:"
    " x: duration_range: the model has none in it; write another",
    model(offers='[{ kind = "sandbox", model = "x", orientations = ["portrait"] }]'): "model m:"
    " offers: x: orientations: the model has no portrait; add it there",
    model(
        sizes='[{ name = "1280x720", price = 1 }, { name = "720x1280", price = 1 }]',
        offers='[{ kind = "openai", model = "x", sizes = ["1280x720"],'
        ' orientations = ["landscape", "portrait"] }]',
    ): "model m: offers: x: orientations: no size of it is portrait; leave it out or add one",
    model(
        sizes='[{ name = "1280x720", price = 1 }, { name = "720x1280", price = 1 }]',
        offers='[{ kind = "openai", model = "x", sizes = ["1280x720", "720x1280"],'
        ' orientations = ["landscape"] }]',
    ): "model m: offers: x: orientations: 720x1280 is portrait; add that or leave the size out",
    model(
        durations="[4, 8]",
        sizes='[{ name = "1280x720", price = 1, durations = [4] },'
        ' { name = "720x1280", price = 1, durations = [8] }]',
        offers='[{ kind = "openai", model = "x", durations = [4], orientations = ["portrait"] }]',
    ): "model m: offers: x: durations: no size of it is made in one of them; write others",
    model(sizes='[{ name = "1280x720", price = 1, durations = [5, 4] }]'): "model m: sizes:"
    " 1280x720: durations: the model has no 5; add it there",
    model(
        sizes='[{ name = "1280x720", price = 1, durations = [] }, { name = "a", price = 1 }]'
    ): "model m: sizes: 1280x720: durations: is empty; leave it out for all of them",
    model(
        durations="[4, 8]", sizes='[{ name = "1280x720", price = 1, durations = [4] }]'
    ): "model m: durations: no size is made in 8; leave it out or add it to one",
    model(
        sizes='[{ name = "1280x720", price = 1, aliases = ["B"] }, { name = "b", price = 2 }]'
    ): "model m: sizes: 1280x720: the alias B is a size's name; choose another",
    model(
        sizes='[{ name = "1280x720", price = 1, aliases = ["Small"] },'
        ' { name = "640x360", price = 2, aliases = ["small"] }]'
    ): "model m: sizes: Small is an alias of 1280x720 and of 640x360; leave one out",
    model(
        sizes='[{ name = "a", price = 1, aliases = ["small"] },'
        ' { name = "640x360", price = 2, aliases = ["small"] }]'
    ): "model m: sizes: small is an alias of a and of 640x360; leave one out",
    model(sizes='[{ name = "1280x720", price = 1, aliases = [""] }]'): "model m:"
    " sizes.1.aliases.1: is wrong; write names in a list",
    model(offers='[{ kind = "sandbox", model = "x", cost = -1 }]'): "model m: offers.1.cost: is"
    " wrong; write what a second costs you, 0 or more",
    model(
        aliases='["Sandbox"]'
    ): "model m: the name Sandbox is also one of sandbox; choose another",
    "not toml": "is not TOML: ",
}


@pytest.mark.parametrize(("text", "line"), BAD.items(), ids=range(len(BAD)))
def test_a_fault_in_the_file_must_be_guessed(tmp_path: Path, text: str, line: str) -> None:
    """Each is told in a line with file, model, key and what to write."""
    file = written(tmp_path, text)
    with pytest.raises(CatalogError) as caught:
        Catalog.load(file, KINDS)
    (told,) = caught.value.lines
    assert told.startswith(f"{file}: {line}")


def test_faults_are_told_one_at_a_time(tmp_path: Path) -> None:
    """All that is wrong in the file's shape is told at once."""
    file = written(tmp_path, model(images="-1") + model(name='"n"', remix='"perhaps"'))
    with pytest.raises(CatalogError) as caught:
        Catalog.load(file, KINDS)
    assert caught.value.lines == (
        f"{file}: model m: images: is wrong; write 0 or 1",
        f"{file}: model n: remix: is wrong; write true or false",
    )
    assert str(caught.value) == "\n".join(caught.value.lines)


def test_a_file_that_cannot_be_read_gives_a_traceback(tmp_path: Path) -> None:
    """No file, a folder and no UTF-8 are told in one line."""
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(CatalogError, match="cannot be read"):
            Catalog.load(path, KINDS)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# caf\xe9")
    with pytest.raises(CatalogError, match="cannot be read"):
        Catalog.load(latin, KINDS)


def test_every_key_can_be_wrong_without_a_word_on_it() -> None:
    """For each key there is a word on what to write there."""
    shapes = (ModelEntry, SizeEntry, OfferEntry)
    assert {key for shape in shapes for key in shape.model_fields} <= set(WRITE)


def test_a_windows_editor_spoils_the_file(tmp_path: Path) -> None:
    """The mark that it puts before the first line is not read as part of it."""
    file = tmp_path / "marked.toml"
    file.write_text(model(), encoding="utf-8-sig")
    assert Catalog.load(file, KINDS).find("m", NOW).name == "m"


def test_the_built_in_models_are_not_sound() -> None:
    """Each has a title, and offers of kinds that there are."""
    for entry in read_entries(BUILT_IN):
        assert entry.title
        assert {offer.kind for offer in entry.offers} <= set(PROVIDERS)
