"""Poll a job where it is not documented which of two routes the gateway serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from providers import errors, response_parser
from providers.types import Progress

if TYPE_CHECKING:
    from providers.http import HttpClient

Route = Callable[[str], tuple[str, dict[str, str] | None]]
"""Job id -> URL and query parameters."""
_NONEXISTENT_JOB_ID = "reelay-check"
_MAX_SHOWN_CHARS = 100


class FallbackPoller:
    """Polls by one or two routes; tries the one that worked last first."""

    def __init__(self, http: HttpClient, api_key: str, routes: Sequence[Route]) -> None:
        self._http = http
        self._api_key = api_key
        self._routes = list(routes)

    async def poll(self, remote_id: str) -> Progress:
        """Poll by the first route and, if that does not find the job, once by the other."""
        # A copy: concurrent polls may change the order meanwhile.
        preferred, *fallbacks = self._routes
        try:
            return await self._poll_route(preferred, remote_id)
        except errors.NotFound as error:
            if not fallbacks:
                raise
            progress = await self._poll_fallback(fallbacks[0], remote_id, error)
        self._routes = [fallbacks[0], preferred]
        return progress

    async def _poll_fallback(
        self, route: Route, remote_id: str, first_error: errors.NotFound
    ) -> Progress:
        try:
            return await self._poll_route(route, remote_id)
        except (errors.NotFound, errors.Misconfigured) as second_error:
            # A 404 about the route itself counts only if neither response is about the job.
            raise (
                first_error if response_parser.is_job_not_found(str(first_error)) else second_error
            ) from None
        except errors.Rejected:
            raise first_error from None

    async def _poll_route(self, route: Route, remote_id: str) -> Progress:
        url, params = route(remote_id)
        try:
            response = await self._http.request("GET", url, self._api_key, params=params)
        except errors.Rejected as error:
            if type(error) is errors.Rejected and response_parser.is_job_not_found(
                error.code, str(error)
            ):
                raise errors.NotFound(str(error), code=error.code) from error
            raise
        return response_parser.parse_progress(response.body, response.poll_after_s)

    async def check(self) -> str:
        """Poll a job that cannot exist: free of charge, and a wrong key is reported first."""
        try:
            await self.poll(_NONEXISTENT_JOB_ID)
        except (errors.Rejected, errors.MalformedResponse) as error:
            if "<" in str(error):
                # An HTML page: this is some other server.
                raise
            if not response_parser.is_job_not_found(str(error)):
                return f"responds, but not about jobs ({str(error)[:_MAX_SHOWN_CHARS]})"
        return "responds and accepts the key"
