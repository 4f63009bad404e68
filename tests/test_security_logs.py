"""What people write to each other is in no log and in no figure (S17)."""

import json
from collections.abc import Callable

import httpx
import pytest

from tests.servers.deployment import Deployment
from tests.servers.node import Node, Platform
from tests.servers.postgresql import PostgreSQL
from tests.servers.sockets import Socket, mint

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]

CANARY = "Canary-4711"


async def say_it_everywhere(node: Node, deployment: Deployment, key: str, uid: str) -> set[int | str]:
    """Texts with the canary in them through every door, good and bad ones; gives the codes that came back."""
    token = mint(uid, node.platform.jwt_signing_key)
    codes: set[int | str] = set()
    content = {"uid": uid, "title": CANARY, "body": f"{CANARY} body", "data": {"x": CANARY}, "ref": CANARY}
    async with httpx.AsyncClient(base_url=node.url, timeout=30) as http:
        for params in (content, {**content, "url": f"javascript:{CANARY}"}, {**content, "kind": CANARY}, [CANARY] * 20):
            call = {"jsonrpc": "2.0", "id": CANARY, "method": "notifications.send", "params": params}
            answer = await http.post("/rpc/", json=call, headers={"Authorization": f"Bearer {key}"})
            codes.add(answer.json().get("error", {}).get("code", 0))
        for body in (f'{{"ids": ["{CANARY}"]}}', f'{{"ids": "{CANARY}"', f'{{"{CANARY}": 1}}'):
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            codes.add((await http.post("/api/notifications/read/", content=body, headers=headers)).status_code)
        form = {"username": CANARY, "password": CANARY}
        codes.add((await http.post("/api/token/", json=form)).status_code)
    async with Socket(node.socket_url, token) as socket:
        await socket.ready(20)
        for frame in ({"type": CANARY}, {"type": "read", "ids": [CANARY]}, {"type": "auth", "token": CANARY}):
            await socket.send(**frame)
        await socket.wait_for(lambda frame: frame.get("code") == "unauthorized", 20)
        await socket.ping()
        codes |= {frame["code"] for frame in socket.of_type("error")}
    return codes


@pytest.mark.security("S17")
async def test_no_log_and_no_figure_holds_a_text(
    postgresql: PostgreSQL, postgresql_url: str, start_node: Callable[..., Node]
) -> None:
    """Success, bad input, a database that refuses a row and quotes it in a traceback: never the text itself."""
    platform = Platform(postgresql_url)
    with Deployment(platform, ["uvicorn", "daphne"]) as deployment:
        uid, key = deployment.new_user(), deployment.service_key()
        for node in deployment.nodes:
            codes = await say_it_everywhere(node, deployment, key, uid)
            assert codes >= {0, -32602, 400, 401, "invalid_frame", "unauthorized"}, codes
        deployment.business.run(
            "from django.db import connection\n"
            "connection.cursor().execute('ALTER TABLE notifications_notification ADD CHECK (title = uid) NOT VALID')\n"
            "result = 0"
        )
        for node in deployment.nodes:
            codes = await say_it_everywhere(node, deployment, key, uid)
            assert -32603 in codes, codes
            # It is our fault, so the log tells where; what the database quoted of the row is left out.
            assert "IntegrityError" in node.log
        for node in deployment.nodes:
            async with httpx.AsyncClient() as http:
                figures = (await http.get(f"{node.url}/metrics")).text
            assert "notifications_rpc_calls_total" in figures
            for text in (node.log, figures):
                assert CANARY not in text
                assert key.partition(".")[2] not in text
        assert all(json.loads(line) for line in deployment.nodes[0].log.splitlines())
