"""A recording told as a conversation: who, when, what, and how long each answer took. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from voicewire.errors import VoicewireError
from voicewire.events import model as events
from voicewire.events.base import EventBase
from voicewire.protocols.codec import ClientCodec
from voicewire.testing.cassette_words import told_by_client
from voicewire.transport.cassette import Cassette, Closed, Entry, Gap, Opened, Received, Sent
from voicewire.transport.frame_kinds import facts_of

Who = Literal["you", "agent", "tool", "link", "error"]
_PCM_BYTES_PER_SAMPLE: Final = 2


@dataclass(slots=True)
class Line:
    """Something that was said or that happened."""

    at_ms: float
    who: Who
    text: str
    until_ms: float | None = None
    """Its end, where it lasted."""


@dataclass(slots=True)
class Answer:
    """One response and its times, measured from its cause."""

    response_id: str
    cause: str
    """What it answers: ``speech``, ``text``, ``tool result``, ``request``; empty when that was not recorded."""
    cause_ms: float
    created_ms: float
    first_text_ms: float | None = None
    first_audio_ms: float | None = None
    done_ms: float | None = None
    status: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    audio_s: float = 0.0
    text: str = ""

    def after_cause_ms(self, at_ms: float | None) -> float | None:
        """A moment as the time since the cause."""
        return None if at_ms is None else at_ms - self.cause_ms


@dataclass(slots=True)
class Report:
    """What a recording holds."""

    lines: list[Line] = field(default_factory=list[Line])
    answers: list[Answer] = field(default_factory=list[Answer])
    unknown: Counter[str] = field(default_factory=Counter[str])
    """Events that this version does not know, and how often they came."""
    faults: list[str] = field(default_factory=list[str])
    """Frames that break the protocol."""
    sent_frames: int = 0
    received_frames: int = 0
    sent_audio_bytes: int = 0
    received_audio_bytes: int = 0
    lost_frames: int = 0
    end_ms: float = 0.0


def report_of(cassette: Cassette, new_codec: Callable[[], ClientCodec] | None) -> Report:
    """Reads a recording.

    Args:
        cassette: The recording.
        new_codec: Makes the client side of its wire; without it only frames are counted and the client's words told.
    """
    report = Report()
    for connection in cassette.connections:
        _Teller(report, None if new_codec is None else new_codec()).tell(cassette.of(connection))
    report.lines.sort(key=lambda line: line.at_ms)
    return report


class _Teller:
    """Tells one connection."""

    def __init__(self, report: Report, codec: ClientCodec | None) -> None:
        self._report = report
        self._codec = codec
        self._cause = ("", 0.0)
        self._audio: Line | None = None
        self._audio_bytes = 0
        self._heard_bytes: list[int] = []
        self._heard_ms: list[float] = []
        self._bytes_per_ms = 0.0
        self._speech: Line | None = None
        self._answers: dict[str, Answer] = {}
        self._spoken: dict[str, Line] = {}
        if codec is not None:
            # What a client does first; a codec may hold its state to it.
            list(codec.opening())

    def tell(self, entries: tuple[Entry, ...]) -> None:
        for entry in entries:
            self._report.end_ms = max(self._report.end_ms, entry.at_ms)
            match entry:
                case Opened():
                    self._say(entry.at_ms, "link", f"connection {entry.connection} to {entry.url}")
                case Sent():
                    self._sent(entry)
                case Received():
                    self._received(entry)
                case Closed():
                    self._closed(entry)
                case Gap():
                    self._report.lost_frames += entry.frames
                    self._say(entry.at_ms, "error", f"{entry.frames} frames were not recorded")

    def _say(self, at_ms: float, who: Who, text: str, until_ms: float | None = None) -> Line:
        line = Line(at_ms, who, text, until_ms)
        self._report.lines.append(line)
        return line

    def _closed(self, entry: Closed) -> None:
        by = {
            "client": "the client",
            "server": "the provider",
            "lost": "nobody: it was lost",
            "refused": "a refusal",
        }
        reason = f": {entry.reason}" if entry.reason else ""
        who: Who = "link" if entry.by in ("client", "server") else "error"
        self._say(
            entry.at_ms, who, f"connection {entry.connection} ended by {by[entry.by]} ({entry.code}){reason}"
        )

    def _sent(self, entry: Sent) -> None:
        facts = facts_of(entry.frame)
        self._report.sent_frames += 1
        self._report.sent_audio_bytes += facts.audio_bytes
        if facts.audio_bytes:
            self._audio_bytes += facts.audio_bytes
            self._heard_bytes.append(self._audio_bytes)
            self._heard_ms.append(entry.at_ms)
        told = told_by_client(facts)
        if told is None:
            if self._audio is None and facts.audio_bytes:
                self._audio = self._say(entry.at_ms, "you", "sends audio")
            if self._audio is not None:
                self._audio.until_ms = entry.at_ms
            return
        who, text, cause = told
        if cause and not (cause == "request" and self._cause[0]):
            self._cause = (cause, entry.at_ms)
        if text:
            self._say(entry.at_ms, who, text)

    def _received(self, entry: Received) -> None:
        self._report.received_frames += 1
        frame = entry.frame
        self._report.received_audio_bytes += facts_of(frame).audio_bytes
        if self._codec is None:
            return
        try:
            for event in self._codec.receive(frame):
                self._event(entry.at_ms, event)
            self._codec.data_to_send()
        except VoicewireError as error:
            self._report.faults.append(str(error))
            self._say(entry.at_ms, "error", f"cannot be read from here on: {error}")
            self._codec = None

    def _event(self, at_ms: float, event: EventBase) -> None:
        match event:
            case events.ModelSessionUpdatedEvent():
                config = event.config
                width = 2 if config.input_format.type == "audio/pcm" else 1
                self._bytes_per_ms = config.input_format.rate * width / 1000
                tools = f", {len(config.tools)} tools" if config.tools else ""
                self._say(
                    at_ms, "link", f"configured: {config.model}, voice {config.voice or 'of its own'}{tools}"
                )
            case events.ModelInputStartedEvent():
                self._speech = self._say(self._sent_at_ms(event.audio_start_ms, at_ms), "you", "(speech)")
            case events.ModelInputDoneEvent():
                end_ms = self._sent_at_ms(event.audio_end_ms, at_ms)
                self._cause = ("speech", end_ms)
                if self._speech is not None:
                    self._speech.until_ms = end_ms
            case events.ModelInputCommittedEvent():
                if self._cause[0] != "speech":
                    self._cause = ("speech", at_ms)
            case events.ModelInputTranscriptionDoneEvent():
                self._heard(at_ms, event.transcript)
            case events.ModelInputTranscriptionFailedEvent():
                self._say(at_ms, "error", f"the transcription failed: {event.message or event.code}")
            case events.ModelResponseToolUseDoneEvent():
                call = event.tool_use
                self._say(at_ms, "tool", f"{call['name']}({_short(call['input'])})")
            case events.ModelErrorEvent():
                self._say(at_ms, "error", f"{event.code or event.error_type}: {event.message}")
            case events.ModelProviderEvent() if not event.is_known:
                self._report.unknown[event.name] += 1
            case _:
                self._response(at_ms, event)

    def _sent_at_ms(self, position_ms: int, seen_ms: float) -> float:
        """When a position of the user's audio was sent, as far as that can be told; else when it was reported."""
        if not self._bytes_per_ms or position_ms <= 0:
            return seen_ms
        index = bisect_left(self._heard_bytes, position_ms * self._bytes_per_ms)
        return min(self._heard_ms[index], seen_ms) if index < len(self._heard_ms) else seen_ms

    def _heard(self, at_ms: float, transcript: str) -> None:
        if self._speech is not None:
            self._speech.text = transcript or "(nothing recognised)"
            self._speech = None
        else:
            self._say(at_ms, "you", transcript or "(nothing recognised)")

    def _response(self, at_ms: float, event: EventBase) -> None:
        if isinstance(event, events.ModelResponseCreatedEvent):
            cause, cause_ms = self._cause if self._cause[0] else ("", at_ms)
            self._answers[event.response_id] = answer = Answer(event.response_id, cause, cause_ms, at_ms)
            self._report.answers.append(answer)
            self._spoken[event.response_id] = self._say(at_ms, "agent", "")
            self._cause = ("", 0.0)
            return
        known = self._answers.get(str(getattr(event, "response_id", "")))
        if known is not None:
            self._goes_on(at_ms, known, event)

    def _goes_on(self, at_ms: float, answer: Answer, event: EventBase) -> None:
        match event:
            case events.ModelResponseAudioTranscriptDeltaEvent() | events.ModelResponseTextDeltaEvent():
                answer.first_text_ms = at_ms if answer.first_text_ms is None else answer.first_text_ms
                answer.text += event.delta
            case events.ModelResponseAudioDeltaEvent():
                answer.first_audio_ms = at_ms if answer.first_audio_ms is None else answer.first_audio_ms
                width = _PCM_BYTES_PER_SAMPLE if event.format.type == "audio/pcm" else 1
                answer.audio_s += len(event.pcm) / width / event.format.rate
            case events.ModelResponseDoneEvent():
                self._done(at_ms, answer, event)
            case _:
                pass

    def _done(self, at_ms: float, answer: Answer, event: events.ModelResponseDoneEvent) -> None:
        answer.done_ms, answer.status = at_ms, event.status
        answer.input_tokens, answer.output_tokens = event.input_tokens, event.output_tokens
        line = self._spoken[answer.response_id]
        line.until_ms = at_ms
        line.text = answer.text.strip()
        if not line.text and event.status == "completed":
            self._report.lines.remove(line)
        if event.status != "completed":
            line.text += f"  [{' '.join(filter(None, (event.status, event.reason, event.message)))}]"


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={member!r}" for key, member in cast("Mapping[str, Any]", value).items())
    return str(value)
