"""`make run`: the whole platform in one process on a machine that has nothing but Python.

Fills in what the environment leaves open, makes the database and the demo accounts, says where to look, and serves.
"""

import os
import secrets
from collections.abc import MutableMapping
from pathlib import Path

import django

from config.serve import check_address, port_number

VAR_DIR = Path(__file__).resolve().parent.parent.parent / "var"
HOST = "127.0.0.1"
# What a node of its own needs first of all: where any of these is set, it is no business of `make run`.
TELLING = ("SECRET_KEY", "JWT_SIGNING_KEY", "JWT_PUBLIC_KEY", "JWT_JWKS_URL", "ALLOWED_HOSTS", "ALLOWED_ORIGINS")


def fill_in(variables: MutableMapping[str, str], var: Path, port: int) -> None:
    """Give every variable that a node needs and that is not set a value for this machine alone.

    Keys are made once and kept in `var`, so that sessions and tokens outlive a restart.
    """
    var.mkdir(exist_ok=True)
    variables.setdefault("SECRET_KEY", _kept_key(var / "secret_key"))
    if not any(variables.get(name) for name in ("JWT_PUBLIC_KEY", "JWT_JWKS_URL")):
        variables.setdefault("JWT_SIGNING_KEY", _kept_key(var / "jwt_signing_key"))
    variables.setdefault("ALLOWED_HOSTS", f"{HOST},localhost")
    variables.setdefault("ALLOWED_ORIGINS", f"http://{HOST}:{port},http://localhost:{port}")
    variables.setdefault("PLAIN_HTTP", "1")
    variables.setdefault("DEMO_PAYMENTS", "1")
    variables.setdefault("LOG_FORMAT", "line")


def fill_in_beside_run(variables: MutableMapping[str, str], var: Path) -> None:
    """Let `manage.py`, called with nothing set where `make run` has been, work on the platform that it serves."""
    if (var / "secret_key").exists() and not any(variables.get(name) for name in TELLING):
        fill_in(variables, var, port_number(variables.get("PORT", "8000")))


def _kept_key(path: Path) -> str:
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
    return path.read_text().strip()


def prepare() -> None:
    """Migrate the database and make the demo accounts, once."""
    from django.core.management import call_command  # noqa: PLC0415  needs settings

    from accounts import demo  # noqa: PLC0415  needs the app registry

    call_command("migrate", interactive=False, verbosity=0)
    demo.create_accounts()


def welcome(port: int) -> str:
    """What a newcomer needs to know: addresses and logins."""
    from accounts import demo  # noqa: PLC0415  needs the app registry

    address = f"http://{HOST}:{port}"
    roles = dict.fromkeys(demo.USERS, "user")
    roles |= {demo.STAFF: "reviews submissions, publishes announcements", demo.ADMIN: "administrator"}
    logins = "\n".join(f"    {name:<7} {demo.password_of(name):<12} {role}" for name, role in roles.items())
    if not demo.accounts_exist():
        logins = "    those of your database: it has accounts of its own"
    return f"""
  Platform         {address}/
  Administration   {address}/admin/
  JSON-RPC         {address}/rpc/docs/

  Logins
{logins}

  Sign in as alice in one browser and as staff in another. Ctrl+C stops; the data stays in var/.
"""


def main() -> None:
    """Prepare, then serve on PORT by Daphne until SIGTERM or Ctrl+C."""
    port = port_number(os.environ.get("PORT", "8000"))
    check_address(HOST, port)
    fill_in(os.environ, VAR_DIR, port)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    prepare()
    print(welcome(port), flush=True)
    from config.asgi import application  # noqa: PLC0415  needs settings
    from notifications.server import run  # noqa: PLC0415  needs the app registry

    run(application, server="daphne", host=HOST, port=port)


if __name__ == "__main__":
    main()
