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

from providers.errors import MalformedResponse, NotFound, Rejected

THROTTLED_CREATES = 2
HUGE_BYTES = 60_000_000
VIDEO_RETENTION_S = 86400.0
JOB_RETENTION_S = 30 * 86400.0
KEY_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DIRECTIVES = re.compile(
    r"\[(slow|throttled|fail|moderated|stuck|lost|vanished|huge|broken)\]", re.IGNORECASE
)


def parse_directives(prompt: str) -> frozenset[str]:
    """Return the directives in brackets that make the sandbox simulate faults."""
    return frozenset(word.lower() for word in _DIRECTIVES.findall(prompt))


def strip_directives(prompt: str) -> str:
    """Return the prompt without directives."""
    return _DIRECTIVES.sub(" ", prompt)


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
    def directives(self) -> frozenset[str]:
        return parse_directives(self.prompt)


class JobStore:
    """The files of all jobs of one account, in the account's directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def video_path(self, key: str) -> Path:
        return self._directory / f"{key}.mp4"

    def image_path(self, key: str) -> Path:
        return self._directory / f"{key}.picture"

    def read(self, key: str) -> SandboxJob | None:
        """Read a job; None if it does not exist."""
        if not KEY_PATTERN.fullmatch(key):
            return None
        try:
            return SandboxJob.model_validate_json((self._directory / f"{key}.json").read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise MalformedResponse(f"the file of job {key} is invalid: {error}") from error

    def accept(self, job: SandboxJob, image: Path | None) -> None:
        """Store a new job. The image is written first, so that a stored job always has it."""
        try:
            if image is not None:
                self._write_atomically(self.image_path(job.key), image.read_bytes())
        except FileNotFoundError:
            raise Rejected("the reference image no longer exists") from None
        self.write(job)

    def write(self, job: SandboxJob) -> None:
        self._write_atomically(self._directory / f"{job.key}.json", job.model_dump_json().encode())

    def passes_throttle(self, key: str) -> bool:
        """Count a create; True once it was rejected `THROTTLED_CREATES` times."""
        path = self._directory / f"{key}.throttled"
        count = int(path.read_text()) if path.exists() else 0
        self._write_atomically(path, str(count + 1).encode())
        return count >= THROTTLED_CREATES

    def open_workdir(self) -> tuple[Path, int]:
        """Create a temporary folder for a render; return it with the descriptor of its lock."""
        self._ensure_directory()
        folder = Path(tempfile.mkdtemp(prefix="making-", dir=self._directory))
        lock = _try_lock(folder)
        if lock is None:
            raise BlockingIOError(f"{folder} was locked by another process while it was created")
        return folder, lock

    def close_workdir(self, workdir: Path, lock: int) -> None:
        """Remove the folder of a finished render and release its lock."""
        shutil.rmtree(workdir, ignore_errors=True)
        os.close(lock)

    def store_video(self, job: SandboxJob, video: Path) -> None:
        if "huge" in job.directives:
            _pad(video, HUGE_BYTES)
        with video.open("rb") as file:
            os.fsync(file.fileno())
        video.replace(self.video_path(job.key))

    def open_video(self, job: SandboxJob) -> tuple[IO[bytes], int]:
        """Open the video; return it with the number of bytes to send."""
        try:
            file = self.video_path(job.key).open("rb")
        except FileNotFoundError:
            raise NotFound(f"job {job.key} has no video") from None
        size = os.fstat(file.fileno()).st_size
        if "broken" in job.directives and self._is_first_use(self._directory / f"{job.key}.broken"):
            size //= 2
        return file, size

    def remove_expired(self, now: float) -> None:
        """Remove expired videos and jobs, and render folders of crashed processes."""
        if not self._directory.is_dir():
            return
        for workdir in self._directory.glob("making-*"):
            with suppress(FileNotFoundError):
                lock = _try_lock(workdir)
                if lock is not None:
                    self.close_workdir(workdir, lock)
        for path in self._directory.glob("*.json"):
            self._remove_expired_job(path.stem, now)

    def _remove_expired_job(self, key: str, now: float) -> None:
        with suppress(MalformedResponse):
            job = self.read(key)
            age = now - job.submitted_at if job else 0.0
            if age > VIDEO_RETENTION_S:
                self.video_path(key).unlink(missing_ok=True)
            if age > JOB_RETENTION_S:
                for path in self._directory.glob(f"{key}.*"):
                    path.unlink(missing_ok=True)

    def _ensure_directory(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _is_first_use(self, marker: Path) -> bool:
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def _write_atomically(self, target: Path, content: bytes) -> None:
        """Write a file atomically and durably: after a power failure it is complete or absent."""
        self._ensure_directory()
        descriptor, temporary = tempfile.mkstemp(prefix="part-", dir=self._directory)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)


def _try_lock(workdir: Path) -> int | None:
    """Lock a folder until this process ends; None if another process holds the lock."""
    descriptor = os.open(workdir / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _pad(video: Path, size: int) -> None:
    """Enlarge the file to `size` bytes with an MP4 box that players skip."""
    with video.open("r+b") as file:
        padding = size - file.seek(0, os.SEEK_END)
        file.write(padding.to_bytes(4, "big") + b"free")
        file.truncate(size)
