"""Structured logs on standard error, with all secrets redacted.

The formatter of the only handler redacts, not the loggers: libraries log URLs with tokens, and a
traceback can quote anything.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO
from urllib.parse import quote

import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

    from bot.config import Settings

REDACTED = "***"
_SECRET_PATTERNS = (
    (re.compile(r"\d+:[\w-]{30,}"), REDACTED),
    (re.compile(r"\b(Bearer\s+)[^\s'\",]{8,}", re.IGNORECASE), rf"\1{REDACTED}"),
    (re.compile(r"\bsk-[\w-]{8,}"), REDACTED),
    # Tokens of Discord interactions: in URLs, and anywhere else ("interaction:" in Base64).
    (re.compile(r"(/(?:webhooks|interactions)/\d+/)[\w.-]+"), rf"\1{REDACTED}"),
    # No word boundary before it: in a URL it follows %22, in a repr perhaps \n.
    (re.compile(r"aW50ZXJhY3Rpb24[\w=.-]+"), REDACTED),
    # Up to the last @, because a password may contain one.
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/'\"]+@", re.IGNORECASE), rf"\1{REDACTED}@"),
)
_VERBOSE_LIBRARIES = ("aiosqlite", "alembic", "discord", "httpcore", "httpx", "PIL", "telegram")
"""Libraries that log every request, statement or block."""


class Redactor:
    """Redacts the given secrets, also URL- or JSON-encoded, and everything that looks like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _encoded_forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._secret_pattern = (
            re.compile("|".join(map(re.escape, longest_first))) if forms else None
        )

    def __call__(self, text: str) -> str:
        if self._secret_pattern is not None:
            text = self._secret_pattern.sub(REDACTED, text)
        for pattern, replacement in _SECRET_PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def _encoded_forms(secret: str) -> tuple[str, ...]:
    escaped = repr(secret)[1:-1]
    return (
        secret,
        quote(secret, safe=""),
        escaped,
        *(json.dumps(form)[1:-1] for form in (secret, escaped)),
    )


def configure(settings: Settings) -> None:
    """Send the logs of Reelay and all libraries to standard error, with secrets redacted."""
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    handler = _StderrHandler()
    handler.setFormatter(
        _Formatter(
            Redactor(settings.secrets), _json_processors() if as_json else _console_processors()
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _VERBOSE_LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *_SHARED_PROCESSORS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


_SHARED_PROCESSORS: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def _json_processors() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def _console_processors() -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        # The default formatter prints local variables, which contain secrets.
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [renderer]


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def __init__(self, redact: Redactor, processors: list[Processor]) -> None:
        super().__init__(
            processors=[self.remove_processors_meta, *processors],
            foreign_pre_chain=_SHARED_PROCESSORS,
        )
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


class _StderrHandler(logging.StreamHandler[TextIO]):
    def emit(self, record: logging.LogRecord) -> None:
        # Read each time: prompt-toolkit replaces `sys.stderr` while it draws a prompt.
        self.stream = sys.stderr
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        # The default implementation prints the arguments unredacted.
        error_type = sys.exc_info()[0]
        self.stream.write(
            f"a log line of {record.name} was lost: {error_type and error_type.__name__}\n"
        )
