"""HTTP client: every fault is mapped to its error, and unclear outcomes are never rejections."""

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
    """A client with a short read timeout."""
    client = HttpClient(read_timeout=0.3)
    yield client
    await client.close()


async def fault(http: HttpClient, talk: ConnectionHandler) -> errors.ProviderError:
    """Return the error of a paid request to this server."""
    async with raw_server(talk) as url:
        with pytest.raises(errors.ProviderError) as raised:
            await http.request(
                "POST", url, "secret-key-123", fresh_connection=True, json={"prompt": "p"}
            )
    return raised.value


async def test_dropped_create_may_be_accepted(http: HttpClient) -> None:
    """A connection closed after the request, with or without half a response, is unclear."""
    for raw in (b"", b"HTTP/1.1 200 OK\r\nContent-Le", http_response("200 OK", '{"id": "x"}')[:-3]):
        found = await fault(http, respond_with(raw))
        assert isinstance(found, errors.Unanswered)
        assert found.maybe_accepted


async def test_create_without_a_response_may_be_accepted(http: HttpClient) -> None:
    """A timeout leaves open whether the create was accepted."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    assert isinstance(await fault(http, talk), errors.Unanswered)


async def test_create_without_a_connection_is_not_accepted(http: HttpClient) -> None:
    """Connection refused or unknown host: certainly not accepted, and retryable."""
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
async def test_response_is_mapped_to_its_error(
    http: HttpClient, status: str, body: str, kind: type[errors.ProviderError]
) -> None:
    """Each status and text is mapped to exactly one exception."""
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
async def test_retry_after_in_seconds_is_parsed(
    http: HttpClient, value: str, wait: float | None
) -> None:
    """Invalid values are ignored."""
    found = await fault(http, respond_with(http_response("429 Slow", "", f"Retry-After: {value}")))
    assert found.retry_after == wait


async def test_retry_after_in_the_past_means_now(http: HttpClient) -> None:
    """A date in the past is a wait of 0 seconds."""
    past = "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"
    assert (
        await fault(http, respond_with(http_response("503 Busy", "saturated", past)))
    ).retry_after == 0


async def test_key_like_text_is_redacted_in_errors(http: HttpClient) -> None:
    """Keys that a gateway echoes do not appear in the error."""
    body = '{"error": {"message": "Incorrect API key provided: sk-abcdef123456 Bearer zzz"}}'
    found = await fault(http, respond_with(http_response("401 No", body)))
    assert "abcdef123456" not in str(found)
    assert "zzz" not in str(found)


async def test_endless_response_is_aborted(http: HttpClient) -> None:
    """A response beyond the size limit is cut off."""

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


async def test_key_is_not_sent_to_another_origin(http: HttpClient) -> None:
    """After a redirect to another origin the request has no Authorization header."""
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
async def test_private_network_is_not_read(http: HttpClient, link: str) -> None:
    """A public gateway's link to a private address, or to no web address, is rejected."""
    with pytest.raises(errors.Rejected):
        async with http.download(link, "k", "https://1.1.1.1/v1"):
            pass


async def test_error_with_status_200_is_not_a_video(http: HttpClient) -> None:
    """JSON or HTML in place of a video is `MalformedResponse`."""
    for kind in ("application/json", "text/html; charset=utf-8"):
        async with raw_server(
            respond_with(http_response("200 OK", "{}", f"Content-Type: {kind}"))
        ) as home:
            with pytest.raises(errors.MalformedResponse):
                async with http.download(f"{home}/content", "k", home):
                    pass


async def test_resumed_download_reports_its_offset(http: HttpClient) -> None:
    """The offset that the server states, or 0 if it starts over."""
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


async def test_cookies_are_never_sent_back(http: HttpClient) -> None:
    """No cookie of one request is sent with another."""
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


async def test_retry_after_as_a_date_is_parsed(http: HttpClient) -> None:
    """A date in the future is the time until then."""
    future = "Retry-After: Fri, 31 Dec 2999 23:59:59 GMT"
    assert (
        await fault(http, respond_with(http_response("429 Slow", "", future)))
    ).retry_after == 86400


@pytest.mark.parametrize(("value", "wait"), [("2500", 2.5), ("\xb2", None), ("-1", None)])
async def test_poll_after_header_is_parsed(
    http: HttpClient, value: str, wait: float | None
) -> None:
    """`openai-poll-after-ms` in seconds; characters that only look like digits are ignored."""
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
async def test_invalid_http_may_be_accepted(http: HttpClient, raw: bytes) -> None:
    """Bytes that are not HTTP may come from a server that accepted the create."""
    assert isinstance(await fault(http, respond_with(raw)), errors.Unanswered)


async def test_create_does_not_follow_redirects(http: HttpClient) -> None:
    """The admin is told the address to configure instead."""
    moved = http_response("308 Moved", "", "Location: https://new.example/v1/videos")
    found = await fault(http, respond_with(moved))
    assert isinstance(found, errors.Misconfigured)
    assert "https://new.example" in str(found)
    see_other = http_response("303 See", "", "Location: /made")
    assert isinstance(await fault(http, respond_with(see_other)), errors.MalformedResponse)


async def test_stalled_upload_times_out(tmp_path: Path) -> None:
    """A gateway that stops reading an upload is given up; the outcome is unclear."""
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


async def test_upload_is_streamed(http: HttpClient, tmp_path: Path) -> None:
    """A large file is sent in chunks, not loaded into memory."""
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


async def test_key_is_redacted_in_responses(http: HttpClient) -> None:
    """Also a key without a recognizable form, in errors and in successful responses."""
    body = '{"error": {"code": "secret-key-123", "message": "no such key: secret-key-123"}}'
    found = await fault(http, respond_with(http_response("401 No", body)))
    assert "secret-key-123" not in f"{found} {found.code}"
    async with raw_server(
        respond_with(http_response("200 OK", '{"key": "secret-key-123"}'))
    ) as url:
        assert (await http.request("GET", url, "secret-key-123")).body == {"key": "***"}


async def test_exception_of_the_library_does_not_contain_the_key(http: HttpClient) -> None:
    """Some exceptions of the library contain the request headers."""
    assert "secret-key" not in str(await fault(http, respond_with(b"noise\r\n\r\n")))


async def test_invalid_key_is_a_misconfiguration(http: HttpClient) -> None:
    """A key with a line break or non-ASCII letters is never sent."""
    for key in ("two\nlines", "ключ"):
        with pytest.raises(errors.Misconfigured):
            await http.request("GET", "http://127.0.0.1:9", key)


async def test_error_text_can_be_stored(http: HttpClient) -> None:
    """NUL and lone surrogates, which JSON can contain, are replaced."""
    body = r'{"error": {"code": "a\u0000", "message": "b\u0000 c\ud800"}}'
    found = await fault(http, respond_with(http_response("400 No", body)))
    assert str(found).isprintable()
    assert found.code == "a?"


# --- origins of videos -------------------------------------------------------------------


async def test_link_in_json_is_followed(http: HttpClient) -> None:
    """A content route may return a link in JSON; the key is not sent there."""
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


async def test_error_page_with_a_video_type_is_not_a_video(http: HttpClient) -> None:
    """JSON and HTML are recognized by their first character."""
    for kind in ("Content-Type: video/mp4", "Content-Type: application/octet-stream", "X: y"):
        for body in ('{"error": "expired"}', " <html>maintenance</html>"):
            async with raw_server(respond_with(http_response("200 OK", body, kind))) as home:
                with pytest.raises(errors.MalformedResponse):
                    async with http.download(f"{home}/content", "k", home):
                        pass


async def test_partial_file_that_does_not_fit_is_discarded(http: HttpClient) -> None:
    """If the server refuses the range, the download starts over."""
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
async def test_expired_link_is_not_a_misconfiguration(http: HttpClient, status: str) -> None:
    """401 from a file host means an expired link; from the gateway a wrong key."""
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
async def test_private_network_is_recognized_by_address(http: HttpClient, host: str) -> None:
    """The address of the connection counts, however the host is written."""
    with pytest.raises(errors.Rejected):
        async with http.download(f"http://{host}:9/x", "k", "https://1.1.1.1/v1"):
            pass


@pytest.mark.parametrize(
    "link",
    ["http://[", "http://x:99999/", "http://a..b/", f"http://{'a' * 70}.com/", "//x", "http://"],
)
async def test_invalid_link_is_a_provider_error(http: HttpClient, link: str) -> None:
    """In a response or in a redirect."""
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
            # Like a server whose keep-alive timeout ends while the next request is being sent.
            await reader.read(1)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def test_create_opens_its_own_connection_and_polls_share_one(http: HttpClient) -> None:
    """A create never uses an idle connection, and leaves none for a later request."""
    gateway = KeepAliveServer()
    async with raw_server(gateway.talk) as url:
        for method in ("GET", "GET", "POST", "GET", "POST"):
            await http.request(method, url, "k", fresh_connection=method == "POST")
        await http.close()
    assert gateway.requests == [("GET", 0), ("GET", 0), ("POST", 1), ("GET", 0), ("POST", 2)]


async def test_create_arrives_when_the_server_closes_an_idle_connection(http: HttpClient) -> None:
    """On the kept connection it would be lost, with an unknown outcome."""
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
    """In every dialect: polls reuse their connection, the paid request does not."""
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
