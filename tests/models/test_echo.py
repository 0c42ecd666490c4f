"""``echo`` does what the design says of it (section 10), byte for byte and to the millisecond."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.pcm import pcm16_to_int16, silence, tone
from voicewire.clock import Clock
from voicewire.errors import ConnectionLost
from voicewire.events import commands as c
from voicewire.events import model as m
from voicewire.events.base import EventBase, MediaFormat
from voicewire.events.items import ContentPart, Item
from voicewire.events.session import SessionConfig, TurnDetection
from voicewire.models import create_model
from voicewire.models.echo import EchoRealtimeModel
from voicewire.models.energy_vad import EnergyVad, LevelFall, LevelRise
from voicewire.models.hosted_out import HostedLimits
from voicewire.models.model import RealtimeConnection
from voicewire.testing.clock import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

MANUAL = SessionConfig(turn_detection=None)


@asynccontextmanager
async def echo(
    config: SessionConfig | None = None, clock: Clock | None = None, limits: HostedLimits | None = None
) -> AsyncGenerator[RealtimeConnection, None]:
    async with EchoRealtimeModel(clock=clock or ManualClock(), limits=limits).open(
        config=config
    ) as connection:
        yield connection


async def until_done(connection: RealtimeConnection) -> list[EventBase]:
    """Takes events up to the end of a response."""
    events: list[EventBase] = []
    async for event in connection:
        events.append(event)
        if isinstance(event, m.ModelResponseDoneEvent):
            return events
    raise AssertionError("the session ended without a response")


def words_of(events: list[EventBase]) -> str:
    kinds = (m.ModelResponseAudioTranscriptDeltaEvent, m.ModelResponseTextDeltaEvent)
    return "".join(event.delta for event in events if isinstance(event, kinds))


def audio_of(events: list[EventBase]) -> bytes:
    return b"".join(event.pcm for event in events if isinstance(event, m.ModelResponseAudioDeltaEvent))


def last(events: list[EventBase]) -> m.ModelResponseDoneEvent:
    assert isinstance(events[-1], m.ModelResponseDoneEvent)
    return events[-1]


async def test_text_comes_back_spoken_as_a_tone() -> None:
    async with create_model("echo").open() as connection:
        await connection.send(c.SendText("hello"))
        events = await until_done(connection)
    reply = "You said: hello"
    assert words_of(events) == reply
    assert audio_of(events) == tone(440, len(reply) * 480, 24000, -12.0)
    peak = int(np.abs(pcm16_to_int16(audio_of(events))).max())
    assert peak == pytest.approx(32768 * 10 ** (-12 / 20), abs=2)
    done = last(events)
    assert (done.usage.input_text_tokens, done.usage.output_text_tokens) == (5, 15)
    assert done.usage.output_audio_tokens == 3
    assert (done.input_tokens, done.output_tokens) == (5, 18)


async def test_words_have_the_positions_of_their_characters() -> None:
    async with echo() as connection:
        await connection.send(c.SendText("a b"))
        events = await until_done(connection)
    starts = [e.audio_start_ms for e in events if isinstance(e, m.ModelResponseAudioTranscriptDeltaEvent)]
    assert starts == [0, 80, 200, 240]


async def test_text_modality_has_no_audio() -> None:
    async with echo(SessionConfig(modality="text")) as connection:
        await connection.send(c.SendText("hello"))
        events = await until_done(connection)
    assert words_of(events) == "You said: hello"
    assert audio_of(events) == b""
    assert last(events).usage.output_audio_tokens == 0


@pytest.mark.parametrize("rate_hz", [24000, 16000, 8000, 48000])
async def test_audio_comes_back_byte_for_byte(rate_hz: int) -> None:
    rng = np.random.default_rng(7)
    pcm = rng.integers(-30000, 30000, rate_hz, dtype=np.int16).tobytes()
    pcm_format = MediaFormat("audio/pcm", rate_hz)
    config = SessionConfig(turn_detection=None, input_format=pcm_format, output_format=pcm_format)
    async with echo(config) as connection:
        for at in range(0, len(pcm), 1234):
            await connection.send(c.AppendAudio(pcm[at : at + 1234], rate_hz))
        await connection.send(c.CommitAudio())
        events = await until_done(connection)
    assert audio_of(events) == pcm
    assert words_of(events) == "You sent 1000 ms of audio"
    assert last(events).usage.input_audio_tokens == 10


async def test_the_transcript_comes_with_a_partial_before_its_final() -> None:
    async with echo(MANUAL) as connection:
        await connection.send(c.AppendAudio(bytes(4800 * 2), 24000))
        await connection.send(c.CommitAudio())
        events = await until_done(connection)
    partial = next(e for e in events if isinstance(e, m.ModelInputTranscriptionDeltaEvent))
    final = next(e for e in events if isinstance(e, m.ModelInputTranscriptionDoneEvent))
    assert events.index(partial) < events.index(final)
    assert final.transcript.startswith(partial.delta)
    assert (final.transcript, final.input_tokens, final.output_tokens) == ("[audio 200 ms]", 2, 14)
    assert partial.item_id == final.item_id


async def test_the_detector_ends_a_turn_and_the_turn_comes_back() -> None:
    speech = tone(300, 24000, 24000, -20)
    config = SessionConfig(turn_detection=TurnDetection(prefix_padding_ms=0, silence_duration_ms=200))
    async with echo(config) as connection:
        await connection.send(c.AppendAudio(silence(12000) + speech + silence(7200), 24000))
        events = await until_done(connection)
    assert audio_of(events) == speech
    started = next(e for e in events if isinstance(e, m.ModelInputStartedEvent))
    stopped = next(e for e in events if isinstance(e, m.ModelInputDoneEvent))
    assert (started.audio_start_ms, stopped.audio_end_ms) == (500, 1500)
    assert words_of(events) == "You sent 1000 ms of audio"


async def test_the_detector_keeps_the_padding_it_is_told() -> None:
    config = SessionConfig(turn_detection=TurnDetection(prefix_padding_ms=100, silence_duration_ms=200))
    async with echo(config) as connection:
        await connection.send(c.AppendAudio(silence(12000) + tone(300, 12000, 24000, -20), 24000))
        await connection.send(c.AppendAudio(silence(7200), 24000))
        events = await until_done(connection)
    assert words_of(events) == "You sent 600 ms of audio"


async def test_a_detector_may_be_told_not_to_answer() -> None:
    config = SessionConfig(turn_detection=TurnDetection(create_response=False, silence_duration_ms=100))
    async with echo(config) as connection:
        await connection.send(c.AppendAudio(tone(300, 12000, 24000, -20) + silence(7200), 24000))
        await connection.aclose()
        events = [event async for event in connection]
    assert any(isinstance(event, m.ModelInputCommittedEvent) for event in events)
    assert not any(isinstance(event, m.ModelResponseCreatedEvent) for event in events)


async def test_a_call_and_its_result() -> None:
    async with echo() as connection:
        await connection.send(c.SendText('call get_weather {"city": "Paris"}'))
        events = await until_done(connection)
        use = next(e for e in events if isinstance(e, m.ModelResponseToolUseDoneEvent)).tool_use
        assert (use["name"], use["input"]) == ("get_weather", {"city": "Paris"})
        assert last(events).output_tokens > 0
        await connection.send(c.SendToolResult(use["id"], "rain"))
        events = await until_done(connection)
    assert words_of(events) == "get_weather returned: rain"
    assert len(audio_of(events)) == len("get_weather returned: rain") * 480 * 2


@pytest.mark.parametrize("text", ["call me", "call me {later}", "please drop", "fail", "speak two seconds"])
async def test_what_only_looks_like_an_order_is_said_back(text: str) -> None:
    async with echo() as connection:
        await connection.send(c.SendText(text))
        assert words_of(await until_done(connection)) == f"You said: {text}"


async def test_a_failure_on_request() -> None:
    async with echo() as connection:
        await connection.send(c.SendText("fail rate_limit_exceeded"))
        done = last(await until_done(connection))
    assert (done.status, done.reason) == ("failed", "rate_limit_exceeded")
    assert done.input_tokens > 0


async def test_a_drop_cuts_the_connection() -> None:
    async with echo() as connection:
        await connection.send(c.SendText("drop"))
        with pytest.raises(ConnectionLost) as caught:
            await until_done(connection)
            await until_done(connection)
    assert caught.value.code == 1006


async def test_speaking_is_paced_at_twice_real_time() -> None:
    clock = ManualClock()
    async with echo(clock=clock) as connection:
        await connection.send(c.SendText("speak 2 seconds"))
        spoken_ms: list[tuple[int, int]] = []
        done: list[m.ModelResponseDoneEvent] = []

        async def listen() -> None:
            total_bytes = 0
            async for event in connection:
                if isinstance(event, m.ModelResponseAudioDeltaEvent):
                    total_bytes += len(event.pcm)
                    spoken_ms.append((clock.now_ns() // 1_000_000, total_bytes // 48))
                elif isinstance(event, m.ModelResponseDoneEvent):
                    done.append(event)
                    return

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            await clock.advance_ms(1000)
            assert done
            tasks.cancel_scope.cancel()
    assert spoken_ms[-1] == (1000, 2000)
    assert all(audio_ms <= 2 * now_ms for now_ms, audio_ms in spoken_ms)


async def test_barge_in_stops_the_tone_and_the_history_holds_what_was_heard() -> None:
    clock = ManualClock()
    async with echo(clock=clock) as connection:
        await connection.send(c.SendText("speak 10 seconds"))
        await clock.advance_ms(2000)
        await connection.send(c.AppendAudio(tone(300, 24000, 24000, -20), 24000))
        await clock.settle()
        done = last(await until_done(connection))
        assert (done.status, done.reason) == ("cancelled", "turn_detected")
        await connection.send(c.CommitAudio())
        events = await until_done(connection)
        assert clock.sleepers == 0
    assert words_of(events) == "You sent 1000 ms of audio"


async def test_a_long_reply_waits_for_the_consumer_and_loses_nothing() -> None:
    text = "word " * 400
    async with echo(limits=HostedLimits(room_audio_s=1.0)) as connection:
        await connection.send(c.SendText(text))
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        events = await until_done(connection)
    assert len(audio_of(events)) == len("You said: " + text) * 960


async def test_the_token_limit_cuts_the_reply() -> None:
    async with echo() as connection:
        await connection.send(c.SendText("hello", respond=False))
        await connection.send(c.CreateResponse(max_output_tokens=8))
        events = await until_done(connection)
    assert words_of(events) == "You said"
    assert (last(events).status, last(events).reason) == ("incomplete", "max_output_tokens")


async def test_other_inputs_have_answers_too() -> None:
    async with echo(MANUAL) as connection:
        await connection.send(c.CreateResponse())
        assert words_of(await until_done(connection)) == "You said nothing"
        await connection.send(c.SendImage(b"\xff", respond=True))
        assert words_of(await until_done(connection)) == "You sent an image"
        part = ContentPart(kind="audio", audio=c.AppendAudio(bytes(4800)).base64)
        await connection.send(c.CreateItem(item=Item(id="a", role="user", content=(part,))))
        await connection.send(c.CreateResponse())
        events = await until_done(connection)
    assert words_of(events) == "You sent 100 ms of audio"
    assert audio_of(events) == bytes(4800)


async def test_g711_sessions_are_served() -> None:
    law = MediaFormat("audio/pcmu", 8000)
    async with echo(SessionConfig(turn_detection=None, input_format=law, output_format=law)) as connection:
        await connection.send(c.AppendAudio(bytes(range(256)) * 10, 8000, encoding="pcmu"))
        await connection.send(c.CommitAudio())
        events = await until_done(connection)
    # 0x7F and 0xFF both mean zero; every other code has a value of its own.
    assert audio_of(events) == (bytes(range(256)) * 10).replace(b"\x7f", b"\xff")


# ---------------------------------------------------------------- the detector


@pytest.mark.parametrize("step", [1, 7, 240, 333, 5000])
def test_the_detector_does_not_depend_on_how_audio_is_split(step: int) -> None:
    pcm = (
        silence(2400)
        + tone(300, 4800, 24000, -20)
        + silence(4800)
        + tone(300, 2400, 24000, -20)
        + silence(4800)
    )
    vad = EnergyVad(24000, silence_ms=100)
    found: list[LevelRise | LevelFall] = []
    for at in range(0, len(pcm) // 2, step):
        found += vad.feed(AudioFrame(AudioFormat(24000), pcm[2 * at : 2 * (at + step)], at))
    assert found == [LevelRise(2400), LevelFall(7200), LevelRise(12000), LevelFall(14400)]


def test_clicks_are_not_speech_and_reset_forgets() -> None:
    vad = EnergyVad(24000, silence_ms=100)
    click = AudioFrame(AudioFormat(24000), tone(300, 480, 24000, -10) + silence(4800), 0)
    assert vad.feed(click) == []
    speech = AudioFrame(AudioFormat(24000), tone(300, 2400, 24000, -10), 5280)
    assert len(vad.feed(speech)) == 1
    vad.reset()
    assert len(vad.feed(AudioFrame(AudioFormat(24000), tone(300, 2400, 24000, -10), 7680))) == 1
