"""`notifications.admin.downloads`: files that are sent as they are made."""

from collections.abc import Iterator, Sequence

import pytest
from django.http import HttpRequest
from django.test import AsyncRequestFactory

from notifications.admin.downloads import download


def counted(fetched: list[int]) -> Iterator[Sequence[int]]:
    """Three chunks of one row; notes each as it is fetched."""
    for number in range(3):
        fetched.append(number)
        yield [number]


def test_chunks_are_fetched_one_by_one() -> None:
    """A chunk is fetched when the file has been read as far, not before."""
    fetched: list[int] = []
    response = download(HttpRequest(), "x.csv", ["n"], counted(fetched), lambda chunk: [[n] for n in chunk])
    parts = iter(response)
    assert next(parts) == "\ufeffn\r\n".encode()
    assert fetched == []
    assert next(parts) == b"0\r\n"
    assert fetched == [0]
    assert response.headers["Content-Disposition"] == 'attachment; filename="x.csv"'


@pytest.mark.django_db(transaction=True)
async def test_asynchronous_server() -> None:
    """Under an asynchronous server the same file comes chunk by chunk, without a warning about its kind."""
    fetched: list[int] = []
    request = AsyncRequestFactory().get("/")
    response = download(request, "x.csv", ["n"], counted(fetched), lambda chunk: [[n] for n in chunk])
    parts = [part async for part in response]
    assert b"".join(parts) == "\ufeffn\r\n0\r\n1\r\n2\r\n".encode()
    assert fetched == [0, 1, 2]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_no_formulas(cell: str) -> None:
    """A name that a spreadsheet would take for a formula is sent as text."""
    response = download(HttpRequest(), "x.csv", ["n"], iter([[cell]]), lambda chunk: [chunk])
    assert f"'{cell}" in b"".join(response.streaming_content).decode()  # type: ignore[arg-type]


def test_commas_quotes_and_chinese() -> None:
    """What CSV itself uses is quoted, and other scripts come through."""
    response = download(HttpRequest(), "x.csv", ["n"], iter([['a,"b"', "张三"]]), lambda chunk: [chunk])
    assert b"".join(response.streaming_content).decode().endswith('"a,""b""",张三\r\n')  # type: ignore[arg-type]
