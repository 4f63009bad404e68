"""Real servers for tests: Redis, PostgreSQL, nginx, nodes, a TCP proxy, and a WebSocket client.

Each is a context manager, listens on a free port of the loopback, keeps its files in a folder of its own under the
temporary directory, and ends with its context, by pid. `tests/conftest.py` has fixtures of them.
"""
