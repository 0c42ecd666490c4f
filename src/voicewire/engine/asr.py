"""Speech recognition: Whisper on CTranslate2, in short windows.

Whisper was trained on 30 s windows and costs the same for any audio padded to that. CTranslate2 accepts a
shorter one, which is 5 to 6 times faster and as good down to about 10 s; below, the decoder sometimes
says everything twice. So a final is padded to at least 10 s and read again at 30 s when it looped; a
partial is padded to at least 4 s and a loop is cut off. Audio over 28 s is cut at its quietest places.

The CTranslate2 model queues concurrent calls by itself and releases the GIL while it works; about 3 ms
of features and text for each call are Python and numpy.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

import msgspec

from voicewire.engine import weights
from voicewire.engine.asr_text import cut_loop, join_texts, tidy_partial
from voicewire.engine.mel import HOP_SAMPLES, log_mel
from voicewire.engine.stages import LISTEN_RATE_HZ, Transcript, TranscriptSegment
from voicewire.errors import InferenceError, ModelLoadError, UnsupportedError

if TYPE_CHECKING:
    from voicewire.engine.stages import FloatArray

_WINDOW_SAMPLES: Final = 30 * LISTEN_RATE_HZ
"""What the model was trained on."""
_LONGEST_SAMPLES: Final = 28 * LISTEN_RATE_HZ
_SHORTEST_CUT_SAMPLES: Final = 18 * LISTEN_RATE_HZ
_OVERLAP_SAMPLES: Final = LISTEN_RATE_HZ // 2
_LONGEST_TURN_SAMPLES: Final = 12 * LISTEN_RATE_HZ
"""Longer audio is a recording, and is read stretch by stretch."""
_QUIET_SHARE: Final = 0.04
"""A frame under this share of the loudest one is a pause (-28 dB)."""
_STRETCH_PADDING_SAMPLES: Final = LISTEN_RATE_HZ * 3 // 10
_JOINED_PAUSE_SAMPLES: Final = LISTEN_RATE_HZ * 6 // 10
"""A pause up to this (and the padding on both sides) is one for breath, inside a sentence."""
_JOINED_SAMPLES: Final = 10 * LISTEN_RATE_HZ
"""Read twice on each side of a cut that fell into speech."""
_FINAL_WINDOW_SAMPLES: Final = 10 * LISTEN_RATE_HZ
_PARTIAL_WINDOW_SAMPLES: Final = 4 * LISTEN_RATE_HZ
_FINAL_TAIL_SAMPLES: Final = 2 * LISTEN_RATE_HZ
_PARTIAL_TAIL_SAMPLES: Final = LISTEN_RATE_HZ
_SHORTEST_SAMPLES: Final = LISTEN_RATE_HZ // 10
_ENERGY_FRAME_SAMPLES: Final = LISTEN_RATE_HZ // 50
_SILENCE_PEAK: Final = 3e-4
"""About -70 dBFS: nothing but the noise of a converter."""
_TOKENS_PER_S: Final = 8.0
_SPARE_TOKENS: Final = 12
_CONTEXT_TOKENS: Final = 448
_NO_SPEECH_PROB: Final = 0.6
_GUESSED_LOGPROB: Final = -1.0


class _Result(Protocol):
    sequences: list[list[str]]
    scores: list[float]
    no_speech_prob: float


class _Model(Protocol):
    """The part of ``ctranslate2.models.Whisper`` that is used."""

    @property
    def is_multilingual(self) -> bool: ...
    @property
    def n_mels(self) -> int: ...
    def generate(self, features: object, prompts: list[list[int]], **options: object) -> list[_Result]: ...
    def detect_language(self, features: object) -> list[list[tuple[str, float]]]: ...


class _Models(Protocol):
    def Whisper(self, model_path: str, **options: object) -> _Model: ...


class _StorageView(Protocol):
    def from_array(self, array: FloatArray) -> object: ...


class _Library(Protocol):
    """The part of ``ctranslate2`` that is used; it has no types."""

    @property
    def models(self) -> _Models: ...
    @property
    def StorageView(self) -> _StorageView: ...


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one decode gave."""

    text: str
    token_count: int
    avg_logprob: float
    no_speech_prob: float


class WhisperRecognizer:
    """Whisper tiny.en, or any Whisper in CTranslate2's format. One for a process; see ``Recognizer``.

    Args:
        path: The model folder; None to look it up (see ``weights.locate``).
        threads: Threads of the model; more than one only helps when cores are idle.

    Raises:
        ModelLoadError: The folder is missing, damaged or no Whisper model, or the runtime is not installed.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, threads: int = 1) -> None:
        folder = weights.locate(weights.WHISPER, path)
        self._model, self._storage = _load(folder, threads)
        self._tokens = {token: index for index, token in enumerate(_read_vocabulary(folder))}
        try:
            self._start = self._tokens["<|startoftranscript|>"]
            self._no_timestamps = self._tokens["<|notimestamps|>"]
        except KeyError as error:
            raise ModelLoadError(
                f"the vocabulary in {str(folder)!r} is not Whisper's: {error} is missing"
            ) from error
        if self._model.is_multilingual:
            names = (token[2:-2] for token in self._tokens if token.startswith("<|") and token.endswith("|>"))
            self._languages = tuple(name for name in names if 2 <= len(name) <= 3 and name.isalpha())
        else:
            self._languages = ("en",)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages it knows, as ISO 639-1 codes."""
        return self._languages

    def warm_up(self) -> None:
        """Decode once: the first decode costs up to twice as much as the next."""
        import numpy as np

        self._decode(np.zeros(LISTEN_RATE_HZ, dtype=np.float32), _PARTIAL_WINDOW_SAMPLES, "en")

    def transcribe(self, samples: FloatArray, *, final: bool, language: str | None = None) -> Transcript:
        """Recognise one stretch of audio; see ``Recognizer.transcribe``.

        A partial costs about 60 ms and a final about 90 ms for an utterance of 3 s; both grow with the audio.
        """
        code = self._language_code(language)
        if samples.ndim != 1:
            raise InferenceError(f"audio to recognise is mono, one axis; this has shape {samples.shape!r}")
        silence = Transcript(text="", is_final=final, duration_samples=len(samples), no_speech_prob=1.0)
        if len(samples) < _SHORTEST_SAMPLES:
            return silence
        peak = float(abs(samples).max())
        if not math.isfinite(peak):
            raise InferenceError("the audio to recognise holds values that are not finite numbers")
        if peak < _SILENCE_PEAK:
            return silence
        if code is None and self._model.is_multilingual:
            code = self._detect(samples)
        pieces = [
            (start, end, self._read(samples[start:end], is_final=final, language=code or "en"))
            for start, end in plan_readings(samples)
        ]
        return _transcript(pieces, is_final=final, duration_samples=len(samples), language=code or "en")

    def _language_code(self, language: str | None) -> str | None:
        if language is None:
            return None
        code = language.replace("_", "-").split("-")[0].lower()
        if code in self._languages:
            return code
        if not self._model.is_multilingual:
            raise UnsupportedError(
                f"the embedded recogniser knows English only, not {language!r}; for other languages name a "
                "multilingual Whisper model in CTranslate2's format with VOICEWIRE_WHISPER_PATH"
            )
        raise UnsupportedError(
            f"this Whisper model does not know the language {language!r}; it knows "
            + ", ".join(self._languages)
        )

    def _detect(self, samples: FloatArray) -> str:
        features = self._features(samples[:_WINDOW_SAMPLES], _WINDOW_SAMPLES)
        name, _ = self._model.detect_language(features)[0][0]
        return name.strip("<|>")

    def _read(self, samples: FloatArray, *, is_final: bool, language: str) -> _Reading:
        speech_s = _speech_duration_s(samples)
        shortest = _FINAL_WINDOW_SAMPLES if is_final else _PARTIAL_WINDOW_SAMPLES
        tail = _FINAL_TAIL_SAMPLES if is_final else _PARTIAL_TAIL_SAMPLES
        window = min(max(len(samples) + tail, shortest), _WINDOW_SAMPLES)
        reading = self._decode(samples, window, language)
        text, is_looped = cut_loop(reading.text, speech_s)
        if is_looped and is_final and window < _WINDOW_SAMPLES:
            reading = self._decode(samples, _WINDOW_SAMPLES, language)
            text, _ = cut_loop(reading.text, speech_s)
        if reading.no_speech_prob > _NO_SPEECH_PROB and reading.avg_logprob < _GUESSED_LOGPROB:
            text = ""
        if not is_final:
            text = tidy_partial(text)
        return _Reading(text, reading.token_count, reading.avg_logprob, reading.no_speech_prob)

    def _features(self, samples: FloatArray, window_samples: int) -> object:
        # Two mel frames make one encoder position, so the window is a whole number of pairs.
        total = -(-window_samples // (2 * HOP_SAMPLES)) * 2 * HOP_SAMPLES
        features = log_mel(samples, total_samples=total, bands=self._model.n_mels)
        return self._storage(features[None])

    def _decode(self, samples: FloatArray, window_samples: int, language: str) -> _Reading:
        prompt = [self._start]
        if self._model.is_multilingual:
            prompt += [self._tokens[f"<|{language}|>"], self._tokens["<|transcribe|>"]]
        prompt.append(self._no_timestamps)
        limit = math.ceil(len(samples) / LISTEN_RATE_HZ * _TOKENS_PER_S) + _SPARE_TOKENS + len(prompt)
        try:
            result = self._model.generate(
                self._features(samples, window_samples),
                [prompt],
                beam_size=1,
                max_length=min(limit, _CONTEXT_TOKENS),
                return_scores=True,
                return_no_speech_prob=True,
            )[0]
        except (RuntimeError, ValueError) as error:
            raise InferenceError(f"the recognition model failed: {error}") from error
        tokens = result.sequences[0]
        # The score is the mean over the tokens; Whisper's own measure counts the end token too.
        avg_logprob = result.scores[0] * len(tokens) / (len(tokens) + 1)
        return _Reading(text_of_tokens(tokens), len(tokens), avg_logprob, result.no_speech_prob)


def plan_readings(samples: FloatArray) -> list[tuple[int, int]]:
    """What to read in one go each: a turn as a whole, a long recording pause by pause.

    A live turn keeps its pauses, as words on both sides help each other. In a long recording a pause of
    seconds makes Whisper say a sentence again and again, so every stretch of speech is read by itself.

    Returns:
        Start and end of each reading, in samples, in order; what lies between them is silence.
    """
    if len(samples) <= _LONGEST_TURN_SAMPLES:
        return [(0, len(samples))]
    return [
        (start + first, start + last)
        for start, end in speech_stretches(samples)
        for first, last in plan_windows(samples[start:end])
    ]


def speech_stretches(samples: FloatArray) -> list[tuple[int, int]]:
    """The loud stretches of a recording, with a little silence around them.

    Stretches that are close together and short enough to be read in one go are one.
    """
    import numpy as np

    levels = _levels(samples)
    loud = np.flatnonzero(levels > _QUIET_SHARE * levels.max())
    found: list[tuple[int, int]] = []
    for frame in loud:
        start = max(0, int(frame) * _ENERGY_FRAME_SAMPLES - _STRETCH_PADDING_SAMPLES)
        end = min(len(samples), (int(frame) + 1) * _ENERGY_FRAME_SAMPLES + _STRETCH_PADDING_SAMPLES)
        if found:
            first, last = found[-1]
            is_one = start <= last or (start - last < _JOINED_PAUSE_SAMPLES and end - first < _JOINED_SAMPLES)
            if is_one:
                found[-1] = (first, end)
                continue
        found.append((start, end))
    return found


def plan_windows(samples: FloatArray) -> list[tuple[int, int]]:
    """Cut long audio into windows of 18 to 28 s at its quietest places.

    A cut in a real pause is clean. A cut inside speech is overlapped by half a second on both sides, and
    the words that were read twice are joined again later.

    Returns:
        Start and end of each window, in samples; together they cover everything.
    """
    import numpy as np

    windows: list[tuple[int, int]] = []
    start = 0
    loudest = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
    while len(samples) - start > _LONGEST_SAMPLES:
        first, last = start + _SHORTEST_CUT_SAMPLES, start + _LONGEST_SAMPLES - _OVERLAP_SAMPLES
        levels = _levels(samples[first:last])
        # A pause is several quiet frames in a row, so the levels are smoothed over 0.3 s.
        smooth = np.convolve(levels, np.ones(15) / 15, mode="same")
        quietest = int(np.argmin(smooth[8:-8])) + 8
        cut = first + quietest * _ENERGY_FRAME_SAMPLES
        overlap = 0 if smooth[quietest] < 0.1 * loudest else _OVERLAP_SAMPLES
        windows.append((start, cut + overlap))
        start = cut - overlap
    windows.append((start, len(samples)))
    return windows


def text_of_tokens(tokens: Iterable[str]) -> str:
    """Text from byte-level BPE tokens; special tokens such as ``<|en|>`` are left out."""
    table = _byte_table()
    spoken = "".join(token for token in tokens if not (token.startswith("<|") and token.endswith("|>")))
    data = bytes(table[character] for character in spoken if character in table)
    return data.decode("utf-8", errors="replace").strip()


@functools.lru_cache(maxsize=1)
def _byte_table() -> dict[str, int]:
    """Which byte each character of a byte-level BPE token stands for (the table of GPT-2)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    table = {chr(byte): byte for byte in plain}
    others = [byte for byte in range(256) if byte not in set(plain)]
    table.update({chr(256 + index): byte for index, byte in enumerate(others)})
    return table


def _load(folder: Path, threads: int) -> tuple[_Model, Callable[[FloatArray], object]]:
    try:
        import ctranslate2
    except ImportError as error:
        raise ModelLoadError(
            "the embedded engine is not installed; run `pip install 'voicewire[embedded]'`"
        ) from error
    library = cast("_Library", ctranslate2)
    try:
        model = library.models.Whisper(
            str(folder), device="cpu", compute_type="int8", inter_threads=1, intra_threads=threads
        )
    except (RuntimeError, ValueError) as error:
        raise ModelLoadError(
            f"{str(folder)!r} is not a Whisper model that can be loaded ({error}); "
            f"run `{weights.SETUP_COMMAND}` to fetch it again"
        ) from error
    return model, library.StorageView.from_array


def _read_vocabulary(folder: Path) -> Sequence[str]:
    """The tokens in order, from ``vocabulary.txt`` (one a line) or ``vocabulary.json`` (a list)."""
    try:
        if (folder / "vocabulary.json").exists():
            return msgspec.json.decode((folder / "vocabulary.json").read_bytes(), type=list[str])
        # Not splitlines(): some tokens hold characters that it takes for line ends.
        return (folder / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise ModelLoadError(
            f"the vocabulary in {str(folder)!r} cannot be read ({error}); "
            f"run `{weights.SETUP_COMMAND}` to fetch it again"
        ) from error


def _levels(samples: FloatArray) -> FloatArray:
    """Root mean square of each 20 ms."""
    import numpy as np

    frames = len(samples) // _ENERGY_FRAME_SAMPLES
    levels: FloatArray = np.sqrt(
        np.mean(np.square(np.reshape(samples[: frames * _ENERGY_FRAME_SAMPLES], (frames, -1))), axis=1)
    )
    return levels


def _speech_duration_s(samples: FloatArray) -> float:
    """From the first to the last stretch that is not far below the loudest, in seconds."""
    import numpy as np

    levels = _levels(samples)
    if not len(levels):
        return 0.0
    loud = np.flatnonzero(levels > 0.06 * levels.max())
    return float(loud[-1] - loud[0] + 1) * _ENERGY_FRAME_SAMPLES / LISTEN_RATE_HZ if len(loud) else 0.0


def _transcript(
    pieces: Sequence[tuple[int, int, _Reading]], *, is_final: bool, duration_samples: int, language: str
) -> Transcript:
    """Put the windows' readings together, weighted by their tokens."""
    text = ""
    for _, _, reading in pieces:
        text = join_texts(text, reading.text)
    count = sum(reading.token_count for _, _, reading in pieces)
    logprob = (
        sum(reading.avg_logprob * reading.token_count for _, _, reading in pieces) / count if count else 0.0
    )
    segments = tuple(
        TranscriptSegment(
            text=reading.text,
            start_sample=start,
            end_sample=end,
            confidence=min(math.exp(reading.avg_logprob), 1.0),
        )
        for start, end, reading in pieces
        if reading.text
    )
    return Transcript(
        text=text,
        is_final=is_final,
        duration_samples=duration_samples,
        no_speech_prob=min(reading.no_speech_prob for _, _, reading in pieces),
        avg_logprob=logprob,
        language=language,
        segments=segments,
    )
