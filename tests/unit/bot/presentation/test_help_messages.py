"""Help texts."""

from __future__ import annotations

from bot.commands.admin_parser import ADMIN_COMMANDS
from bot.commands.parser import COMMANDS, VIDEO_OPTIONS
from bot.presentation.help_messages import admin_help_text, help_text
from bot.presentation.i18n import (
    LANGUAGES,
)


def test_help_lists_every_command_and_option() -> None:
    """Admin commands only where admins ask."""
    for language in LANGUAGES:
        text = help_text(language, is_admin=False, typed_options=True)
        assert all(f"/{word.name}" in text for word in COMMANDS)
        assert all(f"--{option}" in text for option in VIDEO_OPTIONS)
        assert "/admin" not in text
        assert "/admin" in help_text(language, is_admin=True, typed_options=True)
        assert "--" not in help_text(language, is_admin=False, typed_options=False)
        listed = admin_help_text(language).splitlines()[1:]
        assert [line.split()[1] for line in listed] == [word.name for word in ADMIN_COMMANDS]
