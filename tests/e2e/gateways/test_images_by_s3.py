"""End to end: an image for a gateway that accepts links only, published in a bucket."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bot.app import build_bucket
from bot.check import run_checks
from bot.config import Settings, load_settings
from bot.domain.commands import MakeVideo
from bot.domain.tasks import Fit, State
from bot.store import tasks
from tests.fakes.engine.crowd import running_process
from tests.fakes.gateways.jimmy import FakeJimmyGateway
from tests.fakes.gateways.mountsea import FakeMountseaGateway
from tests.fakes.gateways.openai import KEY
from tests.fakes.s3 import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, FakeS3
from tests.support import sample_images, video_frames


def settings(folder: Path, s3: FakeS3, **more: str) -> Settings:
    """Settings with one gateway, one bucket, and no public address."""
    chosen = {
        "DATA_DIR": str(folder / "data"),
        "DATABASE_URL": f"sqlite:///{folder}/reelay.db",
        "HTTP_PORT": "0",
        "S3_ENDPOINT": s3.url,
        "S3_BUCKET": BUCKET,
        "S3_ACCESS_KEY": ACCESS_KEY,
        "S3_SECRET_KEY": SECRET_KEY,
        "S3_REGION": REGION,
        **more,
    }
    return load_settings(Path("/dev/null"), chosen)


@pytest.mark.parametrize(
    ("size", "fit"), [("1280x720", "crop"), ("720x1280", "pad"), ("720x1280", "crop")]
)
async def test_video_starts_with_the_image_from_the_bucket(
    size: str, fit: Fit, tmp_path: Path
) -> None:
    """From the user's photo to the first frame of the video, at the wire."""
    photo = sample_images.photo(tmp_path / "photo.jpg", 1200, 1200)
    async with FakeS3() as s3, FakeMountseaGateway() as gateway:
        chosen = settings(
            tmp_path,
            s3,
            PROVIDERS__MOUNTSEA__API_KEY=KEY,
            PROVIDERS__MOUNTSEA__BASE_URL=gateway.url,
        )
        async with running_process(chosen) as (crowd, parts):
            wish = MakeVideo("a kite", size=size, image=photo, fit=fit)
            reply = await crowd.send("a", wish)
            assert reply.task is not None, reply.text
            made = reply.task
            assert ("%" in reply.text) == (fit == "crop")

            async def done() -> bool:
                task = await parts.database.read(lambda tx: tasks.get(tx, made.id))
                return task is not None and task.state is State.DONE

            assert await crowd.wait_until(60, done)
            first = video_frames.frame(parts.spool.result_path(f"{made.id}.mp4"))
            with Image.open(parts.spool.image_path(made.order.image or "")) as image:
                assert video_frames.difference(first, image.convert("RGB")) < 3
        assert gateway.violations == []
        assert s3.refused == []
        assert len(s3.objects) == 1
        assert made.id not in next(iter(s3.objects))


async def test_disabled_upload_is_not_used(tmp_path: Path) -> None:
    """With PICTURES=link nothing is uploaded, though the gateway supports it."""
    photo = sample_images.photo(tmp_path / "photo.jpg", 600, 600)
    async with FakeS3() as s3, FakeJimmyGateway(cheap=True) as gateway:
        chosen = settings(
            tmp_path,
            s3,
            PROVIDERS__JIMMY__API_KEY=KEY,
            PROVIDERS__JIMMY__BASE_URL=gateway.url,
            PROVIDERS__JIMMY__PICTURES="link",
        )
        async with running_process(chosen) as (crowd, _):
            reply = await crowd.send("a", MakeVideo("a kite", model="sora2-12s", image=photo))
            assert reply.task is not None, reply.text
            made = reply.task.id

            async def posted() -> bool:
                return crowd.posted_videos[made] == 1

            assert await crowd.wait_until(30, posted)
        assert gateway.violations == []
        assert gateway.pictures == {}
        assert len(s3.objects) == 1


async def test_unsupported_fit_is_refused(tmp_path: Path) -> None:
    """If images are sent unchanged, `--fit` is refused before anything is charged."""
    photo = sample_images.photo(tmp_path / "photo.jpg", 600, 600)
    async with FakeS3() as s3, FakeJimmyGateway(cheap=True) as gateway:
        chosen = settings(
            tmp_path,
            s3,
            PROVIDERS__JIMMY__API_KEY=KEY,
            PROVIDERS__JIMMY__BASE_URL=gateway.url,
        )
        async with running_process(chosen) as (crowd, _):
            wish = MakeVideo("a kite", model="sora2-12s", image=photo, fit="pad")
            reply = await crowd.send("a", wish)
            assert not reply.ok
            assert "--fit" in reply.text
        assert gateway.creates == {}


async def test_check_reports_the_bucket(tmp_path: Path) -> None:
    """With a row: what was tested, or the error code of the server."""
    async with FakeS3() as s3, FakeMountseaGateway() as gateway:
        where = {
            "PROVIDERS__MOUNTSEA__API_KEY": KEY,
            "PROVIDERS__MOUNTSEA__BASE_URL": gateway.url,
        }
        rows = {row.name: row for row in await run_checks(settings(tmp_path, s3, **where))}
        assert rows["bucket"].ok
        assert rows["bucket"].text == f"{BUCKET} at 127.0.0.1: upload, link, list and delete work"
        assert "pictures" not in rows
        wrong = settings(tmp_path, s3, **where, S3_SECRET_KEY="another-secret")
        rows = {row.name: row for row in await run_checks(wrong)}
        assert not rows["bucket"].ok
        assert rows["bucket"].text == "the server responded 403 SignatureDoesNotMatch"


def test_bucket_requires_its_settings() -> None:
    """Without them there is none."""
    assert build_bucket(load_settings(Path("/dev/null"), {})) is None
