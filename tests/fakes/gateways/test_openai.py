"""The fake gateway is strict, reports truthfully what it accepted, and fails as planned."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.gateways.faults import FAULTS, FaultPlan
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.support import sample_images, video_frames
from tests.support.paths import ROOT

_RIGHT = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
async def gateway() -> AsyncIterator[FakeOpenAIGateway]:
    """A gateway whose jobs end at the second look."""
    async with FakeOpenAIGateway(looks_to_finish=2, cheap=True) as it:
        yield it


@pytest.fixture
async def client(gateway: FakeOpenAIGateway) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody with the right key."""
    async with httpx.AsyncClient(base_url=f"{gateway.url}/v1", headers=_RIGHT) as it:
        yield it


async def made(client: httpx.AsyncClient, prompt: str = "a kite", **fields: Any) -> str:
    """A new job's id."""
    answer = await client.post("/videos", json={"prompt": prompt, **fields})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def ended(client: httpx.AsyncClient, job: str) -> dict[str, Any]:
    """The job at its end."""
    await client.get(f"/videos/{job}")
    shown: dict[str, Any] = (await client.get(f"/videos/{job}")).json()
    return shown


# --- strictness --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/videos", {"json": {}}),
        ("POST", "/videos", {"json": {"prompt": "p", "seconds": 4}}),
        ("POST", "/videos", {"json": {"prompt": "p", "quality": "high"}}),
        ("POST", "/videos", {"json": ["prompt"]}),
        ("POST", "/videos", {"content": "{", "headers": {"Content-Type": "application/json"}}),
        ("POST", "/videos", {"data": {"prompt": "p"}}),
        ("POST", "/videos", {"files": {"prompt": (None, "p"), "input_reference": (None, "x")}}),
        ("POST", "/videos/video_1/remix", {"json": {"prompt": "p", "seconds": "4"}}),
        ("GET", "/videos", {"params": {"limit": "101"}}),
        ("GET", "/videos/video_1", {"params": {"verbose": "1"}}),
        ("GET", "/videos/video_1/content", {"params": {"variant": "audio"}}),
    ],
)
async def test_invalid_request_is_refused_and_recorded(
    gateway: FakeOpenAIGateway,
    client: httpx.AsyncClient,
    method: str,
    path: str,
    content: dict[str, Any],
) -> None:
    """Each is answered 400 in the official shape and makes no job."""
    answer = await client.request(method, path, **content)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert len(gateway.violations) == 1
    assert not gateway.jobs


async def test_request_without_key_is_refused(gateway: FakeOpenAIGateway) -> None:
    """This is no violation: keys are for tests to get wrong."""
    async with httpx.AsyncClient(base_url=f"{gateway.url}/v1") as stranger:
        for headers in ({}, {"Authorization": KEY}, {"Authorization": "Bearer sk-other"}):
            answer = await stranger.get("/videos", headers=headers)
            assert answer.status_code == 401
    assert gateway.violations == []


@pytest.mark.parametrize(
    "picture",
    [b"text", sample_images.encode_image(sample_images.color_card(720, 1281), "PNG"), b"GIF89a"],
)
async def test_wrong_image_is_refused(
    gateway: FakeOpenAIGateway, client: httpx.AsyncClient, picture: bytes
) -> None:
    """It must be an image of exactly the requested size, in either form of body."""
    parts: Any = {"prompt": (None, "p"), "input_reference": ("p.png", picture, "image/png")}
    url = f"data:image/png;base64,{b64encode(picture).decode()}"
    forms: list[dict[str, Any]] = [
        {"files": parts},
        {"json": {"prompt": "p", "input_reference": {"image_url": url}}},
        {"json": {"prompt": "p", "input_reference": {"image_url": "https://example.com/p.png"}}},
    ]
    for form in forms:
        answer = await client.post("/videos", **form)
        assert answer.status_code == 400
    assert not gateway.jobs


async def test_uploaded_image_is_kept_and_shown(
    gateway: FakeOpenAIGateway, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """It is kept byte for byte, and the video shows it."""
    gateway.cheap = False
    picture = sample_images.encode_image(sample_images.color_card(720, 1280), "PNG")
    parts: Any = {"prompt": (None, "p"), "input_reference": ("p.png", picture, "image/png")}
    job = (await client.post("/videos", files=parts)).json()["id"]
    assert gateway.jobs[job].picture == picture
    await ended(client, job)
    film = tmp_path / "film.mp4"
    film.write_bytes((await client.get(f"/videos/{job}/content")).content)
    shown = video_frames.frame(film)
    corner = (0, 0, 200, 200)
    assert (
        video_frames.difference(
            shown.crop(corner), sample_images.color_card(720, 1280).crop(corner)
        )
        < 12
    )


# --- jobs --------------------------------------------------------------------------------


async def test_job_goes_through_its_states(
    gateway: FakeOpenAIGateway, client: httpx.AsyncClient
) -> None:
    """Queued, in progress, completed; its video only then; after a delete it is gone."""
    job = await made(client, "a kite")
    assert (await client.get(f"/videos/{job}/content")).status_code == 404
    assert (await client.delete(f"/videos/{job}")).status_code == 400
    assert (await client.post(f"/videos/{job}/remix", json={"prompt": "b"})).status_code == 400
    first = (await client.get(f"/videos/{job}")).json()
    assert (first["status"], first["progress"]) == ("in_progress", 50)
    last = (await client.get(f"/videos/{job}")).json()
    assert (last["status"], last["progress"]) == ("completed", 100)
    assert last["expires_at"] - last["completed_at"] == 3600
    assert last == (await client.get(f"/videos/{job}")).json()
    film = (await client.get(f"/videos/{job}/content")).content
    rest = await client.get(f"/videos/{job}/content", headers={"Range": "bytes=100-"})
    assert (rest.status_code, rest.content) == (206, film[100:])
    beyond = {"Range": f"bytes={len(film)}-"}
    assert (await client.get(f"/videos/{job}/content", headers=beyond)).status_code == 416
    assert (await client.delete(f"/videos/{job}")).json()["deleted"] is True
    assert (await client.get(f"/videos/{job}")).status_code == 404
    assert gateway.violations == []


async def test_paging_gives_each_job_once(client: httpx.AsyncClient) -> None:
    """Newest first unless asked otherwise."""
    jobs = [await made(client, f"kite {number}") for number in range(5)]
    for order, expected in (("desc", jobs[::-1]), ("asc", jobs)):
        seen: list[str] = []
        query: dict[str, str | int] = {"limit": 2, "order": order}
        while True:
            page = (await client.get("/videos", params=query)).json()
            seen += [job["id"] for job in page["data"]]
            if not page["has_more"]:
                break
            query["after"] = page["last_id"]
        assert seen == expected
    assert (await client.get("/videos", params={"after": "video_none"})).status_code == 400


# --- misbehaving -------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS["create"])
async def test_only_accepted_creates_are_counted(
    gateway: FakeOpenAIGateway, client: httpx.AsyncClient, fault: str
) -> None:
    """Each fault happens once, before or after the acceptance."""
    try:
        answer = await client.post("/videos", json={"prompt": f"p !{fault}"})
        well = answer.status_code == 200 and bool(answer.json())
    except (httpx.HTTPError, ValueError):
        well = False
    assert well == (fault == "slow")
    after = fault in {"slow", "drop-after", "truncated", "half", "empty"}
    assert gateway.creates.total() == len(gateway.jobs) == after
    await made(client, f"p !{fault}")


@pytest.mark.parametrize("route", ["look", "content", "list"])
async def test_planned_fault_happens_once(
    gateway: FakeOpenAIGateway, client: httpx.AsyncClient, route: str
) -> None:
    """Whatever the prompt; afterwards everything works again."""
    job = await made(client)
    well = await ended(client, job)
    paths = {"look": f"/videos/{job}", "content": f"/videos/{job}/content", "list": "/videos"}
    film = (await client.get(paths["content"])).content
    for fault in FAULTS[route]:
        gateway.plan(route, fault)
        try:
            answer = await client.get(paths[route])
            same = answer.status_code == 200 and answer.content == film
            same |= answer.text.startswith("{") and answer.json() == well
        except httpx.HTTPError:
            same = False
        # A job that is completed has no other word to be unknown.
        assert same == (fault == "unknown-status"), fault
        assert (await client.get(paths[route])).status_code == 200
    with pytest.raises(AssertionError):
        gateway.plan(route, "no-such-fault")


async def test_fault_word_in_a_prompt_works(
    gateway: FakeOpenAIGateway, client: httpx.AsyncClient
) -> None:
    """Words for the poll, the render and the content apply when their time comes."""
    job = await made(client, "p !late !moderated")
    statuses = [(await client.get(f"/videos/{job}")).status_code for _ in range(3)]
    assert statuses == [404, 404, 200]
    failed = await ended(client, job)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "moderation_blocked")
    stuck = await made(client, "p !stuck")
    assert (await ended(client, stuck))["status"] == "in_progress"
    gone = await made(client, "p !gone")
    await ended(client, gone)
    for _ in range(3):
        assert (await client.get(f"/videos/{gone}/content")).status_code == 410
    assert gateway.jobs[gone].looks == 2


def test_same_seed_gives_the_same_faults() -> None:
    """About as often as the rate says."""
    mischief, again = FaultPlan(0.1, 7), FaultPlan(0.1, 7)
    faults = [mischief.fault("create") for _ in range(2000)]
    assert faults == [again.fault("create") for _ in range(2000)]
    assert 150 < sum(fault is not None for fault in faults) < 250


# --- on its own --------------------------------------------------------------------------


async def test_gateway_runs_as_a_process() -> None:
    """It prints its address, shows its state over HTTP, takes plans, and ends with its input."""
    command = [
        sys.executable,
        "-m",
        "tests.fakes.gateways.openai",
        "--looks-to-finish",
        "1",
        "--cheap",
    ]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        url = (await asyncio.to_thread(process.stdout.readline)).strip()
        async with httpx.AsyncClient(base_url=f"{url}/v1", headers=_RIGHT) as client:
            plan = {"route": "create", "faults": ["drop-after"]}
            assert (await client.post(f"{url}/_faults", json=plan)).status_code == 200
            with pytest.raises(httpx.HTTPError):
                await client.post("/videos", json={"prompt": "lost"})
            job = await made(client, "kept")
            state = (await client.get(f"{url}/_state")).json()
        process.stdin.close()
        assert await asyncio.to_thread(process.wait, 20) == 0
    assert state["creates"] == {"lost": 1, "kept": 1}
    assert state["jobs"][job] == "kept"
    assert state["requests"] == {"POST /videos": 2}
    assert state["violations"] == []
