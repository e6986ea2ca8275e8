"""Catalogue files for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from bot.catalog.catalog import Catalog
from bot.catalog.models import UserDefaults
from bot.domain.commands import MakeVideo
from bot.domain.tasks import Order
from providers.types import Orientation

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()


KINDS = {"local": "openai", "sandbox": "sandbox"}
"""The configured providers: name -> kind."""


def write_file(folder: Path, text: str) -> Path:
    """Write the text to a catalogue file."""
    file = folder / "catalog.toml"
    file.write_text(text, encoding="utf-8")
    return file


def model_toml(**keys: object) -> str:
    """A complete model in TOML; a key given here replaces its default, None leaves it out."""
    lines = {
        "name": '"m"',
        "durations": "[4]",
        "sizes": '[{ name = "1280x720", price = 1 }]',
        "offers": '[{ kind = "sandbox", model = "x" }]',
    } | keys
    body = "\n".join(f"{key} = {value}" for key, value in lines.items() if value is not None)
    return f"[[models]]\n{body}\n"


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


def complete(
    catalog: Catalog,
    wish: MakeVideo,
    defaults: UserDefaults | None = None,
    picture: Orientation | None = None,
) -> tuple[Order, int]:
    return catalog.build_order(wish, defaults or UserDefaults(), NOW, picture)
