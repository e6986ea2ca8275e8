"""Each kind of gateway with its fake and its default model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from tests.fakes.gateways.jimmy import FakeJimmyGateway
from tests.fakes.gateways.json_gateway import FakeJsonGateway
from tests.fakes.gateways.jxincm import FakeJxincmGateway
from tests.fakes.gateways.mountsea import FakeMountseaGateway
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway

RENDER = 0.3


@dataclass(frozen=True)
class GatewayKind:
    """One kind of gateway."""

    name: str
    fake: Callable[[], AbstractAsyncContextManager[FakeOpenAIGateway | FakeJsonGateway]]
    model: str = "sora-2"
    seconds: int = 4
    remixes: bool = True

    def environ(self, url: str) -> dict[str, str]:
        """What an operator writes to have it, at this address."""
        prefix = f"PROVIDERS__{self.name.upper()}__"
        return {f"{prefix}API_KEY": KEY, f"{prefix}BASE_URL": url}


OPENAI = GatewayKind("openai", lambda: FakeOpenAIGateway(render_seconds=RENDER))
RELAY147 = GatewayKind(
    "relay147", lambda: FakeOpenAIGateway(render_seconds=RENDER, dialect="relay147"), remixes=False
)
JXINCM = GatewayKind("jxincm", lambda: FakeJxincmGateway(render_seconds=RENDER), seconds=10)
ZENLAYER = GatewayKind(
    "zenlayer", lambda: FakeOpenAIGateway(render_seconds=RENDER, dialect="zenlayer")
)
JIMMY = GatewayKind(
    "jimmy",
    lambda: FakeJimmyGateway(render_seconds=RENDER),
    model="sora2-12s",
    seconds=12,
    remixes=False,
)
MOUNTSEA = GatewayKind("mountsea", lambda: FakeMountseaGateway(render_seconds=RENDER), seconds=10)


def prompts_with_image(gateway: FakeOpenAIGateway | FakeJsonGateway) -> set[str]:
    """The prompts with an image."""
    if isinstance(gateway, FakeOpenAIGateway):
        return {job.body["prompt"] for job in gateway.jobs.values() if job.picture is not None}
    return {job.asked.prompt for job in gateway.jobs.values() if job.asked.picture is not None}
