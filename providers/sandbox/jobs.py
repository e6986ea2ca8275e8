"""The sandbox's jobs as files. Everything here blocks."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from providers.errors import Malformed, NotFound, Refused

THROTTLES = 2
HUGE_BYTES = 60_000_000
FILM_KEPT = 86400.0
JOB_KEPT = 30 * 86400.0
KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WORDS = re.compile(
    r"\[(slow|throttled|fail|moderated|stuck|lost|vanished|huge|broken)\]", re.IGNORECASE
)


def told(prompt: str) -> frozenset[str]:
    """The words in brackets that tell the sandbox to misbehave."""
    return frozenset(word.lower() for word in _WORDS.findall(prompt))


def untold(prompt: str) -> str:
    """The prompt without them."""
    return _WORDS.sub(" ", prompt)


class SandboxJob(BaseModel):
    """One job as it lies on the disk."""

    model_config = ConfigDict(frozen=True)

    key: str
    prompt: str
    seconds: int
    width: int
    height: int
    mood: str
    picture: bool
    submitted_at: float
    cancelled: bool = False
    failure: str = ""

    @property
    def words(self) -> frozenset[str]:
        return told(self.prompt)


class Shelf:
    """The files of all jobs of one account, in its directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def film(self, key: str) -> Path:
        return self._directory / f"{key}.mp4"

    def picture(self, key: str) -> Path:
        return self._directory / f"{key}.picture"

    def read(self, key: str) -> SandboxJob | None:
        """The job, or None where there is none."""
        if not KEY.fullmatch(key):
            return None
        try:
            return SandboxJob.model_validate_json((self._directory / f"{key}.json").read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise Malformed(f"the file of job {key} cannot be read: {error}") from error

    def accept(self, job: SandboxJob, picture: Path | None) -> None:
        """Take the job in: with its picture first, so that a job never lacks it."""
        try:
            if picture is not None:
                self._put(self.picture(job.key), picture.read_bytes())
        except FileNotFoundError:
            raise Refused("the reference picture is gone") from None
        self.write(job)

    def write(self, job: SandboxJob) -> None:
        self._put(self._directory / f"{job.key}.json", job.model_dump_json().encode())

    def throttle(self, key: str) -> bool:
        """Count one more create; true when it has been held off often enough."""
        path = self._directory / f"{key}.throttled"
        seen = int(path.read_text()) if path.exists() else 0
        self._put(path, str(seen + 1).encode())
        return seen >= THROTTLES

    def workshop(self) -> tuple[Path, int]:
        """A folder for one film in the making, and the lock that shows that we are at it."""
        self._make()
        folder = Path(tempfile.mkdtemp(prefix="making-", dir=self._directory))
        lock = _locked(folder)
        if lock is None:
            raise BlockingIOError(f"{folder} was taken away while it was made")
        return folder, lock

    def leave(self, workshop: Path, lock: int) -> None:
        """Nothing is made there any more."""
        shutil.rmtree(workshop, ignore_errors=True)
        os.close(lock)

    def keep(self, job: SandboxJob, film: Path) -> None:
        if "huge" in job.words:
            _pad(film, HUGE_BYTES)
        with film.open("rb") as file:
            os.fsync(file.fileno())
        film.replace(self.film(job.key))

    def open_film(self, job: SandboxJob) -> tuple[IO[bytes], int]:
        """The film and how many bytes of it are to be given."""
        try:
            file = self.film(job.key).open("rb")
        except FileNotFoundError:
            raise NotFound(f"job {job.key} has no film") from None
        size = os.fstat(file.fileno()).st_size
        if "broken" in job.words and self._first(self._directory / f"{job.key}.broken"):
            size //= 2
        return file, size

    def tidy(self, now: float) -> None:
        """Remove old films, still older jobs, and what a process that died was at work on."""
        if not self._directory.is_dir():
            return
        for workshop in self._directory.glob("making-*"):
            with suppress(FileNotFoundError):
                lock = _locked(workshop)
                if lock is not None:
                    self.leave(workshop, lock)
        for path in self._directory.glob("*.json"):
            self._tidy_job(path.stem, now)

    def _tidy_job(self, key: str, now: float) -> None:
        with suppress(Malformed):
            job = self.read(key)
            age = now - job.submitted_at if job else 0.0
            if age > FILM_KEPT:
                self.film(key).unlink(missing_ok=True)
            if age > JOB_KEPT:
                for path in self._directory.glob(f"{key}.*"):
                    path.unlink(missing_ok=True)

    def _make(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _first(self, mark: Path) -> bool:
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def _put(self, target: Path, content: bytes) -> None:
        """Write a file so that it is there whole or not at all, whenever the power fails."""
        self._make()
        descriptor, part = tempfile.mkstemp(prefix="part-", dir=self._directory)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(target)


def _locked(workshop: Path) -> int | None:
    """Take the workshop's lock, which ends with its process; None where someone else has it."""
    descriptor = os.open(workshop / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _pad(film: Path, size: int) -> None:
    """Make the file larger by a box that players skip."""
    with film.open("r+b") as file:
        rest = size - file.seek(0, os.SEEK_END)
        file.write(rest.to_bytes(4, "big") + b"free")
        file.truncate(size)
