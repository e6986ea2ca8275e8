"""Errors of a request to a gateway, and of a webhook request from it.

    ProviderError                                         accepted?      retry?
    ├── Unreachable      no connection, no DNS            no             yes
    ├── Throttled        429, "saturated"                 no             after `retry_after`
    ├── Refused          a definite 4xx                   no             never
    │   ├── Moderated        the prompt or image violates the content rules
    │   ├── ModelUnavailable the model was removed or disabled
    │   ├── NotFound         no such job
    │   └── NoResult         the job succeeded, but its response names no video
    ├── Misconfigured    401, 402, 403: key or funds      no             after an admin fixed it
    ├── Unanswered       timeout, connection dropped      maybe          polls only, never a create
    ├── Upstream         5xx, an HTML error page          maybe          polls only, never a create
    ├── Malformed        a response we cannot parse       maybe          polls only, never a create
    ├── Unsupported      operation missing at this kind   no             never
    └── Untrusted        webhook without valid signature  (no create)    never

The message of each is the text of the gateway or of the HTTP library, shortened and without
secrets: for admins, never for users.
"""

from __future__ import annotations

from typing import ClassVar


class ProviderError(Exception):
    """A request to a gateway, or a webhook request from it, failed."""

    maybe_accepted: ClassVar[bool] = False
    """Whether a create that failed this way may have been accepted: never repeat it then."""
    retryable: ClassVar[bool] = False
    """Whether the same request may succeed later."""

    def __init__(
        self, message: str = "", *, retry_after: float | None = None, code: str = ""
    ) -> None:
        super().__init__(message or type(self).__name__)
        self.retry_after = retry_after
        """Seconds to wait as requested by the gateway; None if it did not say."""
        self.code = code


class Unreachable(ProviderError):
    """No connection could be opened."""

    retryable = True


class Throttled(ProviderError):
    """The gateway limits our request rate, or is overloaded."""

    retryable = True


class Rejected(ProviderError):
    """The gateway understood the request and rejected it."""


class Moderated(Rejected):
    """The content rules of the gateway forbid this prompt or image."""


class ModelUnavailable(Rejected):
    """The gateway no longer serves this model."""


class NotFound(Rejected):
    """The gateway does not know the job."""


class NoResult(Rejected):
    """The gateway reports success, but no link to the video."""


class Misconfigured(ProviderError):
    """The key is wrong, lacks a permission, or its account is out of funds."""


class Unanswered(ProviderError):
    """The request was sent, but no complete response came back."""

    maybe_accepted = True
    retryable = True


class UpstreamError(ProviderError):
    """The gateway, or a service behind it, failed."""

    maybe_accepted = True
    retryable = True


class MalformedResponse(ProviderError):
    """The response cannot be parsed."""

    maybe_accepted = True
    retryable = True


class Unsupported(ProviderError):
    """This kind of gateway does not support the operation."""


class InvalidSignature(ProviderError):
    """A webhook request without a valid signature of the gateway."""
