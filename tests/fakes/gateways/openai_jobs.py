"""A job of the official format, and its representation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.fakes.gateways.faults import fault_words
from tests.fakes.gateways.openai_schema import VIDEO_FIELDS

MODERATED = "Your request was blocked by our moderation system."
_KEPT = 3600


@dataclass
class Job:
    """One accepted create."""

    id: str
    body: dict[str, str]
    picture: bytes | None
    created: float
    remix_of: str | None = None
    looks: int = 0
    deleted: bool = False


def render_job(job: Job, share: float, render_seconds: float) -> dict[str, Any]:
    """The job when so much of it is made: all fields of the format, some of them null."""
    asked, failure = fault_words(job.body["prompt"]), None
    share = min(share, 0.5 if "stuck" in asked else 1.0)
    status = "queued" if share < 0.1 else "in_progress" if share < 1 else "completed"
    if status == "completed" and {"failed", "moderated"} & {*asked}:
        status = "failed"
        failure = {"code": "internal_error", "message": "The render failed."}
        if "moderated" in asked:
            failure = {"code": "moderation_blocked", "message": MODERATED}
    completed = int(job.created + render_seconds) if status == "completed" else None
    video: dict[str, Any] = {
        "id": job.id,
        "object": "video",
        "status": status,
        "progress": int(share * 100),
        "created_at": int(job.created),
        "completed_at": completed,
        "expires_at": completed and completed + _KEPT,
        "remixed_from_video_id": job.remix_of,
        "error": failure,
        **job.body,
    }
    assert set(video) == VIDEO_FIELDS
    return video
