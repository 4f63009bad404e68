"""`config.logs`: what must never be logged is not."""

import json
import logging
import logging.config
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from config.logs import JSONFormatter, RedactingFormatter, WithoutExpectedTracebacks, logging_config, redact
from tests.servers.node import Node, Platform
from tests.servers.process import eventually
from tests.servers.sockets import Socket, mint

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiNyJ9.c2lnbmF0dXJl"


@pytest.mark.security("S4")
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


@pytest.mark.security("S17")
@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (
            "IntegrityError: no\nDETAIL:  Failing row contains (7, Dear Bob,\nit is\n\nyou).\n\nThe above exception",
            "IntegrityError: no\nDETAIL: ***\n\nThe above exception",
        ),
        ('invalid input\nDETAIL:  Token "x" is invalid.\nCONTEXT:  JSON data, line 1: x', "invalid input\nDETAIL: ***"),
        ("for DETAIL: see there", "for DETAIL: see there"),
    ],
)
def test_what_a_database_quotes_is_left_out(text: str, redacted: str) -> None:
    """The row that it refuses, over as many lines as it has."""
    assert redact(text) == redacted


def record(message: str, **more: Any) -> logging.LogRecord:
    """A record as loggers make them, with further attributes."""
    made = logging.LogRecord("x", logging.WARNING, __file__, 1, message, (), None)
    vars(made).update(more)
    return made


def test_a_line_of_json() -> None:
    """What is always there, and what is only where it says something; a line is one line whatever it quotes."""
    line = JSONFormatter().format(record('a\nb "c" \ud800', request_id="r1", connection_id="c1", status_code=404))
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("time").endswith("+00:00")
    assert found.pop("pid") > 0
    assert found.pop("message") == 'a\nb "c" \ud800'
    assert found == {"level": "WARNING", "logger": "x", "request": "r1", "connection": "c1", "status": 404}
    assert set(json.loads(JSONFormatter().format(record("x")))) == {"time", "pid", "level", "logger", "message"}


@pytest.mark.security("S4")
def test_json_is_redacted() -> None:
    """Message and traceback, and it stays JSON."""
    made = record(f'"/ws/?token={JWT}" Bearer {JWT}')
    try:
        raise ValueError(f'bad "{JWT}"')
    except ValueError as error:
        made.exc_info = (ValueError, error, error.__traceback__)
    line = JSONFormatter().format(made)
    assert JWT not in line
    assert 'ValueError: bad "***"' in json.loads(line)["traceback"]


@pytest.mark.parametrize(
    ("status", "kept"), [(400, False), (499, False), (500, True), (503, False), (504, True), (None, True)]
)
def test_a_traceback_is_of_a_fault_of_ours(status: int | None, kept: bool) -> None:
    """What a client or an absent database brings about is a line; what is no answer's keeps its traceback."""
    made = record("x") if status is None else record("x", status_code=status)
    try:
        raise ValueError("why")
    except ValueError:
        made.exc_info = sys.exc_info()
    assert WithoutExpectedTracebacks().filter(made)
    assert ("traceback" in json.loads(JSONFormatter().format(made))) is kept


@pytest.mark.server
@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
async def test_a_node_logs_json_with_ids(server: str, sqlite_url: str, start_node: Callable[..., Node]) -> None:
    """Every line is an object; those of a request have its id, the proxy's or a new one, and the answer tells it."""
    platform = Platform(sqlite_url, standalone=True)
    node = start_node(platform, server)
    async with httpx.AsyncClient(base_url=node.url) as http:
        given = (await http.get("/nowhere/?q=canary", headers={"X-Request-ID": "from-the-proxy"})).headers
        made = (await http.get("/nowhere/")).headers["x-request-id"]
        forged = (await http.get("/nowhere/", headers={"X-Request-ID": 'x" level="CRITICAL'})).headers["x-request-id"]
        assert (await http.get("/", headers={"Host": "none-of-ours.test"})).status_code == 400
    assert given["x-request-id"] == "from-the-proxy"
    assert made != forged
    with pytest.raises(Exception, match="refused"):
        await Socket(node.socket_url, "no.good.token", headers=[("X-Request-ID", "a-handshake")]).open()
    async with Socket(node.socket_url, mint("7", platform.jwt_signing_key)) as socket:
        await socket.ready()
    node.stop()
    lines = [json.loads(line) for line in node.log.splitlines()]
    missing = [line["request"] for line in lines if line["message"] == "Not Found: /nowhere/"]
    assert missing == ["from-the-proxy", made, forged]
    assert [line["request"] for line in lines if line["message"].startswith("handshake refused")] == ["a-handshake"]
    assert not [line for line in lines if "connection" in line and line["logger"] != "notifications.consumers"]
    assert "canary" not in node.log
    # Whoever sends another `Host` fills the log by lines, not by tracebacks.
    assert [line["status"] for line in lines if "none-of-ours.test" in line["message"]] == [400]
    assert not [line for line in lines if "traceback" in line]


@pytest.mark.server
def test_lines_for_people(sqlite_url: str, start_node: Callable[..., Node]) -> None:
    """`LOG_FORMAT=line` on a node; commands print them whatever is set up for nodes."""
    node = start_node(Platform(sqlite_url, extra={"LOG_FORMAT": "line"}))
    httpx.get(f"{node.url}/nowhere/")
    eventually(lambda: " WARNING django.request: Not Found: /nowhere/" in node.log)
