"""JSON-RPC 2.0 over HTTP without any I/O: the text of calls, the reading of answers, and when to try again."""

import json
import random
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from notifications.client.calls import Call
from notifications.client.errors import BadAnswer, ClientError, RateLimited, ServiceAway, TooLarge, failed

# What a proxy says that reached nobody. Any other status is somebody's answer.
AWAY_STATUSES = frozenset((408, 425, 500, 502, 503, 504))
# Calls of one request (docs/rpc.md, limits).
BATCH_MOST = 50
BACKOFF_FIRST = 0.5
BACKOFF_MOST = 10.0

Outcome = tuple[Any, ClientError | None]


def address(url: str) -> str:
    """The address as it was given; raises `ValueError` where it is none, which trying again would not mend."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no address; give that of /rpc/, such as https://platform.example/rpc/")
    return url


def service_key(key: str) -> str:
    """The key as it was given; raises `ValueError`, without telling it, where no header could carry it."""
    if not re.fullmatch(r"[!-~]+", key):
        raise ValueError("the service key is empty, or holds spaces, line ends or other characters that no key has")
    return key


def text_of(calls: Sequence[Call[Any]]) -> bytes:
    """The body that makes `calls`; their ids are their places. One call goes alone, several as a batch."""
    bodies = [
        {"jsonrpc": "2.0", "id": index, "method": call.method, "params": call.params}
        for index, call in enumerate(calls)
    ]
    body: Any = bodies[0] if len(bodies) == 1 else bodies
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def outcomes(calls: Sequence[Call[Any]], status: int, content: bytes) -> list[Outcome]:
    """What became of each call: its result, or an error in its place."""
    try:
        answer = json.loads(content)
        entries = answer if isinstance(answer, list) else [answer]
        by_id = {entry["id"]: entry for entry in entries if isinstance(entry, Mapping) and "jsonrpc" in entry}
    except (ValueError, KeyError, TypeError):
        by_id = {}
    # The whole request was refused: nobody could say which call is meant.
    general = by_id.get(None)
    return [_outcome(call, by_id.get(index, general), status) for index, call in enumerate(calls)]


def wait_before(attempt: int, errors: Sequence[ClientError]) -> float:
    """Seconds to wait before the attempt after `attempt` (from 0), which met `errors`.

    Full jitter: clients that failed together do not come back together.
    """
    least = max((error.retry_after for error in errors if isinstance(error, RateLimited)), default=0.0)
    return least + random.uniform(0, min(BACKOFF_MOST, BACKOFF_FIRST * 2**attempt))  # noqa: S311  no secret


def _outcome(call: Call[Any], entry: Any, status: int) -> Outcome:
    if entry is None:
        if status in AWAY_STATUSES:
            return None, ServiceAway(f"HTTP {status}")
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return None, TooLarge(-32013, "Too large", {"reason": "a proxy takes no request of this size (HTTP 413)"})
        return None, BadAnswer(f"no JSON-RPC answer to {call.method} (HTTP {status}); is the address the service's?")
    if "error" in entry:
        return None, failed(entry["error"])
    try:
        return call.read(entry["result"]), None
    except (KeyError, TypeError, ValueError) as error:
        return None, BadAnswer(f"an answer to {call.method} that is none: {error!r}")
