"""What is in a video, told by the ffmpeg of the wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.media.probe import NoVideo, probe
from providers.sandbox.render import Scene, render


async def test_a_film_is_told_by_its_numbers(tmp_path: Path) -> None:
    """Length, size, codec and sound; also where the name of the file could be taken for a URL."""
    scene = Scene("a kite", "", seconds=2, width=96, height=160, mood="calm")
    film = await render(scene, tmp_path, lambda _: None)
    named = film.rename(tmp_path / "http:2.mp4")
    facts = await probe(named)
    assert facts.seconds == pytest.approx(2, abs=0.1)
    assert (facts.width, facts.height) == (96, 160)
    assert (facts.video_codec, facts.has_sound) == ("h264", True)


async def test_what_is_no_video_is_told_apart(tmp_path: Path) -> None:
    """A text, a truncated film and a file that is not there have no numbers."""
    (tmp_path / "a.mp4").write_text("no film")
    for name in ("a.mp4", "nothing.mp4"):
        with pytest.raises(NoVideo):
            await probe(tmp_path / name)
