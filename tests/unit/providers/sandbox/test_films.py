"""Videos of the sandbox: playable for any prompt, image and size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.media.mp4 import check_mp4
from bot.media.probe import probe
from providers.base import ProviderOptions
from providers.errors import Rejected
from providers.sandbox import Sandbox
from providers.types import Failed, FailureKind, ReferenceImage
from tests.support import sample_images, video_frames
from tests.support.sandbox_driver import SMALL, OpenSandbox, download, make_film, poll_until_done


async def test_video_has_requested_size_and_plays(sandbox: Sandbox, tmp_path: Path) -> None:
    """H.264 in 4:2:0 with AAC sound, the index in front, and no error when decoded."""
    request = replace(SMALL, seconds=4, width=720, height=1280, prompt="a red kite over the sea")
    film = await make_film(sandbox, request, tmp_path / "film.mp4")
    facts = await probe(film)
    assert facts.seconds == pytest.approx(4, abs=0.1)
    assert (facts.width, facts.height) == (720, 1280)
    assert (facts.video_codec, facts.has_audio) == ("h264", True)
    content = film.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert video_frames.player_errors(film) == ""
    first, later = video_frames.frame(film), video_frames.frame(film, 2)
    assert video_frames.difference(first, later) > 2


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ({"orientation": "portrait"}, (720, 1280)),
        ({"orientation": "landscape"}, (1280, 720)),
        ({"orientation": "square"}, (960, 960)),
        ({}, (720, 1280)),
        ({"width": 97, "height": 161}, (96, 160)),
        ({"width": 400, "height": 30}, (400, 30)),
    ],
)
async def test_every_orientation_is_rendered(
    asked: dict[str, object], made: tuple[int, int], sandbox: Sandbox, tmp_path: Path
) -> None:
    """Without a size the orientation decides; odd sides are reduced by a pixel for H.264."""
    request = replace(SMALL, **({"width": None, "height": None} | asked))  # type: ignore[arg-type]
    facts = await probe(await make_film(sandbox, request, tmp_path / "film.mp4"))
    assert (facts.width, facts.height) == made


async def test_image_is_the_first_frame_before_motion_starts(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """The first frame is the user's image exactly, without text on it."""
    picture = sample_images.photo(tmp_path / "photo.jpg", 360, 640)
    request = replace(
        SMALL,
        seconds=2,
        width=360,
        height=640,
        image=ReferenceImage(picture, "image/jpeg", 360, 640),
    )
    job = await sandbox.submit(request)
    picture_as_sent = picture.read_bytes()
    picture.unlink()
    await poll_until_done(sandbox, job.remote_id)
    film = tmp_path / "film.mp4"
    film.write_bytes(await download(sandbox, job.remote_id))
    picture.write_bytes(picture_as_sent)
    with Image.open(picture) as image:
        first = image.convert("RGB")
    assert video_frames.difference(video_frames.frame(film), first) < 2.5
    assert video_frames.difference(video_frames.frame(film, 1.8), first) > 4


async def test_image_keeps_its_colours(sandbox: Sandbox, tmp_path: Path) -> None:
    """With the wrong conversion matrix, red would turn orange on every phone."""
    card = tmp_path / "card.png"
    sample_images.color_card(96, 160).save(card)
    request = replace(SMALL, image=ReferenceImage(card, "image/png", 96, 160))
    film = await make_film(sandbox, request, tmp_path / "film.mp4")
    shown = video_frames.frame(film).resize((2, 2), Image.Resampling.BOX)
    for place, name in zip(((0, 0), (1, 0), (0, 1), (1, 1)), sample_images.UPRIGHT, strict=True):
        assert shown.getpixel(place) == pytest.approx(sample_images.COLOURS[name], abs=14)


async def test_prompt_is_drawn_without_directives(
    open_sandbox: OpenSandbox, tmp_path: Path
) -> None:
    """Another prompt changes the video; an additional directive in brackets does not."""
    seen = []
    for number, prompt in enumerate(("A KITE", "A DOG", "A [Broken] KITE")):
        sandbox = Sandbox(
            ProviderOptions(kind="sandbox"), open_sandbox().http, tmp_path / str(number)
        )
        job = await sandbox.submit(replace(SMALL, prompt=prompt))
        await poll_until_done(sandbox, job.remote_id)
        if number == 2:
            await download(sandbox, job.remote_id)
        (tmp_path / "film.mp4").write_bytes(await download(sandbox, job.remote_id))
        seen.append(video_frames.frame(tmp_path / "film.mp4"))
        await sandbox.close()
    kite, dog, broken = seen
    assert video_frames.difference(kite, dog) > 0.2
    assert video_frames.difference(kite, broken) == 0


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "   ",
        "一只红色的风筝在海面上飞翔",
        "🎹🪁 عربى עברית ไทย ÅŁß \u200b\u0301\ufffe",
        "x" * 4000,
        "a long one " * 400,
        "line\nbreaks\tand ' % : \\ , ; [ ] = quotes",
    ],
)
async def test_any_prompt_is_rendered(prompt: str, sandbox: Sandbox, tmp_path: Path) -> None:
    """Letters missing in all fonts, special characters of ffmpeg filters, and an empty text."""
    film = await make_film(sandbox, replace(SMALL, prompt=prompt), tmp_path / "film.mp4")
    check_mp4(film)


async def test_impossible_request_is_rejected(sandbox: Sandbox, tmp_path: Path) -> None:
    """No job is accepted that could not produce a video."""
    gone = ReferenceImage(tmp_path / "gone.jpg", "image/jpeg", 96, 160)
    wrong: list[dict[str, object]] = [
        {"seconds": 0},
        {"seconds": 121},
        {"width": 8},
        {"height": 5000},
        {"idempotency_key": "../k3xw"},
        {"image": gone},
        {"remix_of": "sandbox_nothing"},
    ]
    for changes in wrong:
        with pytest.raises(Rejected):
            await sandbox.submit(replace(SMALL, **changes))  # type: ignore[arg-type]
        assert await sandbox.find_job(SMALL, 0) is None


async def test_unreadable_image_fails_the_job(sandbox: Sandbox, tmp_path: Path) -> None:
    """The job fails at once instead of being retried for ever."""
    (tmp_path / "rubbish.jpg").write_bytes(b"rubbish")
    image = ReferenceImage(tmp_path / "rubbish.jpg", "image/jpeg", 96, 160)
    job = await sandbox.submit(replace(SMALL, image=image))
    end = await poll_until_done(sandbox, job.remote_id)
    assert isinstance(end, Failed)
    assert end.kind is FailureKind.UPSTREAM
