"""Choose what to post for a finished video: the original, a re-encoded copy, or a link.

A link may come with a preview.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.domain.tasks import Task, Video
from bot.media.links import Publisher
from bot.media.storage import MediaStorage
from bot.media.transcode_plan import Strategy
from bot.media.transcoder import Transcoder, TranscodeResult
from bot.ports import Clock
from bot.presentation.task_messages import too_large_text


class MediaServices(Protocol):
    """Storage, transcoding and publishing of videos."""

    @property
    def storage(self) -> MediaStorage: ...
    @property
    def transcoder(self) -> Transcoder | None: ...
    @property
    def publisher(self) -> Publisher | None: ...
    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True, slots=True)
class DeliveryPayload:
    """What to post; without a video only the text."""

    video: Video | None
    note: str = ""
    """Why this is not the full video, and how to get it."""


async def prepare_delivery(
    media: MediaServices, task: Task, max_bytes: int | None, retention_seconds: float
) -> DeliveryPayload:
    """Prepare the video for a destination with a size limit in bytes; None: no limit.

    The result is kept for `retention_seconds`, which limits the validity of a link. Raises
    `FileNotFoundError`, `DiskFull`, `PublishError`.
    """
    if task.file is None or not media.storage.result_path(task.file).is_file():
        raise FileNotFoundError(task.file)
    path, order = media.storage.result_path(task.file), task.order
    original = Video(path, task.bytes or 0, order.seconds, order.width, order.height)
    if max_bytes is None or media.transcoder is None:
        return DeliveryPayload(original)
    fitted = await media.transcoder.fit_to_limit(
        path, max_bytes, link_possible=media.publisher is not None
    )
    video = await _fitted_video(media.transcoder, original, fitted)
    if fitted.strategy not in {Strategy.PREVIEW_AND_LINK, Strategy.PREVIEW_ONLY}:
        return DeliveryPayload(video)
    link = None
    if fitted.strategy is Strategy.PREVIEW_AND_LINK and media.publisher is not None:
        valid_for = min(retention_seconds, media.publisher.max_validity_s)
        link = await media.publisher.publish(path, media.clock.now(), valid_for)
    note = too_large_text(task, original.size_bytes, max_bytes, link, retention_seconds)
    return DeliveryPayload(video, note if video is not None or link is not None else "")


async def _fitted_video(
    transcoder: Transcoder, original: Video, fitted: TranscodeResult
) -> Video | None:
    if fitted.path is None:
        return None
    thumbnail = await transcoder.thumbnail(original.path)
    details = fitted.video
    if details is None:
        return Video(fitted.path, fitted.size_bytes, original.seconds, thumbnail=thumbnail)
    seconds = max(round(details.seconds), 1)
    return Video(fitted.path, fitted.size_bytes, seconds, details.width, details.height, thumbnail)
