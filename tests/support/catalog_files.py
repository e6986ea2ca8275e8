"""Catalogues for tests, written as people would write them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
KINDS = {"local": "openai", "sandbox": "sandbox"}
"""The providers that are there: name -> kind."""


def write_file(folder: Path, text: str) -> Path:
    """A file with this in it."""
    file = folder / "catalog.toml"
    file.write_text(text, encoding="utf-8")
    return file


def model_toml(**keys: object) -> str:
    """A whole model in TOML, with some keys put differently or, where None, left out."""
    lines = {
        "name": '"m"',
        "durations": "[4]",
        "sizes": '[{ name = "1280x720", price = 1 }]',
        "offers": '[{ kind = "sandbox", model = "x" }]',
    } | keys
    body = "\n".join(f"{key} = {value}" for key, value in lines.items() if value is not None)
    return f"[[models]]\n{body}\n"
