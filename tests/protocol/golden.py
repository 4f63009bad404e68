"""The golden examples in tests/golden/: the wire as both sides' tests read it.

- `server_frames.json`: frames that servers send: `name`, what it `means`, the `frame` (its text is the shortest JSON).
- `client_frames.json`: frames that clients send, and how they are `parsed`: the dataclass and its fields.
- `client_frames_invalid.json`: texts that are no good, the `error` code they are answered with and the answer's `ref`.
- `close_codes.json`: every `code` a server closes with, and what the `client` then does: stop, back_off or at_once.
"""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "golden"


def entries(name: str) -> list[dict[str, Any]]:
    """The entries of one file, by its name without `.json`."""
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def server_frame(name: str) -> dict[str, Any]:
    """The frame of one entry of `server_frames.json`."""
    frame: dict[str, Any] = next(entry["frame"] for entry in entries("server_frames") if entry["name"] == name)
    return frame
