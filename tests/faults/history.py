"""What happened in a run: every call and every frame, by one monotonic clock (seconds)."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

INFINITY = float("inf")


@dataclass(slots=True)
class Publish:
    """A publication as its caller saw it. `nonce` is unique and stands in the title; `uid` None is everyone.

    `outcome`: "ok" (with `id`), "refused" (it must never be seen), or "unknown" (it may or may not have happened).
    """

    nonce: str
    uid: str | None
    content: dict[str, Any]
    invoked: float
    completed: float = INFINITY
    outcome: str = "unknown"
    id: str = ""
    other_ids: list[str] = field(default_factory=list)
    expires_wall: float = INFINITY


@dataclass(slots=True)
class Read:
    """A `read` or `read_all` (`before`) of `uid` on a connection; `confirmed` are the ids that were answered."""

    uid: str
    connection: int
    ids: list[str]
    invoked: float
    before: str = ""
    completed: float = INFINITY
    confirmed: list[str] = field(default_factory=list)

    def may_have_read(self, item_id: str) -> bool:
        """Whether this could have read the item, answered or not."""
        return item_id in self.ids or item_id in self.confirmed or (bool(self.before) and item_id <= self.before)


@dataclass(slots=True)
class Retract:
    """A retraction of one item."""

    id: str
    invoked: float
    completed: float = INFINITY
    outcome: str = "unknown"


@dataclass(slots=True)
class Link:
    """A connection of `uid`: when its handshake began, when it ended and how, and its frames with their moments."""

    number: int
    uid: str
    opened: float
    closed: float = INFINITY
    code: int | None = None
    frames: list[tuple[float, dict[str, Any]]] = field(default_factory=list)


@dataclass(slots=True)
class Final:
    """What a fresh client of `uid` found when all was quiet again: its unread ids, and the count it was told."""

    uid: str
    unread: list[str]
    count: int
    wall: float


@dataclass(slots=True)
class Row:
    """A stored item, as the database has it in the end."""

    id: str
    uid: str
    title: str
    read: bool


@dataclass(slots=True)
class Fault:
    """A fault that was injected, from its beginning to when it was healed."""

    name: str
    began: float
    ended: float = INFINITY


@dataclass(slots=True)
class History:
    """One run."""

    publishes: list[Publish] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    retracts: list[Retract] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    finals: list[Final] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it as JSON, for whoever wants to know what happened."""
        path.write_text(json.dumps(asdict(self), indent=1, default=str))
