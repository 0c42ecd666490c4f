"""Speech synthesis: hibari (a small English network) and, where it is installed, espeak-ng.

``LocalSynthesizer`` is the one to use: the good voice by default, the robot voice by name or when hibari
cannot be loaded. Everything comes out at 24 kHz. Nothing is ever downloaded.

hibari predicts how long each phoneme lasts but does not hand it out; the file is therefore loaded with
that tensor declared as one more output, which gives real word times. Without it (another export of the
model) word times are estimated from the letters.
"""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import msgspec

from voicewire.engine.espeak import EspeakSynthesizer
from voicewire.engine.onnx import OnnxSession, forbid_telemetry, open_session, run_session
from voicewire.engine.stages import SpeakableCheck, Speech, VoiceInfo, WordTime
from voicewire.engine.tts_shape import (
    TimedWord,
    align_words,
    join,
    pause_after_ms,
    shape,
    silence,
    spread_words,
)
from voicewire.errors import ConfigError, InferenceError, ModelLoadError, UnsupportedError

if TYPE_CHECKING:
    from voicewire.engine.stages import FloatArray

SPEAK_RATE_HZ: Final = 24_000
DEFAULT_VOICE: Final = "heart"
ESPEAK_VOICE: Final = "espeak"

_GAIN: Final = 1.88
"""hibari speaks at -25.5 dBFS rms, within 1 dB, and peaks at -8.5: this makes it -20 and -3."""
_SAMPLES_PER_DURATION: Final = 600
"""One unit of the duration tensor: two hops of 12.5 ms."""
_DURATION_TENSOR: Final = "/Clip_output_0"
_LONGEST_PHONEMES: Final = 380
"""The model was trained on sentences up to 400 phonemes."""
_MARKS: Final = frozenset(';:,.!?—…"“”() ')
_LOWEST_SPEED: Final = 0.5
_HIGHEST_SPEED: Final = 2.0
_FOREIGN_SHARE: Final = 0.1


class _Token(Protocol):
    text: str
    phonemes: str | None
    whitespace: str


class _G2pRules(Protocol):
    """The part of the module ``hibari.g2p`` that is used; hibari has no types."""

    def normalize(self, text: str) -> str: ...


class _Dsp(Protocol):
    """The part of the module ``hibari.dsp`` that is used."""

    def synth(self, *spectra_and_rng: object) -> FloatArray: ...


class _Voices(Protocol):
    """The part of the module ``hibari.voices`` that is used."""

    def voice_path(self, name: str, *, download_missing: bool) -> str: ...


class _Facade(Protocol):
    """The part of the class ``hibari.Hibari`` that is used."""

    def split_sentences(self, text: str) -> list[str]: ...


class HibariSynthesizer:
    """hibari. One for a process and voice; see ``Synthesizer``.

    The network runs outside the GIL; the signal processing after it is numpy (a third of the time). The
    pronunciation rules hold a lock for about 1 ms a clause.

    Args:
        voice: ``heart`` is in the package; others only when their file is in hibari's cache already.

    Raises:
        ModelLoadError: hibari or the voice's file is not there, or damaged.
    """

    def __init__(self, voice: str = DEFAULT_VOICE) -> None:
        path, self._g2p, self._vocabulary = _load_parts(voice)
        self._session = _session_with_durations(path.read_bytes())
        self._has_durations = any(node.name == _DURATION_TENSOR for node in self._session.get_outputs())
        self._voice = voice
        self._g2p_lock = threading.Lock()

    @property
    def sample_rate_hz(self) -> int:
        """24000."""
        return SPEAK_RATE_HZ

    def voices(self) -> list[VoiceInfo]:
        """The voice that is loaded."""
        return [voice for voice in hibari_voices() if voice.name == self._voice]

    def speakable(self, text: str) -> SpeakableCheck:
        """Whether the text is in Latin script."""
        return speakable_in_english(text)

    def warm_up(self) -> None:
        """Speak once: the first call loads tables and costs several times as much."""
        self.synthesize("Hello, and good morning.")

    def synthesize(self, text: str, *, voice: str | None = None, speed: float = 1.0) -> Speech:
        """Say ``text``; see ``Synthesizer.synthesize``. About 10 ms for a clause, 25 ms for 4 s of speech."""
        if voice not in (None, self._voice):
            raise UnsupportedError(f"this synthesizer has the voice {self._voice!r} only, not {voice!r}")
        check_speed(speed)
        if not (check := self.speakable(text)).is_speakable:
            raise UnsupportedError(check.reason)
        if not any(character.isalnum() for character in text):
            # The model would breathe and click for a lone mark.
            return Speech(silence(), SPEAK_RATE_HZ, spread_words(text, 0, 0))
        pieces = [self._say(sentence, speed) for sentence in _split_sentences(text)]
        speech = join(pieces, SPEAK_RATE_HZ)
        words = text.split()
        if len(speech.words) != len(words):
            # Splitting into sentences swallowed a lone quotation mark.
            return Speech(speech.samples, SPEAK_RATE_HZ, spread_words(text, 0, len(speech.samples)))
        # It also swallows a quotation mark behind a full stop; the words are the caller's own.
        named = zip(words, speech.words, strict=True)
        times = tuple(WordTime(word, time.start_sample, time.end_sample) for word, time in named)
        return Speech(speech.samples, SPEAK_RATE_HZ, times)

    def _say(self, sentence: str, speed: float) -> Speech:
        pause_ms = pause_after_ms(sentence)
        spoken: list[TimedWord] = []
        parts: list[Speech] = []
        offset = 0
        groups = list(_bounded(self._pronounce(sentence)))
        for index, words in enumerate(groups):
            samples, timed = self._render(words, speed)
            is_last = index + 1 == len(groups)
            shaped = shape(samples, SPEAK_RATE_HZ, gain=_GAIN, pause_ms=pause_ms if is_last else 0)
            spoken += [
                word.moved(-shaped.cut_samples, shaped.sound_end_sample).moved(offset) for word in timed
            ]
            parts.append(Speech(shaped.samples, SPEAK_RATE_HZ))
            offset += len(shaped.samples)
        whole = join(parts, SPEAK_RATE_HZ)
        return Speech(
            whole.samples, SPEAK_RATE_HZ, align_words(sentence, spoken, limit_sample=len(whole.samples))
        )

    def _pronounce(self, sentence: str) -> list[tuple[str, str]]:
        """Spelling and phonemes of each word, numbers and abbreviations already read out."""
        from hibari import g2p

        rules = cast("_G2pRules", g2p)
        with self._g2p_lock:
            tokens: list[_Token] = self._g2p.phonemize_tokens(self._g2p.tokenize(rules.normalize(sentence)))
        words: list[tuple[str, str]] = []
        spelling, phonemes = "", ""
        for token in tokens:
            spelling += token.text
            phonemes += token.phonemes or ""
            if token.whitespace:
                words.append((spelling, phonemes))
                spelling, phonemes = "", ""
        if spelling:
            words.append((spelling, phonemes))
        return words

    def _render(self, words: list[tuple[str, str]], speed: float) -> tuple[FloatArray, list[TimedWord]]:
        """Audio of one stretch of words, unshaped, and where its words lie."""
        import numpy as np
        from hibari import dsp

        ids, owners = self._encode(words)
        if len(ids) < 3:
            return silence(), []
        feed: dict[str, Any] = {
            "ids": np.asarray([ids], dtype=np.int64),
            "speed": np.asarray([speed], dtype=np.float32),
        }
        outputs = run_session(self._session, feed, what="speech")
        # One seed for all: the same text always sounds the same.
        spectra: list[Any] = [output[0] for output in outputs[:6]]
        samples = cast("_Dsp", dsp).synth(*spectra, np.random.default_rng(0))
        if not np.isfinite(samples).all():
            raise InferenceError("the speech model gave values that are not finite numbers")
        if not self._has_durations:
            spread = spread_words(" ".join(spelling for spelling, _ in words), 0, len(samples))
            return samples, [TimedWord(word.word, word.start_sample, word.end_sample) for word in spread]
        ends = np.cumsum(outputs[6]).astype(np.int64) * _SAMPLES_PER_DURATION
        timed: list[TimedWord] = []
        for index, (spelling, _) in enumerate(words):
            places = [place for place, owner in enumerate(owners) if owner == index]
            if places:
                timed.append(TimedWord(spelling, int(ends[places[0] - 1]), int(ends[places[-1]])))
        return samples, timed

    def _encode(self, words: list[tuple[str, str]]) -> tuple[list[int], list[int]]:
        """Phoneme ids between two pads, and for each the index of its word (-1 for spaces and marks)."""
        ids, owners = [0], [-1]
        for index, (_, phonemes) in enumerate(words):
            for phoneme in phonemes if index == 0 else f" {phonemes}":
                if (code := self._vocabulary.get(phoneme)) is not None:
                    ids.append(code)
                    owners.append(-1 if phoneme in _MARKS else index)
        return [*ids, 0], [*owners, -1]


class LocalSynthesizer:
    """hibari with espeak-ng behind it. One for a process; see ``Synthesizer``.

    Voices are loaded when first used, each once.

    Args:
        voice: The default voice; None for hibari's, or espeak-ng's where hibari cannot be loaded.

    Raises:
        ModelLoadError: Neither of the two is installed.
        UnsupportedError: No such voice.
    """

    def __init__(self, voice: str | None = None) -> None:
        self._lock = threading.Lock()
        self._loaded: dict[str, HibariSynthesizer] = {}
        self._espeak = EspeakSynthesizer.find(SPEAK_RATE_HZ)
        names = [info.name for info in self.voices()]
        if not names:
            raise ModelLoadError(
                "no speech synthesis is installed; run `pip install 'voicewire[embedded]'` "
                "or install espeak-ng"
            )
        self._default = voice or names[0]
        self._require(self._default)

    @property
    def sample_rate_hz(self) -> int:
        """24000."""
        return SPEAK_RATE_HZ

    def voices(self) -> list[VoiceInfo]:
        """The voices that work here and now, the default one first."""
        return hibari_voices() + (self._espeak.voices() if self._espeak is not None else [])

    def speakable(self, text: str) -> SpeakableCheck:
        """Whether the text is in Latin script."""
        return speakable_in_english(text)

    def warm_up(self) -> None:
        """Load the default voice and speak once."""
        self.synthesize("Hello, and good morning.")

    def synthesize(self, text: str, *, voice: str | None = None, speed: float = 1.0) -> Speech:
        """Say ``text``; see ``Synthesizer.synthesize``."""
        name = voice or self._default
        self._require(name)
        check_speed(speed)
        if self._espeak is not None and name == ESPEAK_VOICE:
            if not (check := self.speakable(text)).is_speakable:
                raise UnsupportedError(check.reason)
            return self._espeak.synthesize(text, speed=speed)
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = HibariSynthesizer(name)
        return self._loaded[name].synthesize(text, speed=speed)

    def _require(self, name: str) -> None:
        names = [info.name for info in self.voices()]
        if name not in names:
            raise UnsupportedError(f"no voice is called {name!r} here; there are: {', '.join(names)}")


def check_speed(speed: float) -> None:
    """Refuse a speed outside 0.5 to 2."""
    if not _LOWEST_SPEED <= speed <= _HIGHEST_SPEED:
        raise ConfigError(f"the speed is {speed!r}; give a number from {_LOWEST_SPEED} to {_HIGHEST_SPEED}")


def speakable_in_english(text: str) -> SpeakableCheck:
    """Whether an English voice can say a text: a foreign name may pass, a text in another script may not."""
    letters = [character for character in text if character.isalpha()]
    foreign = [character for character in letters if not _is_latin(character)]
    if (
        len(foreign) <= 1
        or len(foreign) <= _FOREIGN_SHARE * len(letters)
        and not any(map(_is_ideograph, foreign))
    ):
        return SpeakableCheck(True)
    script = unicodedata.name(foreign[0], "UNKNOWN").split()[0].capitalize()
    script = "Chinese" if script == "Cjk" else script
    return SpeakableCheck(
        False,
        f"the local voices speak English only and this text has {script} letters ({''.join(foreign[:8])!r}); "
        "use another provider's voice for it",
    )


def _is_latin(character: str) -> bool:
    return character.isascii() or unicodedata.name(character, "").startswith(
        ("LATIN", "MODIFIER", "FEMININE", "MASCULINE")
    )


def _is_ideograph(character: str) -> bool:
    return unicodedata.name(character, "").startswith(("CJK", "HIRAGANA", "KATAKANA", "HANGUL"))


def hibari_voices() -> list[VoiceInfo]:
    """The voices of hibari that need no download, the built-in one first; none when it is not installed."""
    try:
        from hibari import voices
    except ImportError:
        return []
    found: list[VoiceInfo] = []
    for name, facts in voices.VOICES.items():
        if facts.get("bundled") or os.path.exists(os.path.join(voices.cache_dir(), facts["file"])):
            found.append(
                VoiceInfo(
                    name=name, language=facts["language"], description=f"{facts['accent']} {facts['gender']}"
                )
            )
    return sorted(found, key=lambda info: info.name != DEFAULT_VOICE)


def _load_parts(voice: str) -> tuple[Path, Any, dict[str, int]]:
    """The voice's file, the pronunciation rules and the phoneme table.

    ``Any``: the package has no types. Its facade would load the model without durations.
    """
    forbid_telemetry()  # the package loads ONNX Runtime by itself
    try:
        from hibari import tts, voices
        from hibari.g2p import G2P
    except ImportError as error:
        raise ModelLoadError(
            "the embedded engine is not installed; run `pip install 'voicewire[embedded]'`"
        ) from error
    try:
        path = Path(cast("_Voices", voices).voice_path(voice, download_missing=False))
        vocabulary = msgspec.json.decode((Path(tts.ASSETS) / "vocab.json").read_bytes(), type=dict[str, int])
        return path, G2P(british=bool(voices.VOICES[voice]["british"])), vocabulary
    except (OSError, ValueError) as error:
        raise ModelLoadError(
            f"hibari's voice {voice!r} is not whole on this machine ({error}); install 'hibari-tts' again"
        ) from error


def _split_sentences(text: str) -> list[str]:
    from hibari import Hibari

    return cast("_Facade", Hibari).split_sentences(text)


def _session_with_durations(data: bytes) -> OnnxSession:
    """Load the model with its phoneme durations as a seventh output.

    A serialized ONNX model is a protocol buffer, and two of them written one after the other read as both
    merged: a second model that holds nothing but one more graph output adds that output to the first.
    """
    name = _DURATION_TENSOR.encode()
    value_info = b"\x0a" + bytes([len(name)]) + name  # ValueInfoProto.name = 1
    graph = b"\x62" + bytes([len(value_info)]) + value_info  # GraphProto.output = 12
    model = b"\x3a" + bytes([len(graph)]) + graph  # ModelProto.graph = 7
    try:
        return open_session(data + model, inputs=("ids", "speed"))
    except ModelLoadError:
        return open_session(data, inputs=("ids", "speed"))


def _bounded(words: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Runs of words that the model can take at once, cut after a mark where there is one."""
    run: list[tuple[str, str]] = []
    length = 0
    for spelling, phonemes in words:
        for start in range(0, max(len(phonemes), 1), _LONGEST_PHONEMES):
            part = phonemes[start : start + _LONGEST_PHONEMES]
            if run and length + len(part) + 1 > _LONGEST_PHONEMES:
                yield run
                run, length = [], 0
            run.append((spelling if start == 0 else "", part))
            length += len(part) + 1
            if length > _LONGEST_PHONEMES // 2 and part.endswith((",", ";", ":", "—")):
                yield run
                run, length = [], 0
    if run:
        yield run


def create_synthesizer(voice: str | None = None) -> LocalSynthesizer:
    """The synthesizer of this machine; see ``LocalSynthesizer``."""
    return LocalSynthesizer(voice)
