"""What every peer sends: a text the size of an ordinary item, as a WebSocket frame built once."""

import json

TEXT = json.dumps(
    {
        "type": "notification",
        "id": "01a207b6-45ac-776c-a9b4-312094ad3315",
        "audience": "everyone",
        "kind": "general",
        "level": "info",
        "title": "Maintenance tonight",
        "body": "The site is closed from ten to eleven.",
        "url": None,
        "display": "popup",
        "created_at": "2026-01-02T03:04:05.678Z",
        "live": True,
    }
)
FRAME = b"\x81\x7e" + len(TEXT).to_bytes(2, "big") + TEXT.encode()
