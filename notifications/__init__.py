"""Real-time notifications for a Django platform.

`from notifications import notify, announce, retract, disconnect` and their async forms `anotify`, `aannounce`,
`aretract`, `adisconnect` are the app's public door; see `notifications.publishing` and `notifications.announcing`.
`register_audience` lets staff address announcements to some of the platform's users; see `notifications.audiences`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from notifications.announcing import aannounce, announce
    from notifications.audiences import register_audience
    from notifications.publishing import adisconnect, anotify, aretract, disconnect, notify, retract

__version__ = "0.1.0"

__all__ = [
    "aannounce",
    "adisconnect",
    "announce",
    "anotify",
    "aretract",
    "disconnect",
    "notify",
    "register_audience",
    "retract",
]


def __getattr__(name: str) -> Any:
    # The door leads to models, which cannot be imported while Django is still loading its apps.
    if name in __all__:
        from notifications import announcing, audiences, publishing  # noqa: PLC0415

        rooms = {"announce": announcing, "aannounce": announcing, "register_audience": audiences}
        return getattr(rooms.get(name, publishing), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
