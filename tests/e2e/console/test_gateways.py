"""End to end: each kind of gateway with the console front-end, as separate processes.

Each gateway is a separate process that validates every request against its documentation. One run
of Reelay sends it all cases at once: a text, an image, a forbidden prompt, a failed job, a lost
response to a create, and an expired link.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from bot.config import SETTING_NAMES
from tests.fakes.gateways.openai import KEY
from tests.support.paths import ROOT

PROMPTS = {
    "text": "a red kite over the sea",
    "picture": "the kite begins to move",
    "forbidden": "a kite !moderated",
    "failed": "a torn kite !failed",
    "lost": "a lost kite !drop-after",
    "expired": "an old kite !expired",
}


@dataclass(frozen=True)
class Kind:
    """One kind of gateway and its fake."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """Options of `/video`."""
    lost: str = "review"
    """End of a task whose create got no response: done where jobs are listed, else review."""


KINDS = [
    Kind("openai", "openai", lost="done"),
    Kind("zenlayer", "openai", ("--dialect", "zenlayer")),
    Kind("relay147", "openai", ("--dialect", "relay147")),
    Kind("jimmy", "jimmy", options=("--model", "sora2-12s")),
    Kind("jxincm", "jxincm"),
    Kind("mountsea", "mountsea"),
]


@contextmanager
def standing_in(kind: Kind) -> Iterator[str]:
    """Run the fake; yield its address."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", f"tests.fakes.gateways.{kind.module}"),
            *("--cheap", "--render-seconds", "0.3", *kind.arguments),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def reelay(
    folder: Path, settings: dict[str, str], *arguments: str, lines: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Reelay once in this folder."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if name.upper() not in SETTING_NAMES and not name.upper().startswith("PROVIDERS_")
    }
    done = subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        cwd=folder,
        env=clean | {"PYTHONPATH": str(ROOT), "POLL_MIN_SECONDS": "0.2"} | settings,
        input="\n".join([*(lines or []), ""]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr
    return done


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])


def settings_for(kind: Kind, url: str) -> dict[str, str]:
    """The settings of the operator."""
    port, prefix = free_port(), f"PROVIDERS__{kind.name.upper()}__"
    return {
        f"{prefix}API_KEY": KEY,
        f"{prefix}BASE_URL": url,
        "HTTP_PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "MAX_ACTIVE_PER_USER": "10",
        "DAILY_CREDITS": "1000",
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_gateway_ends_its_tasks_as_specified(kind: Kind, tmp_path: Path) -> None:
    """Three videos, two clear failures, one unclear end; one create each; all documented."""
    picture = tmp_path / "photo.jpg"
    Image.linear_gradient("L").resize((640, 480)).convert("RGB").save(picture)
    options = " ".join(kind.options)
    lines = [
        f"/video {options} {'--image photo.jpg' if name == 'picture' else ''} {prompt}"
        for name, prompt in PROMPTS.items()
    ]
    with standing_in(kind) as url:
        done = reelay(tmp_path, settings_for(kind, url), "run", lines=[*lines, "/quota"])
        state: dict[str, Any] = httpx.get(f"{url}/_state").json()
    seen = done.stdout + done.stderr
    assert state["violations"] == [], seen
    assert state["creates"].pop(PROMPTS["forbidden"], 1) == 1
    assert state["creates"] == {one: 1 for name, one in PROMPTS.items() if name != "forbidden"}
    assert done.returncode == 1, seen
    videos = re.findall(r"is ready: (.*) -> (.*\.mp4)", done.stdout)
    expected = {PROMPTS[name] for name in ("text", "picture", "expired")}
    expected |= {PROMPTS["lost"]} if kind.lost == "done" else set()
    assert {prompt for prompt, _ in videos} == expected, seen
    assert all((tmp_path / path).stat().st_size > 500 for _, path in videos)
    assert done.stdout.count("rules do not allow this prompt or picture") == 1, seen
    assert done.stdout.count("The gateway failed while making it") == 1, seen
    assert done.stdout.count("It is not ordered again") == (1 if kind.lost == "review" else 0), seen


def test_check_finds_wrong_settings(tmp_path: Path) -> None:
    """`reelay check`: all seven kinds ok; with wrong keys or dead hosts, the reason for each."""
    with ExitStack() as stack:
        settings = {"PROVIDERS__SANDBOX__KIND": "sandbox"}
        for kind in KINDS:
            settings |= settings_for(kind, stack.enter_context(standing_in(kind)))
        good = reelay(tmp_path, settings, "check")
        assert good.returncode == 0, good.stdout + good.stderr
        assert _verdicts(good.stdout) == dict.fromkeys([*_NAMES, "sandbox"], "ok")
        keys = {f"PROVIDERS__{name.upper()}__API_KEY": "sk-wrong-0123456789" for name in _NAMES}
        hosts = {f"PROVIDERS__{name.upper()}__BASE_URL": _nobody() for name in _NAMES}
        for wrong, reason in ((keys, "Misconfigured: HTTP 401"), (hosts, "Unreachable")):
            bad = reelay(tmp_path, settings | wrong, "check")
            assert bad.returncode == 1
            for name in _NAMES:
                assert re.search(rf"provider {name} +FAILED +{reason}", bad.stdout), bad.stdout


def test_check_reports_removed_models(tmp_path: Path) -> None:
    """A model that its gateway no longer lists, and a retired one."""
    catalog = """
        [[models]]
        name = "{name}"
        durations = [4]
        sizes = [{{ name = "1280x720", price = 1 }}]
        offers = [{{ kind = "openai", model = "{name}" }}]
        {more}
        """
    (tmp_path / "catalog.toml").write_text(
        catalog.format(name="sora-1", more="")
        + catalog.format(name="sora-0", more="retire_at = 2026-01-01")
    )
    with standing_in(KINDS[0]) as url:
        settings = settings_for(KINDS[0], url) | {"CATALOG_FILE": "catalog.toml"}
        said = reelay(tmp_path, settings, "check")
    assert said.returncode == 1
    assert re.search(r"provider openai +FAILED .*no longer serves sora-1", said.stdout), said.stdout
    assert re.search(r"catalogue .*sora-0", said.stdout), said.stdout


_NAMES = [kind.name for kind in KINDS]


def _verdicts(table: str) -> dict[str, str]:
    rows = [line.split() for line in table.splitlines() if line.startswith("provider ")]
    return {row[1]: row[2] for row in rows}


def _nobody() -> str:
    return f"http://127.0.0.1:{free_port()}"
