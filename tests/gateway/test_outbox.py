"""Frames that wait for a client: order, budget, accounting."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.errors import ConsumerTooSlow
from voicewire.gateway.outbox import Outbox

pytestmark = pytest.mark.unit

STEPS = st.lists(st.one_of(st.text(max_size=40), st.binary(max_size=40), st.none()), max_size=60)


@given(STEPS)
def test_nothing_is_lost_doubled_or_reordered_and_the_budget_holds(steps: list[str | bytes | None]) -> None:
    budget_bytes = 60
    outbox = Outbox(budget_bytes)
    waiting: list[str | bytes] = []

    async def run() -> None:
        for step in steps:
            if step is None:
                if waiting:
                    assert await outbox.first() == waiting.pop(0)
                    outbox.pop()
            elif sum(map(len, waiting)) + len(step) > budget_bytes and waiting:
                with pytest.raises(ConsumerTooSlow, match="too slow"):
                    outbox.put(step)
            else:
                outbox.put(step)
                waiting.append(step)
            assert len(outbox) == len(waiting)
            assert outbox.pending_bytes == sum(map(len, waiting))

    anyio.run(run)


@pytest.mark.anyio
async def test_first_waits_for_a_frame() -> None:
    outbox = Outbox(100)
    got: list[object] = []

    async def take() -> None:
        for _ in range(2):
            got.append(await outbox.first())
            outbox.pop()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take)
            await anyio.wait_all_tasks_blocked()
            outbox.put("one")
            await anyio.wait_all_tasks_blocked()
            outbox.put("two")
    assert got == ["one", "two"]


def test_a_single_frame_above_the_budget_passes() -> None:
    outbox = Outbox(10)
    outbox.put("x" * 50)
    with pytest.raises(ConsumerTooSlow, match="50 bytes wait"):
        outbox.put("y")
