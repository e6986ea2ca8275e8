"""The console as a user or a script meets it: a real process, real pipes, a real terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.paths import ROOT

_PATH = re.compile(r"-> (\S+\.mp4)$", re.MULTILINE)


def reelay(folder: Path, text: str | bytes, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """One process with this on its standard input."""
    return subprocess.run(
        [sys.executable, "-m", "bot", "run", "--env-file", os.devnull],
        cwd=folder,
        env=environment(**settings),
        input=text.encode() if isinstance(text, str) else text,
        capture_output=True,
        timeout=90,
        check=False,
    )


def environment(**settings: str) -> dict[str, str]:
    """A plain environment with these settings."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    hooks = {name: value for name, value in os.environ.items() if name.startswith("COV")}
    return {**inherited, **hooks, "PYTHONPATH": str(ROOT), "POLL_MIN_SECONDS": "0.3", **settings}


SMALL = "/video --size 480x854 --duration 1"


def test_piped_lines_are_answered_and_videos_awaited(tmp_path: Path) -> None:
    """Lines are answered in order; the process waits for the video, prints its path, exits 0."""
    done = reelay(tmp_path, f"# a comment\n\n{SMALL} a red kite\n/quota\n")
    said = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    (path,) = _PATH.findall(said)
    assert (tmp_path / path).read_bytes()[4:8] == b"ftyp"
    assert said.index("You can spend") < said.index(path)
    assert "Traceback" not in done.stderr.decode()


def test_failed_or_cancelled_task_exits_with_status_1(tmp_path: Path) -> None:
    """A wrong line does not change the status."""
    failed = reelay(tmp_path, f"{SMALL} [moderated] a kite\n")
    assert failed.returncode == 1
    assert "credit back" in failed.stdout.decode()
    wrong = reelay(tmp_path, "/nonsense\nhello\n/cancel\n/video\n/video --image nowhere.png x\n")
    assert wrong.returncode == 0
    assert len(wrong.stdout.decode().splitlines()) == 5


@pytest.mark.parametrize(
    "line", [b"\xff\xfe\x00\x01", b"/video " + b"x" * 300_000, b"/video \xe4\xbd", b"\x1b[2J"]
)
def test_binary_and_endless_lines_are_answered(tmp_path: Path, line: bytes) -> None:
    """The next line is read."""
    done = reelay(tmp_path, line + b"\n/quota\n", DAILY_CREDITS="0")
    assert done.returncode == 0
    assert "You can spend" in done.stdout.decode()
    assert "Traceback" not in done.stderr.decode()


def test_killed_process_delivers_after_restart(tmp_path: Path) -> None:
    """After SIGKILL the next start waits for the earlier task and prints its video."""
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "run", "--env-file", os.devnull],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdin.write(f"{SMALL} a red kite\n".encode())
        first.stdin.flush()
        answer = first.stdout.readline().decode()
        first.send_signal(signal.SIGKILL)
    task = answer.split()[1].rstrip(":")
    second = reelay(tmp_path, "")
    assert second.returncode == 0
    assert f"{task}.mp4" in second.stdout.decode()
    assert reelay(tmp_path, "").stdout == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("console", ["true", "false"])
def test_signal_stops_the_process_gracefully(
    tmp_path: Path, number: signal.Signals, console: str
) -> None:
    """With a console and without one."""
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "run", "--env-file", os.devnull],
        cwd=tmp_path,
        env=environment(CONSOLE=console),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        _until((tmp_path / "data" / "results").exists)
        process.send_signal(number)
        process.wait(30)
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
        assert process.returncode == 0


def _until(holds: object, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        select.select([], [], [], 0.02)


def test_closed_pipe_ends_quietly_and_keeps_the_task(tmp_path: Path) -> None:
    """`| head -1` ends the console without a traceback; the next start finishes the task."""
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "run", "--env-file", os.devnull],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(f"{SMALL} a red kite\n".encode())
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(b"/quota\n/quota\n")
        process.stdin.close()
        process.wait(60)
        assert b"Traceback" not in process.stderr.read()
    assert ".mp4" in reelay(tmp_path, "").stdout.decode()


def test_second_process_on_the_database_is_refused(tmp_path: Path) -> None:
    """One clear line names the reason."""
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "run", "--env-file", os.devnull],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as first:
        _until((tmp_path / "data" / "results").exists)
        second = reelay(tmp_path, "/quota\n")
        assert second.returncode == 1
        assert len(second.stderr.decode().strip().splitlines()) == 1
        assert "another Reelay" in second.stderr.decode()
        first.communicate(b"")
        assert first.returncode == 0


# --- in a terminal -----------------------------------------------------------------------


class Terminal:
    """A person at a terminal."""

    def __init__(self, folder: Path) -> None:
        self.end, other = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bot", "run", "--env-file", os.devnull],
            cwd=folder,
            env=environment(TERM="xterm", LINES="30", COLUMNS="160"),
            stdin=other,
            stdout=other,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(other)
        self.seen = ""

    def read_until(self, text: str, seconds: float = 60.0) -> None:
        """Read the screen until this stands there."""
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end, self.seen[-2000:]
            ready, _, _ = select.select([self.end], [], [], 1.0)
            if ready:
                new = os.read(self.end, 65536).decode("utf-8", "replace")
                if "\x1b[6n" in new:
                    # The library asks where the cursor is, as of every terminal.
                    os.write(self.end, b"\x1b[1;1R")
                self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", new)

    def type(self, text: str) -> None:
        """Type this."""
        self.seen = ""
        os.write(self.end, text.encode())

    def close(self) -> int:
        """The exit status."""
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            os.close(self.end)


def test_interactive_chat_completes_and_shows_results(tmp_path: Path) -> None:
    """Greeting, completion, a plain prompt, Ctrl-C, a result above the prompt, Ctrl-D."""
    terminal = Terminal(tmp_path)
    try:
        terminal.read_until("Ctrl-D leaves")
        terminal.type("/vid")
        terminal.read_until("/video")
        terminal.type("\x03")
        terminal.read_until("reelay>")
        terminal.type("a red kite\r")
        terminal.read_until("4 credits")
        terminal.read_until(".mp4")
        terminal.type("/nonsense\r")
        terminal.read_until("There is no command")
        terminal.read_until("reelay>")
        terminal.type("/quit\r")
    finally:
        status = terminal.close()
    assert status == 0
    history = tmp_path / "data" / "console_history"
    assert "a red kite" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0
