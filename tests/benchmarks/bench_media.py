"""Large results: how much the process grows while eight of 50 MB come in and are handed over."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from aiohttp import web

from tests.benchmarks.figure import Figure
from tests.benchmarks.process import reelay, resident_megabytes
from tests.support.large_videos import video_of_size

VIDEOS = 8
SIZE = 50_000_000
ALLOWED = 64.0
PATIENCE = 120.0


def run() -> Iterator[Figure]:
    """Peak growth; the floor is what is allowed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = video_of_size(folder / "film.mp4", SIZE)
        with _gateway(film) as address:
            grown = _grown(folder, address)
        results = list((folder / "results").glob("*.mp4"))
        assert [path.stat().st_size for path in results] == [SIZE] * VIDEOS
    yield Figure(
        name=f"growth while {VIDEOS} results of {SIZE // 10**6} MB are fetched and delivered",
        value=grown,
        unit="MB",
        floor=ALLOWED,
        floor_name="allowed",
        goal=1,
    )


def _grown(folder: Path, address: str) -> float:
    settings = {
        "CONSOLE": "true",
        "HTTP_PORT": "0",
        "MAX_ACTIVE_PER_USER": "20",
        "DAILY_CREDITS": "1000",
        "POLL_MIN_SECONDS": "0.1",
        "PROVIDERS__LOCAL__KIND": "openai",
        "PROVIDERS__LOCAL__API_KEY": "sk-benchmark",
        "PROVIDERS__LOCAL__BASE_URL": address,
    }
    with reelay(folder, **settings) as process:
        assert process.stdin
        process.stdin.write("/help\n")
        process.stdin.flush()
        time.sleep(3)
        before = peak = resident_megabytes(process.pid)
        process.stdin.write("".join(f"/video kite {number}\n" for number in range(VIDEOS)))
        process.stdin.close()
        end = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < end:
            try:
                peak = max(peak, resident_megabytes(process.pid))
            except (FileNotFoundError, IndexError):
                break
            time.sleep(0.01)
        assert process.wait(10) == 0
    return peak - before


@contextmanager
def _gateway(film: Path) -> Iterator[str]:
    """A gateway whose videos are ready at once and large, in a thread of its own."""
    loop, ready, address = asyncio.new_event_loop(), threading.Event(), []

    async def serve() -> web.AppRunner:
        runner = web.AppRunner(_app(film), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        return runner

    def work() -> None:
        runner = loop.run_until_complete(serve())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _app(film: Path) -> web.Application:
    numbers = count(1)

    async def create(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"id": f"video_{next(numbers)}", "status": "queued"})

    async def look(request: web.Request) -> web.Response:
        return web.json_response({"id": request.match_info["id"], "status": "completed"})

    async def content(request: web.Request) -> web.FileResponse:
        del request
        return web.FileResponse(film)

    app = web.Application()
    app.router.add_post("/v1/videos", create)
    app.router.add_get("/v1/videos/{id}", look)
    app.router.add_get("/v1/videos/{id}/content", content)
    return app
