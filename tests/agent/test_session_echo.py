"""A whole spoken turn with the echo model, with its recording, on a clock that the test moves."""

from __future__ import annotations

from pathlib import Path

import anyio
import numpy as np
import pytest

from tests.agent.fakes import Notes
from voicewire.agent.edges import VirtualMicrophone, VirtualSpeaker
from voicewire.agent.session import VoiceSession
from voicewire.audio.files import read_audio
from voicewire.audio.pcm import tone
from voicewire.events.commands import SendText
from voicewire.models.echo import EchoRealtimeModel
from voicewire.recording.marks import PlayoutCut, StateChanged, TruncationOrdered
from voicewire.recording.recorder import SessionRecorder
from voicewire.testing.clock import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

RATE_HZ = 24_000


async def _in_steps(clock: ManualClock, duration_ms: int) -> None:
    """Time in steps of 10 ms, as the playout goes, with room for the model's own tasks in between."""
    for _ in range(duration_ms // 10):
        await clock.advance_ms(10)
        await clock.settle(100)


async def test_a_spoken_turn_is_answered_interrupted_and_recorded(tmp_path: Path) -> None:
    clock, notes = ManualClock(), Notes()
    microphone = VirtualMicrophone(clock, RATE_HZ)
    speech = tone(300, RATE_HZ * 2, RATE_HZ)
    recorder = SessionRecorder(tmp_path, scale=0.5)
    session = VoiceSession(
        EchoRealtimeModel(clock=clock),
        source=microphone,
        sink=VirtualSpeaker(clock, RATE_HZ),
        observers=[recorder, notes],
        clock=clock,
    )
    start_ms = 0.0
    with recorder:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run)
            await session.wait_started()
            microphone.speak(speech)
            await _in_steps(clock, 3200)
            start_ms = microphone.speak(speech[: 2 * RATE_HZ])
            await _in_steps(clock, 3500)
            session.stop()
    assert recorder.timeline is not None
    first, second = recorder.timeline.turns
    assert first.utterance is not None and first.utterance.text.startswith("[audio 2")
    assert first.speeches[0].is_interrupted and not second.speeches[0].is_interrupted
    assert notes.of(StateChanged)[:3] == [
        StateChanged(state="listening"), StateChanged(state="thinking"), StateChanged(state="speaking"),
    ]  # fmt: skip
    (cut,), (told,) = notes.of(PlayoutCut), notes.of(TruncationOrdered)
    assert abs(told.audio_end_ms - cut.heard_ms) <= 1
    stereo = np.frombuffer(read_audio(tmp_path / "conversation.wav", mono=False).data, "<i2").reshape(-1, 2)
    assert stereo[: 2 * RATE_HZ, 0].tobytes() == speech
    sounding = np.flatnonzero(np.abs(stereo[: int(RATE_HZ * start_ms / 1000) + RATE_HZ, 1]) > 2)
    assert sounding[-1] - start_ms * RATE_HZ / 1000 <= RATE_HZ * 0.3
    heard_ms = (sounding[-1] + 1) * 1000 / RATE_HZ - first.speeches[0].spans[0].start_ms
    assert abs(heard_ms - told.audio_end_ms) <= 20


async def test_text_is_answered_too() -> None:
    clock, notes = ManualClock(), Notes()
    session = VoiceSession(
        EchoRealtimeModel(clock=clock),
        source=VirtualMicrophone(clock, RATE_HZ),
        sink=VirtualSpeaker(clock, RATE_HZ),
        observers=[notes],
        clock=clock,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        await session.wait_started()
        session.send(SendText("hi"))
        await _in_steps(clock, 600)
        session.stop()
    heard_samples = sum(len(pcm) // 2 for _, pcm in notes.agent)
    assert heard_samples == len("You said: hi") * RATE_HZ * 20 // 1000
    assert [item.text for item in session.history()] == ["hi", "You said: hi"]
