"""`proxy_file`: what an nginx configuration does to the sockets behind it."""

import pytest

from notifications import proxy_file
from tests.servers.process import ROOT

PATH = "/ws/notifications/"
SHIPPED = (ROOT / "docker" / "nginx" / "nginx.conf").read_text()


def configuration(location: str, server: str = "", http: str = "") -> str:
    """An nginx.conf with one location for the sockets."""
    return f"http {{ {http} server {{ {server} location /ws/ {{ proxy_pass http://nodes; {location} }} }} }}"


def only(text: str) -> proxy_file.Block:
    """The one location that serves the sockets."""
    (location,) = proxy_file.serving(proxy_file.parse(text), PATH)
    return location


def test_the_shipped_one() -> None:
    """Is as it should be."""
    top = proxy_file.parse(SHIPPED)
    (location,) = proxy_file.serving(top, PATH)
    assert location.arguments == ["/ws/"]
    assert proxy_file.read_timeout(location) == 75
    assert proxy_file.upgrades(location)
    assert not proxy_file.logs_queries(top, location)


@pytest.mark.parametrize(
    ("location", "server", "http", "seconds"),
    [
        ("", "", "", 60),
        ("proxy_read_timeout 20s;", "", "", 20),
        ("proxy_read_timeout 90;;", "", "", 90),
        ("proxy_read_timeout '1m 30s';", "", "", 90),
        ("proxy_read_timeout 500ms;", "", "", 0.5),
        ("", "proxy_read_timeout 10s;", "proxy_read_timeout 1h;", 10),
        ("", "", "proxy_read_timeout 1h;", 3600),
        ("# proxy_read_timeout 1s;\n", "", "", 60),
    ],
)
def test_read_timeout(location: str, server: str, http: str, seconds: float) -> None:
    """As the nearest block says; comments say nothing."""
    assert proxy_file.read_timeout(only(configuration(location, server, http))) == seconds


@pytest.mark.parametrize(
    ("location", "server", "upgrades"),
    [
        ("proxy_set_header Upgrade $http_upgrade;", "", True),
        ('proxy_set_header "upgrade" ${http_upgrade};', "", True),
        ("", "proxy_set_header Upgrade $http_upgrade;", True),
        ("", "", False),
        # nginx inherits the headers of the outside only where none are set inside.
        ("proxy_set_header Host $host;", "proxy_set_header Upgrade $http_upgrade;", False),
    ],
)
def test_upgrades(location: str, server: str, upgrades: bool) -> None:
    """Here, or inherited whole."""
    assert proxy_file.upgrades(only(configuration(location, server))) is upgrades


@pytest.mark.parametrize(
    ("location", "http", "logs"),
    [
        ("", "", True),
        ("access_log off;", "", False),
        ("access_log /var/log/a.log;", "", True),
        ("access_log /var/log/a.log safe;", "log_format safe '$remote_addr $uri $status';", False),
        ("access_log /var/log/a.log safe buffer=32k;", "log_format safe '$remote_addr $uri';", False),
        ("access_log /var/log/a.log buffer=32k;", "", True),
        ("access_log /var/log/a.log bad;", 'log_format bad "$remote_addr ${request_uri}";', True),
        ("access_log /var/log/a.log bad;", "log_format bad '$uri?$args';", True),
        ("access_log /var/log/a.log safe;", "log_format safe '$request_method $request_time $uri';", False),
    ],
)
def test_logs_queries(location: str, http: str, logs: bool) -> None:
    """Where the format, nginx's own too, has a variable that holds them."""
    text = configuration(location, http=http)
    assert proxy_file.logs_queries(proxy_file.parse(text), only(text)) is logs


@pytest.mark.parametrize(
    ("locations", "argument"),
    [
        ("location / { proxy_pass http://a; }", "/"),
        ("location / { proxy_pass http://a; } location /ws/ { proxy_pass http://b; }", "/ws/"),
        ("location ^~ /ws { proxy_pass http://a; }", "/ws"),
        ("location = /ws/notifications/ { proxy_pass http://a; } location /ws/ { proxy_pass http://b; }", PATH),
        ("location = /ws/ { proxy_pass http://a; } location / { proxy_pass http://b; }", "/"),
        (r"location ~ \.php$ { proxy_pass http://a; } location / { proxy_pass http://b; }", "/"),
    ],
)
def test_the_longest_prefix_serves(locations: str, argument: str) -> None:
    """As nginx chooses."""
    assert only(f"server {{ {locations} }}").arguments[-1] == argument


@pytest.mark.parametrize(
    "text", ["", "server { }", "server { location /ws/ { return 404; } location / { proxy_pass x; } }"]
)
def test_nobody_serves(text: str) -> None:
    """No server, no location, or one that answers itself."""
    assert proxy_file.serving(proxy_file.parse(text), PATH) == []


@pytest.mark.parametrize("text", ["http {", "http { } }", "}"])
def test_braces_that_do_not_match(text: str) -> None:
    """That is no configuration."""
    with pytest.raises(ValueError, match="brace"):
        proxy_file.parse(text)
