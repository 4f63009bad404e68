"""`config.logs`: what must never be logged is not."""

import logging
import logging.config

import pytest

from config.logs import RedactingFormatter, logging_config, redact

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiNyJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f'1.2.3.4 "WebSocket /ws/?token={JWT}" [accepted]', '1.2.3.4 "WebSocket /ws/" [accepted]'),
        (f"Not Found: /a?b=c&d={JWT} and more", "Not Found: /a and more"),
        ("https://example.org/a?code=1'", "https://example.org/a'"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("protocols: notifications.v1, bearer.abc", "protocols: notifications.v1, bearer.***"),
        (f"refused {JWT}", "refused ***"),
        ("really? yes / no? fine", "really? yes / no? fine"),
    ],
)  # fmt: skip
def test_redact(text: str, redacted: str) -> None:
    """Query strings, bearer credentials and tokens go; the rest stays."""
    assert redact(text) == redacted


def test_formatter_redacts_tracebacks() -> None:
    """An exception that quotes a token does not put it into the log."""
    try:
        raise ValueError(f"bad {JWT}")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "failed", (), (ValueError, error, error.__traceback__)
        )
    text = RedactingFormatter("%(message)s").format(record)
    assert "ValueError: bad ***" in text
    assert JWT not in text


@pytest.mark.parametrize("name", ["django.request", "notifications.hub", "uvicorn.error", "anything"])
def test_every_logger_redacts(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever logger speaks, it speaks once and without the token."""
    root, before = logging.getLogger(), list(logging.getLogger().handlers)
    logging.config.dictConfig(logging_config("INFO"))
    try:
        logging.getLogger(name).warning("/ws/?token=%s", JWT)
    finally:
        root.handlers = before
        logging.getLogger("django").handlers = []
        logging.getLogger("uvicorn").handlers = []
    said = capsys.readouterr().err
    assert said.count("/ws/") == 1
    assert "token" not in said
