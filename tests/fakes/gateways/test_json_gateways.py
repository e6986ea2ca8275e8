"""The fakes of JSON gateways refuse invalid requests, and run as processes."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from tests.fakes.gateways.jimmy import FakeJimmyGateway
from tests.fakes.gateways.json_gateway import FakeJsonGateway
from tests.fakes.gateways.jxincm import FakeJxincmGateway
from tests.fakes.gateways.mountsea import FakeMountseaGateway
from tests.fakes.gateways.openai import KEY

_AUTHORIZATION = {"Authorization": f"Bearer {KEY}"}
_GATEWAYS: dict[type[FakeJsonGateway], tuple[str, str, dict[str, object]]] = {
    FakeJimmyGateway: (
        "/api/open-api/v1/videos",
        "/api/open-api/v1/videos/{}",
        {"model": "sora2-12s", "prompt": "a kite", "duration": 12},
    ),
    FakeJxincmGateway: (
        "/v1/video/create",
        "/v1/video/query?id={}",
        {
            "images": [],
            "model": "sora-2",
            "orientation": "portrait",
            "prompt": "a kite",
            "size": "small",
            "duration": 10,
            "watermark": True,
        },
    ),
    FakeMountseaGateway: (
        "/sora/video/generate",
        "/sora/task/result?taskId={}",
        {"model": "sora-2", "prompt": "a kite", "removeWatermark": True},
    ),
}
every_kind = pytest.mark.parametrize("made", _GATEWAYS)


@every_kind
async def test_invalid_create_is_refused_and_recorded(made: type[FakeJsonGateway]) -> None:
    """An extra field, a wrong type, another content type: refused, recorded, never charged."""
    create, _, body = _GATEWAYS[made]
    async with made() as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        client.headers.update(_AUTHORIZATION)
        wrong = [{**body, "colour": "red"}, {**body, "prompt": 7}, {"prompt": "a kite"}, []]
        for problem in wrong:
            assert (await client.post(create, json=problem)).status_code == 400
        text = {name: str(value) for name, value in body.items()}
        assert (await client.post(create, data=text)).status_code == 400
        assert len(gateway.violations) >= 5
        assert gateway.creates == {}
        assert (await client.post(create, json=body)).status_code == made.created_status
        assert gateway.creates == {"a kite": 1}


@every_kind
async def test_request_without_key_or_route_is_refused(made: type[FakeJsonGateway]) -> None:
    """Without the key nothing is answered; an undocumented route is a violation."""
    create, look, body = _GATEWAYS[made]
    async with made() as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        assert (await client.post(create, json=body)).status_code == 401
        assert (await client.get(look.format("t"))).status_code == 401
        assert gateway.violations == []
        assert (await client.get("/v1/elsewhere", headers=_AUTHORIZATION)).status_code == 404
        await client.get(look.format("t") + "&more=1", headers=_AUTHORIZATION)
        assert len(gateway.violations) == (1 if made is FakeJimmyGateway else 2)


@every_kind
async def test_key_sent_to_the_file_host_is_recorded(made: type[FakeJsonGateway]) -> None:
    """The file host serves everybody, and records requests with a key."""
    create, look, body = _GATEWAYS[made]
    async with made(looks_to_finish=1, cheap=True) as gateway, httpx.AsyncClient() as client:
        headers = _AUTHORIZATION
        await client.post(gateway.url + create, json=body, headers=headers)
        (job,) = gateway.jobs.values()
        await client.get(gateway.url + look.format(job.id), headers=headers)
        link = gateway.link(job)
        whole = await client.get(link)
        assert whole.headers["content-type"] == "video/mp4"
        rest = await client.get(link, headers={"Range": "bytes=1000-"})
        assert (rest.status_code, rest.content) == (206, whole.content[1000:])
        assert gateway.violations == []
        await client.get(link, headers=headers)
        assert len(gateway.violations) == 1


@every_kind
async def test_link_expires_and_is_renewed(made: type[FakeJsonGateway]) -> None:
    """An expired link is refused, and the next poll returns another one."""
    create, look, body = _GATEWAYS[made]
    async with made(looks_to_finish=1, link_seconds=1e-6, cheap=True) as gateway:
        async with httpx.AsyncClient(headers=_AUTHORIZATION) as client:
            await client.post(gateway.url + create, json=body)
            (job,) = gateway.jobs.values()
            await client.get(gateway.url + look.format(job.id))
            await client.get(gateway.url + look.format(job.id))
        async with httpx.AsyncClient() as stranger:
            links = [f"{gateway.store_url}/films/{job.id}/{number}.mp4" for number in range(2)]
            assert [(await stranger.get(link)).status_code for link in links] == [403, 403]
        assert len(job.links) == 2


@pytest.mark.parametrize("name", ["jimmy", "jxincm", "mountsea"])
def test_gateway_runs_as_a_process(name: str) -> None:
    """It prints its address, takes planned faults, shows its state, and ends with its input."""
    command = [sys.executable, "-m", f"tests.fakes.gateways.{name}", "--cheap", "--seed", "7"]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url) as client:
            client.post("/_faults", json={"route": "create", "faults": ["throttle"]})
            seen = client.get("/_state").json()
        assert seen == {"creates": {}, "jobs": {}, "requests": {}, "violations": []}
        process.stdin.close()
        assert process.wait(20) == 0
