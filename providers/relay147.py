"""A relay of the OpenAI format: Apifox project 6819841, presumably at `https://147ai.com`.

Sources: its pages on create, status and content. Verified there: multipart creates with `prompt`,
`model`, `seconds` of 4, 8 or 12, `size` depending on the model, and `input_reference`; a finished
job has no URL, and its `model` is not the requested one. The host is named on other pages of the
same project only, so BASE_URL may have to be set. Inferred from its software: `/content` responds
400 before the job is finished. Not documented and therefore disabled until tested: remixes, a list
of jobs, thumbnails, DELETE and webhooks. Its price is the OpenAI price times a factor of the
account's group.
"""

from __future__ import annotations

from typing import ClassVar

from providers.base import ProviderOptions
from providers.openai_format import OpenAIVideoOptions, OpenAIVideoProvider


class Relay147Options(OpenAIVideoOptions):
    """What its documentation describes."""

    remix: bool = False
    find: bool = False


class Relay147(OpenAIVideoProvider):
    """One account at this relay."""

    kind: ClassVar[str] = "relay147"
    options_type: ClassVar[type[ProviderOptions]] = Relay147Options
    default_url: ClassVar[str] = "https://147ai.com/v1"
