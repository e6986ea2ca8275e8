"""Errors that are shown to the user."""

from __future__ import annotations


class Refusal(Exception):
    """A request cannot be fulfilled: the key of a text in the locales, and its parameters.

    The text says what was wrong and what is allowed. Nothing was charged.
    """

    def __init__(self, text_key: str, /, **params: str | float) -> None:
        super().__init__(f"{text_key} {params}")
        self.text_key = text_key
        self.params = params
