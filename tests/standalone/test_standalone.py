"""The app as a service of its own: another Django project signs the tokens and calls it by JSON-RPC.

The shop is a process with its own settings, users and database. Of this project it has the Python client alone,
installed as docs/rpc.md says. The service's database has no table of users at all.
"""

import asyncio
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.servers.node import Node, Platform
from tests.servers.process import HOST, ROOT, Process, accepts, free_port
from tests.servers.sockets import Refused, Socket

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

SHOP = Path(__file__).parent / "shop"
SECRET = secrets.token_urlsafe(48)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client, installed from a copy of this checkout."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "checkout" / "notifications").mkdir(parents=True)
    shutil.copytree(ROOT / "client", folder / "checkout" / "client", symlinks=True)
    shutil.copytree(ROOT / "notifications" / "client", folder / "checkout" / "notifications" / "client")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    source, target = folder / "checkout" / "client", folder / "installed"
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, timeout=280)
    return target


class Shop(Process):
    """The other project: its development server, its users `ann` and `ben`, its keys."""

    name = "shop"

    def __init__(self, installed: Path, *, shared_secret: str = "") -> None:
        super().__init__()
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._installed = installed
        self._own = {
            "SHOP_FOLDER": str(self.folder),
            "SHOP_SECRET_KEY": secrets.token_urlsafe(48),
            "SHOP_SHARED_SECRET": shared_secret,
            "NOTIFICATIONS_URL": "http://not.known.yet/rpc/",
            "NOTIFICATIONS_KEY": "not.known-yet",
        }
        self.keys = self.folder / "keys"
        self.keys.mkdir()
        self._manage("migrate", "-v0")
        make = "from django.contrib.auth.models import User; [User.objects.create_user(n, password=n) for n in {!r}]"
        # The first is nobody's: uids differ from what a fresh table of users would have.
        self._manage("shell", "-v0", "-c", make.format(["nobody", "ann", "ben"]))

    def knows(self, service: Node, key: str) -> None:
        """Where the service is, and the key for it."""
        self._own |= {"NOTIFICATIONS_URL": f"{service.url}/rpc/", "NOTIFICATIONS_KEY": key}

    def new_key(self, name: str) -> str:
        """Sign by a new key from now on; gives its public half as a PEM. Names sort by age."""
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.keys / f"{name}.pem").write_bytes(pem)
        return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def post(self, path: str, name: str = "ann") -> httpx.Response:
        """POST as one of its users."""
        return httpx.post(f"{self.url}{path}", auth=(name, name), timeout=60)

    def ask(self, path: str, name: str = "ann") -> Any:
        """The JSON of a good answer to `post`."""
        return self.post(path, name).raise_for_status().json()

    def token(self, name: str = "ann") -> str:
        """What a user's browser is given for the service."""
        return str(self.ask("/token", name)["access"])

    def command(self) -> Sequence[str]:
        """Its development server."""
        return [sys.executable, "-m", "django", "runserver", "--noreload", str(self.port)]

    def environment(self) -> Mapping[str, str]:
        """Its own modules and the installed client: nothing else of this checkout."""
        own = self._own | {
            "PYTHONPATH": f"{SHOP}:{self._installed}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "DJANGO_SETTINGS_MODULE": "shop_settings",
        }
        return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ} | own

    def ready(self) -> bool:
        """It listens."""
        return accepts(self.port)

    def _manage(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "django", *arguments], cwd=self.folder, env=dict(self.environment()), check=True
        )


class Both:
    """A shop, and the service that trusts its tokens as the variables in `trust` say."""

    def __init__(self, stack: ExitStack, shop: Shop, database_url: str, **trust: str) -> None:
        self.shop = shop
        variables = {"JWT_SIGNING_KEY": "", "JWT_ISSUER": "https://shop.test", "JWT_AUDIENCE": "notifications", **trust}
        platform = Platform(database_url, standalone=True, extra=variables)
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as database:
            database.execute("DROP TABLE auth_user")
        made = platform.manage("create_service_key", "shop", "--scope=notify", "--scope=inbox", "--json")
        self.service = stack.enter_context(Node(platform))
        shop.knows(self.service, json.loads(made.stdout)["key"])
        stack.enter_context(shop)

    def socket(self, token: str) -> Socket:
        """A browser's socket at the service."""
        return Socket(self.service.socket_url, token)

    async def opens(self, token: str) -> bool:
        """Whether the service takes the token."""
        try:
            async with self.socket(token) as socket:
                await socket.ready()
        except Refused as refused:
            if refused.status not in (401, 403):
                raise
            return False
        return True

    def unread(self, token: str) -> httpx.Response:
        """The HTTP API's answer to a browser."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(f"{self.service.url}/api/notifications/unread/", headers=headers, timeout=60)


@pytest.fixture
def make(installed: Path, sqlite_url: str, ending: ExitStack) -> Callable[[str], Both]:
    """`make("address")`: both, with tokens verified by secret, pem, address or file."""

    def build(way: str) -> Both:
        shop = Shop(installed, shared_secret=SECRET if way == "secret" else "")
        ending.callback(shop.close)
        pem = shop.new_key("2026-01")
        file = shop.folder / "copied.json"
        if way == "file":
            file.write_text(json.dumps({"keys": []}))
        trust = {
            "secret": {"JWT_SIGNING_KEY": SECRET},
            "pem": {"JWT_PUBLIC_KEY": pem},
            "address": {"JWT_JWKS_URL": f"{shop.url}/jwks.json"},
            "file": {"JWT_JWKS_URL": file.as_uri()},
        }[way]
        both = Both(ending, shop, sqlite_url, **trust)
        if way == "file":
            publish(both)
        return both

    return build


def publish(both: Both) -> None:
    """Copy the shop's key set into the file that the service reads, as its operator would."""
    text = httpx.get(f"{both.shop.url}/jwks.json").raise_for_status().text
    (both.shop.folder / "copied.json").write_text(text)


@pytest.mark.parametrize("way", ["secret", "pem", "address", "file"])
async def test_another_project_signs_the_tokens_and_sends(make: Callable[[str], Both], way: str) -> None:
    """Its user opens a socket, is told at once, sees it read; the HTTP API takes the same token."""
    both = make(way)
    token = both.shop.token()
    async with both.socket(token) as ann, both.socket(both.shop.token("ben")) as ben:
        await ann.ready()
        await ben.ready()
        assert [(await user.wait_type("welcome"))["uid"] for user in (ann, ben)] == ["2", "3"]
        paid = both.shop.ask("/orders/42/pay")
        assert (paid["duplicate"], paid["online"]) == (False, True)
        item = await ann.wait_item(paid["id"])
        assert (item["title"], item["ref"], item["live"]) == ("Order 42 is paid", "order-42", True)
        # Paid by two clicks: told once.
        assert both.shop.ask("/orders/42/pay") == paid | {"duplicate": True}
        assert both.unread(token).json() == {"unread": 1}
        assert both.shop.ask("/orders/42/receive") == {"ids": [paid["id"]], "unread": 0}
        read = await ann.wait_type("read")
        assert (read["ids"], read["unread"]) == ([paid["id"]], 0)
        await ben.silent("notification", "read")
        assert ann.pushed == [paid["id"]]


@pytest.mark.parametrize("way", ["secret", "pem", "address", "file"])
async def test_what_another_has_signed_is_refused(make: Callable[[str], Both], installed: Path, way: str) -> None:
    """A second shop, its key of the same name: its tokens open nothing, and without a service key it sends nothing."""
    both = make(way)
    assert await both.opens(both.shop.token())
    stranger = Shop(installed, shared_secret=secrets.token_urlsafe(48) if way == "secret" else "")
    stranger.new_key("2026-01")
    stranger.knows(both.service, "0123456789ab.made-up")
    with stranger:
        token = stranger.token()
        assert not await both.opens(token)
        assert both.unread(token).status_code == 401
        answer = stranger.post("/orders/1/pay")
        assert (answer.status_code, answer.json()) == (502, {"error": "Unauthenticated", "retryable": False})
    assert both.unread(both.shop.token()).json() == {"unread": 0}


@pytest.mark.parametrize("way", ["address", "file"])
async def test_keys_are_rotated_without_a_restart(make: Callable[[str], Both], way: str) -> None:
    """A token by a new key makes the service look again; tokens by a key that has gone are refused from then on."""
    both = make(way)
    old = both.shop.token()
    assert await both.opens(old)
    both.shop.new_key("2026-02")
    (both.shop.keys / "2026-01.pem").unlink()
    if way == "file":
        publish(both)
    new = both.shop.token()
    # A set is not asked for twice within ten seconds.
    deadline = time.monotonic() + 60
    while not await both.opens(new):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert not await both.opens(old)
    # With the shop away, and its file gone, the keys that were read stay good.
    both.shop.kill()
    (both.shop.folder / "copied.json").unlink(missing_ok=True)
    assert await both.opens(new)
