"""The bounded stream: order, policies, cancellation, the end."""

from __future__ import annotations

import asyncio
from collections import deque

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.errors import (
    BackpressureError,
    ConfigError,
    ConsumerTooSlow,
    LocalProtocolError,
    SessionClosed,
)
from voicewire.ownership import TaskOwner
from voicewire.streams import BoundedStream

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


def stream_of_ints(**bounds: int) -> BoundedStream[int]:
    return BoundedStream("numbers", policy="fail", **bounds)  # type: ignore[arg-type]  # bounds only


@pytest.mark.parametrize(
    "bounds", [{}, {"max_items": 0}, {"max_weight": 0}, {"max_items": 5, "max_weight": -1}]
)
def test_a_stream_without_a_bound_is_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="numbers"):
        stream_of_ints(**bounds)


async def test_items_come_in_order_and_the_end_after_them() -> None:
    stream = stream_of_ints(max_items=10)
    for number in range(3):
        stream.put_nowait(number)
    stream.close(last=[98, 99])
    stream.close(ValueError("the first call decided"))
    assert [number async for number in stream] == [0, 1, 2, 98, 99]
    with pytest.raises(SessionClosed, match="numbers"):
        stream.put_nowait(1)
    with pytest.raises(SessionClosed):
        await stream.get()


async def test_the_end_may_be_an_error_and_comes_last() -> None:
    stream = stream_of_ints(max_items=1)
    stream.put_nowait(1)
    stream.close(ConnectionError("gone"), last=[2])
    got: list[int] = []
    with pytest.raises(ConnectionError, match="gone"):
        async for number in stream:
            got.append(number)  # noqa: PERF401  what came before the error counts
    assert got == [1, 2]
    with pytest.raises(ConnectionError, match="gone"):
        await stream.get()


async def test_fail_refuses_the_item_that_does_not_fit() -> None:
    stream = stream_of_ints(max_items=2)
    stream.put_nowait(1)
    stream.put_nowait(2)
    with pytest.raises(ConsumerTooSlow, match="2 items wait"):
        stream.put_nowait(3)
    assert [await stream.get(), await stream.get()] == [1, 2]
    stream.put_nowait(4)
    assert await stream.get() == 4


async def test_weight_counts_in_the_streams_own_unit() -> None:
    stream: BoundedStream[bytes] = BoundedStream("bytes", policy="fail", max_weight=10, weigh=len)
    stream.put_nowait(b"12345678")
    with pytest.raises(ConsumerTooSlow):
        stream.put_nowait(b"123")
    stream.put_nowait(b"12", 2)
    assert stream.statistics().weight == 10
    assert await stream.get() == b"12345678"
    assert stream.statistics().weight == 2
    assert stream.get_nowait() == b"12"
    assert stream.get_nowait() is None
    assert stream.statistics().weight == 0


async def test_the_high_water_mark_counts_the_last_facts_too() -> None:
    stream = stream_of_ints(max_items=2)
    stream.put_nowait(1)
    assert await stream.get() == 1
    assert stream.statistics().high_water_items == 1
    stream.close(last=[2, 3, 4])
    assert stream.statistics().high_water_items == 3


async def test_drop_oldest_keeps_the_newest_and_counts() -> None:
    dropped: list[bytes] = []
    stream: BoundedStream[bytes] = BoundedStream(
        "audio", policy="drop_oldest", max_weight=6, weigh=len, on_drop=dropped.append
    )
    for item in (b"aa", b"bb", b"cc", b"dddd"):
        stream.put_nowait(item)
    figures = stream.statistics()
    assert dropped == [b"aa", b"bb"]
    assert (figures.dropped_items, figures.dropped_weight, figures.weight) == (2, 4, 6)
    stream.put_nowait(b"far too heavy")
    assert await stream.get() == b"far too heavy"
    assert stream.statistics().high_water_items == 3


async def test_wait_lets_the_putter_go_on_when_there_is_room() -> None:
    stream: BoundedStream[int] = BoundedStream("paced", policy="wait", max_items=1)
    await stream.put(1)
    with pytest.raises(BackpressureError, match=r"await put\(\)"):
        stream.put_nowait(2)
    async with anyio.create_task_group() as tasks:
        for number in (2, 3, 4):
            tasks.start_soon(stream.put, number)
        await anyio.wait_all_tasks_blocked()
        assert len(stream) == 1
        assert [await stream.get() for _ in range(4)] == [1, 2, 3, 4]


async def test_a_cancelled_put_puts_nothing_and_passes_its_turn_on() -> None:
    stream: BoundedStream[int] = BoundedStream("paced", policy="wait", max_items=1)
    await stream.put(1)
    owner = TaskOwner("test")
    first = owner.start(stream.put(2), name="first")
    await anyio.wait_all_tasks_blocked()
    owner.start(stream.put(3), name="second")
    await anyio.wait_all_tasks_blocked()
    assert stream.get_nowait() == 1  # wakes the first putter ...
    first.cancel()  # ... which is cancelled before it runs
    assert await stream.get() == 3
    await owner.join()
    assert len(stream) == 0


async def test_closing_wakes_everybody() -> None:
    stream: BoundedStream[int] = BoundedStream("paced", policy="wait", max_items=1)
    refused: list[str] = []

    async def put() -> None:
        try:
            await stream.put(2)
        except SessionClosed as error:
            refused.append(str(error))

    stream.put_nowait(1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(put)
        tasks.start_soon(put)
        await anyio.wait_all_tasks_blocked()
        stream.close()
    assert len(refused) == 2
    assert [item async for item in stream] == [1]


async def test_a_cancelled_get_loses_nothing() -> None:
    stream = stream_of_ints(max_items=10)
    got: list[int] = []

    async def take() -> None:
        got.append(await stream.get())

    owner = TaskOwner("test")
    task = owner.start(take(), name="getter")
    await anyio.wait_all_tasks_blocked()
    stream.put_nowait(1)  # wakes the getter ...
    task.cancel()  # ... which is cancelled before it runs
    await owner.join()
    assert got == []
    assert await stream.get() == 1


async def test_a_second_reader_is_refused() -> None:
    stream = stream_of_ints(max_items=10)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.get)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(LocalProtocolError, match="already being read"):
            await stream.get()
        stream.put_nowait(1)


async def test_a_reader_of_a_full_stream_lets_others_run() -> None:
    stream = stream_of_ints(max_items=4000)
    turns = 0
    for number in range(4000):
        stream.put_nowait(number)
    stream.close()

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count_turns)
        assert [number async for number in stream] == list(range(4000))
        tasks.cancel_scope.cancel()
    assert turns >= 5


async def test_clear_makes_room() -> None:
    stream: BoundedStream[int] = BoundedStream("paced", policy="wait", max_weight=2, max_items=5)
    await stream.put(1)
    await stream.put(1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.put, 2)
        await anyio.wait_all_tasks_blocked()
        assert stream.clear() == 2
    assert (await stream.get(), stream.statistics().weight) == (2, 0)


@given(
    policy=st.sampled_from(["drop_oldest", "fail"]),
    max_items=st.integers(1, 5),
    max_weight=st.integers(1, 20),
    steps=st.lists(st.one_of(st.integers(1, 25), st.just(None)), max_size=60),
)
def test_nothing_is_lost_but_what_is_counted(
    policy: str, max_items: int, max_weight: int, steps: list[int | None]
) -> None:
    """Puts (weights) and gets (None) against a model: a list."""
    dropped: list[tuple[int, int]] = []
    stream: BoundedStream[tuple[int, int]] = BoundedStream(
        "model",
        policy="drop_oldest" if policy == "drop_oldest" else "fail",
        max_items=max_items,
        max_weight=max_weight,
        weigh=lambda item: item[1],
        on_drop=dropped.append,
    )
    put: list[tuple[int, int]] = []
    taken: list[tuple[int, int]] = []
    refused = 0
    for number, step in enumerate(steps):
        if step is None:
            item = stream.get_nowait()
            if item is not None:
                taken.append(item)
            continue
        try:
            stream.put_nowait((number, step))
            put.append((number, step))
        except ConsumerTooSlow:
            refused += 1
        figures = stream.statistics()
        assert figures.depth_items <= max_items
        assert figures.weight <= max_weight or figures.depth_items == 1
    left = deque[tuple[int, int]]()
    while (item := stream.get_nowait()) is not None:
        left.append(item)
    assert sorted([*taken, *dropped, *left]) == put
    assert [*taken, *left] == sorted([*taken, *left])
    assert stream.statistics().dropped_items == len(dropped)
    assert stream.statistics().dropped_weight == sum(weight for _, weight in dropped)
    assert refused == 0 or policy == "fail"
