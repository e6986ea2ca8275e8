"""ffmpeg as a guest: bounded in time, CPU, memory and output, and gone when we are."""

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

from bot.media.spool import DiskFull

THREADS = 2
_MOST_PIXELS = 8192 * 8192
_MOST_WORDS = 1 << 18
_FULL = frozenset({256 - errno.ENOSPC, 256 - errno.EDQUOT})
"""ffmpeg ends with its error's number, which wraps around."""

_KILLED = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 255})
"""It catches the milder signals, and then ends with 255."""

# The shell sets the limits on itself and then becomes ffmpeg. A `preexec_fn` would run Python
# between fork and exec, which may deadlock beside threads; limits set from outside come late.
# Where `setpriv` cannot do it (macOS, BusyBox), the limit on CPU time ends what outlives us.
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
    """What ffmpeg said, or what we did to it."""


class Killed(FFmpegFailed):
    """Somebody else ended it; another try may go well."""


class OutputTooLarge(FFmpegFailed):
    """It wrote more than it was allowed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use up."""

    seconds: float = 900.0
    memory_bytes: int = 2 << 30
    """Address space: a film of 3840x2160 in ten bits made smaller takes 1.2 GB of it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    status: int
    words: str


def opened(path: Path) -> tuple[str, ...]:
    """The arguments that open a file: as MP4 whatever it seems, and no file or server but it."""
    # With the prefix, a name with a colon is not read as a protocol.
    guard = ("-protocol_whitelist", "file", "-max_pixels", str(_MOST_PIXELS))
    return (*guard, "-threads", str(THREADS), "-f", "mov", "-i", f"file:{path}")


async def make(*arguments: str, limits: Limits, output_bytes: int) -> None:
    """Run, to make a file of at most so many bytes. Raises `FFmpegFailed`, `DiskFull`."""
    ended = await run("-v", "error", "-y", *arguments, limits=limits, output_bytes=output_bytes)
    if ended.status == 0:
        return
    words = f"ffmpeg ended with status {ended.status}: {ended.words.strip()[:500]}"
    if ended.status in _FULL:
        raise DiskFull(words)
    if ended.status == -signal.SIGXFSZ:
        raise OutputTooLarge(words)
    if ended.status in _KILLED:
        raise Killed(words)
    raise FFmpegFailed(words)


async def run(*arguments: str, limits: Limits, output_bytes: int = 0) -> Ended:
    """Run to the end, whatever that is. Raises `FFmpegFailed` when it takes too long."""
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", _SHELL, "sh", *_ceilings(limits, output_bytes)),
        *(get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-filter_threads", "1", *arguments),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        start_new_session=True,
        # Not ours: it has secrets. One arena per thread would use up the address space.
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
    """CPU seconds, blocks of 512 bytes and KiB: the units of `ulimit`."""
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
