"""Tornado the original's way: connections in a dict by uid, `write_message` for each, without waiting for any."""

import asyncio
import signal
import sys

from tornado.httpserver import HTTPServer
from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from bench.peers.frames import TEXT

connections: dict[str, "Push"] = {}


class Push(WebSocketHandler):
    """One user's socket."""

    def open(self) -> None:
        """Keep it by uid."""
        self.uid = self.get_argument("uid")
        connections[self.uid] = self

    def on_message(self, message: str | bytes) -> None:
        """Answer the heartbeat."""
        self.write_message("pong")

    def on_close(self) -> None:
        """Forget it."""
        connections.pop(self.uid, None)


def send_all() -> None:
    """Asynchronous, not one by one."""
    for connection in connections.values():
        try:
            connection.write_message(TEXT)
        except WebSocketClosedError:
            continue


async def main(port: int) -> None:
    """Serve for ever."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, send_all)
    server = HTTPServer(Application([("/", Push)]))
    server.bind(port, "127.0.0.1", backlog=4096)
    server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
