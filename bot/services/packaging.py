"""Choose what to post for a finished video: the original, a re-encoded copy, or a link.

A link may come with a preview.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.domain.tasks import Task, Video
from bot.media.links import Publisher
from bot.media.storage import Spool
from bot.media.transcode_plan import Way
from bot.media.transcoder import Fitted, Fitter
from bot.ports import Clock
from bot.presentation.task_messages import too_large_text


class Shelf(Protocol):
    """Storage, transcoding and publishing of videos."""

    @property
    def spool(self) -> Spool: ...
    @property
    def fitter(self) -> Fitter | None: ...
    @property
    def publisher(self) -> Publisher | None: ...
    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """What to post; without a video only the text."""

    video: Video | None
    note: str = ""
    """Why this is not the full video, and how to get it."""


async def packed(shelf: Shelf, task: Task, limit: int | None, kept_for: float) -> Parcel:
    """Prepare the video for a destination with a size limit in bytes; None: no limit.

    `kept_for`: seconds for which the result is kept. Raises `FileNotFoundError`, `DiskFull`,
    `PublishError`.
    """
    if task.file is None or not shelf.spool.result(task.file).is_file():
        raise FileNotFoundError(task.file)
    path, order = shelf.spool.result(task.file), task.order
    whole = Video(path, task.bytes or 0, order.seconds, order.width, order.height)
    if limit is None or shelf.fitter is None:
        return Parcel(whole)
    fitted = await shelf.fitter.fit(path, limit, link_possible=shelf.publisher is not None)
    video = await _video(shelf.fitter, whole, fitted)
    if fitted.way not in {Way.LINK, Way.KEEP}:
        return Parcel(video)
    link = None
    if fitted.way is Way.LINK and shelf.publisher is not None:
        valid_for = min(kept_for, shelf.publisher.longest)
        link = await shelf.publisher.publish(path, shelf.clock.now(), valid_for)
    note = too_large_text(task, whole.bytes, limit, link, kept_for)
    return Parcel(video, note if video is not None or link is not None else "")


async def _video(fitter: Fitter, whole: Video, fitted: Fitted) -> Video | None:
    if fitted.path is None:
        return None
    still = await fitter.thumbnail(whole.path)
    seen = fitted.video
    if seen is None:
        return Video(fitted.path, fitted.bytes, whole.seconds, thumbnail=still)
    seconds = max(round(seen.seconds), 1)
    return Video(fitted.path, fitted.bytes, seconds, seen.width, seen.height, still)
