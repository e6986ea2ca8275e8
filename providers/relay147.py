"""A relay in the official format: Apifox project 6819841, at `https://147ai.com` by inference.

Sources: its pages on create, status and content. Verified there: multipart creates with `prompt`,
`model`, `seconds` of 4, 8 or 12, `size` by model and `input_reference`; a finished job has no URL,
and its `model` is not the one asked for. Other pages of the same project name the host; these do
not, so BASE_URL may have to be set. Of its software it is inferred that `/content` answers 400
before the end. Not documented, so off until somebody has tried: changes, a list of jobs,
thumbnails, DELETE and calls. Its price is the official one times a factor of the account's group.
"""

from __future__ import annotations

from typing import ClassVar

from providers.base import Options
from providers.official import Official, OfficialOptions


class Relay147Options(OfficialOptions):
    """What its documents have."""

    remix: bool = False
    find: bool = False


class Relay147(Official):
    """One account there."""

    kind: ClassVar[str] = "relay147"
    options_type: ClassVar[type[Options]] = Relay147Options
    default_url: ClassVar[str] = "https://147ai.com/v1"
