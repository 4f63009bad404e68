"""The doctor: looks a deployment over for what usually goes wrong, and says how each finding is mended."""

import asyncio
import resource
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from notifications import proxy_file, unread_index
from notifications.conf import conf
from notifications.models import database_now
from notifications.server import SPARE_DESCRIPTORS

# Nodes follow the database's clock, so more than a second or two is no danger, but a sign that nobody sets the clocks;
# from 30 s on tokens are refused as expired or not yet valid.
SKEW_NOTICED = timedelta(seconds=2)
SKEW_HARMFUL = timedelta(seconds=30)
# Fewer sockets than that a node should not have to refuse.
SOCKETS_WANTED = 10_000
SOCKET_PATH = "/ws/notifications/"
STATIC_DIR = Path(__file__).resolve().parent / "static"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: `harmful` where the deployment does not work like this, otherwise a warning."""

    harmful: bool
    message: str
    mend: str


def _harm(message: str, mend: str) -> Finding:
    return Finding(harmful=True, message=message, mend=mend)


def _warning(message: str, mend: str) -> Finding:
    return Finding(harmful=False, message=message, mend=mend)


def examine(nginx: str | None = None) -> Iterator[tuple[str, list[Finding]]]:
    """Each examination's name with what it found. The later ones are still made where an earlier one finds harm.

    `nginx` is the text of the proxy's configuration, if it is to be looked at.
    """
    for name, look in EXAMINATIONS.items():
        yield name, list(look())
    if nginx is not None:
        yield "proxy", list(proxy(nginx))


def proxy(text: str) -> Iterator[Finding]:
    """What an nginx configuration lacks for the sockets behind it."""
    try:
        top = proxy_file.parse(text)
    except ValueError as error:
        yield _harm(f"The proxy's configuration cannot be read: {error}.", "Run: nginx -t")
        return
    locations = proxy_file.serving(top, SOCKET_PATH)
    if not locations:
        mend = f"Give it a location {SOCKET_PATH} with a proxy_pass, as docker/nginx/nginx.conf has it."
        yield _harm(f"The proxy passes {SOCKET_PATH} on to no node.", mend)
    for location in locations:
        name = " ".join(["location", *location.arguments])
        if proxy_file.read_timeout(location) <= conf().heartbeat_interval:
            yield _harm(
                f"{name}: the proxy gives a quiet socket up after {proxy_file.read_timeout(location):g} s, "
                f"before the heartbeat of {conf().heartbeat_interval:g} s.",
                f"Set proxy_read_timeout to {2 * conf().heartbeat_timeout:g}s.",
            )
        if not proxy_file.upgrades(location):
            yield _harm(
                f"{name}: the proxy does not pass on that a WebSocket is wanted.",
                "Set proxy_http_version 1.1, proxy_set_header Upgrade $http_upgrade and Connection upgrade.",
            )
        if proxy_file.logs_queries(top, location):
            yield _warning(
                f"{name}: the proxy logs query strings, and with them tokens.",
                "Give access_log a log_format with $uri in place of $request.",
            )


# Of the platform here: both are off only by PLAIN_HTTP.
_MENDS = dict.fromkeys(
    ("security.W012", "security.W016"),
    "Serve over HTTPS: unset PLAIN_HTTP, or set SESSION_COOKIE_SECURE and CSRF_COOKIE_SECURE in settings of your own.",
)


def _settings() -> Iterator[Finding]:
    for message in checks.run_checks(include_deployment_checks=True):
        if not message.is_silenced():
            name = f" ({message.id})" if message.id else ""
            # Django's own checks have no hints: what they say ends with what to do.
            mend = message.hint or _MENDS.get(
                message.id or "", "Do as it says; Django's list of system checks has more."
            )
            yield Finding(message.level >= checks.ERROR, f"{message.msg}{name}", mend)


def _database() -> Iterator[Finding]:
    try:
        connection.ensure_connection()
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        yield _harm(f"The database cannot be reached: {_line(error)}", "Start it, and see that DATABASE_URL is right.")
        return
    if plan:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in plan[:3])
        yield _harm(f"{len(plan)} migrations are not applied ({names} ...).", "Run: manage.py migrate")
    if connection.vendor == "sqlite" and not _is_wal():
        yield _warning(
            "SQLite does not keep a write-ahead log: whoever writes locks out all who read.",
            'Give DATABASES["default"]["OPTIONS"] "init_command": "PRAGMA journal_mode=WAL".',
        )


def _is_wal() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        return bool(cursor.fetchone()[0] == "wal")


def _redis() -> Iterator[Finding]:
    for state in unread_index.server_states():
        at = f"Redis at {state.address}"
        if state.error:
            yield _harm(
                f"{at} cannot be asked: {_line(state.error)}",
                "Start it, and see that REDIS_URL is right. Until then pushes come by the database, a second later.",
            )
            continue
        if state.refusal:
            yield _harm(
                f"{at} takes no writes: {_line(state.refusal)}",
                "Give it more memory (maxmemory), or REDIS_URL the address of the primary. "
                "Until then the database answers in its place.",
            )
        if state.maxmemory_policy != "noeviction":
            yield _warning(
                f"{at} evicts ({state.maxmemory_policy}): it may drop the index and the groups at any time.",
                "Set maxmemory-policy noeviction, or give the app a Redis of its own.",
            )
        if state.persistent:
            yield _warning(
                f"{at} stores its data: after a restart it may hold older unread than the database.",
                'Start it with --save "" --appendonly no.',
            )


def _channel_layer() -> Iterator[Finding]:
    layer = get_channel_layer()
    if isinstance(layer, InMemoryChannelLayer) and connection.vendor != "sqlite":
        yield _warning(
            "The channel layer is in memory: pushes from other processes come by the database, up to a second later.",
            "Set REDIS_URL.",
        )
    try:
        async_to_sync(_round_trip)()
    except Exception as error:  # whatever a layer raises, it does not work
        yield _harm(
            f"The channel layer does not pass messages on: {_line(error) or type(error).__name__}",
            "See that REDIS_URL is right, and that its user may use PUBLISH, SUBSCRIBE and UNSUBSCRIBE.",
        )


async def _round_trip() -> None:
    layer = get_channel_layer()
    group = f"doctor.{secrets.token_hex(8)}"
    async with asyncio.timeout(2):
        channel = await layer.new_channel()
        await layer.group_add(group, channel)
        await layer.group_send(group, {"type": "notifications.doctor"})
        await layer.receive(channel)
        await layer.group_discard(group, channel)


def _clocks() -> Iterator[Finding]:
    others: dict[str, datetime] = {}
    try:
        others["The database"] = database_now()
    except DatabaseError:
        return
    here = datetime.now(UTC)
    for state in unread_index.server_states():
        if state.clock is not None:
            others[f"Redis at {state.address}"] = state.clock
    for name, clock in others.items():
        skew = abs(clock - here)
        if skew > SKEW_NOTICED:
            yield Finding(
                skew > SKEW_HARMFUL,
                f"{name} has another time than this machine, by {skew.total_seconds():.0f} s.",
                "Keep the clocks of all machines by NTP (chrony, systemd-timesyncd).",
            )


def _descriptors() -> Iterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    sockets = hard - SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY and sockets < SOCKETS_WANTED:
        yield _warning(
            f"A process may open {hard:,} files: a node started like this holds {max(sockets, 0):,} sockets.",
            "Raise the hard limit: LimitNOFILE=65536 in a systemd unit, ulimits.nofile in compose.yaml.",
        )


def _static_files() -> Iterator[Finding]:
    names = sorted(path.relative_to(STATIC_DIR).as_posix() for path in STATIC_DIR.rglob("*.js"))
    mend = "Keep django.contrib.staticfiles and its finders, or run: manage.py collectstatic"
    missing = []
    for name in names:
        try:
            staticfiles_storage.url(name)
        except (ValueError, ImproperlyConfigured) as error:
            mend = "Set STATIC_ROOT to a folder that is served, and run: manage.py collectstatic"
            yield _harm(f"Static files have no addresses: {_line(error)}", mend)
            return
        if finders.find(name) is None and not _is_collected(name):
            missing.append(name)
    if missing:
        yield _harm(f"{len(missing)} static files are not found, {missing[0]} among them.", mend)


def _is_collected(name: str) -> bool:
    try:
        return bool(staticfiles_storage.exists(name))
    except ImproperlyConfigured:  # no STATIC_ROOT: nothing is collected
        return False


EXAMINATIONS: dict[str, Callable[[], Iterator[Finding]]] = {
    "settings": _settings,
    "database": _database,
    "redis": _redis,
    "channel layer": _channel_layer,
    "clocks": _clocks,
    "file descriptors": _descriptors,
    "static files": _static_files,
}


def _line(error: object) -> str:
    return " ".join(str(error).split())[:200]
