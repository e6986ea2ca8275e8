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

_MAX_LETTERS = 700
"""Longer texts are cut: nobody reads more in a short video."""
_WIDTH_FRACTION = 0.86
_HEIGHT_FRACTION = 0.55
"""Fractions of the image size that the text may fill."""
_FONT_FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path.home() / ".local/share/fonts",
    Path.home() / ".fonts",
    Path("/System/Library/Fonts"),
    Path("/Library/Fonts"),
    Path("C:/Windows/Fonts"),
)
_FONT_PATTERNS = (
    r"(NotoSans-Regular|DejaVuSans|LiberationSans-Regular|arial)\.ttf",
    r"(NotoSans(Mono)?CJK|NotoSans[ST]C|SourceHanSans)[a-z-]*(Regular|VF)?\.[to]t[cf]",
    r"(PingFang|Hiragino Sans GB|STHeiti Medium|msyh)\.tt[cf]",
    r"(wqy-microhei|wqy-zenhei|DroidSansFallback(Full)?|simhei|Arial Unicode|unifont)\.[to]t[cf]",
    r"(NotoSansKR|NanumGothic|malgun|NotoSansJP|ipag|TakaoGothic|meiryo)[a-z-]*\.[to]t[cf]",
)
_UNASSIGNED_LETTER = "\U0010ffff"
"""An unassigned code point: every font draws its missing-glyph symbol for it."""


def draw_text(size: tuple[int, int], text: str, caption: str, *, at_bottom: bool) -> Image.Image:
    """Draw text and a caption on a transparent layer; `at_bottom` keeps the middle free."""
    width, height = size
    path, text = _choose_font(text)
    lines, font = _fit_text(text, path, size)
    sheet = Image.new("RGBA", size, (0, 0, 0, 0))
    margin = round(min(width, height) * 0.045)
    caption_font = _load_font(None, max(8, round(min(width, height) * 0.028)))
    _draw_lines(sheet, [caption], caption_font, height - 2 * margin, alpha=190)
    text_height = _line_height(font) * len(lines)
    top = height - text_height - 4 * margin if at_bottom else (height - text_height) // 2
    _draw_lines(sheet, lines, font, top, alpha=255)
    return sheet


def _draw_lines(sheet: Image.Image, lines: list[str], font: _Font, top: int, *, alpha: int) -> None:
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


def _fit_text(text: str, path: Path | None, size: tuple[int, int]) -> tuple[list[str], _Font]:
    """Wrap the text in the largest font size that fits; cut it off if even the smallest does not.

    Returns (lines, font).
    """
    width, height = size
    largest, smallest = round(min(size) * 0.085), max(8, round(min(size) * 0.034))
    for font_size in range(largest, smallest, -max(1, largest // 14)):
        font = _load_font(path, font_size)
        lines = _wrap(text, font, width * _WIDTH_FRACTION)
        if (
            len(lines) * _line_height(font)
            <= height * _HEIGHT_FRACTION * (font_size / largest) ** 0.5
        ):
            return lines, font
    font = _load_font(path, smallest)
    max_lines = max(1, int(height * _HEIGHT_FRACTION) // _line_height(font))
    lines = _wrap(text, font, width * _WIDTH_FRACTION)
    if len(lines) > max_lines:
        lines = [*lines[: max_lines - 1], lines[max_lines - 1].rstrip() + "…"]
    return lines, font


def _wrap(text: str, font: _Font, max_width: float) -> list[str]:
    lines = [""]
    for segment in _segments(text, font, max_width):
        if font.getlength((lines[-1] + segment).rstrip()) <= max_width:
            lines[-1] += segment
        else:
            lines.append(segment.lstrip())
    return [line.strip() for line in lines if line.strip()]


def _segments(text: str, font: _Font, max_width: float) -> Iterator[str]:
    """Split at possible line breaks: after words, around each letter of scripts without spaces."""
    for word in re.findall(r"\s*[^\s\u2e80-\uffef]+|\s*[\u2e80-\uffef]", text):
        if font.getlength(word) <= max_width:
            yield word
        else:
            yield from word


# --- fonts -------------------------------------------------------------------------------


def _choose_font(text: str) -> tuple[Path | None, str]:
    """Choose the font with the most letters of the text; return it and the text it can draw."""
    normalized = " ".join(unicodedata.normalize("NFC", text).split())
    if len(normalized) > _MAX_LETTERS:
        normalized = normalized[:_MAX_LETTERS].rstrip() + "…"
    wanted = {letter for letter in normalized if letter != " "}
    best: tuple[Path | None, set[str]] = (None, wanted)
    for path in (None, *_system_fonts()):
        missing = _missing_letters(path, wanted)
        if len(missing) < len(best[1]):
            best = (path, missing)
        if not missing:
            break
    path, missing = best
    drawable = "".join(_drawable_letter(path, letter, missing) for letter in normalized)
    # If most letters are missing, the punctuation between them would be meaningless.
    return path, " ".join(drawable.split()) if 2 * _count_letters(drawable) >= _count_letters(
        normalized
    ) else ""


def _count_letters(text: str) -> int:
    return sum(unicodedata.category(letter)[0] not in "PZ" for letter in text)


def _drawable_letter(path: Path | None, letter: str, missing: set[str]) -> str:
    """Return the letter, else the letter without accents, else nothing; never fails."""
    if letter not in missing:
        return letter
    base_letter = unicodedata.normalize("NFKD", letter)[0]
    return "" if _missing_letters(path, [base_letter]) else base_letter


def _missing_letters(path: Path | None, letters: Iterable[str]) -> set[str]:
    try:
        font = _load_font(path, 16)
        missing_glyph = _glyph(font, _UNASSIGNED_LETTER)
        return {letter for letter in letters if _glyph(font, letter) in (missing_glyph, b"")}
    except OSError:
        return set(letters)


def _glyph(font: _Font, letter: str) -> bytes:
    return bytes(font.getmask(letter))


@cache
def _system_fonts() -> tuple[Path, ...]:
    fonts = {
        path.name: path
        for folder in _FONT_FOLDERS
        if folder.is_dir()
        for path in sorted(folder.rglob("*.[to]t[cf]"))
    }
    return tuple(
        path
        for pattern in _FONT_PATTERNS
        for name, path in fonts.items()
        if re.fullmatch(pattern, name, re.IGNORECASE)
    )


def _load_font(path: Path | None, size: int) -> _Font:
    if path is not None:
        return ImageFont.truetype(path, size)
    # With a size this is never the bitmap font.
    return cast("_Font", ImageFont.load_default(size))
