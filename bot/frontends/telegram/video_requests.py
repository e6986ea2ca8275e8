"""From a request to a task: download the image, place the order, reply."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog
from telegram.error import TelegramError

from bot.chat.update_queue import RetryLater
from bot.domain.commands import Command, CommandRequest, MakeVideo, Remix, Reply
from bot.domain.errors import Refusal
from bot.domain.groups import GroupContext
from bot.domain.tasks import Destination, Task
from bot.domain.users import User
from bot.frontends.telegram.client import NotSent, OutcomeUnknown, Throttled
from bot.frontends.telegram.context import NAME, ChatContext
from bot.frontends.telegram.message_parser import ImageAttachment
from bot.frontends.telegram.target import ChatTarget
from bot.media import images
from bot.services.dispatcher import handle_request

_log = structlog.get_logger(__name__)
MAX_DOWNLOAD_BYTES = 20 << 20
"""Download limit in bytes (https://core.telegram.org/bots/api#getfile)."""


@dataclass(frozen=True, slots=True)
class VideoRequestDraft:
    """A requested video, with an image on Telegram's servers."""

    video: MakeVideo
    image: ImageAttachment | None = None
    album: bool = False
    """Whether the image is the first of several."""
    remix_of: str | None = None
    """Id of the task whose video is to be changed."""

    @property
    def to_json(self) -> dict[str, Any]:
        """As an interactive message stores it; see `from_json`."""
        body: dict[str, Any] = {"video": self.video.to_json()}
        if self.image is not None:
            body["picture"] = self.image.to_json()
        return {**body, "album": self.album, "remix": self.remix_of}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> VideoRequestDraft:
        """Read what `to_json` has written; unknown keys are ignored."""
        image = body.get("picture")
        return cls(
            MakeVideo.from_json(body["video"]),
            ImageAttachment.from_json(image) if image else None,
            bool(body.get("album")),
            body.get("remix"),
        )

    @classmethod
    def follow_up(cls, task: Task, change: MakeVideo, *, remix: bool) -> VideoRequestDraft:
        """Return a remix of a finished video if its gateway can do that, else a similar order."""
        own = (change.model, change.seconds, change.size, change.orientation, change.style)
        if any(own) or change.storyboard or not remix:
            seconds = None if change.model or change.seconds else task.order.seconds
            orientation = None if change.size or change.orientation else task.order.orientation
            return cls(
                replace(
                    change,
                    model=change.model or task.order.model,
                    seconds=change.seconds or seconds,
                    orientation=change.orientation or orientation,
                )
            )
        order = task.order
        same = MakeVideo(
            prompt=change.prompt,
            model=order.model,
            seconds=order.seconds,
            size=order.size,
            orientation=order.orientation,
        )
        return cls(same, remix_of=task.id)

    @property
    def for_quote(self) -> MakeVideo:
        """The request for a quote: only that there is an image matters."""
        return replace(self.video, image=Path(self.image.name) if self.image else None)


async def run_command(
    context: ChatContext, user: User, target: ChatTarget, command: Command, update: str
) -> Reply:
    """Run a command. `update` is the key that makes it unique."""
    assert context.me is not None  # noqa: S101 - nobody is heard before the bot knows itself
    destination, group = Destination(NAME, target.address), None
    if not target.is_private:
        group = GroupContext(f"{NAME}:{context.sender.resolve_chat(target).chat}")
    request = CommandRequest(
        user,
        destination,
        command,
        f"{context.me.id}:{update}",
        group_context=group,
        is_public=not target.is_private,
    )
    return await handle_request(request, context.app)


async def order_video(
    context: ChatContext, user: User, target: ChatTarget, request: VideoRequestDraft, update: str
) -> Reply:
    """Place the order. Raises `Refusal`, and `RetryLater` if the image cannot be downloaded now."""
    if request.remix_of is not None:
        return await run_command(
            context, user, target, Remix(request.remix_of, request.video.prompt), update
        )
    if request.image is None:
        return await run_command(context, user, target, request.video, update)
    with tempfile.TemporaryDirectory(prefix="reelay-") as folder:
        path = Path(folder) / f"picture{Path(request.image.name).suffix[:8]}"
        await _download(context, request.image, path)
        command = replace(request.video, image=path)
        return await run_command(context, user, target, command, update)


async def _download(context: ChatContext, image: ImageAttachment, path: Path) -> None:
    """Download an image. Its address contains the bot's token and must not be logged."""
    limit = images.MAX_IMAGE_BYTES
    if (image.bytes or 0) > limit:
        size = f"{(image.bytes or 0) / 1e6:.1f}"
        raise Refusal("image-too-large-bytes", size=size, limit=limit >> 20)
    try:
        file = await context.bot.get_file(image.file_id)
        content = await file.download_as_bytearray()
    except Throttled as error:
        raise RetryLater(str(error), error.seconds) from None
    except (NotSent, OutcomeUnknown) as error:
        raise RetryLater(str(error)) from None
    except TelegramError as error:
        # Too old, or no longer there; or a Bot API server of one's own keeps its files from us.
        _log.warning("image_download_failed", error=error.message)
        raise Refusal("picture-gone") from None
    await asyncio.to_thread(path.write_bytes, content)
