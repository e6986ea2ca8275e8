"""Discord's file storage with signed, expiring links."""

from __future__ import annotations

import hmac
import io
import re
import shutil
from collections import Counter
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from tests.fakes.discord.messages import Attachment

LIFETIME = 24 * 3600
"""Lifetime of a link in seconds."""
_KINDS = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".txt": "text/plain; charset=utf-8",
    ".pdf": "application/pdf",
    ".zip": "application/zip",
}
_KEY = b"a secret of the stand-in"


class Cdn:
    """All files, by id."""

    def __init__(self) -> None:
        self.folder = Path()
        """Their folder; set when the server starts."""
        self.url = ""
        self.files: dict[int, Attachment] = {}
        self.gone: set[int] = set()
        """Files that were deleted."""
        self.downloads: Counter[int] = Counter()
        """By file."""
        self._numbers = count(1)

    def scratch(self) -> Path:
        """A new temporary path."""
        return self.folder / f"upload-{next(self._numbers)}"

    def keep(self, number: int, place: int, name: str, path: Path, **more: Any) -> Attachment:
        """A file of this id in this channel; what it is, is seen from its bytes."""
        safe = re.sub(r"[^\w.()-]", "_", name) or "unknown"
        kind = more.pop("kind", "") or _KINDS.get(Path(safe).suffix.lower(), "")
        more.setdefault("spoiler", safe.startswith("SPOILER_"))
        sides = _sides(path) if kind.startswith("image/") else (0, 0)
        if kind.startswith("video/"):
            sides = 1280, 720
        it = Attachment(
            id=number,
            name=safe,
            path=path,
            size=more.pop("size", None) or path.stat().st_size,
            sha256=more.pop("sha256", None) or digest(path),
            place=place,
            kind=kind,
            width=sides[0],
            height=sides[1],
            **more,
        )
        self.files[number] = it
        return it

    def bring(self, content: bytes | Path) -> Path:
        """Store a user's file."""
        path = self.scratch()
        if isinstance(content, Path):
            shutil.copyfile(content, path)
        else:
            path.write_bytes(content)
        return path

    def link(self, it: Attachment, now: float) -> str:
        """Where a file can be had from now on, for a time."""
        folder = "ephemeral-attachments" if it.ephemeral else "attachments"
        path = f"/{folder}/{it.place}/{it.id}/{quote(it.name)}"
        start, end = f"{int(now):x}", f"{int(now) + LIFETIME:x}"
        return f"{self.url}{path}?ex={end}&is={start}&hm={_signed(path, end, start)}&"

    def found(self, path: str, query: Any, now: float) -> Attachment | None:
        """The file that is asked for, if the link is still good."""
        parts = path.split("/")
        it = self.files.get(int(parts[3])) if len(parts) == 5 and parts[3].isdigit() else None
        end, start, signed = (query.get(name, "") for name in ("ex", "is", "hm"))
        good = hmac.compare_digest(_signed(path, end, start), signed)
        if it is None or it.id in self.gone or not good or int(end, 16) <= now:
            return None
        return it


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    known = sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            known.update(piece)
    return known.hexdigest()


def _signed(path: str, end: str, start: str) -> str:
    return hmac.new(_KEY, f"{path} {end} {start}".encode(), sha256).hexdigest()


def _sides(path: Path) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(path.read_bytes())) as opened:
            return opened.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return 0, 0
