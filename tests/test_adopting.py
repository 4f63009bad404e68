"""docs/adopting.md, followed to the letter in fresh projects."""

import importlib
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import pytest

from tests.servers.process import HOST, ROOT, Process, accepts, free_port
from tests.servers.sockets import Refused, Socket

PAGE = (ROOT / "docs" / "adopting.md").read_text()


def blocks(heading: str, language: str) -> list[str]:
    """The code blocks of a language under a heading."""
    section = PAGE.split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    return [str(code) for code in re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)]


def block(heading: str, language: str) -> str:
    """The one code block of a language under a heading."""
    (code,) = blocks(heading, language)
    return code


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the app as pip installs it from a checkout."""
    folder = tmp_path_factory.mktemp("adopted")
    # A copy, since a build leaves its traces in the folder it was made from.
    checkout = folder / "checkout"
    shutil.copytree(ROOT / "notifications", checkout / "notifications")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, checkout)
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder / "installed")]
    subprocess.run([*command, str(checkout)], check=True, capture_output=True, timeout=200)
    return folder / "installed"


class Project(Process):
    """What `startproject` makes, with the page's steps taken, and of its later parts those that are asked for."""

    name = "adopter"

    def __init__(self, installed: Path, *, prefix: bool = False, own_users: bool = False, tokens: bool = False) -> None:
        super().__init__()
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.socket_url = f"ws://{HOST}:{self.port}{'/push/ws/' if prefix else '/ws/notifications/'}"
        self.app_url = f"{self.url}{'/push' if prefix else ''}"
        self.tag = (block("Another prefix", "django") if prefix else block("5. The bell", "django")).strip()
        self._installed = installed
        self._key = secrets.token_urlsafe(48)
        self._run(["-m", "django", "startproject", "project", str(self.folder)])
        self._append("settings.py", "import os\n" + block("2. Settings", "python").replace("8000", str(self.port)))
        addresses, sockets = block("3. Addresses", "python"), block("4. Sockets", "python")
        if prefix:
            urls, asgi = blocks("Another prefix", "python")
            addresses = re.sub(r"^urlpatterns.*\n", urls, addresses, flags=re.MULTILINE)
            sockets = re.sub(r"^application =.*\n", asgi, sockets, flags=re.MULTILINE)
        self._append("urls.py", addresses + (block("Tokens for programs", "python") if tokens else ""))
        (self.folder / "project" / "asgi.py").write_text(sockets)
        if own_users:
            self._run(["manage.py", "startapp", "people"])
            (self.folder / "people" / "models.py").write_text(block("A user model of your own", "python"))
            self._append("settings.py", 'INSTALLED_APPS.insert(0, "people")\nAUTH_USER_MODEL = "people.User"\n')
            self.manage("makemigrations", "people", "-v0")
        self.manage("migrate", "-v0")

    def _append(self, name: str, code: str) -> None:
        path = self.folder / "project" / name
        path.write_text(f"{path.read_text()}\n{code}")

    def _run(self, arguments: Sequence[str]) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder, env=dict(self.environment()), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def manage(self, *arguments: str) -> str:
        """The project's own manage.py."""
        return self._run(["manage.py", *arguments])

    def shell(self, code: str) -> str:
        """What a piece of code of the project prints."""
        return self.manage("shell", "-v0", "-c", code)

    def make_user(self, name: str) -> str:
        """A member of staff, whose password is `pass-` and the name; gives the uid."""
        return self.shell(
            "from django.contrib.auth import get_user_model as model; "
            f"print(model().objects.create_user({name!r}, password='pass-{name}', is_staff=True).pk)"
        )

    def command(self) -> Sequence[str]:
        """The development server, as the page says."""
        return [sys.executable, str(self.folder / "manage.py"), "runserver", "--noreload", str(self.port)]

    def environment(self) -> Mapping[str, str]:
        """What was installed, and nothing of this checkout."""
        inherited = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DJANGO_SETTINGS_MODULE")
        }
        return inherited | {"PYTHONPATH": str(self._installed), "JWT_SIGNING_KEY": self._key}

    def ready(self) -> bool:
        """It listens."""
        return accepts(self.port)


async def sign_in(http: httpx.AsyncClient, name: str) -> None:
    """Give a browser a session, by the sign-in page of the admin."""
    await http.get("/admin/login/")
    form = {"username": name, "password": f"pass-{name}", "csrfmiddlewaretoken": http.cookies["csrftoken"]}
    answer = await http.post("/admin/login/?next=/admin/", data=form)
    assert answer.url.path == "/admin/"


@pytest.mark.server
@pytest.mark.timeout(300)
@pytest.mark.parametrize("prefix", [False, True], ids=["as it stands", "another prefix"])
async def test_sessions_are_all_it_takes(installed: Path, prefix: bool) -> None:
    """Pages, static files, commands and sockets work, only pages are handed tokens, Django's checks are content."""
    with Project(installed, prefix=prefix) as project:
        assert project.manage("check") == "System check identified no issues (0 silenced)."
        uid = project.make_user("ann")
        async with httpx.AsyncClient(base_url=project.url, follow_redirects=True, timeout=30) as http:
            await sign_in(http, "ann")
            headers = {"X-CSRFToken": http.cookies["csrftoken"], "Referer": project.url}
            token = (await http.post(f"{project.app_url}/api/notifications/token/", headers=headers)).json()["access"]
            async with Socket(project.socket_url, token, origin=project.url.replace(HOST, "127.0.0.1")) as socket:
                await socket.ready(20)
                project.manage("notify", uid, "--title", "Hello")
                assert (await socket.wait_type("notification", 20))["title"] == "Hello"
            unread = f"{project.app_url}/api/notifications/unread/"
            assert (await http.get(unread)).json() == {"unread": 1}
            assert "Hello" in (await http.get(f"{project.app_url}/notifications/")).text
            assert (await http.get("/static/notifications/bell.js")).status_code == 200
            assert (await http.get(f"{project.app_url}/rpc/docs/")).status_code == 200
            assert (await http.get("/api/token/")).status_code == 404
        with pytest.raises(Refused):
            await Socket(project.socket_url, token, origin="http://elsewhere.test").open()
        rendered = project.shell(
            "from django.template import engines; from django.test import RequestFactory; "
            "from django.contrib.auth.models import User; request = RequestFactory().get('/'); request.user = "
            f"User.objects.get(); print(engines['django'].from_string({project.tag!r}).render({{}}, request))"
        )
        assert "<notification-bell" in rendered
        for address in (project.socket_url, f"{project.app_url}/api/notifications/"):
            assert f'"{address.split(str(project.port))[1]}"' in rendered


@pytest.mark.server
@pytest.mark.timeout(300)
async def test_tokens_and_users_whose_key_is_a_uuid(installed: Path) -> None:
    """A program signs in by JSON and is pushed to; the key itself is good for `notify`; signals reach the project."""
    with Project(installed, own_users=True, tokens=True) as project:
        assert project.manage("check") == "System check identified no issues (0 silenced)."
        uid = project.make_user("ann")
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uid)
        async with httpx.AsyncClient(base_url=project.url, timeout=30) as http:
            pair = (await http.post("/api/token/", json={"username": "ann", "password": "pass-ann"})).json()
            fresh = (await http.post("/api/token/refresh/", json={"refresh": pair["refresh"]})).json()
        async with Socket(project.socket_url, fresh["access"]) as socket:
            await socket.ready(20)
            assert (await socket.wait_type("welcome"))["uid"] == uid
            said = project.shell(
                block("To hear of what happens", "python")
                + "from notifications import notify, inbox\nfrom people.models import User\n"
                "user = User.objects.get()\nmade = notify(user.pk, 'Hello')\ninbox.read(str(user.pk), [made.id])\n"
            )
            assert said == f"{uid} has read 1 in the list"
            assert (await socket.wait_type("read", 20))["unread"] == 0
            project.manage("disconnect", uid)
            assert await socket.wait_closed(20) == 4003


def test_what_may_be_relied_on_is_there() -> None:
    """Every name in the page's table can be imported, and the public door is all in it."""
    rows = re.findall(r"^\| `(notifications[\w.]*)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert len(rows) > 8
    for module, text in rows:
        found = importlib.import_module(module)
        for name in re.findall(r"`([A-Za-z_]+)`", text):
            assert hasattr(found, name), f"{module}.{name}"
    door = dict(rows)["notifications"]
    assert set(re.findall(r"`(\w+)`", door)) == set(importlib.import_module("notifications").__all__)
