"""Text on a video: inside the image, legible, and never a reason for failure."""

from __future__ import annotations

import pytest
from PIL import Image

from providers.sandbox.text_overlay import draw_text

SIZES = [(720, 1280), (1280, 720), (96, 160), (400, 30), (16, 16)]


def _covered(sheet: Image.Image) -> tuple[int, int, int, int] | None:
    """Return the bounding box of all visible pixels, without the faint edge of the shadow."""
    return sheet.getchannel("A").point(lambda level: 255 if level > 40 else 0).getbbox()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("text", ["a red kite", "word " * 900, "x" * 900, "风筝" * 300])
def test_text_stays_inside_the_image(text: str, size: tuple[int, int]) -> None:
    """Long prompts get a small font, then lose their end; no text leaves the image."""
    sheet = draw_text(size, text, "", at_bottom=False)
    assert sheet.size == size
    box = _covered(sheet)
    if box is not None and min(size) >= 96:
        assert box[0] > size[0] * 0.02
        assert box[2] < size[0] * 0.98
        assert box[3] - box[1] < size[1] * 0.75


def test_text_at_the_bottom_keeps_the_middle_free() -> None:
    """On a user's photo the text is at the bottom, not across a face."""
    sheet = draw_text((720, 1280), "a cat playing the piano", "sandbox", at_bottom=True)
    box = _covered(sheet)
    assert box is not None
    assert box[1] > 1280 * 0.6
    centred = _covered(draw_text((720, 1280), "a cat playing the piano", "", at_bottom=False))
    assert centred is not None
    assert (centred[1] + centred[3]) / 2 == pytest.approx(640, abs=60)


def test_letters_missing_in_all_fonts_are_left_out() -> None:
    """No boxes are drawn for them; if all letters are missing, no punctuation remains."""
    nothing = draw_text((360, 640), "", "", at_bottom=False).tobytes()
    for text in ("\ue000\ue001, \ue002\ue003.", "\U000f0000" * 9, "\u200b\u200d", "\n\t"):
        assert draw_text((360, 640), text, "", at_bottom=False).tobytes() == nothing
    plain = draw_text((360, 640), "a kite and a dog", "", at_bottom=False)
    odd = draw_text((360, 640), "a kite\ue000 and a dog", "", at_bottom=False)
    assert odd.tobytes() == plain.tobytes()
