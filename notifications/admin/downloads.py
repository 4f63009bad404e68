"""CSV files of any length: rows are fetched by the chunk and sent as they come, none is kept."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from notifications.database import in_thread

# A spreadsheet takes a cell that begins with one of these for a formula (OWASP, CSV injection).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
# Without this mark spreadsheets take UTF-8 for something else, and Chinese names come out as noise.
BYTE_ORDER_MARK = "\ufeff"

Rows = Callable[[Sequence[Any]], Iterable[Sequence[object]]]


def download(
    request: HttpRequest, name: str, head: Sequence[str], chunks: Iterator[Sequence[Any]], rows: Rows
) -> StreamingHttpResponse:
    """A file called `name` with the line `head` and then what `rows` makes of each of the `chunks`.

    Each chunk is fetched when the one before is sent, in a worker thread where the server is asynchronous.
    """
    texts = _texts(head, chunks, rows)
    asynchronous = isinstance(request, ASGIRequest)
    response = StreamingHttpResponse(
        _in_threads(texts) if asynchronous else texts, content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _texts(head: Sequence[str], chunks: Iterator[Sequence[Any]], rows: Rows) -> Iterator[str]:
    yield BYTE_ORDER_MARK + _lines([head])
    for chunk in chunks:
        yield _lines(rows(chunk))


async def _in_threads(texts: Iterator[str]) -> AsyncIterator[str]:
    while (text := await in_thread(next, texts, None)) is not None:
        yield text


def _lines(rows: Iterable[Sequence[object]]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows([_harmless(cell) for cell in row] for row in rows)
    return file.getvalue()


def _harmless(cell: object) -> str:
    text = str(cell)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
