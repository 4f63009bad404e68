"""A production node that counts: told by SIGUSR2, it writes a line of JSON with what it holds and has done.

Run as `python -m tests.load.counted_node`; nothing of the node itself is another than in `config.serve`.
"""

import asyncio
import gc
import json
import signal
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

from notifications.protocol import frames, items

calls: Counter[str] = Counter()


def counted(module: Any, name: str) -> None:
    """Count the calls of a function from now on: also of those who import it by its name later."""
    function: Callable[..., Any] = getattr(module, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        calls[name] += 1
        return function(*args, **kwargs)

    setattr(module, name, call)


def report(*_: int | FrameType | None) -> None:
    """What this process holds."""
    gc.collect()
    objects = len(gc.get_objects()) + gc.get_freeze_count()
    held = {"tasks": len(asyncio.all_tasks()), "objects": objects, "calls": calls}
    print(json.dumps(held), file=sys.stderr, flush=True)


if __name__ == "__main__":
    counted(items, "encode")
    counted(frames, "notification")
    signal.signal(signal.SIGUSR2, report)
    from config.serve import main

    main()
