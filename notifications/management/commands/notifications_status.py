"""`manage.py notifications_status`: the nodes and what goes on."""

import time
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Sum

from notifications import clock, roll, unread_index
from notifications.management.reporting import ReportingCommand
from notifications.models import Announcement, Notification
from notifications.protocol.items import timestamp

CLEAR_SCREEN = "\x1b[2J\x1b[H"


def seconds(raw: str) -> float:
    """An argument that is a number of seconds, a tenth at least."""
    try:
        value = float(raw)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 86_400:
        raise ArgumentTypeError(f"{raw!r} is no number of seconds from 0.1 to 86400")
    return value


class Command(ReportingCommand):
    """Says which nodes serve, how many sockets they hold, and how much is published; with `--watch` again and again."""

    help = "Show the nodes, their sockets, and what is being published."

    def add_arguments(self, parser: CommandParser) -> None:
        """Once, or how often."""
        super().add_arguments(parser)
        parser.add_argument(
            "--watch", type=seconds, metavar="N", help="every N seconds, until Ctrl+C; with --json a line each time"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Once, or until interrupted."""
        interval: float | None = options["watch"]
        clear = interval is not None and not options["json"] and self.stdout.isatty()
        try:
            while True:
                if clear:
                    self.stdout.write(CLEAR_SCREEN, ending="")
                super().handle(*args, **options)
                self.stdout.flush()
                if interval is None:
                    return
                time.sleep(interval)
        except KeyboardInterrupt:
            return

    def act(self, **options: Any) -> dict[str, Any]:
        """Ask the database and every Redis."""
        now = clock.now()
        nodes = [
            {
                "host": node.host,
                "pid": node.pid,
                "sockets": node.sockets,
                "users": node.users,
                "pushes": node.pushes,
                "tail_age": round(node.tail_age, 3),
                "draining": node.draining,
                "started_at": timestamp(node.started_at),
                "reported_at": timestamp(node.changed_at),
            }
            for node in roll.present()
        ]
        live = Announcement.objects.live(now)
        scheduled = Announcement.objects.filter(live_at__gt=now, withdrawn_at__isnull=True)
        return {
            "time": timestamp(now),
            "nodes": nodes,
            "sockets": roll.present().aggregate(total=Sum("sockets"))["total"] or 0,
            "notifications": {
                # Ids sort by time: this reads the end of the primary key's index, not the table.
                name: Notification.objects.filter(id__gte=clock.new_id(now - span)).count()
                for name, span in (("last_minute", timedelta(minutes=1)), ("last_hour", timedelta(hours=1)))
            },
            "announcements": {"live": live.count(), "scheduled": scheduled.count()},
            "redis": [
                {"address": state.address, "error": state.error or None} for state in unread_index.server_states()
            ],
        }

    def text(self, result: dict[str, Any]) -> str:
        """A table of the nodes and a line for each of the rest."""
        lines = [f"{result['time']}  {len(result['nodes'])} nodes, {result['sockets']:,} sockets"]
        if result["nodes"]:
            lines.append(f"  {'node':<32}{'sockets':>9}{'users':>9}{'pushes':>13}{'tail':>8}")
        for node in result["nodes"]:
            name = f"{node['host']}:{node['pid']}"
            figures = f"{node['sockets']:>9,}{node['users']:>9,}{node['pushes']:>13,}{node['tail_age']:>6.1f} s"
            lines.append(f"  {name:<32}{figures}{'  draining' if node['draining'] else ''}")
        sent, announced = result["notifications"], result["announcements"]
        lines.append(
            f"notifications: {sent['last_minute']:,} in the last minute, {sent['last_hour']:,} in the last hour"
        )
        lines.append(f"announcements: {announced['live']} live, {announced['scheduled']} scheduled")
        lines += [f"redis: {redis['address']} {redis['error'] or 'answers'}" for redis in result["redis"]]
        return "\n".join(lines)
