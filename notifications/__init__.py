"""Real-time notifications for a Django platform.

`from notifications import notify, announce, retract, disconnect` and their async forms `anotify`, `aannounce`,
`aretract`, `adisconnect` are the app's public door; see `notifications.publishing` and `notifications.announcing`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from notifications.announcing import aannounce, announce
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
    "retract",
]


def __getattr__(name: str) -> Any:
    # The door leads to models, which cannot be imported while Django is still loading its apps.
    if name in __all__:
        from notifications import announcing, publishing  # noqa: PLC0415

        return getattr(announcing if name in ("announce", "aannounce") else publishing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
