"""Deltas and their pace."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.engine.answer import AnswerText
from voicewire.engine.speaking import DELTA_MS, FIRST_DELTA_MS, LEAD_MS, FactStream, Pacer, cut
from voicewire.engine.stages import WordTime
from voicewire.testing.clock import ManualClock

pytestmark = pytest.mark.unit

RATE_HZ = 24_000


@given(st.integers(0, 30_000), st.integers(0, 100_000))
def test_deltas_put_together_are_the_clause(samples: int, offset: int) -> None:
    pcm = bytes(i % 251 for i in range(2 * samples))
    words = tuple(WordTime(str(i), i * 1000, i * 1000 + 900) for i in range(samples // 1000))
    found = cut(pcm, words, rate_hz=RATE_HZ, offset_samples=offset)
    assert b"".join(piece.pcm for piece in found) == pcm
    placed = [word for piece in found for word in piece.words]
    assert [word.start_sample - offset for word in placed] == [word.start_sample for word in words]


def test_the_first_delta_of_a_response_is_short() -> None:
    pcm = bytes(2 * RATE_HZ)
    first = cut(pcm, (), rate_hz=RATE_HZ, offset_samples=0)
    later = cut(pcm, (), rate_hz=RATE_HZ, offset_samples=1)
    assert len(first[0].pcm) == 2 * RATE_HZ * FIRST_DELTA_MS // 1000
    assert len(later[0].pcm) == len(first[1].pcm) == 2 * RATE_HZ * DELTA_MS // 1000


def test_a_word_belongs_to_the_delta_in_which_it_begins() -> None:
    edge = RATE_HZ * FIRST_DELTA_MS // 1000
    words = (WordTime("a", edge - 1, edge + 5), WordTime("b", edge, edge + 9))
    found = cut(bytes(2 * RATE_HZ), words, rate_hz=RATE_HZ, offset_samples=0)
    assert [word.word for word in found[0].words] == ["a"]
    assert [word.word for word in found[1].words] == ["b"]


@pytest.mark.anyio
async def test_audio_runs_ahead_of_the_listener_by_the_lead_and_no_more() -> None:
    clock = ManualClock()
    pacer = Pacer(clock, RATE_HZ)
    sent: list[int] = []

    async def send() -> None:
        for _ in range(100):
            await pacer.pass_(RATE_HZ // 10)
            sent.append(pacer.sent_samples)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        await clock.settle()
        at_once = len(sent)
        assert at_once * 100 == LEAD_MS + 100
        for _ in range(100 - at_once):
            await clock.advance_ms(100)
            await clock.settle()
            assert sent[-1] * 1000 // RATE_HZ <= clock.now_ns() // 1_000_000 + LEAD_MS + 100
    assert len(sent) == 100


@pytest.mark.anyio
async def test_a_brain_that_stalled_does_not_make_up_for_it_with_a_flood() -> None:
    clock = ManualClock(1)
    pacer = Pacer(clock, RATE_HZ)
    await pacer.pass_(RATE_HZ)
    await clock.advance_ms(60_000)
    sent: list[int] = []

    async def send() -> None:
        for _ in range(100):
            await pacer.pass_(RATE_HZ // 10)
            sent.append(pacer.sent_samples)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        await clock.settle()
        assert len(sent) * 100 <= LEAD_MS + 200
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_facts_come_over_from_a_thread_in_order() -> None:
    facts = FactStream()

    def work() -> None:
        for number in range(50):
            facts.post(AnswerText(str(number)))

    await anyio.to_thread.run_sync(work)
    assert [await facts.get() for _ in range(50)] == [AnswerText(str(i)) for i in range(50)]
