"""S3 publisher, tested with a server that verifies every signature itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bot.media.links import Publisher, PublishError
from bot.media.s3 import MAX_LINK_VALIDITY_S, S3Publisher, S3Settings
from tests.fakes.s3 import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, FakeS3

CONTENT = bytes(range(256)) * 40
DAY = 86400.0


@pytest.fixture
async def s3() -> AsyncIterator[FakeS3]:
    """The S3 server with the bucket."""
    async with FakeS3() as server:
        yield server


def bucket_at(s3: FakeS3, **other: str) -> S3Publisher:
    """The publisher."""
    account = {
        "endpoint": s3.url,
        "bucket": BUCKET,
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "region": REGION,
    }
    return S3Publisher(S3Settings(**{**account, **other}))


@pytest.fixture
def bucket(s3: FakeS3) -> S3Publisher:
    """Settings of the bucket."""
    return bucket_at(s3)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A stored image."""
    path = tmp_path / "k3xw-0a1b2c3d.jpg"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client without credentials."""
    async with httpx.AsyncClient() as client:
        yield client


def now() -> float:
    """Real time, since presigned links are verified against it."""
    return datetime.now(UTC).timestamp()


# --- links -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "media_type", "shown"),
    [
        (".jpg", "image/jpeg", "image.jpg"),
        (".png", "image/png", "image.png"),
        (".mp4", "video/mp4", "video.mp4"),
    ],
)
async def test_link_returns_the_file(
    bucket: S3Publisher,
    client: httpx.AsyncClient,
    tmp_path: Path,
    ending: str,
    media_type: str,
    shown: str,
) -> None:
    """With its media type, a neutral file name, and without caching."""
    path = tmp_path / f"k3xw{ending}"
    path.write_bytes(CONTENT)
    link = await bucket.publish(path, now(), 60)
    answer = await client.get(link)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Content-Disposition"] == f'inline; filename="{shown}"'
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert urlsplit(link).path.endswith(ending)
    assert "k3xw" not in link


async def test_link_supports_ranges(
    bucket: S3Publisher, client: httpx.AsyncClient, picture: Path
) -> None:
    """Players seek, and downloads resume."""
    link = await bucket.publish(picture, now(), 60)
    answer = await client.get(link, headers={"Range": "bytes=100-199"})
    assert (answer.status_code, answer.content) == (206, CONTENT[100:200])


async def test_link_expires_on_time(
    s3: FakeS3, bucket: S3Publisher, client: httpx.AsyncClient, picture: Path
) -> None:
    """To the second, by the clock of the server."""
    link = await bucket.publish(picture, now(), 60)
    s3.later = 55
    assert (await client.get(link)).status_code == 200
    s3.later = 61
    assert (await client.get(link)).status_code == 403


async def test_validity_is_limited_to_a_week(bucket: S3Publisher, picture: Path) -> None:
    """No server accepts more, so no longer validity is promised."""
    link = await bucket.publish(picture, now(), 30 * DAY)
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == [str(int(MAX_LINK_VALIDITY_S))]
    assert bucket.max_validity_s == MAX_LINK_VALIDITY_S


async def test_forged_or_changed_link_opens_nothing(
    s3: FakeS3, bucket: S3Publisher, client: httpx.AsyncClient, picture: Path
) -> None:
    """Another object, a later expiry, another method, no signature, or an additional letter."""
    first, second = [await bucket.publish(picture, now(), 60) for _ in range(2)]
    assert urlsplit(first).path != urlsplit(second).path
    path, query = urlsplit(first).path, urlsplit(first).query
    for forged in (
        first.replace(path, urlsplit(second).path),
        first.replace(path, f"/{BUCKET}/"),
        first.replace(path, f"/{BUCKET}/../{BUCKET}{path.removeprefix(f'/{BUCKET}')}x"),
        first.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"),
        first.replace(f"?{query}", ""),
        first + "0",
    ):
        answer = await client.get(forged)
        assert answer.status_code in {403, 404}
        assert CONTENT[:64] not in answer.content
    for method in ("PUT", "DELETE", "POST"):
        assert (await client.request(method, first)).status_code == 403
    assert [one.content for one in s3.objects.values()] == [CONTENT, CONTENT]


@pytest.mark.parametrize("name", ["links.key", "k3xw.mp4.part", ".jpg", "k3xw", "k3xw.svg"])
async def test_only_media_files_are_published(
    s3: FakeS3, bucket: S3Publisher, tmp_path: Path, name: str
) -> None:
    """Any other file name raises an error."""
    (tmp_path / name).write_bytes(CONTENT)
    with pytest.raises(ValueError, match="must not be published"):
        await bucket.publish(tmp_path / name, now(), 60)
    assert s3.objects == {}


async def test_environment_is_ignored(
    s3: FakeS3, picture: Path, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token, key or address for another program does not get into our links."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "other",
        "AWS_SECRET_ACCESS_KEY": "other",
        "AWS_SESSION_TOKEN": "SECRET",
        "AWS_REGION": "elsewhere",
        "AWS_DEFAULT_REGION": "elsewhere",
        "AWS_BUCKET": "other",
        "AWS_ENDPOINT": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_UNSIGNED_PAYLOAD": "true",
        "AWS_S3_EXPRESS": "true",
        "AWS_REQUEST_PAYER": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
    }.items():
        monkeypatch.setenv(name, value)
    link = await bucket_at(s3).publish(picture, now(), 60)
    assert (await client.get(link)).content == CONTENT
    assert "SECRET" not in link
    assert s3.refused == []


# --- large files -------------------------------------------------------------------------


async def test_large_video_is_uploaded_in_parts(
    s3: FakeS3, bucket: S3Publisher, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Completely and in order; an interrupted upload leaves nothing behind."""
    film = tmp_path / "k3xw.mp4"
    content = b"".join(bytes([number]) * (1 << 20) for number in range(21))
    film.write_bytes(content)
    link = await bucket.publish(film, now(), 60)
    assert s3.largest_body <= 5 << 20
    assert (await client.get(link)).content == content
    assert s3.unfinished == 0
    s3.refuse = [(403, "AccessDenied")]
    with pytest.raises(PublishError):
        await bucket.publish(film, now(), 60)


# --- deleting ----------------------------------------------------------------------------


@pytest.mark.parametrize("page", [1, 2, 1000])
async def test_expired_objects_are_deleted(s3: FakeS3, picture: Path, page: int) -> None:
    """All expired objects of the bot, and no others, however long the list is."""
    s3.page = page
    bucket = bucket_at(s3)
    for hours in (1, 2, 3, 4):
        await bucket.publish(picture, 1000, hours * 3600)
    for name in ("mine.jpg", "reelay/notes.txt", "reelay2/1-x/1-y.jpg"):
        s3.objects[name] = next(iter(s3.objects.values()))
    assert await bucket.remove_expired(1000 + 2 * 3600) == 2
    assert await bucket.remove_expired(1000 + 2 * 3600) == 0
    assert len(s3.objects) == 5
    assert await bucket.remove_expired(1e11) == 2
    assert sorted(s3.objects) == ["mine.jpg", "reelay/notes.txt", "reelay2/1-x/1-y.jpg"]


async def test_revoked_image_cannot_be_downloaded(
    s3: FakeS3, bucket: S3Publisher, client: httpx.AsyncClient, picture: Path, tmp_path: Path
) -> None:
    """All links to it stop working at once; links to other files still work."""
    other = tmp_path / "k3xw.mp4"
    other.write_bytes(CONTENT)
    gone = [await bucket.publish(picture, now(), 60) for _ in range(2)]
    kept = await bucket.publish(other, now(), 60)
    await bucket.revoke(picture.name)
    await bucket.revoke(picture.name)
    assert [(await client.get(link)).status_code for link in gone] == [404, 404]
    assert (await client.get(kept)).content == CONTENT
    assert len(s3.objects) == 1


# --- faults ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"secret_key": "wrong key"}, "403 SignatureDoesNotMatch"),
        ({"access_key": "WRONG"}, "403 InvalidAccessKeyId"),
        ({"region": "elsewhere"}, "AuthorizationHeaderMalformed"),
        ({"bucket": "other"}, "404 NoSuchBucket"),
        ({"endpoint": "http://127.0.0.1:9"}, "127.0.0.1:9"),
    ],
)
async def test_wrong_setting_is_reported_clearly(
    s3: FakeS3, picture: Path, other: dict[str, str], says: str
) -> None:
    """In one line with the code of the server, and without a secret."""
    bucket = bucket_at(s3, **other)
    works: list[Callable[[], Awaitable[str]]] = [
        lambda: bucket.publish(picture, now(), 60),
        bucket.check,
    ]
    for work in works:
        with pytest.raises(PublishError) as raised:
            await work()
        text = str(raised.value)
        assert says in text
        assert "\n" not in text
        assert SECRET_KEY not in text
        assert "Signature=" not in text
        assert ".jpg" not in text
    assert s3.objects == {}


async def test_missing_file_raises_publish_error(bucket: S3Publisher, tmp_path: Path) -> None:
    """Like every other failure."""
    with pytest.raises(PublishError):
        await bucket.publish(tmp_path / "gone.jpg", now(), 60)


async def test_single_server_error_is_retried(
    s3: FakeS3, bucket: S3Publisher, picture: Path, client: httpx.AsyncClient
) -> None:
    """One 503 is retried at once, and is not reported."""
    s3.refuse = [(503, "SlowDown")]
    link = await bucket.publish(picture, now(), 60)
    assert (await client.get(link)).content == CONTENT


async def test_check_leaves_nothing_behind(s3: FakeS3, bucket: S3Publisher) -> None:
    """It tests upload, link, list and delete, and reports the bucket and host."""
    assert await bucket.check() == f"{BUCKET} at 127.0.0.1: upload, link, list and delete work"
    assert s3.objects == {}
    assert s3.requests["PUT key"] == s3.requests["GET key"] == s3.requests["DELETE key"] == 1


async def test_check_detects_a_missing_permission(s3: FakeS3, bucket: S3Publisher) -> None:
    """A key that cannot read, list or delete is detected before the first video."""
    for allowed in range(4):
        s3.allowed = allowed
        with pytest.raises(PublishError):
            await bucket.check()
    s3.allowed = None
    await bucket.check()


def test_account_does_not_show_its_keys() -> None:
    """Not in its `repr` either."""
    shown = repr(S3Settings("https://s3.example.org", "films", ACCESS_KEY, SECRET_KEY))
    assert ACCESS_KEY not in shown
    assert SECRET_KEY not in shown


def test_bucket_is_a_publisher(s3: FakeS3) -> None:
    """Callers need not know where files are published."""
    publisher: Publisher = bucket_at(s3)
    assert publisher.max_validity_s == MAX_LINK_VALIDITY_S
