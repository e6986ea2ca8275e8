"""Reelay is killed at every point between two writes or calls of a task's life.

The points are not picked: a first run notes every one that it passes, then each is died at in a
real process, with SIGKILL, and another process takes over.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select

from bot.credits import ledger
from bot.domain.tasks import SETTLED, State, Task
from bot.store import schema, tasks
from bot.store.connect import open_database
from bot.store.database import Tx
from tests.crash.conftest import ForkServer, RemoteGateway
from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.gateways.openai import KEY
from tests.support.migrated_file import copy_migrated

_numbers = itertools.count(1)
_SIGKILL = -9


@dataclass(frozen=True)
class Life:
    """One way a task can go."""

    line: str
    """What the person types; `{}` stands for a prompt of its own."""
    ends: frozenset[State]
    """How it may end, whatever happens on the way."""


LIVES = {
    "made": Life(
        "/video --image {picture} --portrait --duration 4 {prompt}", frozenset({State.DONE})
    ),
    "lost answer": Life("/video {prompt} !drop-after", frozenset({State.DONE})),
    "failing": Life("/video {prompt} !moderated", frozenset({State.FAILED})),
    "bumpy": Life("/video {prompt} !look-500 !cut !expired", frozenset({State.DONE})),
}


@dataclass
class Installation:
    """One database and one data folder, and the processes that live in them one after another."""

    folder: Path
    url: str
    zygote: ForkServer
    gateway: RemoteGateway

    def run(self, line: str, kill_at: str | None) -> int:
        """One process from its start to its end."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "stdin").write_text(line + "\n")
        job = {
            "settings": self._settings(),
            "stdin": str(self.folder / "stdin"),
            "stdout": str(self.folder / "stdout"),
            "stderr": str(self.folder / "stderr"),
            "points": str(self.folder / "points"),
            "kill_at": kill_at,
            "timeout": PATIENCE_S,
        }
        return self.zygote.run(job)

    def _settings(self) -> dict[str, str]:
        return {
            "CONSOLE": "true",
            "DATA_DIR": str(self.folder / "data"),
            "DATABASE_URL": self.url,
            "POLL_MIN_SECONDS": "0.05",
            "LEASE_SECONDS": "1",
            "LOG_LEVEL": "warning",
            "PROVIDERS__LOCAL__KIND": "openai",
            "PROVIDERS__LOCAL__API_KEY": KEY,
            "PROVIDERS__LOCAL__BASE_URL": self.gateway.url,
        }

    def points(self) -> list[str]:
        """Every point passed so far, once each."""
        return list(dict.fromkeys((self.folder / "points").read_text().split()))

    def said(self) -> str:
        """All that the person has read."""
        return (self.folder / "stdout").read_text()

    def logged(self) -> str:
        """What operators have read, for a test that fails."""
        return (self.folder / "stderr").read_text()

    def files(self) -> set[str]:
        """Every file that is left, but for the database's own and the console's."""
        data = self.folder / "data"
        return {path.name for folder in ("spool", "results") for path in (data / folder).glob("*")}


@pytest.fixture
def installations(
    tmp_path: Path,
    dialect: str,
    fork_server: ForkServer,
    remote_gateway: RemoteGateway,
    request: pytest.FixtureRequest,
) -> Iterator[Installation]:
    """New installations on one kind of database."""

    def build() -> Iterator[Installation]:
        for number in itertools.count(1):
            folder = tmp_path / str(number)
            url = f"sqlite:///{folder}/reelay.db"
            if dialect == "postgresql":
                url = request.getfixturevalue("new_postgres_url")()
            else:
                copy_migrated(folder / "reelay.db")
            yield Installation(folder, url, fork_server, remote_gateway)

    return build()


async def _look(url: str) -> tuple[list[Task], list[str], list[Any]]:
    """(all tasks, what is wrong with the ledger, all entries)."""
    database = open_database(url)
    await database.open()

    def look(tx: Tx) -> tuple[list[Task], list[str], list[Any]]:
        return (
            tasks.newest_of_user(tx, "console:local", 100),
            ledger.verify(tx),
            list(tx.execute(select(schema.entries.c.kind, schema.entries.c.task))),
        )

    try:
        return await database.read(look)
    finally:
        await database.close()


def _line(life: Life, picture: Path) -> str:
    return life.line.format(prompt=f"kite number {next(_numbers)}", picture=picture)


async def _lived(house: Installation, life: Life, picture: Path) -> list[str]:
    """The points of one undisturbed life, which must end well."""
    house.run(_line(life, picture), None)
    await _check(house, life, killed_at=None)
    return house.points()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("dialect", "every"),
    [
        ("sqlite", 1),
        ("postgresql", 3),
        pytest.param("postgresql", 1, marks=pytest.mark.long),
    ],
    indirect=["dialect"],
)
@pytest.mark.parametrize("name", LIVES)
async def test_every_task_finishes_once_after_a_crash_at_any_point(
    name: str,
    installations: Iterator[Installation],
    every: int,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """After a crash at any point the next process brings every task to its end, once.

    PostgreSQL takes twice as long: there `make test` crashes at every third point only.
    """
    life = LIVES[name]
    picture = tmp_path / "photo.png"
    Image.linear_gradient("L").resize((300, 200)).save(picture)
    points = await _lived(next(installations), life, picture)
    assert len(points) > 12
    if name != "made":
        # What every life has in common is died at in the first one.
        common = set(await _lived(next(installations), LIVES["made"], picture))
        points = [point for point in points if point not in common]
    # Which third is random, but the same in each run. The report of the run lists the points.
    points = points[Random(name).randrange(every) :: every]
    record_property("points", " ".join(points))
    missed = [point for point in points if not await _dies_at(point, installations, life, picture)]
    assert {point.partition("#")[0] for point in missed} <= _AS_OFTEN_AS_LOOKED_AT


async def _dies_at(point: str, houses: Iterator[Installation], life: Life, picture: Path) -> bool:
    """One death and one life after it. False: this time a job was looked at less often."""
    house = next(houses)
    status = house.run(_line(life, picture), point)
    died = status == _SIGKILL
    assert died or point not in house.points(), (point, status, house.logged())
    if died:
        assert house.run("", None) in {0, 1}, (point, house.logged())
    await _check(house, life, killed_at=point)
    return died


async def _check(house: Installation, life: Life, killed_at: str | None) -> None:
    found, unsound, entries = await _look(house.url)
    where = f"killed at {killed_at}: {found}\n{house.said()}\n{house.logged()}"
    assert unsound == [], where
    assert len(found) <= 1, where
    for task in found:
        _check_task(house, life, task, killed_at, where)
        assert [kind for kind, _ in entries].count("hold") == 1, where
    if not found:
        assert killed_at is not None, where
        assert house.files() == set(), where
    assert house.gateway.state()["violations"] == []


def _check_task(
    house: Installation, life: Life, task: Task, killed_at: str | None, where: str
) -> None:
    assert task.state in SETTLED, where
    if task.state is State.REVIEW:
        # Only a create whose fate nobody can know may wait for an admin.
        assert killed_at in _BEFORE_THE_CREATE, where
    else:
        assert task.state in life.ends, where
    assert house.gateway.state()["creates"].get(task.order.prompt, 0) <= 1, where
    handed_over = house.said().count(f"-> {house.folder}/data/results/{task.id}.mp4")
    repeats = house.said().count("(repeated)")
    if task.state is State.DONE:
        window = str(killed_at).partition("#")[0] in _WHILE_IT_IS_SENT
        assert repeats <= (1 if window else 0), where
        assert handed_over == 1 or (repeats == 1 and handed_over == 2), where
    assert house.files() == {name for name in (task.file, task.order.image) if name}, where


_BEFORE_THE_CREATE = {"_reconfirm_lease:after#1", "submit:before#1"}
"""It is written down that the create is sent, and it was not, which no list can prove."""
_AS_OFTEN_AS_LOOKED_AT = {"poll:before", "poll:Pending", "Worker.claim.claim:after"} | {
    f"Worker._write_with_retries:{when}" for when in ("before", "after")
}
"""A job may be finished at the first look of one run and at the third of another."""
_WHILE_IT_IS_SENT = {
    "deliver:after",
    "post:before",
    "post:after",
    "Worker._write_with_retries:before",
}
"""It is written down that the result is being posted, and not yet that it was."""
