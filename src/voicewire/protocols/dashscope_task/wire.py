"""Frames of the DashScope task wire, and the values that both codecs speak.

JSON in text frames, bare audio in binary ones. Everything that a newer service may add is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

TaskKind = Literal["asr", "translation", "tts", "sambert"]
"""``translation`` is Gummy's way of recognition; ``sambert`` has its text in the first frame and ends unasked."""
IDLE_TTS_S = 23.0
"""Without text for this long, the service fails a synthesis task."""
IDLE_ASR_S = 60.0
"""Without audio for this long, the service fails a recognition task, unless it asked for ``heartbeat``."""
MAX_TEXT_CHARS = 20_000
"""Characters of one piece of text."""


class Header(msgspec.Struct, frozen=True):
    """The head of every text frame, both ways."""

    task_id: str = ""
    action: str = ""
    event: str = ""
    streaming: str = ""
    error_code: str = ""
    error_message: str = ""


class ClientFrame(msgspec.Struct, frozen=True):
    """A text frame of a client."""

    header: Header
    payload: ClientPayload | None = None


class ClientPayload(msgspec.Struct, frozen=True):
    """What a client's frame carries."""

    model: str = ""
    task_group: str = ""
    task: str = ""
    function: str = ""
    parameters: dict[str, Any] = {}
    input: dict[str, Any] = {}
    resources: list[dict[str, Any]] = []


class ServerFrame(msgspec.Struct, frozen=True):
    """A text frame of the service."""

    header: Header
    payload: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask:
    """A client asks for a task."""

    task_id: str
    model: str
    kind: TaskKind
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    text: str = ""
    """Sambert only."""


@dataclass(frozen=True, slots=True)
class MoreText:
    """Text to say."""

    text: str


@dataclass(frozen=True, slots=True)
class MoreAudio:
    """Audio to recognise."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Flush:
    """Say what there is, although more may come."""


@dataclass(frozen=True, slots=True)
class FinishTask:
    """No more input; with ``is_cancel``, no more output either."""

    is_cancel: bool = False


Request = RunTask | MoreText | MoreAudio | Flush | FinishTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word with its time."""

    text: str
    begin_ms: int
    end_ms: int
    punctuation: str = ""
    speaker: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A recognised sentence; a partial repeats all of it."""

    text: str
    begin_ms: int
    end_ms: int | None
    is_end: bool
    words: tuple[Word, ...] = ()
    index: int = 0
    translations: tuple[tuple[str, str], ...] = ()
    """Language and text."""
    duration_s: int | None = None
    """Billed seconds, with the end of a sentence."""


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """The service has taken the task."""


@dataclass(frozen=True, slots=True)
class TaskFinished:
    """The task ended normally."""


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """The task failed; the service closes the connection."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SpokenAudio:
    """Audio of a voice, in the format that was asked for."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SpokenWords:
    """Times of words of a voice."""

    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class RawEvent:
    """An event of a synthesis task as it came."""

    json: str


TaskEvent = TaskStarted | Sentence | TaskFinished | TaskFailed | SpokenAudio | SpokenWords | RawEvent
