"""A gateway that always answers the same: as little of it as possible is in the way.

`python -m tests.benchmarks.fixed_server` prints its port, later a line when it is asked for the
first time after the last line of its input, and serves until its input ends.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BODY = (
    b'{"id":"video_68d7512d07848190b3e45da0ecbebcde","object":"video","model":"sora-2",'
    b'"status":"in_progress","progress":42,"created_at":1790000000,"size":"1280x720",'
    b'"seconds":"4","completed_at":null,"expires_at":null,"error":null}'
)
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY
_END = b"\r\n\r\n"


class _Server(asyncio.Protocol):
    told = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._read = b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        asked = self._read.count(_END)
        if asked:
            if not _Server.told:
                _Server.told = True
                print("asked", flush=True)
            self._read = self._read[self._read.rindex(_END) + len(_END) :]
            self._transport.write(_ANSWER * asked)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Server, "127.0.0.1", 0, backlog=2000)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        _Server.told = False


@dataclass(frozen=True, slots=True)
class Running:
    """The server as a process of its own, whose time is not ours."""

    address: str
    process: subprocess.Popen[str]

    def forget(self) -> None:
        """What it was asked so far does not count for `wait`."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def wait(self) -> None:
        """Until somebody asks it, after `forget`."""
        assert self.process.stdout
        assert self.process.stdout.readline() == "asked\n"


@contextmanager
def fixed_server() -> Iterator[Running]:
    """The running server."""
    command = [sys.executable, "-m", "tests.benchmarks.fixed_server"]
    with subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin
        assert server.stdout
        yield Running(f"http://127.0.0.1:{int(server.stdout.readline())}", server)
        server.stdin.close()


if __name__ == "__main__":
    asyncio.run(_serve())
