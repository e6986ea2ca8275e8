"""Any server of the official `/v1/videos` format; `official.py` has all of it.

Source: openai/openai-openapi (2026-08-21). OpenAI itself switched its own off on 2026-09-24;
others go on serving the format. vLLM-Omni takes multipart only, any `seconds` and `size`, and its
DELETE stops a running job (`cancel`). Older SGLang takes text prompts as JSON only (`body`).
"""

from __future__ import annotations

from typing import ClassVar

from providers.base import Options
from providers.official import Official, OfficialOptions


class OpenAIOptions(OfficialOptions):
    """A server of this format as OpenAI describes it; switch off what yours lacks."""

    thumbnails: bool = True


class OpenAI(Official):
    """One account at a server of the official format."""

    kind: ClassVar[str] = "openai"
    options_type: ClassVar[type[Options]] = OpenAIOptions
    default_url: ClassVar[str] = "https://api.openai.com/v1"
