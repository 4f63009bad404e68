"""What is stored. The database is the truth about every item and every read; the rest only makes it arrive sooner.

`changed_at` is always the database's own clock: the tail asks for what changed lately, and nodes' clocks may differ.
"""

from datetime import datetime
from uuid import UUID

from django.db import models
from django.db.models import F, Max, Q
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from notifications import clock
from notifications.preferences import Preferences
from notifications.protocol.items import (
    KIND_MAX,
    REF_MAX,
    TITLE_MAX,
    UID_MAX,
    URL_MAX,
    Content,
    Item,
)
from notifications.recipients import Recipient

SOURCE_MAX = 100
AUDIENCE_MAX = 100


class Written(models.Model):
    """The columns that hold an item's `Content`."""

    class Level(models.TextChoices):
        """How grave it is: the values of `protocol.items.LEVELS` by the names that staff see."""

        INFO = "info", _("information")
        SUCCESS = "success", _("success")
        WARNING = "warning", _("warning")
        ERROR = "error", _("error")

    class Display(models.TextChoices):
        """Where it shows: the values of `protocol.items.DISPLAYS` by the names that staff see."""

        POPUP = "popup", _("popup")
        LIST = "list", _("list only")
        BANNER = "banner", _("banner")

    kind = models.CharField(_("kind"), max_length=KIND_MAX, default="general")
    level = models.CharField(_("level"), max_length=8, default="info", choices=Level.choices)
    title = models.CharField(_("title"), max_length=TITLE_MAX)
    body = models.TextField(_("body"), blank=True, default="")
    url = models.CharField(_("link"), max_length=URL_MAX, null=True, blank=True)  # noqa: DJ001  null is the wire's "no link"
    data = models.JSONField(_("data"), default=dict, blank=True)
    display = models.CharField(_("display"), max_length=8, default="popup", choices=Display.choices)
    confirm = models.BooleanField(_("needs confirmation"), default=False)
    source = models.CharField(_("source"), max_length=SOURCE_MAX, blank=True, default="")

    class Meta:
        abstract = True

    def content(self, ref: str | None = None) -> Content:
        """The content as the protocol knows it."""
        return Content(
            title=self.title,
            body=self.body,
            kind=self.kind,
            level=self.level,
            url=self.url,
            data=self.data,
            ref=ref,
            display=self.display,
            confirm=self.confirm,
        )


class NotificationQuerySet(models.QuerySet["Notification"]):
    """The two views of notifications that everything asks for."""

    def visible(self, now: datetime) -> "NotificationQuerySet":
        """In an inbox: neither retracted nor expired."""
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), retracted_at__isnull=True)

    def unread(self, now: datetime) -> "NotificationQuerySet":
        """Visible and not read: what a socket is sent when it opens. The partial index covers it."""
        return self.visible(now).filter(read_at__isnull=True)


class Notification(Written):
    """One stored item addressed to one uid."""

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    uid = models.CharField(_("uid"), max_length=UID_MAX)
    ref = models.CharField(_("reference"), max_length=REF_MAX, null=True, blank=True)  # noqa: DJ001  null: no reference
    created_at = models.DateTimeField(_("created"))
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)
    read_at = models.DateTimeField(_("read"), null=True, blank=True)
    read_via = models.CharField(_("read in"), max_length=8, blank=True, default="")
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)
    retracted_at = models.DateTimeField(_("retracted"), null=True, blank=True)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = ["-id"]
        permissions = [("retract_notification", "Can retract notifications")]
        indexes = [
            models.Index(fields=["uid", "id"], name="notif_inbox"),
            # With the expiry, so that counting ten thousand of one user touches the index alone: 2 ms, not 40.
            models.Index(
                fields=["uid", "id", "expires_at"],
                name="notif_unread_ids",
                condition=Q(read_at__isnull=True, retracted_at__isnull=True),
            ),
            models.Index(fields=["changed_at"], name="notif_changed"),
            models.Index(fields=["ref", "uid"], name="notif_ref", condition=Q(ref__isnull=False)),
            models.Index(fields=["expires_at"], name="notif_expires", condition=Q(expires_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.uid}: {self.title}"

    def item(self) -> Item:
        """The entry that it is in its uid's inbox."""
        return Item(
            id=self.id,
            audience="user",
            content=self.content(self.ref),
            created_at=self.created_at,
            expires_at=self.expires_at,
            read_at=self.read_at,
        )


class AnnouncementQuerySet(models.QuerySet["Announcement"]):
    """Announcements by where they are in their life."""

    def live(self, now: datetime) -> "AnnouncementQuerySet":
        """Published, begun, neither ended nor withdrawn: in the inboxes of its audience."""
        return self.filter(live_at__lte=now, ends_at__gt=now, withdrawn_at__isnull=True)


class Announcement(Written):
    """One stored item addressed to everyone or an audience, by staff or a service, with a window of validity.

    `audience` is `everyone`, `listed` (the uids that staff gave) or the name of one that the platform registered. But
    for everyone, each uid is a `Recipient`, so that who is in it need not be asked again while the item is delivered.

    `item_id` is the id that users see. It is given on publishing, as a UUIDv7 of the moment the announcement goes live,
    so that inboxes sort by time however long the draft lay; published at creation, it equals `id`.
    """

    class Status(models.TextChoices):
        """Where an announcement is in its life; derived, never stored."""

        DRAFT = "draft", _("draft")
        SCHEDULED = "scheduled", _("scheduled")
        LIVE = "live", _("live")
        ENDED = "ended", _("ended")
        WITHDRAWN = "withdrawn", _("withdrawn")

    EVERYONE = "everyone"
    LISTED = "listed"

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    item_id = models.UUIDField(unique=True, null=True, editable=False)
    starts_at = models.DateTimeField(_("starts"), null=True, blank=True, help_text=_("Empty: when published."))
    ends_at = models.DateTimeField(_("ends"))
    late_join = models.BooleanField(
        _("late joiners too"), default=True, help_text=_("Also for users who join after it went live.")
    )
    audience = models.CharField(_("audience"), max_length=AUDIENCE_MAX, default=EVERYONE, db_default=EVERYONE)
    # When its recipients were last looked up, or changed by hand.
    enrolled_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)
    created_by = models.CharField(_("composed by"), max_length=UID_MAX, blank=True, default="", editable=False)
    edited_by = models.JSONField(_("written by"), default=list, editable=False)  # uids of all who wrote in the draft
    published_at = models.DateTimeField(_("published"), null=True, editable=False)
    published_by = models.CharField(_("published by"), max_length=UID_MAX, blank=True, default="", editable=False)
    live_at = models.DateTimeField(null=True, editable=False)
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, editable=False)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = AnnouncementQuerySet.as_manager()

    class Meta:
        verbose_name = _("announcement")
        verbose_name_plural = _("announcements")
        ordering = ["-id"]
        permissions = [
            ("publish_announcement", "Can publish announcements"),
            ("withdraw_announcement", "Can withdraw announcements"),
        ]
        indexes = [
            # Without a condition, for the tail asks also for those that have ended.
            models.Index(fields=["ends_at"], name="announce_ends"),
            models.Index(fields=["changed_at"], name="announce_changed"),
            models.Index(fields=["live_at"], name="announce_live", condition=Q(live_at__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="announce_ends_after_start",
            )
        ]

    def __str__(self) -> str:
        return self.title

    def status_at(self, now: datetime) -> "Announcement.Status":
        """Its status at the moment `now`."""
        if self.withdrawn_at is not None:
            return self.Status.WITHDRAWN
        if self.live_at is None:
            return self.Status.DRAFT
        if now >= self.ends_at:
            return self.Status.ENDED
        return self.Status.LIVE if now >= self.live_at else self.Status.SCHEDULED

    @property
    def status(self) -> "Announcement.Status":
        """Its status now."""
        return self.status_at(clock.now())

    def item(self, read_at: datetime | None = None) -> Item:
        """The entry that it is in the inboxes of its audience; only for what has been published."""
        if self.item_id is None or self.live_at is None:
            raise ValueError("a draft is in nobody's inbox")
        return Item(
            id=self.item_id,
            # Not "everyone" where others have not got it.
            audience="everyone" if self.audience == self.EVERYONE else "user",
            content=self.content(),
            created_at=self.live_at,
            expires_at=self.ends_at,
            read_at=read_at,
        )


class Receipt(models.Model):
    """The stored fact that a uid has read (or confirmed) an announcement."""

    id = models.BigAutoField(primary_key=True)
    # No index of its own: `receipt_times` begins with it, and receipts are written by the ten thousand in a minute.
    announcement = models.ForeignKey(Announcement, on_delete=models.CASCADE, related_name="receipts", db_index=False)
    uid = models.CharField(_("uid"), max_length=UID_MAX)
    read_at = models.DateTimeField(_("read"))
    read_via = models.CharField(_("read in"), max_length=8, blank=True, default="")
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("receipt")
        verbose_name_plural = _("receipts")
        constraints = [models.UniqueConstraint(fields=["uid", "announcement"], name="receipt_once")]
        indexes = [
            models.Index(fields=["changed_at"], name="receipt_changed"),
            models.Index(fields=["announcement", "read_at", "id"], name="receipt_times"),
        ]

    def __str__(self) -> str:
        return f"{self.uid} read {self.announcement_id}"


class Disconnection(models.Model):
    """The stored wish that every socket a uid has open now be closed with 4003, on whatever node it is."""

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    uid = models.CharField(max_length=UID_MAX)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["changed_at"], name="disconnection_changed")]

    def __str__(self) -> str:
        return self.uid


class Drain(models.Model):
    """The stored wish that the nodes of a machine send their sockets away; the empty host stands for all machines.

    Meant for the nodes that run when it is made: one that starts later is there to take the sockets.
    """

    id = models.BigAutoField(primary_key=True)
    host = models.CharField(max_length=255, blank=True)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return self.host or "every machine"


class NodeReport(models.Model):
    """How a node is doing, in its own words; written anew every few seconds, by the database's clock."""

    name = models.CharField(max_length=300, primary_key=True)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    sockets = models.PositiveIntegerField(default=0)
    users = models.PositiveIntegerField(default=0)
    pushes = models.PositiveBigIntegerField(default=0)
    tail_age = models.FloatField(default=0.0)
    draining = models.BooleanField(default=False)
    errors = models.JSONField(default=list, db_default=[])
    changed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("node")
        verbose_name_plural = _("nodes")

    def __str__(self) -> str:
        return self.name


class Unindexed(models.Model):
    """A uid whose unread changed while its Redis index could not be told; the empty uid stands for everyone.

    Written in the transaction of the change, struck out by whichever node has voided the index.
    """

    id = models.BigAutoField(primary_key=True)
    uid = models.CharField(max_length=UID_MAX, blank=True)

    def __str__(self) -> str:
        return self.uid or "everyone"


class ServiceKey(models.Model):
    """The credential of a calling service: `prefix.secret`, of which only a hash of the secret is stored."""

    class Scope(models.TextChoices):
        """What a key may do; each RPC method names the one it asks for."""

        NOTIFY = "notify", _("send and retract notifications")
        ANNOUNCE = "announce", _("make announcements")
        INBOX = "inbox", _("read and mark users' inboxes")
        CONNECTIONS = "connections", _("see and close connections")

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(_("service"), max_length=SOURCE_MAX)
    prefix = models.CharField(_("prefix"), max_length=16, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    calls = models.PositiveBigIntegerField(_("calls"), default=0, editable=False)

    class Meta:
        verbose_name = _("service key")
        verbose_name_plural = _("service keys")
        ordering = ["name", "-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"


class IdempotencyKey(models.Model):
    """A call that was carried out: its caller, key, what it said (hashed) and what it was answered."""

    id = models.BigAutoField(primary_key=True)
    source = models.CharField(max_length=SOURCE_MAX)
    key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    result = models.JSONField(null=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "key"], name="idempotency_once")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_created")]

    def __str__(self) -> str:
        return f"{self.source}: {self.key}"


def database_now() -> datetime:
    """The database's present moment, by which `changed_at` is stamped."""
    # Now() in a query needs a table; a row that does not exist costs nothing to look for.
    nobody = Disconnection.objects.filter(pk=UUID(int=0))
    now: datetime = nobody.aggregate(now=Coalesce(Max(Now()), Now()))["now"]
    return now


__all__ = [
    "Announcement",
    "Disconnection",
    "Drain",
    "IdempotencyKey",
    "NodeReport",
    "Notification",
    "Preferences",
    "Receipt",
    "Recipient",
    "ServiceKey",
    "Unindexed",
    "database_now",
]
