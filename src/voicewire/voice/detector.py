"""CLIENT turn detection: this library's own detector decides what of the user's audio is sent, and when a turn ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.resample import Resampler
from voicewire.errors import EngineError
from voicewire.models.energy_vad import EnergyVad, LevelRise
from voicewire.voice.config import RealtimeConfig

_ONSET_MS = 200
"""Audio that is kept beyond the prefix: a detector says so late that speech has begun."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a stretch of audio means."""

    kind: Literal["started", "audio", "stopped"]
    pcm16: bytes = b""


class _Judge(Protocol):
    def feed(self, frame: AudioFrame) -> list[bool]:
        """True for each start of speech in the audio, False for each end, in order."""
        ...


class ClientDetector:
    """Lets the user's speech through, with what lies directly before it, and says when a turn begins and ends.

    Silero VAD where the engine's files are on this machine, else the level of the audio. Time is counted in
    samples, so the result does not depend on when audio comes.

    Args:
        config: Threshold, prefix and silence.
        rate_hz: Rate of the audio.
    """

    def __init__(self, config: RealtimeConfig, rate_hz: int) -> None:
        self._format = AudioFormat(rate_hz)
        self._judge = _judge(config, rate_hz)
        self._kept_bytes = 2 * self._format.samples_of_ms(config.vad_prefix_padding_ms + _ONSET_MS)
        self._before = bytearray()
        self._next_sample = 0
        self.is_speech = False
        """Whether a turn is open."""

    def feed(self, pcm16: bytes) -> list[Heard]:
        """Takes the next audio."""
        frame = AudioFrame(self._format, pcm16, self._next_sample)
        self._next_sample += len(pcm16) // 2
        heard: list[Heard] = []
        is_given = self.is_speech
        if is_given:
            heard.append(Heard("audio", pcm16))
        else:
            self._before += pcm16
        for is_start in self._judge.feed(frame):
            if is_start and not self.is_speech:
                self.is_speech = True
                heard.append(Heard("started"))
                if not is_given:
                    heard.append(Heard("audio", bytes(self._before)))
                    self._before.clear()
                    is_given = True
            elif not is_start and self.is_speech:
                self.is_speech = False
                heard.append(Heard("stopped"))
        if not self.is_speech:
            del self._before[: max(0, len(self._before) - self._kept_bytes)]
        return heard

    def end_turn(self) -> None:
        """The turn was ended by hand."""
        self.is_speech = False
        self._before.clear()


class _Level:
    def __init__(self, config: RealtimeConfig, rate_hz: int) -> None:
        self._vad = EnergyVad(rate_hz, config.vad_silence_duration_ms)

    def feed(self, frame: AudioFrame) -> list[bool]:
        return [isinstance(change, LevelRise) for change in self._vad.feed(frame)]


class _Silero:
    """Silero VAD and the engine's endpointer, at 16 kHz."""

    def __init__(self, config: RealtimeConfig, rate_hz: int) -> None:
        from voicewire.engine.endpoint import SilenceEndpointer
        from voicewire.engine.endpoint_settings import endpoint_settings
        from voicewire.engine.stages import LISTEN_RATE_HZ, VAD_FRAME_SAMPLES
        from voicewire.engine.vad import SileroVad
        from voicewire.events.session import TurnDetection

        self._vad = SileroVad()
        self._state = self._vad.new_state()
        self._frame_bytes = 2 * VAD_FRAME_SAMPLES
        self._resampler = Resampler(rate_hz, LISTEN_RATE_HZ) if rate_hz != LISTEN_RATE_HZ else None
        self._rest = b""
        self._at_sample = 0
        self._endpointer = SilenceEndpointer(
            endpoint_settings(
                TurnDetection(
                    threshold=config.vad_threshold,
                    prefix_padding_ms=config.vad_prefix_padding_ms,
                    silence_duration_ms=config.vad_silence_duration_ms,
                )
            )
        )

    def feed(self, frame: AudioFrame) -> list[bool]:
        from voicewire.audio.pcm import pcm16_to_float32
        from voicewire.engine.stages import Observation, SpeechStarted, SpeechStopped

        data = self._rest + (frame.data if self._resampler is None else self._resampler.process(frame.data))
        whole = len(data) // self._frame_bytes * self._frame_bytes
        self._rest = data[whole:]
        changes: list[bool] = []
        for at in range(0, whole, self._frame_bytes):
            samples = pcm16_to_float32(data[at : at + self._frame_bytes])
            self._at_sample += len(samples)
            probability = self._vad.probability(self._state, samples)
            decisions = self._endpointer.step(
                Observation(end_sample=self._at_sample, probability=probability)
            )
            changes += [
                isinstance(decision, SpeechStarted)
                for decision in decisions
                if isinstance(decision, SpeechStarted | SpeechStopped)
            ]
        return changes


def _judge(config: RealtimeConfig, rate_hz: int) -> _Judge:
    try:
        return _Silero(config, rate_hz)
    except (EngineError, ImportError):
        # The engine is not installed: a level is a detector too, and nothing has to be fetched for it.
        return _Level(config, rate_hz)
