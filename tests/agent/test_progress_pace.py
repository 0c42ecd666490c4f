"""The pace at which a front end hears of a call, whatever a tool reports and when."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicewire.agent.progress import INTERVAL_MS, ProgressPace, ProgressReport
from voicewire.clock import NS_PER_MS
from voicewire.testing.clock import ManualClock

pytestmark = pytest.mark.unit

_REPORTS = st.lists(st.tuples(st.integers(0, 250), st.integers(0, 1000)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(_REPORTS, st.sampled_from(["a result", "7"]))
def test_any_sequence_of_reports_keeps_the_pace_and_its_last(
    reports: list[tuple[int, int]], result: str
) -> None:
    heard: list[tuple[int, str]] = []
    left: list[int] = []

    async def play() -> None:
        clock = ManualClock()
        async with anyio.create_task_group() as tasks:
            pace = ProgressPace(
                lambda report: heard.append((clock.now_ns() // NS_PER_MS, report.message)), tasks, clock
            )
            for pause_ms, number in reports:
                await clock.advance_ms(pause_ms)
                pace.take(ProgressReport(str(number)))
            pace.close(result)
            pace.take(ProgressReport("too late"))
            await clock.settle()
            left.append(clock.sleepers)
            tasks.cancel_scope.cancel()

    anyio.run(play)
    assert left == [0]
    said = [str(number) for _, number in reports]
    if said and said[-1] != result:
        assert heard[-1][1] == said[-1]
    rest = iter(said)
    assert all(message in rest for _, message in heard)  # in order, none invented
    times = [0, *(at for at, _ in heard)]
    gaps = [after - before for before, after in zip(times, times[1:], strict=False)]
    # The very last one does not wait for its time.
    assert all(gap >= INTERVAL_MS for gap in gaps[:-1])
