"""The figures of one node for Prometheus; docs/metrics.md says what each means and when to worry.

No label holds a uid, a token or a text. Whatever happens to each socket of a broadcast is counted once per event.
"""

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST

connections = Gauge("notifications_connections", "Open sockets.", multiprocess_mode="livesum")
users = Gauge("notifications_users", "Users with at least one open socket.", multiprocess_mode="livesum")
opens = Counter("notifications_opens", "Sockets that were opened.")
closes = Counter("notifications_closes", "Sockets that ended, by close code.", ["code"])
handshakes_refused = Counter("notifications_handshakes_refused", "Handshakes refused, by reason.", ["reason"])

pushes = Counter("notifications_pushes", "Items pushed to sockets; a broadcast counts once per socket.")
push_failures = Counter("notifications_push_failures", "Frames that a socket did not take because it had gone.")
outbox_overflows = Counter("notifications_outbox_overflows", "Sockets closed because they read too slowly.")
latency = Histogram(
    "notifications_publish_to_send_seconds",
    "From an item's making to its having been sent to all sockets of this node that it is for.",
    # The aim is 3 ms, the promise 20 ms (p50) and 200 ms (p99), and 2 s with Redis away.
    buckets=(0.001, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60),
)
replayed = Histogram(
    "notifications_replay_items",
    "Unread items that a socket was sent when it opened, or anew after a gap.",
    buckets=(0, 1, 3, 10, 30, 100, 300, 1000),
)
reads = Counter("notifications_reads", "Items that users have read, by where.", ["via"])

tail_age = Gauge(
    "notifications_tail_age_seconds", "Since the tail's last good look at the database.", multiprocess_mode="livemax"
)
repairs = Counter("notifications_tail_repairs", "Events that only the tail brought.")
dropped = Counter("notifications_channel_layer_dropped", "Events not handed to the channel layer: the tail delivers.")
redis_errors = Counter("notifications_redis_errors", "Failed calls of Redis, by who called.", ["part"])
database_errors = Counter("notifications_database_errors", "Calls answered `unavailable`.")
loop_lag = Histogram(
    "notifications_event_loop_lag_seconds",
    "How much later than due the event loop got to a timer, once a second.",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3),
)
rpc_calls = Counter(
    "notifications_rpc_calls", "JSON-RPC calls, by method and error code (0: none).", ["method", "code"]
)

# RFC 6455 section 7.4.1, and what 1006 stands for. Any other code of a client's is its own invention: a label each
# would let it fill the memory of whoever keeps the figures.
_CLOSE_CODES = frozenset((1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013))


def client_close(code: int | None) -> str:
    """The label for a close that the peer or the server below began with `code`."""
    return str(code) if code in _CLOSE_CODES else "other"


def exposition() -> bytes:
    """All figures in Prometheus's text format; of all processes where they share PROMETHEUS_MULTIPROC_DIR."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry)
