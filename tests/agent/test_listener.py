"""Playout that a front end reports: the ledger holds what was played, and the front end learns what it holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.fakes import RATE_HZ, FakeModel, response, speech
from voicewire.agent import RealtimeAgent
from voicewire.agent.listener import REPORT_WAIT_MS, Listener
from voicewire.agent.wording import Voice
from voicewire.conversation.session import ConversationSession
from voicewire.errors import InvalidEventError
from voicewire.events import ClientEvents, ServerEvents
from voicewire.events.base import EventBase
from voicewire.events.client import ClientPlayoutReportEvent, PlayoutPosition
from voicewire.events.commands import TruncateItem
from voicewire.events.model import (
    ModelInputStartedEvent,
    ModelResponseAudioDoneEvent,
    ModelResponseAudioTranscriptDeltaEvent,
    ModelResponseDoneEvent,
)
from voicewire.testing.clock import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

WORDS = "one two three four "
BARGE_IN = ModelInputStartedEvent(item_id="u1", audio_start_ms=0)


def spoken(seconds: int = 4) -> list[EventBase]:
    """A response of four words, one a second, whole."""
    return [
        response("r1"),
        ModelResponseAudioTranscriptDeltaEvent(response_id="r1", item_id="a1", delta=WORDS),
        *(speech("r1", "a1", RATE_HZ) for _ in range(seconds)),
        ModelResponseAudioDoneEvent(response_id="r1", item_id="a1"),
        ModelResponseDoneEvent(response_id="r1", input_tokens=0, output_tokens=0),
    ]


def report(samples: int, *, rate: int = RATE_HZ, generation: int | None = None) -> ClientPlayoutReportEvent:
    position = PlayoutPosition(item_id="a1", samples=samples, rate=rate)
    return ClientPlayoutReportEvent(session_id="s", positions=(position,), generation=generation)


class Front:
    """A front end that reports what it plays."""

    def __init__(self, agent: RealtimeAgent, model: FakeModel, queue: asyncio.Queue[EventBase]) -> None:
        self.agent = agent
        self.model = model
        self._queue = queue

    async def until(self, kind: type[EventBase]) -> Any:
        with anyio.fail_after(10):
            while not isinstance(event := await self._queue.get(), kind):
                pass
            return event

    async def tell(self, event: EventBase) -> None:
        await self.agent.handle_input(event)

    async def order(self) -> TruncateItem:
        """The truncation that the model is sent."""
        with anyio.fail_after(10):
            while True:
                for command in self.model.open_connection.orders:
                    if isinstance(command, TruncateItem):
                        return command
                await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def front(clock: ManualClock | None = None) -> AsyncGenerator[Front]:
    model, queue = FakeModel(), asyncio.Queue[EventBase]()
    agent = RealtimeAgent("Friday", "", model, reports_playout=True, clock=clock or ManualClock())
    async with agent:
        await agent.start(queue)
        yield Front(agent, model, queue)


async def test_captions_follow_the_reports_and_end_when_everything_was_heard() -> None:
    async with front() as page:
        page.model.open_connection.emit(*spoken())
        await page.until(ServerEvents.AgentResponseDoneEvent)
        await page.tell(report(2 * RATE_HZ))
        heard = await page.until(ServerEvents.AgentPlayoutHeardEvent)
        assert (heard.heard_samples, heard.generated_samples, heard.rate) == (
            2 * RATE_HZ,
            4 * RATE_HZ,
            RATE_HZ,
        )
        assert WORDS.startswith(heard.heard_text)
        assert 0 < len(heard.heard_text) < len(WORDS.strip())
        assert not heard.is_final
        await page.tell(report(4 * RATE_HZ))
        heard = await page.until(ServerEvents.AgentPlayoutHeardEvent)
        assert (heard.heard_text, heard.is_final, heard.is_cut) == (WORDS, True, False)


async def test_a_report_may_count_in_a_rate_of_its_own() -> None:
    async with front() as page:
        page.model.open_connection.emit(*spoken())
        await page.until(ServerEvents.AgentResponseDoneEvent)
        await page.tell(report(48_000, rate=48_000))
        assert (await page.until(ServerEvents.AgentPlayoutHeardEvent)).heard_samples == RATE_HZ


async def test_an_interruption_flushes_the_page_and_truncates_at_its_answer() -> None:
    async with front() as page:
        page.model.open_connection.emit(*spoken())
        await page.until(ServerEvents.AgentResponseDoneEvent)
        await page.tell(report(RATE_HZ))
        page.model.open_connection.emit(BARGE_IN)
        flush = await page.until(ServerEvents.AgentPlayoutFlushEvent)
        assert not [order for order in page.model.open_connection.orders if isinstance(order, TruncateItem)]
        await page.tell(report(RATE_HZ * 3 // 2, generation=flush.generation))
        assert await page.order() == TruncateItem("a1", 1500, 0, (await page.order()).command_id)
        heard = await page.until(ServerEvents.AgentPlayoutHeardEvent)
        while not heard.is_final:
            heard = await page.until(ServerEvents.AgentPlayoutHeardEvent)
        assert (heard.heard_samples, heard.is_cut) == (RATE_HZ * 3 // 2, True)
        assert page.agent.history()[0].text == heard.heard_text


async def test_a_page_that_does_not_answer_a_flush_is_not_waited_for_long() -> None:
    clock = ManualClock()
    async with front(clock) as page:
        page.model.open_connection.emit(*spoken())
        await page.until(ServerEvents.AgentResponseDoneEvent)
        await page.tell(report(RATE_HZ))
        page.model.open_connection.emit(BARGE_IN)
        await page.until(ServerEvents.AgentPlayoutFlushEvent)
        await clock.settle(50)
        await clock.advance_ms(REPORT_WAIT_MS)
        assert (await page.order()).audio_end_ms == 1000


async def test_what_was_never_heard_is_told_as_such() -> None:
    async with front() as page:
        page.model.open_connection.emit(*spoken(), BARGE_IN)
        flush = await page.until(ServerEvents.AgentPlayoutFlushEvent)
        await page.tell(ClientPlayoutReportEvent(session_id="s", generation=flush.generation))
        heard = await page.until(ServerEvents.AgentPlayoutHeardEvent)
        assert (heard.heard_samples, heard.heard_text, heard.is_final, heard.is_cut) == (0, "", True, True)
        assert page.agent.history() == []


async def test_who_never_said_that_it_reports_is_refused_and_heard_as_before() -> None:
    model, queue = FakeModel(), asyncio.Queue[EventBase]()
    async with RealtimeAgent("Friday", "", model) as agent:
        await agent.start(queue)
        page = Front(agent, model, queue)
        await page.tell(report(1))
        assert "reports_playout" in (await page.until(ServerEvents.AgentErrorEvent)).message
        model.open_connection.emit(*spoken(), BARGE_IN)
        await page.until(ServerEvents.AgentInputStartedEvent)
        assert await page.order()
        rest = [queue.get_nowait() for _ in range(queue.qsize())]
        assert not any(isinstance(event, ServerEvents.AgentPlayoutFlushEvent) for event in rest)


@pytest.mark.parametrize(
    "position",
    [
        {"item_id": "a", "samples": -1, "rate": 24000},
        {"item_id": "a", "samples": 1, "rate": 0},
        {"item_id": "a", "samples": 1, "rate": 10**9},
        {"item_id": "a", "samples": 1.5, "rate": 24000},
        {"samples": 1, "rate": 24000},
        {"item_id": 7, "samples": 1, "rate": 24000},
    ],
)
def test_a_position_that_cannot_be_is_refused(position: dict[str, object]) -> None:
    data = {"type": "client_playout_report", "session_id": "s", "positions": [position]}
    with pytest.raises(InvalidEventError):
        ClientEvents.from_json(data)


def test_a_report_goes_through_json() -> None:
    event = report(7, generation=3)
    assert ClientEvents.from_json(event.model_dump()) == event


@given(
    reports=st.lists(
        st.tuples(
            st.sampled_from(["a1", "nobody"]),
            st.integers(0, 10 * RATE_HZ),
            st.sampled_from([8000, RATE_HZ, 44_100]),
            st.one_of(st.none(), st.integers(-1, 3)),
        ),
        max_size=12,
    )
)
def test_whatever_is_reported_the_ledger_only_grows_and_never_passes_what_was_generated(
    reports: list[tuple[str, int, int, int | None]],
) -> None:
    core, listener = ConversationSession(has_playout=True), Listener(Voice("1", "Friday"))
    for event in spoken():
        core.receive(event)
    listener.follow("a1", 0)
    last = 0
    for item_id, samples, rate, generation in reports:
        position = PlayoutPosition(item_id=item_id, samples=samples, rate=rate)
        told = ClientPlayoutReportEvent(session_id="s", positions=(position,), generation=generation)
        listener.played(core, told, 0)
        for heard in listener.news(core):
            assert isinstance(heard, ServerEvents.AgentPlayoutHeardEvent)
            assert last < heard.heard_samples <= heard.generated_samples == 4 * RATE_HZ
            assert heard.is_final == (heard.heard_samples == 4 * RATE_HZ)
            last = heard.heard_samples
