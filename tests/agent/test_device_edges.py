"""The device edges, with a sound card that the test turns by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest

from tests.agent.fakes import FakeModel, Notes, response, speech
from voicewire.agent.edges import DeviceSink, DeviceSource
from voicewire.agent.session import VoiceSession
from voicewire.audio.devices import Microphone, Speaker
from voicewire.audio.files import read_audio
from voicewire.audio.format import AudioFrame
from voicewire.audio.playout import Cut, Flushed, Played, PlayoutBuffer
from voicewire.events.commands import TruncateItem
from voicewire.events.items import Item
from voicewire.events.model import ModelInputStartedEvent, ModelItemAddedEvent
from voicewire.recording.marks import AudioPlayed, InputStarted
from voicewire.recording.recorder import SessionRecorder
from voicewire.testing.clock import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

RATE_HZ = 24_000
LATENCY_MS = 30


class HandMicrophone(Microphone):
    """A microphone that delivers what the test pushes."""

    def __init__(self) -> None:
        super().__init__(RATE_HZ, 480)
        self._write, self._read = anyio.create_memory_object_stream[AudioFrame](100)

    async def __aenter__(self) -> HandMicrophone:
        return self

    async def aclose(self) -> None:
        self._write.close()
        self._read.close()

    async def __anext__(self) -> AudioFrame:
        return await self._read.receive()

    def push(self, index: int) -> None:
        self._write.send_nowait(AudioFrame(self.format, b"\x01\x00" * 480, index * 480))


class HandSpeaker(Speaker):
    """A loudspeaker that takes 10 ms whenever the test says so, and sounds 30 ms later."""

    def __init__(self) -> None:
        super().__init__(RATE_HZ)
        self._hand = PlayoutBuffer()
        self._taken: list[Played] = []

    async def __aenter__(self) -> HandSpeaker:
        return self

    async def aclose(self) -> None:
        pass

    @property
    def heard_sample(self) -> int:
        return max(0, self._hand.clock.timeline_sample - LATENCY_MS * RATE_HZ // 1000)

    @property
    def queued_samples(self) -> int:
        return self._hand.clock.queued_samples

    def enqueue(self, item_id: str, pcm16: bytes, content_index: int = 0, generation: int = 0) -> bool:
        return self._hand.enqueue(item_id, pcm16, content_index, generation)

    def flush(self, *, fade_samples: int | None = None, generation: int | None = None) -> Flushed:
        return self._hand.flush(generation=generation)

    def take(self) -> None:
        self._taken += self._hand.pull(RATE_HZ // 100)[1]

    def heard(self) -> list[Played]:
        done = [one for one in self._taken if one.at_timeline_sample + one.samples <= self.heard_sample]
        self._taken = [one for one in self._taken if one not in done]
        return done


async def _turn(clock: ManualClock, speaker: HandSpeaker, duration_ms: int) -> None:
    """A device that takes 50 ms at a time, as some do."""
    for _ in range(duration_ms // 50):
        for _ in range(5):
            speaker.take()
        await clock.advance_ms(50)


async def test_a_conversation_over_devices_is_accounted_and_recorded(tmp_path: Path) -> None:
    clock, model, notes = ManualClock(), FakeModel(), Notes()
    microphone, speaker = HandMicrophone(), HandSpeaker()
    recorder = SessionRecorder(tmp_path, scale=0.5)
    session = VoiceSession(
        model,
        source=DeviceSource(microphone, clock),
        sink=DeviceSink(speaker, clock),
        observers=[recorder, notes],
        clock=clock,
    )
    with recorder:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run)
            await session.wait_started()
            await clock.advance_ms(70)
            microphone.push(0)
            await clock.settle()
            item = Item(id="i1", role="assistant", status="in_progress")
            added = ModelItemAddedEvent(item=item, response_id="r1")
            model.open_connection.emit(response("r1"), added, speech("r1", "i1", 2 * RATE_HZ))
            await clock.settle()
            await _turn(clock, speaker, 1000)
            model.open_connection.emit(ModelInputStartedEvent(item_id="u", audio_start_ms=0))
            await clock.settle()
            await _turn(clock, speaker, 1000)
            session.stop()
    # The first frame ended when it came, so the microphone's time began 50 ms into the session.
    assert notes.of(InputStarted) == [InputStarted(offset_ms=50.0)]
    assert notes.of(AudioPlayed)[0].start_ms == pytest.approx(100.0, abs=60)
    orders = [command for command in model.open_connection.orders if isinstance(command, TruncateItem)]
    assert orders == [TruncateItem("i1", 1000)]
    agent = np.frombuffer(read_audio(tmp_path / "conversation.wav", mono=False).data, "<i2")[1::2]
    sounding = np.flatnonzero(agent)
    assert len(sounding) == RATE_HZ
    assert sounding[-1] - sounding[0] == RATE_HZ - 1


async def test_the_count_of_a_microphone_begins_with_the_session() -> None:
    """The device is open before the model is, which can take seconds to load."""
    microphone = HandMicrophone()
    source = DeviceSource(microphone, ManualClock())
    microphone._frames.append(AudioFrame(microphone.format, b"\x02\x00" * 480, 6 * 480))
    source.begin(0)
    assert not microphone._frames, "what was heard before is not of this session"
    microphone.push(7)
    microphone.push(9)
    frames = [await anext(source) for _ in range(2)]
    assert [frame.start_sample for frame in frames] == [0, 2 * 480]
    await source.__aexit__(None, None, None)


async def test_the_cut_of_a_device_is_what_it_took() -> None:
    clock, speaker = ManualClock(), HandSpeaker()
    sink: Any = DeviceSink(speaker, clock)
    sink.begin(0)
    sink.enqueue("a", bytes(2 * 4800), 0, 0)
    speaker.take()
    assert sink.flush(1) == (Cut("a", 0, 240, 4560),)
    assert not sink.enqueue("a", b"\x00\x00", 0, 0)
