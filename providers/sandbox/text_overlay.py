"""Draw text on an image: wrapped, with a shadow, in an installed font that has the letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import cast

from PIL import Image, ImageDraw, ImageFilter, ImageFont

_Font = ImageFont.FreeTypeFont

_LONGEST = 700
"""Longer texts are cut: nobody reads more in a short video."""
_WIDTH = 0.86
_HEIGHT = 0.55
"""Fractions of the image size that the text may fill."""
_FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path.home() / ".local/share/fonts",
    Path.home() / ".fonts",
    Path("/System/Library/Fonts"),
    Path("/Library/Fonts"),
    Path("C:/Windows/Fonts"),
)
_FONTS = (
    r"(NotoSans-Regular|DejaVuSans|LiberationSans-Regular|arial)\.ttf",
    r"(NotoSans(Mono)?CJK|NotoSans[ST]C|SourceHanSans)[a-z-]*(Regular|VF)?\.[to]t[cf]",
    r"(PingFang|Hiragino Sans GB|STHeiti Medium|msyh)\.tt[cf]",
    r"(wqy-microhei|wqy-zenhei|DroidSansFallback(Full)?|simhei|Arial Unicode|unifont)\.[to]t[cf]",
    r"(NotoSansKR|NanumGothic|malgun|NotoSansJP|ipag|TakaoGothic|meiryo)[a-z-]*\.[to]t[cf]",
)
_NO_LETTER = "\U0010ffff"
"""An unassigned code point: every font draws its missing-glyph symbol for it."""


def write_text(size: tuple[int, int], text: str, caption: str, *, low: bool) -> Image.Image:
    """Draw the text and a small caption on a transparent layer; `low` keeps the middle free."""
    width, height = size
    path, text = _letters(text)
    lines, font = _fit(text, path, size)
    sheet = Image.new("RGBA", size, (0, 0, 0, 0))
    below = round(min(width, height) * 0.045)
    small = _font(None, max(8, round(min(width, height) * 0.028)))
    _put(sheet, [caption], small, height - 2 * below, alpha=190)
    room = _line_height(font) * len(lines)
    top = height - room - 4 * below if low else (height - room) // 2
    _put(sheet, lines, font, top, alpha=255)
    return sheet


def _put(sheet: Image.Image, lines: list[str], font: _Font, top: int, *, alpha: int) -> None:
    mask = Image.new("L", sheet.size)
    pen = ImageDraw.Draw(mask)
    for number, line in enumerate(lines):
        left = (sheet.width - font.getlength(line)) / 2
        pen.text((left, top + number * _line_height(font)), line, font=font, fill=alpha)
    blur = max(1.0, font.size / 9)
    shadow = mask.filter(ImageFilter.GaussianBlur(blur)).point(lambda level: min(200, level * 2))
    for colour, shape in ((0, shadow), (255, mask)):
        layer = Image.new("RGBA", sheet.size, (colour, colour, colour, 0))
        layer.putalpha(shape)
        sheet.alpha_composite(layer)


def _line_height(font: _Font) -> int:
    return round(font.size * 1.3)


# --- wrapping ----------------------------------------------------------------------------


def _fit(text: str, path: Path | None, size: tuple[int, int]) -> tuple[list[str], _Font]:
    """Wrap the text in the largest font size that fits; cut it off if even the smallest does not.

    Returns (lines, font).
    """
    width, height = size
    largest, smallest = round(min(size) * 0.085), max(8, round(min(size) * 0.034))
    for letter in range(largest, smallest, -max(1, largest // 14)):
        font = _font(path, letter)
        lines = _wrapped(text, font, width * _WIDTH)
        if len(lines) * _line_height(font) <= height * _HEIGHT * (letter / largest) ** 0.5:
            return lines, font
    font = _font(path, smallest)
    room = max(1, int(height * _HEIGHT) // _line_height(font))
    lines = _wrapped(text, font, width * _WIDTH)
    if len(lines) > room:
        lines = [*lines[: room - 1], lines[room - 1].rstrip() + "…"]
    return lines, font


def _wrapped(text: str, font: _Font, room: float) -> list[str]:
    lines = [""]
    for piece in _pieces(text, font, room):
        if font.getlength((lines[-1] + piece).rstrip()) <= room:
            lines[-1] += piece
        else:
            lines.append(piece.lstrip())
    return [line.strip() for line in lines if line.strip()]


def _pieces(text: str, font: _Font, room: float) -> Iterator[str]:
    """Split at possible line breaks: after words, around each letter of scripts without spaces."""
    for word in re.findall(r"\s*[^\s\u2e80-\uffef]+|\s*[\u2e80-\uffef]", text):
        if font.getlength(word) <= room:
            yield word
        else:
            yield from word


# --- fonts -------------------------------------------------------------------------------


def _letters(text: str) -> tuple[Path | None, str]:
    """Choose the font with the most letters of the text; return it and the text it can draw."""
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    if len(plain) > _LONGEST:
        plain = plain[:_LONGEST].rstrip() + "…"
    wanted = {letter for letter in plain if letter != " "}
    best: tuple[Path | None, set[str]] = (None, wanted)
    for path in (None, *_system_fonts()):
        missing = _missing(path, wanted)
        if len(missing) < len(best[1]):
            best = (path, missing)
        if not missing:
            break
    path, missing = best
    drawn = "".join(_nearest(path, letter, missing) for letter in plain)
    # If most letters are missing, the punctuation between them would be meaningless.
    return path, " ".join(drawn.split()) if 2 * _count(drawn) >= _count(plain) else ""


def _count(text: str) -> int:
    return sum(unicodedata.category(letter)[0] not in "PZ" for letter in text)


def _nearest(path: Path | None, letter: str, missing: set[str]) -> str:
    """Return the letter, else the letter without accents, else nothing; never fails."""
    if letter not in missing:
        return letter
    bare = unicodedata.normalize("NFKD", letter)[0]
    return "" if _missing(path, [bare]) else bare


def _missing(path: Path | None, letters: Iterable[str]) -> set[str]:
    try:
        font = _font(path, 16)
        nothing = _look(font, _NO_LETTER)
        return {letter for letter in letters if _look(font, letter) in (nothing, b"")}
    except OSError:
        return set(letters)


def _look(font: _Font, letter: str) -> bytes:
    return bytes(font.getmask(letter))


@cache
def _system_fonts() -> tuple[Path, ...]:
    found = {
        path.name: path
        for folder in _FOLDERS
        if folder.is_dir()
        for path in sorted(folder.rglob("*.[to]t[cf]"))
    }
    return tuple(
        path
        for pattern in _FONTS
        for name, path in found.items()
        if re.fullmatch(pattern, name, re.IGNORECASE)
    )


def _font(path: Path | None, size: int) -> _Font:
    if path is not None:
        return ImageFont.truetype(path, size)
    # With a size this is never the bitmap font.
    return cast("_Font", ImageFont.load_default(size))
