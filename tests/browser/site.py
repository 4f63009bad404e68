"""The platform as people reach it with a browser: one node, and a link to it that can be broken."""

from collections.abc import Mapping
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from tests.servers.node import Business, Node, Platform
from tests.servers.process import HOST
from tests.servers.proxy import Proxy

# The demo accounts, in the order in which they are made in an empty database.
NAMES = ("alice", "bob", "carol", "staff", "admin")
FORGET = """
from moderation.models import Submission
from notifications.models import Announcement, Notification
from wallet.models import TopUp
for model in (Notification, Announcement, Submission, TopUp):
    model.objects.all().delete()
"""


class Site(Node):
    """What `make run` serves, with its demo accounts: at `url`, and at `link_url` by way of `link`.

    `cookies` are the sessions of those who have signed in, so that only the tests of signing in pay for it.
    """

    def __init__(self, platform: Platform, **extra: str) -> None:
        super().__init__(platform, "embedded", **extra)
        self.link = Proxy(self.port)
        self.link_url = f"http://{HOST}:{self.link.port}"
        self.cookies: dict[str, list[Any]] = {}
        self._read = 0

    @cached_property
    def business(self) -> Business:
        """A process of the platform's business code, started at its first use."""
        return Business(self.platform)

    def environment(self) -> Mapping[str, str]:
        """The node's, with the addresses that browsers will name."""
        return {**super().environment(), "ALLOWED_ORIGINS": f"{self.url},{self.link_url}"}

    def uid(self, name: str) -> str:
        """The uid of a demo account."""
        return str(NAMES.index(name) + 1)

    def notify(self, name: str, title: str, **content: Any) -> str:
        """Something happens to somebody; gives the item's id."""
        return self.business.notify(self.uid(name), title, **content)

    def forget(self) -> None:
        """Empty every inbox, and what the platform's forms have made."""
        self.business.run(FORGET)

    def errors(self) -> list[str]:
        """What the node has logged as errors since this was last asked."""
        lines = self.log.splitlines()
        fresh, self._read = lines[self._read :], len(lines)
        return [line for line in fresh if " ERROR " in line or " CRITICAL " in line]

    def __enter__(self) -> Self:
        super().__enter__()
        self.link.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if "business" in self.__dict__:
            self.business.close()
        self.link.close()
        super().__exit__(kind, error, at)
