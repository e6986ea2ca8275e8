"""Files by signed link, at the wire: who gets them, and that nothing else is ever served."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.media.links import SignedLinks
from bot.media.storage import MediaStorage
from bot.web import media_routes
from tests.support.fake_clock import FakeClock
from tests.support.web_server import (
    count_remaining,
    get_request,
    http_client,
    raw_connection,
    send_raw,
    split_response,
    started_server,
)

CONTENT = bytes(range(256)) * 400
PICTURE, RESULT = "k3xw-0a1b2c3d.jpg", "k3xw.mp4"

Link = Callable[[str], str]


@pytest.fixture
def spool(tmp_path: Path) -> MediaStorage:
    """A spool with a picture and a result, and something beside them that is nobody's business."""
    spool = MediaStorage(tmp_path / "data")
    for path in (spool.image_path(PICTURE), spool.result_path(RESULT)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)
    (tmp_path / "data" / "links.key").write_text("the key")
    spool.image_path("k3xw.mp4.part").write_bytes(CONTENT)
    return spool


@pytest.fixture
def links() -> SignedLinks:
    """Links whose address is left out, so that a link is a path."""
    return SignedLinks("", bytes(range(32)))


@pytest.fixture
async def client(
    links: SignedLinks, spool: MediaStorage, clock: FakeClock
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that shows the spool."""
    async with http_client(*media_routes(links, spool, clock)) as client:
        yield client


@pytest.fixture
def link(links: SignedLinks, clock: FakeClock) -> Link:
    """A link to a file, good for a minute."""
    return lambda name: links.create_link(name, clock.now(), 60)


@pytest.mark.parametrize(
    ("name", "media_type", "shown"),
    [(PICTURE, "image/jpeg", "image.jpg"), (RESULT, "video/mp4", "video.mp4")],
)
async def test_link_serves_its_file(
    client: httpx.AsyncClient, link: Link, name: str, media_type: str, shown: str
) -> None:
    """Complete, with its type, under a neutral name, and not to be cached."""
    answer = await client.get(link(name))
    assert (answer.status_code, answer.content) == (200, CONTENT)
    expected = {
        "Content-Type": media_type,
        "Content-Disposition": f'inline; filename="{shown}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Server": "reelay",
    }
    assert {key: answer.headers[key] for key in expected} == expected
    assert answer.headers["ETag"]
    assert answer.headers["Last-Modified"]


@pytest.mark.parametrize("ending", [".png", ".webp"])
async def test_every_image_format_has_its_content_type(
    client: httpx.AsyncClient, link: Link, spool: MediaStorage, ending: str
) -> None:
    """A gateway may refuse a PNG that calls itself bytes."""
    spool.image_path(f"a{ending}").write_bytes(CONTENT)
    answer = await client.get(link(f"a{ending}"))
    assert answer.headers["Content-Type"] == f"image/{ending[1:]}"


async def test_head_has_all_but_the_body(client: httpx.AsyncClient, link: Link) -> None:
    """Chats ask before they fetch."""
    got, headed = await client.get(link(RESULT)), await client.head(link(RESULT))
    assert (headed.status_code, headed.content) == (200, b"")
    for answer in (got, headed):
        del answer.headers["Date"]
    assert headed.headers == got.headers


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=1000-1999", 1000, 2000),
        ("bytes=102000-", 102000, len(CONTENT)),
        ("bytes=-100", len(CONTENT) - 100, len(CONTENT)),
        ("bytes=-999999999", 0, len(CONTENT)),
        ("bytes=0-999999999", 0, len(CONTENT)),
        ("bytes=0-0", 0, 1),
    ],
)
async def test_range_is_served(
    client: httpx.AsyncClient, link: Link, wanted: str, start: int, end: int
) -> None:
    """Players jump; downloads resume."""
    answer = await client.get(link(RESULT), headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, CONTENT[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert answer.headers["Content-Type"] == "video/mp4"


@pytest.mark.parametrize("wanted", ["bytes=999999999-", f"bytes={len(CONTENT)}-", "bytes=9-3"])
async def test_range_beyond_the_end_is_refused_with_the_size(
    client: httpx.AsyncClient, link: Link, wanted: str
) -> None:
    """So the client can ask better."""
    answer = await client.get(link(RESULT), headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize(
    "wanted", ["bytes=0-1,5-6", "bytes=0-1, -5", "frames=1-2", "bytes=a-b", "bytes=-", "nonsense"]
)
async def test_multiple_ranges_or_other_units_serve_the_whole_file(
    client: httpx.AsyncClient, link: Link, wanted: str
) -> None:
    """No server has to support them, and the whole file is always right."""
    answer = await client.get(link(RESULT), headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_unchanged_file_is_not_sent_again(client: httpx.AsyncClient, link: Link) -> None:
    """By its tag or its time."""
    first = await client.get(link(RESULT))
    for header, value in (
        ("If-None-Match", first.headers["ETag"]),
        ("If-Modified-Since", first.headers["Last-Modified"]),
    ):
        again = await client.get(link(RESULT), headers={header: value})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_link_is_read_only(
    client: httpx.AsyncClient, link: Link, spool: MediaStorage, method: str
) -> None:
    """Other methods are refused."""
    answer = await client.request(method, link(PICTURE))
    assert (answer.status_code, answer.text) == (405, "405: Method Not Allowed")
    assert spool.image_path(PICTURE).read_bytes() == CONTENT


async def test_forged_expired_and_missing_links_answer_alike(
    client: httpx.AsyncClient, link: Link, spool: MediaStorage, clock: FakeClock
) -> None:
    """So nobody learns what was there once."""
    spool.image_path("gone.jpg").write_bytes(CONTENT)
    gone, forged = link("gone.jpg"), link(PICTURE).replace(".jpg", "A.jpg")
    spool.image_path("gone.jpg").unlink()
    other = SignedLinks("", bytes(32)).create_link(PICTURE, clock.now(), 60)
    answers = [await client.get(path) for path in (gone, forged, other, "/media/", "/media")]
    old = link(PICTURE)
    assert (await client.get(old)).status_code == 200
    await clock.advance(60)
    answers.append(await client.get(old))
    for answer in answers:
        del answer.headers["Date"]
        assert (answer.status_code, answer.text) == (404, "404: Not Found")
        assert answer.headers == answers[0].headers


@pytest.mark.parametrize(
    "target",
    [
        "/media/../links.key",
        "/media/..%2flinks.key",
        "/media/%2e%2e/links.key",
        "/media/%2e%2e%2flinks.key",
        "/media/%252e%252e%252flinks.key",
        "/media/..%5clinks.key",
        "/media//etc/passwd",
        "/media/%2fetc%2fpasswd",
        "/media/file:%2f%2f%2fetc%2fpasswd",
        f"/media/{PICTURE}",
        f"/media/{PICTURE}%00.mp4",
        "/media/k3xw.mp4.part",
        "/media/.",
        "/media/..",
        "/media/%00",
        "/media/%ff%fe",
        "/media/" + "A" * 5000,
        "/media/{token}",
        "/media/*",
        "//media/..",
        "/data/links.key",
        "/static/",
        "http://127.0.0.1/links.key",
    ],
)
async def test_no_path_leads_to_another_file(
    links: SignedLinks, spool: MediaStorage, clock: FakeClock, target: str
) -> None:
    """Relative, encoded once or twice, absolute, or simply the file's name."""
    async with started_server(*media_routes(links, spool, clock)) as it:
        status, headers, body = split_response(await send_raw(it, get_request(target)))
    assert (status, body) == (404, b"404: Not Found")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "around",
    [
        "/media/x/../{}",
        "/media/{}/",
        "/media/{}/..",
        "/media/%2e/{}",
        "/media/{}%00",
        "/x/media/{}",
    ],
)
async def test_valid_token_in_another_path_is_refused(
    links: SignedLinks, spool: MediaStorage, clock: FakeClock, link: Link, around: str
) -> None:
    """One file has one address."""
    token = link(PICTURE).removeprefix("/media/")
    async with started_server(*media_routes(links, spool, clock)) as it:
        status, _, body = split_response(await send_raw(it, get_request(around.format(token))))
    assert (status, body) == (404, b"404: Not Found")


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_paths_are_refused_without_an_error(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    """Whatever comes as a path, the answer is short and nothing raises."""

    async def ask() -> bytes:
        spool = MediaStorage(tmp_path_factory.mktemp("spool"))
        spool.image_path(PICTURE).parent.mkdir()
        spool.image_path(PICTURE).write_bytes(CONTENT)
        routes = media_routes(SignedLinks("", bytes(32)), spool, FakeClock())
        async with started_server(*routes, idle_timeout_s=0.2) as it:
            return await send_raw(it, b"GET /media/" + noise + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    answer = asyncio.run(ask())
    assert CONTENT[:64] not in answer
    assert not answer or int(answer.split()[1]) < 500


async def test_tokens_are_never_logged(
    links: SignedLinks,
    spool: MediaStorage,
    clock: FakeClock,
    link: Link,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Opened, expired, refused or malformed: at every level, aiohttp's own included."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)

    async def broken(request: web.Request) -> web.Response:
        raise ValueError(str(request.url))

    path = link(PICTURE)
    token = path.removeprefix("/media/")
    routes = [*media_routes(links, spool, clock), web.get("/broken/{token}", broken)]
    async with started_server(*routes, idle_timeout_s=0.2) as it:
        for raw in (
            get_request(path),
            get_request(path, "Range: bytes=5-"),
            get_request(path, method="POST"),
            get_request(path, "Expect: nothing"),
            get_request(path, "Content-Length: x"),
            get_request(path, "Bad Header: x"),
            get_request(path, f"X-Long: {'x' * 9000}"),
            get_request(path, *(f"X-{n}: x" for n in range(200))),
            get_request(path, "Upgrade: websocket", "Connection: Upgrade"),
            get_request(path + "\x01"),
            get_request(path).replace(b"HTTP/1.1", b"HTTP/9.9"),
            get_request(path).replace(b"HTTP/1.1", b"SPEAKS ODDLY"),
            get_request(path, method="G\x00T"),
            get_request(f"{path}?{'x' * 9000}"),
            get_request(f"/broken/{token}"),
            get_request(f"/elsewhere/{token}"),
        ):
            answer = await send_raw(it, raw)
            assert token.encode() not in answer
            assert b"aiohttp" not in answer
            assert b"Python" not in answer
        spool.image_path(PICTURE).unlink()
        await send_raw(it, get_request(path))
        await clock.advance(100)
        await send_raw(it, get_request(path))
    said = caplog.text + "".join(capsys.readouterr())
    assert "web_server_started" in said
    assert said.count("web_request_failed") == 1
    assert token[:60] not in said


async def test_reader_that_stops_is_dropped(
    links: SignedLinks, spool: MediaStorage, clock: FakeClock, link: Link
) -> None:
    """A file larger than all buffers that nobody reads holds its connection only for a time."""
    size = 64 << 20
    os.truncate(spool.result_path(RESULT), size)
    async with (
        started_server(*media_routes(links, spool, clock, timeout_s=0.2)) as it,
        raw_connection(it) as (reader, writer),
    ):
        writer.write(get_request(link(RESULT)))
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"Content-Length: {size}".encode() in head
        # The client stops here; the rest stays in the buffers between the two.
        while it.connection_count:
            await asyncio.sleep(0)
        taken = await count_remaining(reader)
    assert taken < size
