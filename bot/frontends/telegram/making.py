"""From a wish to a task: the picture fetched from Telegram, the order placed, the person told."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import structlog
from telegram.error import TelegramError

from bot.domain.commands import Command, CommandRequest, MakeVideo, Remix, Reply
from bot.domain.errors import Refusal
from bot.domain.groups import GroupContext
from bot.domain.tasks import Destination, Task
from bot.domain.users import User
from bot.frontends.telegram.incoming import Picture
from bot.frontends.telegram.kit import NAME, Kit
from bot.frontends.telegram.spot import Spot
from bot.frontends.telegram.wire import Throttled, Unclear, Unsent
from bot.inbox import Later
from bot.media import images
from bot.services.dispatcher import handle_request

_log = structlog.get_logger(__name__)
CLOUD_DOWNLOAD = 20 << 20
"""Bytes that getFile gives (https://core.telegram.org/bots/api#getfile)."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants made, with a picture that Telegram still has."""

    video: MakeVideo
    picture: Picture | None = None
    album: bool = False
    """The picture is the first of several."""
    remix_of: str | None = None
    """The task whose video is to be changed."""

    @property
    def body(self) -> dict[str, Any]:
        """As a card keeps it; see `parse`."""
        found: dict[str, Any] = {"video": self.video.given_options}
        if self.picture is not None:
            found["picture"] = asdict(self.picture)
        return {**found, "album": self.album, "remix": self.remix_of}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Wish:
        """What `body` has kept."""
        picture = body.get("picture")
        return cls(
            MakeVideo(**body["video"]),
            Picture(**picture) if picture else None,
            bool(body.get("album")),
            body.get("remix"),
        )

    @classmethod
    def after(cls, task: Task, change: MakeVideo, *, remix: bool) -> Wish:
        """A finished video changed, where its gateway can do that; else one like it."""
        own = (change.model, change.seconds, change.size, change.orientation, change.style)
        if any(own) or change.storyboard or not remix:
            seconds = None if change.model or change.seconds else task.order.seconds
            way = None if change.size or change.orientation else task.order.orientation
            return cls(
                replace(
                    change,
                    model=change.model or task.order.model,
                    seconds=change.seconds or seconds,
                    orientation=change.orientation or way,
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
    def quotable(self) -> MakeVideo:
        """The wish for a price: that there is a picture is all that counts."""
        return replace(self.video, image=Path(self.picture.name) if self.picture else None)


async def ask(kit: Kit, person: User, spot: Spot, command: Command, update: str) -> Reply:
    """Have a command done. `update` tells it from every other one, for ever."""
    assert kit.me is not None  # noqa: S101 - nobody is heard before the bot knows itself
    place, there = Destination(NAME, spot.address), None
    if not spot.private:
        there = GroupContext(f"{NAME}:{kit.post.now_at(spot).chat}")
    request = CommandRequest(
        person,
        place,
        command,
        f"{kit.me.id}:{update}",
        group_context=there,
        is_public=not spot.private,
    )
    return await handle_request(request, kit.desk)


async def make(kit: Kit, person: User, spot: Spot, wish: Wish, update: str) -> Reply:
    """Place the order. Raises `Refusal`, and `Later` where Telegram does not give the picture."""
    if wish.remix_of is not None:
        return await ask(kit, person, spot, Remix(wish.remix_of, wish.video.prompt), update)
    if wish.picture is None:
        return await ask(kit, person, spot, wish.video, update)
    with tempfile.TemporaryDirectory(prefix="reelay-") as folder:
        path = Path(folder) / f"picture{Path(wish.picture.name).suffix[:8]}"
        await _fetch(kit, wish.picture, path)
        command = replace(wish.video, image=path)
        return await ask(kit, person, spot, command, update)


async def _fetch(kit: Kit, picture: Picture, path: Path) -> None:
    """Get a picture from Telegram; its address bears the bot's token and goes nowhere else."""
    limit = images.MAX_IMAGE_BYTES
    if (picture.bytes or 0) > limit:
        size = f"{(picture.bytes or 0) / 1e6:.1f}"
        raise Refusal("image-too-large-bytes", size=size, limit=limit >> 20)
    try:
        file = await kit.bot.get_file(picture.file_id)
        content = await file.download_as_bytearray()
    except Throttled as error:
        raise Later(str(error), error.seconds) from None
    except (Unsent, Unclear) as error:
        raise Later(str(error)) from None
    except TelegramError as error:
        # Too old, or no longer there; or a Bot API server of one's own keeps its files from us.
        _log.warning("picture_not_given", why=error.message)
        raise Refusal("picture-gone") from None
    await asyncio.to_thread(path.write_bytes, content)
