"""A result as text, JSON, SRT or WebVTT; and captions that can be read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final

from voicewire.speech.results import RecognitionResult, Segment, SpokenWord

LINE_CHARS: Final = 42
"""Of a caption's line, as broadcasters have it."""
CUE_CHARS: Final = 2 * LINE_CHARS
_ENDS: Final = (".", "!", "?", "…")
_SPACES: Final = re.compile(r"\s+")
_STUTTER: Final = re.compile(r"\b(\w+)(?:,? \1\b){2,}", re.IGNORECASE)
_FILLERS: Final = re.compile(r"(?:(?<=^)|(?<=[\s]))(?:uh|um|erm|uhm|hmm)[,.]?(?=\s|$)\s*", re.IGNORECASE)


class TranscriptFormat(str, Enum):
    """How to write a result down."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


def render(result: RecognitionResult, format: TranscriptFormat | str = TranscriptFormat.TEXT) -> str:
    """A result in one of the formats, without a final line feed.

    Raises:
        ValueError: No such format.
    """
    match TranscriptFormat(format):
        case TranscriptFormat.TEXT:
            return result.text
        case TranscriptFormat.JSON:
            return as_json(result)
        case TranscriptFormat.SRT:
            cues = readable(_segments(result))
            return "\n\n".join(
                f"{number}\n{_span(cue, ',')}\n{wrapped(cue.text)}" for number, cue in enumerate(cues, 1)
            )
        case TranscriptFormat.VTT:
            cues = readable(_segments(result))
            return "\n\n".join(["WEBVTT", *(f"{_span(cue, '.')}\n{wrapped(cue.text)}" for cue in cues)])


def _segments(result: RecognitionResult) -> tuple[Segment, ...]:
    """The segments; the whole text is one where the recogniser gave none."""
    if result.segments or not result.text:
        return result.segments
    return (Segment(text=result.text, start_ms=0, end_ms=result.duration_ms),)


def as_json(result: RecognitionResult) -> str:
    """A result as JSON; times in seconds."""
    data = {
        "text": result.text,
        "language": result.language,
        "duration_s": round(result.duration_ms / 1000, 3),
        "segments": [segment_data(segment) for segment in result.segments],
    }
    return json.dumps(data, ensure_ascii=False, indent=2)


def segment_data(segment: Segment) -> dict[str, object]:
    """A segment as plain data."""
    data: dict[str, object] = {
        "text": segment.text,
        "start_s": segment.start_s,
        "end_s": segment.end_s,
        "confidence": segment.confidence,
    }
    if segment.speaker:
        data["speaker"] = segment.speaker
    if segment.words:
        data["words"] = [
            {
                "text": w.text,
                "start_s": w.start_ms / 1000,
                "end_s": w.end_ms / 1000,
                "confidence": w.confidence,
            }
            for w in segment.words
        ]
    return data


def clean(text: str, *, fillers: bool = True) -> str:
    """A caption without stammers ("the the the"), fillers and doubled spaces.

    Args:
        text: What was recognised.
        fillers: Whether "um" and "uh" fall away, too.
    """
    if fillers:
        text = _FILLERS.sub("", text)
    text = _STUTTER.sub(r"\1", text)
    text = _SPACES.sub(" ", text).strip()
    return text[:1].upper() + text[1:]


def readable(segments: Sequence[Segment]) -> list[Segment]:
    """Cues of at most two lines: longer segments are cut at sentence ends, then at commas, then at spaces.

    Times of the parts come from the words where there are any, else from the letters.
    """
    return [cue for segment in segments for cue in _parts(segment)]


def wrapped(text: str) -> str:
    """A cue's text on two lines where it is too long for one, the upper one the longer by little."""
    if len(text) <= LINE_CHARS:
        return text
    spaces = [match.start() for match in re.finditer(" ", text)]
    if not spaces:
        return text
    middle = min(spaces, key=lambda at: abs(at - len(text) / 2))
    return f"{text[:middle]}\n{text[middle + 1 :]}"


def _parts(segment: Segment) -> Iterable[Segment]:
    if len(segment.text) <= CUE_CHARS:
        return [segment]
    texts = _split(segment.text)
    total = sum(len(text) for text in texts)
    length_ms = segment.end_ms - segment.start_ms
    cues: list[Segment] = []
    passed = 0
    for text in texts:
        start = segment.start_ms + length_ms * passed // total
        passed += len(text)
        end = segment.start_ms + length_ms * passed // total
        cues.append(
            Segment(
                text=text, start_ms=start, end_ms=end, confidence=segment.confidence, speaker=segment.speaker
            )
        )
    return _timed_by_words(cues, segment.words) if segment.words else cues


def _timed_by_words(cues: list[Segment], words: tuple[SpokenWord, ...]) -> list[Segment]:
    timed: list[Segment] = []
    at = 0
    for cue in cues:
        count = len(cue.text.split())
        mine = words[at : at + count]
        at += count
        if mine:
            cue = Segment(
                text=cue.text,
                start_ms=mine[0].start_ms,
                end_ms=mine[-1].end_ms,
                confidence=cue.confidence,
                speaker=cue.speaker,
                words=mine,
            )
        timed.append(cue)
    return timed


def _split(text: str) -> list[str]:
    """Pieces of at most a cue, as even as the sentences allow."""
    pieces: list[str] = []
    current = ""
    for word in text.split():
        longer = f"{current} {word}".strip()
        if len(longer) > CUE_CHARS and current:
            pieces.append(current)
            current = word
            continue
        current = longer
        if current.endswith(_ENDS) and len(current) >= LINE_CHARS // 2:
            pieces.append(current)
            current = ""
    if current:
        pieces.append(current)
    return pieces


def _span(segment: Segment, separator: str) -> str:
    return f"{_stamp(segment.start_ms, separator)} --> {_stamp(segment.end_ms, separator)}"


def _stamp(at_ms: int, separator: str) -> str:
    seconds, ms = divmod(at_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{separator}{ms:03d}"
