"""A whole installation: its database, its Redis, its nodes, and a process of business code."""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import count
from types import TracebackType
from typing import Any, Self

from tests.servers.node import Business, Node, Platform, RpcClient
from tests.servers.redis import Redis
from tests.servers.sockets import Socket, mint


class Deployment:
    """`servers` names the nodes to start, each "uvicorn", "daphne" or "embedded"; they share one platform.

    Tests that share a deployment make users of their own (`new_user`), so that none sees what another sent.
    """

    def __init__(self, platform: Platform, servers: Sequence[str], redis: Redis | None = None) -> None:
        self.platform = platform
        self.redis = redis
        self.nodes = [Node(platform, server) for server in servers]
        self.business: Business
        self._numbers = count(1)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for node in self.nodes:
                stack.callback(node.close)
                node.launch()
            self.business = stack.enter_context(Business(self.platform))
            for node in self.nodes:
                node.wait_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def new_user(self, name: str = "user") -> str:
        """The uid of a new user, called `name` and a number; the password is `demo-` and that."""
        return self.business.make_user(f"{name}{next(self._numbers)}")

    def token(self, uid: str, **claims: Any) -> str:
        """A good access token of `uid`, but for what `claims` change (see `mint`)."""
        return mint(uid, self.platform.jwt_signing_key, **claims)

    def service_key(self, *scopes: str) -> str:
        """A new service key with these scopes, all there are if none is named."""
        return str(
            self.business.run(
                "from notifications import service_keys\nresult = service_keys.create('billing', scopes)[1]",
                scopes=list(scopes or ("notify", "announce", "inbox", "connections")),
            )
        )

    def rpc(self, key: str, node: int = 0) -> RpcClient:
        """A client of the JSON-RPC of one node, to be entered."""
        return RpcClient(f"{self.nodes[node].url}/rpc/", key)

    def socket(self, uid: str, node: int = -1, *, token: str | None = None, **options: Any) -> Socket:
        """A socket of `uid` to the node of that index (the last one if left out), not yet open."""
        return Socket(self.nodes[node].socket_url, self.token(uid) if token is None else token, **options)
