"""The gateways that Reelay speaks to: kind -> class. To add one: `providers/README.md`."""

from providers.base import Provider
from providers.openai import OpenAI
from providers.sandbox import Sandbox

PROVIDERS: dict[str, type[Provider]] = {
    "openai": OpenAI,
    "sandbox": Sandbox,
}
