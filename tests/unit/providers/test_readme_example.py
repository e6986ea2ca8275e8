"""The five steps of `providers/README.md` add a gateway; executed in a copy of the project."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

README = ROOT / "providers" / "README.md"
_COPIED = ("bot", "providers", "tests", "deploy", "pyproject.toml", ".env.example")


def _blocks(kind: str) -> list[str]:
    return re.findall(
        rf"^```{kind}\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )


def _new_file(home: Path, block: str) -> Path:
    first, _, rest = block.partition("\n")
    path = home / first.removeprefix("# ")
    assert not path.exists()
    path.write_text(rest, "utf-8")
    return path


def _add_lines(home: Path, block: str) -> None:
    """Insert each run of added lines after the context line above it."""
    for part in block.split("--- ")[1:]:
        name, _, lines = part.partition("\n")
        text = (home / name).read_text("utf-8")
        for known, added in re.findall(r"^ (.*)\n((?:\+.*\n)+)", lines, re.MULTILINE):
            assert text.count(f"{known}\n") == 1, known
            new = re.sub(r"^\+", "", added, flags=re.MULTILINE)
            text = text.replace(f"{known}\n", f"{known}\n{new}")
        (home / name).write_text(text, "utf-8")


def _run(home: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_readme_steps_add_a_working_gateway(tmp_path: Path) -> None:
    """Its code passes the linters and the whole contract suite, and its model is available."""
    for name in _COPIED:
        source, target = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    made = [_new_file(tmp_path, block) for block in _blocks("python")]
    for block in _blocks("diff"):
        _add_lines(tmp_path, block)
    assert [path.name for path in made] == ["kinora.py", "kinora.py"]
    files = [str(path) for path in made]
    tools, python = Path(sys.executable).parent, (sys.executable, "-m")
    _run(tmp_path, *python, "ruff", "check", "--no-cache", *files)
    _run(tmp_path, *python, "ruff", "format", "--no-cache", "--check", *files)
    assert "0 broken" in _run(tmp_path, str(tools / "lint-imports"), "--no-cache")
    suite = "tests/contract/gateways/test_contract.py"
    options = ("-q", "-n0", "-p", "no:cacheprovider", "-k", "kinora")
    said = _run(tmp_path, *python, "pytest", *options, suite)
    assert int(re.findall(r"(\d+) passed", said)[0]) > 15
    ask = (
        "from bot.catalog.catalog import Catalog; import time;"
        "print(*Catalog.load(None, {'mine': 'kinora'}).find('kinora-2', time.time()).durations)"
    )
    assert _run(tmp_path, sys.executable, "-c", ask).split() == ["5", "10"]
