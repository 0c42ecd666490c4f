"""What one session may use: frames, audio, time and tokens. Over the limit it ends, told in its own wire's words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio
from voicewire.events.model import ModelResponseAudioDeltaEvent, ModelResponseDoneEvent
from voicewire.events.server import AgentResponseDoneEvent
from voicewire.gateway.settings import GatewaySettings

GOING_AWAY: Final = 1001
POLICY: Final = 1008
_BYTES_PER_SAMPLE: Final = {"audio/pcm": 2, "audio/l16": 2, "pcm16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitHit:
    """A limit that a session ran into; it ends by it."""

    kind: str
    """Which one, for metrics and the log."""
    code: str
    """The error code that the client is told."""
    message: str
    close_code: int
    error_type: str = "invalid_request_error"


class Bucket:
    """An allowance that refills with time, and may be overdrawn once.

    What is taken while something is left is granted whole, however large, and the debt is paid back by waiting:
    so one message that is larger than the allowance passes, and a stream of them does not.

    Args:
        per_s: What flows in every second; 0 for no limit.
        capacity: Most that it holds, and what it holds at the beginning.
        now_s: The time, of any clock that does not go back.
    """

    __slots__ = ("_at_s", "_capacity", "_left", "_per_s")

    def __init__(self, per_s: float, capacity: float, now_s: float) -> None:
        self._per_s = per_s
        self._capacity = capacity
        self._left = capacity
        self._at_s = now_s

    def take(self, amount: float, now_s: float) -> bool:
        """Takes an amount; False when nothing is left, and then nothing was taken."""
        if not self._per_s:
            return True
        self._left = min(self._capacity, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left <= 0:
            return False
        self._left -= amount
        return True


class Meter:
    """Counts what a session uses. It goes on when the session is resumed in another connection.

    Args:
        settings: The limits; 0 switches one off.
        now_s: The time, of the clock that all other calls tell the time by.
    """

    def __init__(self, settings: GatewaySettings, now_s: float) -> None:
        self._settings = settings
        self._started_s = now_s
        self._active_s = now_s
        self._frames = Bucket(settings.max_frames_per_s, settings.frame_burst, now_s)
        self._audio = Bucket(1.0 if settings.audio_burst_s else 0.0, settings.audio_burst_s, now_s)
        self._audio_s = 0.0
        self._tokens = 0

    def frame(self, now_s: float) -> LimitHit | None:
        """A frame of the client has come."""
        self._active_s = now_s
        if self._frames.take(1, now_s):
            return None
        rate = self._settings.max_frames_per_s
        return LimitHit(
            kind="frame_rate",
            code="rate_limit_exceeded",
            message=f"too many messages: {rate:g} a second are allowed, after {self._settings.frame_burst} at once",
            close_code=POLICY,
        )

    def sent(self, now_s: float) -> None:
        """A frame went to the client."""
        self._active_s = now_s

    def audio_in(self, duration_s: float, now_s: float) -> LimitHit | None:
        """Audio of the user has come."""
        if not self._audio.take(duration_s, now_s):
            return self._too_fast()
        return self._spend(duration_s)

    def recording_in(self, duration_s: float, took_s: float, now_s: float) -> LimitHit | None:
        """Audio of the user has come whose length was not known before all of it was there.

        Args:
            duration_s: Its length.
            took_s: How long it was on its way; so much of it counts as sent in real time.
            now_s: The time.
        """
        ahead_s = max(0.0, duration_s - took_s)
        if self._settings.audio_burst_s and ahead_s > self._settings.audio_burst_s:
            return self._too_fast()
        return (None if self._audio.take(ahead_s, now_s) else self._too_fast()) or self._spend(duration_s)

    def audio_out(self, duration_s: float) -> LimitHit | None:
        """Audio of a voice was made."""
        return self._spend(duration_s)

    def event(self, event: EventBase) -> LimitHit | None:
        """The model reported something that costs."""
        if isinstance(event, ModelResponseAudioDeltaEvent):
            width = _BYTES_PER_SAMPLE.get(event.format.type, 1)
            return self._spend(event.payload.size_bytes / width / event.format.rate)
        if isinstance(event, ModelResponseDoneEvent | AgentResponseDoneEvent):
            self._tokens += event.input_tokens + event.output_tokens
            most = self._settings.max_session_tokens
            if most and self._tokens > most:
                return _spent("tokens", f"{most} tokens")
        return None

    def overdue(self, now_s: float) -> LimitHit | None:
        """Whether its time is over, or nothing has happened for too long."""
        most_s = self._settings.max_session_s
        if most_s and now_s - self._started_s >= most_s:
            length = f"{most_s / 60:g} minutes" if most_s >= 60 else f"{most_s:g} seconds"
            return LimitHit(
                kind="session_length",
                code="session_expired",
                message=f"Your session hit the maximum duration of {length}.",
                close_code=GOING_AWAY,
            )
        idle_s = self._settings.idle_timeout_s
        if idle_s and now_s - self._active_s >= idle_s:
            return LimitHit(
                kind="idle",
                code="idle_timeout",
                message=f"nothing was said or sent for {idle_s:g} s",
                close_code=GOING_AWAY,
            )
        return None

    def next_check_s(self, now_s: float) -> float | None:
        """Seconds until ``overdue`` may have something to say; None for never."""
        most_s, idle_s = self._settings.max_session_s, self._settings.idle_timeout_s
        times_s = [self._started_s + most_s] if most_s else []
        if idle_s:
            times_s.append(self._active_s + idle_s)
        return max(0.0, min(times_s) - now_s) if times_s else None

    def _too_fast(self) -> LimitHit:
        return LimitHit(
            kind="audio_rate",
            code="rate_limit_exceeded",
            message="audio comes faster than real time: at most "
            f"{self._settings.audio_burst_s:g} s of it may be ahead",
            close_code=POLICY,
        )

    def _spend(self, duration_s: float) -> LimitHit | None:
        self._audio_s += duration_s
        most_s = self._settings.max_session_audio_s
        return (
            _spent("audio_seconds", f"{most_s:g} s of audio") if most_s and self._audio_s > most_s else None
        )


def _spent(kind: str, what: str) -> LimitHit:
    return LimitHit(
        kind=kind,
        code="insufficient_quota",
        message=f"the session has used up its budget of {what}",
        close_code=POLICY,
    )


def duration_s(append: AppendAudio) -> float:
    """How long a piece of the user's audio is."""
    return append.size_bytes / (2 if append.encoding == "pcm16" else 1) / append.sample_rate_hz


_MARKS: Final = re.compile(r'["\[\]{}]')
_PIECE_CHARS: Final = 16 * 1024
_LARGE_CHARS: Final = 1024 * 1024
"""What is no object is passed over, or refused after it was read; reading this much of it takes milliseconds."""
_DEEP: Final = "the message is nested too deeply, or holds too many values"


def json_fault(frame: str | bytes, settings: GatewaySettings) -> str:
    """Why a JSON text is not even to be parsed; empty when it may be.

    A reader of JSON takes 60 bytes of memory and more for two characters ``[]``, and a level of the stack for
    each level of the text. So what is counted here is counted in time that does not grow with the attack:
    no further than to the limit, and over what lies between by ``memchr``.
    """
    if isinstance(frame, bytes):
        if frame[:1] != b"{" or frame[-1:] != b"}":
            return ""
        frame = frame.decode("latin-1")
    if len(frame) <= 2 * settings.max_json_depth:
        return ""
    if len(frame) > _LARGE_CHARS and frame[:_PIECE_CHARS].lstrip()[:1] != "{":
        return "a message of this size has to be a JSON object"
    openings = _count(frame, "{", settings.max_json_values) + _count(frame, "[", settings.max_json_values)
    if openings <= settings.max_json_depth and len(frame) <= settings.max_json_values:
        return ""
    if openings + _count(frame, ",", settings.max_json_values) > settings.max_json_values:
        return _DEEP
    if openings <= settings.max_json_depth:
        return ""
    quotes = _count(frame, '"', 4 * settings.max_json_values)
    return _DEEP if quotes > 4 * settings.max_json_values or _depth(frame) > settings.max_json_depth else ""


def _count(text: str, character: str, most: int) -> int:
    """How often a character occurs; counted no further than the piece of text in which it becomes too often."""
    found, at = 0, text.find(character)
    while at >= 0 and found <= most:
        found += text.count(character, at, at + _PIECE_CHARS)
        at = text.find(character, at + _PIECE_CHARS)
    return found


def _depth(text: str) -> int:
    """Deepest nesting of brackets outside of strings."""
    depth = deepest = 0
    at, end = 0, len(text)
    marks = _MARKS
    while at < end and (mark := marks.search(text, at)) is not None:
        character = mark[0]
        at = mark.end()
        if character == '"':
            at = _after_string(text, at)
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _after_string(text: str, at: int) -> int:
    """The position after the string that begins before ``at``."""
    while (quote := text.find('"', at)) >= 0:
        inside = text[at:quote]
        backslashes = len(inside) - len(inside.rstrip("\\"))
        if backslashes % 2 == 0:
            return quote + 1
        at = quote + 1
    return len(text)
