"""What staff read in their own language: moments with their time zone, people by name, why something was refused."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, pgettext_lazy

from notifications import users
from notifications.exceptions import InvalidContent
from notifications.protocol.items import BODY_MAX

# What the use cases say in English, marked here for the catalogues; figures in a message are put in below.
gettext_noop("must be after the start and in the future")
gettext_noop("must be after its start; withdraw it instead")
gettext_noop("must be in the future and before the end it has")
gettext_noop("must be in the future")
# The kinds that are always offered, as `kind_name` looks them up.
gettext_noop("general")
gettext_noop("activity")
gettext_noop("maintenance")


def zone() -> str:
    """The time zone in which staff write and read times, with its present offset: `Asia/Shanghai (UTC+08:00)`."""
    offset = timezone.localtime().strftime("%z")
    return f"{timezone.get_current_timezone_name()} (UTC{offset[:3]}:{offset[3:5]})"


def moment(value: datetime | None) -> str:
    """A moment in the reader's language and time zone, the zone written out; a dash for none."""
    if value is None:
        return "–"
    return f"{formats.date_format(timezone.localtime(value), 'DATETIME_FORMAT')}, {zone()}"


def name_parts(field: Any) -> None:
    """Give the two inputs of a date and time names of their own: Django's widget leaves them to the eye."""
    date, time = field.widget.widgets
    date.attrs["aria-label"] = format_lazy("{} · {}", field.label, pgettext_lazy("part of a moment", "date"))
    time.attrs["aria-label"] = format_lazy("{} · {}", field.label, pgettext_lazy("part of a moment", "time"))


def chip(state: str, label: Any) -> SafeString:
    """A state as a coloured chip; the word in it says all, the colour repeats it."""
    return format_html('<span class="chip chip-{}">{}</span>', state, label)


def named(uids: Iterable[str]) -> dict[str, str]:
    """How to write each of these uids: by the user's name with the uid behind it, or the uid alone."""
    wanted = [uid for uid in dict.fromkeys(uids) if uid]
    known = users.names(wanted) if wanted else {}
    return {uid: f"{known[uid]} ({uid})" if uid in known else uid for uid in wanted}


def explained(name: str, problem: str, value: Any) -> str:
    """What is wrong with a field of content, as advice to the person who wrote it.

    Whether something is wrong was for `Content.checked` to say: `problem` is its verdict, in English and for programs.
    """
    if name == "body" and len(value) > BODY_MAX:
        return _("At most %(most)d characters; there are %(count)d.") % {"most": BODY_MAX, "count": len(value)}
    if name == "kind":
        return _("Small letters, digits and underscores, in parts joined by dots: activity.summer, for example.")
    if name == "url":
        return _("A path of this site, such as /wallet/, or an address that begins with https://; without spaces.")
    return _(problem)


def reasons(refused: InvalidContent) -> list[str]:
    """Each of the reasons for a refusal."""
    return [_(error["msg"]) for error in refused.errors]
