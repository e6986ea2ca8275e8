"""Files in calls: which file is meant, and whether Telegram accepts it as that kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from PIL import Image, UnidentifiedImageError

from tests.fakes.telegram.files import StoredFile, safe_name
from tests.fakes.telegram.rules import ApiError, Call, avoidable_error
from tests.fakes.telegram.value_checks import Upload

LARGEST_UPLOAD = 50_000_000
LARGEST_LOCAL_UPLOAD = 2_000_000_000
LARGEST_PHOTO = 10_000_000
LARGEST_DOWNLOAD = 20 << 20
_LARGEST_THUMBNAIL = 200_000
_LONGEST_SIDE_OF_THUMBNAIL = 320


def photo_of(call: Call) -> tuple[StoredFile, ...]:
    """All sizes of the photo that a call sends."""
    source = _source(call, "photo", "photo")
    if isinstance(source, StoredFile):
        return call.world.files.sizes(source)
    if source.size > LARGEST_PHOTO:
        avoidable_error("file is too big for a photo")
    width, height = _sides(source)
    if width + height > 10_000 or max(width, height) > 20 * min(width, height):
        avoidable_error("PHOTO_INVALID_DIMENSIONS")
    return call.world.files.photo(source)


def video_of(call: Call) -> StoredFile:
    """The video that a call sends, with what the call says of it."""
    source = _source(call, "video", "video")
    if isinstance(source, StoredFile):
        return source
    with source.path.open("rb") as file:
        if file.read(8)[4:] != b"ftyp":
            call.add_violation("a video that is no MP4")
    return call.world.files.details(
        call.world.files.keep("video", source),
        width=call.get("width", 0),
        height=call.get("height", 0),
        seconds=call.get("duration", 0),
        streaming=call.get("supports_streaming", False),
        thumbnail=_thumbnail(call),
        cover=_cover(call),
    )


def document_of(call: Call) -> StoredFile:
    """The file that a call sends."""
    source = _source(call, "document", "document")
    if isinstance(source, StoredFile):
        return source
    kept = call.world.files.keep("document", source)
    return call.world.files.details(kept, name=safe_name(source.name), thumbnail=_thumbnail(call))


def _source(call: Call, name: str, kind: str) -> Upload | StoredFile:
    """An upload, or a file that is known already."""
    value = call.get(name)
    if (upload := _upload(call, value)) is not None:
        if not upload.size:
            avoidable_error("file must be non-empty")
        call.world.uploads[kind] += 1
        return upload
    if call.world.local and value.startswith("file://"):
        call.world.uploads[kind] += 1
        path = Path(unquote(urlsplit(value).path))
        return call.world.files.bring(path, path.name)
    if value.startswith(("http://", "https://")):
        avoidable_error("this fake fetches nothing from the Internet")
    stored = call.world.files.named(value)
    if stored is None:
        avoidable_error("wrong file identifier/HTTP URL specified")
    if stored.kind != kind:
        avoidable_error(f"can't use file of type {stored.kind.title()} as {kind.title()}")
    return stored


def _upload(call: Call, value: Any) -> Upload | None:
    if isinstance(value, Upload):
        return value
    if value.startswith("attach://"):
        return call.files[value.removeprefix("attach://")]
    return None


def _thumbnail(call: Call) -> StoredFile | None:
    """The thumbnail, if it keeps to the rules; else the real server leaves it out."""
    value = call.get("thumbnail")
    if value is None:
        return None
    upload = _upload(call, value)
    if upload is None:
        call.add_violation("a thumbnail that is not uploaded")
        return None
    call.world.uploads["thumbnail"] += 1
    try:
        width, height = _sides(upload, kinds=("JPEG",))
    except ApiError:
        call.add_violation("a thumbnail that is no JPEG")
        return None
    if upload.size >= _LARGEST_THUMBNAIL or max(width, height) > _LONGEST_SIDE_OF_THUMBNAIL:
        call.add_violation(f"a thumbnail of {width}x{height} and {upload.size} bytes")
        return None
    files = call.world.files
    return files.details(files.keep("thumbnail", upload), width=width, height=height)


def _cover(call: Call) -> StoredFile | None:
    value = call.get("cover")
    if value is None:
        return None
    upload = _upload(call, value)
    if upload is None:
        source = _source(call, "cover", "photo")
        assert isinstance(source, StoredFile)
        return source
    return call.world.files.photo(upload)[-1]


def _sides(upload: Upload, kinds: tuple[str, ...] | None = None) -> tuple[int, int]:
    try:
        with Image.open(upload.path, formats=kinds) as image:
            return image.size
    except (UnidentifiedImageError, OSError):
        avoidable_error("IMAGE_PROCESS_FAILED")
