"""File storage of the fake Telegram: ids differ by file and by kind."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count
from pathlib import Path

from PIL import Image, ImageOps

from tests.fakes.telegram.value_checks import Upload

SIDES = (90, 320, 800, 1280)
"""The longest sides of the sizes in which a photo is kept."""
_FOLDERS = {
    "photo": "photos",
    "video": "videos",
    "document": "documents",
    "voice": "voice",
    "sticker": "stickers",
    "thumbnail": "thumbnails",
}
_ENDS = {"photo": ".jpg", "thumbnail": ".jpg", "video": ".mp4", "voice": ".oga", "sticker": ".webp"}
_KINDS = {
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".gif": "image/gif",
    ".pdf": "application/pdf",
    ".txt": "text/plain",
    ".oga": "audio/ogg",
    ".zip": "application/zip",
}


@dataclass(frozen=True, slots=True, eq=False)
class StoredFile:
    """One file."""

    kind: str
    """`photo`, `video`, `document`, `voice`, `sticker` or `thumbnail`."""
    file_id: str
    unique_id: str
    path: Path
    """Where its bytes are on this machine."""
    file_path: str
    """As `getFile` tells it."""
    size: int
    sha256: str
    name: str = ""
    mime: str = ""
    width: int = 0
    height: int = 0
    seconds: int = 0
    streaming: bool = False
    thumbnail: StoredFile | None = None
    cover: StoredFile | None = None

    def shown(self) -> str:
        """What people see of it, for a transcript."""
        match self.kind:
            case "video":
                return f"video {self.width}x{self.height} {self.seconds} s"
            case "photo":
                return f"photo {self.width}x{self.height}"
            case "document":
                return f"file {self.name}"
        return self.kind


class Files:
    """All files that the server knows."""

    def __init__(self) -> None:
        self.folder = Path()
        """Their folder; set when the server starts."""
        self._numbers = count(1)
        self._by_id: dict[str, StoredFile] = {}
        self._by_path: dict[str, StoredFile] = {}
        self._photos: dict[str, tuple[StoredFile, ...]] = {}

    def named(self, file_id: str) -> StoredFile | None:
        """The file of this id."""
        return self._by_id.get(file_id)

    def at(self, file_path: str) -> StoredFile | None:
        """The file that is downloaded there."""
        return self._by_path.get(file_path)

    def scratch(self) -> Path:
        """A new temporary path."""
        return self.folder / f"upload-{next(self._numbers)}"

    def keep(self, kind: str, upload: Upload, size: int | None = None) -> StoredFile:
        """An upload as a file of this kind."""
        end = _ENDS.get(kind) or Path(upload.name).suffix
        number = next(self._numbers)
        file_path = f"{_FOLDERS[kind]}/file_{number}{end}"
        seen = StoredFile(
            kind=kind,
            file_id=f"{_tag(kind)}AAC{upload.sha256[:24]}_{number:06d}-{kind[0].upper()}QADNgQ",
            unique_id=f"AgAD{upload.sha256[:10]}{kind[:2]}",
            path=upload.path,
            file_path=file_path,
            size=upload.size if size is None else size,
            sha256=upload.sha256,
            name=upload.name,
            mime=_KINDS.get(Path(upload.name).suffix.lower(), "application/octet-stream"),
        )
        return self._noted(seen)

    def details(self, stored: StoredFile, **more: object) -> StoredFile:
        """The same file with more known of it."""
        return self._noted(replace(stored, **more))  # type: ignore[arg-type] # its own fields

    def photo(self, upload: Upload) -> tuple[StoredFile, ...]:
        """A picture as Telegram keeps it: JPEGs in several sizes, the largest last.

        Raises `OSError` for what is no picture.
        """
        if upload.sha256 not in self._photos:
            self._photos[upload.sha256] = tuple(self._sizes(upload))
        return self._photos[upload.sha256]

    def document(self, upload: Upload, size: int | None = None) -> StoredFile:
        """Something as a file; of a picture that Telegram can read also a small one."""
        kept = self.keep("document", upload, size)
        try:
            with Image.open(upload.path) as opened:
                small = ImageOps.contain(opened.convert("RGB"), (320, 320))
        except (OSError, ValueError, Image.DecompressionBombError, UserWarning, RuntimeWarning):
            return kept
        content = io.BytesIO()
        small.save(content, "JPEG", quality=85)
        thumbnail = self.keep("thumbnail", self.bring(content.getvalue(), "thumbnail.jpg"))
        known = self.details(thumbnail, width=small.width, height=small.height)
        return self.details(kept, thumbnail=known)

    def sizes(self, photo: StoredFile) -> tuple[StoredFile, ...]:
        """All sizes of the photo of which this is one."""
        return next(sizes for sizes in self._photos.values() if photo in sizes)

    def bring(self, content: bytes | Path, name: str) -> Upload:
        """Store a user's file."""
        path = self.scratch()
        if isinstance(content, Path):
            shutil.copyfile(content, path)
        else:
            path.write_bytes(content)
        with path.open("rb") as file:
            digest = _digest(file)
        return Upload("", name, path, path.stat().st_size, digest)

    def _sizes(self, upload: Upload) -> Iterator[StoredFile]:
        with Image.open(upload.path) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
        longest = max(image.size)
        sides = {*(one for one in SIDES if one < longest), min(longest, SIDES[-1])}
        for side in sorted(sides):
            small = ImageOps.contain(image, (side, side))
            content = io.BytesIO()
            small.save(content, "JPEG", quality=85)
            part = self.bring(content.getvalue(), "photo.jpg")
            yield self.details(self.keep("photo", part), width=small.width, height=small.height)

    def _noted(self, stored: StoredFile) -> StoredFile:
        self._by_id[stored.file_id] = self._by_path[stored.file_path] = stored
        return stored


def _tag(kind: str) -> str:
    """File ids of one kind begin alike."""
    return {"photo": "AgAC", "video": "BAAC", "document": "BQAC"}.get(kind, "CAAC")


def _digest(file: io.BufferedReader) -> str:
    known = sha256()
    while piece := file.read(1 << 20):
        known.update(piece)
    return known.hexdigest()


def safe_name(name: str) -> str:
    """A file's name as Telegram keeps it."""
    return re.sub(r"[/\\\x00-\x1f]", "_", name)[:255]
