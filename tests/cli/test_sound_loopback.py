"""``voicewire talk`` in a room where the microphone hears the loudspeaker: real devices, as far as programs can tell.

The agent speaks through PulseAudio into a null sink; the monitor of that sink is the only microphone. Everything the
agent says comes back to it, late and quieter, together with what the user says there.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.pulse import ROOM_HZ, Listener, Room, missing, room, wait_until
from tests.faults.program import Ended, Program, started
from voicewire.audio.files import read_audio, write_audio
from voicewire.audio.pcm import int16_to_pcm16, pcm16_to_float32, pcm16_to_int16
from voicewire.audio.resample import resample_whole
from voicewire.engine import weights
from voicewire.engine.asr import WhisperRecognizer
from voicewire.recording.wording import contains_phrase

SPEECH = Path(__file__).resolve().parent.parent.parent / "demo" / "speech"
AFTERMATH_MS = 1500.0
"""How long the agent is watched after it fell silent: a turn of its own making would begin in that time."""
MAX_INTERRUPTION_MS = 1200.0
"""From the user's first sound to the agent's silence, devices included; with ample room for a busy machine."""

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(bool(missing()), reason=missing()),
    pytest.mark.skipif(
        bool(weights.plan().missing), reason="the engine's files are missing; run `voicewire setup`"
    ),
]


@dataclass
class Talk:
    """A running ``voicewire talk`` in a room."""

    place: Room
    program: Program
    folder: Path
    listener: Listener
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    _read_bytes: int = 0

    def look(self) -> None:
        """Reads the events that are new."""
        with (self.folder / "events.jsonl").open("rb") as file:
            file.seek(self._read_bytes)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read_bytes += len(line)
                self.events.append(json.loads(line))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a type so far."""
        self.look()
        return [event for event in self.events if event["type"] == kind]

    def wait_for(self, what: Callable[[], Any], why: str) -> None:
        """Waits while the program runs."""
        try:
            wait_until(lambda: what() or not self.program.is_running, why)
        except AssertionError as error:
            kinds = (
                "model_input_started",
                "model_input_transcription_done",
                "voicewire.playout_cut",
                "model_error",
            )
            raise AssertionError(
                f"{error}; so far {[event for kind in kinds for event in self.of(kind)]}"
            ) from None
        assert self.program.is_running, f"the program ended before {why}: {self.program.end()}"

    def spoken_ms(self) -> float:
        """How much of the agent's speech has sounded."""
        stretches = self.of("voicewire.audio_played")
        return float(sum(stretch["end_ms"] - stretch["start_ms"] for stretch in stretches))

    def wait_for_answer(self, number: int) -> None:
        """Waits until this many answers have been spoken, and a while longer."""
        self.wait_for(lambda: len(self.of("model_response_done")) >= number, f"answer {number} is made")
        self.wait_for(
            lambda: self.of("voicewire.state_changed")[-1]["state"] == "idle", "the agent is silent"
        )
        wav = self.folder / "conversation.wav"
        enough = wav.stat().st_size + int(AFTERMATH_MS * 24 * 4)
        self.wait_for(lambda: wav.stat().st_size >= enough, "the aftermath")

    def ask(self, name: str) -> None:
        """The user says something of the demo's."""
        path = self.folder.parent / f"{name}.wav"
        write_audio(path, read_audio(SPEECH / f"{name}.flac"))
        self.place.say(path)

    def finish(self) -> Ended:
        """The user presses Ctrl-C."""
        self.program.signal(signal.SIGINT)
        ended = self.program.end()
        self.look()
        return ended

    def user_channel(self) -> bytes:
        """What the program took for the user, at ``ROOM_HZ``."""
        whole = read_audio(self.folder / "conversation.wav", mono=False)
        samples = np.reshape(pcm16_to_int16(whole.data), (-1, 2))[:, 0]
        return resample_whole(int16_to_pcm16(samples), whole.format.sample_rate_hz, ROOM_HZ)


@contextmanager
def talk(folder: Path) -> Generator[Talk, None, None]:
    """Starts everything, up to the invitation to speak."""
    output = folder / "out"
    runtime = folder / "pulse"
    runtime.mkdir()
    with (
        room(runtime) as place,
        Listener(place, folder / "room.raw") as listener,
        started("talk", "--model", "local", "--output", output, environment=place.environment) as program,
    ):
        program.wait_for_line("Speak when you like")
        place.soften_programs("70%")
        yield Talk(place, program, output, listener)


def _words(pcm16: bytes) -> str:
    return WhisperRecognizer().transcribe(pcm16_to_float32(pcm16), final=True).text.lower()


def test_the_agent_does_not_hear_itself(tmp_path: Path) -> None:
    with talk(tmp_path) as talking:
        talking.ask("02-question")
        talking.wait_for_answer(1)
        sounded = talking.listener.heard()
        ended = talking.finish()
    assert ended.code == 130
    turns = [event["transcript"] for event in talking.of("model_input_transcription_done")]
    assert len(talking.of("model_input_started")) == 1, turns
    assert len(turns) == 1 and contains_phrase(turns[0], "capital of france")
    assert not talking.of("voicewire.playout_cut")
    assert contains_phrase(_words(sounded), "paris"), "the answer was in the room"
    taken = talking.user_channel()
    assert contains_phrase(_words(taken), "capital of france") and not contains_phrase(_words(taken), "paris")


def test_a_user_who_talks_over_the_agent_is_heard(tmp_path: Path) -> None:
    with talk(tmp_path) as talking:
        talking.ask("05-story")
        talking.wait_for(lambda: talking.spoken_ms() > 2500.0, "the story goes on")
        assert not talking.of("voicewire.playout_cut"), "it was not the agent who interrupted itself"
        talking.ask("06-interruption")
        talking.wait_for(lambda: talking.of("voicewire.playout_cut"), "the agent falls silent")
        talking.wait_for_answer(2)
        sounded = talking.listener.heard()
        ended = talking.finish()
    assert ended.code == 130
    turns = [event["transcript"] for event in talking.of("model_input_transcription_done")]
    assert len(talking.of("model_input_started")) == 2, turns
    assert len(turns) == 2 and contains_phrase(turns[0], "story") and contains_phrase(turns[1], "time")
    (cut,) = talking.of("voicewire.playout_cut")
    began_ms = talking.of("model_input_started")[1]["audio_start_ms"]
    assert 0.0 < cut["cut_ms"] - began_ms < MAX_INTERRUPTION_MS
    assert any(contains_phrase(_words(sounded), word) for word in ("pm", "p m", "am", "a m", "time"))
