"""Many look-ups at once share one."""

import asyncio

import pytest

from notifications.gather import Gather
from notifications.log_ids import request_id


class Many:
    """A look-up that writes down what it was asked; `answering` holds it until set."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.begun = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()

    async def __call__(self, keys: list[str]) -> dict[str, int]:
        """The length of each key; raises for one that is `bad`."""
        self.asked.append(keys)
        self.begun.set()
        await self.answering.wait()
        if "bad" in keys:
            raise ValueError("bad")
        return {key: len(key) for key in keys if key != "missing"}


async def test_what_is_asked_together_is_asked_once() -> None:
    """One call for all, each key in it once, each asker with its own answer."""
    many = Many()
    gather = Gather(many, seconds=0.01)
    assert await asyncio.gather(*map(gather, ["a", "bb", "a", "ccc"])) == [1, 2, 1, 3]
    assert many.asked == [["a", "bb", "ccc"]]


async def test_a_look_up_for_many_bears_the_ids_of_none() -> None:
    """What it logs is not shown as the doing of the request that happened to ask first."""
    seen: list[str] = []

    async def look_up(keys: list[str]) -> dict[str, str]:
        seen.append(request_id.get())
        return dict.fromkeys(keys, "")

    before = request_id.set("the-first")
    try:
        await Gather(look_up, seconds=0)("a")
    finally:
        request_id.reset(before)
    assert seen == [""]


async def test_a_batch_holds_so_many() -> None:
    """More keys than its size are looked up in several calls."""
    many = Many()
    gather = Gather(many, seconds=0, size=2)
    assert await asyncio.gather(*map(gather, ["a", "bb", "ccc", "dddd", "a"])) == [1, 2, 3, 4, 1]
    assert many.asked == [["a", "bb"], ["ccc", "dddd"]]


async def test_who_asks_later_gets_a_later_answer() -> None:
    """A look-up that has begun is not shared: its answer may be from before what the asker knows."""
    many = Many()
    many.answering.clear()
    gather = Gather(many, seconds=0)
    first = asyncio.ensure_future(gather("a"))
    await many.begun.wait()
    second = asyncio.ensure_future(gather("a"))
    await asyncio.sleep(0)
    many.answering.set()
    assert [await first, await second] == [1, 1]
    assert many.asked == [["a"], ["a"]]


async def test_a_failure_is_everyone_s() -> None:
    """What the look-up raises every asker of the batch gets, and the next batch none of it."""
    gather = Gather(Many(), seconds=0)
    results = await asyncio.gather(*map(gather, ["a", "bad"]), return_exceptions=True)
    assert [str(r) for r in results] == ["bad", "bad"]
    assert await gather("a") == 1


async def test_a_key_without_an_answer_is_an_error() -> None:
    """It does not leave its asker waiting."""
    gather = Gather(Many(), seconds=0)
    with pytest.raises(KeyError):
        await gather("missing")


async def test_an_asker_that_goes_takes_nothing_from_others() -> None:
    """One that is cancelled leaves the answer, or the failure, to those who wait for the same key."""
    many = Many()
    gather = Gather(many, seconds=0)
    for key in ("a", "bad"):
        many.answering.clear()
        going, staying = asyncio.ensure_future(gather(key)), asyncio.ensure_future(gather(key))
        await asyncio.sleep(0)
        going.cancel()
        many.answering.set()
        (result,) = await asyncio.gather(staying, return_exceptions=True)
        assert str(result) in ("1", "bad")
        assert going.cancelled()


async def test_an_asker_that_goes_alone_leaves_no_trace() -> None:
    """A failure that nobody fetches any more is no warning."""
    many = Many()
    many.answering.clear()
    gather = Gather(many, seconds=0)
    alone = asyncio.ensure_future(gather("bad"))
    await many.begun.wait()
    alone.cancel()
    many.answering.set()
    assert await gather("a") == 1
    assert alone.cancelled()
