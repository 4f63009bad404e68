"""The ORM of the test's own process on another database than the tests' usual one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import environ
import pytest
from asgiref.local import Local
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


@contextmanager
def orm_on(url: str, **options: Any) -> Iterator[None]:
    """Every thread that asks the ORM meanwhile asks the database at `url`; `options` are Django's OPTIONS for it."""
    config = environ.Env.db_url_config(url)
    config["OPTIONS"] = {**config.get("OPTIONS", {}), **options}
    handler: Any = connections
    handler["default"].close()
    made: list[BaseDatabaseWrapper] = []
    make = handler.create_connection

    def noted(alias: str) -> BaseDatabaseWrapper:
        made.append(make(alias))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(handler.settings, "default", handler.configure_settings({"default": config})["default"])
        patch.setattr(handler, "create_connection", noted)
        forget_connections(patch)
        yield
    for wrapper in made:
        wrapper.inc_thread_sharing()
        wrapper.close()


def forget_connections(patch: pytest.MonkeyPatch) -> None:
    """Until `patch` is undone, threads connect anew, by the settings as they are now: each keeps what it made first."""
    handler: Any = connections
    patch.setattr(handler, "_connections", Local(handler.thread_critical))
