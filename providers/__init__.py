"""The supported gateways: kind -> class. To add one, follow `providers/README.md`."""

from providers.base import Provider
from providers.jimmy import Jimmy
from providers.jxincm import Jxincm
from providers.mountsea import Mountsea
from providers.openai import OpenAI
from providers.relay147 import Relay147
from providers.sandbox import Sandbox
from providers.zenlayer import Zenlayer

PROVIDERS: dict[str, type[Provider]] = {
    "jimmy": Jimmy,
    "jxincm": Jxincm,
    "mountsea": Mountsea,
    "openai": OpenAI,
    "relay147": Relay147,
    "sandbox": Sandbox,
    "zenlayer": Zenlayer,
}
