"""The stages of the embedded engine: what each one takes and gives.

Voice activity -> endpointing -> recognition -> brain -> synthesis. Every stage here is synchronous and
has no event loop. A *model* (``Vad``, ``Recognizer``, ``Synthesizer``, ``TurnModel``) is loaded once in a
process, shared by all sessions and safe to call from several threads at once; what belongs to one session
lives in a *state* (``VadState``) or in a *policy* (``Endpointer``), which one thread uses at a time.

All listening happens at 16 kHz, mono, float32 in [-1, 1]. Positions are whole samples on the session's
own input timeline: 0 is the first sample that was ever appended.

========================  =============================  ==========================================
call                      cost on one core (measured)    releases the GIL
========================  =============================  ==========================================
``Vad.probability``       about 0.1 ms for 32 ms         yes (ONNX Runtime)
``Endpointer.step``       about 1 us                     no (pure Python)
``Recognizer.transcribe`` 50 to 150 ms                   yes in the decoder, 1 to 5 ms of numpy is not
``TurnModel.probability`` about 40 ms                    yes in the model, about 5 ms of numpy is not
``Synthesizer``           about 20 ms for 4 s of speech  yes in the model, a third of it is numpy
========================  =============================  ==========================================
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from voicewire.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FloatArray: TypeAlias = "NDArray[np.float32]"
"""float32 samples; a string, so that importing the interfaces does not load numpy."""

LISTEN_RATE_HZ = 16_000
"""The one rate of everything that listens."""

VAD_FRAME_SAMPLES = 512
"""The audio frame of the voice activity detector: 32 ms."""


def ms_to_samples(duration_ms: int) -> int:
    """Whole samples at 16 kHz in ``duration_ms`` milliseconds."""
    return duration_ms * LISTEN_RATE_HZ // 1000


def samples_to_ms(duration_samples: int) -> int:
    """Whole milliseconds in ``duration_samples`` samples at 16 kHz, rounded down."""
    return duration_samples * 1000 // LISTEN_RATE_HZ


# --------------------------------------------------------------------------- voice activity


@dataclass(slots=True, eq=False)
class VadState:
    """What the detector remembers of one session; changed by every call, used by one thread at a time."""

    recurrent: FloatArray
    """Recurrent state of the network, float32, shape (2, 1, 128) for Silero; empty for one without."""
    context: FloatArray
    """The samples just before the next frame, float32, shape (64,) for Silero; empty for one without."""

    def reset(self) -> None:
        """Forget everything heard so far, as between two turns."""
        self.recurrent.fill(0.0)
        self.context.fill(0.0)


class Vad(Protocol):
    """Tells speech from everything else, frame by frame. Shared by all sessions; thread-safe."""

    def new_state(self) -> VadState:
        """The state for one new session."""
        ...

    def probability(self, state: VadState, samples: FloatArray) -> float:
        """The speech probability of the next frame.

        Args:
            state: The session's state; changed in place.
            samples: float32, shape (512,), range [-1, 1], 16 kHz, the frame right after the last one.

        Returns:
            A probability from 0 to 1.

        Raises:
            InferenceError: The frame has another shape, or the runtime failed.
        """
        ...


# --------------------------------------------------------------------------- endpointing


class TurnHint(Enum):
    """What the words and the tone so far say about the end of the turn."""

    DONE = "done"
    """The turn sounds complete: the silence wait may be shortened."""
    UNSURE = "unsure"
    """Nothing is known: the normal silence wait."""
    DOUBT = "doubt"
    """Only the tone, the weaker judge, says that there is more to come: wait a little longer."""
    HOLD = "hold"
    """The speaker is thinking or in the middle of something: wait longer."""


class EndpointPhase(Enum):
    """The four states of an endpointer."""

    QUIET = "quiet"
    STARTING = "starting"
    SPEAKING = "speaking"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """When speech counts as begun and as ended.

    Raises:
        ConfigError: A value is out of its range, or the waits are not in ascending order.
    """

    threshold: float = 0.5
    """Speech probability from which a frame counts as speech; 0 to 1, both excluded."""
    release_below: float = 0.15
    """How far under ``threshold`` the probability must fall before a frame counts as silence (hysteresis)."""
    prefix_padding_ms: int = 300
    """Audio kept from before the first speech frame: soft consonants start before the detector does."""
    min_speech_ms: int = 96
    """Speech needed before ``SpeechStarted``; shorter bursts (clicks, breath) are ignored."""
    speculate_after_ms: int = 160
    """Silence after which recognition and answer may start on trial."""
    likely_done_silence_ms: int = 320
    """Silence that ends the turn under the hint ``DONE``; never under 300 ms, never over ``silence_ms``."""
    silence_ms: int = 480
    """Silence that ends the turn."""
    doubtful_silence_ms: int = 800
    """Silence that ends the turn under the hint ``DOUBT``; never under ``silence_ms``."""
    hesitation_silence_ms: int = 1000
    """Silence that ends the turn under the hint ``HOLD``; never under ``silence_ms``."""

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold < 1.0:
            raise ConfigError(
                f"threshold is {self.threshold!r}; give a number between 0 and 1, both excluded"
            )
        if not 0.0 <= self.release_below < 1.0:
            raise ConfigError(f"release_below is {self.release_below!r}; give a number from 0 to below 1")
        for name in ("prefix_padding_ms", "min_speech_ms", "speculate_after_ms", "silence_ms"):
            value = getattr(self, name)
            if not 0 <= value <= 60_000:
                raise ConfigError(f"{name} is {value!r}; give 0 to 60000 milliseconds")

    @property
    def release_threshold(self) -> float:
        """Speech probability under which a frame counts as silence once speech has begun."""
        return max(self.threshold - self.release_below, 0.01)

    def silence_limit_ms(self, hint: TurnHint) -> int:
        """The silence that ends the turn under ``hint``.

        A user's own ``silence_ms`` always wins over the stock hint waits: ``DONE`` never lengthens it
        and ``DOUBT`` and ``HOLD`` never shorten it.
        """
        if hint is TurnHint.DONE:
            return min(self.silence_ms, max(self.likely_done_silence_ms, SHORTEST_HINTED_SILENCE_MS))
        if hint is TurnHint.DOUBT:
            return max(self.silence_ms, self.doubtful_silence_ms)
        if hint is TurnHint.HOLD:
            return max(self.silence_ms, self.hesitation_silence_ms)
        return self.silence_ms


SHORTEST_HINTED_SILENCE_MS = 300
"""No hint shortens the wait below this: a pause for breath inside a sentence lasts 150 to 250 ms."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One audio frame as the endpointer sees it."""

    probability: float
    """Speech probability of the frame, 0 to 1."""
    end_sample: int
    """Where the frame ends; it begins where the one before ended (the first one at 0)."""
    hint: TurnHint | None = None
    """A hint that arrived since the last observation; the same as calling ``set_hint`` first."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The user began to speak."""

    at_sample: int
    """Where the turn's audio begins: the onset less the prefix padding, never before the last turn's end."""
    onset_sample: int
    """Where the first speech frame begins."""


@dataclass(frozen=True, slots=True)
class SpeculateNow:
    """A silence has begun that may be the end of the turn: start the answer on trial.

    At most once for each silence. Ends in ``SpeculationRevoked`` or ``SpeechStopped``.
    """

    at_sample: int
    """Where the silence reached ``speculate_after_ms``: recognise the audio up to here."""
    speech_end_sample: int
    """Where the last speech frame ends."""


@dataclass(frozen=True, slots=True)
class SpeculationRevoked:
    """The user went on speaking: throw the trial away."""

    at_sample: int
    """Where the speech went on."""


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The user's turn is over."""

    at_sample: int
    """Where the last speech frame ends; after the onset of this turn."""
    decided_at_sample: int
    """Where the silence became long enough to be sure; at or after ``at_sample``."""
    voiced_samples: int
    """How much of the turn was speech. Under 300 ms a transcript is not to be trusted."""


Decision: TypeAlias = "SpeechStarted | SpeculateNow | SpeculationRevoked | SpeechStopped"


class Endpointer(Protocol):
    """Decides where turns begin and end. A pure policy, one for each session.

    ``SpeechStarted`` and ``SpeechStopped`` alternate, positions only grow, and merging neighbouring
    observations of equal probability changes no decision.
    """

    @property
    def phase(self) -> EndpointPhase:
        """Where the policy stands."""
        ...

    @property
    def settings(self) -> EndpointSettings:
        """The settings in force for the current turn."""
        ...

    @property
    def position_sample(self) -> int:
        """The end of the last observation."""
        ...

    def step(self, observation: Observation) -> list[Decision]:
        """Take the next frame in.

        Raises:
            ValueError: ``end_sample`` is not beyond that of the observation before.
        """
        ...

    def set_hint(self, hint: TurnHint) -> None:
        """Shorten or stretch the silence that is going on; forgotten when speech goes on or the turn ends."""
        ...

    def configure(self, settings: EndpointSettings) -> None:
        """Use other settings: at once when quiet, else from the next turn on (a turn keeps its settings)."""
        ...

    def stop(self) -> list[Decision]:
        """End the turn by order (a manual commit, the end of input): closes what is open, then is quiet."""
        ...


class TurnModel(Protocol):
    """Judges from the tone whether a turn sounds complete. Shared by all sessions; thread-safe."""

    def probability(self, samples: FloatArray) -> float:
        """How complete the turn sounds.

        Args:
            samples: float32, shape (n_samples,), range [-1, 1], 16 kHz: the turn up to now, silence included.

        Returns:
            A probability from 0 (cut short) to 1 (complete).

        Raises:
            InferenceError: The runtime failed.
        """
        ...


# --------------------------------------------------------------------------- recognition


@dataclass(frozen=True, slots=True)
class WordTime:
    """One word and where it lies in a stretch of audio."""

    word: str
    start_sample: int
    """First sample of the word, at the rate of the audio it belongs to."""
    end_sample: int
    """First sample after the word; at or after ``start_sample``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptSegment:
    """One piece of a transcript that was recognised in one go."""

    text: str
    start_sample: int
    end_sample: int
    confidence: float
    """Mean probability of its tokens, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was said."""

    text: str
    """The words; empty when nothing was recognised."""
    is_final: bool
    """Whether the careful settings were used; a partial may be revised."""
    duration_samples: int
    """How much audio was read, in samples at 16 kHz."""
    no_speech_prob: float = 0.0
    """How sure the model is that there was no speech at all, 0 to 1."""
    avg_logprob: float = 0.0
    """Mean log probability of the tokens; about -0.3 when clear, under -1 when guessed."""
    language: str = ""
    """The language that was recognised, as an ISO 639-1 code."""
    segments: tuple[TranscriptSegment, ...] = ()
    """The pieces in order; more than one for audio over 28 s."""
    words: tuple[WordTime, ...] = ()
    """The words with their times; empty when the engine gives none."""

    @property
    def is_reliable(self) -> bool:
        """False when the text is probably invented: no speech in it, or every token a guess."""
        return (
            bool(self.text)
            and not (self.no_speech_prob > 0.6 and self.avg_logprob < -1.0)
            and self.avg_logprob > -1.6
        )


class Recognizer(Protocol):
    """Turns speech into text. Shared by all sessions; thread-safe (calls queue up for the one model)."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages it knows, as ISO 639-1 codes."""
        ...

    def transcribe(self, samples: FloatArray, *, final: bool, language: str | None = None) -> Transcript:
        """Recognise one stretch of audio.

        Args:
            samples: float32, shape (n_samples,), range [-1, 1], 16 kHz, of any length.
            final: False for a quick partial, True for the careful reading.
            language: ISO 639-1 code (``en-US`` counts as ``en``); None for the model's own choice.

        Returns:
            The transcript; an empty one for silence.

        Raises:
            UnsupportedError: The model does not know ``language``.
            InferenceError: The runtime failed.
        """
        ...


# --------------------------------------------------------------------------- synthesis


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceInfo:
    """One voice that a synthesizer can use on this machine."""

    name: str
    language: str
    """BCP 47 tag, such as ``en-US``."""
    description: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """Spoken audio with the time of each word."""

    samples: FloatArray
    """float32, shape (n_samples,), range [-1, 1], mono."""
    sample_rate_hz: int
    words: tuple[WordTime, ...] = ()
    """One for each whitespace-separated word of the text that was spoken, in order, never overlapping."""


@dataclass(frozen=True, slots=True)
class SpeakableCheck:
    """Whether a synthesizer can say a text."""

    is_speakable: bool
    reason: str = ""
    """Why not, for a person; empty when speakable."""


class Synthesizer(Protocol):
    """Turns text into speech. Shared by all sessions; thread-safe."""

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the speech it gives."""
        ...

    def voices(self) -> list[VoiceInfo]:
        """The voices that work here and now, the default one first."""
        ...

    def speakable(self, text: str) -> SpeakableCheck:
        """Whether ``text`` can be said at all (script and language); cheap."""
        ...

    def synthesize(self, text: str, *, voice: str | None = None, speed: float = 1.0) -> Speech:
        """Say ``text``.

        Args:
            text: Plain words, cleaned for speech (see ``voicewire.engine.text.for_speech``).
            voice: A name from ``voices()``; None for the default voice.
            speed: 0.5 (slow) to 2.0 (fast).

        Returns:
            The speech; empty for a text without anything to say.

        Raises:
            UnsupportedError: No such voice, or a script that it cannot speak.
            ConfigError: ``speed`` is out of range.
            InferenceError: The runtime failed.
        """
        ...
