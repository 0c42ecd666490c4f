"""The clocks: the machine's never wakes early, the test's wakes in order."""

from __future__ import annotations

import anyio
import pytest

from voicewire.clock import NS_PER_MS, MonotonicClock
from voicewire.testing.clock import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


async def test_the_machine_s_clock_never_wakes_early() -> None:
    clock = MonotonicClock()
    when_ns = clock.now_ns() + 2 * NS_PER_MS
    await clock.sleep_until_ns(when_ns)
    assert clock.now_ns() >= when_ns
    await clock.sleep_until_ns(0)


async def test_sleepers_wake_at_their_own_time_in_order() -> None:
    clock = ManualClock()
    woken: list[tuple[str, int]] = []

    async def sleep(name: str, ms: int) -> None:
        await clock.sleep_until_ns(ms * NS_PER_MS)
        woken.append((name, clock.now_ns() // NS_PER_MS))

    async with anyio.create_task_group() as tasks:
        for name, ms in (("late", 30), ("early", 10), ("also early", 10), ("never", 99)):
            tasks.start_soon(sleep, name, ms)
        await clock.advance_ms(40)
        assert clock.next_wake_ns == 99 * NS_PER_MS
        tasks.cancel_scope.cancel()
    assert woken == [("early", 10), ("also early", 10), ("late", 30)]
    assert clock.sleepers == 0
    assert clock.next_wake_ns is None


async def test_a_moment_that_has_passed_is_not_waited_for() -> None:
    clock = ManualClock(start_ns=5)
    await clock.sleep_until_ns(5)
    assert clock.now_ns() == 5
