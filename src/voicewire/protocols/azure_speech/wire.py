"""Framing of the Azure Speech wire, and the values that the service's side speaks.

A text frame is headers, an empty line and a body; a binary frame has its headers' length (two bytes, big-endian) before
them. Header names are compared as they are written: the official client drops any other spelling.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

import msgspec

from voicewire.errors import RemoteProtocolError
from voicewire.protocols.codec import Frame

TICKS_PER_MS: Final = 10_000
"""Times on this wire count 100 ns."""
_LENGTH: Final = struct.Struct(">H")
_MAX_HEADERS: Final = 64


@dataclass(frozen=True, slots=True)
class SpeechMessage:
    """One frame, taken apart."""

    headers: Mapping[str, str]
    body: bytes
    is_binary: bool = False

    @property
    def path(self) -> str:
        """What the message is."""
        return self.headers.get("Path", "")

    @property
    def request_id(self) -> str:
        """The turn that it belongs to."""
        return self.headers.get("X-RequestId", "")

    def json(self) -> dict[str, Any]:
        """The body as an object.

        Raises:
            RemoteProtocolError: It is none.
        """
        try:
            return msgspec.json.decode(self.body or b"{}", type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RemoteProtocolError(f"the body of {self.path[:40]!r} is no JSON object: {error}") from error


def parse(frame: Frame) -> SpeechMessage:
    """Takes a frame apart.

    Raises:
        RemoteProtocolError: It is not of this wire.
    """
    if isinstance(frame, str):
        head, _, body = frame.partition("\r\n\r\n")
        return SpeechMessage(_headers(head), body.encode())
    if len(frame) < _LENGTH.size:
        raise RemoteProtocolError("a binary frame is shorter than the length of its headers")
    (length,) = _LENGTH.unpack_from(frame)
    end = _LENGTH.size + length
    if end > len(frame):
        raise RemoteProtocolError(f"a binary frame claims {length} bytes of headers, it has {len(frame) - 2}")
    head = frame[_LENGTH.size : end].decode("utf-8", "replace")
    return SpeechMessage(_headers(head), frame[end:], is_binary=True)


def text_frame(path: str, request_id: str, body: Mapping[str, Any]) -> str:
    """A text frame with a JSON body."""
    head = f"X-RequestId:{request_id}\r\nContent-Type:application/json; charset=utf-8\r\nPath:{path}\r\n\r\n"
    return head + msgspec.json.encode(body).decode()


def audio_frame(request_id: str, stream_id: str, data: bytes, content_type: str) -> bytes:
    """A binary frame of audio."""
    head = (
        f"X-RequestId:{request_id}\r\nContent-Type:{content_type}\r\nX-StreamId:{stream_id}\r\nPath:audio\r\n"
    ).encode()
    return _LENGTH.pack(len(head)) + head + data


def _headers(head: str) -> dict[str, str]:
    lines = [line for line in head.split("\r\n") if line]
    if len(lines) > _MAX_HEADERS:
        raise RemoteProtocolError(f"a frame has {len(lines)} headers; at most {_MAX_HEADERS} are read")
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise RemoteProtocolError(f"a header has no colon: {line[:40]!r}")
        found[name] = value.strip()
    return found


Mode = Literal["conversation", "interactive", "dictation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionTurn:
    """A client begins a turn of recognition."""

    request_id: str
    mode: Mode = "conversation"
    language: str = ""
    initial_silence_ms: int | None = None
    end_silence_ms: int | None = None
    is_detailed: bool = False
    phrases: tuple[str, ...] = ()
    tells_speakers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioBegins:
    """The header of the audio: what the following bytes are."""

    sample_rate_hz: int
    channels: int
    encoding: Literal["pcm16", "pcmu"]


@dataclass(frozen=True, slots=True)
class AudioData:
    """Audio to recognise."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AudioEnds:
    """No more audio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakTurn:
    """A client begins a turn of synthesis."""

    request_id: str
    output: OutputFormat
    wants_words: bool = False
    is_streaming: bool = False
    """Text comes piece by piece."""
    voice: str = ""
    ssml: str = ""


@dataclass(frozen=True, slots=True)
class TextPiece:
    """More text to say."""

    text: str


@dataclass(frozen=True, slots=True)
class TextEnds:
    """No more text."""


SpeechRequest = RecognitionTurn | AudioBegins | AudioData | AudioEnds | SpeakTurn | TextPiece | TextEnds


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """Recognised words; times from the start of the turn."""

    text: str
    start_ms: int
    end_ms: int
    is_final: bool
    confidence: float | None = None
    speaker: str = ""
    words: tuple[tuple[str, int, int], ...] = ()
    """Word, start and end in ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """What audio a client wants, from a name such as ``audio-24khz-48kbitrate-mono-mp3``."""

    name: str
    format: Literal["pcm", "wav", "mp3", "ogg"]
    sample_rate_hz: int
    encoding: Literal["pcm16", "pcmu", "pcma"] = "pcm16"
    content_type: str = "audio/x-wav"

    @classmethod
    def named(cls, name: str) -> OutputFormat:
        """Reads the name.

        Raises:
            RemoteProtocolError: A format that is not made here.
        """
        parts = name.lower().split("-")
        rate_hz = _RATES_HZ.get(parts[1]) if len(parts) > 1 else None
        tail = parts[-1]
        if rate_hz is None or "mono" not in parts:
            raise RemoteProtocolError(f"the output format {name[:60]!r} is not made here", code="BadRequest")
        if parts[0] in ("raw", "riff") and tail in ("pcm", "mulaw", "alaw"):
            encoding = {"pcm": "pcm16", "mulaw": "pcmu", "alaw": "pcma"}[tail]
            if encoding == "pcm16" or rate_hz == 8000:
                return cls(
                    name=name,
                    format="pcm" if parts[0] == "raw" or encoding != "pcm16" else "wav",
                    sample_rate_hz=rate_hz,
                    encoding=cast("Literal['pcm16', 'pcmu', 'pcma']", encoding),
                )
        if parts[0] == "audio" and tail == "mp3":
            return cls(name=name, format="mp3", sample_rate_hz=rate_hz, content_type="audio/mpeg")
        if parts[0] == "ogg" and tail == "opus":
            return cls(name=name, format="ogg", sample_rate_hz=rate_hz, content_type="audio/ogg")
        raise RemoteProtocolError(f"the output format {name[:60]!r} is not made here", code="BadRequest")


_RATES_HZ: Final = {
    "8khz": 8000,
    "16khz": 16000,
    "22050hz": 22050,
    "24khz": 24000,
    "44100hz": 44100,
    "48khz": 48000,
}


@dataclass(slots=True)
class Query:
    """The address of a recognition connection."""

    path: str
    values: Mapping[str, str] = field(default_factory=dict[str, str])
