"""Jobs of the sandbox, stored as files. All functions block."""

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
    """Return the directives in brackets that make the sandbox simulate faults."""
    return frozenset(word.lower() for word in _WORDS.findall(prompt))


def untold(prompt: str) -> str:
    """Return the prompt without directives."""
    return _WORDS.sub(" ", prompt)


class SandboxJob(BaseModel):
    """One job as stored in its JSON file."""

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
    """The files of all jobs of one account, in the account's directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def film(self, key: str) -> Path:
        return self._directory / f"{key}.mp4"

    def picture(self, key: str) -> Path:
        return self._directory / f"{key}.picture"

    def read(self, key: str) -> SandboxJob | None:
        """Read a job; None if it does not exist."""
        if not KEY.fullmatch(key):
            return None
        try:
            return SandboxJob.model_validate_json((self._directory / f"{key}.json").read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise Malformed(f"the file of job {key} is invalid: {error}") from error

    def accept(self, job: SandboxJob, picture: Path | None) -> None:
        """Store a new job. The image is written first, so that a stored job always has it."""
        try:
            if picture is not None:
                self._put(self.picture(job.key), picture.read_bytes())
        except FileNotFoundError:
            raise Refused("the reference image no longer exists") from None
        self.write(job)

    def write(self, job: SandboxJob) -> None:
        self._put(self._directory / f"{job.key}.json", job.model_dump_json().encode())

    def throttle(self, key: str) -> bool:
        """Count a create; True once it was rejected `THROTTLES` times."""
        path = self._directory / f"{key}.throttled"
        seen = int(path.read_text()) if path.exists() else 0
        self._put(path, str(seen + 1).encode())
        return seen >= THROTTLES

    def workshop(self) -> tuple[Path, int]:
        """Create a temporary folder for a render; return it with the descriptor of its lock."""
        self._make()
        folder = Path(tempfile.mkdtemp(prefix="making-", dir=self._directory))
        lock = _locked(folder)
        if lock is None:
            raise BlockingIOError(f"{folder} was locked by another process while it was created")
        return folder, lock

    def leave(self, workshop: Path, lock: int) -> None:
        """Remove the folder of a finished render and release its lock."""
        shutil.rmtree(workshop, ignore_errors=True)
        os.close(lock)

    def keep(self, job: SandboxJob, film: Path) -> None:
        if "huge" in job.words:
            _pad(film, HUGE_BYTES)
        with film.open("rb") as file:
            os.fsync(file.fileno())
        film.replace(self.film(job.key))

    def open_film(self, job: SandboxJob) -> tuple[IO[bytes], int]:
        """Open the video; return it with the number of bytes to send."""
        try:
            file = self.film(job.key).open("rb")
        except FileNotFoundError:
            raise NotFound(f"job {job.key} has no video") from None
        size = os.fstat(file.fileno()).st_size
        if "broken" in job.words and self._first(self._directory / f"{job.key}.broken"):
            size //= 2
        return file, size

    def tidy(self, now: float) -> None:
        """Remove expired videos and jobs, and render folders of crashed processes."""
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
        """Write a file atomically and durably: after a power failure it is complete or absent."""
        self._make()
        descriptor, part = tempfile.mkstemp(prefix="part-", dir=self._directory)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(target)


def _locked(workshop: Path) -> int | None:
    """Lock a folder until this process ends; None if another process holds the lock."""
    descriptor = os.open(workshop / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _pad(film: Path, size: int) -> None:
    """Enlarge the file to `size` bytes with an MP4 box that players skip."""
    with film.open("r+b") as file:
        rest = size - file.seek(0, os.SEEK_END)
        file.write(rest.to_bytes(4, "big") + b"free")
        file.truncate(size)
