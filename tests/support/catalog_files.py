"""Catalogue files for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

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
