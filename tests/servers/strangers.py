"""Strangers at the door: a process that tries handshakes as quickly as they go, with tokens that are no good.

`python -m tests.servers.strangers PORT COUNT` reads tokens from its input, one a line, and prints a JSON object: by
HTTP status, how many handshakes were answered with it ("" where none was).
"""

import asyncio
import json
import socket
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import cycle, islice

from tests.servers.process import HOST, ROOT

# Handshakes under way at once, in each process.
AT_ONCE = 64
PATIENCE_SECONDS = 30


def request(port: int, token: str, *, by_query: bool) -> bytes:
    """A handshake that is good but for its token."""
    path, header = "/ws/notifications/", ""
    if by_query:
        path += f"?token={token}"
    else:
        header = f"Sec-WebSocket-Protocol: notifications.v1, bearer.{token}\r\n"
    return (
        f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n{header}\r\n"
    ).encode()


def knock(port: int, tokens: Sequence[str], count: int) -> Counter[str]:
    """`count` handshakes with these tokens in turn, every second time with something added to make another of it."""
    answers: Counter[str] = Counter()
    made = (token if n % 2 else f"{token}{n}" for n, token in enumerate(islice(cycle(tokens), count)))
    while batch := list(islice(made, AT_ONCE)):
        opened = []
        for n, token in enumerate(batch):
            door = socket.socket()
            door.settimeout(PATIENCE_SECONDS)
            # Of one address the ports would run out: each is kept for a minute after its end.
            door.bind((f"127.1.{n}.1", 0))
            door.connect((HOST, port))
            door.sendall(request(port, token, by_query=n % 2 == 0))
            opened.append(door)
        for door in opened:
            with door:
                # "HTTP/1.1 403 ..."
                answers[door.recv(4_096)[9:12].decode()] += 1
    return answers


async def strangers(port: int, tokens: Sequence[str], count: int) -> Counter[str]:
    """Such a process, from beginning to end; gives what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.servers.strangers", str(port), str(count),
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, _ = await process.communicate("\n".join(tokens).encode())
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    return Counter(json.loads(output))


if __name__ == "__main__":
    print(json.dumps(knock(int(sys.argv[1]), sys.stdin.read().split(), int(sys.argv[2]))))
