"""docs/adopting.md, followed to the letter in a fresh project."""

import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

import httpx
import pytest

from tests.servers.process import HOST, ROOT, Process, accepts, free_port
from tests.servers.sockets import Socket

PAGE = (ROOT / "docs" / "adopting.md").read_text()


def block(heading: str, language: str) -> str:
    """The one code block of a language under a heading."""
    section = PAGE.split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    (code,) = re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return str(code)


class Project(Process):
    """What `startproject` makes, with the page's steps taken."""

    name = "adopter"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self._key = secrets.token_urlsafe(48)
        # A copy, since a build leaves its traces in the folder it was made from.
        checkout = self.folder / "checkout"
        shutil.copytree(ROOT / "notifications", checkout / "notifications")
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, checkout)
        self._run(
            ["-m", "pip", "install", "-q", "--no-deps", "--target", str(self.folder / "installed"), str(checkout)]
        )
        self._run(["-m", "django", "startproject", "project", str(self.folder)])
        self._append("settings.py", "import os\n" + block("2. Settings", "python").replace("8000", str(self.port)))
        self._append("urls.py", block("3. Addresses", "python"))
        (self.folder / "project" / "asgi.py").write_text(block("4. Sockets", "python"))
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

    def command(self) -> Sequence[str]:
        """The development server, as the page says."""
        return [sys.executable, str(self.folder / "manage.py"), "runserver", "--noreload", str(self.port)]

    def environment(self) -> Mapping[str, str]:
        """What was installed, and nothing of this checkout."""
        inherited = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DJANGO_SETTINGS_MODULE")
        }
        return inherited | {"PYTHONPATH": str(self.folder / "installed"), "JWT_SIGNING_KEY": self._key}

    def ready(self) -> bool:
        """It listens."""
        return accepts(self.port)


@pytest.mark.server
@pytest.mark.timeout(300)
async def test_the_page_is_all_it_takes() -> None:
    """Installed from the checkout: pages, static files, commands and sockets work, and Django's checks are content."""
    with Project() as project:
        assert project.manage("check") == "System check identified no issues (0 silenced)."
        make = "from django.contrib.auth.models import User; print(User.objects.create_user('ann', password='x').pk)"
        uid = project.manage("shell", "-v0", "-c", make)
        token = project.manage("issue_token", uid)
        async with Socket(f"ws://{HOST}:{project.port}/ws/notifications/", token) as socket:
            await socket.ready()
            project.manage("notify", uid, "--title", "Hello")
            assert (await socket.wait_type("notification"))["title"] == "Hello"
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{project.port}") as http:
            me = {"Authorization": f"Bearer {token}"}
            assert (await http.get("/api/notifications/unread/", headers=me)).json() == {"unread": 1}
            assert (await http.get("/static/notifications/bell.js")).status_code == 200
            assert (await http.get("/rpc/docs/")).status_code == 200
        tag = block("5. The bell", "django").strip()
        render = (
            "from django.template import engines; from django.test import RequestFactory; "
            "from django.contrib.auth.models import User; request = RequestFactory().get('/'); "
            f"request.user = User.objects.get(); print(engines['django'].from_string({tag!r}).render({{}}, request))"
        )
        assert "<notification-bell" in project.manage("shell", "-v0", "-c", render)
