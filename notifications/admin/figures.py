"""What became of an announcement, for staff: figures, a chart, who is still waited for, and reminding them."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications import clock, statistics, users
from notifications.admin import compose, wording
from notifications.admin.chart import drawn
from notifications.admin.downloads import download
from notifications.admin.frame import framed
from notifications.bulk import multicast
from notifications.models import Announcement, Notification
from notifications.protocol.items import TITLE_MAX, Content
from notifications.statistics import figure

WAITING_SHOWN = 100
# Nobody is reminded of one announcement more often.
REMIND_AGAIN = timedelta(hours=1)
REMIND_BATCH = 1_000
# A request sends for so long, and its answer asks for the next: 100,000 take a minute or more, and proxies give a
# request up after 30 s or 60 s.
REMIND_SECONDS = 10.0


def statistics_page(site: "ModelAdmin[Announcement]", request: HttpRequest, object_id: UUID) -> HttpResponse:
    """All figures, the chart with its table, and the first of those who are still waited for."""
    announcement = _published(site, request, object_id)
    figures = statistics.of(announcement)
    waiting = statistics.waiting(announcement)
    reminded = _reminded_at(announcement)
    context = {
        "title": _("Statistics"),
        "announcement": announcement,
        "audience": compose.audience_name(announcement),
        "state": announcement.status,
        "figures": figures,
        "read_share": _share(figures.read, figures.reached),
        "confirmed_share": _share(figures.confirmed, figures.reached),
        "median": _duration(figures.median.total_seconds()) if figures.median is not None else "–",
        "chart": drawn(figures.bars),
        "bar_width": _duration(figures.width.total_seconds()),
        "zone": wording.zone(),
        "waiting_known": waiting is not None,
        "waiting_count": waiting.count() if waiting is not None else 0,
        "waiting": _first(waiting),
        "shown": WAITING_SHOWN,
        "may_remind": _may_remind(request, announcement),
        "reminded": reminded and wording.moment(reminded),
        "now": wording.moment(clock.now()),
    }
    return framed(site, request, "admin/notifications/announcement/statistics.html", announcement, context)


def remind(site: "ModelAdmin[Announcement]", request: HttpRequest, object_id: UUID) -> HttpResponse:
    """Asks once more; posted from there, sends each of those who are waited for a notification of their own.

    A thousand at a time, each batch a transaction that holds the announcement and passes over whom it finds reminded
    within the hour: of two clicks, and of two members of staff, each person hears from one; and what was broken off is
    taken up by doing it again. What one request has no time for is sent by the next, which its answer asks for.
    """
    announcement = _published(site, request, object_id)
    sent = _sent_before(request)
    if sent and announcement.status != Announcement.Status.LIVE:
        return _reminded(site, request, announcement, sent)
    if not _may_remind(request, announcement):
        raise PermissionDenied
    waiting = statistics.waiting(announcement)
    if waiting is None:
        raise PermissionDenied
    if request.method == "POST":
        count, last = _remind_for_a_while(site, request, announcement)
        left = statistics.after(announcement, waiting, last).count() if last is not None else 0
        if not left:
            return _reminded(site, request, announcement, sent + count)
        return _go_on(site, request, announcement, sent + count, left, after=last)
    before = _reminded_at(announcement)
    lately = _lately(announcement).filter(uid=OuterRef("as_uid"))
    count = waiting.filter(~Exists(lately)).count()
    question = ngettext(
        "%(count)s person is sent a notification that asks to look at this announcement.",
        "%(count)s people are each sent a notification that asks to look at this announcement.",
        count,
    )
    context = {
        "title": _("Remind"),
        "question": question % {"count": figure(count)},
        "remark": before
        and _("They were last reminded: %(moment)s. Who was reminded within the hour is passed over.")
        % {"moment": wording.moment(before)},
        "label": _("Remind them"),
        "back": _statistics_url(announcement),
    }
    return framed(site, request, "admin/notifications/confirm.html", announcement, context)


def _sent_before(request: HttpRequest) -> int:
    """How many earlier requests of the same round have reminded, as the page that goes on says."""
    said = request.POST.get("sent", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0


def _remind_for_a_while(
    site: "ModelAdmin[Announcement]", request: HttpRequest, announcement: Announcement
) -> tuple[int, Any]:
    """Remind until nobody is left or the time of a request is over: how many, and after whom to go on (None: nobody).

    The log has how many, whatever happens.
    """
    count, until = 0, time.monotonic() + REMIND_SECONDS
    try:
        for some, last in _send_reminders(announcement, request.POST.get("after")):
            count += some
            if time.monotonic() > until:
                return count, last
    finally:
        if count:
            site.log_change(request, announcement, _reminded_text(count))
    return count, None


def _go_on(
    site: "ModelAdmin[Announcement]",
    request: HttpRequest,
    announcement: Announcement,
    sent: int,
    left: int,
    *,
    after: Any,
) -> HttpResponse:
    """The page that goes on with those who are left: by itself, or by its button where there is no script."""
    context = {
        "title": _("Remind"),
        "question": _("%(sent)s reminded, %(left)s left. Keep this page open: it goes on by itself.")
        % {"sent": figure(sent), "left": figure(left)},
        "remark": _("What is broken off can be taken up again; nobody is reminded twice."),
        "progress": {"done": sent, "all": sent + left},
        "hidden": {"sent": sent, "after": after},
        "label": _("Go on"),
        "back": _statistics_url(announcement),
        "goes_on": True,
    }
    return framed(site, request, "admin/notifications/confirm.html", announcement, context)


def _reminded(
    site: "ModelAdmin[Announcement]", request: HttpRequest, announcement: Announcement, count: int
) -> HttpResponse:
    if count:
        site.message_user(request, _reminded_text(count), messages.SUCCESS)
    else:
        site.message_user(
            request, _("They have been reminded within the hour; nothing was sent again."), messages.WARNING
        )
    return HttpResponseRedirect(_statistics_url(announcement))


def _reminded_text(count: int) -> str:
    return ngettext("Reminded %(count)s person.", "Reminded %(count)s people.", count) % {"count": figure(count)}


def readers_csv(site: "ModelAdmin[Announcement]", request: HttpRequest, object_id: UUID) -> StreamingHttpResponse:
    """Everyone who has read it, in the order of reading."""
    announcement = _published(site, request, object_id)

    def lines(chunk: Sequence[Any]) -> Iterator[Sequence[object]]:
        names = users.names(receipt.uid for receipt in chunk)
        for receipt in chunk:
            confirmed = receipt.confirmed_at
            yield (
                receipt.uid,
                names.get(receipt.uid, ""),
                receipt.read_at.isoformat(),
                receipt.read_via,
                confirmed.isoformat() if confirmed else "",
            )

    head = ("uid", "name", "read_at", "via", "confirmed_at")
    chunks = statistics.receipt_chunks(announcement)
    return download(request, f"readers-{announcement.pk}.csv", head, chunks, lines)


def waiting_csv(site: "ModelAdmin[Announcement]", request: HttpRequest, object_id: UUID) -> StreamingHttpResponse:
    """Everyone who has not read it, or not confirmed it where that is asked for."""
    announcement = _published(site, request, object_id)

    chunks = statistics.waiting_chunks(announcement)
    return download(request, f"waiting-{announcement.pk}.csv", ("uid", "name"), chunks, lambda chunk: chunk)


def _published(site: "ModelAdmin[Announcement]", request: HttpRequest, object_id: UUID) -> Announcement:
    announcement: Announcement = get_object_or_404(Announcement, pk=object_id, live_at__isnull=False)
    if not site.has_view_permission(request, announcement):
        raise PermissionDenied
    return announcement


def _statistics_url(announcement: Announcement) -> str:
    return reverse("admin:notifications_announcement_statistics", args=[announcement.pk])


def _may_remind(request: HttpRequest, announcement: Announcement) -> bool:
    live = announcement.status == Announcement.Status.LIVE
    return live and request.user.has_perm("notifications.publish_announcement")


def _reference(announcement: Announcement) -> str:
    return f"announcement:{announcement.pk}"


def _reminded_at(announcement: Announcement) -> datetime | None:
    sent = Notification.objects.filter(ref=_reference(announcement), source="")
    last: datetime | None = sent.aggregate(last=Max("created_at"))["last"]
    return last


def _lately(announcement: Announcement) -> "QuerySet[Notification]":
    """The reminders of it that nobody is to have another one after."""
    return Notification.objects.filter(
        ref=_reference(announcement), created_at__gt=clock.now() - REMIND_AGAIN, source=""
    )


def _send_reminders(announcement: Announcement, last: Any) -> Iterator[tuple[int, Any]]:
    """Remind a batch at a time, from after `last` on: how many each was, and the `last` for those after it."""
    content = Content.checked(
        title=(_("Reminder: %(title)s") % {"title": announcement.title})[:TITLE_MAX],
        body=announcement.body,
        kind="announcement.reminder",
        level=announcement.level,
        url=reverse("notifications:item", args=[announcement.item_id]),
        ref=_reference(announcement),
    )
    while True:
        with transaction.atomic():
            held = Announcement.objects.select_for_update().get(pk=announcement.pk)
            waiting = statistics.waiting(held)
            if waiting is None or held.status != Announcement.Status.LIVE:
                return
            batch, last = statistics.chunk_after(held, waiting, last, REMIND_BATCH)
            uids = [person.as_uid for person in batch]
            # Asked by uid, and not as a part of the query above: while reminders are being written PostgreSQL knows
            # nothing of how many there are, and compared each with each (7 s for 40,000 people).
            reminded = set(_lately(held).filter(uid__in=uids).values_list("uid", flat=True))
            due = [uid for uid in uids if uid not in reminded]
            if due:
                multicast(due, content, expires_at=held.ends_at)
        yield len(due), last
        if len(batch) < REMIND_BATCH:
            return


def _first(waiting: "QuerySet[Any] | None") -> Sequence[tuple[str, str]]:
    return [] if waiting is None else statistics.with_names(list(waiting[:WAITING_SHOWN]))


def _share(part: int, whole: int | None) -> str:
    return f"{formats.number_format(part / whole * 100, 1)} %" if whole else "–"


def _duration(seconds: float) -> str:
    whole = int(max(seconds, 0))
    days, hours, minutes = whole // 86_400, whole % 86_400 // 3_600, whole % 3_600 // 60
    if days:
        return _("%(days)d d %(hours)d h") % {"days": days, "hours": hours}
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    if minutes:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": whole % 60}
    return _("%(seconds)d s") % {"seconds": whole}
