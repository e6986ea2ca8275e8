"""What can go wrong between us and a gateway.

    ProviderError
    ├── Unreachable      no connection, no DNS          not accepted   try again
    ├── Throttled        429, "saturated"               not accepted   try again after `retry_after`
    ├── Refused          a clear 4xx                    not accepted   never again
    │   ├── Moderated        the prompt or picture is not allowed
    │   ├── ModelUnavailable the model is gone or switched off
    │   ├── NotFound         no such job
    │   └── NoResult         the job is done, and its video is nowhere
    ├── Misconfigured    401, 402, 403: key or funds    not accepted   when an admin has acted
    ├── Unanswered       timeout, dropped mid-answer    may be         look again, never create
    ├── Upstream         5xx, a gateway's error page    may be         look again, never create
    ├── Malformed        an answer that is not one      may be         look again, never create
    ├── Unsupported      this gateway has no such verb  not accepted   never again
    └── Untrusted        a call that proves no gateway  (no create)    never again

The message of each is the raw text of the other side or of the HTTP library, shortened and
without secrets: for admins, never for people.
"""

from __future__ import annotations

from typing import ClassVar


class ProviderError(Exception):
    """Something between us and a gateway went wrong."""

    accepted: ClassVar[bool] = False
    """Whether a create that ended so may have been accepted, and so must never be repeated."""
    again: ClassVar[bool] = False
    """Whether asking again later can help."""

    def __init__(self, raw: str = "", *, retry_after: float | None = None, code: str = "") -> None:
        super().__init__(raw or type(self).__name__)
        self.retry_after = retry_after
        """The other side's own wish, in seconds."""
        self.code = code


class Unreachable(ProviderError):
    """No connection was made."""

    again = True


class Throttled(ProviderError):
    """The gateway asks us to slow down."""

    again = True


class Refused(ProviderError):
    """The gateway understood and said no."""


class Moderated(Refused):
    """The gateway's rules forbid this prompt or picture."""


class ModelUnavailable(Refused):
    """The gateway no longer serves this model."""


class NotFound(Refused):
    """The gateway knows no such job."""


class NoResult(Refused):
    """The gateway calls the job a success and names no video."""


class Misconfigured(ProviderError):
    """The key, its rights or its funds do not suffice."""


class Unanswered(ProviderError):
    """The request went out and no whole answer came back."""

    accepted = True
    again = True


class Upstream(ProviderError):
    """The gateway or something behind it failed."""

    accepted = True
    again = True


class Malformed(ProviderError):
    """An answer came that cannot be understood."""

    accepted = True
    again = True


class Unsupported(ProviderError):
    """This gateway has no such verb."""


class Untrusted(ProviderError):
    """A call to our webhook that does not prove to be the gateway's."""
