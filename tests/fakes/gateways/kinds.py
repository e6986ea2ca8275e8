"""Each kind of gateway with its stand-in, and what it makes where nothing else is asked for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from tests.fakes.gateways.jimmy import JimmyGateway
from tests.fakes.gateways.json_gateway import Dialect
from tests.fakes.gateways.jxincm import JxincmGateway
from tests.fakes.gateways.mountsea import MountseaGateway
from tests.fakes.gateways.openai import KEY, Gateway

RENDER = 0.3


@dataclass(frozen=True)
class Kind:
    """One kind of gateway."""

    name: str
    made: Callable[[], AbstractAsyncContextManager[Gateway | Dialect]]
    model: str = "sora-2"
    seconds: int = 4
    remixes: bool = True

    def environ(self, url: str) -> dict[str, str]:
        """What an operator writes to have it, at this address."""
        prefix = f"PROVIDERS__{self.name.upper()}__"
        return {f"{prefix}API_KEY": KEY, f"{prefix}BASE_URL": url}


OPENAI = Kind("openai", lambda: Gateway(render_seconds=RENDER))
RELAY147 = Kind(
    "relay147", lambda: Gateway(render_seconds=RENDER, dialect="relay147"), remixes=False
)
JXINCM = Kind("jxincm", lambda: JxincmGateway(render_seconds=RENDER), seconds=10)
ZENLAYER = Kind("zenlayer", lambda: Gateway(render_seconds=RENDER, dialect="zenlayer"))
JIMMY = Kind(
    "jimmy",
    lambda: JimmyGateway(render_seconds=RENDER),
    model="sora2-12s",
    seconds=12,
    remixes=False,
)
MOUNTSEA = Kind("mountsea", lambda: MountseaGateway(render_seconds=RENDER), seconds=10)


def pictured(gateway: Gateway | Dialect) -> set[str]:
    """The prompts that came with a picture."""
    if isinstance(gateway, Gateway):
        return {one.body["prompt"] for one in gateway.jobs.values() if one.picture is not None}
    return {one.asked.prompt for one in gateway.jobs.values() if one.asked.picture is not None}
