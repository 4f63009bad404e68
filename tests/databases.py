"""The ORM of the test's own process on another database than the tests' usual one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import environ
from asgiref.local import Local
from django.db import connections


@contextmanager
def orm_on(url: str, **options: Any) -> Iterator[None]:
    """Every thread that asks the ORM meanwhile asks the database at `url`; `options` are Django's OPTIONS for it."""
    config = environ.Env.db_url_config(url)
    config["OPTIONS"] = {**config.get("OPTIONS", {}), **options}
    handler: Any = connections
    before, usual = handler.settings["default"], handler._connections
    handler["default"].close()
    handler.settings["default"] = handler.configure_settings({"default": config})["default"]
    # Threads live longer than a test, and each keeps the connection that it made first.
    handler._connections = Local(handler.thread_critical)
    try:
        yield
    finally:
        handler["default"].close()
        handler.settings["default"] = before
        handler._connections = usual
