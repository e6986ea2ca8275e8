"""Where the project lies, and what may lie beside it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The folder of the project."""

PUBLISHED = ROOT.parent / "shared"
"""Documents that platforms and gateways publish. Tests that need one are skipped without it."""
