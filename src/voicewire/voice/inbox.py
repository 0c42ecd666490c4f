"""The events of a voice session on their way to the application's callbacks."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

import anyio

from voicewire.agent.progress import ProgressReport
from voicewire.errors import BackpressureError, RealtimeConnectionError, RealtimeError, SessionClosed
from voicewire.events import server as s
from voicewire.events.base import EventBase
from voicewire.streams import BoundedStream
from voicewire.voice.callbacks import Callbacks
from voicewire.voice.config import RealtimeConfig
from voicewire.voice.replies import OutputAudio, Replies, error_of
from voicewire.voice.values import SpeakerRole

MAX_WAITING_EVENTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Interrupted:
    """What was said and not delivered was thrown away here."""


@dataclass(frozen=True, slots=True)
class _Marker:
    """Everything before this has been told."""

    reached: anyio.Event


_Entry: TypeAlias = EventBase | _Interrupted | _Marker


class VoiceInbox:
    """The queue that the agent puts its events into, and the task that calls the callbacks.

    Policy when full (10 000 events that callbacks have not taken): the agent keeps what comes and ends the session
    with ``consumer_too_slow`` after ten seconds; nothing but audio is lost. An interruption throws away the audio
    that waits. Replies and turns are followed as events come, ahead of slow callbacks.

    Args:
        callbacks: Whom to tell.
        config: What to tell.
    """

    def __init__(self, callbacks: Callbacks, config: RealtimeConfig, *, output_rate_hz: int) -> None:
        self._callbacks = callbacks
        self._listeners = callbacks.listeners("audio")
        self._config = config
        self._stream: BoundedStream[_Entry] = BoundedStream(
            "events of a voice session", policy="wait", max_items=MAX_WAITING_EVENTS
        )
        self._output = OutputAudio(output_rate_hz)
        self._words: dict[str, str] = {}
        self.replies = Replies(output_rate_hz)
        self.turns_ended = 0
        """Turns that the model ended by itself."""
        self.is_user_speaking = False
        """Whether the model hears the user speak."""
        self.switches = 0
        """Changes of the turn detection that a model may still refuse."""

    @property
    def streams(self) -> bool:
        """Whether there is somebody who takes audio as it comes."""
        return bool(self._listeners)

    # ------------------------------------------------------------------ from the agent

    async def put(self, item: EventBase, /) -> None:
        """Takes one event, waiting for room."""
        if isinstance(item, s.AgentResponseAudioDeltaEvent):
            self.replies.hear(item)
            if not self._listeners:
                return
        else:
            self._follow(item)
        await self._stream.put(item)

    def put_nowait(self, item: EventBase, /) -> None:
        """Takes one event; raises ``asyncio.QueueFull`` when there is no room."""
        if type(item) is s.AgentResponseAudioDeltaEvent:
            if self.replies.is_waiting:
                self.replies.hear(item)
            if not self._listeners:
                return  # audio that nobody takes as it comes does not wait for anybody
        try:
            self._stream.put_nowait(item)
        except BackpressureError:
            raise asyncio.QueueFull from None
        except SessionClosed:
            return
        if type(item) is not s.AgentResponseAudioDeltaEvent:
            self._follow(item)

    def interrupted(self) -> None:
        """What was said and not delivered must not be heard."""
        waiting: list[_Entry] = []
        while (item := self._stream.get_nowait()) is not None:
            waiting.append(item)
        for item in waiting:
            if not isinstance(item, s.AgentResponseAudioDeltaEvent):
                self._stream.put_nowait(item)
        if not self._stream.is_closed:
            self._stream.put_nowait(_Interrupted())

    async def told(self) -> None:
        """Waits until the callbacks of everything that came so far have run. Not for use in a callback."""
        if not self._stream.is_closed:
            marker = _Marker(anyio.Event())
            await self._stream.put(marker)
            await marker.reached.wait()

    def close(self) -> None:
        """No more events come; audio that waits is thrown away."""
        waiting: list[_Entry] = []
        while (item := self._stream.get_nowait()) is not None:
            waiting.append(item)
        kept = [item for item in waiting if not isinstance(item, s.AgentResponseAudioDeltaEvent)]
        self._stream.close(last=kept)
        self.replies.close(RealtimeError("Session is not active: it was closed", "session_closed"))

    def _follow(self, event: EventBase) -> None:
        self.replies.take(event)
        match event:
            case s.AgentInputStartedEvent():
                self.is_user_speaking = True
            case s.AgentInputDoneEvent():
                self.is_user_speaking = False
                self.turns_ended += 1
                self.replies.due()
            case s.AgentEndedEvent():
                self.replies.close(
                    RealtimeConnectionError(
                        f"the session ended: {event.reason or event.code}", "session_closed"
                    )
                )
            case _:
                pass

    # ------------------------------------------------------------------ to the callbacks

    async def deliver(self) -> None:
        """Calls the callbacks, in order, until ``close``; then those of ``on_disconnect``."""
        async for event in self._stream:
            if type(event) is not s.AgentResponseAudioDeltaEvent:
                await self._tell(event)
                continue
            audio = self._output.fitted(event)
            # What `Callbacks.call` does, without a call of its own for each delta.
            for callback in self._listeners:
                try:
                    result: object = callback(audio)
                    if result is not None and inspect.isawaitable(result):
                        await cast("Awaitable[object]", result)
                # The boundary to the application's own code: its failure is reported, the conversation goes on.
                except Exception as error:  # noqa: PERF203  (each callback's failure is its own)
                    await self._callbacks.failed("audio", error)
        await self._callbacks.call("disconnect")

    async def _tell(self, event: _Entry) -> None:
        call = self._callbacks.call
        match event:
            case s.AgentResponseAudioTranscriptDeltaEvent():
                await self._told("assistant", event.item_id, event.delta)
            case s.AgentResponseAudioTranscriptDoneEvent():
                await self._told("assistant", event.item_id, event.transcript, is_final=True)
            case s.AgentInputTranscriptionDeltaEvent():
                if event.is_revision:
                    self._words.pop(event.item_id, None)
                await self._told("user", event.item_id, event.delta)
            case s.AgentInputTranscriptionDoneEvent():
                await self._told("user", event.item_id, event.transcript, is_final=True)
            case s.AgentErrorEvent():
                if not self._is_refused_switch(event):
                    await call("error", error_of(event))
            case s.AgentResponseToolProgressEvent():
                how_far = ProgressReport(event.message, event.progress, event.total)
                await call("tool_progress", event.name, how_far)
            case s.AgentResponseDoneEvent():
                await call("response_done", event.status)
            case _Marker():
                event.reached.set()
            case _Interrupted():
                self._output.restart()
                await call("interrupted")
            case _:
                pass

    async def _told(self, role: SpeakerRole, item_id: str, words: str, *, is_final: bool = False) -> None:
        said = self._words.pop(item_id, "")
        text = (words or said) if is_final else said + words
        if not is_final:
            self._words[item_id] = text
        is_wanted = self._config.transcribe_input if role == "user" else self._config.transcribe_output
        if is_wanted:
            await self._callbacks.call("transcript", text, is_final, role)

    def _is_refused_switch(self, event: s.AgentErrorEvent) -> bool:
        """A model that cannot change its turn detection takes a turn that is ended by hand all the same."""
        if self.switches and event.code == "unsupported":
            self.switches -= 1
            return True
        return False
