"""Logging: to standard error, one line a record, without what must never be kept."""

import logging
import re
from typing import Any

# uvicorn logs every WebSocket with its query string, at INFO and whatever --no-access-log says; tracebacks quote URLs.
_SECRETS = (
    (re.compile(r"(/[^\s?\"']*)\?[^\s\"']+"), r"\1"),
    (re.compile(r"\b(bearer[. ]+)[^\s,\"']+", re.IGNORECASE), r"\1***"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "***"),
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


def logging_config(level: str) -> dict[str, Any]:
    """A `LOGGING` for everything that runs here: our loggers, Django's and the servers' own."""
    to_console = {"handlers": ["console"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": "config.logs.RedactingFormatter",
                "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
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
