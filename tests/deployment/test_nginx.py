"""The shipped nginx.conf in a real nginx, in front of three nodes."""

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack

import httpx
import pytest

from tests.deployment.conftest import Opener, figure, socket_url
from tests.servers.deployment import Deployment
from tests.servers.nginx import Nginx
from tests.servers.node import Node, Platform, RpcClient
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import HOST, aeventually
from tests.servers.sockets import Refused, Socket, mint

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]


def served_by(nginx: Nginx) -> dict[str, set[int]]:
    """By network, the ports of the nodes that its sockets were on, once these are closed."""
    found: dict[str, set[int]] = {}
    for line in nginx.log_lines():
        if "/ws/notifications/" in line and " 101 " in line:
            address, port = line.split()[0], line.rsplit(":", 1)[1]
            found.setdefault(address.rpartition(".")[0], set()).add(int(port))
    return found


async def test_everything_passes_but_what_is_for_the_inside(
    three_nodes: Deployment, proxy: Nginx, new_uid: Callable[[], str]
) -> None:
    """Sockets by both ways to give a token, pages, the API, services; figures and readiness stay inside."""
    uid = new_uid()
    for by_query in (True, False):
        async with Socket(socket_url(proxy), three_nodes.token(uid), by_query=by_query) as socket:
            await socket.ready()
            await socket.ping()
            assert socket.websocket.subprotocol == (None if by_query else "notifications.v1")
    async with (
        RpcClient(f"{proxy.url}/rpc/", three_nodes.service_key()) as rpc,
        Socket(socket_url(proxy), three_nodes.token(uid)) as socket,
        httpx.AsyncClient(base_url=proxy.url) as http,
    ):
        item_id = (await rpc.call("notifications.send", uid=uid, title="Through the proxy"))["id"]
        await socket.wait_item(item_id)
        me = {"Authorization": f"Bearer {three_nodes.token(uid)}"}
        assert (await http.get("/api/notifications/unread/", headers=me)).json() == {"unread": 1}
        assert (await http.get("/accounts/login/")).status_code == 200
        assert (await http.get("/healthz")).status_code == 200
        for path in ("/metrics", "/readyz"):
            assert (await http.get(path)).status_code == 404


async def test_a_network_stays_on_its_node(
    three_nodes: Deployment, proxy: Nginx, new_uid: Callable[[], str], opened: Opener
) -> None:
    """Every socket of a network lands on one node, and the networks are spread over all of them."""
    uids = [new_uid() for _ in range(6)]
    addresses = [f"127.7.{network}.{last}" for network in range(1, 13) for last in (1, 2)]
    async with AsyncExitStack() as stack:
        await asyncio.gather(
            *(opened(stack, socket_url(proxy), uids[n % 6], local_address=a) for n, a in enumerate(addresses))
        )
    # A line is written when its socket has ended.
    await aeventually(
        lambda: sum(" 101 " in line and line.startswith("127.7.") for line in proxy.log_lines()) == len(addresses)
    )
    found = {network: ports for network, ports in served_by(proxy).items() if network.startswith("127.7.")}
    assert all(len(ports) == 1 for ports in found.values())
    assert set.union(*found.values()) == {node.port for node in three_nodes.nodes}


async def test_a_push_accepted_anywhere_reaches_every_socket_once(
    three_nodes: Deployment, proxy: Nginx, new_uid: Callable[[], str], opened: Opener
) -> None:
    """From each node to the user's sockets on all nodes, by message and not by repair; one send for each socket."""
    uid, key = new_uid(), three_nodes.service_key()
    nodes = three_nodes.nodes
    async with AsyncExitStack() as stack:
        sockets = [await opened(stack, node.socket_url, uid) for node in nodes]
        for network in (1, 2, 3):
            sockets.append(await opened(stack, socket_url(proxy), uid, local_address=f"127.8.{network}.1"))
        clients = [await stack.enter_async_context(three_nodes.rpc(key, number)) for number in range(3)]
        clients.append(await stack.enter_async_context(RpcClient(f"{proxy.url}/rpc/", key)))
        # What was made at a socket's opening may be asked about first (`hub.DOUBT_MS`): wait until none is so young.
        settled = time.monotonic() + 1.2
        await aeventually(lambda: time.monotonic() > settled)
        before = [
            (figure(node, "notifications_pushes_total"), figure(node, "notifications_tail_repairs_total"))
            for node in nodes
        ]
        ids = []
        for number in range(12):
            ids.append((await clients[number % 4].call("notifications.send", uid=uid, title=f"Item {number}"))["id"])
            for socket in sockets:
                await socket.wait_item(ids[-1])
        for socket in sockets:
            await socket.ping()
            assert socket.pushed == ids
        after = [
            (figure(node, "notifications_pushes_total"), figure(node, "notifications_tail_repairs_total"))
            for node in nodes
        ]
        assert sum(a[0] - b[0] for a, b in zip(after, before, strict=True)) == 12 * len(sockets)
        # The machine may be so slow that a look of the tail overtakes a message, but not as a rule.
        assert sum(a[1] - b[1] for a, b in zip(after, before, strict=True)) <= 6


@pytest.mark.parametrize("how", ["killed", "drained"])
async def test_clients_of_a_node_that_goes_are_back_on_the_others(
    three_nodes: Deployment, new_uid: Callable[[], str], how: str, opened: Opener
) -> None:
    """Through the proxy, although it hashes them to that very node: at the first attempt, and nobody else notices."""
    uid = new_uid()
    with (
        Node(three_nodes.platform) as leaving,
        Nginx([leaving.port, *(node.port for node in three_nodes.nodes[:2])]) as nginx,
    ):
        async with AsyncExitStack() as stack, httpx.AsyncClient() as http:
            addresses = [f"127.9.{network}.1" for network in range(1, 11)]
            sockets = await asyncio.gather(
                *(opened(stack, socket_url(nginx), uid, local_address=address) for address in addresses)
            )
            # A peer that never answers its close keeps a node that drains from ending at once.
            silent = await opened(stack, leaving.socket_url, new_uid())
            silent.websocket.transport.pause_reading()
            mine = int(figure(leaving, "notifications_connections")) - 1
            assert 0 < mine < len(sockets)
            if how == "killed":
                leaving.kill()
            else:
                leaving.signal(signal.SIGTERM)
            await aeventually(lambda: sum(socket.closed for socket in sockets) == mine, 10)
            lost = [address for address, socket in zip(addresses, sockets, strict=True) if socket.closed]
            back = await asyncio.gather(
                *(opened(stack, socket_url(nginx), uid, local_address=address) for address in lost)
            )
            if how == "drained":
                # It was still there, and refusing, when they came.
                assert (await http.get(f"{leaving.url}/readyz")).status_code == 503
            rest = [socket for socket in sockets if not socket.closed]
            assert len(rest) == len(sockets) - mine
            item_id = await asyncio.to_thread(three_nodes.business.notify, uid, "Back again")
            for socket in (*back, *rest):
                await socket.wait_item(item_id)
            codes = {socket.code for socket in sockets if socket.closed}
            assert codes == ({4200} if how == "drained" else {1006})
            silent.abort()


async def test_another_node_is_a_line_and_a_signal(
    three_nodes: Deployment, new_uid: Callable[[], str], opened: Opener
) -> None:
    """A node that is added takes its share once nginx has read its files again; sockets that are open stay open."""
    uid = new_uid()
    first, second, _ = three_nodes.nodes
    with Nginx([first.port]) as nginx:
        async with AsyncExitStack() as stack:
            socket = await opened(stack, socket_url(nginx), uid, local_address="127.10.1.1")
            nginx.write_nodes([first.port, second.port])
            before = figure(second, "notifications_opens_total")
            nginx.reload()
            deadline = time.monotonic() + 40
            network = 1
            while figure(second, "notifications_opens_total") == before:
                assert time.monotonic() < deadline, "the second node gets no socket"
                network += 1
                await opened(stack, socket_url(nginx), uid, local_address=f"127.10.{network % 250}.1")
            item_id = await asyncio.to_thread(three_nodes.business.notify, uid, "Still here")
            await socket.wait_item(item_id)


async def test_staff_may_send_more_than_services(proxy: Nginx) -> None:
    """A list of uids passes to the node, which asks who it is; a body as large is too much for any other door."""
    async with httpx.AsyncClient(base_url=proxy.url) as http:
        large = b"x" * 2_000_000
        assert (await http.post("/admin/notifications/announcement/", content=large)).status_code in (302, 403)
        assert (await http.post("/rpc/", content=large)).status_code == 413


async def test_browsers_load_the_client_compressed(proxy: Nginx) -> None:
    """The one file of the browser client comes in under 20 KB; a page does not come compressed."""
    async with httpx.AsyncClient(base_url=proxy.url, headers={"Accept-Encoding": "gzip"}) as http:
        async with http.stream("GET", "/static/notifications/notifications.min.js") as answer:
            assert answer.status_code == 200
            assert answer.headers["Content-Encoding"] == "gzip"
            assert len(b"".join([part async for part in answer.aiter_raw()])) < 20_000
        assert "Content-Encoding" not in (await http.get("/accounts/login/")).headers


async def test_one_id_leads_from_an_answer_to_both_logs(three_nodes: Deployment, proxy: Nginx) -> None:
    """A request has the id that nginx gave it, whatever the client sends: it is in the answer and in nginx's line."""
    async with httpx.AsyncClient(base_url=proxy.url) as http:
        answer = await http.get("/healthz", headers={"X-Request-ID": "a-text-of-my-choice"})
    mine = answer.headers["X-Request-ID"]
    assert len(mine) == 32
    await aeventually(lambda: any(f" {mine} " in line for line in proxy.log_lines()))
    assert "a-text-of-my-choice" not in "".join(proxy.log_lines())


@pytest.mark.security("S4")
async def test_no_log_holds_a_token(
    postgresql: PostgreSQL, three_nodes: Deployment, new_uid: Callable[[], str]
) -> None:
    """A canary goes through success, 403, 502 and a traceback, in query, subprotocol, header and Referer."""
    # No tables: whoever looks for the user of a good token meets an exception.
    bare = Platform(postgresql.url(postgresql.make_database()), jwt_signing_key=three_nodes.platform.jwt_signing_key)
    with ExitStack() as servers:
        good = servers.enter_context(Node(three_nodes.platform))
        broken = servers.enter_context(Node(bare))
        proxies = [servers.enter_context(Nginx([node.port])) for node in (good, broken)]
        # A number, as the user table's keys are: any other uid is nobody's without a look into it.
        uid = new_uid().removeprefix("u")
        tokens = [three_nodes.token(uid), mint(uid, "x" * 48)]
        statuses: set[int | None] = set()

        async def knock(nginx: Nginx, token: str) -> None:
            for by_query in (True, False):
                referer = [("Referer", f"{nginx.url}/?token={token}")]
                try:
                    async with Socket(socket_url(nginx), token, by_query=by_query, headers=referer) as socket:
                        await socket.ready()
                        statuses.add(101)
                except Refused as refused:
                    statuses.add(refused.status)
            async with httpx.AsyncClient(base_url=nginx.url) as http:
                for path in (f"/api/notifications/?token={token}", f"/nowhere?token={token}", f"/rpc/?token={token}"):
                    headers = {"Authorization": f"Bearer {token}", "Referer": f"{nginx.url}/?token={token}"}
                    statuses.add((await http.get(path, headers=headers)).status_code)
                # What nginx itself refuses: a line, a header, a body that are too long; no request at all.
                await http.get(f"/ws/notifications/?token={token}&x={'x' * 20_000}")
                await http.get("/ws/notifications/", headers={"X-Long": f"{token} {'x' * 40_000}"})
                await http.post(f"/rpc/?token={token}", content=b"x" * 600_000)
            reader, writer = await asyncio.open_connection(HOST, nginx.port)
            writer.write(f"GET /ws/notifications/?token={token} HTTP/9.9\r\nHost: \x01\r\n\r\n".encode())
            await reader.read()
            writer.close()

        for nginx in proxies:
            for token in tokens:
                await knock(nginx, token)
        for node in (good, broken):
            node.stop()
        for nginx in proxies:
            for token in tokens:
                await knock(nginx, token)
        assert statuses >= {101, 403, 404, 502}, statuses
        assert "Traceback" in broken.log
        for nginx in proxies:
            assert any(" 502 " in line for line in nginx.log_lines())
        logs = {path: path.read_text(errors="replace") for process in (good, broken, *proxies)
                for path in process.folder.rglob("*") if path.is_file()}  # fmt: skip
        assert sum("/ws/notifications/" in text for text in logs.values()) >= 2
        for path, text in logs.items():
            for token in tokens:
                assert token not in text, path
                assert token.split(".")[2] not in text, path
