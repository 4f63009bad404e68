"""Audiences: whom an announcement reaches that is not for everyone.

Staff give uids, or choose an audience that the platform has registered. Either way each uid becomes a stored
`Recipient`: a named audience's when the announcement is published, and where late joiners are to have it too, those
who come into the audience afterwards once a minute. Who leaves the audience keeps what was sent.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet, UUIDField
from django.db.models.constants import OnConflict
from django.db.models.functions import Now

from notifications import clock, unread_index, users
from notifications.channel_layer import publisher
from notifications.conf import conf
from notifications.models import AUDIENCE_MAX, Announcement, Recipient, database_now
from notifications.protocol.events import Event, Op
from notifications.protocol.frames import replayed
from notifications.protocol.items import encode

logger = logging.getLogger(__name__)

# Uids of one look-up, and rows of one transaction.
CHUNK = 1_000

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")


@dataclass(frozen=True, slots=True)
class Audience:
    """One that staff may choose: its stored name, what they call it, and who is in it."""

    name: str
    label: Any
    members: Callable[[], QuerySet[Any]]


_registered: dict[str, Audience] = {}


def register_audience(name: str, label: Any, members: Callable[[], QuerySet[Any]]) -> None:
    """Let staff address announcements to an audience of the platform's; called once, in an `AppConfig.ready`.

    `name` is stored with each announcement, so keep it: small letters, digits and underscores, at most 100 characters.
    `label` is what staff read, translatable. `members()` gives a query set of the user model's rows, unsliced; it is
    asked anew whenever people are counted or an announcement is published, and only the active among them count.

    Raises `ValueError` for a name that is none, taken, or means something already (`everyone`, `listed`).
    """
    if len(name) > AUDIENCE_MAX or not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name an audience")
    if name in _registered or name in (Announcement.EVERYONE, Announcement.LISTED):
        raise ValueError(f"there is an audience {name!r} already")
    _registered[name] = Audience(name, label, members)


def offered() -> list[Audience]:
    """The registered audiences, in their order; none where there is no user table."""
    return [] if conf().standalone else list(_registered.values())


def named(name: str) -> Audience | None:
    """The registered audience of this name, if there (still) is one."""
    return next((each for each in offered() if each.name == name), None)


def people(name: str) -> QuerySet[Any]:
    """The active users who are in a registered audience now, each with its uid as `as_uid`; nobody where it is gone."""
    audience = named(name)
    inside = None if audience is None else audience.members()
    everyone = users.everyone()
    if inside is None or everyone is None:
        return users.nobody()
    # By primary key, so that joins in the platform's query set name nobody twice.
    return everyone.filter(pk__in=inside.order_by().values("pk"))


def reached(uids: Collection[str], announcements: Collection[UUID]) -> set[tuple[str, UUID]]:
    """Which of `uids` are recipients of which of these announcements (by their own ids)."""
    pairs: set[tuple[str, UUID]] = set()
    if announcements:
        for some in chunks(uids):
            rows = Recipient.objects.filter(announcement__in=announcements, uid__in=some)
            pairs.update(rows.values_list("uid", "announcement_id"))
    return pairs


# --- who is in it becomes stored


def enlist(announcement: Announcement, uids: Collection[str]) -> int:
    """Add uids to a draft's list, within the caller's transaction; gives how many were not in it before."""
    there = {uid for uid, _ in reached(uids, [announcement.pk])}
    new = [uid for uid in dict.fromkeys(uids) if uid not in there]
    for some in chunks(new):
        rows = [Recipient(announcement=announcement, uid=uid) for uid in some]
        Recipient.objects.bulk_create(rows, ignore_conflicts=True)
    return len(new)


def enrol(announcement: Announcement) -> None:
    """Store who is in the announcement's audience now, within the caller's transaction, which is to publish it.

    One statement, and no row of it passes through this process: 100,000 take a second or less.
    """
    if announcement.audience == Announcement.LISTED:
        return
    # A list that was given before staff chose otherwise.
    Recipient.objects.filter(announcement=announcement).delete()
    if announcement.audience != Announcement.EVERYONE:
        _store(announcement, people(announcement.audience).values_list("as_uid"))


def copy_list(source: Announcement, target: Announcement) -> None:
    """Give one announcement the recipients of another, by one statement."""
    _store(target, Recipient.objects.filter(announcement=source).values_list("uid"))


def _store(announcement: Announcement, uids: QuerySet[Any, Any]) -> None:
    try:
        chosen, params = uids.order_by().query.sql_with_params()
    except EmptyResultSet:
        return
    operations, table = connection.ops, connection.ops.quote_name(Recipient._meta.db_table)
    statement = (
        f"{operations.insert_statement(OnConflict.IGNORE)} {table} (announcement_id, uid) "  # noqa: S608  own names alone
        f"SELECT %s, chosen.* FROM ({chosen}) chosen WHERE 1 = 1 "
        f"{operations.on_conflict_suffix_sql([], OnConflict.IGNORE, [], [])}"
    )
    own = UUIDField().get_db_prep_value(announcement.pk, connection)
    with connection.cursor() as cursor:
        cursor.execute(statement, [own, *params])


def grow(every: timedelta) -> None:
    """Enrol who has come into the audience of a published announcement that is for late joiners too.

    Each announcement is looked after by one node, once in `every`.
    """
    now = clock.now()
    standing = Announcement.objects.filter(live_at__isnull=False, withdrawn_at__isnull=True, ends_at__gt=now)
    due = standing.filter(late_join=True, enrolled_at__lte=now - every)
    for announcement in due.exclude(audience__in=(Announcement.EVERYONE, Announcement.LISTED)):
        same = Announcement.objects.filter(pk=announcement.pk, enrolled_at=announcement.enrolled_at)
        if not same.update(enrolled_at=now):
            continue  # another node's
        try:
            for uids in _newcomers(announcement):
                _join(announcement, uids)
        except Exception:
            logger.exception("audience %s: late joiners could not be enrolled", announcement.audience)


def _newcomers(announcement: Announcement) -> Iterator[list[str]]:
    enrolled = Recipient.objects.filter(announcement=announcement, uid=OuterRef("as_uid"))
    found = people(announcement.audience).filter(~Exists(enrolled)).order_by("pk")
    last = None
    while True:
        rows = list((found if last is None else found.filter(pk__gt=last)).values_list("pk", "as_uid")[:CHUNK])
        if rows:
            yield [uid for _, uid in rows]
        if len(rows) < CHUNK:
            return
        last = rows[-1][0]


def _join(announcement: Announcement, uids: Sequence[str]) -> None:
    with transaction.atomic():
        # As it is now, and held so: withdrawn meanwhile, it would come back into the index of those who join.
        standing = Announcement.objects.filter(pk=announcement.pk, withdrawn_at__isnull=True, ends_at__gt=clock.now())
        locked = standing.select_for_update().first()
        if locked is None:
            return
        announcement = locked
        joined_at = database_now()
        rows = [Recipient(announcement=announcement, uid=uid, joined_at=joined_at) for uid in uids]
        Recipient.objects.bulk_create(rows, ignore_conflicts=True)
        # Not whom another node was quicker to enrol: they may have read it since.
        mine = Recipient.objects.filter(announcement=announcement, uid__in=uids, joined_at=joined_at)
        joined = list(mine.values_list("uid", flat=True))
        # Makes every tail look at its recipients.
        Announcement.objects.filter(pk=announcement.pk).update(changed_at=Now())
        change = unread_index.begin(uids)
        item = announcement.item()
        head = encode(item)

        def committed() -> None:
            live = item.created_at <= clock.now()
            text = replayed(head)
            change.done(added={uid: {item.id: (text, item.expires_at)} for uid in joined} if live else {})
            if live:
                publisher.put_all([Event(Op.CREATED, uid, (item.id,), head=head, narrow=True) for uid in joined])

        transaction.on_commit(committed, robust=True)


def chunks(each: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Lists of `size` of these, the last one shorter; takes from `each` as it goes."""
    rest = iter(each)
    while some := list(islice(rest, size)):
        yield some
