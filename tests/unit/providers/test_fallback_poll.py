"""Polling by two routes, one of which may not exist: which response is used."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from providers import errors
from providers.fallback_poll import FallbackPoller
from providers.http import HttpClient
from providers.types import Finished

_NO_ROUTE = (404, '{"message": "Cannot GET /other"}')
_NO_JOB = (404, '{"message": "Task not found"}')
_DONE = (200, '{"id": "t", "status": "completed"}')
_WRONG_KEY = (401, '{"message": "Unauthorized"}')
_FORBIDDEN = (403, '{"message": "Forbidden"}')
_BAD = (400, '{"message": "Bad Request"}')
_PAGE = (404, "<html>Not Found</html>")
Said = tuple[int, str]


class _Server:
    """Returns one response at /first and another at /second."""

    def __init__(self, first: Said, second: Said) -> None:
        self.said = {"/first": first, "/second": second}
        self.asked: list[str] = []
        app = web.Application()
        app.router.add_get("/{path}", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        status, text = self.said[request.path]
        kind = "text/html" if text.startswith("<") else "application/json"
        return web.Response(status=status, text=text, content_type=kind)

    def lookups(self, http: HttpClient) -> FallbackPoller:
        """A poller with both routes, /first before /second."""
        routes = [
            lambda _, path=path: (str(self.server.make_url(path)), None) for path in self.said
        ]
        return FallbackPoller(http, "sk-0123456789", routes)


@pytest.mark.parametrize(
    ("first", "second", "kind", "text"),
    [
        (_NO_JOB, _NO_JOB, errors.NotFound, "Task not found"),
        (_NO_JOB, _NO_ROUTE, errors.NotFound, "Task not found"),
        (_NO_JOB, _FORBIDDEN, errors.NotFound, "Task not found"),
        (_NO_JOB, _BAD, errors.NotFound, "Task not found"),
        (_NO_ROUTE, _NO_JOB, errors.NotFound, "Task not found"),
        (_NO_ROUTE, _WRONG_KEY, errors.Misconfigured, "Unauthorized"),
        (_NO_ROUTE, _BAD, errors.NotFound, "Cannot GET"),
        (_NO_ROUTE, (500, "{}"), errors.UpstreamError, "500"),
        (_WRONG_KEY, _DONE, errors.Misconfigured, "Unauthorized"),
        (_BAD, _DONE, errors.Rejected, "Bad Request"),
    ],
)
async def test_response_about_the_job_takes_precedence(
    http: HttpClient, first: Said, second: Said, kind: type[errors.ProviderError], text: str
) -> None:
    """A 404 about the route counts only if neither response is about the job."""
    server = _Server(first, second)
    async with server.server:
        with pytest.raises(errors.ProviderError, match=text) as raised:
            await server.lookups(http).poll("t")
    assert type(raised.value) is kind
    assert len(server.asked) <= 2


async def test_working_route_is_tried_first(http: HttpClient) -> None:
    """From then on; the other is still tried if it fails."""
    server = _Server(_NO_ROUTE, _DONE)
    async with server.server:
        lookups = server.lookups(http)
        for _ in range(3):
            assert await lookups.poll("t") == Finished()
        server.said = {"/first": _DONE, "/second": _NO_ROUTE}
        assert await lookups.poll("t") == Finished()
    assert server.asked == ["/first", "/second", "/second", "/second", "/second", "/first"]


@pytest.mark.parametrize(
    ("first", "word"),
    [
        (_NO_JOB, "responds and accepts the key"),
        (_DONE, "responds and accepts the key"),
        (_NO_ROUTE, "not about jobs"),
        (_BAD, "not about jobs"),
        ((200, "{}"), "not about jobs"),
        ((200, ""), "not about jobs"),
    ],
)
async def test_check_confirms_the_key_only_with_a_job_response(
    http: HttpClient, first: Said, word: str
) -> None:
    """The key counts as accepted only if a response was about the job."""
    server = _Server(first, _NO_ROUTE)
    async with server.server:
        assert word in await server.lookups(http).check()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (_PAGE, errors.NotFound),
        ((200, "<html>Welcome</html>"), errors.MalformedResponse),
        (_WRONG_KEY, errors.Misconfigured),
        ((500, "{}"), errors.UpstreamError),
    ],
)
async def test_check_fails_for_other_servers(
    http: HttpClient, said: Said, kind: type[errors.ProviderError]
) -> None:
    """An HTML page is not a gateway, whatever its status."""
    server = _Server(said, said)
    async with server.server:
        with pytest.raises(kind):
            await server.lookups(http).check()
