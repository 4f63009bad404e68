"""The judge of a history: every breach of what docs/guarantees promise, by the number of the invariant.

I1 nothing accepted is lost or late; I2 nothing refused or never sent is delivered; I3 no wrong uid; I4 content intact;
I5 no push after a confirmed read, on any later connection nor on the one that read; I7 no hole after `inbox`; I8 one id
and one row per key; I9 no foreign read accepted; I10 final unread = accepted - read - expired - retracted.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.faults.history import INFINITY, History, Link, Publish

# What is promised: 2 s, and 5 s after a fault has healed. The rest is for two busy cores.
USUAL_SECONDS = 2.0
HEALED_SECONDS = 5.0
SLACK_SECONDS = 3.0
# Wall clock: an item may be seen a little after its end.
EXPIRY_LEEWAY = 2.0


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach."""

    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.what}"


def check(history: History) -> list[Violation]:
    """Every violation in the history, in the order of the invariants."""
    judge = _Judge(history)
    return [
        Violation(name, what)
        for name, rule in (
            ("I1", judge.lost_or_late),
            ("I2", judge.phantoms),
            ("I3", judge.wrong_uids),
            ("I4", judge.altered),
            ("I5", judge.pushed_after_read),
            ("I7", judge.holes),
            ("I8", judge.doubled),
            ("I9", judge.foreign_reads),
            ("I10", judge.wrong_finals),
        )
        for what in rule()
    ]


class _Judge:
    def __init__(self, history: History) -> None:
        self.history = history
        self.by_nonce = {p.nonce: p for p in history.publishes}
        self.by_id = {item_id: p for p in history.publishes for item_id in (p.id, *p.other_ids) if item_id}
        # The moment from which an item may be gone for a uid: the first read or retraction that was begun.
        self.retracting: dict[str, float] = {}
        self.retracted: dict[str, float] = {}
        for retract in history.retracts:
            if retract.outcome == "refused":
                continue
            self.retracting[retract.id] = min(retract.invoked, self.retracting.get(retract.id, INFINITY))
            if retract.outcome == "ok":
                self.retracted[retract.id] = min(retract.completed, self.retracted.get(retract.id, INFINITY))
        self.reads_of = defaultdict(list)
        for read in history.reads:
            self.reads_of[read.uid].append(read)
        self.links_of: defaultdict[str, list[Link]] = defaultdict(list)
        for link in history.links:
            self.links_of[link.uid].append(link)

    # --- what is known of an item

    def may_be_gone(self, uid: str, publish: Publish) -> float:
        """From when on `uid` might not see the item any more, for a good reason."""
        reads = [r.invoked for r in self.reads_of[uid] if r.may_have_read(publish.id)]
        gone = min([self.retracting.get(publish.id, INFINITY), *reads])
        return 0.0 if publish.expires_wall < INFINITY else gone

    def audience(self, publish: Publish) -> list[str]:
        """The uids that an item is for."""
        return [publish.uid] if publish.uid is not None else list(self.links_of)

    def deadline(self, at: float) -> float:
        """By when what was accepted at this moment must be on every open connection."""
        due = at + USUAL_SECONDS + SLACK_SECONDS
        for fault in sorted(self.history.faults, key=lambda f: f.began):
            if fault.began <= due and fault.ended >= at:
                due = max(due, fault.ended + HEALED_SECONDS + SLACK_SECONDS)
        return due

    def delivered(self) -> Iterator[tuple[Link, float, str, dict[str, object]]]:
        """Every item that came as unread: the connection, the moment, the type of the frame, the item."""
        for link in self.history.links:
            for at, frame in link.frames:
                if frame["type"] == "notification":
                    yield link, at, "notification", frame
                elif frame["type"] == "inbox":
                    for item in frame["items"]:
                        yield link, at, "inbox", item

    # --- the invariants

    def lost_or_late(self) -> Iterator[str]:
        """I1."""
        had: dict[int, dict[str, float]] = defaultdict(dict)
        partial = set()
        for link, at, _, item in self.delivered():
            had[link.number].setdefault(str(item["id"]), at)
        for link in self.history.links:
            if any(frame["type"] == "inbox" and frame["more"] for _, frame in link.frames):
                partial.add(link.number)
        final = {f.uid: set(f.unread) for f in self.history.finals}
        for publish in self.history.publishes:
            if publish.outcome != "ok":
                continue
            due = self.deadline(publish.completed)
            for uid in self.audience(publish):
                gone = self.may_be_gone(uid, publish)
                for link in self.links_of[uid]:
                    late = link.closed > due and link.opened < publish.completed and gone > due
                    if not late or link.number in partial or not link.frames:
                        continue
                    at = had[link.number].get(publish.id, INFINITY)
                    if at > due:
                        came = "never" if at == INFINITY else f"{at - publish.completed:.2f} s after acceptance"
                        yield f"{publish.nonce} to {uid} on connection {link.number}: {came}, due {due:.2f}"
                if gone == INFINITY and uid in final and publish.id not in final[uid]:
                    yield f"{publish.nonce} to {uid} is in no inbox in the end"

    def phantoms(self) -> Iterator[str]:
        """I2."""
        seen = set()
        for link, _, _, item in self.delivered():
            nonce = str(item["title"])
            publish = self.by_nonce.get(nonce)
            if (link.uid, nonce) in seen:
                continue
            seen.add((link.uid, nonce))
            if publish is None:
                yield f"{link.uid} got {item['id']} ({nonce!r}), which nobody sent"
            elif publish.outcome == "refused":
                yield f"{link.uid} got {nonce}, which was refused"
            elif publish.id and item["id"] not in (publish.id, *publish.other_ids):
                yield f"{link.uid} got {nonce} as {item['id']}, accepted as {publish.id}"

    def wrong_uids(self) -> Iterator[str]:
        """I3."""
        for link, _, _, item in self.delivered():
            publish = self.by_nonce.get(str(item["title"]))
            if publish is not None and publish.uid not in (None, link.uid):
                yield f"{publish.nonce} for {publish.uid} came to {link.uid} on connection {link.number}"

    def altered(self) -> Iterator[str]:
        """I4."""
        for link, _, _, item in self.delivered():
            publish = self.by_nonce.get(str(item["title"]))
            if publish is None:
                continue
            audience = "everyone" if publish.uid is None else "user"
            wrong = {k: item.get(k) for k, v in publish.content.items() if item.get(k) != v}
            if wrong or item["audience"] != audience:
                yield f"{publish.nonce} came to connection {link.number} with {wrong} as {item['audience']}"

    def pushed_after_read(self) -> Iterator[str]:
        """I5."""
        confirmed: defaultdict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
        for read in self.history.reads:
            for item_id in read.confirmed:
                confirmed[read.uid, item_id].append((read.completed, read.connection))
        for link, at, kind, item in self.delivered():
            for read_at, reader in confirmed.get((link.uid, str(item["id"])), ()):
                if link.opened > read_at or (link.number == reader and at > read_at):
                    yield (
                        f"{item['title']} came by {kind} to connection {link.number} of {link.uid} "
                        f"{at - read_at:.3f} s after connection {reader} had it confirmed as read"
                    )
                    break

    def holes(self) -> Iterator[str]:
        """I7: what was unread before the handshake is in the first `inbox`.

        While a fault lasts (and one has just healed) it may also be in the `inbox` that follows, or come by a push, as
        soon as other things must: a node that learns late that its index is stale sends the inbox again.
        """
        for uid, links in self.links_of.items():
            mine = [p for p in self.history.publishes if p.outcome == "ok" and p.uid in (None, uid)]
            gone = {p.nonce: self.may_be_gone(uid, p) for p in mine}
            for link in links:
                first = next(((at, frame) for at, frame in link.frames if frame["type"] == "inbox"), None)
                if first is None or first[1]["more"]:
                    continue
                at, frame = first
                ids = {item["id"] for item in frame["items"]}
                faulty = any(
                    f.began - SLACK_SECONDS < link.opened < f.ended + SLACK_SECONDS for f in self.history.faults
                )
                until = self.deadline(link.opened) if faulty else at
                if faulty:
                    ids |= {item["id"] for moment, item in _items(link) if moment <= until}
                for publish in mine:
                    before = publish.completed < link.opened and publish.id not in ids
                    if before and gone[publish.nonce] > until and (not faulty or link.closed > until):
                        yield f"{publish.nonce} was unread when connection {link.number} of {uid} opened: not in inbox"

    def doubled(self) -> Iterator[str]:
        """I8."""
        for publish in self.history.publishes:
            if set(publish.other_ids) - {publish.id}:
                yield f"{publish.nonce} was accepted as {publish.id} and as {publish.other_ids}"
        rows: defaultdict[str, list[str]] = defaultdict(list)
        for row in self.history.rows:
            rows[row.title].append(row.id)
        for title, ids in rows.items():
            if len(ids) > 1:
                yield f"{title} has {len(ids)} rows: {ids}"
            sent = self.by_nonce.get(title)
            if sent is not None and sent.outcome == "ok" and sent.id not in ids:
                yield f"{title} is stored as {ids}, accepted as {sent.id}"

    def foreign_reads(self) -> Iterator[str]:
        """I9."""
        for read in self.history.reads:
            for item_id in read.confirmed:
                publish = self.by_id.get(item_id)
                if publish is not None and publish.uid not in (None, read.uid):
                    yield f"{read.uid} was confirmed the read of {publish.nonce}, which is {publish.uid}'s"
        for row in self.history.rows:
            if row.read and not any(r.may_have_read(row.id) for r in self.reads_of[row.uid]):
                yield f"{row.title} of {row.uid} is read, though {row.uid} never read it"

    def wrong_finals(self) -> Iterator[str]:
        """I10."""
        for final in self.history.finals:
            must: set[str] = set()
            may: set[str] = set()
            for publish in self.history.publishes:
                if publish.uid not in (None, final.uid) or publish.outcome == "refused":
                    continue
                item_id = publish.id or f"unknown {publish.nonce}"
                read = any(item_id in r.confirmed for r in self.reads_of[final.uid])
                if read or item_id in self.retracted or publish.expires_wall + EXPIRY_LEEWAY < final.wall:
                    continue
                certain = publish.outcome == "ok" and self.may_be_gone(final.uid, publish) == INFINITY
                (must if certain else may).add(item_id)
            unknown = {p.nonce for p in self.history.publishes if not p.id and p.uid in (None, final.uid)}
            stored = {row.id for row in self.history.rows if row.title in unknown}
            found = set(final.unread)
            if missing := must - found:
                yield f"{final.uid} lacks {sorted(missing)}"
            if extra := found - must - may - stored:
                yield f"{final.uid} still has {sorted(extra)}"
            if final.count != len(found):
                yield f"{final.uid} was told {final.count} unread and has {len(found)}"


def _items(link: Link) -> Iterator[tuple[float, dict[str, Any]]]:
    for at, frame in link.frames:
        for item in frame["items"] if frame["type"] == "inbox" else [frame]:
            yield at, item
