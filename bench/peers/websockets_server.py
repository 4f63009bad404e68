"""Bare `websockets` with its `broadcast()`, on uvloop, without compression or keepalive."""

import asyncio
import signal
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench.peers.frames import TEXT

connections: set[ServerConnection] = set()


async def hold(connection: ServerConnection) -> None:
    """Keep a socket until it ends."""
    connections.add(connection)
    try:
        await connection.wait_closed()
    finally:
        connections.discard(connection)


async def main(port: int) -> None:
    """Serve for ever."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: broadcast(connections, TEXT))
    async with serve(hold, "127.0.0.1", port, compression=None, ping_interval=None, backlog=4096) as server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
