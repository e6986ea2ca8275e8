"""Jobs of the gateways with JSON formats of their own.

Words in a prompt choose, for all looks at its job, in which of its forms a gateway answers:

    status    !queued-as-X !running-as-X !completed-as-X !failed-as-X (X: the word to say)
    time      !ms !iso
    link      !no-link !late-link (not at the first two looks after the end) !preview (too early)
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import Literal

from PIL import Image, ImageOps, UnidentifiedImageError

from tests.fakes.gateways.faults import fault_words

Phase = Literal["queued", "running", "completed", "failed"]
_LATE = 2


@dataclass(frozen=True)
class JobRequest:
    """One create request, independent of the format."""

    prompt: str
    model: str
    seconds: int
    width: int
    height: int
    picture: bytes | None = None
    remix_of: str | None = None
    private: bool = False


@dataclass
class Job:
    """One accepted create."""

    id: str
    asked: JobRequest
    created: float = field(default_factory=time.time)
    born: float = field(default_factory=time.monotonic)
    looks: int = 0
    looks_at_end: int = 0
    links: list[float] = field(default_factory=list)
    """When each link to the video was issued."""
    dead: set[int] = field(default_factory=set)
    """Numbers of the links that no longer work."""

    @property
    def words(self) -> list[str]:
        """The fault words in its prompt."""
        return fault_words(self.asked.prompt)

    def time(self, moment: float, *, usual: str = "s") -> int | str:
        """A time in the given format."""
        form = next((word for word in self.words if word in {"ms", "iso"}), usual)
        if form == "iso":
            return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
        return int(moment * 1000) if form == "ms" else int(moment)

    def share(self, render_seconds: float, looks_to_finish: int) -> float:
        """The finished share, 0 to 1."""
        done = (time.monotonic() - self.born) / max(render_seconds, 1e-9)
        if looks_to_finish:
            done = self.looks / looks_to_finish
        return min(done, 0.5 if "stuck" in self.words else 1.0)

    def fails(self) -> bool:
        """Whether its prompt asks for a failure."""
        bad = {"failed", "moderated"} & {*self.words}
        return bool(bad) or any(word.startswith("failed-as-") for word in self.words)


@dataclass
class JobView:
    """The visible state of a job; a fault may change it before it is rendered."""

    phase: Phase
    share: float
    progress: object
    word: str = ""
    """Its status, if it is not the usual one."""
    link: str | None = None
    failure: tuple[str, str] = ("", "")
    """(code, text)."""


def view_of(job: Job, share: float) -> JobView:
    """The job as it is."""
    phase: Phase = "queued" if share < 0.1 else "running" if share < 1 else "completed"
    if phase == "completed" and job.fails():
        phase = "failed"
    view = JobView(phase, share, int(share * 100), _word(job, phase))
    if phase == "failed":
        view.failure = ("internal_error", "The render failed.")
        if "moderated" in job.words:
            view.failure = ("", "PROVIDER_MODERATION_ERROR: blocked by our moderation system")
    return view


def _word(job: Job, phase: Phase) -> str:
    chosen = (word.partition(f"{phase}-as-") for word in job.words)
    return next((after for before, found, after in chosen if found and not before), "")


def shows_link(job: Job, view: JobView) -> bool:
    """Whether the answer has a link to the video."""
    if view.phase == "running":
        return "preview" in job.words
    if view.phase != "completed" or "no-link" in job.words:
        return False
    return "late-link" not in job.words or job.looks_at_end > _LATE


def resize_image(picture: bytes, width: int, height: int) -> bytes:
    """The picture as a PNG of the video's size; raises ValueError for what is none."""
    try:
        with Image.open(BytesIO(picture)) as image:
            shown = ImageOps.fit(image.convert("RGB"), (width, height))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(str(error)) from error
    target = BytesIO()
    shown.save(target, "PNG")
    return target.getvalue()


def video_size(orientation: object, size: object = "small") -> tuple[int, int]:
    """(width, height) of the video for words."""
    longer, shorter = (1792, 1024) if size == "large" else (1280, 720)
    return (shorter, longer) if orientation == "portrait" else (longer, shorter)
