"""The queue door of seed 002: ``connect(queue)``, ``send(block)``, ``disconnect()`` over the narrow door."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import anyio

from voicewire.errors import LocalProtocolError, SessionClosed, UnsupportedError, VoicewireError
from voicewire.events.base import EventBase
from voicewire.events.commands import Command
from voicewire.events.model import ModelSessionEndedEvent
from voicewire.models.blocks import command_of, kind_of
from voicewire.models.model import RealtimeConnection, RealtimeModel
from voicewire.ownership import TaskOwner

_log = logging.getLogger(__name__)

_LAST_EVENTS_S = 1.0
"""How long the last events may wait for room in the queue while the door closes."""
_MODALITY_ORDER = ("audio", "text", "image", "tool_result")


class EventQueue(Protocol):
    """Where the events go: an ``asyncio.Queue``, or anything with its ``put``."""

    async def put(self, item: EventBase, /) -> None:
        """Takes one event, waiting for room if it is bounded."""
        ...


class RealtimeModelBase(RealtimeModel):
    """A model with the queue door besides ``open``. The door holds one connection at a time.

    A bounded queue that is full makes the reading wait; what a slow consumer then costs is bounded by the
    connection itself (`ReceiveLimits`).

    Args:
        model_name: What the provider calls the model.
    """

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name
        self._door: _Door | None = None

    @property
    def support_input_modalities(self) -> list[str]:
        """The kinds of block that ``send`` takes."""
        kinds = set(self.capabilities.input_modalities)
        if self.capabilities.supports_tools:
            kinds.add("tool_result")
        return [kind for kind in _MODALITY_ORDER if kind in kinds]

    @property
    def support_tools(self) -> bool:
        """Whether the model can call functions."""
        return self.capabilities.supports_tools

    @property
    def input_sample_rate(self) -> int:
        """Rate of audio blocks whose media type names none, in Hz."""
        return self.capabilities.input_rates_hz[0]

    @property
    def output_sample_rate(self) -> int:
        """Rate of the reply's audio, in Hz."""
        return self.capabilities.output_rate_hz

    @property
    def connection(self) -> RealtimeConnection | None:
        """The connection behind the queue, None when there is none."""
        return self._door.connection if self._door is not None else None

    async def connect(
        self,
        outgoing_queue: EventQueue,
        instructions: str = "",
        tools: Iterable[Mapping[str, Any]] | None = None,
    ) -> None:
        """Opens a conversation whose events go into a queue; returns when it is ready.

        The last event is ``ModelSessionEndedEvent``, whatever ended the session.

        Args:
            outgoing_queue: Gets every model event, in order.
            instructions: What the model is to be.
            tools: Functions that the model may call.

        Raises:
            LocalProtocolError: This model is connected already.
            VoicewireError: Whatever ``open`` raises.

        Cancellation: safe; nothing stays open.
        """
        if self._door is not None:
            if not self._door.is_over:
                raise LocalProtocolError(f"{self.name} is connected already; await disconnect() first")
            await self._door.aclose()
        door = _Door(self, outgoing_queue)
        self._door = door
        await door.open(instructions, tools)

    async def send(self, data: Mapping[str, Any]) -> None:
        """Sends one block: text, audio, image or tool_result.

        A text is answered; so is the result of the last open function call.

        Raises:
            SessionClosed: Not connected, or the session is over.
            UnsupportedError: The model does not take this kind of block.
            InvalidEventError: Not a block, or a field is missing.
        """
        kind = kind_of(data)
        if kind in (*_MODALITY_ORDER, "video") and kind not in self.support_input_modalities:
            raise UnsupportedError(
                f"{self.name} does not take {kind} blocks; it takes {self.support_input_modalities}"
            )
        command = await command_of(data, sample_rate_hz=self.input_sample_rate)
        await self.send_command(command)

    async def send_command(self, command: Command) -> None:
        """Sends any command over the connection behind the queue.

        Raises:
            SessionClosed: Not connected, or the session is over.
            UnsupportedError: The model lacks the capability.
        """
        connection = self.connection
        if connection is None:
            raise SessionClosed(f"{self.name} is not connected; await connect(queue, instructions) first")
        await connection.send(command)

    async def disconnect(self) -> None:
        """Ends the conversation; idempotent. The queue has got the end event when it returns.

        Cancellation: the closing is finished first.
        """
        door, self._door = self._door, None
        if door is not None:
            await door.aclose()


class _Door:
    """One connection behind a queue, and the one task that moves its events."""

    def __init__(self, model: RealtimeModelBase, queue: EventQueue) -> None:
        self._model = model
        self._queue = queue
        self._owner = TaskOwner(f"queue of {model.name}", on_error=self._failed)
        self._opened = anyio.Event()
        self._failure: Exception | None = None
        self.is_over = False
        """The session has ended, or never came to be; what is left is to wait for the task."""
        self.connection: RealtimeConnection | None = None

    async def open(self, instructions: str, tools: Iterable[Mapping[str, Any]] | None) -> None:
        self._owner.start(self._run(instructions, tools), name="events")
        try:
            await self._opened.wait()
        except BaseException:
            await self._owner.aclose()
            raise
        if self.connection is None and self._failure is not None:
            raise self._failure

    async def aclose(self) -> None:
        # Closing the connection, not cancelling the task: the events that are left, and the end, still go
        # into the queue, unless the queue is full and nobody takes from it.
        if self.connection is not None:
            await self.connection.aclose()
            with anyio.move_on_after(_LAST_EVENTS_S, shield=True):
                await self._owner.join()
        await self._owner.aclose()

    async def _run(self, instructions: str, tools: Iterable[Mapping[str, Any]] | None) -> None:
        try:
            async with self._model.open(instructions=instructions, tools=tools) as connection:
                self.connection = connection
                self._opened.set()
                async for event in connection:
                    await self._queue.put(event)
                    self.is_over = isinstance(event, ModelSessionEndedEvent)
        finally:
            self.is_over = True
            self._opened.set()

    def _failed(self, error: Exception) -> None:
        # Before the session was ready `open` raises it. After that one of ours only repeats what the end
        # event in the queue said, code and reason included.
        self._failure = error
        if self.connection is not None and not isinstance(error, VoicewireError):
            _log.error("the queue took no more events", exc_info=error)
