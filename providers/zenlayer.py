"""Zenlayer AI Gateway: the OpenAI format at `https://gateway.theturbo.ai`.

Sources: its page on creates, and the mirror of its other three pages (query, content, remix) at
docs.tknhome.com. Verified there: multipart creates with `model`, `prompt`, `seconds`, `size` and
`input_reference`; a remix is sent as JSON; results are kept for 24 hours after the create
(`expires_at`), without a URL, at `/content`. Not documented and therefore disabled until tested:
a list of jobs, thumbnails, DELETE and webhooks.
"""

from __future__ import annotations

from typing import ClassVar

from providers.base import ProviderOptions
from providers.openai_format import OpenAIVideoOptions, OpenAIVideoProvider


class ZenlayerOptions(OpenAIVideoOptions):
    """What its documentation describes."""

    find: bool = False


class Zenlayer(OpenAIVideoProvider):
    """One account at Zenlayer."""

    kind: ClassVar[str] = "zenlayer"
    options_type: ClassVar[type[ProviderOptions]] = ZenlayerOptions
    default_url: ClassVar[str] = "https://gateway.theturbo.ai/v1"
