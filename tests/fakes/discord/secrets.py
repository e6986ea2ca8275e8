"""Secrets that must never be visible: the bot's token and those of interactions.

An interaction's token lets whoever has it speak as the bot for a quarter of an hour.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from tests.fakes.discord.fake import TOKEN
from tests.fakes.gateways.openai import KEY

INTERACTION_TOKEN_PREFIX = "aW50ZXJhY3Rpb24"
"""Of each token of an interaction: "interaction" in Base64."""


def assert_no_secrets(text: str) -> None:
    """Neither the bot's token, nor its secret part, nor an interaction's, nor the gateway's key."""
    for hidden in (
        TOKEN,
        TOKEN.rpartition(".")[2],
        quote(TOKEN, safe=""),
        INTERACTION_TOKEN_PREFIX,
        KEY,
    ):
        assert hidden not in text, re.findall(rf".{{0,80}}{re.escape(hidden)}", text)[0]
