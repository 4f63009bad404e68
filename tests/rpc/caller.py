"""Calling `/rpc/` by HTTP, through the whole stack of Django's middleware, in the test's own process."""

import json
from collections.abc import Iterable
from typing import Any, cast

from channels.db import database_sync_to_async
from django.http import HttpResponse
from django.test import AsyncClient

from notifications import service_keys
from notifications.models import ServiceKey

ALL = tuple(ServiceKey.Scope.values)


class Caller:
    """A calling service with a key of its own. `call` gives a result or raises `Failed`; `post` is the plain door."""

    def __init__(self, key: str = "", name: str = "") -> None:
        self.key = key
        self.name = name
        self.http = AsyncClient()

    async def post(self, body: Any, *, content_type: str = "application/json", key: str | None = None) -> HttpResponse:
        """POST a body: text, bytes, or what is to be JSON."""
        bearer = self.key if key is None else key
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        raw = body if isinstance(body, bytes | str) else json.dumps(body)
        # `post` itself would turn bytes into what the content type says.
        answer: Any = await self.http.generic("POST", "/rpc/", raw, content_type=content_type, headers=headers)
        return cast("HttpResponse", answer)

    async def answer(self, body: Any) -> Any:
        """The JSON that a body is answered with."""
        response = await self.post(body)
        assert response.status_code == 200, response.content
        return json.loads(response.content)

    async def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call by position or by name."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(args) if args else kwargs}
        answer = await self.answer(body)
        assert answer["jsonrpc"] == "2.0"
        assert answer["id"] == 1
        if "error" in answer:
            raise Failed(**answer["error"])
        return answer["result"]


class Failed(Exception):
    """The error of an answer."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{code} {message} {data}")
        self.code, self.message, self.data = code, message, data


def make_caller(name: str = "billing", scopes: Iterable[str] = ALL) -> Caller:
    """A service with a fresh key."""
    return Caller(service_keys.create(name, scopes)[1], name)


amake_caller = database_sync_to_async(make_caller)
