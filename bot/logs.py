"""Structured logs on standard error; every secret is hidden where a line leaves the process.

Hiding happens in the one handler's formatter, not at loggers: libraries log addresses with tokens
in them, and a traceback quotes whatever it likes.
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

HIDDEN = "***"
_PATTERNS = (
    (re.compile(r"\d+:[\w-]{30,}"), HIDDEN),
    (re.compile(r"\b(Bearer\s+)[^\s'\",]{8,}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\bsk-[\w-]{8,}"), HIDDEN),
    # Of Discord's interactions: in addresses, and wherever one stands ("interaction:" in Base64).
    (re.compile(r"(/(?:webhooks|interactions)/\d+/)[\w.-]+"), rf"\1{HIDDEN}"),
    # What is before it need not end a word: in addresses it is %22, in a repr it may be \n.
    (re.compile(r"aW50ZXJhY3Rpb24[\w=.-]+"), HIDDEN),
    # As far as the last @, for a password may hold one.
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/'\"]+@", re.IGNORECASE), rf"\1{HIDDEN}@"),
)
_CHATTY = ("aiosqlite", "alembic", "discord", "httpcore", "httpx", "PIL", "telegram")
"""Libraries that tell of every request, statement or block."""


class Redactor:
    """Hides the secrets it is told, also as they look in addresses and JSON, and what looks so."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        return text


def _forms(secret: str) -> tuple[str, ...]:
    shown = repr(secret)[1:-1]
    return (
        secret,
        quote(secret, safe=""),
        shown,
        *(json.dumps(one)[1:-1] for one in (secret, shown)),
    )


def configure(settings: Settings) -> None:
    """Send the logs of Reelay and of all libraries to standard error, without secrets."""
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    handler = _StandardError()
    handler.setFormatter(_Formatter(Redactor(settings.secrets), _json() if as_json else _console()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


_SHARED: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def _json() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def _console() -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        # The default one shows local variables, which is where secrets live.
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [renderer]


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def __init__(self, redact: Redactor, processors: list[Processor]) -> None:
        super().__init__(
            processors=[self.remove_processors_meta, *processors], foreign_pre_chain=_SHARED
        )
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


class _StandardError(logging.StreamHandler[TextIO]):
    def emit(self, record: logging.LogRecord) -> None:
        # Looked up anew: a prompt on the terminal puts itself in its place while it is drawn.
        self.stream = sys.stderr
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        # The library's own would print the arguments as they are.
        kind = sys.exc_info()[0]
        self.stream.write(f"a log line of {record.name} was lost: {kind and kind.__name__}\n")
