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

_RAW = 500
_LONGEST_CODE = 100
_LONGEST_WISH = 86400.0
_SECRETS = re.compile(r"(Bearer\s+|sk-|api[_-]?key[\"'=:\s]+)[\w.\-]+", re.IGNORECASE)
_FUNDS = re.compile(
    r"insufficient[ _](user[ _])?(quota|balance|credit|fund)|token_quota_failed|billing_hard_limit"
    r"|余额|额度",
    re.IGNORECASE,
)
_SATURATED = re.compile(r"saturated|饱和|overloaded|too many requests", re.IGNORECASE)
_THE_MODEL = (
    r"\bmodels?(?:[ _](?:name|id))?"
    r"(?:[\s:=/]+(?:[\"'`\u201c\u2018][^\"'`\u201d\u2019]{1,80}[\"'`\u201d\u2019]"
    r"|[\w./:@-]{0,80}[\d_/.-][\w./:@-]{0,80}))?"
)
"""The model as the subject of a sentence, optionally followed by its name."""
_IS_GONE = (
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
    rf"|{_THE_MODEL}{_IS_GONE}",
    re.IGNORECASE,
)
_CERTAIN = re.compile(
    r"\bmodel_not_found\b|无可用渠道|no available channel|interface is temporarily paused"
    r"|\bmoderation_blocked\b|\b(sora_)?content_(policy_)?violation\b|PROVIDER_MODERATION_ERROR"
    r"|insufficient_(user_)?quota|token_quota_failed",
    re.IGNORECASE,
)
_MODERATED = re.compile(
    r"moderation|content[_ ]policy|content[_ ]violation|guardrail|safety|(?<!case.)sensitive"
    r"|sentinel_block|审核|违规|敏感",
    re.IGNORECASE,
)


# --- texts -------------------------------------------------------------------------------


def is_moderation(*texts: object) -> bool:
    """Whether a code or a text of a gateway is about its content rules."""
    return any(_MODERATED.search(str(text)) for text in texts if text)


def is_funds(*texts: object) -> bool:
    """Whether a code or a text of a gateway says that the account is out of funds."""
    return any(_FUNDS.search(str(text)) for text in texts if text)


def is_model_gone(*texts: object) -> bool:
    """Whether a code or a text of a gateway says that it no longer serves the model.

    An unsupported option does not count: a removed model is disabled for all users.
    """
    return any(_MODEL_GONE.search(str(text)) for text in texts if text)


def shortened(raw: object) -> str:
    """Return the text as one short printable line, with anything that looks like a key redacted.

    JSON can contain NUL and lone surrogates, which a database would reject; they become `?`.
    """
    line = " ".join(str(raw).split())
    plain = "".join(sign if sign.isprintable() else "?" for sign in line[: 4 * _RAW])
    return _SECRETS.sub(r"\1***", plain)[:_RAW]


def text_of(body: bytes) -> str:
    """Return the beginning of a body that is not JSON."""
    return shortened(body[:_RAW].decode("utf-8", "replace"))


# --- bodies ------------------------------------------------------------------------------


def decoded(body: bytes) -> Json:
    """Parse the JSON of a successful response. Raises `Malformed`."""
    try:
        return json.loads(body)  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        raise errors.Malformed(f"not JSON: {text_of(body)}") from None


def error_fields(body: object) -> tuple[str, str]:
    """Return (code, message) of an error body: OpenAI, FastAPI, NestJS or envelope format."""
    if not isinstance(body, dict):
        return "", shortened(body) if body else ""
    inner = body.get("error")
    source = inner if isinstance(inner, dict) else body
    code = shortened(source.get("code") or source.get("type") or "")[:_LONGEST_CODE]
    for name in ("message", "detail", "msg", "error", "error_message", "fail_reason"):
        if source.get(name):
            return code, shortened(source[name])
    return code, ""


def link_in(body: Json) -> str:
    """Return the link to the video: some gateways respond with JSON at their content route.

    Raises `Malformed` if there is none.
    """
    if isinstance(body, dict):
        inner = body.get("data")
        for source in (body, inner if isinstance(inner, dict) else {}):
            for name in ("url", "video_url"):
                if isinstance(found := source.get(name), str) and found:
                    return found
    raise errors.Malformed(shortened(f"no link to the video: {body}"))


# --- status ------------------------------------------------------------------------------


def check_status(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raise the `ProviderError` of a response that is not a success."""
    if status < 300:
        return
    if status < 400:
        raise _redirected(status, headers.get("location", ""))
    try:
        code, message = error_fields(json.loads(body))
    except (ValueError, RecursionError):
        code, message = "", text_of(body)
    raw = shortened(f"HTTP {status} {code} {message}")
    # An HTML error page may contain any word: classify a 5xx by its text only if it has a code.
    meant = f"{code} {message}" if status < 500 or code or status == 503 else ""
    raise _meaning(status, meant)(raw, retry_after=_retry_after(headers), code=code)


def is_certain(text: str) -> bool:
    """Whether a 5xx names one of the exact reasons for which no gateway accepts a job.

    With any other text of a 5xx the job may have been created: it must not go to another gateway.
    """
    return _CERTAIN.search(text) is not None


def _meaning(status: int, text: str) -> type[errors.ProviderError]:
    if status >= 500 and not is_certain(text):
        saturated = status == 503 and _SATURATED.search(text)
        return errors.Throttled if saturated else errors.Upstream
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
        return errors.Upstream
    return errors.Misconfigured if _FUNDS.search(text) else errors.Refused


def _redirected(status: int, where: str) -> errors.ProviderError:
    """A create never follows a redirect: an admin has to correct the configured address."""
    raw = shortened(f"HTTP {status}: redirected to {where or 'an unknown address'}")
    # Only 303 may mean that the create was executed.
    return errors.Malformed(raw) if status == 303 else errors.Misconfigured(raw)


# --- headers -----------------------------------------------------------------------------


def check_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from `openai-poll-after-ms` (used by `poll()` of openai-python) or Retry-After."""
    wish = _whole_number(headers.get("openai-poll-after-ms", ""))
    return min(wish / 1000, _LONGEST_WISH) if wish is not None else _retry_after(headers)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds from now; the header has seconds or an HTTP date."""
    value = headers.get("retry-after", "").strip()
    try:
        wait = float(value)
    except ValueError:
        try:
            wait = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(wait, 0.0), _LONGEST_WISH) if math.isfinite(wait) else None


def media_type(headers: Mapping[str, str]) -> str:
    """Return the content type without parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def extent(status: int, headers: Mapping[str, str], asked: int) -> tuple[int, int | None]:
    """Return (offset of the first byte in the body, size of the whole file if stated)."""
    if status != 206:
        return 0, _whole_number(headers.get("content-length", ""))
    found = re.match(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)$", headers.get("content-range", ""))
    if found is None:
        return asked, None
    return int(found.group(1)), _whole_number(found.group(2))


def _whole_number(value: str) -> int | None:
    # Not `isdigit`: it accepts characters such as a superscript 2 that `int` rejects.
    return int(value) if value.isdecimal() and len(value) < 19 else None
