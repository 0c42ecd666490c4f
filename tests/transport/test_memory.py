"""The memory pair keeps the rules of every transport."""

from __future__ import annotations

import anyio
import pytest

from tests.transport.servers import Inbox
from voicewire.errors import ConnectionLost, SessionClosed
from voicewire.transport.memory import memory_pair

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


async def test_both_ways_in_order_and_not_within_the_call() -> None:
    left, right = Inbox(), Inbox()
    a, b = memory_pair(left, right)
    a.write("one")
    a.write(b"two")
    b.write("back")
    assert right.messages == []
    await right.next_count(2)
    await left.next_count(1)
    assert (right.messages, left.messages) == (["one", b"two"], ["back"])
    assert (left.opened, right.opened) == (1, 1)
    await a.aclose()


async def test_closing_delivers_what_was_written_then_the_code() -> None:
    left, right = Inbox(), Inbox()
    a, b = memory_pair(left, right)
    a.write("last")
    await a.aclose(4001, "why")
    end = await right.end()
    assert right.messages == ["last"]
    assert (end.code, end.reason, end.is_local, end.is_clean) == (4001, "why", False, True)
    assert (left.closed[0].code, left.closed[0].is_local) == (4001, True)
    await b.aclose()
    await a.aclose()
    assert (len(left.closed), len(right.closed)) == (1, 1)
    for end_of in (a, b):
        with pytest.raises(SessionClosed) as refused:
            end_of.write("x")
        assert refused.value.code == 4001


async def test_a_cut_loses_what_was_under_way() -> None:
    left, right = Inbox(), Inbox()
    a, b = memory_pair(left, right)
    a.write("lost")
    a.abort()
    a.abort()
    end = await right.end()
    assert (right.messages, end.code, end.is_clean) == ([], 1006, False)
    assert isinstance(end.error, ConnectionLost)
    assert b.closed is end


async def test_a_stalled_peer_is_congestion() -> None:
    left, right = Inbox(), Inbox()
    a, b = memory_pair(left, right, high_water_frames=2)
    b.stall()
    for number in range(3):
        a.write(str(number))
    assert a.is_congested
    drained = anyio.Event()

    async def drain() -> None:
        await a.drain()
        drained.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drain)
        await anyio.wait_all_tasks_blocked()
        assert not drained.is_set()
        b.resume()
    assert right.messages == ["0", "1", "2"]
    await a.aclose()


async def test_waiting_for_room_ends_with_the_connection() -> None:
    a, b = memory_pair(Inbox(), Inbox(), high_water_frames=1)
    b.stall()
    a.write("1")
    a.write("2")
    async with anyio.create_task_group() as tasks:

        async def drain() -> None:
            with pytest.raises(SessionClosed):
                await a.drain()

        tasks.start_soon(drain)
        await anyio.wait_all_tasks_blocked()
        b.abort()


async def test_a_receiver_that_keeps_the_view_is_found_out() -> None:
    class Keeper(Inbox):
        def __init__(self) -> None:
            super().__init__()
            self.kept: list[object] = []

        def on_message(self, message: object) -> None:
            self.kept.append(message)
            self._news.set()

    keeper = Keeper()
    a, _ = memory_pair(Inbox(), keeper)
    a.write("text")
    await keeper.until(lambda: bool(keeper.kept))
    view = keeper.kept[0]
    assert isinstance(view, memoryview)
    with pytest.raises(ValueError, match="released"):
        bytes(view)
    await a.aclose()
