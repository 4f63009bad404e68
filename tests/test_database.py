"""What failures of the database mean to callers."""

import asyncio
import threading

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, InterfaceError, OperationalError, connection

from notifications.database import available, in_thread
from notifications.exceptions import NotificationsError, Unavailable


@pytest.mark.parametrize("failure", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_unavailable(failure: type[Exception]) -> None:
    """The caller may repeat it; nothing internal is in the message, the cause is kept for logs."""
    with pytest.raises(Unavailable) as caught, available():
        raise failure("connection to server at 10.0.0.5 failed")
    assert caught.value.retryable
    assert caught.value.code == "unavailable"
    assert "10.0.0.5" not in caught.value.message
    assert isinstance(caught.value.__cause__, failure)


@pytest.mark.parametrize("failure", [IntegrityError, ValueError, NotificationsError])
def test_other_failures_stay_what_they_are(failure: type[Exception]) -> None:
    """Only what may succeed later is `Unavailable`."""
    with pytest.raises(failure), available():
        raise failure("x")


@pytest.mark.django_db(transaction=True)
async def test_in_thread_runs_beside_the_loop(alice: User) -> None:
    """The function gets its arguments and the ORM in another thread, and its answer comes back."""

    def look_up(name: str, *, field: str) -> tuple[object, str]:
        return User.objects.filter(username=name).values_list(field, flat=True).get(), threading.current_thread().name

    found, thread = await in_thread(look_up, "alice", field="pk")
    assert found == alice.pk
    assert thread != threading.current_thread().name


@pytest.mark.django_db(transaction=True)
async def test_in_thread_tells_of_a_database_that_refuses() -> None:
    """SQL that cannot run now is `Unavailable`."""

    def fail() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")

    with pytest.raises(Unavailable):
        await in_thread(fail)


@pytest.mark.django_db(transaction=True)
async def test_a_database_that_hangs_holds_up_nothing_else() -> None:
    """With every thread for the database waiting, the event loop's own threads still answer."""
    answers = threading.Event()
    hanging = [asyncio.ensure_future(in_thread(answers.wait, 30)) for _ in range(40)]
    try:
        async with asyncio.timeout(15):
            assert await asyncio.to_thread(threading.active_count) > 0
        assert not any(call.done() for call in hanging)
    finally:
        answers.set()
        await asyncio.gather(*hanging)
