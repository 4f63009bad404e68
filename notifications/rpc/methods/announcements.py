"""`announcements.*`: to everyone."""

from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from pydantic import Field

from notifications import announcing, clock, statistics
from notifications.database import in_thread
from notifications.exceptions import NotFound
from notifications.models import Announcement
from notifications.protocol.items import parse_id, timestamp
from notifications.rpc.errors import Code
from notifications.rpc.exchange import caller
from notifications.rpc.registry import Scope, method
from notifications.rpc.results import CreateResult, StatsResult, WithdrawResult
from notifications.rpc.schemas import Announced, Confirm, Display, Key, Moment, Params, StrictBool, StrictStr

_ID = "01a207b6-45ac-776c-a9b4-312094ad3315"


class Create(Announced):
    """What, when, and the caller's key."""

    display: Display = Field("popup", description="Where it shows.")
    confirm: Confirm = Field(default=False, description="Whether users must confirm it by a click.")
    starts_at: Moment | None = Field(None, description="When it goes live; null: at once.")
    ends_at: Moment = Field(description="When it leaves inboxes by itself.")
    late_join: StrictBool = Field(default=True, description="Also for users who join the platform after it went live.")
    publish: StrictBool = Field(default=True, description="False: it stays a draft, which staff can publish.")
    idempotency_key: Key | None = Field(None, description="Makes repeating the call safe for 7 days.")


class Which(Params):
    """Which announcement."""

    id: StrictStr = Field(description="The announcement's id.")


@method(
    "announcements.create",
    scope=Scope.ANNOUNCE,
    writes=True,
    errors=(Code.KEY_REUSED,),
    example={
        "title": "Maintenance tonight",
        "body": "We are back at 23:00.",
        "level": "warning",
        "ends_at": "2026-12-31T23:00:00Z",
        "idempotency_key": "maintenance-2026-12-31",
    },
    result={"id": _ID, "status": "live"},
)
async def create(params: Create) -> CreateResult:
    """Make an announcement to everyone, live from `starts_at` to `ends_at`.

    `status` is what it was made as: live, scheduled or draft.
    """
    return await in_thread(_create, params, caller().name)


def _create(params: Create, source: str) -> CreateResult:
    made = announcing.announce(**params.model_dump(), source=source)
    status = Announcement.Status.LIVE
    if not params.publish:
        status = Announcement.Status.DRAFT
    elif params.starts_at is not None:
        # Repeated, the call is answered what it was answered first, however long ago it went live meanwhile.
        made_at = Announcement.objects.values_list("created_at", flat=True).get(pk=made.id)
        if params.starts_at > made_at + timedelta(milliseconds=1):
            status = Announcement.Status.SCHEDULED
    answer: CreateResult = {"id": str(made.id), "status": status.value}
    if made.duplicate:
        answer["duplicate"] = True
    return answer


@method(
    "announcements.retract",
    scope=Scope.ANNOUNCE,
    writes=True,
    errors=(Code.NOT_FOUND,),
    example={"id": _ID},
    result={"retracted": True},
)
async def retract(params: Which) -> WithdrawResult:
    """Take an announcement that this service made off every screen. Repeating is harmless."""
    done = await in_thread(announcing.withdraw_announcement, _id(params), source=caller().name)
    return {"retracted": done}


@method(
    "announcements.stats",
    scope=Scope.ANNOUNCE,
    errors=(Code.NOT_FOUND,),
    example={"id": _ID},
    result={
        "status": "live",
        "reached": 1204,
        "read": 803,
        "confirmed": 0,
        "median_seconds": 41.5,
        "live_at": "2026-12-31T20:00:00.000Z",
        "ends_at": "2026-12-31T23:00:00.000Z",
    },
)
async def stats(params: Which) -> StatsResult:
    """Ask how many users an announcement that this service made has reached, and how many have read or confirmed it."""
    return await in_thread(_stats, _id(params), caller().name)


def _stats(announcement_id: UUID, source: str) -> StatsResult:
    either = Q(pk=announcement_id) | Q(item_id=announcement_id)
    announcement = Announcement.objects.filter(either, source=source).first()
    if announcement is None:
        raise NotFound("no such announcement")
    figures, now = statistics.of(announcement), clock.now()
    begun = announcement.live_at is not None and announcement.live_at <= (announcement.withdrawn_at or now)
    return {
        "status": announcement.status_at(now).value,
        "reached": figures.reached if begun else 0,
        "read": figures.read,
        "confirmed": figures.confirmed,
        "median_seconds": figures.median.total_seconds() if figures.median is not None else None,
        "live_at": timestamp(announcement.live_at),
        "ends_at": timestamp(announcement.ends_at) or "",
    }


def _id(params: Which) -> UUID:
    announcement_id = parse_id(params.id)
    if announcement_id is None:
        raise NotFound("no such announcement")
    return announcement_id
