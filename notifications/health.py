"""What operators' machines ask: is the process alive, may it be sent users, what are its figures."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import reverse
from django.utils.decorators import sync_and_async_middleware
from django.views.decorators.cache import never_cache

from notifications import metrics, node, unread_index
from notifications.database import in_thread
from notifications.exceptions import NotificationsError

# Load balancers wait for two or three seconds; a database that needs longer serves nobody either.
PATIENCE_SECONDS = 2.0


@never_cache
async def healthz(request: HttpRequest) -> HttpResponse:
    """The event loop turns. Nothing else is asked: a database that is away is no reason to restart a node."""
    return JsonResponse({"status": "ok"})


@never_cache
async def readyz(request: HttpRequest) -> HttpResponse:
    """Whether this node may be sent users, as `{status, reasons, degraded}`; 503 while it may not.

    Reasons: `draining`, `database` (away or too slow), `migrations` (this version's are not applied yet). Without
    `redis` a node is only slower, so that is `degraded` and no reason.
    """
    reasons = ["draining"] if node.draining() else []
    database, redis = await asyncio.gather(_database(), _redis())
    reasons += [database] if database else []
    degraded = [] if redis else ["redis"]
    status = "unready" if reasons else "ready"
    body = {"status": status, "reasons": reasons, "degraded": degraded}
    return JsonResponse(body, status=503 if reasons else 200)


@never_cache
async def figures(request: HttpRequest) -> HttpResponse:
    """Prometheus's text format; see `notifications.metrics`."""
    here = node.running()
    if here is not None:
        here.measure()
    return HttpResponse(metrics.exposition(), content_type=metrics.CONTENT_TYPE)


@sync_and_async_middleware
def probes_first(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Answer these addresses before any other middleware; put it first.

    Container health checks, load balancers and Prometheus ask a node by its own address, which ALLOWED_HOSTS does not
    hold and Django's middleware would answer with 400. Nothing here uses the host. Under WSGI it does nothing.
    """
    if not iscoroutinefunction(get_response):
        return get_response

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        name = request.path_info.rpartition("/")[2]
        if name in _PROBES and request.path_info == reverse(f"notifications:{name}"):
            response: HttpResponse = await _PROBES[name](request)
            response["X-Content-Type-Options"] = "nosniff"
            return response
        answer: HttpResponseBase = await get_response(request)
        return answer

    return middleware


_PROBES = {"healthz": healthz, "readyz": readyz, "metrics": figures}


async def _database() -> str:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await in_thread(_ask_database)
    except (NotificationsError, DatabaseError, TimeoutError):
        return "database"


def _ask_database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    if not _migrated.is_set():
        loader = MigrationLoader(connection)
        if any(leaf not in loader.applied_migrations for leaf in loader.graph.leaf_nodes("notifications")):
            return "migrations"
        _migrated.set()
    return ""


# Reading the migrations takes some 20 ms, and once applied they stay so.
_migrated = threading.Event()


async def _redis() -> bool:
    """Whether every part of Redis that this node knows of answers; True where there is none."""
    here = node.running()
    if here is not None and not here.hub.membership.healthy:
        return False
    states = await asyncio.to_thread(unread_index.server_states)
    return not any(state.error for state in states)
