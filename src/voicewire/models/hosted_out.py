"""The way out of a hosted conversation: one bounded stream of events, and what is still unread in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import msgspec
from typing_extensions import Self

from voicewire.conversation.host import ConversationHost
from voicewire.errors import VoicewireError
from voicewire.events.base import EventBase
from voicewire.events.model import (
    ModelAudioDroppedEvent,
    ModelItemDeletedEvent,
    ModelItemRetrievedEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseDoneEvent,
)
from voicewire.models.hosted_audio import AudioShelf
from voicewire.streams import BoundedStream, StreamStatistics

_US_PER_S = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedLimits:
    """Bounds of one hosted conversation."""

    max_unread_audio_s: float = 600.0
    """Reply audio that waits to be taken; more ends the session with `ConsumerTooSlow`."""
    max_unread_events: int = 100_000
    """Events that wait to be taken; more ends the session with `ConsumerTooSlow`."""
    room_audio_s: float = 20.0
    """Unread reply audio from which a performer that calls ``room`` has to wait."""
    max_input_s: float = 300.0
    """Input audio that no turn has taken; the oldest beyond it is dropped and declared."""
    max_quiet_s: float = 30.0
    """Input kept while a detector hears no speech."""
    max_shelf_bytes: int = 4 << 20
    """Audio kept for ``RetrieveItem``."""
    max_inbox_facts: int = 64
    """Facts of engine threads that wait for the loop; a thread with more waits."""


class EventsOut:
    """Events on their way to the application, audio among them in its place.

    The stream is bounded in events and in seconds of audio; when it is full ``emit`` raises
    `ConsumerTooSlow`, nothing waits. Audio of an interrupted response is not delivered any more.

    Concurrency: one task iterates.
    """

    def __init__(self, name: str, host: ConversationHost, limits: HostedLimits) -> None:
        self._host = host
        self._stream: BoundedStream[EventBase] = BoundedStream(
            f"events of {name}",
            policy="fail",
            max_items=limits.max_unread_events,
            max_weight=int(limits.max_unread_audio_s * _US_PER_S),
        )
        self.shelf = AudioShelf(limits.max_shelf_bytes)
        self._crowd_us = int(limits.room_audio_s * _US_PER_S)
        self._unread_us: dict[str, int] = {}
        self._silenced: set[str] = set()
        self._room: anyio.Event | None = None

    def statistics(self) -> StreamStatistics:
        """Depth, high-water mark and weight (microseconds of audio) of the events that wait to be taken."""
        return self._stream.statistics()

    def emit(self, event: EventBase) -> None:
        """Puts one event behind the others.

        Raises:
            ConsumerTooSlow: There is no room; the event was not taken.
        """
        if type(event) is ModelResponseAudioDeltaEvent:
            duration_us = _duration_us(event)
            self._stream.put_nowait(event, duration_us)
            self._unread_us[event.response_id] = self._unread_us.get(event.response_id, 0) + duration_us
            self.shelf.add(event.item_id, event.pcm)
            return
        if isinstance(event, ModelItemRetrievedEvent):
            event = self._with_audio(event)
        elif isinstance(event, ModelItemDeletedEvent):
            self.shelf.forget(event.item_id)
        self._stream.put_nowait(event, 0)

    def silence(self, response_id: str) -> list[EventBase]:
        """Audio of this response that was not taken yet will not be; gives the declaration of what is lost."""
        unread_us = self._unread_us.pop(response_id, 0)
        self._wake()
        if unread_us <= 0:
            return []
        self._silenced.add(response_id)
        rate_hz = self._host.config.output_format.rate
        return [
            ModelAudioDroppedEvent(
                samples=round(unread_us * rate_hz / _US_PER_S),
                sample_rate_hz=rate_hz,
                direction="output",
                reason="interrupted",
            )
        ]

    def close(self, error: VoicewireError | None, last: Iterable[EventBase]) -> None:
        """Ends the stream with its last events, whatever the bounds say; idempotent."""
        self._stream.close(error, last=last)
        self._unread_us.clear()
        self._wake()

    async def room(self) -> None:
        """Waits while much of the audio is not taken yet.

        Cancellation: safe.
        """
        await anyio.lowlevel.checkpoint()
        while self._is_crowded():
            self._room = self._room or anyio.Event()
            await self._room.wait()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventBase:
        while True:
            event = await self._stream.__anext__()
            if type(event) is ModelResponseAudioDeltaEvent:
                response_id = event.response_id
                if response_id in self._silenced:
                    continue
                if response_id in self._unread_us:
                    self._unread_us[response_id] -= _duration_us(event)
                    self._wake()
            elif isinstance(event, ModelResponseDoneEvent):
                self._host.response_seen(event.response_id)
                self._unread_us.pop(event.response_id, None)
                self._silenced.discard(event.response_id)
            return event

    def _is_crowded(self) -> bool:
        return sum(self._unread_us.values()) > self._crowd_us

    def _wake(self) -> None:
        if self._room is not None and not self._is_crowded():
            self._room.set()
            self._room = None

    def _with_audio(self, event: ModelItemRetrievedEvent) -> ModelItemRetrievedEvent:
        item = event.item
        heard_samples = self._host.heard_samples(item.id)
        is_pcm = self._host.config.output_format.type == "audio/pcm"
        limit_bytes = None if heard_samples is None else heard_samples * (2 if is_pcm else 1)
        audio = self.shelf.base64(item.id, limit_bytes)
        if audio is None:
            return event
        content = tuple(
            msgspec.structs.replace(part, audio=audio) if part.kind == "audio" and not part.audio else part
            for part in item.content
        )
        return ModelItemRetrievedEvent(item=msgspec.structs.replace(item, content=content))


def _duration_us(event: ModelResponseAudioDeltaEvent) -> int:
    bytes_per_sample = 2 if event.format.type == "audio/pcm" else 1
    return event.payload.size_bytes * _US_PER_S // (bytes_per_sample * event.format.rate)
