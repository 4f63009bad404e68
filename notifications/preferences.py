"""What a user has chosen: when nothing may pop up, whether there is a sound, and which kinds do not pop up at all."""

import re
from collections.abc import Mapping
from datetime import time
from typing import Any

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifications import clock
from notifications.exceptions import InvalidContent
from notifications.protocol.items import KIND_MAX, KIND_PATTERN, UID_MAX

MUTED_MAX = 100
# Only its shape: browsers know names that this machine's zone files may not, and it is browsers that reckon with them.
TIME_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,3}")
TIME_ZONE_MAX = 64
TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class Preferences(models.Model):
    """What one uid has chosen; who has chosen nothing has no row."""

    uid = models.CharField(_("uid"), max_length=UID_MAX, primary_key=True)
    quiet_from = models.TimeField(_("quiet from"), null=True)
    quiet_to = models.TimeField(_("quiet to"), null=True)
    time_zone = models.CharField(_("time zone"), max_length=TIME_ZONE_MAX, blank=True, default="")
    # None: not chosen, so that the page says.
    sound = models.BooleanField(_("sound"), null=True)
    muted_kinds = models.JSONField(_("kinds that do not pop up"), default=list, blank=True)
    changed_at = models.DateTimeField(_("changed"))

    class Meta:
        verbose_name = _("preferences")
        verbose_name_plural = _("preferences")

    def __str__(self) -> str:
        return f"preferences of {self.uid}"

    def values(self) -> dict[str, Any]:
        """As the HTTP API gives them: `quiet_hours`, `sound`, `muted_kinds`."""
        quiet = None
        if self.quiet_from is not None and self.quiet_to is not None:
            quiet = {
                "from": self.quiet_from.isoformat("minutes"),
                "to": self.quiet_to.isoformat("minutes"),
                "time_zone": self.time_zone,
            }
        return {"quiet_hours": quiet, "sound": self.sound, "muted_kinds": self.muted_kinds}


def of(uid: str) -> dict[str, Any]:
    """What `uid` has chosen, as `Preferences.values` gives it."""
    return (Preferences.objects.filter(uid=uid).first() or Preferences(uid=uid)).values()


def keep(uid: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Store what `uid` chooses in place of what was, and give it back. What is left out is as if never chosen.

    Raises `InvalidContent` and stores nothing if any of it is wrong; fields of other names are ignored.
    """
    row = Preferences(uid=uid, changed_at=clock.now())
    errors = [*_quiet(row, given.get("quiet_hours")), *_sound(row, given.get("sound"))]
    errors += _muted(row, given.get("muted_kinds"))
    if errors:
        raise InvalidContent(errors)
    columns = {field.name: getattr(row, field.name) for field in Preferences._meta.fields if not field.primary_key}
    Preferences.objects.update_or_create(uid=uid, defaults=columns)
    return row.values()


def kind_name(kind: str) -> str:
    """A kind for people: what the project's catalogue has for it (`_("recharge.succeeded")`), or its own words."""
    name = gettext(kind)
    return name if name != kind else kind.replace("_", " ").replace(".", " / ")


def _quiet(row: Preferences, given: Any) -> list[dict[str, Any]]:
    if given is None:
        return []
    if not isinstance(given, dict):
        return [_wrong("must be an object or null", "quiet_hours")]
    errors = []
    for name in ("from", "to"):
        text = given.get(name)
        if not isinstance(text, str) or not TIME.fullmatch(text):
            errors.append(_wrong("must be a time of day: HH:MM", "quiet_hours", name))
    zone = given.get("time_zone")
    if not isinstance(zone, str) or len(zone) > TIME_ZONE_MAX or not TIME_ZONE.fullmatch(zone):
        errors.append(_wrong("must be a time zone's name, as Europe/Berlin", "quiet_hours", "time_zone"))
    if not errors and given["from"] == given["to"]:
        errors.append(_wrong("must differ from the beginning", "quiet_hours", "to"))
    if not errors:
        row.quiet_from, row.quiet_to = time.fromisoformat(given["from"]), time.fromisoformat(given["to"])
        row.time_zone = given["time_zone"]
    return errors


def _sound(row: Preferences, given: Any) -> list[dict[str, Any]]:
    if given is not None and not isinstance(given, bool):
        return [_wrong("must be true, false or null", "sound")]
    row.sound = given
    return []


def _muted(row: Preferences, given: Any) -> list[dict[str, Any]]:
    kinds = [] if given is None else given
    if not isinstance(kinds, list) or len(kinds) > MUTED_MAX:
        return [_wrong(f"must be a list of at most {MUTED_MAX} kinds", "muted_kinds")]
    wrong = [n for n, kind in enumerate(kinds) if not _is_kind(kind)]
    row.muted_kinds = [] if wrong else sorted(set(kinds))
    return [_wrong("must match [a-z0-9_]+(\\.[a-z0-9_]+)*", "muted_kinds", n) for n in wrong]


def _is_kind(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= KIND_MAX and KIND_PATTERN.fullmatch(value) is not None


def _wrong(problem: str, *loc: str | int) -> dict[str, Any]:
    return {"loc": list(loc), "msg": problem}
