"""The ORM of the test's own process on another database than the tests' usual one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import environ
from django.db import connections


@contextmanager
def orm_on(url: str, **options: Any) -> Iterator[None]:
    """Every thread that asks the ORM meanwhile asks the database at `url`; `options` are Django's OPTIONS for it."""
    config = environ.Env.db_url_config(url)
    config["OPTIONS"] = {**config.get("OPTIONS", {}), **options}
    databases: Any = connections.settings
    before, usual = databases["default"], connections["default"]
    usual.close()
    databases["default"] = connections.configure_settings({"default": config})["default"]
    del connections["default"]
    try:
        yield
    finally:
        connections["default"].close()
        databases["default"] = before
        connections["default"] = usual
