"""``voicewire transcribe``: writes down what a file says."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from voicewire.cli.common import command
from voicewire.errors import ConfigError

if TYPE_CHECKING:
    from voicewire.engine.stages import Transcript, TranscriptSegment

_RATE_HZ: Final = 16_000


class TranscriptFormat(str, Enum):
    """How to write it down."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


@command
def transcribe(
    file: Annotated[Path, typer.Argument(help="A WAV, FLAC, MP3 or OGG file.")],
    format: Annotated[
        TranscriptFormat, typer.Option("--format", "-f", help="How to write it down.")
    ] = TranscriptFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file instead of standard output.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="ISO 639-1 code, such as en.")] = None,
) -> None:
    """Write down what a sound file says."""
    from voicewire.audio.files import read_audio
    from voicewire.audio.pcm import pcm16_to_float32
    from voicewire.engine.asr import WhisperRecognizer

    audio = read_audio(file, sample_rate_hz=_RATE_HZ)
    recognizer = WhisperRecognizer()
    transcript = recognizer.transcribe(pcm16_to_float32(audio.data), final=True, language=language)
    text = render(transcript, format)
    if output is None:
        typer.echo(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {str(output)!r}: {error.strerror}; name another file") from error


def render(transcript: Transcript, format: TranscriptFormat) -> str:
    """A transcript in one of the formats; without a final line feed."""
    match format:
        case TranscriptFormat.TEXT:
            return transcript.text
        case TranscriptFormat.JSON:
            return _as_json(transcript)
        case TranscriptFormat.SRT:
            cues = [
                f"{number}\n{_span(segment, ',')}\n{segment.text}"
                for number, segment in enumerate(_segments(transcript), 1)
            ]
            return "\n\n".join(cues)
        case TranscriptFormat.VTT:
            cues = [f"{_span(segment, '.')}\n{segment.text}" for segment in _segments(transcript)]
            return "\n\n".join(["WEBVTT", *cues])


def _segments(transcript: Transcript) -> tuple[TranscriptSegment, ...]:
    from voicewire.engine.stages import TranscriptSegment

    if transcript.segments or not transcript.text:
        return transcript.segments
    whole = TranscriptSegment(
        text=transcript.text, start_sample=0, end_sample=transcript.duration_samples, confidence=1.0
    )
    return (whole,)


def _as_json(transcript: Transcript) -> str:
    data = {
        "text": transcript.text,
        "language": transcript.language,
        "duration_s": round(transcript.duration_samples / _RATE_HZ, 3),
        "no_speech_prob": round(transcript.no_speech_prob, 4),
        "avg_logprob": round(transcript.avg_logprob, 4),
        "segments": [
            {
                "text": segment.text,
                "start_s": round(segment.start_sample / _RATE_HZ, 3),
                "end_s": round(segment.end_sample / _RATE_HZ, 3),
                "confidence": round(segment.confidence, 4),
            }
            for segment in _segments(transcript)
        ],
    }
    return json.dumps(data, ensure_ascii=False, indent=2)


def _span(segment: TranscriptSegment, separator: str) -> str:
    return f"{_stamp(segment.start_sample, separator)} --> {_stamp(segment.end_sample, separator)}"


def _stamp(sample: int, separator: str) -> str:
    total_ms = sample * 1000 // _RATE_HZ
    seconds, ms = divmod(total_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{separator}{ms:03d}"
