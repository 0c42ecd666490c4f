"""Whether a conversation that nobody watches came to anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicewire.errors import VoicewireError
from voicewire.events.model import ModelResponseDoneEvent

if TYPE_CHECKING:
    from voicewire.audio.format import AudioFrame
    from voicewire.events.base import EventBase
    from voicewire.recording.marks import Mark


class ResponseOutcome:
    """Counts how the responses of a session end; an observer of ``VoiceSession``."""

    def __init__(self) -> None:
        self._n_failed = 0
        self._n_other = 0
        self._last_failure = ""

    def check(self) -> None:
        """Complains when there were responses, and all of them failed.

        Raises:
            VoicewireError: They did; it says why the last one failed.
        """
        if self._n_failed and not self._n_other:
            raise VoicewireError(
                f"the model gave no answer: {self._n_failed} of {self._n_failed} responses failed, the last one "
                f"with {self._last_failure}"
            )

    def on_start(self, origin_ns: int) -> None:
        """Nothing to do."""

    def on_event(self, at_ms: float, what: EventBase | Mark) -> None:
        """Counts the end of a response."""
        if not isinstance(what, ModelResponseDoneEvent):
            return
        if what.status == "failed":
            self._n_failed += 1
            self._last_failure = what.message or what.reason or "no reason given"
        else:
            self._n_other += 1

    def on_user_audio(self, start_ms: float, frame: AudioFrame) -> None:
        """Nothing to do."""

    def on_agent_audio(self, start_ms: float, pcm16: bytes, sample_rate_hz: int) -> None:
        """Nothing to do."""

    def on_agent_position(self, until_ms: float) -> None:
        """Nothing to do."""
