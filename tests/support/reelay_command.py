"""`reelay` as a command of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

from bot.config import SETTING_NAMES

Run = Callable[..., subprocess.CompletedProcess[str]]


def clean_environment() -> dict[str, str]:
    """The environment without settings of Reelay that the one who tests may have."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() not in SETTING_NAMES and not name.upper().startswith("PROVIDERS_")
    }
