"""Each fault of the wire gets its name, and what may have been accepted is never called refused."""

from __future__ import annotations

import asyncio
import re
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from providers import PROVIDERS, errors
from providers.http import HttpClient
from providers.types import VideoRequest
from tests.fakes.raw_server import ConnectionHandler, http_response, raw_server, respond_with


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """A client with little patience."""
    client = HttpClient(read_timeout=0.3)
    yield client
    await client.close()


async def fault(http: HttpClient, talk: ConnectionHandler) -> errors.ProviderError:
    """How a paid request to such a server ends."""
    async with raw_server(talk) as url:
        with pytest.raises(errors.ProviderError) as raised:
            await http.request(
                "POST", url, "secret-key-123", fresh_connection=True, json={"prompt": "p"}
            )
    return raised.value


async def test_a_dropped_create_is_taken_for_one_that_never_arrived(http: HttpClient) -> None:
    """A connection that is closed after the request, with or without half an answer, is unclear."""
    for raw in (b"", b"HTTP/1.1 200 OK\r\nContent-Le", http_response("200 OK", '{"id": "x"}')[:-3]):
        found = await fault(http, respond_with(raw))
        assert isinstance(found, errors.Unanswered)
        assert found.maybe_accepted


async def test_a_silent_gateway_is_taken_for_one_that_never_got_it(http: HttpClient) -> None:
    """No answer in time leaves open whether the create was accepted."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    assert isinstance(await fault(http, talk), errors.Unanswered)


async def test_a_refused_connection_is_taken_for_an_accepted_create(http: HttpClient) -> None:
    """No connection, or no such host: certainly not accepted, and worth another try."""
    async with raw_server(respond_with(b"")) as url:
        closed = url
    for address in (closed, "http://nowhere.invalid"):
        with pytest.raises(errors.Unreachable) as raised:
            await http.request("POST", address, "k", fresh_connection=True, json={})
        assert not raised.value.maybe_accepted
        assert raised.value.retryable


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        ("429 Slow", '{"error": {"message": "slow down"}}', errors.Throttled),
        ("429 Broke", '{"error": {"code": "insufficient_quota"}}', errors.Misconfigured),
        ("503 Busy", '{"error": {"message": "上游负载已饱和"}}', errors.Throttled),
        ("401 No", '{"error": {"code": "invalid_api_key"}}', errors.Misconfigured),
        ("402 Pay", "", errors.Misconfigured),
        ("403 No", '{"message": "预扣费额度失败 余额不足"}', errors.Misconfigured),
        ("400 No", '{"error": {"message": "用户余额不足"}}', errors.Misconfigured),
        ("400 No", '{"error": {"code": "moderation_blocked"}}', errors.Moderated),
        ("400 No", '{"statusCode": 400, "message": ["size is wrong"]}', errors.Rejected),
        ("422 No", '{"detail": [{"loc": ["body"], "msg": "bad"}]}', errors.Rejected),
        ("404 No", '{"error": {"code": "model_not_found"}}', errors.ModelUnavailable),
        ("503 No", '{"error": {"message": "无可用渠道"}}', errors.ModelUnavailable),
        ("404 No", '{"error": {"message": "Video not found."}}', errors.NotFound),
        ("410 Gone", "", errors.NotFound),
        ("500 Oops", "<html>oops</html>", errors.UpstreamError),
        ("502 Oops", "<html>oops</html>", errors.UpstreamError),
        ("504 Oops", "", errors.UpstreamError),
        ("502 Oops", "<html>content is sensitive, model not found</html>", errors.UpstreamError),
        ("500 Oops", '{"error": {"code": "moderation_blocked"}}', errors.Moderated),
        ("408 Late", "", errors.Unanswered),
        ("200 OK", "<html>welcome</html>", errors.MalformedResponse),
        ("200 OK", "", errors.MalformedResponse),
        ("200 OK", '{"id": "x"', errors.MalformedResponse),
        ("200 OK", "[" * 100_000, errors.MalformedResponse),
        ("400 No", '{"error": {"message": "size is case-sensitive"}}', errors.Rejected),
        ("429 Slow", '{"message": "quota of requests per minute"}', errors.Throttled),
        ("429 Broke", '{"message": "余额不足"}', errors.Misconfigured),
    ],
)
async def test_an_answer_gets_the_wrong_name(
    http: HttpClient, status: str, body: str, kind: type[errors.ProviderError]
) -> None:
    """Each status and text is mapped to exactly one kind of error."""
    found = await fault(http, respond_with(http_response(status, body)))
    assert type(found) is kind


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("7", 7),
        ("0.5", 0.5),
        ("-3", 0),
        ("9e9", 86400),
        ("soon", None),
        ("nan", None),
        ("inf", None),
    ],
)
async def test_the_wish_of_a_gateway_is_not_heard(
    http: HttpClient, value: str, wait: float | None
) -> None:
    """Retry-After in seconds is handed on; nonsense is none."""
    found = await fault(http, respond_with(http_response("429 Slow", "", f"Retry-After: {value}")))
    assert found.retry_after == wait


async def test_a_date_is_no_wish(http: HttpClient) -> None:
    """Retry-After as a date of the past means at once."""
    past = "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"
    assert (
        await fault(http, respond_with(http_response("503 Busy", "saturated", past)))
    ).retry_after == 0


async def test_a_key_is_told_in_an_error(http: HttpClient) -> None:
    """What a gateway echoes of a key does not come out again."""
    body = '{"error": {"message": "Incorrect API key provided: sk-abcdef123456 Bearer zzz"}}'
    found = await fault(http, respond_with(http_response("401 No", body)))
    assert "abcdef123456" not in str(found)
    assert "zzz" not in str(found)


async def test_an_endless_answer_fills_the_memory(http: HttpClient) -> None:
    """An answer beyond the cap is broken off."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b" " * 65536)
                await writer.drain()
        except ConnectionError:
            writer.close()

    assert isinstance(await fault(http, talk), errors.MalformedResponse)


async def test_the_key_goes_to_a_stranger(http: HttpClient) -> None:
    """A redirect to another origin gets the video's reader, but never the key."""
    seen: list[bytes] = []

    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(http_response("200 OK", "video", "Content-Type: video/mp4"))
        await writer.drain()
        writer.close()

    async with raw_server(stranger) as there:
        redirect = respond_with(http_response("302 Found", "", f"Location: {there}/v.mp4"))
        async with (
            raw_server(redirect) as home,
            http.download(f"{home}/content", "key9", home) as it,
        ):
            assert b"".join([piece async for piece in it.chunks]) == b"video"
    assert len(seen) == 1
    assert b"key9" not in seen[0]


@pytest.mark.parametrize(
    "link", ["http://127.0.0.1:9/x", "http://169.254.169.254/latest", "file:///etc/passwd"]
)
async def test_a_gateway_reads_our_own_network(http: HttpClient, link: str) -> None:
    """A link of a public gateway into a private network, or to no web address, is refused."""
    with pytest.raises(errors.Rejected):
        async with http.download(link, "k", "https://1.1.1.1/v1"):
            pass


async def test_an_error_with_status_200_is_stored_as_a_video(http: HttpClient) -> None:
    """JSON or a page where a video should be is no video."""
    for kind in ("application/json", "text/html; charset=utf-8"):
        async with raw_server(
            respond_with(http_response("200 OK", "{}", f"Content-Type: {kind}"))
        ) as home:
            with pytest.raises(errors.MalformedResponse):
                async with http.download(f"{home}/content", "k", home):
                    pass


async def test_a_resumed_download_starts_in_the_wrong_place(http: HttpClient) -> None:
    """Where a server goes on, the offset is what it says; where it starts over, it is 0."""
    partial = http_response(
        "206 Partial", "cd", "Content-Range: bytes 2-3/4", "Content-Type: video/mp4"
    )
    whole = http_response("200 OK", "abcd", "Content-Type: video/mp4")
    for raw, offset in ((partial, 2), (whole, 0)):
        async with (
            raw_server(respond_with(raw)) as home,
            http.download(f"{home}/content", "k", home, offset=2) as it,
        ):
            assert (it.offset, it.total_bytes) == (offset, 4)
            assert b"".join([piece async for piece in it.chunks]) == b"abcd"[offset:]


async def test_a_cookie_is_carried_from_one_account_to_another(http: HttpClient) -> None:
    """No cookie that was set is ever sent back."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(http_response("200 OK", "{}", "Set-Cookie: who=me; Path=/"))
        await writer.drain()
        writer.close()

    async with raw_server(talk) as url:
        await http.request("GET", url, "k")
        await http.request("GET", url, "k")
    assert b"who=me" not in seen[1]


async def test_a_date_in_the_future_is_not_heard(http: HttpClient) -> None:
    """Retry-After as a date means until then."""
    future = "Retry-After: Fri, 31 Dec 2999 23:59:59 GMT"
    assert (
        await fault(http, respond_with(http_response("429 Slow", "", future)))
    ).retry_after == 86400


@pytest.mark.parametrize(("value", "wait"), [("2500", 2.5), ("\xb2", None), ("-1", None)])
async def test_the_wish_for_the_next_look_is_not_heard(
    http: HttpClient, value: str, wait: float | None
) -> None:
    """`openai-poll-after-ms` is handed on in seconds; signs that only look like digits are none."""
    raw = f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nopenai-poll-after-ms: {value}\r\n\r\n{{}}"
    async with raw_server(respond_with(raw.encode("latin-1"))) as url:
        assert (await http.request("GET", url, "k")).poll_after_s == wait


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_noise_breaks_out_of_the_tree_of_errors(http: HttpClient, raw: bytes) -> None:
    """What is no HTTP may still come from something that took the create."""
    assert isinstance(await fault(http, respond_with(raw)), errors.Unanswered)


async def test_a_create_follows_a_redirect(http: HttpClient) -> None:
    """It is not sent elsewhere; the admin hears where the address should lead instead."""
    moved = http_response("308 Moved", "", "Location: https://new.example/v1/videos")
    found = await fault(http, respond_with(moved))
    assert isinstance(found, errors.Misconfigured)
    assert "https://new.example" in str(found)
    see_other = http_response("303 See", "", "Location: /made")
    assert isinstance(await fault(http, respond_with(see_other)), errors.MalformedResponse)


async def test_an_upload_that_stalls_hangs_for_ever(tmp_path: Path) -> None:
    """A gateway that takes the beginning of a picture and no more is given up, as unclear."""
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"x" * 20_000_000)
    over = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        await over.wait()
        writer.close()

    impatient = HttpClient(total_timeout=0.3)
    async with raw_server(talk) as url:
        with picture.open("rb") as file, pytest.raises(errors.Unanswered):
            await impatient.request(
                "POST", url, "k", fresh_connection=True, files={"picture": file}
            )
        over.set()
    await impatient.close()


async def test_an_upload_is_held_in_memory(http: HttpClient, tmp_path: Path) -> None:
    """A large file goes from the disk to the wire in pieces."""
    picture, size = tmp_path / "picture.png", 64 << 20
    with picture.open("wb") as hole:
        hole.truncate(size)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got = 0
        while got < size:
            got += len(await reader.read(1 << 16))
        writer.write(http_response("200 OK", "{}"))
        await writer.drain()
        writer.close()

    async with raw_server(talk) as url:
        tracemalloc.start()
        with picture.open("rb") as file:
            await http.request("POST", url, "k", fresh_connection=True, files={"picture": file})
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < size / 4


async def test_a_key_of_any_shape_is_told(http: HttpClient) -> None:
    """Also one that looks like no key is taken out of all that a gateway echoes."""
    body = '{"error": {"code": "secret-key-123", "message": "no such key: secret-key-123"}}'
    found = await fault(http, respond_with(http_response("401 No", body)))
    assert "secret-key-123" not in f"{found} {found.code}"
    async with raw_server(
        respond_with(http_response("200 OK", '{"key": "secret-key-123"}'))
    ) as url:
        assert (await http.request("GET", url, "secret-key-123")).body == {"key": "***"}


async def test_a_fault_of_the_library_tells_the_key(http: HttpClient) -> None:
    """The library keeps the headers that were sent in some of its errors."""
    assert "secret-key" not in str(await fault(http, respond_with(b"noise\r\n\r\n")))


async def test_a_key_with_a_line_break_reaches_the_wire(http: HttpClient) -> None:
    """What no key can be is named as a wrong setting."""
    for key in ("two\nlines", "ключ"):
        with pytest.raises(errors.Misconfigured):
            await http.request("GET", "http://127.0.0.1:9", key)


async def test_a_raw_text_cannot_be_stored(http: HttpClient) -> None:
    """NUL and halves of characters, which JSON can name, never come out."""
    body = r'{"error": {"code": "a\u0000", "message": "b\u0000 c\ud800"}}'
    found = await fault(http, respond_with(http_response("400 No", body)))
    assert str(found).isprintable()
    assert found.code == "a?"


# --- where a video may come from ---------------------------------------------------------


async def test_a_link_in_json_is_stored_as_a_video(http: HttpClient) -> None:
    """A content route may answer where the video is; the key does not go there."""
    seen: list[bytes] = []
    video = http_response("200 OK", "video", "Content-Type: video/mp4")
    async with raw_server(respond_with(video, seen)) as there:
        for body in (f'{{"video_url": "{there}/v"}}', f'{{"data": {{"url": "{there}/v"}}}}'):
            pointer = http_response("200 OK", body, "Content-Type: application/json")
            async with (
                raw_server(respond_with(pointer)) as home,
                http.download(f"{home}/content", "key987654", home) as it,
            ):
                assert b"".join([piece async for piece in it.chunks]) == b"video"
    assert len(seen) == 2
    assert not any(b"key987654" in head for head in seen)


async def test_a_page_under_another_name_is_stored_as_a_video(http: HttpClient) -> None:
    """JSON and HTML are known by their first sign where the type says nothing."""
    for kind in ("Content-Type: video/mp4", "Content-Type: application/octet-stream", "X: y"):
        for body in ('{"error": "expired"}', " <html>maintenance</html>"):
            async with raw_server(respond_with(http_response("200 OK", body, kind))) as home:
                with pytest.raises(errors.MalformedResponse):
                    async with http.download(f"{home}/content", "k", home):
                        pass


async def test_a_part_that_does_not_fit_blocks_its_video(http: HttpClient) -> None:
    """Asked to go on behind its end, a server refuses; then the video begins anew."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        refuse = b"range: bytes=9-" in seen[-1].lower()
        writer.write(http_response("416 No") if refuse else http_response("200 OK", "abcd"))
        await writer.drain()
        writer.close()

    async with (
        raw_server(talk) as home,
        http.download(f"{home}/content", "k", home, offset=9) as it,
    ):
        assert (it.offset, it.total_bytes) == (0, 4)
        assert b"".join([piece async for piece in it.chunks]) == b"abcd"
    assert len(seen) == 2


@pytest.mark.parametrize("status", ["401 No", "403 Forbidden", "404 No", "410 Gone"])
async def test_an_expired_link_is_taken_for_a_wrong_key(http: HttpClient, status: str) -> None:
    """A file host, which never saw our key, refuses the link; the gateway itself the key."""
    async with raw_server(
        respond_with(http_response(status, "<Error>AccessDenied</Error>"))
    ) as there:
        with pytest.raises(errors.NotFound):
            async with http.download(f"{there}/v", "k", "http://127.0.0.1:9/v1"):
                pass
    async with raw_server(respond_with(http_response("401 No"))) as home:
        with pytest.raises(errors.Misconfigured):
            async with http.download(f"{home}/v", "k", home):
                pass


@pytest.mark.parametrize("host", ["localhost", "127.1", "[::1]", "[::ffff:10.0.0.1]", "2130706433"])
async def test_our_own_network_is_read_under_another_name(http: HttpClient, host: str) -> None:
    """Names are judged by the address that the connection itself will use."""
    with pytest.raises(errors.Rejected):
        async with http.download(f"http://{host}:9/x", "k", "https://1.1.1.1/v1"):
            pass


@pytest.mark.parametrize(
    "link",
    ["http://[", "http://x:99999/", "http://a..b/", f"http://{'a' * 70}.com/", "//x", "http://"],
)
async def test_a_link_that_is_none_makes_a_traceback(http: HttpClient, link: str) -> None:
    """Whatever a gateway calls a link, in its answer or in a redirect."""
    with pytest.raises(errors.ProviderError):
        async with http.download(link, "k", "https://1.1.1.1/v1"):
            pass
    async with raw_server(
        respond_with(http_response("302 Found", "", f"Location: {link}"))
    ) as home:
        with pytest.raises(errors.ProviderError):
            async with http.download(f"{home}/content", "k", home):
                pass


# --- connections -------------------------------------------------------------------------


class KeepAliveServer:
    """Keeps every connection open, and records on which one each request arrived."""

    def __init__(self, *, close_on_reuse: bool = False) -> None:
        self.requests: list[tuple[str, int]] = []
        """(method, number of the connection, from 0), in the order of arrival."""
        self._close_on_reuse = close_on_reuse
        self._connections = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client closes it, or until its second request."""
        number, served = self._connections, 0
        self._connections += 1
        try:
            while not (served and self._close_on_reuse):
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                self.requests.append((head.split()[0].decode(), number))
                writer.write(http_response("200 OK", '{"id": "job1", "status": "queued"}'))
                await writer.drain()
                served += 1
            # As a server whose keep-alive timeout ends while the next request is on its way.
            await reader.read(1)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def test_create_opens_its_own_connection_and_polls_share_one(http: HttpClient) -> None:
    """A create never uses an idle connection, and leaves none that a later request could use."""
    gateway = KeepAliveServer()
    async with raw_server(gateway.talk) as url:
        for method in ("GET", "GET", "POST", "GET", "POST"):
            await http.request(method, url, "k", fresh_connection=method == "POST")
        await http.close()
    assert gateway.requests == [("GET", 0), ("GET", 0), ("POST", 1), ("GET", 0), ("POST", 2)]


async def test_create_arrives_when_the_server_closes_an_idle_connection(http: HttpClient) -> None:
    """On the kept connection it would be lost without a way to know whether it was accepted."""
    gateway = KeepAliveServer(close_on_reuse=True)
    async with raw_server(gateway.talk) as url:
        await http.request("GET", url, "k")
        created = await http.request("POST", url, "k", fresh_connection=True, json={"prompt": "p"})
        await http.close()
    assert created.body == {"id": "job1", "status": "queued"}
    assert gateway.requests == [("GET", 0), ("POST", 1)]


@pytest.mark.parametrize("kind", sorted(set(PROVIDERS) - {"sandbox"}))
async def test_every_gateway_sends_its_create_on_its_own_connection(
    http: HttpClient, tmp_path: Path, kind: str
) -> None:
    """Whatever the dialect: polls reuse their connection, the paid request does not."""
    gateway, made = KeepAliveServer(), PROVIDERS[kind]
    async with raw_server(gateway.talk) as url:
        options = made.options_type(kind=kind, api_key=SecretStr("k"), base_url=url)
        provider = made(options, http, tmp_path)
        await provider.poll("job0")
        job = await provider.submit(VideoRequest("task1", "sora-2", "a red kite", 12))
        await provider.poll(job.remote_id)
        await http.close()
    assert job.remote_id == "job1"
    assert gateway.requests == [("GET", 0), ("POST", 1), ("GET", 0)]
