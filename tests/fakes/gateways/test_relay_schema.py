"""The schema of the relays equals their pages, where these are available."""

from __future__ import annotations

import re

import pytest

from tests.fakes.gateways.relay_schema import DOCUMENTED, SIZES, contradictions, render_job_as
from tests.support.paths import PUBLISHED

SEEDS = PUBLISHED / "seeds"


def page(name: str) -> str:
    """What the gateway's own page on creates says."""
    path = SEEDS / f"{name}.txt"
    if not path.is_file():
        pytest.skip("the page is not at hand")
    return path.read_text(encoding="utf-8")


def test_zenlayer_schema_equals_its_page() -> None:
    """Each field, which ones are required, and its sizes."""
    text = page("zenlayer")
    rows = re.findall(r"^\| \**([\w\\]+)\** +\| string \| (是|否)", text, re.MULTILINE)
    fields = DOCUMENTED["zenlayer"]["post", "/videos"].bodies["multipart/form-data"]
    assert {name.replace("\\", ""): needed == "是" for name, needed in rows} == {
        name: field.required for name, field in fields.items()
    }
    assert set(re.findall(r"\d{3,4}x\d{3,4}", text)) == set(SIZES["zenlayer"]["sora-2"])
    example = re.search(r"\{\n.*?\n\}", text, re.DOTALL)
    assert example is not None
    shown = set(re.findall(r'^\s"(\w+)":', example[0], re.MULTILINE))
    video = dict.fromkeys([*shown, "prompt"]) | {"created_at": 1}
    assert set(render_job_as("zenlayer", video)) == shown


def test_relay147_schema_equals_its_page() -> None:
    """Each field, which ones are required, its sizes by model and its durations."""
    text = page("official-relay-147ai")
    fields = DOCUMENTED["relay147"]["post", "/videos"].bodies["multipart/form-data"]
    properties = text.split("properties:")[1].split("required:")[0]
    assert set(re.findall(r"^ {16}(\w+):$", properties, re.MULTILINE)) == set(fields)
    required = text.split("required:\n")[1].split("examples")[0]
    assert set(re.findall(r"- (\w+)", required)) == {
        name for name, field in fields.items() if field.required
    }
    for model, sizes in SIZES["relay147"].items():
        line = re.search(rf"^ +{model}：(.*)$", text, re.MULTILINE)
        assert line is not None
        assert set(re.findall(r"\d{3,4}x\d{3,4}", line[1])) == set(sizes)


def test_size_of_a_dearer_model_is_refused() -> None:
    """A combination is refused although each field alone is allowed."""
    asked: dict[str, object] = {"model": "sora-2", "size": "1792x1024"}
    assert contradictions("relay147", asked) == ["1792x1024 is no size of sora-2"]
    assert contradictions("relay147", {**asked, "model": "sora-2-pro"}) == []
