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
_MOST_PIXELS = 8192 * 8192
_MOST_WORDS = 1 << 18
_FULL = frozenset({256 - errno.ENOSPC, 256 - errno.EDQUOT})
"""ffmpeg exits with its negative errno, as an unsigned byte."""

_KILLED = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 255})
"""ffmpeg handles SIGTERM and SIGINT and then exits with 255."""

# The shell sets its own limits and then replaces itself by ffmpeg. A `preexec_fn` would run Python
# between fork and exec, which can deadlock if there are threads; limits set afterwards would be
# too late. Where `setpriv` does not support it (macOS, BusyBox), the CPU limit ends orphans.
_SHELL = """\
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


class Killed(FFmpegFailed):
    """ffmpeg was killed from outside; a retry may succeed."""


class OutputTooLarge(FFmpegFailed):
    """The output exceeded the size limit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Resource limits of one run."""

    seconds: float = 900.0
    memory_bytes: int = 2 << 30
    """Address space: downscaling a 3840x2160 video of 10 bits needs 1.2 GB."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Exit status and error output of a run."""

    status: int
    words: str


def opened(path: Path) -> tuple[str, ...]:
    """Return the arguments that open a file as MP4, without access to other files or servers."""
    # With the prefix, a name that contains a colon is not parsed as a protocol.
    guard = ("-protocol_whitelist", "file", "-max_pixels", str(_MOST_PIXELS))
    return (*guard, "-threads", str(THREADS), "-f", "mov", "-i", f"file:{path}")


async def make(*arguments: str, limits: Limits, output_bytes: int) -> None:
    """Run ffmpeg to write at most `output_bytes`. Raises `FFmpegFailed`, `DiskFull`."""
    ended = await run("-v", "error", "-y", *arguments, limits=limits, output_bytes=output_bytes)
    if ended.status == 0:
        return
    words = f"ffmpeg failed with status {ended.status}: {ended.words.strip()[:500]}"
    if ended.status in _FULL:
        raise DiskFull(words)
    if ended.status == -signal.SIGXFSZ:
        raise OutputTooLarge(words)
    if ended.status in _KILLED:
        raise Killed(words)
    raise FFmpegFailed(words)


async def run(*arguments: str, limits: Limits, output_bytes: int = 0) -> Ended:
    """Run ffmpeg and return its result, whatever the status. Raises `FFmpegFailed` on timeout."""
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", _SHELL, "sh", *_ceilings(limits, output_bytes)),
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
            words = await _last_words(process)
            return Ended(await process.wait(), words)
    except TimeoutError:
        raise FFmpegFailed(f"ffmpeg took longer than {limits.seconds:.0f} s") from None
    finally:
        await _end(process)


def _ceilings(limits: Limits, output_bytes: int) -> tuple[str, str, str]:
    """The limits in the units of `ulimit`: CPU seconds, blocks of 512 bytes, KiB."""
    cpu = int(limits.seconds * THREADS) + 1
    return str(cpu), str(-(-output_bytes // 512)), str(limits.memory_bytes >> 10)


async def _last_words(process: Process) -> str:
    if process.stderr is None:
        return ""
    words = bytearray()
    while piece := await process.stderr.read(1 << 16):
        words += piece
        del words[:-_MOST_WORDS]
    return words.decode(errors="replace")


async def _end(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()
