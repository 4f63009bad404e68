"""The page on which a draft is given its list of uids: pasted or uploaded as CSV, with a report of the bad lines.

Good lines are stored at once, a thousand at a time, each batch by a short transaction of its own: whatever is wrong
with the rest, they are not lost, and giving them again changes nothing.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications import audiences, clock, statistics, users
from notifications.admin import life
from notifications.admin.frame import framed
from notifications.models import Announcement, Recipient
from notifications.protocol.items import uid_problem
from notifications.statistics import figure

FILE_MAX_BYTES = 16 * 1024 * 1024
# So many bad lines are shown with what is wrong, and so many given back to be put right.
BAD_SHOWN = 200
BAD_KEPT = 10_000
LISTED_SHOWN = 50
# What the first line of an exported table calls its first column.
HEADINGS = {"uid", "user_id", "userid", "id", "user", "用户", "用户id"}

_BETWEEN = re.compile(r"[,;\s]+")


@dataclass(frozen=True, slots=True)
class Line:
    """A uid as it was given, and where."""

    number: int
    uid: str
    problem: str = ""


@dataclass(slots=True)
class Report:
    """What became of the lines that were given."""

    added: int = 0
    known: int = 0
    bad: int = 0
    kept: list[Line] = field(default_factory=list)


class Published(Exception):
    """The draft was published, or deleted, while its list was being read."""


def missing(announcement: Announcement) -> bool:
    """Whether it is for a list of uids, and has none."""
    return announcement.audience == Announcement.LISTED and not announcement.recipients.exists()


def listing(site: "ModelAdmin[Announcement]", request: HttpRequest, object_id: UUID) -> HttpResponse:
    """Shows whom the list holds; of a draft, takes more uids, or empties it."""
    announcement = get_object_or_404(Announcement, pk=object_id, audience=Announcement.LISTED)
    if not site.has_view_permission(request, announcement):
        raise PermissionDenied
    may_change = site.has_change_permission(request, announcement)
    report, problem = None, ""
    if request.method == "POST":
        if not may_change:
            raise PermissionDenied
        file = request.FILES.get("file")
        try:
            if "_clear" in request.POST:
                return _emptied(site, request, announcement)
            if file is not None and (file.size or 0) > FILE_MAX_BYTES:
                problem = _("The file is larger than %(most)d MB: divide it.") % {"most": FILE_MAX_BYTES // 2**20}
            else:
                report = _take(request, announcement, file)
        except Published:
            site.message_user(request, _("It has been published or deleted meanwhile."), messages.WARNING)
            return HttpResponseRedirect(reverse("admin:notifications_announcement_changelist"))
        if report is not None:
            text = _summary(report)
            if report.added:
                site.log_change(request, announcement, text)
            if not report.bad:
                site.message_user(request, text, messages.SUCCESS if report.added else messages.WARNING)
                return _here(announcement)
    people = statistics.audience(announcement)
    assert people is not None  # a list's audience is stored
    context = {
        "title": _("Recipients"),
        "announcement": announcement,
        "listed": people.count(),
        "first": statistics.with_names(list(people.order_by("uid")[:LISTED_SHOWN])),
        "shown": LISTED_SHOWN,
        "may_change": may_change,
        "may_publish": life.may_publish(request) and announcement.status == Announcement.Status.DRAFT,
        "report": report,
        "bad_lines": report.kept[:BAD_SHOWN] if report else (),
        "summary": report and _summary(report),
        "problem": problem,
        "pasted": _again(report) if report else request.POST.get("uids", ""),
    }
    return framed(site, request, "admin/notifications/announcement/recipients.html", announcement, context)


def pasted(text: str) -> Iterator[Line]:
    """The uids of a text: one a line, or several with commas, semicolons or spaces between them."""
    for number, line in enumerate(text.splitlines(), 1):
        yield from (Line(number, uid) for uid in _BETWEEN.split(line.strip()) if uid)


def uploaded(file: UploadedFile) -> Iterator[Line]:
    """The uids of a CSV file: the first cell of each line; a heading is passed over."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
    rows = csv.reader(text)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Line(rows.line_num, "", str(error))
            continue
        uid = row[0].strip() if row else ""
        if uid and not (rows.line_num == 1 and uid.lower() in HEADINGS):
            yield Line(rows.line_num, uid)


def _take(request: HttpRequest, announcement: Announcement, file: UploadedFile | None) -> Report:
    report = Report()
    for lines in (pasted(request.POST.get("uids", "")), uploaded(file) if file is not None else iter(())):
        for chunk in audiences.chunks(lines):
            _add(request, announcement, chunk, report)
    return report


def _add(request: HttpRequest, announcement: Announcement, lines: Sequence[Line], report: Report) -> None:
    good = [line for line in lines if not _problem(line)]
    there = users.active({line.uid for line in good})
    for line in lines:
        problem = _problem(line)
        if not problem and line.uid not in there:
            problem = _("no active user has this uid")
        if problem:
            report.bad += 1
            if len(report.kept) < BAD_KEPT:
                report.kept.append(Line(line.number, line.uid[:300], problem))
    uids = list(dict.fromkeys(line.uid for line in good if line.uid in there))
    if uids:
        with transaction.atomic():
            draft = _locked(announcement)
            added = audiences.enlist(draft, uids)
            if added:
                _changed(request, draft)
        report.added += added
        report.known += len(uids) - added


def _problem(line: Line) -> str:
    if line.problem:
        return line.problem
    if "\ufffd" in line.uid:
        return _("this is not UTF-8 text")
    return _("this cannot be a uid") if uid_problem(line.uid) else ""


def _locked(announcement: Announcement) -> Announcement:
    drafts = Announcement.objects.select_for_update().filter(published_at__isnull=True, withdrawn_at__isnull=True)
    draft = drafts.filter(pk=announcement.pk).first()
    if draft is None:
        raise Published
    return draft


def _changed(request: HttpRequest, draft: Announcement) -> None:
    """Whoever looks at the page that publishes it must look again; who gave uids has written in it."""
    writers = [*dict.fromkeys([*draft.edited_by, users.uid_of(request.user)])]
    Announcement.objects.filter(pk=draft.pk).update(enrolled_at=clock.now(), edited_by=writers, changed_at=Now())


def _emptied(site: "ModelAdmin[Announcement]", request: HttpRequest, announcement: Announcement) -> HttpResponse:
    with transaction.atomic():
        draft = _locked(announcement)
        removed, _rows = Recipient.objects.filter(announcement=draft).delete()
        _changed(request, draft)
        text = ngettext("Removed %(count)s recipient.", "Removed %(count)s recipients.", removed) % {
            "count": figure(removed)
        }
        site.log_change(request, draft, text)
    site.message_user(request, text, messages.SUCCESS)
    return _here(announcement)


def _summary(report: Report) -> str:
    if not (report.added or report.known or report.bad):
        return _("Nothing was given.")
    added = ngettext("%(count)s recipient added", "%(count)s recipients added", report.added)
    parts = [added % {"count": figure(report.added)}]
    if report.known:
        parts.append(_("%(count)s were in the list already") % {"count": figure(report.known)})
    if report.bad:
        parts.append(ngettext("%(count)s bad line", "%(count)s bad lines", report.bad) % {"count": figure(report.bad)})
    return " · ".join(parts)


def _again(report: Report) -> str:
    """The bad lines as a text, to be put right and sent again."""
    return "\n".join(line.uid for line in report.kept)


def _here(announcement: Announcement) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:notifications_announcement_recipients", args=[announcement.pk]))
