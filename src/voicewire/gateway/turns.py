"""The turns of a session and the stages of each, read off the model's events: what metrics and traces share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

from voicewire.clock import Clock
from voicewire.events.base import EventBase
from voicewire.events.commands import Command, CommitAudio, CreateResponse, SendText
from voicewire.events.model import (
    ModelInputDoneEvent,
    ModelInputTranscriptionDoneEvent,
    ModelProviderEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseAudioTranscriptDeltaEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
    ModelResponseTextDeltaEvent,
)
from voicewire.gateway.observe import SessionWatch
from voicewire.recording.timeline import TURN_TIMING

Stage: TypeAlias = Literal["endpoint", "asr_final", "first_token", "first_clause", "first_audio"]
Since: TypeAlias = Literal["speech_end", "endpoint", "request"]
"""From where a stage is counted: the user's last sound, where the model itself reports it; the moment at which the
turn was taken for over; or the client's own request, for typed turns and turns that are ended by hand."""

STAGES: Final[tuple[Stage, ...]] = ("endpoint", "asr_final", "first_token", "first_clause", "first_audio")
_REPORTED: Final[tuple[tuple[Stage, str], ...]] = (
    ("endpoint", "endpoint_ns"),
    ("asr_final", "asr_final_ns"),
    ("first_token", "first_token_ns"),
    ("first_clause", "first_clause_ns"),
    ("first_audio", "first_audio_ns"),
)


_REQUESTS: Final = frozenset({CommitAudio, CreateResponse, SendText})
"""Looked up by type: what is asked of every command is asked of every 20 ms of audio."""


class TurnWatch(SessionWatch):
    """Follows one session. A subclass says what is to be done with its turns.

    An audio delta costs one look-up and one comparison.

    Args:
        clock: Whose times are reported; the one that the embedded engine's marks are on.
    """

    __slots__ = ("_clock", "_done_stages", "_handlers", "_now_ns", "_response_id", "_since", "_start_ns")

    def __init__(self, clock: Clock) -> None:
        self._now_ns = clock.now_ns
        self._start_ns = 0
        self._since: Since = "request"
        self._response_id = ""
        self._done_stages: set[Stage] = set()
        self._handlers: dict[type, Callable[[Any], None]] = {
            ModelResponseAudioDeltaEvent: self._audio,
            ModelResponseAudioTranscriptDeltaEvent: self._words,
            ModelResponseTextDeltaEvent: self._words,
            ModelInputDoneEvent: self._input_done,
            ModelInputTranscriptionDoneEvent: self._transcribed,
            ModelResponseCreatedEvent: self._created,
            ModelResponseDoneEvent: self._done,
            ModelProviderEvent: self._provider,
        }

    # ------------------------------------------------------------------ what a subclass does

    def turn_began(self, at_ns: int, since: Since) -> None:
        """A turn of the user is over, and an answer is due."""

    def stage_done(self, stage: Stage, since: Since, start_ns: int, end_ns: int) -> None:
        """A stage of the turn is through; ``start_ns`` is the moment that ``since`` names."""

    def response_ended(self, event: ModelResponseDoneEvent) -> None:
        """A response is over."""

    # ------------------------------------------------------------------ what happens

    def on_command(self, command: Command, /) -> None:
        """A command goes to the model."""
        if type(command) in _REQUESTS and not self._response_id:
            self._begin("request")

    def on_event(self, event: EventBase, /) -> None:
        """The model reported something."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def _begin(self, since: Since) -> None:
        self._start_ns = self._now_ns()
        self._since = since
        self._done_stages.clear()
        self.turn_began(self._start_ns, since)

    def _stage(self, stage: Stage) -> None:
        if stage not in self._done_stages and self._start_ns:
            self._done_stages.add(stage)
            self.stage_done(stage, self._since, self._start_ns, self._now_ns())

    def _input_done(self, _: ModelInputDoneEvent) -> None:
        self._begin("endpoint")

    def _transcribed(self, _: ModelInputTranscriptionDoneEvent) -> None:
        self._stage("asr_final")

    def _created(self, event: ModelResponseCreatedEvent) -> None:
        if not event.is_out_of_band:
            self._response_id = event.response_id

    def _words(self, event: ModelResponseAudioTranscriptDeltaEvent | ModelResponseTextDeltaEvent) -> None:
        if "first_token" not in self._done_stages and event.response_id == self._response_id:
            self._stage("first_token")

    def _audio(self, event: ModelResponseAudioDeltaEvent) -> None:
        if "first_audio" not in self._done_stages and event.response_id == self._response_id:
            self._stage("first_audio")

    def _done(self, event: ModelResponseDoneEvent) -> None:
        if event.response_id == self._response_id:
            self._response_id = ""
            self._start_ns = 0
        self.response_ended(event)

    def _provider(self, event: ModelProviderEvent) -> None:
        if event.name != TURN_TIMING:
            return
        start_ns = event.raw.get("speech_end_ns")
        if not isinstance(start_ns, int):
            return
        for stage, key in _REPORTED:
            end_ns = event.raw.get(key)
            if isinstance(end_ns, int) and end_ns >= start_ns:
                self.stage_done(stage, "speech_end", start_ns, end_ns)
