"""The documents, held to the code: what they name is there, and what is there they name."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from bot.config import SETTING_NAMES, Settings, load_settings
from providers import PROVIDERS, sandbox

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "bot/**/*.md", "providers/**/*.md", "tests/**/*.md", "deploy/**/*.md")
    for path in ROOT.glob(pattern)
)
EXAMPLE = ROOT / ".env.example"


def _written(text: str) -> dict[str, str]:
    return dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", text, re.MULTILINE))


def _uncommented(text: str) -> str:
    return re.sub(r"^#([A-Z0-9_]+=)", r"\1", text, flags=re.MULTILINE)


# --- settings ----------------------------------------------------------------------------


def test_example_has_every_setting_and_no_other() -> None:
    """A setting that nobody can find might as well not be there."""
    written = {name for name in _written(EXAMPLE.read_text()) if not name.startswith("PROVIDERS__")}
    assert written == set(SETTING_NAMES)


def test_example_has_every_option_of_every_kind() -> None:
    """Including those that only one kind has."""
    options = {
        option.upper() for kind in PROVIDERS.values() for option in kind.options_type.model_fields
    }
    written = [name.split("__") for name in _written(EXAMPLE.read_text())]
    assert {parts[2] for parts in written if parts[0] == "PROVIDERS"} == options


def test_example_shows_the_defaults(tmp_path: Path) -> None:
    """With every line uncommented the settings are the defaults."""
    text = _uncommented(EXAMPLE.read_text())
    file = tmp_path / "all.env"
    file.write_text("\n".join(line for line in text.splitlines() if "PROVIDERS__" not in line))
    assert load_settings(file, {}) == Settings()


def test_example_providers_work_with_a_key(tmp_path: Path) -> None:
    """Each block has the defaults of its kind, with a key put in."""
    file = tmp_path / "all.env"
    file.write_text(_uncommented(EXAMPLE.read_text()))
    for options in load_settings(file, {}).providers.values():
        made = PROVIDERS[options.kind].options_type
        assert options == made(kind=options.kind, api_key=options.api_key)


def test_each_setting_of_the_example_is_explained() -> None:
    """The line above says what it is for."""
    lines = EXAMPLE.read_text().splitlines()
    for before, line in pairwise(lines):
        if re.match(r"#[A-Z0-9_]+=", line):
            assert re.match(r"# \S.*[.:]$", before), line


# --- commands ----------------------------------------------------------------------------


def test_readme_shows_the_two_commands_first() -> None:
    """They are the first code that a newcomer meets, and the Makefile has them."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    commands = [line.split("#")[0].strip() for line in blocks[0].splitlines()]
    assert commands == ["make run", "make test"]


def test_readme_shows_every_fault_word_of_the_sandbox() -> None:
    """The words in brackets are the way to try what goes wrong."""
    heeded = re.findall(r"^ +(\[[a-z]+\])  ", sandbox.__doc__ or "", re.MULTILINE)
    shown = re.findall(r"^\| `(\[[a-z]+\])` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert shown == heeded


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_named_make_target_exists(document: Path) -> None:
    """Nobody is sent to a target that is gone."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", document.read_text(), re.MULTILINE))
    assert named <= targets


def test_every_phony_target_exists() -> None:
    """A target that is declared has a rule."""
    makefile = (ROOT / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()
    assert set(phony) <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


# --- links, locks, names -----------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_resolves(document: Path) -> None:
    """A link to a file of the project leads to an existing one."""
    links = re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", document.read_text())
    broken = [link for link in links if not (document.parent / link).exists()]
    assert not broken


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_files_pin_by_hash_and_name_no_host(name: str) -> None:
    """Users choose their registry, and get what was tested."""
    text = (ROOT / "deploy" / name).read_text()
    assert "://" not in text
    assert "--index-url" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)


def test_lock_files_have_every_dependency() -> None:
    """What the project asks for is what the lock file pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {_name(dependency) for dependency in project["project"]["dependencies"]}
    dev = {
        _name(requirement)
        for requirement in project["dependency-groups"]["dev"]
        if isinstance(requirement, str)
    }
    run_lock, dev_lock = (
        set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / "deploy" / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert wanted <= run_lock
    assert wanted | dev <= dev_lock


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9.-]", requirement)[0].lower().replace(".", "-")
