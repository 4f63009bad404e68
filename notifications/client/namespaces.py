"""The service's namespaces as attributes of a client: each method has the parameters of its namesake in `calls`.

Three forms of one thing: called at once, awaited, or put into a batch. Type checkers see each with its own result.
"""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from notifications.client import calls
from notifications.client.calls import Call
from notifications.client.errors import ClientError

P = ParamSpec("P")
R = TypeVar("R")


class Pending(Generic[R]):
    """A call in a batch; `result()` gives what it gave or raises what it met, once the batch has run."""

    def __init__(self, call: Call[R]) -> None:
        self.call = call
        self.outcome: tuple[Any, ClientError | None] | None = None

    def result(self) -> R:
        """The result; raises the call's `ClientError`, or `RuntimeError` before the batch has run."""
        if self.outcome is None:
            raise RuntimeError("the batch has not run yet")
        result, error = self.outcome
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]


class _Namespace:
    def __init__(self, run: Callable[[Call[Any]], Any]) -> None:
        self._run = run


def _method(build: Callable[..., Call[Any]]) -> Any:
    @wraps(build)
    def method(self: _Namespace, *args: Any, **kwargs: Any) -> Any:
        return self._run(build(*args, **kwargs))

    return method


def _now(build: Callable[P, Call[R]]) -> Callable[Concatenate[_Namespace, P], R]:
    return _method(build)  # type: ignore[no-any-return]


def _awaited(build: Callable[P, Call[R]]) -> Callable[Concatenate[_Namespace, P], Coroutine[Any, Any, R]]:
    return _method(build)  # type: ignore[no-any-return]


def _later(build: Callable[P, Call[R]]) -> Callable[Concatenate[_Namespace, P], Pending[R]]:
    return _method(build)  # type: ignore[no-any-return]


class Notifications(_Namespace):
    """`client.notifications`."""

    send = _now(calls.send)
    send_many = _now(calls.send_many)
    multicast = _now(calls.multicast)
    retract = _now(calls.retract)
    status = _now(calls.status)


class Announcements(_Namespace):
    """`client.announcements`."""

    create = _now(calls.create)
    retract = _now(calls.withdraw)
    stats = _now(calls.stats)


class Inbox(_Namespace):
    """`client.inbox`."""

    list = _now(calls.list_items)
    unread_count = _now(calls.unread_count)
    mark_read = _now(calls.mark_read)


class Connections(_Namespace):
    """`client.connections`."""

    online = _now(calls.online)
    disconnect = _now(calls.disconnect)


class Service(_Namespace):
    """`client.service`."""

    info = _now(calls.info)


class AsyncNotifications(_Namespace):
    """`client.notifications`, awaited."""

    send = _awaited(calls.send)
    send_many = _awaited(calls.send_many)
    multicast = _awaited(calls.multicast)
    retract = _awaited(calls.retract)
    status = _awaited(calls.status)


class AsyncAnnouncements(_Namespace):
    """`client.announcements`, awaited."""

    create = _awaited(calls.create)
    retract = _awaited(calls.withdraw)
    stats = _awaited(calls.stats)


class AsyncInbox(_Namespace):
    """`client.inbox`, awaited."""

    list = _awaited(calls.list_items)
    unread_count = _awaited(calls.unread_count)
    mark_read = _awaited(calls.mark_read)


class AsyncConnections(_Namespace):
    """`client.connections`, awaited."""

    online = _awaited(calls.online)
    disconnect = _awaited(calls.disconnect)


class AsyncService(_Namespace):
    """`client.service`, awaited."""

    info = _awaited(calls.info)


class BatchNotifications(_Namespace):
    """`batch.notifications`."""

    send = _later(calls.send)
    send_many = _later(calls.send_many)
    multicast = _later(calls.multicast)
    retract = _later(calls.retract)
    status = _later(calls.status)


class BatchAnnouncements(_Namespace):
    """`batch.announcements`."""

    create = _later(calls.create)
    retract = _later(calls.withdraw)
    stats = _later(calls.stats)


class BatchInbox(_Namespace):
    """`batch.inbox`."""

    list = _later(calls.list_items)
    unread_count = _later(calls.unread_count)
    mark_read = _later(calls.mark_read)


class BatchConnections(_Namespace):
    """`batch.connections`."""

    online = _later(calls.online)
    disconnect = _later(calls.disconnect)


class BatchService(_Namespace):
    """`batch.service`."""

    info = _later(calls.info)
