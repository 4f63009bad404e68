"""What calls give. Fields that a later version of the service adds are ignored."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from notifications.client.errors import ClientError, failed


class Result:
    """What a call gave: its fields are attributes, and keys as in the JSON of the result."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        """The field of that name; raises `KeyError` for another."""
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None


@dataclass(frozen=True, slots=True)
class Sent(Result):
    """Stored under `id`. `duplicate`: an earlier call with the same key did it. `online`: the user has a socket."""

    id: str
    duplicate: bool
    online: bool

    @classmethod
    def of(cls, value: Any) -> "Sent":
        """Read the result of `notifications.send`."""
        return cls(value["id"], value["duplicate"], value["online"])


@dataclass(frozen=True, slots=True)
class ItemOutcome(Result):
    """One item of `send_many` by its index: the id it was accepted with, or the error it was refused with."""

    index: int
    id: str | None
    error: ClientError | None

    @classmethod
    def of(cls, value: Any) -> "ItemOutcome":
        """Read one entry of `results`."""
        return cls(value["index"], value.get("id"), failed(value["error"]) if "error" in value else None)


@dataclass(frozen=True, slots=True)
class SentMany(Result):
    """What became of each item, and how many were accepted and refused."""

    results: tuple[ItemOutcome, ...]
    accepted: int
    rejected: int
    duplicate: bool

    @classmethod
    def of(cls, value: Any) -> "SentMany":
        """Read the result of `notifications.send_many`."""
        results = tuple(ItemOutcome.of(entry) for entry in value["results"])
        return cls(results, value["accepted"], value["rejected"], value.get("duplicate", False))


@dataclass(frozen=True, slots=True)
class Multicast(Result):
    """How many users were sent to, and how many of the uids cannot be any user's."""

    accepted: int
    rejected: int
    duplicate: bool

    @classmethod
    def of(cls, value: Any) -> "Multicast":
        """Read the result of `notifications.multicast`."""
        return cls(value["accepted"], value["rejected"], value.get("duplicate", False))


@dataclass(frozen=True, slots=True)
class Retracted(Result):
    """How many notifications were taken back, and how many of them had been read by then."""

    retracted: int
    already_read: int

    @classmethod
    def of(cls, value: Any) -> "Retracted":
        """Read the result of `notifications.retract`."""
        return cls(value["retracted"], value["already_read"])


@dataclass(frozen=True, slots=True)
class State(Result):
    """Where a notification is in its life: accepted, delivered, read, confirmed, expired, retracted or unknown."""

    id: str
    state: str
    at: datetime | None

    @classmethod
    def of(cls, value: Any) -> "State":
        """Read one entry of the result of `notifications.status`."""
        return cls(value["id"], value["state"], _moment(value["at"]))


@dataclass(frozen=True, slots=True)
class Announced(Result):
    """The announcement's id, and what it was made as: live, scheduled or draft."""

    id: str
    status: str
    duplicate: bool

    @classmethod
    def of(cls, value: Any) -> "Announced":
        """Read the result of `announcements.create`."""
        return cls(value["id"], value["status"], value.get("duplicate", False))


@dataclass(frozen=True, slots=True)
class Stats(Result):
    """What became of an announcement. `reached` is None where the service has no user table."""

    status: str
    reached: int | None
    read: int
    confirmed: int
    median_seconds: float | None
    live_at: datetime | None
    ends_at: datetime | None

    @classmethod
    def of(cls, value: Any) -> "Stats":
        """Read the result of `announcements.stats`."""
        return cls(
            value["status"],
            value["reached"],
            value["read"],
            value["confirmed"],
            value.get("median_seconds"),
            _moment(value.get("live_at")),
            _moment(value.get("ends_at")),
        )


@dataclass(frozen=True, slots=True)
class Page(Result):
    """Items of an inbox as they go over the wire; `next` is the `before` of the page after, None at the end."""

    items: tuple[dict[str, Any], ...]
    next: str | None
    unread: int

    @classmethod
    def of(cls, value: Any) -> "Page":
        """Read the result of `inbox.list`."""
        return cls(tuple(value["items"]), value["next"], value["unread"])


@dataclass(frozen=True, slots=True)
class Read(Result):
    """Which of the asked-for items are read now, and how many are still unread."""

    ids: tuple[str, ...]
    unread: int

    @classmethod
    def of(cls, value: Any) -> "Read":
        """Read the result of `inbox.mark_read`."""
        return cls(tuple(value["ids"]), value["unread"])


@dataclass(frozen=True, slots=True)
class Info(Result):
    """Who the key is, and who answers."""

    name: str
    scopes: tuple[str, ...]
    version: str
    time: datetime | None

    @classmethod
    def of(cls, value: Any) -> "Info":
        """Read the result of `service.info`."""
        return cls(value["name"], tuple(value["scopes"]), value["version"], _moment(value["time"]))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
