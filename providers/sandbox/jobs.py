"""The sandbox's jobs as files. Everything here blocks."""

from __future__ import annotations

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

    def workshop(self) -> Path:
        """A folder for one film in the making, named by our process so that it can be tidied."""
        self._make()
        return Path(tempfile.mkdtemp(prefix=f"making-{os.getpid()}-", dir=self._directory))

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
        for path in self._directory.iterdir():
            if path.name.startswith("making-"):
                if not _lives(int(path.name.split("-")[1])):
                    shutil.rmtree(path, ignore_errors=True)
                continue
            kept = FILM_KEPT if path.suffix == ".mp4" else JOB_KEPT
            with suppress(FileNotFoundError):
                if now - path.stat().st_mtime > kept:
                    path.unlink()

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


def _lives(process: int) -> bool:
    if process == os.getpid():
        # Nothing is in the making yet: in a container every process has the same number.
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _pad(film: Path, size: int) -> None:
    """Make the file larger by a box that players skip."""
    with film.open("r+b") as file:
        rest = size - file.seek(0, os.SEEK_END)
        file.write(rest.to_bytes(4, "big") + b"free")
        file.truncate(size)
