"""The virtual microphone and speaker keep exact time; a file speaks and then falls silent."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from voicewire.agent.edges import FileSource, VirtualMicrophone, VirtualSpeaker
from voicewire.audio.files import write_audio
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.errors import AudioError
from voicewire.testing.clock import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


async def test_frames_come_when_their_time_is_over() -> None:
    clock = ManualClock(start_ns=7_000_000)
    microphone = VirtualMicrophone(clock, 16_000)
    microphone.begin(clock.now_ns())
    frames: list[AudioFrame] = []

    async def read() -> None:
        async for frame in microphone:
            frames.append(frame)  # noqa: PERF401  the test looks at the list while it grows

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await clock.advance_ms(59)
        assert [frame.start_sample for frame in frames] == [0, 320]
        assert microphone.speak(b"\x05\x00" * 100) == 40.0
        await clock.advance_ms(1)
        assert frames[2].data == b"\x05\x00" * 100 + bytes(2 * 220)
        tasks.cancel_scope.cancel()


async def test_speech_that_follows_speech_waits_for_its_end() -> None:
    microphone = VirtualMicrophone(ManualClock(), 16_000)
    assert microphone.speak(bytes(2 * 1600)) == 0.0
    assert microphone.speak(bytes(2)) == 100.0
    microphone.finish()
    assert not microphone.is_finished


async def test_a_file_is_converted_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    write_audio(path, AudioFrame(AudioFormat(8000), b"\x00\x10" * 800))
    clock = ManualClock()
    async with FileSource(path, clock, 16_000, lead_ms=20) as source:
        source.begin(clock.now_ns())
        first = anyio.Event()
        frames: list[AudioFrame] = []

        async def read() -> None:
            async for frame in source:
                frames.append(frame)
                first.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await clock.advance_ms(100)
            finished = [source.is_finished]
            await clock.advance_ms(40)
            finished.append(source.is_finished)
            assert finished == [False, True]
            tasks.cancel_scope.cancel()
    assert frames[0].data == bytes(640)
    assert max(frames[3].data) > 0
    assert frames[-1].data == bytes(640)


async def test_a_file_that_is_no_audio_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    path.write_text("not a wave")
    with pytest.raises(AudioError, match=r"in\.wav"):
        async with FileSource(path, ManualClock(), 16_000):
            pass


async def test_the_speaker_plays_by_the_clock_and_falls_silent_on_flush() -> None:
    clock = ManualClock()
    speaker = VirtualSpeaker(clock, 1000)
    speaker.begin(clock.now_ns())
    await clock.advance_ms(100)
    speaker.enqueue("a", b"\x01\x00" * 300, 0, 0)
    await clock.advance_ms(50)
    (heard,) = speaker.heard()
    assert (heard.start_ms, heard.played.samples) == (100.0, 50)
    (cut,) = speaker.flush(1)
    assert (cut.played_samples, cut.dropped_samples) == (55, 245)
    assert [h.played.samples for h in speaker.heard()] == [5]
    assert not speaker.enqueue("a", b"\x01\x00", 0, 0)
    assert speaker.enqueue("b", b"\x01\x00", 0, 1)
    await clock.advance_ms(10)
    assert [h.played.item_id for h in speaker.heard()] == ["b"]
