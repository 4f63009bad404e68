"""The files in docker/: what they name exists, what they set fits what the nodes expect. Nothing is built here."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.env import read
from notifications.conf import Conf

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
NGINX = (DOCKER / "nginx" / "nginx.conf").read_text()


@pytest.fixture
def compose() -> dict[str, Any]:
    """compose.yaml, with its anchors and merges resolved."""
    loaded: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return loaded


def seconds(raw: str) -> int:
    """A duration of compose or nginx."""
    match = re.fullmatch(r"(\d+)s", raw)
    assert match is not None, raw
    return int(match[1])


def test_services_depend_on_services(compose: dict[str, Any]) -> None:
    """And wait for a health check only where there is one."""
    services = compose["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, name
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other] or "build" in services[other], other


def test_what_is_mounted_exists(compose: dict[str, Any]) -> None:
    """Folders beside the file, or volumes it declares."""
    for service in compose["services"].values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (DOCKER / source).exists() if source.startswith(".") else source in compose["volumes"], mount


def test_nodes_are_given_the_time_to_drain(compose: dict[str, Any]) -> None:
    """Longer than the drain, and ten seconds for the rest."""
    nodes = [service for name, service in compose["services"].items() if name.startswith("node")]
    assert len(nodes) >= 2
    for node in nodes:
        assert seconds(node["stop_grace_period"]) >= Conf().drain_seconds + 10
        assert node["ulimits"]["nofile"] >= 30_000


def test_every_node_is_behind_the_proxy(compose: dict[str, Any]) -> None:
    """By a name that all nodes share and nothing else has: another node is one line."""
    (line,) = re.findall(r"^server (\S+):(\d+) ", (DOCKER / "nginx" / "nodes.conf").read_text(), re.MULTILINE)
    assert line[1] == re.findall(r"\bPORT=(\d+)", DOCKERFILE)[0]
    named = {
        name for name, service in compose["services"].items()
        if line[0] in (service.get("networks") or {}).get("default", {}).get("aliases", ())
    }  # fmt: skip
    assert named == {name for name in compose["services"] if name.startswith("node")}
    assert named >= set(compose["services"]["nginx"]["depends_on"])
    # As many as are said to be healthy before nginx begins, so that it finds somebody.
    assert compose["services"]["nginx"]["depends_on"]
    for name in named:
        assert compose["services"][name] == compose["services"]["node1"]


def test_what_is_checked_is_there(compose: dict[str, Any]) -> None:
    """Long-running services say whether they are well, so that `up --wait` waits for all of them."""
    for name, service in compose["services"].items():
        if service.get("healthcheck", {}).get("disable"):
            assert service["restart"] == "no", name
        else:
            assert "build" in service or "test" in service["healthcheck"], name
            assert service["restart"] == "unless-stopped", name


def test_redis_keeps_nothing_and_evicts_nothing(compose: dict[str, Any]) -> None:
    """It must not come back with older data than the database has."""
    command = compose["services"]["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert (options["--save"], options["--appendonly"], options["--maxmemory-policy"]) == ("", "no", "noeviction")


def test_a_filled_in_environment_is_a_good_one(compose: dict[str, Any], tmp_path: Path) -> None:
    """env.example names what a node needs: with a value for each and what compose adds, a node starts."""
    lines = [line for line in (DOCKER / "env.example").read_text().splitlines() if "=" in line and line[0] != "#"]
    given = {name: value or name.ljust(40, "x") for name, value in (line.split("=", 1) for line in lines)}
    added = compose["services"]["node1"]["environment"]
    filled = {name: re.sub(r"\$\{(\w+)[^}]*\}", lambda m: given[m[1]], value) for name, value in added.items()}
    found = read(given | filled, tmp_path)
    assert found.database["HOST"] in compose["services"]
    assert found.redis_urls == ["redis://redis:6379/0"]


def test_the_service_of_its_own_is_the_same_with_other_tokens(compose: dict[str, Any], tmp_path: Path) -> None:
    """standalone.yaml goes over compose.yaml: every node gets it, and with a key set's address it starts."""
    over = yaml.safe_load((DOCKER / "standalone.yaml").read_text())["services"]
    assert set(over) == {name for name, service in compose["services"].items() if "build" in service}
    lines = [line for line in (DOCKER / "env.example").read_text().splitlines() if "=" in line and line[0] != "#"]
    given = {name: value or name.ljust(40, "x") for name, value in (line.split("=", 1) for line in lines)}
    (address,) = re.findall(r"^# JWT_JWKS_URL=(.+)$", (DOCKER / "env.example").read_text(), re.MULTILINE)
    for service in over.values():
        own = {"JWT_SIGNING_KEY": "", "JWT_JWKS_URL": address}
        found = read(given | own | service["environment"], tmp_path)
        assert (found.standalone, found.jwt.jwks_url, found.jwt.signing_key) == (True, address, "")


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    """The build's context is an allow-list."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE)
    assert set(copied) == allowed
    assert all((ROOT / path).exists() for path in copied)


def test_nodes_do_not_run_as_root() -> None:
    """By number, so that the platform can tell."""
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert users
    assert users[-1].isdigit()
    assert users[-1] != "0"


@pytest.mark.security("S11")
def test_only_the_proxy_is_reached_from_outside(compose: dict[str, Any]) -> None:
    """Nodes, Redis and PostgreSQL publish no port; a node that is told nothing listens on the loopback."""
    inside = [name for name, service in compose["services"].items() if not service.get("ports")]
    assert {"node1", "node2", "redis", "postgres"} <= set(inside)
    assert 'os.environ.get("HOST", "127.0.0.1")' in (ROOT / "platform" / "config" / "serve.py").read_text()


def test_proxy_waits_longer_than_the_heartbeat() -> None:
    """A shorter time-out would cut sockets on which nothing happens."""
    sockets = NGINX.split("location /ws/", 1)[1].split("}", 1)[0]
    for name in ("proxy_read_timeout", "proxy_send_timeout"):
        match = re.search(rf"{name} (\S+);", sockets)
        assert match is not None
        assert seconds(match[1]) > Conf().heartbeat_timeout


@pytest.mark.security("S11")
def test_proxy_sets_what_clients_could_claim() -> None:
    """Never `$proxy_add_x_forwarded_for`, which keeps the client's own words."""
    assert "proxy_add_x_forwarded_for" not in NGINX
    for header, value in (("For", "$remote_addr"), ("Proto", "$scheme"), ("Host", "$http_host")):
        assert f"proxy_set_header X-Forwarded-{header} {value};" in NGINX
