"""Detect the type of a file by its first bytes; file names are not reliable."""

from __future__ import annotations

from codecs import getincrementaldecoder

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"8BPS", "PSD"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"PK\x03\x04", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"Rar!", "archive"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"ID3", "sound"),
    (b"OggS", "sound"),
    (b"fLaC", "sound"),
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
)
_RIFF = {b"WEBP": "WebP", b"AVI ": "video", b"WAVE": "sound"}
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def sniff_type(head: bytes) -> str:
    """Return the name of an image format, or a word in lower case for any other kind of file.

    The words: `video`, `sound`, `pdf`, `archive`, `program`, `web-page`, `text`, `data`.
    """
    if head.startswith(b"%PDF"):
        return "pdf"
    text = _decode_text(head)
    if text is not None:
        return _text_type(text)
    if head[4:8] == b"ftyp":
        return _iso_media_type(head)
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], "data")
    return next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), "data")


def is_image_type(kind: str) -> bool:
    """Whether a type is an image format."""
    return not kind.islower()


def _iso_media_type(head: bytes) -> str:
    """Distinguish ISO base media files by the brands in their first box."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[position : position + 4] for position in range(16, end, 4))}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIC" if brands & _HEIF_BRANDS else "video"


def _decode_text(head: bytes) -> str | None:
    try:
        # Not final: the last character may be truncated.
        text = getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


def _text_type(text: str) -> str:
    text = text.lstrip().lower()
    if text.startswith("<svg") or (text.startswith("<?xml") and "<svg" in text):
        return "SVG"
    if text.startswith(("<!doctype html", "<html")):
        return "web-page"
    return "text"
