"""Finds utterances in a stream of 16 kHz audio and keeps their samples; bounded, whatever is said. Blocking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from voicewire.audio.pcm import pcm16_to_float32
from voicewire.engine.endpoint import SilenceEndpointer
from voicewire.engine.stages import (
    LISTEN_RATE_HZ,
    VAD_FRAME_SAMPLES,
    EndpointSettings,
    Observation,
    SpeechStarted,
    SpeechStopped,
)

if TYPE_CHECKING:
    from voicewire.engine.stages import FloatArray, Vad

LONGEST_SAMPLES: Final = 26 * LISTEN_RATE_HZ
"""Speech without a pause is cut here at the latest: a recogniser's window is 30 s."""
_EARLIEST_CUT_SAMPLES: Final = 16 * LISTEN_RATE_HZ
OVERLAP_SAMPLES: Final = LISTEN_RATE_HZ // 2
"""Read on both sides of a cut that fell into speech."""
_KEEP_SAMPLES: Final = LISTEN_RATE_HZ
"""Audio kept while nobody speaks: the padding before an onset lies in it."""
_ENERGY_SAMPLES: Final = LISTEN_RATE_HZ // 50
_TAIL_SAMPLES: Final = LISTEN_RATE_HZ // 5


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """A stretch of speech with its audio."""

    samples: FloatArray
    """float32, 16 kHz, padded with what lay around the speech."""
    first_sample: int
    """Where ``samples`` begin in the stream."""
    onset_sample: int
    """Where the speech begins."""
    end_sample: int
    """Where the speech ends."""
    is_cut: bool = False
    """It was cut in the middle of speech; the next one overlaps it."""
    follows_cut: bool = False


class UtteranceFinder:
    """Voice activity and endpointing over audio as it comes.

    Args:
        vad: The detector; it may be shared.
        silence_ms: Silence that ends an utterance.

    Concurrency: one thread at a time.
    """

    def __init__(self, vad: Vad, silence_ms: int) -> None:
        import numpy as np

        self._vad = vad
        self._state = vad.new_state()
        self._endpointer = SilenceEndpointer(
            EndpointSettings(silence_ms=silence_ms, speculate_after_ms=min(160, silence_ms))
        )
        self._audio: FloatArray = np.zeros(0, dtype=np.float32)
        self._audio_start = 0
        self._position = 0
        self._open: SpeechStarted | None = None
        self._onset = 0
        self._follows_cut = False

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._open is not None

    @property
    def position_sample(self) -> int:
        """How far the stream was judged."""
        return self._position

    @property
    def settled_sample(self) -> int:
        """Everything before this is decided: silence, or part of an utterance that was given out."""
        return self._open.at_sample if self._open is not None else self._position

    def push(self, pcm16: bytes) -> list[Utterance]:
        """Takes 16-bit mono audio at 16 kHz; gives the utterances that it ends. About 4 ms for a second."""
        import numpy as np

        self._audio = np.concatenate((self._audio, pcm16_to_float32(pcm16)))
        found: list[Utterance] = []
        while self._audio_start + len(self._audio) >= self._position + VAD_FRAME_SAMPLES:
            at = self._position - self._audio_start
            probability = self._vad.probability(self._state, self._audio[at : at + VAD_FRAME_SAMPLES])
            self._position += VAD_FRAME_SAMPLES
            self._step(probability, found)
            if self._open is not None and self._position - self._open.at_sample >= LONGEST_SAMPLES:
                found.append(self._cut())
        self._forget()
        return found

    def flush(self) -> list[Utterance]:
        """The end of the stream: the utterance that is still open."""
        return [
            self._close(decision.at_sample)
            for decision in self._endpointer.stop()
            if isinstance(decision, SpeechStopped)
        ]

    def open_samples(self) -> FloatArray:
        """The audio of the open utterance so far, for a partial result."""
        import numpy as np

        start = self._open.at_sample if self._open is not None else self._position
        return np.array(self._audio[max(0, start - self._audio_start) :])

    @property
    def open_onset_sample(self) -> int:
        """Where the open utterance began."""
        return self._onset

    def _step(self, probability: float, found: list[Utterance]) -> None:
        for decision in self._endpointer.step(Observation(probability, self._position)):
            if isinstance(decision, SpeechStarted):
                self._open = decision
                self._onset = decision.onset_sample
            elif isinstance(decision, SpeechStopped):
                found.append(self._close(decision.at_sample))
                self._state.reset()

    def _close(self, speech_end: int) -> Utterance:
        import numpy as np

        assert self._open is not None
        first = max(self._open.at_sample, self._audio_start)
        last = min(speech_end + _TAIL_SAMPLES, self._audio_start + len(self._audio))
        utterance = Utterance(
            np.array(self._audio[first - self._audio_start : last - self._audio_start]),
            first,
            self._onset,
            max(speech_end, self._onset),
            follows_cut=self._follows_cut,
        )
        self._open = None
        self._follows_cut = False
        return utterance

    def _cut(self) -> Utterance:
        """Gives the open utterance out up to its quietest place; the rest stays open."""
        import numpy as np

        assert self._open is not None
        first = max(self._open.at_sample, self._audio_start)
        begin = first - self._audio_start
        window = self._audio[begin + _EARLIEST_CUT_SAMPLES : begin + LONGEST_SAMPLES - OVERLAP_SAMPLES]
        frames = len(window) // _ENERGY_SAMPLES
        levels = np.sqrt(
            np.mean(np.square(np.reshape(window[: frames * _ENERGY_SAMPLES], (frames, -1))), axis=1)
        )
        smooth = np.convolve(levels, np.ones(9) / 9, mode="same")
        cut = first + _EARLIEST_CUT_SAMPLES + int(np.argmin(smooth)) * _ENERGY_SAMPLES
        last = min(cut + OVERLAP_SAMPLES, self._position)
        utterance = Utterance(
            np.array(self._audio[begin : last - self._audio_start]),
            first,
            self._onset,
            cut,
            is_cut=True,
            follows_cut=self._follows_cut,
        )
        self._open = SpeechStarted(at_sample=cut - OVERLAP_SAMPLES, onset_sample=cut)
        self._onset = cut
        self._follows_cut = True
        return utterance

    def _forget(self) -> None:
        import numpy as np

        keep_from = self._open.at_sample if self._open is not None else self._position - _KEEP_SAMPLES
        drop = keep_from - self._audio_start
        if drop > 0:
            self._audio = np.array(self._audio[drop:])
            self._audio_start = keep_from
