"""Zenlayer AI Gateway: the official format at `https://gateway.theturbo.ai`.

Sources: its page on creates, and the mirror of its other three (query, content, remix) at
docs.tknhome.com. Verified there: multipart creates with `model`, `prompt`, `seconds`, `size` and
`input_reference`; a change is sent as JSON; results are kept for 24 hours from the create
(`expires_at`), without a URL, at `/content`. Not documented, so off until somebody has tried:
a list of jobs, thumbnails, DELETE and calls.
"""

from __future__ import annotations

from typing import ClassVar

from providers.base import Options
from providers.official import Official, OfficialOptions


class ZenlayerOptions(OfficialOptions):
    """What its documents have."""

    find: bool = False


class Zenlayer(Official):
    """One account there."""

    kind: ClassVar[str] = "zenlayer"
    options_type: ClassVar[type[Options]] = ZenlayerOptions
    default_url: ClassVar[str] = "https://gateway.theturbo.ai/v1"
