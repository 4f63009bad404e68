"""What operators' machines ask: is the process alive, may it be sent users, what are its figures."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from notifications import node


async def healthz(request: HttpRequest) -> HttpResponse:
    """The event loop turns; nothing else is asked, so that a database that is away restarts no node."""
    return JsonResponse({"status": "ok"})


async def readyz(request: HttpRequest) -> HttpResponse:
    """503 while the node is draining or cannot reach the database."""
    return JsonResponse({"status": "draining" if node.draining() else "ready"}, status=503 if node.draining() else 200)


async def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text format."""
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)
