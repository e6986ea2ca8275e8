"""Poll a job where it is not documented which of two routes the gateway serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from providers import errors, response_parser
from providers.types import Progress

if TYPE_CHECKING:
    from providers.http import Http

Route = Callable[[str], tuple[str, dict[str, str] | None]]
"""Job id -> URL and query parameters."""
_NOBODYS_JOB = "reelay-check"
_SHOWN = 100


class Lookups:
    """Polls by one or two routes; tries the one that worked last first."""

    def __init__(self, http: Http, key: str, routes: Sequence[Route]) -> None:
        self._http = http
        self._key = key
        self._routes = list(routes)

    async def poll(self, remote_id: str) -> Progress:
        """Poll by the first route and, if that does not find the job, once by the other."""
        # A copy: concurrent polls may change the order meanwhile.
        best, *others = self._routes
        try:
            return await self._look(best, remote_id)
        except errors.NotFound as error:
            if not others:
                raise
            progress = await self._second_look(others[0], remote_id, error)
        self._routes = [others[0], best]
        return progress

    async def _second_look(self, route: Route, remote_id: str, first: errors.NotFound) -> Progress:
        try:
            return await self._look(route, remote_id)
        except (errors.NotFound, errors.Misconfigured) as second:
            # A 404 about the route itself counts only if neither response is about the job.
            raise (first if response_parser.is_no_job(str(first)) else second) from None
        except errors.Refused:
            raise first from None

    async def _look(self, route: Route, remote_id: str) -> Progress:
        url, params = route(remote_id)
        try:
            answer = await self._http.ask("GET", url, self._key, params=params)
        except errors.Refused as error:
            if type(error) is errors.Refused and response_parser.is_no_job(error.code, str(error)):
                raise errors.NotFound(str(error), code=error.code) from error
            raise
        return response_parser.progress_of(answer.body, answer.check_after)

    async def check(self) -> str:
        """Poll a job that cannot exist: free of charge, and a wrong key is reported first."""
        try:
            await self.poll(_NOBODYS_JOB)
        except (errors.Refused, errors.Malformed) as error:
            if "<" in str(error):
                # An HTML page: this is some other server.
                raise
            if not response_parser.is_no_job(str(error)):
                return f"responds, but not about jobs ({str(error)[:_SHOWN]})"
        return "responds and accepts the key"
