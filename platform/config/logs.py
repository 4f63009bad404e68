"""Logging: to standard error, one line a record, without what must never be kept.

In production a line is a JSON object, for whatever collects logs; where people read them it is a line of text.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

# uvicorn logs every WebSocket with its query string, at INFO and whatever --no-access-log says; tracebacks quote URLs.
_SECRETS = (
    (re.compile(r"(/[^\s?\"']*)\?[^\s\"']+"), r"\1"),
    (re.compile(r"\b(bearer[. ]+)[^\s,\"']+", re.IGNORECASE), r"\1***"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "***"),
    # PostgreSQL quotes the whole row that it refuses, texts of users included.
    (
        re.compile(
            r"^(DETAIL|CONTEXT): .*?(?=\n\nThe above exception|\n\nDuring handling|\Z)", re.DOTALL | re.MULTILINE
        ),
        r"\1: ***",
    ),
)


def redact(text: str) -> str:
    """`text` without query strings, bearer credentials and JWTs."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class RedactingFormatter(logging.Formatter):
    """Formats a record, its traceback included, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """The finished line or lines, redacted."""
        return redact(super().format(record))


class JSONFormatter(logging.Formatter):
    """Formats a record as one line of JSON, each of its texts redacted.

    `time`, `level`, `logger`, `message` and `pid`; `request` and `connection` where it belongs to one; `status` of an
    HTTP answer that Django remarks on; `traceback`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The finished line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            "pid": record.process,
            "request": getattr(record, "request_id", ""),
            "connection": getattr(record, "connection_id", ""),
            "status": getattr(record, "status_code", None),
            "traceback": redact(self.formatException(record.exc_info)) if record.exc_info else None,
        }
        # A surrogate alone cannot be written to a stream: escapes can.
        return json.dumps({name: value for name, value in entry.items() if value not in ("", None)})


class WithoutExpectedTracebacks(logging.Filter):
    """Takes the traceback from what Django logs of answers that are no fault of the code.

    Hosts that are not ours, bodies that cannot be read, a database that is away: anybody can bring the first two about
    as often as they like, and while the third lasts every request does. Their line says it all.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """True: nothing is held back."""
        status = getattr(record, "status_code", None)
        if status == 503 or (status is not None and status < 500):
            record.exc_info = record.exc_text = None
        return True


def logging_config(level: str, form: str = "line") -> dict[str, Any]:
    """A `LOGGING` for everything that runs here: our loggers, Django's and the servers' own; `form` json or line."""
    to_console = {"handlers": ["console"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": "config.logs.RedactingFormatter",
                "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
            },
            "json": {"()": "config.logs.JSONFormatter"},
        },
        "filters": {
            "ids": {"()": "notifications.log_ids.WithIds"},
            "expected": {"()": "config.logs.WithoutExpectedTracebacks"},
        },
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": form, "filters": ["ids", "expected"]},
        },
        "root": {"handlers": ["console"], "level": level},
        # Named because they come with handlers of their own, which would print unredacted.
        "loggers": {
            "django": to_console,
            "uvicorn": to_console,
            "uvicorn.error": {"handlers": [], "propagate": True},
            # At INFO it tells of its endpoints and of what else could be installed.
            "daphne.server": {"level": "WARNING"},
        },
    }
