"""Each fault of the wire gets its name, and what may have been accepted is never called refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from providers import errors
from providers.http import Http

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[str]:
    """A server that does with each connection what it was told."""
    it = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with it:
        yield f"http://127.0.0.1:{it.sockets[0].getsockname()[1]}"


def answering(raw: bytes) -> Talk:
    """Read the request, then say this and close."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        writer.close()

    return talk


def answer(status: str, body: str = "", *headers: str) -> bytes:
    """A whole answer in bytes."""
    data = body.encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    """A client with little patience."""
    client = Http(read_timeout=0.3)
    yield client
    await client.close()


async def fault(http: Http, talk: Talk) -> errors.ProviderError:
    """How a paid request to such a server ends."""
    async with server(talk) as url:
        with pytest.raises(errors.ProviderError) as raised:
            await http.ask("POST", url, "secret-key-123", paid=True, json={"prompt": "p"})
    return raised.value


async def test_a_dropped_create_is_taken_for_one_that_never_arrived(http: Http) -> None:
    """A connection that is closed after the request, with or without half an answer, is unclear."""
    for raw in (b"", b"HTTP/1.1 200 OK\r\nContent-Le", answer("200 OK", '{"id": "x"}')[:-3]):
        found = await fault(http, answering(raw))
        assert isinstance(found, errors.Unanswered)
        assert found.accepted


async def test_a_silent_gateway_is_taken_for_one_that_never_got_it(http: Http) -> None:
    """No answer in time leaves open whether the create was accepted."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    assert isinstance(await fault(http, talk), errors.Unanswered)


async def test_a_refused_connection_is_taken_for_an_accepted_create(http: Http) -> None:
    """No connection, or no such host: certainly not accepted, and worth another try."""
    async with server(answering(b"")) as url:
        closed = url
    for address in (closed, "http://nowhere.invalid"):
        with pytest.raises(errors.Unreachable) as raised:
            await http.ask("POST", address, "k", paid=True, json={})
        assert not raised.value.accepted
        assert raised.value.again


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
        ("400 No", '{"statusCode": 400, "message": ["size is wrong"]}', errors.Refused),
        ("422 No", '{"detail": [{"loc": ["body"], "msg": "bad"}]}', errors.Refused),
        ("404 No", '{"error": {"code": "model_not_found"}}', errors.ModelUnavailable),
        ("503 No", '{"error": {"message": "无可用渠道"}}', errors.ModelUnavailable),
        ("404 No", '{"error": {"message": "Video not found."}}', errors.NotFound),
        ("410 Gone", "", errors.NotFound),
        ("500 Oops", "<html>oops</html>", errors.Upstream),
        ("502 Oops", "<html>oops</html>", errors.Upstream),
        ("504 Oops", "", errors.Upstream),
        ("408 Late", "", errors.Unanswered),
        ("200 OK", "<html>welcome</html>", errors.Malformed),
        ("200 OK", "", errors.Malformed),
        ("200 OK", '{"id": "x"', errors.Malformed),
        ("200 OK", "[" * 100_000, errors.Malformed),
    ],
)
async def test_an_answer_gets_the_wrong_name(
    http: Http, status: str, body: str, kind: type[errors.ProviderError]
) -> None:
    """Each status and text is mapped to exactly one kind of error."""
    found = await fault(http, answering(answer(status, body)))
    assert type(found) is kind


@pytest.mark.parametrize(("value", "wait"), [("7", 7), ("0.5", 0.5), ("-3", 0), ("soon", None)])
async def test_the_wish_of_a_gateway_is_not_heard(
    http: Http, value: str, wait: float | None
) -> None:
    """Retry-After in seconds is handed on; nonsense is none."""
    found = await fault(http, answering(answer("429 Slow", "", f"Retry-After: {value}")))
    assert found.retry_after == wait


async def test_a_date_is_no_wish(http: Http) -> None:
    """Retry-After as a date of the past means at once."""
    past = "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"
    assert (await fault(http, answering(answer("503 Busy", "saturated", past)))).retry_after == 0


async def test_a_key_is_told_in_an_error(http: Http) -> None:
    """What a gateway echoes of a key does not come out again."""
    body = '{"error": {"message": "Incorrect API key provided: sk-abcdef123456 Bearer zzz"}}'
    found = await fault(http, answering(answer("401 No", body)))
    assert "abcdef123456" not in str(found)
    assert "zzz" not in str(found)


async def test_an_endless_answer_fills_the_memory(http: Http) -> None:
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

    assert isinstance(await fault(http, talk), errors.Malformed)


async def test_the_key_goes_to_a_stranger(http: Http) -> None:
    """A redirect to another origin gets the video's reader, but never the key."""
    seen: list[bytes] = []

    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer("200 OK", "video", "Content-Type: video/mp4"))
        await writer.drain()
        writer.close()

    async with server(stranger) as there:
        redirect = answering(answer("302 Found", "", f"Location: {there}/v.mp4"))
        async with server(redirect) as home, http.download(f"{home}/content", "key9", home) as it:
            assert b"".join([piece async for piece in it.chunks]) == b"video"
    assert len(seen) == 1
    assert b"key9" not in seen[0]


@pytest.mark.parametrize(
    "link", ["http://127.0.0.1:9/x", "http://169.254.169.254/latest", "file:///etc/passwd"]
)
async def test_a_gateway_reads_our_own_network(http: Http, link: str) -> None:
    """A link of a public gateway into a private network, or to no web address, is refused."""
    with pytest.raises(errors.Refused):
        async with http.download(link, "k", "https://1.1.1.1/v1"):
            pass


async def test_an_error_with_status_200_is_stored_as_a_video(http: Http) -> None:
    """JSON or a page where a video should be is no video."""
    for kind in ("application/json", "text/html; charset=utf-8"):
        async with server(answering(answer("200 OK", "{}", f"Content-Type: {kind}"))) as home:
            with pytest.raises(errors.Malformed):
                async with http.download(f"{home}/content", "k", home):
                    pass


async def test_a_resumed_download_starts_in_the_wrong_place(http: Http) -> None:
    """Where a server goes on, the offset is what it says; where it starts over, it is 0."""
    partial = answer("206 Partial", "cd", "Content-Range: bytes 2-3/4", "Content-Type: video/mp4")
    whole = answer("200 OK", "abcd", "Content-Type: video/mp4")
    for raw, offset in ((partial, 2), (whole, 0)):
        async with (
            server(answering(raw)) as home,
            http.download(f"{home}/content", "k", home, offset=2) as it,
        ):
            assert (it.offset, it.total) == (offset, 4)
            assert b"".join([piece async for piece in it.chunks]) == b"abcd"[offset:]


async def test_a_cookie_is_carried_from_one_account_to_another(http: Http) -> None:
    """No cookie that was set is ever sent back."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer("200 OK", "{}", "Set-Cookie: who=me; Path=/"))
        await writer.drain()
        writer.close()

    async with server(talk) as url:
        await http.ask("GET", url, "k")
        await http.ask("GET", url, "k")
    assert b"who=me" not in seen[1]
