"""Putting a model's events together to whole replies, for those who wait for one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import anyio

from voicewire.audio import g711
from voicewire.audio.resample import Resampler
from voicewire.errors import RealtimeConnectionError, RealtimeError
from voicewire.events import server as s
from voicewire.events.base import EventBase
from voicewire.voice.values import VoiceResponse

_LOST: Final = "connection_lost"
"""Why a response failed that a connection took with it."""


class OutputAudio:
    """The model's speech as 16-bit audio of one rate, whatever it speaks at.

    Args:
        rate_hz: The rate to give.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._resampler: Resampler | None = None

    def fitted(self, event: s.AgentResponseAudioDeltaEvent) -> bytes:
        """The audio of one event."""
        media = event.format
        rate_hz = media.rate
        if rate_hz == self._rate_hz and media.type == "audio/pcm":
            return event.pcm
        pcm16 = event.pcm
        if media.type != "audio/pcm":
            pcm16 = g711.decode(pcm16, "pcma" if media.type == "audio/pcma" else "pcmu")
        if rate_hz == self._rate_hz:
            return pcm16
        if self._resampler is None:
            self._resampler = Resampler(rate_hz, self._rate_hz)
        return self._resampler.process(pcm16)

    def restart(self) -> None:
        """What comes next does not follow on what came last."""
        self._resampler = None


@dataclass(slots=True)
class _Reply:
    """One reply that somebody waits for: a response, and those that follow its tool calls."""

    output: OutputAudio
    audio: list[bytes] = field(default_factory=list[bytes])
    words: dict[str, str] = field(default_factory=dict[str, str])
    heard: str = ""
    response_id: str = ""
    has_calls: bool = False
    error: RealtimeError | None = None
    response: VoiceResponse | None = None
    done: anyio.Event = field(default_factory=anyio.Event)

    def fail(self, error: RealtimeError) -> None:
        if not self.done.is_set():
            self.error = error
            self.done.set()


class Replies:
    """Follows the events of one session, in the order in which the model sent them.

    Args:
        rate_hz: Rate of a reply's audio.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._waiting: _Reply | None = None
        self._open_response = ""
        self._open_calls: dict[str, str] = {}
        """Calls without a result, and the response that each belongs to."""
        self.is_due = False
        """Whether a response is to come that has not begun."""
        self._settled = anyio.Event()
        self._settled.set()
        self._end: RealtimeError | None = None

    @property
    def is_settled(self) -> bool:
        """Whether no response is under way or due."""
        return not (self._open_response or self.is_due or self._open_calls)

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits for a reply."""
        return self._waiting is not None

    def expect(self) -> _Reply:
        """Begins to wait: the next response that begins is the reply's."""
        self._waiting = _Reply(OutputAudio(self._rate_hz))
        self.due()
        return self._waiting

    def due(self) -> None:
        """A response was asked for."""
        self.is_due = True
        self._note()

    def forget(self, reply: _Reply) -> None:
        """Nobody waits for it any more."""
        if self._waiting is reply:
            self._waiting = None

    async def result(self, reply: _Reply) -> VoiceResponse:
        """Waits for a reply.

        Raises:
            RealtimeError: There will be none.

        Cancellation: the reply goes on, and is lost.
        """
        if self._end is not None:
            reply.fail(self._end)
        try:
            await reply.done.wait()
        finally:
            self.forget(reply)
        if reply.error is not None:
            raise reply.error
        return reply.response or VoiceResponse()

    async def settled(self) -> None:
        """Waits until no response is under way or due, or the session is over."""
        while not self.is_settled and self._end is None:
            self._settled = anyio.Event()
            await self._settled.wait()

    def close(self, error: RealtimeError) -> None:
        """The session is over."""
        self._end = self._end or error
        if self._waiting is not None:
            self._waiting.fail(self._end)
        self._settled.set()

    def hear(self, event: s.AgentResponseAudioDeltaEvent) -> None:
        """Takes the next audio."""
        reply = self._waiting
        if reply is not None and event.response_id == reply.response_id:
            reply.audio.append(reply.output.fitted(event))

    def take(self, event: EventBase) -> None:
        """Takes the next event that is no audio."""
        reply = self._waiting
        match event:
            case s.AgentResponseCreatedEvent():
                self._begin(event, reply)
            case s.AgentResponseDoneEvent():
                self._finish(event, reply)
            case s.AgentResponseToolUseDoneEvent():
                self._open_calls[event.tool_use["id"]] = event.response_id
                if reply is not None and event.response_id == reply.response_id:
                    reply.has_calls = True
            case s.AgentResponseToolResultEvent():
                self._answered(event.tool_result["id"])
            case s.AgentResponseAudioTranscriptDeltaEvent():
                if reply is not None and event.response_id == reply.response_id:
                    reply.words[event.item_id] = reply.words.get(event.item_id, "") + event.delta
            case s.AgentResponseAudioTranscriptDoneEvent():
                if reply is not None and event.response_id == reply.response_id and event.transcript:
                    reply.words[event.item_id] = event.transcript
            case s.AgentInputTranscriptionDoneEvent():
                if reply is not None:
                    reply.heard = event.transcript
            case s.AgentErrorEvent():
                self._error(event, reply)
            case _:
                return
        self._note()

    def _begin(self, event: s.AgentResponseCreatedEvent, reply: _Reply | None) -> None:
        self.is_due = False
        self._open_response = event.response_id
        if reply is not None and (not reply.response_id or reply.has_calls):
            reply.response_id = event.response_id
            reply.has_calls = False
            reply.output.restart()

    def _finish(self, event: s.AgentResponseDoneEvent, reply: _Reply | None) -> None:
        if self._open_response == event.response_id:
            self._open_response = ""
        if event.status != "completed":
            kept = {
                call: made_by for call, made_by in self._open_calls.items() if made_by != event.response_id
            }
            self._open_calls = kept
        if reply is None or event.response_id != reply.response_id:
            return
        if reply.has_calls and event.status == "completed":
            return
        if event.status == "failed" and event.reason == _LOST:
            return  # the end of the session follows at once, and fails the reply
        reply.response = VoiceResponse(
            audio=b"".join(reply.audio),
            transcript=" ".join(words for words in reply.words.values() if words),
            status=event.status,
            reason=event.reason,
            input_transcript=reply.heard,
            sample_rate=self._rate_hz,
            response_id=event.response_id,
        )
        reply.done.set()

    def _answered(self, call_id: str) -> None:
        """A response follows the last result of another one's calls."""
        response_id = self._open_calls.pop(call_id, None)
        if response_id is not None and response_id not in self._open_calls.values():
            self.is_due = True

    def _error(self, event: s.AgentErrorEvent, reply: _Reply | None) -> None:
        if self._open_response or not self.is_due:
            return
        # Refused before a response began: there will be none.
        self.is_due = False
        if reply is not None and not reply.response_id:
            reply.fail(error_of(event))

    def _note(self) -> None:
        if self.is_settled:
            self._settled.set()


def error_of(event: s.AgentErrorEvent) -> RealtimeError:
    """An error event as the exception that callbacks and callers get."""
    kind = RealtimeConnectionError if event.error_type == "connection_error" else RealtimeError
    return kind(event.message, event.code)
