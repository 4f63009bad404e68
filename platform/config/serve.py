"""`make serve`: one production node, as the environment says. Creates and migrates nothing."""

import os
import socket
import sys


def main() -> None:
    """Serve on HOST and PORT by SERVER (uvicorn or daphne) until SIGTERM."""
    server = os.environ.get("SERVER", "uvicorn")
    if server not in ("uvicorn", "daphne"):
        sys.exit(f"SERVER is {server!r}; set it to uvicorn or daphne")
    host, port = os.environ.get("HOST", "127.0.0.1"), port_number(os.environ.get("PORT", "8000"))
    check_address(host, port)
    # Only now, and in this order: the application reads the settings (a bad environment ends the process there) and
    # fills the app registry, which the server's imports need.
    from config.asgi import application  # noqa: PLC0415
    from notifications.server import run  # noqa: PLC0415

    run(application, server=server, host=host, port=port)


def port_number(raw: str) -> int:
    """The port that PORT names; ends the process with a line if it names none."""
    if not raw.isascii() or not raw.isdigit() or not 0 < int(raw) < 65_536:
        sys.exit(f"PORT is {raw!r}; set it to a number from 1 to 65535")
    return int(raw)


def check_address(host: str, port: int) -> None:
    """End the process with a line if nobody can listen there: Daphne would say so late, and end with 0."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # As the servers do: what has just ended there does not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        sys.exit(f"PORT is {port}, which cannot be used on {host} ({error.strerror}); set another, or end what uses it")


if __name__ == "__main__":
    main()
