"""What the model is doing, by the events of its conversation: the status machine of seed 004."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from voicewire.clients.emitter import EventData
from voicewire.clients.speaking import Speaking
from voicewire.clients.statuses import ModelStatus
from voicewire.clock import Clock

Json = dict[str, Any]


class StatusMachine:
    """*Listening* on speech, *thinking* on a response, *speaking* while it is heard, *idle* when the playout ended.

    Args:
        clock: Time; the audio of a response is taken to play as it comes.
        tell: Called at every change.
    """

    def __init__(self, clock: Clock, tell: Callable[[ModelStatus], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._speaking = Speaking(clock)
        self._waiting: anyio.CancelScope | None = None
        self._active_response = ""
        self.status = ModelStatus.IDLE
        """What the model is doing."""

    @property
    def has_response(self) -> bool:
        """Whether a response is under way."""
        return bool(self._active_response)

    def set(self, status: ModelStatus) -> None:
        """The model does this now; told when it did something else before."""
        if status is not self.status:
            self.status = status
            self._tell(status)

    def use(self, audio_format: str) -> None:
        """The audio that follows has this format."""
        self._speaking.use(audio_format)

    def begin(self, event: EventData) -> None:
        """``response.created``."""
        response: Json = event.get("response") or {}
        self._active_response = str(response.get("id", ""))
        self.set(ModelStatus.THINKING)

    def hear(self, response_id: str, item_id: str, content_index: int, size_bytes: int) -> None:
        """``response.audio.delta`` with so much audio."""
        if response_id == self._active_response:
            self._speaking.add(item_id, content_index, size_bytes)
            if self.status is not ModelStatus.SPEAKING:
                self.set(ModelStatus.SPEAKING)

    def done(self, event: EventData) -> bool:
        """``response.done``; whether somebody has to wait for the end of the playout."""
        response: Json = event.get("response") or {}
        if response.get("id") != self._active_response:
            return False
        self._active_response = ""
        if self.status is ModelStatus.THINKING:
            self.set(ModelStatus.IDLE)
        return self.status is ModelStatus.SPEAKING

    async def wait_for_playout(self) -> None:
        """Waits for the end of the playout, and is idle then. A new wait ends the one before."""
        self._stop_waiting()
        with anyio.CancelScope() as scope:
            self._waiting = scope
            while self._speaking.is_audible:
                await self._clock.sleep_until_ns(self._speaking.end_ns)
            if self.status is ModelStatus.SPEAKING and not self._active_response:
                self.set(ModelStatus.IDLE)

    def interrupt(self) -> Json | None:
        """The user speaks: what is being said is over. The message that cuts it to what was heard, if any."""
        speaking = self._speaking
        truncate: Json | None = None
        if self.status is ModelStatus.SPEAKING and speaking.is_audible:
            truncate = {
                "type": "conversation.item.truncate",
                "item_id": speaking.item_id,
                "content_index": speaking.content_index,
                "audio_end_ms": speaking.heard_ms,
            }
        speaking.stop()
        self._active_response = ""
        self.set(ModelStatus.LISTENING)
        return truncate

    def stop(self) -> None:
        """Nothing more is heard: idle."""
        self._speaking.stop()
        self._stop_waiting()
        self.set(ModelStatus.IDLE)

    def end(self) -> None:
        """The connection is over, and so is what was under way."""
        self._active_response = ""

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
