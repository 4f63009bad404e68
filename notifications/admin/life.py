"""The pages on which an announcement's life is decided: publish, withdraw, end earlier; and the test to oneself."""

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from notifications import audiences, clock, presence, roll, statistics, users
from notifications.admin import compose, wording
from notifications.admin.frame import framed
from notifications.announcing import end_announcement, publish_announcement, withdraw_announcement
from notifications.conf import conf
from notifications.exceptions import InvalidContent, Unavailable
from notifications.models import Announcement
from notifications.protocol.items import TITLE_MAX
from notifications.publishing import notify
from notifications.statistics import figure

TEST_LIFETIME = timedelta(days=1)
# Uids that are looked for among the online in one go.
ONLINE_CHUNK = 2_000


def may_publish(request: HttpRequest) -> bool:
    """Whether this member of staff publishes announcements at all."""
    return request.user.has_perm("notifications.publish_announcement")


def may_withdraw(request: HttpRequest) -> bool:
    """Whether this member of staff withdraws announcements and ends them earlier."""
    return request.user.has_perm("notifications.withdraw_announcement")


def possible(request: HttpRequest, announcement: Announcement | None) -> dict[str, bool]:
    """What this member of staff can do to the announcement now."""
    status = announcement.status if announcement else None
    published = announcement is not None and announcement.live_at is not None
    standing = status in (Announcement.Status.SCHEDULED, Announcement.Status.LIVE)
    return {
        "publish": may_publish(request) and status in (None, Announcement.Status.DRAFT),
        "withdraw": may_withdraw(request) and published and status != Announcement.Status.WITHDRAWN,
        "end": may_withdraw(request) and standing,
        "duplicate": announcement is not None and request.user.has_perm("notifications.add_announcement"),
        "statistics": published,
        "recipients": announcement is not None and announcement.audience == Announcement.LISTED,
    }


def facts(announcement: Announcement) -> list[tuple[Any, str]]:
    """What has become of it so far and by whom, as lines to read."""
    people = wording.named([announcement.created_by, announcement.published_by, *announcement.edited_by])
    made_by = people.get(announcement.created_by) or _("the platform")
    lines: list[tuple[Any, str]] = [(_("For"), str(compose.audience_name(announcement)))]
    if announcement.audience != Announcement.EVERYONE and announcement.published_at:
        count = announcement.recipients.count()
        people_text = ngettext("%(count)s person", "%(count)s people", count) % {"count": figure(count)}
        lines[0] = (_("For"), f"{lines[0][1]} · {people_text}")
    lines += [(_("Composed"), f"{wording.moment(announcement.created_at)} · {made_by}")]
    others = [people[uid] for uid in announcement.edited_by if uid != announcement.created_by]
    if others:
        lines.append((_("Changed by"), ", ".join(others)))
    if announcement.published_at:
        by = people.get(announcement.published_by) or _("the platform")
        lines.append((_("Published"), f"{wording.moment(announcement.published_at)} · {by}"))
        lines.append((_("Live from"), wording.moment(announcement.live_at)))
        lines.append((_("Ends"), wording.moment(announcement.ends_at)))
    if announcement.withdrawn_at:
        lines.append((_("Withdrawn"), wording.moment(announcement.withdrawn_at)))
    return lines


def send_test(user: Any, announcement: Announcement) -> None:
    """Send what the draft says to this one user, the way every item goes: marked as a test, and in no figure."""
    notify(
        users.uid_of(user),
        (_("Test: %(title)s") % {"title": announcement.title})[:TITLE_MAX],
        announcement.body,
        kind="test",
        level=announcement.level,
        url=announcement.url,
        display=announcement.display,
        confirm=announcement.confirm,
        expires_at=clock.now() + TEST_LIFETIME,
    )


def publish(site: "ModelAdmin[Announcement]", request: HttpRequest, object_id: UUID) -> HttpResponse:
    """Says whom it will reach; posted from there, publishes what was shown there and nothing else."""
    if not may_publish(request):
        raise PermissionDenied
    with transaction.atomic():
        announcement = get_object_or_404(Announcement.objects.select_for_update(), pk=object_id)
        if announcement.status != Announcement.Status.DRAFT:
            site.message_user(request, _already(announcement), messages.WARNING)
            return _to(announcement)
        remarks = _obstacles(request, announcement)
        blocked = bool(remarks)
        if request.method == "POST" and not blocked:
            if request.POST.get("seen") != compose.fingerprint(announcement):
                remarks.append(_("Somebody changed it while you looked at it. This is what it says now: look again."))
            else:
                publish_announcement(announcement.pk, by=users.uid_of(request.user))
                site.log_change(request, announcement, _("Published."))
                announcement.refresh_from_db()
                site.message_user(request, _published(announcement), messages.SUCCESS)
                return _to(announcement)
    people = statistics.audience(announcement)
    count = None if people is None else people.count()
    narrow = announcement.audience != Announcement.EVERYONE
    context = {
        "title": _("Publish announcement"),
        "announcement": announcement,
        "level": announcement.get_level_display(),
        "display": announcement.get_display_display(),
        "said": compose.said(announcement),
        "ask": seen_url(announcement),
        "remarks": remarks,
        "blocked": blocked,
        "audience": compose.audience_name(announcement),
        "narrow": narrow,
        "listed": announcement.audience == Announcement.LISTED,
        "people": count,
        **(online_of(people) if narrow and people is not None else online()),
        "label": _publish_label(count),
        "starts": wording.moment(announcement.starts_at) if _later(announcement) else None,
        "ends": wording.moment(announcement.ends_at),
        "seen": compose.fingerprint(announcement),
        "may_change": site.has_change_permission(request, announcement),
    }
    return framed(site, request, "admin/notifications/announcement/publish.html", announcement, context)


def seen(site: "ModelAdmin[Announcement]", request: HttpRequest, object_id: UUID) -> HttpResponse:
    """What a draft says now, as a fingerprint alone: for open pages to ask whether theirs is still the one."""
    announcement = get_object_or_404(Announcement, pk=object_id)
    if not site.has_view_permission(request, announcement):
        raise PermissionDenied
    draft = announcement.status == Announcement.Status.DRAFT
    return HttpResponse(compose.fingerprint(announcement) if draft else "", content_type="text/plain")


def withdraw(site: "ModelAdmin[Announcement]", request: HttpRequest, object_id: UUID) -> HttpResponse:
    """Asks once more; posted from there, takes it off every screen."""
    if not may_withdraw(request):
        raise PermissionDenied
    announcement = get_object_or_404(Announcement, pk=object_id, live_at__isnull=False)
    if request.method == "POST":
        with transaction.atomic():
            done = withdraw_announcement(announcement.pk)
            if done:
                site.log_change(request, announcement, _("Withdrawn."))
        if done:
            site.message_user(request, _("Withdrawn: it vanishes from every screen."), messages.SUCCESS)
        else:
            site.message_user(request, _("It was withdrawn already."), messages.WARNING)
        return _to(announcement)
    context = {
        "title": _("Withdraw announcement"),
        "question": _("It vanishes from every screen and every inbox at once, and cannot be brought back."),
        "label": _("Withdraw"),
    }
    return framed(site, request, "admin/notifications/confirm.html", announcement, context)


class EndForm(forms.Form):
    """When it ends instead."""

    at = forms.SplitDateTimeField(
        label=gettext_lazy("New end"),
        required=False,
        help_text=gettext_lazy("Empty: now."),
        widget=AdminSplitDateTime,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        wording.name_parts(self.fields["at"])


def end(site: "ModelAdmin[Announcement]", request: HttpRequest, object_id: UUID) -> HttpResponse:
    """A form with an earlier end; empty ends it now."""
    if not may_withdraw(request):
        raise PermissionDenied
    announcement = get_object_or_404(Announcement, pk=object_id, live_at__isnull=False)
    form = EndForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            with transaction.atomic():
                done = end_announcement(announcement.pk, form.cleaned_data["at"])
                if done:
                    announcement.refresh_from_db()
                    text = _("End moved to %(moment)s.") % {"moment": wording.moment(announcement.ends_at)}
                    site.log_change(request, announcement, text)
        except InvalidContent as refused:
            for reason in wording.reasons(refused):
                form.add_error("at", reason)
        else:
            if done:
                site.message_user(request, text, messages.SUCCESS)
            else:
                site.message_user(request, _already(announcement), messages.WARNING)
            return _to(announcement)
    context = {
        "title": _("End announcement earlier"),
        "form": form,
        "ends": wording.moment(announcement.ends_at),
        "zone": wording.zone(),
        "media": site.media + form.media,
    }
    return framed(site, request, "admin/notifications/announcement/end.html", announcement, context)


def online() -> dict[str, Any]:
    """How many users have a socket open now: `online`, None if no node says so.

    `online_most`: it is the most that there can be, for whoever has sockets on two nodes was counted on both. So it is
    where there is no Redis to ask.
    """
    if conf().redis_urls:
        with suppress(Unavailable):
            return {"online": presence.users(), "online_most": False}
    nodes = roll.present().aggregate(users=Sum("users"), count=Count("pk"))
    return {"online": nodes["users"], "online_most": nodes["count"] > 1}


def online_of(people: "QuerySet[Any]") -> dict[str, Any]:
    """How many of these have a socket open now, as `online`; None where no node can say so of all nodes."""
    if not conf().redis_urls and roll.present().count() != 1:
        return {"online": None}
    uids = people.order_by().values_list("as_uid", flat=True).iterator(ONLINE_CHUNK)
    known = (presence.known(some) for some in audiences.chunks(uids, ONLINE_CHUNK))
    return {"online": sum(1 for counts in known for sockets in counts.values() if sockets)}


def seen_url(announcement: Announcement) -> str:
    """Where an open page asks for `seen`."""
    return reverse("admin:notifications_announcement_seen", args=[announcement.pk])


def _to(announcement: Announcement) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:notifications_announcement_change", args=[announcement.pk]))


def _later(announcement: Announcement) -> bool:
    return announcement.starts_at is not None and announcement.starts_at > clock.now()


def _obstacles(request: HttpRequest, announcement: Announcement) -> list[str]:
    """Why it cannot be published as it stands, by this member of staff."""
    obstacles = []
    if announcement.ends_at <= clock.now():
        obstacles.append(_("Its end has passed: set another one first."))
    if announcement.audience not in dict(compose.audience_choices()):
        obstacles.append(_("Its audience is not there any more: choose another one first."))
    elif announcement.audience != Announcement.EVERYONE and not _anybody(announcement):
        obstacles.append(_("There is nobody in its audience."))
    if conf().second_approver and users.uid_of(request.user) in {announcement.created_by, *announcement.edited_by}:
        obstacles.append(_("You wrote in it: somebody else has to publish it."))
    return obstacles


def _anybody(announcement: Announcement) -> bool:
    people = statistics.audience(announcement)
    return people is not None and people.exists()


def _already(announcement: Announcement) -> str:
    status = announcement.status
    if status == Announcement.Status.WITHDRAWN:
        return _("It has been withdrawn.")
    if status == Announcement.Status.ENDED:
        return _("It has ended.")
    by = wording.named([announcement.published_by]).get(announcement.published_by) or _("the platform")
    moment = wording.moment(announcement.published_at)
    return _("It was published already: %(moment)s, by %(by)s.") % {"moment": moment, "by": by}


def _published(announcement: Announcement) -> str:
    if announcement.status == Announcement.Status.SCHEDULED:
        return _("Scheduled: it goes live %(moment)s.") % {"moment": wording.moment(announcement.live_at)}
    if announcement.audience != Announcement.EVERYONE:
        return _("Published: its audience is being told now.")
    return _("Published: everyone is being told now.")


def _publish_label(people: int | None) -> str:
    if people is None:
        return _("Publish to everyone")
    return ngettext("Publish to %(count)s person", "Publish to %(count)s people", people) % {"count": figure(people)}
