"""The Python client of the notification service; it needs httpx and no Django.

    from notifications.client import NotificationsClient

    with NotificationsClient("https://platform.example/rpc/", key) as client:
        sent = client.notifications.send(uid="7", title="Your report is ready")

`AsyncNotificationsClient` is its async form. What goes wrong is raised as a `ClientError`; docs/rpc.md has the rest.
"""

from notifications.client.clients import AsyncNotificationsClient, NotificationsClient
from notifications.client.errors import (
    BadAnswer,
    CallFailed,
    ClientError,
    InternalError,
    InvalidParams,
    InvalidRequest,
    KeyReused,
    MethodNotFound,
    MissingScope,
    NotFound,
    RateLimited,
    ServiceAway,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from notifications.client.results import (
    Announced,
    Info,
    ItemOutcome,
    Multicast,
    Page,
    Read,
    Retracted,
    Sent,
    SentMany,
    State,
    Stats,
)

__all__ = [
    "Announced",
    "AsyncNotificationsClient",
    "BadAnswer",
    "CallFailed",
    "ClientError",
    "Info",
    "InternalError",
    "InvalidParams",
    "InvalidRequest",
    "ItemOutcome",
    "KeyReused",
    "MethodNotFound",
    "MissingScope",
    "Multicast",
    "NotFound",
    "NotificationsClient",
    "Page",
    "RateLimited",
    "Read",
    "Retracted",
    "Sent",
    "SentMany",
    "ServiceAway",
    "State",
    "Stats",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
]
