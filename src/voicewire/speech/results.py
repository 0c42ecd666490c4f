"""What speech clients report: recognised words, synthesised audio, and the result of a whole file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenWord:
    """One word with its place in the audio."""

    text: str
    start_ms: int
    """From the first sample that was sent."""
    end_ms: int
    punctuation: str = ""
    """The mark behind it, where the service gives it apart."""
    confidence: float | None = None
    """0 to 1; None where the wire has none."""
    speaker: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One sentence or stretch of recognised speech."""

    text: str
    start_ms: int
    """From the first sample of the audio."""
    end_ms: int
    confidence: float | None = None
    """0 to 1; None where the wire has none (every DashScope model)."""
    words: tuple[SpokenWord, ...] = ()
    """Empty where the service gives none."""
    speaker: str = ""
    """Who spoke, where speakers are told apart."""
    language: str = ""

    @property
    def start_s(self) -> float:
        """The start in seconds."""
        return self.start_ms / 1000

    @property
    def end_s(self) -> float:
        """The end in seconds."""
        return self.end_ms / 1000

    start = start_s
    """Seconds, under the name that other recognisers use."""
    end = end_s

    def with_text(self, text: str) -> Segment:
        """The same segment with its text put another way; its words stay as they were heard."""
        return replace(self, text=text)

    def later(self, by_ms: int) -> Segment:
        """The same segment in audio that began so much earlier."""
        words = tuple(
            replace(word, start_ms=word.start_ms + by_ms, end_ms=word.end_ms + by_ms) for word in self.words
        )
        return replace(self, start_ms=self.start_ms + by_ms, end_ms=self.end_ms + by_ms, words=words)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionEvent:
    """Words of a live session. A partial repeats its whole sentence so far: replace, never append."""

    text: str
    is_final: bool
    start_ms: int = 0
    end_ms: int = 0
    confidence: float | None = None
    """0 to 1; None where the wire has none."""
    words: tuple[SpokenWord, ...] = ()
    speaker: str = ""
    language: str = ""
    translations: tuple[tuple[str, str], ...] = ()
    """Language and text of each translation (Gummy)."""

    def segment(self) -> Segment:
        """The same as a part of a result."""
        return Segment(
            text=self.text,
            start_ms=self.start_ms,
            end_ms=self.end_ms,
            confidence=self.confidence,
            words=self.words,
            speaker=self.speaker,
            language=self.language,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioDropped:
    """Audio that was thrown away because the buffer was full; it will never be recognised."""

    dropped_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnected:
    """The connection was lost and made again; audio that had no final result was sent again."""

    attempt: int
    reason: str
    replayed_ms: int


AsrEvent = RecognitionEvent | AudioDropped | Reconnected


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesizedAudio:
    """A piece of audio in the format of the configuration; the pieces put together are the whole."""

    data: bytes = field(repr=False)
    index: int
    """Counts from 0 in each session."""
    chat_id: str | None = None
    """As it was when the session began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordBoundary:
    """When a word is spoken."""

    text: str
    start_ms: int
    end_ms: int
    text_offset: int = -1
    """Index of its first character in the text; -1 when that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viseme:
    """The shape of a mouth."""

    viseme_id: int
    at_ms: int
    animation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """A mark of the SSML was reached."""

    name: str
    at_ms: int


TtsEvent = SynthesizedAudio | WordBoundary | Viseme | Bookmark


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionResult:
    """What a file says."""

    text: str
    segments: tuple[Segment, ...]
    duration_ms: int
    """Length of the audio."""
    language: str = ""

    @classmethod
    def of(cls, segments: tuple[Segment, ...], *, duration_ms: int, language: str = "") -> RecognitionResult:
        """The result with the segments' texts joined."""
        text = " ".join(segment.text for segment in segments if segment.text)
        return cls(text=text, segments=segments, duration_ms=duration_ms, language=language)
