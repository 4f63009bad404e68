"""What users and services do in a run, at random: publish, connect, read, go away; all of it written to the history."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx

from tests.faults.history import Final, History, Link, Publish, Read, Retract
from tests.servers.sockets import Refused, Socket

# RPC errors after which nothing was done for certain, whatever else is going on.
REFUSALS = (-32602, -32600, -32601, -32001, -32003)


class Workload:
    """Hundreds of clients and a few services. `address` picks where a socket goes, `rpc_address` where a call goes."""

    def __init__(
        self,
        rng: random.Random,
        history: History,
        *,
        uids: list[str],
        token: Callable[[str], str],
        key: str,
        address: Callable[[], tuple[str, str | None]],
        rpc_address: Callable[[], str],
        publishes_per_second: float,
        announcements_per_second: float,
        life: float,
    ) -> None:
        self.rng = rng
        self.history = history
        self.uids = uids
        self.token = token
        self.address = address
        self.rpc_address = rpc_address
        self.publish_pause = 1 / publishes_per_second
        self.announce_pause = 1 / announcements_per_second
        self.life = life
        self.stopping = asyncio.Event()
        self._numbers = count(1)
        self._nonces = count(1)
        self._seen: dict[str, list[str]] = {uid: [] for uid in uids}
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"}, timeout=6, limits=httpx.Limits(max_connections=40)
        )
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self, seconds: float) -> None:
        """Go on for so long, then let what is under way come to its end."""
        actors = [asyncio.create_task(self._user(uid)) for uid in self.uids for _ in range(self.rng.randint(1, 3))]
        services = [asyncio.create_task(self._service()), asyncio.create_task(self._announcer())]
        await asyncio.sleep(seconds)
        self.stopping.set()
        await asyncio.gather(*services)
        while self._calls:
            await asyncio.gather(*list(self._calls))
        self._actors = actors

    async def finish(self) -> None:
        """Close every socket."""
        for actor in self._actors:
            actor.cancel()
        await asyncio.gather(*self._actors, return_exceptions=True)
        await self._client.aclose()

    async def look(self, seconds: float = 20.0) -> None:
        """Let a fresh client of each uid say what is unread now."""
        for start in range(0, len(self.uids), 20):
            await asyncio.gather(*(self._final(uid, seconds) for uid in self.uids[start : start + 20]))

    # --- services

    async def _service(self) -> None:
        while not self.stopping.is_set():
            self._begin(self._publish(self.rng.choice(self.uids)))
            if self.rng.random() < 0.05:
                self._begin(self._retract())
            await self._pause(self.rng.expovariate(1 / self.publish_pause))

    async def _announcer(self) -> None:
        while not self.stopping.is_set():
            await self._pause(self.rng.expovariate(1 / self.announce_pause))
            self._begin(self._publish(None))

    def _begin(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _publish(self, uid: str | None) -> None:
        rng = self.rng
        nonce = f"n{next(self._nonces)}"
        content = {
            "title": nonce,
            "body": rng.choice(["", "Grüße 你好 <b>", "x" * rng.randint(1, 300)]),
            "kind": rng.choice(["general", "recharge.succeeded", "audit.result"]),
            "level": rng.choice(["info", "success", "warning", "error"]),
            "url": rng.choice([None, "/wallet/42", "https://example.org/?a=1&b=2"]),
            "data": rng.choice([{}, {"n": rng.randint(0, 9), "deep": [{"x": None}]}]),
        }
        publish = Publish(nonce, uid, content, time.monotonic())
        self.history.publishes.append(publish)
        params: dict[str, Any] = {**content, "idempotency_key": f"key-{nonce}"}
        dice = rng.random()
        # When it may be expected, by a clock that may be a little off.
        due = 0.0
        if uid is None:
            params["ends_at"] = _moment(3600)
            if dice < 0.5:
                delay = rng.uniform(1, 3)
                due = time.monotonic() + delay + 0.5
                params["starts_at"] = _moment(delay)
        else:
            params["uid"] = uid
            if dice < 0.05:
                lifetime = rng.uniform(2, 6)
                publish.expires_wall = time.time() + lifetime
                params["expires_at"] = _moment(lifetime)
            elif dice < 0.10:
                # Content that must be refused, and never seen.
                params |= rng.choice([{"level": "loud"}, {"url": "javascript:alert(1)"}, {"body": "x" * 4001}])
        method = "announcements.create" if uid is None else "notifications.send"
        # The same call several times at once now and then, and again for as long as its outcome is not known.
        for attempt in range(4):
            parallel = rng.randint(2, 4) if rng.random() < 0.1 else 1
            answers = await asyncio.gather(*(self._call(method, params) for _ in range(parallel)))
            for kind, value in answers:
                if kind == "ok" and not publish.id:
                    publish.id, publish.outcome, publish.completed = value["id"], "ok", max(due, time.monotonic())
                elif kind == "ok" and value["id"] != publish.id:
                    publish.other_ids.append(value["id"])
            if publish.outcome == "ok":
                return
            if all(kind == "refused" for kind, _ in answers):
                publish.outcome = "refused"
                return
            await asyncio.sleep(rng.uniform(0.1, 0.5) * 2**attempt)

    async def _retract(self) -> None:
        done = [p for p in self.history.publishes if p.id and p.uid is not None]
        if not done:
            return
        target = self.rng.choice(done[-50:])
        retract = Retract(target.id, time.monotonic())
        self.history.retracts.append(retract)
        for _ in range(3):
            kind, _ = await self._call("notifications.retract", {"id": target.id})
            if kind != "unknown":
                retract.outcome, retract.completed = kind, time.monotonic()
                return
            await asyncio.sleep(0.5)

    async def _call(self, method: str, params: dict[str, Any]) -> tuple[str, Any]:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            answer = (await self._client.post(self.rpc_address(), json=body)).json()
        except (httpx.HTTPError, ValueError):
            return "unknown", None
        if "result" in answer:
            return "ok", answer["result"]
        # `unavailable` too is no certainty: the commit may have been done when the database went away.
        return ("refused" if answer["error"]["code"] in REFUSALS else "unknown"), None

    # --- users

    async def _user(self, uid: str) -> None:
        failures = 0
        # Some come and go, others stay until they are sent away: only those show what a node never makes up for.
        steady = self.rng.random() < 0.4
        await asyncio.sleep(self.rng.uniform(0, 1))
        while True:
            url, local = self.address()
            socket = Socket(url, self.token(uid), local_address=local)
            link = Link(next(self._numbers), uid, time.monotonic())
            try:
                await socket.open()
            except (Refused, TimeoutError):
                failures += 1
                await asyncio.sleep(self.rng.uniform(0.05, min(2.0, 0.2 * 2**failures)))
                continue
            failures = 0
            self.history.links.append(link)
            try:
                await self._live(socket, link, steady=steady)
            finally:
                link.closed = socket.closed_at or time.monotonic()
                link.code = socket.code
                link.frames = [(r.at, r.frame) for r in socket.received if r.frame["type"] in ("inbox", "notification")]
                with contextlib.suppress(Exception):
                    await socket.close()

    async def _live(self, socket: Socket, link: Link, *, steady: bool) -> None:
        rng = self.rng
        until = time.monotonic() + (1e6 if steady else rng.expovariate(1 / self.life))
        looked_at = 0
        while not socket.closed and (self.stopping.is_set() or time.monotonic() < until):
            await asyncio.sleep(rng.uniform(0.2, 1.4))
            fresh = []
            for received in socket.received[looked_at:]:
                frame = received.frame
                entries = frame["items"] if frame["type"] == "inbox" else [frame]
                fresh += [e["id"] for e in entries if e.get("type") == "notification"]
            looked_at = len(socket.received)
            self._seen[link.uid] = (self._seen[link.uid] + fresh)[-100:]
            if self.stopping.is_set():
                continue
            dice = rng.random()
            if dice < 0.3:
                if fresh:
                    await self._read(socket, link, rng.sample(fresh, rng.randint(1, min(5, len(fresh)))))
            elif dice < 0.31:
                if self._seen[link.uid]:
                    await self._read(socket, link, [], before=max(self._seen[link.uid]))
            elif dice < 0.35:
                # Somebody else's, and one that was read before.
                foreign = self._seen[rng.choice([u for u in self.uids if u != link.uid])]
                ids = foreign[-1:] + self._seen[link.uid][:1]
                if ids:
                    await self._read(socket, link, ids)
            elif dice < 0.37:
                await socket.send(type="list", limit=10, ref="list")
        if rng.random() < 0.5:
            socket.abort()

    async def _read(self, socket: Socket, link: Link, ids: list[str], before: str = "") -> None:
        read = Read(link.uid, link.number, ids, time.monotonic(), before)
        self.history.reads.append(read)
        try:
            if before:
                answer = await socket.ask("read_all", 8, before=before)
            else:
                answer = await socket.ask("read", 8, ids=ids, via="list")
        except AssertionError:
            return
        if answer["type"] == "read":
            # When it came, not when this task got to see it.
            read.completed = socket.moment_of(lambda f: f is answer)
            read.confirmed = answer["ids"]

    async def _final(self, uid: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            url, local = self.address()
            link = Link(next(self._numbers), uid, time.monotonic())
            try:
                async with Socket(url, self.token(uid), local_address=local) as socket:
                    inbox = await socket.ready()
                    ids, oldest = [item["id"] for item in inbox["items"]], inbox["more"]
                    while oldest:
                        page = await socket.list(unread=True, limit=100, before=min(ids))
                        ids += [item["id"] for item in page["items"]]
                        oldest = page["next"]
                    link.frames = [(r.at, r.frame) for r in socket.received if r.frame["type"] == "inbox"]
                    link.closed = time.monotonic()
            except (Refused, AssertionError, TimeoutError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.3)
                continue
            self.history.links.append(link)
            self.history.finals.append(Final(uid, ids, inbox["unread"], time.time()))
            return

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()


def _moment(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
