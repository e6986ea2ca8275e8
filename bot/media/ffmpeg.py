"""Run ffmpeg with limits on time, CPU, memory and output size; it dies with this process."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from bot.media.storage import DiskFull

THREADS = 2
_MAX_PIXELS = 8192 * 8192
_MAX_STDERR_BYTES = 1 << 18
_DISK_FULL_STATUSES = frozenset({256 - errno.ENOSPC, 256 - errno.EDQUOT})
"""ffmpeg exits with its negative errno, as an unsigned byte."""

_KILLED_STATUSES = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 255})
"""ffmpeg handles SIGTERM and SIGINT and then exits with 255."""

# The shell sets its own limits and then replaces itself by ffmpeg. A `preexec_fn` would run Python
# between fork and exec, which can deadlock if there are threads; limits set afterwards would be
# too late. Where `setpriv` does not support it (macOS, BusyBox), the CPU limit ends orphans.
_LAUNCH_SCRIPT = """\
ulimit -c 0
ulimit -t "$1"
ulimit -f "$2"
ulimit -v "$3" 2>/dev/null
shift 3
if setpriv --pdeathsig KILL true 2>/dev/null; then
    set -- setpriv --pdeathsig KILL "$@"
fi
exec nice -n 10 "$@"
"""


class FFmpegFailed(Exception):
    """ffmpeg failed or was stopped; the message contains its error output."""


class FFmpegKilled(FFmpegFailed):
    """ffmpeg was killed from outside; a retry may succeed."""


class OutputTooLarge(FFmpegFailed):
    """The output exceeded the size limit."""


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """Resource limits of one run."""

    seconds: float = 900.0
    memory_bytes: int = 2 << 30
    """Address space: downscaling a 3840x2160 video of 10 bits needs 1.2 GB."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """Exit status and error output of a run."""

    status: int
    stderr: str


def input_arguments(path: Path) -> tuple[str, ...]:
    """Return the arguments that open a file as MP4, without access to other files or servers."""
    # With the prefix, a name that contains a colon is not parsed as a protocol.
    guard = ("-protocol_whitelist", "file", "-max_pixels", str(_MAX_PIXELS))
    return (*guard, "-threads", str(THREADS), "-f", "mov", "-i", f"file:{path}")


async def run_checked(*arguments: str, limits: ResourceLimits, output_bytes: int) -> None:
    """Run ffmpeg to write at most `output_bytes`. Raises `FFmpegFailed`, `DiskFull`."""
    result = await run("-v", "error", "-y", *arguments, limits=limits, output_bytes=output_bytes)
    if result.status == 0:
        return
    message = f"ffmpeg failed with status {result.status}: {result.stderr.strip()[:500]}"
    if result.status in _DISK_FULL_STATUSES:
        raise DiskFull(message)
    if result.status == -signal.SIGXFSZ:
        raise OutputTooLarge(message)
    if result.status in _KILLED_STATUSES:
        raise FFmpegKilled(message)
    raise FFmpegFailed(message)


async def run(*arguments: str, limits: ResourceLimits, output_bytes: int = 0) -> RunResult:
    """Run ffmpeg and return its result, whatever the status. Raises `FFmpegFailed` on timeout."""
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", _LAUNCH_SCRIPT, "sh", *_ulimit_arguments(limits, output_bytes)),
        *(get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-filter_threads", "1", *arguments),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        start_new_session=True,
        # Not our environment: it contains secrets. An arena per thread would exhaust the address
        # space.
        env={"PATH": os.defpath, "MALLOC_ARENA_MAX": "2"},
    )
    try:
        async with asyncio.timeout(limits.seconds):
            stderr = await _read_stderr(process)
            return RunResult(await process.wait(), stderr)
    except TimeoutError:
        raise FFmpegFailed(f"ffmpeg took longer than {limits.seconds:.0f} s") from None
    finally:
        await _kill(process)


def _ulimit_arguments(limits: ResourceLimits, output_bytes: int) -> tuple[str, str, str]:
    """The limits in the units of `ulimit`: CPU seconds, blocks of 512 bytes, KiB."""
    cpu_seconds = int(limits.seconds * THREADS) + 1
    return str(cpu_seconds), str(-(-output_bytes // 512)), str(limits.memory_bytes >> 10)


async def _read_stderr(process: Process) -> str:
    if process.stderr is None:
        return ""
    stderr = bytearray()
    while chunk := await process.stderr.read(1 << 16):
        stderr += chunk
        del stderr[:-_MAX_STDERR_BYTES]
    return stderr.decode(errors="replace")


async def _kill(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()
