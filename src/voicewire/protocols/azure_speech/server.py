"""The service's side: a client's frames become requests, results become frames. Pure.

Options come from the address and from ``speech.context``; clients split them between the two, so both are read. Times
that go out count from the start of the turn. A turn ends by an ``EndOfDictation`` at the end of all its audio: without
it, the official client sends that audio again in a new turn.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final, cast

from voicewire.errors import RemoteProtocolError
from voicewire.protocols.azure_speech.wire import (
    TICKS_PER_MS,
    AudioBegins,
    AudioData,
    AudioEnds,
    Mode,
    OutputFormat,
    Phrase,
    Query,
    RecognitionTurn,
    SpeakTurn,
    SpeechMessage,
    SpeechRequest,
    TextEnds,
    TextPiece,
    audio_frame,
    parse,
    text_frame,
)
from voicewire.protocols.codec import Frame

_MODES: Final[tuple[Mode, ...]] = ("interactive", "dictation", "conversation")
_PCM, _MULAW = 1, 7
_LONGEST_MS: Final = 86_400_000
DEFAULT_OUTPUT: Final = "raw-16khz-16bit-mono-pcm"


class RecognitionServerCodec:
    """One connection of a recogniser; turns follow each other on it.

    Args:
        query: Path and parameters of its address.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._turn: RecognitionTurn | None = None
        self._is_closed_turn = False
        self._has_started = False
        self._rate_hz = 16_000
        self._bytes_per_frame = 2
        self._audio_bytes = 0

    def receive(self, frame: Frame) -> list[SpeechRequest]:
        """The requests of one frame.

        Raises:
            RemoteProtocolError: The frame is not of this wire.
        """
        message = parse(frame)
        if message.is_binary:
            return self._audio(message)
        if message.path == "speech.context":
            return [self._begin(message)]
        return []  # speech.config and telemetry need no answer

    @property
    def heard_ms(self) -> int:
        """Audio of this turn so far."""
        return self._audio_bytes // self._bytes_per_frame * 1000 // self._rate_hz

    def turn_started(self) -> Frame:
        """The turn was taken."""
        return self._frame("turn.start", {"context": {"serviceTag": self._request_id}})

    def phrase(self, phrase: Phrase) -> list[Frame]:
        """Words, partial or final."""
        frames: list[Frame] = []
        if not self._has_started:
            self._has_started = True
            frames.append(self._frame("speech.startDetected", {"Offset": phrase.start_ms * TICKS_PER_MS}))
        body: dict[str, Any] = {
            "Offset": phrase.start_ms * TICKS_PER_MS,
            "Duration": max(0, phrase.end_ms - phrase.start_ms) * TICKS_PER_MS,
        }
        if self._turn is not None and self._turn.tells_speakers:
            body["SpeakerId"] = phrase.speaker or "Unknown"
        if not phrase.is_final:
            return [*frames, self._frame("speech.hypothesis", {"Text": phrase.text, **body})]
        body = {"RecognitionStatus": "Success", "DisplayText": phrase.text, **body}
        if self._turn is not None and self._turn.is_detailed:
            body["NBest"] = [_best(phrase)]
        return [*frames, self._frame("speech.phrase", body)]

    def nothing_heard(self, status: str = "InitialSilenceTimeout") -> list[Frame]:
        """Nobody spoke."""
        body = {"RecognitionStatus": status, "Offset": self.heard_ms * TICKS_PER_MS, "Duration": 0}
        return [self._frame("speech.phrase", body)]

    def turn_ended(self) -> list[Frame]:
        """All audio is recognised; none when the turn has ended before."""
        if self._is_closed_turn or self._turn is None:
            return []
        self._is_closed_turn = True
        # Rounded up: an end before the last sample would have it sent again.
        ticks = -(-self._audio_bytes * 10_000_000 // (self._bytes_per_frame * self._rate_hz))
        frames: list[Frame] = []
        if self._has_started:
            frames.append(self._frame("speech.endDetected", {"Offset": ticks}))
        end = {"RecognitionStatus": "EndOfDictation", "Offset": ticks, "Duration": 0}
        return [*frames, self._frame("speech.phrase", end), self._frame("turn.end", {})]

    @property
    def _request_id(self) -> str:
        return self._turn.request_id if self._turn is not None else ""

    def _frame(self, path: str, body: Mapping[str, Any]) -> str:
        return text_frame(path, self._request_id, body)

    def _begin(self, message: SpeechMessage) -> RecognitionTurn:
        self._turn = turn = read_turn(message.request_id, message.json(), self._query)
        self._is_closed_turn = self._has_started = False
        self._audio_bytes = 0
        return turn

    def _audio(self, message: SpeechMessage) -> list[SpeechRequest]:
        if message.path != "audio" or self._turn is None or message.request_id != self._turn.request_id:
            return []
        body = message.body
        if not body:
            return [AudioEnds()]
        if body[:4] != b"RIFF":
            self._audio_bytes += len(body)
            return [AudioData(body)]
        if len(body) < 44:
            raise RemoteProtocolError("the header of the audio is cut short")
        kind, channels, rate_hz = struct.unpack_from("<HHI", body, 20)
        bits = struct.unpack_from("<H", body, 34)[0]
        if (kind, bits) not in ((_PCM, 16), (_MULAW, 8)) or not 0 < channels <= 8 or rate_hz < 1000:
            raise RemoteProtocolError(
                f"audio of kind {kind} with {bits} bits at {rate_hz} Hz is not recognised here; send 16-bit PCM",
                code="UnsupportedFormat",
            )
        self._rate_hz, self._bytes_per_frame = rate_hz, channels * bits // 8
        begins = AudioBegins(
            sample_rate_hz=rate_hz, channels=channels, encoding="pcm16" if kind == _PCM else "pcmu"
        )
        rest = body[44:]
        self._audio_bytes += len(rest)
        return [begins, AudioData(rest)] if rest else [begins]


class SynthesisServerCodec:
    """One connection of a synthesizer; requests follow each other on it."""

    def __init__(self) -> None:
        self._context: dict[str, Any] = {}
        self._turn: SpeakTurn | None = None
        self._stream_id = ""

    def receive(self, frame: Frame) -> list[SpeechRequest]:
        """The requests of one frame.

        Raises:
            RemoteProtocolError: The frame is not of this wire, or asks for a format that is not made here.
        """
        message = parse(frame)
        match message.path:
            case "synthesis.context":
                self._context = message.json()
                return []
            case "ssml":
                return [self._begin(message, ssml=message.body.decode("utf-8", "replace"))]
            case "text.piece":
                begun: list[SpeechRequest] = []
                if self._turn is None or self._turn.request_id != message.request_id:
                    begun.append(self._begin(message, ssml=""))
                return [*begun, TextPiece(message.body.decode("utf-8", "replace"))]
            case "text.end":
                return [TextEnds()]
            case _:
                return []

    def turn_started(self) -> list[Frame]:
        """The request was taken."""
        context = {"serviceTag": self._request_id}
        stream = {"type": "inline", "streamId": self._stream_id}
        return [
            self._frame("turn.start", {"context": context}),
            self._frame("response", {"context": context, "audio": stream}),
        ]

    def audio(self, data: bytes) -> Frame:
        """Audio of the voice."""
        content_type = self._turn.output.content_type if self._turn is not None else ""
        return audio_frame(self._request_id, self._stream_id, data, content_type)

    def word(self, text: str, start_ms: int, end_ms: int) -> Frame:
        """When a word is spoken."""
        data = {
            "Offset": start_ms * TICKS_PER_MS,
            "Duration": (end_ms - start_ms) * TICKS_PER_MS,
            "text": {"Text": text, "Length": len(text), "BoundaryType": "WordBoundary"},
        }
        return self._frame("audio.metadata", {"Metadata": [{"Type": "WordBoundary", "Data": data}]})

    def turn_ended(self, length_ms: int) -> list[Frame]:
        """Everything was said."""
        end = {"Type": "SessionEnd", "Data": {"Offset": length_ms * TICKS_PER_MS}}
        frames: list[Frame] = [
            self._frame("audio.metadata", {"Metadata": [end]}),
            self._frame("turn.end", {}),
        ]
        self._turn = None
        return frames

    @property
    def _request_id(self) -> str:
        return self._turn.request_id if self._turn is not None else ""

    def _frame(self, path: str, body: Mapping[str, Any]) -> str:
        return text_frame(path, self._request_id, body)

    def _begin(self, message: SpeechMessage, *, ssml: str) -> SpeakTurn:
        synthesis = _object(self._context.get("synthesis"))
        audio = _object(synthesis.get("audio"))
        options = _object(audio.get("metadataOptions"))
        source = _object(synthesis.get("input"))
        self._stream_id = message.request_id[:16].upper()
        self._turn = turn = SpeakTurn(
            request_id=message.request_id,
            output=OutputFormat.named(str(audio.get("outputFormat") or DEFAULT_OUTPUT)),
            wants_words=_is_true(options.get("wordBoundaryEnabled")),
            is_streaming=not ssml,
            voice=str(source.get("voiceName") or ""),
            ssml=ssml,
        )
        return turn


def read_turn(request_id: str, context: Mapping[str, Any], query: Query) -> RecognitionTurn:
    """A turn's options, from ``speech.context`` and the address."""
    detection = _object(context.get("phraseDetection"))
    output = _object(context.get("phraseOutput"))
    named = str(detection.get("mode") or "").lower()
    fitting: list[Mode] = [mode for mode in _MODES if mode == named or f"/{mode}/" in query.path]
    mode: Mode = fitting[0] if fitting else "conversation"
    values = query.values
    groups = _objects(_object(context.get("dgi")).get("Groups"))
    items = [item for group in groups for item in _objects(group.get("Items"))]
    return RecognitionTurn(
        request_id=request_id,
        mode=mode,
        language=str(detection.get("language") or values.get("language", "")),
        initial_silence_ms=_integer(
            detection.get("initialSilenceTimeout"), context, "initialSilenceTimeout", values
        ),
        end_silence_ms=_integer(
            detection.get("trailingSilenceTimeout"), context, "endSilenceTimeout", values
        ),
        is_detailed=str(output.get("format", values.get("format", ""))).lower() == "detailed",
        phrases=tuple(str(item.get("Text", "")) for item in items),
        tells_speakers="speakerDiarization" in detection,
    )


def _best(phrase: Phrase) -> dict[str, Any]:
    text = phrase.text
    lexical = text.lower().strip(".?! ")
    best: dict[str, Any] = {"Lexical": lexical, "ITN": lexical, "MaskedITN": lexical, "Display": text}
    if phrase.confidence is not None:
        best["Confidence"] = phrase.confidence
    if phrase.words:
        best["Words"] = [
            {"Word": word, "Offset": start * TICKS_PER_MS, "Duration": (end - start) * TICKS_PER_MS}
            for word, start, end in phrase.words
        ]
    return best


def _integer(value: object, context: Mapping[str, Any], name: str, values: Mapping[str, str]) -> int | None:
    """A time-out in ms, from wherever the client put it, within what a session may last."""
    inner = context.get("trailingSilenceTimeout" if name == "endSilenceTimeout" else name)
    for given in (value, inner):
        if isinstance(given, int | float):
            return int(min(max(given, 0), _LONGEST_MS))
    text = values.get(f"{name}Ms", "")
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(_LONGEST_MS))
    return min(int(text), _LONGEST_MS) if is_number else None


def _is_true(value: object) -> bool:
    return value is True or str(value).lower() == "true"


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    entries = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict)]
