"""A whole process behind its port: ready while it serves, and quick to follow a webhook."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from bot.config import load_settings
from bot.domain.commands import MakeVideo
from bot.domain.tasks import State
from bot.store import tasks
from bot.web import ListenError
from tests.fakes.engine.crowd import running_process
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.gateways.webhooks import WEBHOOK_SECRET, signed_event


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])


def settings(folder: Path, url: str, port: int, **more: str) -> dict[str, str]:
    return {
        "DATA_DIR": str(folder / "data"),
        "DATABASE_URL": f"sqlite:///{folder}/reelay.db",
        "HTTP_PORT": str(port),
        "PROVIDERS__LOCAL__KIND": "openai",
        "PROVIDERS__LOCAL__API_KEY": KEY,
        "PROVIDERS__LOCAL__BASE_URL": url,
        "PROVIDERS__LOCAL__WEBHOOK_SECRET": WEBHOOK_SECRET,
        **more,
    }


async def test_webhook_event_polls_the_job_at_once(tmp_path: Path) -> None:
    """Not at the next scheduled poll."""
    port = free_port()
    tell = f"http://127.0.0.1:{port}/webhooks/local"
    async with FakeOpenAIGateway(render_seconds=0.5, cheap=True, tell=tell) as gateway:
        chosen = settings(tmp_path, gateway.url, port, POLL_MIN_SECONDS="300")
        async with running_process(load_settings(Path("/dev/null"), chosen)) as (crowd, parts):
            reply = await crowd.send("a", MakeVideo("a red kite"))
            assert reply.task is not None
            task_id = reply.task.id

            async def done() -> bool:
                task = await parts.database.read(lambda tx: tasks.get(tx, task_id))
                return task is not None and (task.state, task.poll_count) == (State.DONE, 1)

            assert await crowd.wait_until(20, done)
            assert crowd.posted_videos[task_id] == 1
        assert gateway.requests["told 204"] == 2
        assert gateway.requests["GET /videos/{video_id}"] == 1


async def test_unsigned_event_is_refused_and_readiness_hides_secrets(tmp_path: Path) -> None:
    """Readiness names each part."""
    port = free_port()
    home = f"http://127.0.0.1:{port}"
    async with FakeOpenAIGateway(render_seconds=60) as gateway:
        chosen = settings(tmp_path, gateway.url, port)
        async with (
            running_process(load_settings(Path("/dev/null"), chosen)),
            httpx.AsyncClient() as client,
        ):
            body, headers = signed_event("video.completed", "video_1", "whsec_b3RoZXI=")
            forged = await client.post(f"{home}/webhooks/local", content=body, headers=headers)
            nobody = await client.post(f"{home}/webhooks/nobody", content=body, headers=headers)
            assert (forged.status_code, nobody.status_code) == (401, 404)
            assert (await client.get(f"{home}/healthz")).text == "ok"
            ready = await client.get(f"{home}/readyz")
            assert ready.status_code == 200, ready.text
            assert set(ready.json()["parts"]) == {
                "database",
                "migrations",
                "front-ends",
                "providers",
            }
            assert KEY not in ready.text


async def test_taken_port_ends_the_start_in_one_line(tmp_path: Path) -> None:
    """A port that was asked for and cannot be had ends the start in one clear line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        chosen = load_settings(Path("/dev/null"), settings(tmp_path, "http://127.0.0.1:9", port))
        with pytest.raises(ListenError, match=f"cannot listen on .*HTTP_PORT={port}"):
            async with running_process(chosen):
                pytest.fail("it serves")
