"""The in-process connection: its stream, its bounds, its end, the audio on both ways."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise

import anyio
import anyio.lowlevel
import pytest

from voicewire.audio import g711
from voicewire.audio.format import AudioFrame
from voicewire.conversation.heard import Word
from voicewire.conversation.orders import StartResponse, StopGeneration, TranscribeInput, WorkOrder
from voicewire.errors import (
    AudioError,
    ConfigError,
    ConnectionLost,
    ConsumerTooSlow,
    InferenceError,
    SessionClosed,
    UnsupportedError,
)
from voicewire.events import commands as c
from voicewire.events import model as m
from voicewire.events.base import EventBase, MediaFormat, decode_base64
from voicewire.events.items import Item
from voicewire.events.session import SessionConfig, TurnDetection
from voicewire.models.hosted import HostedConnection, open_hosted
from voicewire.models.hosted_audio import AudioShelf, InputBuffer, OutputAudio
from voicewire.models.hosted_out import HostedLimits
from voicewire.models.inbox import Fact, ThreadInbox
from voicewire.models.model import Capabilities
from voicewire.testing.clock import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

MANUAL = SessionConfig(turn_detection=None)
USAGE = m.TokenUsage(input_text_tokens=1, output_text_tokens=1)


class Puppet:
    """A performer that does nothing by itself."""

    def __init__(self, connection: HostedConnection) -> None:
        self.connection = connection
        self.frames: list[AudioFrame] = []
        self.orders: list[WorkOrder] = []
        self.turns: list[bytes] = []

    def on_audio(self, frame: AudioFrame) -> None:
        self.frames.append(frame)

    def on_order(self, order: WorkOrder) -> None:
        self.orders.append(order)
        if isinstance(order, TranscribeInput):
            self.turns.append(self.connection.input_audio(order.start_sample, order.end_sample))

    @property
    def generation(self) -> int:
        return [order.generation for order in self.orders if isinstance(order, StartResponse)][-1]

    @property
    def heard(self) -> bytes:
        return b"".join(frame.data for frame in self.frames)


@asynccontextmanager
async def puppet(
    config: SessionConfig = MANUAL,
    capabilities: Capabilities | None = None,
    limits: HostedLimits | None = None,
) -> AsyncGenerator[Puppet, None]:
    made: list[Puppet] = []

    def make(connection: HostedConnection) -> Puppet:
        made.append(Puppet(connection))
        return made[0]

    async with open_hosted(
        make,
        name="puppet",
        config=config,
        capabilities=capabilities or Capabilities(supports_out_of_band=True),
        session="t",
        clock=ManualClock(),
        limits=limits,
    ):
        yield made[0]


async def drain(connection: HostedConnection) -> list[EventBase]:
    """Everything up to and with the session's end; an error of the iterator goes on."""
    return [event async for event in connection]


async def taken(connection: HostedConnection, kind: type[EventBase]) -> EventBase:
    """Takes events up to one of a kind."""
    async for event in connection:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"the session ended without {kind.__name__}")


def audio_of(events: list[EventBase]) -> bytes:
    return b"".join(event.pcm for event in events if isinstance(event, m.ModelResponseAudioDeltaEvent))


# ---------------------------------------------------------------- life


async def test_the_session_begins_and_ends_with_its_events() -> None:
    async with puppet() as p:
        await p.connection.aclose()
        await p.connection.aclose()
        events = await drain(p.connection)
        assert [type(event) for event in events] == [m.ModelSessionCreatedEvent, m.ModelSessionEndedEvent]
        end = events[-1]
        assert isinstance(end, m.ModelSessionEndedEvent)
        assert (end.session_id, end.code, end.is_expected) == ("sess_t", 1000, True)
        with pytest.raises(SessionClosed):
            await p.connection.send(c.SendText("late"))


async def test_leaving_the_context_ends_the_session_and_its_tasks() -> None:
    ended = anyio.Event()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with puppet() as p:
        p.connection.spawn(work, name="work")
        await anyio.lowlevel.checkpoint()
    assert ended.is_set()
    assert isinstance((await drain(p.connection))[-1], m.ModelSessionEndedEvent)


async def test_an_exception_of_the_application_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with puppet():
            raise KeyError("mine")


async def test_closing_does_not_cancel_the_application() -> None:
    async with puppet() as p:
        await p.connection.aclose()
        await anyio.lowlevel.checkpoint()
        went_on = True
    assert went_on


async def test_a_cut_is_reported_with_1006_and_raised() -> None:
    async with puppet() as p:
        p.connection.end(1006, "cable")
        events: list[EventBase] = []
        with pytest.raises(ConnectionLost) as caught:
            async for event in p.connection:
                events.append(event)  # noqa: PERF401  the events before the error are wanted
        assert (caught.value.code, caught.value.reason) == (1006, "cable")
        end = events[-1]
        assert isinstance(end, m.ModelSessionEndedEvent)
        assert (end.code, end.is_expected) == (1006, False)


async def test_a_performer_that_breaks_ends_its_own_session_only() -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    async with puppet() as p:
        await p.connection.send(c.SendText("hello"))
        p.connection.spawn(broken, name="broken")
        with pytest.raises(InferenceError, match="ZeroDivisionError"):
            await drain(p.connection)
        assert p.connection.is_ended


async def test_a_performer_that_breaks_in_a_call_does_not_break_the_application() -> None:
    class Broken(Puppet):
        def on_order(self, order: WorkOrder) -> None:
            raise ZeroDivisionError

    async with open_hosted(
        Broken, name="broken", config=MANUAL, capabilities=Capabilities(), session="t"
    ) as connection:
        await connection.send(c.SendText("hello"))
        with pytest.raises(InferenceError, match="ZeroDivisionError"):
            await drain(connection)


async def test_facts_after_the_end_have_no_effect() -> None:
    async with puppet() as p:
        await p.connection.send(c.SendText("hello"))
        generation = p.generation
        await p.connection.aclose()
        p.connection.apply(p.connection.host.response_text(generation, "late"))
        p.connection.response_audio(generation, bytes(4), 24000)
        p.connection.response_finished(generation, USAGE)
        events = await drain(p.connection)
        assert isinstance(events[-1], m.ModelSessionEndedEvent)
        assert isinstance(events[-2], m.ModelResponseDoneEvent)
        assert events[-2].status == "cancelled"


# ---------------------------------------------------------------- the stream


async def test_a_cancelled_wait_for_an_event_loses_nothing() -> None:
    async with puppet() as p:
        events = aiter(p.connection)
        assert isinstance(await anext(events), m.ModelSessionCreatedEvent)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(events)
        await p.connection.send(c.ClearAudio())
        assert isinstance(await anext(events), m.ModelInputClearedEvent)


async def test_too_many_unread_events_end_the_session_and_none_is_lost() -> None:
    async with puppet(limits=HostedLimits(max_unread_events=3)) as p:
        for _ in range(3):
            await p.connection.send(c.ClearAudio())
        assert p.connection.is_ended
        events: list[EventBase] = []
        with pytest.raises(ConsumerTooSlow):
            async for event in p.connection:
                events.append(event)  # noqa: PERF401  the events before the error are wanted
        assert sum(isinstance(event, m.ModelInputClearedEvent) for event in events) == 3
        end = events[-1]
        assert isinstance(end, m.ModelSessionEndedEvent)
        assert end.code == 1008


async def test_too_much_unread_audio_ends_the_session() -> None:
    async with puppet(limits=HostedLimits(max_unread_audio_s=1.0)) as p:
        await p.connection.send(c.SendText("hello"))
        p.connection.response_audio(p.generation, bytes(48000), 24000)
        assert not p.connection.is_ended
        p.connection.response_audio(p.generation, bytes(4800), 24000)
        with pytest.raises(ConsumerTooSlow):
            await drain(p.connection)


async def test_a_performer_waits_for_room_until_audio_is_taken() -> None:
    async with puppet(limits=HostedLimits(room_audio_s=0.1)) as p:
        await p.connection.send(c.SendText("hello"))
        rooms = 0

        async def speak() -> None:
            nonlocal rooms
            for _ in range(3):
                await p.connection.room()
                rooms += 1
                p.connection.response_audio(p.generation, bytes(9600), 24000)

        p.connection.spawn(speak, name="speak")
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        assert rooms == 1
        await taken(p.connection, m.ModelResponseAudioDeltaEvent)
        await taken(p.connection, m.ModelResponseAudioDeltaEvent)
        await taken(p.connection, m.ModelResponseAudioDeltaEvent)
        assert rooms == 3


async def test_unread_audio_of_an_interrupted_response_is_declared_dropped() -> None:
    async with puppet() as p:
        await p.connection.send(c.SendText("hello"))
        p.connection.response_audio(p.generation, bytes(4800), 24000)
        await taken(p.connection, m.ModelResponseAudioDeltaEvent)
        p.connection.response_audio(p.generation, bytes(9600), 24000)
        p.connection.response_audio(p.generation, bytes(9600), 24000)
        await p.connection.send(c.CancelResponse())
        await p.connection.aclose()
        events = await drain(p.connection)
        assert audio_of(events) == b""
        dropped = [event for event in events if isinstance(event, m.ModelAudioDroppedEvent)]
        assert [(e.samples, e.direction) for e in dropped] == [(9600, "output")]
        assert [type(event) for event in events].index(m.ModelAudioDroppedEvent) == 0


async def test_orders_that_call_the_host_again_keep_the_order_of_events() -> None:
    class Eager(Puppet):
        def on_order(self, order: WorkOrder) -> None:
            if isinstance(order, StartResponse):
                self.connection.apply(self.connection.host.response_text(order.generation, "Hi."))
                self.connection.response_finished(order.generation, USAGE)

    async with open_hosted(
        Eager, name="eager", config=MANUAL, capabilities=Capabilities(), session="t"
    ) as connection:
        await connection.send(c.SendText("hello"))
        await connection.aclose()
        names = [type(event).__name__ for event in await drain(connection)]
        assert names.index("ModelResponseCreatedEvent") < names.index(
            "ModelResponseAudioTranscriptDeltaEvent"
        )
        assert names.index("ModelResponseAudioTranscriptDeltaEvent") < names.index("ModelResponseDoneEvent")


# ---------------------------------------------------------------- refused before the host


async def test_what_the_model_cannot_do_is_refused_before_anything_happens() -> None:
    async with puppet(capabilities=Capabilities(supports_tools=False)) as p:
        with pytest.raises(UnsupportedError):
            await p.connection.send(c.SendToolResult("c", "1"))
        with pytest.raises(UnsupportedError):
            await p.connection.send(c.UpdateSession(output_format=MediaFormat("audio/opus", 48000)))
        with pytest.raises(UnsupportedError):
            await p.connection.send(c.CreateResponse(is_out_of_band=True))
        await p.connection.aclose()
        assert len(await drain(p.connection)) == 2
    with pytest.raises(UnsupportedError, match="audio/pcmu"):
        async with puppet(SessionConfig(input_format=MediaFormat("audio/pcmu", 16000))):
            pass


# ---------------------------------------------------------------- input audio


async def test_the_first_audio_settles_the_rate_if_the_model_takes_it() -> None:
    for rates_hz, expected_hz in (((24000, 16000), 16000), ((24000,), 24000)):
        async with puppet(capabilities=Capabilities(input_rates_hz=rates_hz)) as p:
            await p.connection.send(c.AppendAudio(bytes(3200), 16000))
            assert p.connection.host.input_rate_hz == expected_hz
            await p.connection.send(c.CommitAudio(respond=False))
            assert len(p.turns[0]) == 3200 * expected_hz // 16000


async def test_long_appends_come_in_slices_without_gaps() -> None:
    async with puppet() as p:
        pcm = bytes(range(256)) * 375
        await p.connection.send(c.AppendAudio(pcm, 24000))
        assert p.heard == pcm
        assert len(p.frames) == 10
        assert all(a.end_sample == b.start_sample for a, b in pairwise(p.frames))
        await p.connection.send(c.CommitAudio(respond=False))
        assert p.turns == [pcm]


async def test_g711_is_expanded() -> None:
    async with puppet(capabilities=Capabilities(input_rates_hz=(8000,))) as p:
        law = bytes(range(256)) * 8
        await p.connection.send(c.AppendAudio(law, 8000, encoding="pcmu"))
        assert p.heard == g711.decode(law, "pcmu")


async def test_too_much_input_is_dropped_from_the_front_and_declared() -> None:
    async with puppet(limits=HostedLimits(max_input_s=1.0)) as p:
        pcm = b"".join(n.to_bytes(2, "little") for n in range(36000))
        await p.connection.send(c.AppendAudio(pcm, 24000))
        await p.connection.send(c.CommitAudio(respond=False))
        assert p.turns == [pcm[-48000:]]
        await p.connection.aclose()
        dropped = [e for e in await drain(p.connection) if isinstance(e, m.ModelAudioDroppedEvent)]
        assert sum(event.samples for event in dropped) == 12000
        assert {event.direction for event in dropped} == {"input"}


async def test_quiet_input_is_forgotten_while_a_detector_listens() -> None:
    limits = HostedLimits(max_quiet_s=0.5)
    async with puppet(SessionConfig(turn_detection=TurnDetection()), limits=limits) as p:
        await p.connection.send(c.AppendAudio(bytes(96000), 24000))
        host = p.connection.host
        assert host.input_end_sample - host.input_start_sample == 12000


async def test_a_rate_that_cannot_be_converted_is_an_error_of_the_caller() -> None:
    async with puppet() as p:
        with pytest.raises(AudioError):
            await p.connection.send(c.AppendAudio(bytes(4), 24001))


# ---------------------------------------------------------------- output audio


async def test_output_is_resampled_within_a_response_and_flushed_at_its_end() -> None:
    async with puppet(SessionConfig(turn_detection=None, output_format=MediaFormat("audio/pcm", 16000))) as p:
        await p.connection.send(c.SendText("hello"))
        for _ in range(10):
            p.connection.response_audio(p.generation, bytes(480), 24000, [Word("hi", 240, 480)])
        p.connection.response_finished(p.generation, USAGE)
        await p.connection.aclose()
        assert len(audio_of(await drain(p.connection))) == 10 * 240 * 16000 // 24000 * 2


async def test_output_is_compressed_where_the_session_wants_it() -> None:
    config = SessionConfig(turn_detection=None, output_format=MediaFormat("audio/pcma", 8000))
    async with puppet(config) as p:
        await p.connection.send(c.SendText("hello"))
        pcm = bytes(range(200)) * 4
        p.connection.response_audio(p.generation, pcm, 8000)
        p.connection.response_finished(p.generation, USAGE)
        await p.connection.aclose()
        assert audio_of(await drain(p.connection)) == g711.encode(pcm, "pcma")


async def test_a_retrieved_item_brings_its_audio_cut_to_what_was_heard() -> None:
    async with puppet() as p:
        await p.connection.send(c.SendText("hello"))
        pcm = bytes(range(240)) * 20
        p.connection.apply(p.connection.host.response_text(p.generation, "Hi."))
        p.connection.response_audio(p.generation, pcm, 24000)
        p.connection.response_finished(p.generation, USAGE)
        item_id = p.connection.host.items[-1].id
        await p.connection.send(c.RetrieveItem(item_id))
        got = await taken(p.connection, m.ModelItemRetrievedEvent)
        assert isinstance(got, m.ModelItemRetrievedEvent)
        assert decode_base64(got.item.content[0].audio or "") == pcm
        await p.connection.send(c.TruncateItem(item_id, 90))
        assert p.connection.host.heard_samples(item_id) == 2160


async def test_a_retrieved_turn_brings_its_audio_in_the_session_s_format() -> None:
    config = SessionConfig(turn_detection=None, input_format=MediaFormat("audio/pcmu", 8000))
    async with puppet(config, capabilities=Capabilities(input_rates_hz=(8000,))) as p:
        law = g711.encode(bytes(range(250)) * 16, "pcmu")
        await p.connection.send(c.AppendAudio(law, 8000, encoding="pcmu"))
        await p.connection.send(c.CommitAudio(respond=False))
        await p.connection.send(c.RetrieveItem(p.connection.host.items[-1].id))
        got = await taken(p.connection, m.ModelItemRetrievedEvent)
        assert isinstance(got, m.ModelItemRetrievedEvent)
        assert decode_base64(got.item.content[0].audio or "") == law


def test_the_input_buffer_forgets_in_steps_and_keeps_positions() -> None:
    buffer = InputBuffer()
    buffer.append(bytes(200_000))
    buffer.forget(10)
    assert buffer.start_sample == 0
    buffer.forget(50_000)
    assert (buffer.start_sample, buffer.end_sample) == (50_000, 100_000)
    buffer.append(b"\1\0\2\0")
    assert buffer.take(100_000, 100_001) == b"\1\0"
    assert buffer.take(0, 50_001) == bytes(2)


def test_the_shelf_is_bounded() -> None:
    shelf = AudioShelf(max_bytes=10)
    shelf.add("a", b"12345")
    shelf.add("b", b"1234")
    shelf.add("b", b"56")
    assert shelf.base64("a") is None
    assert decode_base64(shelf.base64("b", 3) or "") == b"123"
    shelf.add("c", bytes(11))
    assert shelf.base64("c") is None


def test_words_move_with_the_rate() -> None:
    output = OutputAudio(MediaFormat("audio/pcm", 16000))
    assert list(output.fit_words([Word("hi", 240, 480)], 24000)) == [Word("hi", 160, 320)]
    assert list(output.fit_words([Word("hi", 240, 480)], 16000)) == [Word("hi", 240, 480)]


# ---------------------------------------------------------------- threads


async def test_facts_of_threads_arrive_in_order_and_stale_ones_do_not() -> None:
    async with puppet() as p:
        await p.connection.send(c.SendText("hello"))
        generation = p.generation
        inbox = p.connection.inbox

        def said(word: str) -> Fact:
            return lambda host: host.response_text(generation, word)

        def speak() -> list[bool]:
            return [inbox.put(said(word), generation=generation) for word in ("one ", "two ", "three")]

        assert await anyio.to_thread.run_sync(speak) == [True, True, True]
        words = ""
        while words != "one two three":
            event = await taken(p.connection, m.ModelResponseAudioTranscriptDeltaEvent)
            assert isinstance(event, m.ModelResponseAudioTranscriptDeltaEvent)
            words += event.delta
        await p.connection.send(c.CancelResponse())
        assert any(isinstance(order, StopGeneration) for order in p.orders)
        assert await anyio.to_thread.run_sync(speak) == [False, False, False]


async def test_a_thread_that_waits_for_room_is_freed_by_the_end_of_its_generation() -> None:
    open_generations = {1}
    inbox = ThreadInbox(max_items=1, is_open=lambda generation: generation in open_generations)
    results: list[bool] = []

    def fill() -> None:
        results.append(inbox.put(lambda host: [], generation=1))
        results.append(inbox.put(lambda host: [], generation=1))

    thread = threading.Thread(target=fill)
    thread.start()
    while len(inbox) < 1:
        await anyio.lowlevel.checkpoint()
    open_generations.clear()
    inbox.wake()
    await anyio.to_thread.run_sync(thread.join)
    assert results == [True, False]
    assert await inbox.take() == []
    inbox.close()
    assert inbox.put(lambda host: []) is False
    with pytest.raises(ConfigError):
        ThreadInbox(max_items=0, is_open=bool)


async def test_an_item_is_kept_by_its_own_id() -> None:
    async with puppet() as p:
        await p.connection.send(c.CreateItem(item=Item(id="mine", role="user")))
        assert [item.id for item in p.connection.host.items] == ["mine"]
        assert p.connection.statistics().depth_items == 3
