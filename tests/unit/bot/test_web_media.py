"""Our files by signed link, at the wire: to whom they are shown, and that nothing else ever is."""

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

from bot.media.links import Links
from bot.media.storage import Spool
from bot.web import media
from tests.support.fake_clock import FakeClock
from tests.support.web_server import asking, connected, get, left, parts, say, serving

CONTENT = bytes(range(256)) * 400
PICTURE, RESULT = "k3xw-0a1b2c3d.jpg", "k3xw.mp4"

Link = Callable[[str], str]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A spool with a picture and a result, and something beside them that is nobody's business."""
    spool = Spool(tmp_path / "data")
    for path in (spool.path(PICTURE), spool.result(RESULT)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)
    (tmp_path / "data" / "links.key").write_text("the key")
    spool.path("k3xw.mp4.part").write_bytes(CONTENT)
    return spool


@pytest.fixture
def links() -> Links:
    """Links whose address is left out, so that a link is a path."""
    return Links("", bytes(range(32)))


@pytest.fixture
async def client(links: Links, spool: Spool, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that shows the spool."""
    async with asking(*media(links, spool, clock)) as client:
        yield client


@pytest.fixture
def link(links: Links, clock: FakeClock) -> Link:
    """A link to a file, good for a minute."""
    return lambda name: links.link(name, clock.now(), 60)


@pytest.mark.parametrize(
    ("name", "media_type", "shown"),
    [(PICTURE, "image/jpeg", "image.jpg"), (RESULT, "video/mp4", "video.mp4")],
)
async def test_a_link_shows_its_file(
    client: httpx.AsyncClient, link: Link, name: str, media_type: str, shown: str
) -> None:
    """Whole, with its type, under a neutral name, and to be kept by nobody."""
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
async def test_every_kind_of_picture_has_its_type(
    client: httpx.AsyncClient, link: Link, spool: Spool, ending: str
) -> None:
    """A gateway may well refuse a PNG that calls itself bytes."""
    spool.path(f"a{ending}").write_bytes(CONTENT)
    answer = await client.get(link(f"a{ending}"))
    assert answer.headers["Content-Type"] == f"image/{ending[1:]}"


async def test_head_tells_all_but_the_file(client: httpx.AsyncClient, link: Link) -> None:
    """Chats look before they fetch."""
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
async def test_a_piece_is_given_as_asked(
    client: httpx.AsyncClient, link: Link, wanted: str, start: int, end: int
) -> None:
    """Players jump; downloads go on where they broke off."""
    answer = await client.get(link(RESULT), headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, CONTENT[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert answer.headers["Content-Type"] == "video/mp4"


@pytest.mark.parametrize("wanted", ["bytes=999999999-", f"bytes={len(CONTENT)}-", "bytes=9-3"])
async def test_a_piece_that_is_not_there_is_refused(
    client: httpx.AsyncClient, link: Link, wanted: str
) -> None:
    """With the true size, so that the client can ask better."""
    answer = await client.get(link(RESULT), headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize(
    "wanted", ["bytes=0-1,5-6", "bytes=0-1, -5", "frames=1-2", "bytes=a-b", "bytes=-", "nonsense"]
)
async def test_several_pieces_or_other_units_bring_the_whole_file(
    client: httpx.AsyncClient, link: Link, wanted: str
) -> None:
    """Nobody has to understand them, and the whole is always right."""
    answer = await client.get(link(RESULT), headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_a_file_that_the_client_has_is_not_sent_again(
    client: httpx.AsyncClient, link: Link
) -> None:
    """By its tag or its time."""
    first = await client.get(link(RESULT))
    for header, value in (
        ("If-None-Match", first.headers["ETag"]),
        ("If-Modified-Since", first.headers["Last-Modified"]),
    ):
        again = await client.get(link(RESULT), headers={header: value})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_a_link_is_for_reading_only(
    client: httpx.AsyncClient, link: Link, spool: Spool, method: str
) -> None:
    """Another method gets neither the file nor at it."""
    answer = await client.request(method, link(PICTURE))
    assert (answer.status_code, answer.text) == (405, "405: Method Not Allowed")
    assert spool.path(PICTURE).read_bytes() == CONTENT


async def test_forged_expired_and_gone_links_answer_alike(
    client: httpx.AsyncClient, link: Link, spool: Spool, clock: FakeClock
) -> None:
    """So nobody learns what was there once."""
    spool.path("gone.jpg").write_bytes(CONTENT)
    gone, forged = link("gone.jpg"), link(PICTURE).replace(".jpg", "A.jpg")
    spool.path("gone.jpg").unlink()
    other = Links("", bytes(32)).link(PICTURE, clock.now(), 60)
    answers = [await client.get(one) for one in (gone, forged, other, "/media/", "/media")]
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
    links: Links, spool: Spool, clock: FakeClock, target: str
) -> None:
    """Walked, encoded once or twice, absolute, or simply the file's name."""
    async with serving(*media(links, spool, clock)) as it:
        status, headers, body = parts(await say(it, get(target)))
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
async def test_a_good_token_in_a_bent_path_opens_nothing(
    links: Links, spool: Spool, clock: FakeClock, link: Link, around: str
) -> None:
    """One file has one address."""
    token = link(PICTURE).removeprefix("/media/")
    async with serving(*media(links, spool, clock)) as it:
        status, _, body = parts(await say(it, get(around.format(token))))
    assert (status, body) == (404, b"404: Not Found")


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_at_all_open_a_file_or_break_the_server(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    """Whatever comes in place of a path, the answer is short and there is no fault of ours."""

    async def ask() -> bytes:
        spool = Spool(tmp_path_factory.mktemp("spool"))
        spool.path(PICTURE).parent.mkdir()
        spool.path(PICTURE).write_bytes(CONTENT)
        routes = media(Links("", bytes(32)), spool, FakeClock())
        async with serving(*routes, idle=0.2) as it:
            return await say(it, b"GET /media/" + noise + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    answer = asyncio.run(ask())
    assert CONTENT[:64] not in answer
    assert not answer or int(answer.split()[1]) < 500


async def test_tokens_are_in_no_log(
    links: Links,
    spool: Spool,
    clock: FakeClock,
    link: Link,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Opened, expired, refused or not understood at all: at every level, aiohttp's own included."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)

    async def broken(request: web.Request) -> web.Response:
        raise ValueError(str(request.url))

    path = link(PICTURE)
    token = path.removeprefix("/media/")
    routes = [*media(links, spool, clock), web.get("/broken/{token}", broken)]
    async with serving(*routes, idle=0.2) as it:
        for raw in (
            get(path),
            get(path, "Range: bytes=5-"),
            get(path, method="POST"),
            get(path, "Expect: nothing"),
            get(path, "Content-Length: x"),
            get(path, "Bad Header: x"),
            get(path, f"X-Long: {'x' * 9000}"),
            get(path, *(f"X-{n}: x" for n in range(200))),
            get(path, "Upgrade: websocket", "Connection: Upgrade"),
            get(path + "\x01"),
            get(path).replace(b"HTTP/1.1", b"HTTP/9.9"),
            get(path).replace(b"HTTP/1.1", b"SPEAKS ODDLY"),
            get(path, method="G\x00T"),
            get(f"{path}?{'x' * 9000}"),
            get(f"/broken/{token}"),
            get(f"/elsewhere/{token}"),
        ):
            answer = await say(it, raw)
            assert token.encode() not in answer
            assert b"aiohttp" not in answer
            assert b"Python" not in answer
        spool.path(PICTURE).unlink()
        await say(it, get(path))
        await clock.advance(100)
        await say(it, get(path))
    said = caplog.text + "".join(capsys.readouterr())
    assert "web_started" in said
    assert said.count("web_request_failed") == 1
    assert token[:60] not in said


async def test_a_reader_who_stops_reading_is_let_go(
    links: Links, spool: Spool, clock: FakeClock, link: Link
) -> None:
    """A file larger than all buffers that nobody takes holds its connection only for a time."""
    size = 64 << 20
    os.truncate(spool.result(RESULT), size)
    async with (
        serving(*media(links, spool, clock, patience=0.2)) as it,
        connected(it) as (reader, writer),
    ):
        writer.write(get(link(RESULT)))
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"Content-Length: {size}".encode() in head
        # The client stops here; the rest stays in the buffers between the two.
        while it.connections:
            await asyncio.sleep(0)
        taken = await left(reader)
    assert taken < size
