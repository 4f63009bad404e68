"""The short way to `/rpc/`: the same answers, with none of the project's other middleware in between."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, override_settings
from django.test.utils import modify_settings

from notifications.rpc.middleware import rpc_first
from tests.rpc.caller import Caller

INFO = {"jsonrpc": "2.0", "method": "service.info", "id": 1}
SHORT = "notifications.rpc.middleware.rpc_first"


async def test_the_answer_is_the_same_with_and_without_it(billing: Caller) -> None:
    """It is optional: a project that knows nothing of it is served too."""
    short = await billing.post(INFO)
    with modify_settings(MIDDLEWARE={"remove": [SHORT]}):
        billing.http = AsyncClient()
        long = await billing.post(INFO)
    assert json.loads(short.content)["result"]["name"] == json.loads(long.content)["result"]["name"] == "billing"
    # What Django's middleware adds tells the two ways apart; what a browser must not guess is there on both.
    assert "Content-Security-Policy" not in short
    assert "Content-Security-Policy" in long
    assert short["X-Content-Type-Options"] == long["X-Content-Type-Options"] == "nosniff"


async def test_everything_else_goes_the_long_way() -> None:
    """The page of the methods too."""
    response = await AsyncClient().get("/rpc/docs/")
    assert response["X-Frame-Options"] == "DENY"


def test_under_wsgi_it_steps_aside() -> None:
    """Nothing is put between, and the door works by Django's own bridge."""

    def get_response(_: HttpRequest) -> HttpResponse:
        return HttpResponse()

    chained: Any = rpc_first(get_response)
    assert chained is get_response
    with override_settings(NOTIFICATIONS={}):
        response = Client().post("/rpc/", b"x", content_type="text/plain")
    assert response.status_code == 401
