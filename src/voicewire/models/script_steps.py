"""The file format of ``scripted:FILE``: one JSON object a line, each one step. See `Step`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from voicewire.errors import ConfigError
from voicewire.events.model import ResponseStatus, TokenUsage

_VERBS = (
    "expect", "wait_ms", "say", "audio_ms", "call", "finish", "fail", "speech_started_ms",
    "speech_stopped_ms", "end_turn", "partial", "transcript", "error", "emit", "drop", "close",
)  # fmt: skip
"""What a step can do; a step has exactly one of these (``say`` may have ``audio_ms`` beside it)."""


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"where": "with"}):
    """One step of a script. Lines that are empty or begin with ``#`` are skipped.

    ::

        {"expect": "SendText", "with": {"text": "hello"}}
        {"expect": "response"}
        {"wait_ms": 200}
        {"say": "Hi there. ", "audio_ms": 400}
        {"call": "get_weather", "arguments": {"city": "Paris"}}
        {"finish": "completed"}
        {"drop": "cable pulled"}
    """

    line: int = 0
    """Line of the file; filled in by the reader."""
    expect: str | None = None
    """Wait for a command of this class (``SendText``, ``CancelResponse``, ...), passing over others; or, as
    ``response``, for the next response that is due: what follows belongs to it."""
    where: dict[str, Any] | None = None
    """``with``: fields that the expected command must have; other values end the session with code 1011."""
    wait_ms: int | None = None
    """Let time pass."""
    say: str | None = None
    """Words of the response; ``audio_ms`` beside it gives them sound."""
    audio_ms: int | None = None
    """A tone of this length as the response's audio."""
    hz: float = 440.0
    """Pitch of that tone."""
    call: str | None = None
    """The response calls this function."""
    arguments: dict[str, Any] | str = msgspec.field(default_factory=dict[str, Any])
    """Its arguments; a string is sent as it is, broken JSON included."""
    call_id: str | None = None
    """Its id; one is made by default."""
    finish: ResponseStatus | None = None
    """The response ends with this status; without such a step it never does."""
    usage: TokenUsage = TokenUsage()
    """Usage of the response that ends."""
    fail: str | None = None
    """The response fails with this code."""
    speech_started_ms: int | None = None
    """The detector finds the beginning of speech here, on the timeline of all input."""
    speech_stopped_ms: int | None = None
    """The detector finds its end here."""
    end_turn: bool | None = None
    """The detector commits the turn."""
    partial: str | None = None
    """Text so far of the newest turn."""
    transcript: str | None = None
    """Final text of the newest turn."""
    error: str | None = None
    """A recoverable error with this code."""
    emit: dict[str, Any] | None = None
    """A model event as JSON, passed on as it is, right or wrong: for testing the other side."""
    drop: str | None = None
    """The connection is cut (1006), with this reason."""
    close: int | None = None
    """The session is closed from the model's side with this code."""
    reason: str = ""
    """Reason of ``finish`` or ``close``."""
    message: str = ""
    """Message of ``fail``, ``error`` or ``finish``."""

    @property
    def verb(self) -> str:
        """What the step does."""
        found = [verb for verb in _VERBS if getattr(self, verb) is not None]
        if found == ["say", "audio_ms"]:
            return "say"
        if len(found) != 1:
            said = " and ".join(found) if found else "nothing"
            raise ConfigError(
                f"line {self.line} of the script does {said}; a step does one of {', '.join(_VERBS)}"
            )
        return found[0]


def read_script(path: str | Path) -> tuple[Step, ...]:
    """Reads a script.

    Raises:
        ConfigError: The file cannot be read, or a line is not a step; the message names file and line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise ConfigError(f"cannot read the script {str(path)!r}: {reason}; check its path") from error
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            step = msgspec.structs.replace(msgspec.json.decode(line, type=Step), line=number)
            _ = step.verb
        except (msgspec.DecodeError, ConfigError) as error:
            raise ConfigError(f"script {str(path)!r}, line {number}: {error}") from error
        steps.append(step)
    return tuple(steps)
