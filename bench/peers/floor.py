"""The floor: sockets that are shaken hands with by hand, then one `send` system call each in a plain loop."""

import asyncio
import base64
import hashlib
import os
import signal
import sys
from typing import Any

import uvloop

from bench.peers.frames import FRAME

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Raw(asyncio.Protocol):
    """Answers the handshake and reads nothing after it."""

    sockets: list[Any] = []

    def connection_made(self, transport: Any) -> None:
        """Keep the transport for writing."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """The request, in one piece on loopback."""
        for line in data.split(b"\r\n"):
            if line.lower().startswith(b"sec-websocket-key:"):
                key = line.split(b":", 1)[1].strip()
                accept = base64.b64encode(hashlib.sha1(key + GUID).digest())  # noqa: S324  RFC 6455 section 4.2.2
                self.transport.write(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
                )
                self.sockets.append(self.transport.get_extra_info("socket"))


def send_all() -> None:
    """One system call a socket."""
    for sock in Raw.sockets:
        os.write(sock.fileno(), FRAME)


async def main(port: int) -> None:
    """Serve for ever."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, send_all)
    server = await loop.create_server(Raw, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
