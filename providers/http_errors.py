"""Map HTTP responses of gateways to `providers.errors`: status, headers and error texts.

Pure: takes bytes and headers, returns values or raises errors.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from providers import errors

Json = dict[str, Any] | list[Any] | str | int | float | bool | None

_MAX_MESSAGE_LENGTH = 500
_MAX_CODE_LENGTH = 100
_MAX_WAIT_S = 86400.0
_SECRETS = re.compile(r"(Bearer\s+|sk-|api[_-]?key[\"'=:\s]+)[\w.\-]+", re.IGNORECASE)
_FUNDS = re.compile(
    r"insufficient[ _](user[ _])?(quota|balance|credit|fund)|token_quota_failed|billing_hard_limit"
    r"|余额|额度",
    re.IGNORECASE,
)
_SATURATED = re.compile(r"saturated|饱和|overloaded|too many requests", re.IGNORECASE)
_MODEL_SUBJECT = (
    r"\bmodels?(?:[ _](?:name|id))?"
    r"(?:[\s:=/]+(?:[\"'`\u201c\u2018][^\"'`\u201d\u2019]{1,80}[\"'`\u201d\u2019]"
    r"|[\w./:@-]{0,80}[\d_/.-][\w./:@-]{0,80}))?"
)
"""The model as the subject of a sentence, optionally followed by its name."""
_GONE_PREDICATE = (
    r"[\s,:]{0,3}\b(?:(?:is|are|was|has|have|could|can)(?: been)? )?"
    r"(?:(?:now|currently|temporarily|permanently) )?"
    r"(?:(?:(?:does|do) )?not exist|(?:not|cannot) (?:be )?found|deprecated|retired|discontinued"
    r"|removed|shut down|no longer exists"
    # "not supported with/for <an option>" is about that option; "for your account" is not.
    r"|(?:unavailable|(?:not|no longer) (?:supported|available|served|offered))"
    r"(?! (?:with|when|if|at|in|for) (?!your\b)))"
)
_MODEL_GONE = re.compile(
    r"\bmodel[_ ]not[_ ]found\b|无可用渠道|no available channel|interface is temporarily paused"
    rf"|{_MODEL_SUBJECT}{_GONE_PREDICATE}",
    re.IGNORECASE,
)
_DEFINITE_REJECTION = re.compile(
    r"\bmodel_not_found\b|无可用渠道|no available channel|interface is temporarily paused"
    r"|\bmoderation_blocked\b|\b(sora_)?content_(policy_)?violation\b|PROVIDER_MODERATION_ERROR"
    r"|insufficient_(user_)?quota|token_quota_failed",
    re.IGNORECASE,
)
_MODERATION = re.compile(
    r"moderation|content[_ ]policy|content[_ ]violation|guardrail|safety|(?<!case.)sensitive"
    r"|sentinel_block|审核|违规|敏感",
    re.IGNORECASE,
)


# --- texts -------------------------------------------------------------------------------


def is_moderation(*texts: object) -> bool:
    """Whether a code or a text of a gateway is about its content rules."""
    return any(_MODERATION.search(str(text)) for text in texts if text)


def is_out_of_funds(*texts: object) -> bool:
    """Whether a code or a text of a gateway says that the account is out of funds."""
    return any(_FUNDS.search(str(text)) for text in texts if text)


def is_model_gone(*texts: object) -> bool:
    """Whether a code or a text of a gateway says that it no longer serves the model.

    An unsupported option does not count: a removed model is disabled for all users.
    """
    return any(_MODEL_GONE.search(str(text)) for text in texts if text)


def sanitize(text: object) -> str:
    """Return the text as one short printable line, with anything that looks like a key redacted.

    JSON can contain NUL and lone surrogates, which a database would reject; they become `?`.
    """
    line = " ".join(str(text).split())
    printable = "".join(
        char if char.isprintable() else "?" for char in line[: 4 * _MAX_MESSAGE_LENGTH]
    )
    return _SECRETS.sub(r"\1***", printable)[:_MAX_MESSAGE_LENGTH]


def body_preview(body: bytes) -> str:
    """Return the beginning of a body that is not JSON."""
    return sanitize(body[:_MAX_MESSAGE_LENGTH].decode("utf-8", "replace"))


# --- bodies ------------------------------------------------------------------------------


def parse_json(body: bytes) -> Json:
    """Parse the JSON of a successful response. Raises `MalformedResponse`."""
    try:
        return json.loads(body)  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        raise errors.MalformedResponse(f"not JSON: {body_preview(body)}") from None


def error_fields(body: object) -> tuple[str, str]:
    """Return (code, message) of an error body: OpenAI, FastAPI, NestJS or envelope format."""
    if not isinstance(body, dict):
        return "", sanitize(body) if body else ""
    error_object = body.get("error")
    fields = error_object if isinstance(error_object, dict) else body
    code = sanitize(fields.get("code") or fields.get("type") or "")[:_MAX_CODE_LENGTH]
    for name in ("message", "detail", "msg", "error", "error_message", "fail_reason"):
        if fields.get(name):
            return code, sanitize(fields[name])
    return code, ""


def video_url_in_body(body: Json) -> str:
    """Return the link to the video: some gateways respond with JSON at their content route.

    Raises `MalformedResponse` if there is none.
    """
    if isinstance(body, dict):
        data = body.get("data")
        for source in (body, data if isinstance(data, dict) else {}):
            for name in ("url", "video_url"):
                if isinstance(value := source.get(name), str) and value:
                    return value
    raise errors.MalformedResponse(sanitize(f"no link to the video: {body}"))


# --- status ------------------------------------------------------------------------------


def raise_for_status(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raise the `ProviderError` of a response that is not a success."""
    if status < 300:
        return
    if status < 400:
        raise _redirect_error(status, headers.get("location", ""))
    try:
        code, message = error_fields(json.loads(body))
    except (ValueError, RecursionError):
        code, message = "", body_preview(body)
    text = sanitize(f"HTTP {status} {code} {message}")
    # An HTML error page may contain any word: classify a 5xx by its text only if it has a code.
    classified_text = f"{code} {message}" if status < 500 or code or status == 503 else ""
    raise _classify(status, classified_text)(
        text, retry_after=_parse_retry_after(headers), code=code
    )


def is_definite_rejection(text: str) -> bool:
    """Whether a 5xx names one of the exact reasons for which no gateway accepts a job.

    With any other text of a 5xx the job may have been created: it must not go to another gateway.
    """
    return _DEFINITE_REJECTION.search(text) is not None


def _classify(status: int, text: str) -> type[errors.ProviderError]:
    if status >= 500 and not is_definite_rejection(text):
        saturated = status == 503 and _SATURATED.search(text)
        return errors.Throttled if saturated else errors.UpstreamError
    if status == 429:
        return errors.Misconfigured if _FUNDS.search(text) else errors.Throttled
    if status in {401, 402}:
        return errors.Misconfigured
    if is_moderation(text):
        return errors.Moderated
    if is_model_gone(text) and status < 504:
        return errors.ModelUnavailable
    if status == 403:
        return errors.Misconfigured
    if status in {404, 410}:
        return errors.NotFound
    if status in {408, 425}:
        return errors.Unanswered
    if status == 503 and _SATURATED.search(text):
        return errors.Throttled
    if status >= 500:
        return errors.UpstreamError
    return errors.Misconfigured if _FUNDS.search(text) else errors.Rejected


def _redirect_error(status: int, location: str) -> errors.ProviderError:
    """A create never follows a redirect: an admin has to correct the configured address."""
    message = sanitize(f"HTTP {status}: redirected to {location or 'an unknown address'}")
    # Only 303 may mean that the create was executed.
    return errors.MalformedResponse(message) if status == 303 else errors.Misconfigured(message)


# --- headers -----------------------------------------------------------------------------


def parse_poll_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from `openai-poll-after-ms` (used by `poll()` of openai-python) or Retry-After."""
    milliseconds = _parse_int(headers.get("openai-poll-after-ms", ""))
    return (
        min(milliseconds / 1000, _MAX_WAIT_S)
        if milliseconds is not None
        else _parse_retry_after(headers)
    )


def _parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds from now; the header has seconds or an HTTP date."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), _MAX_WAIT_S) if math.isfinite(seconds) else None


def media_type(headers: Mapping[str, str]) -> str:
    """Return the content type without parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def parse_content_range(
    status: int, headers: Mapping[str, str], requested_offset: int
) -> tuple[int, int | None]:
    """Return (offset of the first byte in the body, size of the whole file if stated)."""
    if status != 206:
        return 0, _parse_int(headers.get("content-length", ""))
    match = re.match(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)$", headers.get("content-range", ""))
    if match is None:
        return requested_offset, None
    return int(match.group(1)), _parse_int(match.group(2))


def _parse_int(value: str) -> int | None:
    # Not `isdigit`: it accepts characters such as a superscript 2 that `int` rejects.
    return int(value) if value.isdecimal() and len(value) < 19 else None
