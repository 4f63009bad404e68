"""A real nginx with the project's own nginx.conf; only the files that it includes are the test's."""

import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from tests.servers.process import HOST, ROOT, Process, accepts, free_port


class Nginx(Process):
    """The proxy in front of the nodes on `ports`. `log_lines()` is its access log, `log` what it printed."""

    name = "nginx"
    stop_signal = signal.SIGQUIT

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__()
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        shutil.copy(ROOT / "docker" / "nginx" / "nginx.conf", self.folder)
        (self.folder / "listen.conf").write_text(f"listen {HOST}:{self.port} backlog=4096;\n")
        self.write_nodes(ports)

    def write_nodes(self, ports: Sequence[int]) -> None:
        """Name the nodes, as docker/nginx/nodes.conf does; `reload()` makes a running nginx see it."""
        lines = (f"server {HOST}:{port} max_fails=2 fail_timeout=5s;\n" for port in ports)
        (self.folder / "nodes.conf").write_text("".join(lines))

    def reload(self) -> None:
        """SIGHUP: read the files anew; sockets that are open stay."""
        self.signal(signal.SIGHUP)

    def command(self) -> Sequence[str]:
        """In the foreground, so that its pid is the one we know."""
        path = shutil.which("nginx") or "/usr/sbin/nginx"
        return [path, "-p", f"{self.folder}/", "-c", "nginx.conf", "-g", "daemon off;"]

    def kill(self) -> None:
        """End it at once, by SIGTERM: its workers would outlive a master that was killed, and go on serving."""
        if self.running:
            self.signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.wait_ended(5)
        super().kill()

    def ready(self) -> bool:
        """It listens."""
        return accepts(self.port)

    def log_lines(self) -> list[str]:
        """The lines of its access log."""
        path = self.folder / "access.log"
        return path.read_text().splitlines() if path.exists() else []
