"""An utterance as it grows, and the answer that is prepared on trial while it may be over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from voicewire.engine.reply import Reply
    from voicewire.engine.stages import Transcript
    from voicewire.errors import VoicewireError


class Trial:
    """What is prepared at a silence that may be the end of the turn; at most one for each silence."""

    def __init__(self, at_sample: int) -> None:
        self.at_sample = at_sample
        """The audio up to here is what was recognised."""
        self.scope = anyio.CancelScope()
        self.is_transcribed = anyio.Event()
        self.transcript: Transcript | None = None
        self.error: VoicewireError | None = None
        self.transcribed_ns = 0
        self.reply: Reply | None = None

    def drop(self) -> None:
        """The user went on speaking: nothing of this counts."""
        self.scope.cancel()
        self.is_transcribed.set()
        if self.reply is not None:
            self.reply.cancel()


@dataclass(slots=True)
class TurnMarks:
    """When things happened in a turn, in nanoseconds of the session's clock; 0 for unknown."""

    speech_end_ns: int = 0
    endpoint_ns: int = 0
    asr_final_ns: int = 0


@dataclass(slots=True)
class Utterance:
    """One stretch of user speech that is still open, or whose answer is still to come."""

    item_id: str
    start_sample: int
    voiced_samples: int = 0
    trial: Trial | None = None
    is_partial_running: bool = False
    has_partial: bool = False
    partial_until_sample: int = 0
    marks: TurnMarks = field(default_factory=TurnMarks)

    def __post_init__(self) -> None:
        self.partial_until_sample = self.start_sample

    def drop_trial(self) -> None:
        """Throws the trial away, if there is one."""
        if self.trial is not None:
            self.trial.drop()
            self.trial = None
