"""Any server of the OpenAI `/v1/videos` format, implemented in `providers/openai_format.py`.

Source: openai/openai-openapi (2026-08-21). OpenAI shut down its own service on 2026-09-24; other
servers still offer the format. vLLM-Omni accepts multipart only, any `seconds` and `size`, and its
DELETE cancels a running job (`cancel`). Older SGLang accepts text prompts as JSON only (`body`).
"""

from __future__ import annotations

from typing import ClassVar

from providers.base import ProviderOptions
from providers.openai_format import OpenAIVideoOptions, OpenAIVideoProvider


class OpenAIOptions(OpenAIVideoOptions):
    """The format as OpenAI specifies it; disable what your server does not support."""

    thumbnails: bool = True


class OpenAI(OpenAIVideoProvider):
    """One account at a server of the OpenAI format."""

    kind: ClassVar[str] = "openai"
    options_type: ClassVar[type[ProviderOptions]] = OpenAIOptions
    default_url: ClassVar[str] = "https://api.openai.com/v1"
