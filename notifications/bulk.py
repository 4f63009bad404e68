"""Bulk: many notifications by one call, with few statements and bounded memory.

Everything one call accepts is one transaction, together with its idempotency key. Were it one per chunk, a process
killed in between would have accepted a part under no key, and repeating the call would send that part twice. The price
is small: rows are only added, so nobody waits for their locks on PostgreSQL; 10,000 take a few hundred milliseconds.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from notifications import clock, presence, signals, unread_index
from notifications.accepting import columns, said
from notifications.channel_layer import publisher
from notifications.database import available
from notifications.exceptions import InvalidContent, KeyReused
from notifications.idempotency import once
from notifications.models import Notification, database_now
from notifications.protocol.events import Event, Op
from notifications.protocol.frames import replayed
from notifications.protocol.items import Content, encode, timestamp, uid_problem

# Rows of one statement, and of one look at the unread index and at presence.
CHUNK = 1_000
# Up to so many pushes cost no more than finding out for whom there is somebody to push to.
PUSHED_UNASKED = 100


@dataclass(frozen=True, slots=True)
class Letter:
    """One notification to be sent: content that was checked, and a uid that may be one."""

    uid: str
    content: Content
    expires_at: datetime | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one letter: the id it was accepted with, or the error it was refused with."""

    id: UUID | None = None
    error: InvalidContent | KeyReused | None = None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of the letters of one call, in their order. `duplicate`: of an earlier call with the same key."""

    each: list[Outcome]
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Multicast:
    """How many users were sent to, and how many of the uids could not be any user's."""

    accepted: int
    rejected: int
    duplicate: bool = False


def send_many(
    letters: Sequence[Letter | InvalidContent], *, source: str = "", idempotency_key: str | None = None
) -> Outcomes:
    """Send letters, each accepted or refused by itself; what its maker found wrong stands in a letter's place.

    The idempotency key is the whole call's: repeated, it gives the whole first result. A letter may have one of its
    own, the same as if it were sent alone; it costs some statements of its own.

    Raises `KeyReused` or `InvalidContent` for the call's own key, `Unavailable` (nothing was accepted).
    """

    def act() -> list[Any]:
        now = clock.now()
        results: list[Any] = [None] * len(letters)
        together: list[tuple[int, Letter]] = []

        def store() -> None:
            ids = _store([letter for _, letter in together], source)
            for (index, _), item_id in zip(together, ids, strict=True):
                results[index] = str(item_id)
            together.clear()

        for index, letter in enumerate(letters):
            if isinstance(letter, InvalidContent):
                results[index] = _refused(letter)
            elif letter.idempotency_key is not None:
                # Those before it first: ids rise with the index, and inboxes show items in the order of their ids.
                store()
                results[index] = _alone(letter, source)
            elif letter.expires_at is not None and letter.expires_at <= now:
                results[index] = _refused(_past())
            else:
                together.append((index, letter))
        store()
        return results

    call = {
        "call": "send_many",
        "items": [e.errors if isinstance(e, InvalidContent) else [_call(e), e.idempotency_key] for e in letters],
    }
    with available():
        results, duplicate = once(source, idempotency_key, call, act)
    return Outcomes([_outcome(result) for result in results], duplicate)


def multicast(
    uids: Sequence[object],
    content: Content,
    *,
    expires_at: datetime | None = None,
    source: str = "",
    idempotency_key: str | None = None,
) -> Multicast:
    """Send one content to many users, once to each however often it is named. What cannot be a uid is only counted.

    Raises as `send_many` does, and `InvalidContent` where `expires_at` has passed.
    """
    named = [str(uid) if type(uid) is int else uid for uid in uids]
    good = [uid for uid in named if isinstance(uid, str) and uid_problem(uid) is None]
    to = list(dict.fromkeys(good))

    def act() -> list[int]:
        if expires_at is not None and expires_at <= clock.now():
            raise _past()
        for start in range(0, len(to), CHUNK):
            _store([Letter(uid, content, expires_at) for uid in to[start : start + CHUNK]], source)
        return [len(to), len(named) - len(good)]

    call = {"call": "multicast", "uids": named, "expires_at": timestamp(expires_at), **said(content)}
    with available():
        (accepted, rejected), duplicate = once(source, idempotency_key, call, act)
    return Multicast(accepted, rejected, duplicate)


def _store(letters: Sequence[Letter], source: str) -> list[UUID]:
    """Write rows for the letters within the caller's transaction; after its commit they are pushed."""
    ids: list[UUID] = []
    if not letters:
        return ids
    # The database's clock as a value, not as the column's default: of plain values PostgreSQL is sent one array a
    # column, which takes a third of the CPU that a placeholder a value does.
    changed_at = database_now()
    for some in _chunks(letters):
        rows = []
        for letter in some:
            item_id = clock.new_id()
            ids.append(item_id)
            rows.append(
                Notification(
                    **columns(letter.content),
                    id=item_id,
                    uid=letter.uid,
                    ref=letter.content.ref,
                    source=source,
                    created_at=clock.moment_of(item_id),
                    expires_at=letter.expires_at,
                    changed_at=changed_at,
                )
            )
        Notification.objects.bulk_create(rows, batch_size=CHUNK)
        change = unread_index.begin(list(dict.fromkeys(letter.uid for letter in some)))
        transaction.on_commit(lambda change=change, rows=rows: _committed(change, rows), robust=True)  # type: ignore[misc]
    return ids


def _committed(change: unread_index.Change, rows: Sequence[Notification]) -> None:
    """Push to those who are connected somewhere, and tell the unread index.

    Who has just opened a socket and is not yet known to be online is served by the tail; few are pushed to unasked.
    """
    uids = [row.uid for row in rows]
    online = presence.known(uids) if len(rows) > PUSHED_UNASKED else dict.fromkeys(uids, 1)
    added: defaultdict[str, dict[UUID, tuple[str, datetime | None]]] = defaultdict(dict)
    events = []
    for row in rows:
        if not online[row.uid] and row.uid not in change.tokens:
            continue
        head = encode(row.item())
        if online[row.uid]:
            events.append(Event(Op.CREATED, row.uid, (row.id,), head=head))
        if row.uid in change.tokens:
            added[row.uid][row.id] = (replayed(head), row.expires_at)
    # A chunk is part of a bulk however few of its users are connected.
    publisher.put_all(events, bulk=len(rows) > PUSHED_UNASKED)
    change.done(added=added)
    for row in rows:
        signals.created(row.uid, row.id, row.kind, row.ref, row.source)


def _alone(letter: Letter, source: str) -> Any:
    def act() -> str:
        if letter.expires_at is not None and letter.expires_at <= clock.now():
            raise _past()
        return str(_store([letter], source)[0])

    try:
        result, _ = once(source, letter.idempotency_key, _call(letter), act)
    except (InvalidContent, KeyReused) as error:
        return _refused(error)
    return result


def _call(letter: Letter) -> dict[str, Any]:
    # The same as `publishing.notify` says, so that a key means the same to both.
    return {"call": "notify", "uid": letter.uid, "expires_at": timestamp(letter.expires_at), **said(letter.content)}


def _chunks(letters: Sequence[Letter]) -> Iterator[Sequence[Letter]]:
    return (letters[start : start + CHUNK] for start in range(0, len(letters), CHUNK))


def _past() -> InvalidContent:
    return InvalidContent([{"loc": ["expires_at"], "msg": "must be in the future"}])


def _refused(error: InvalidContent | KeyReused) -> dict[str, Any]:
    """A refusal as it is stored with the key: JSON."""
    return {"errors": error.errors} if isinstance(error, InvalidContent) else {"key_reused": error.message}


def _outcome(result: Any) -> Outcome:
    match result:
        case str():
            return Outcome(id=UUID(result))
        case {"errors": errors}:
            return Outcome(error=InvalidContent(errors))
        case _:
            return Outcome(error=KeyReused(result["key_reused"]))
