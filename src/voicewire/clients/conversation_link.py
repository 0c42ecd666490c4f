"""The connection of an ``AzureRealtimeAudio``: its life, its status and its events.

============  ==================================================================================
task          does
============  ==================================================================================
conversation  reads the connection, opens it again when it is lost, calls the listeners
idle          waits for the end of the playout
============  ==================================================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import anyio

from voicewire.clients.addresses import Address
from voicewire.clients.emitter import Emitter, EventData
from voicewire.clients.link import WireLink, recorded
from voicewire.clients.open_calls import OpenCalls
from voicewire.clients.status_machine import StatusMachine
from voicewire.clients.statuses import ModelStatus, ReadyState
from voicewire.clock import NS_PER_MS, Clock
from voicewire.errors import ConfigError, ConnectTimeout, LocalProtocolError, SessionClosed, VoicewireError
from voicewire.ownership import TaskOwner, run_to_end
from voicewire.transport.options import WebSocketOptions

Json = dict[str, Any]

_SETUP_S: Final = 15.0
_LISTENERS_S: Final = 5.0
"""How long listeners that run may take when the client is closed, in seconds."""
_DEFAULT_RECONNECT_MS: Final = 1000.0
_MAX_WAITING: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """How the connection behaves."""

    options: WebSocketOptions
    reconnect_ms: float | None
    max_attempts: int
    answers_calls: bool
    record: str | Path | None = None
    record_audio: bool = True

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> LinkSettings:
        """From the client's arguments.

        Raises:
            ConfigError: A time or a count is below 0.
        """
        heartbeat, reconnect = given["heartbeat_interval"], given["reconnect_interval"]
        attempts = given["max_reconnect_attempts"]
        for name, value in (("heartbeat_interval", heartbeat), ("reconnect_interval", reconnect)):
            if value is not None and value < 0:
                raise ConfigError(f"{name} is {value!r}; give milliseconds, 0 or more")
        if attempts < 0:
            raise ConfigError(f"max_reconnect_attempts is {attempts!r}; give a count, 0 for no limit")
        options = WebSocketOptions()
        if heartbeat is not None:
            options = replace(options, ping_interval_s=heartbeat / 1000 or None)
        if reconnect is None and attempts:
            reconnect = _DEFAULT_RECONNECT_MS
        return cls(
            options=options,
            reconnect_ms=reconnect,
            max_attempts=attempts,
            answers_calls=bool(given["answers_calls"]),
            record=given.get("record"),
            record_audio=bool(given.get("record_audio", True)),
        )


class ConversationLink:
    """Made by ``AzureRealtimeAudio``.

    Policy of messages that wait while a connection is restored: at most 1000, the oldest go.

    Args:
        address: Where to connect.
        settings: How it behaves.
        emitter: Whom to tell.
        session: The configuration to ask for, at every connection.
        clock: Time.

    Concurrency: one event loop.
    """

    def __init__(
        self, address: Address, settings: LinkSettings, emitter: Emitter, session: Json, clock: Clock
    ) -> None:
        self._address = address
        self._settings = settings
        self._emitter = emitter
        self._session = session
        self._clock = clock
        self._options = recorded(
            settings.options, address, settings.record, record_audio=settings.record_audio
        )
        self._link = WireLink(address, self._options)
        self._owner = TaskOwner("azure realtime audio")
        self._machine = StatusMachine(clock, self._status_changed)
        self._calls = OpenCalls()
        self._waiting: deque[Json] = deque(maxlen=_MAX_WAITING)
        self._told: deque[EventData] = deque(maxlen=_MAX_WAITING)
        self._configured = anyio.Event()
        self._is_closing = False
        self._is_restoring = False
        self._has_connected = False
        self.is_initialized = False
        """Whether the session is configured and open."""
        self.state = ReadyState.CLOSED
        """The state of the connection."""

    @property
    def status(self) -> ModelStatus:
        """What the model is doing."""
        return self._machine.status

    @property
    def input_audio_format(self) -> str:
        """The format of the user's audio."""
        return str(self._session.get("input_audio_format", "pcm16"))

    # ------------------------------------------------------------------ life

    async def connect(self) -> None:
        """See ``AzureRealtimeAudio.connect``."""
        if self.state is not ReadyState.CLOSED or self._is_restoring:
            raise LocalProtocolError(
                "the client is connected already; await close() before it connects again"
            )
        await self._owner.aclose()
        self._is_closing, self._configured = False, anyio.Event()
        try:
            await self._open()
            self._owner.start(self._run(), name="conversation")
            with anyio.move_on_after(_SETUP_S) as limit:
                await self._configured.wait()
            if limit.cancelled_caught:
                raise ConnectTimeout(f"the server did not configure the session within {_SETUP_S:g} s")
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """See ``AzureRealtimeAudio.close``."""
        self._is_closing = True
        if self.state in (ReadyState.CONNECTING, ReadyState.OPEN):
            self.state = ReadyState.CLOSING
        await run_to_end(self._end(), name="azure realtime audio: closing")

    async def _end(self) -> None:
        await self._link.aclose()
        was_restoring = self._is_restoring
        self._machine.stop()
        if not was_restoring:
            with anyio.move_on_after(_LISTENERS_S):
                await self._owner.join()
        await self._owner.aclose()
        self._ended()
        if was_restoring:
            await self._emitter.emit("close", EventData(type="close", code=1000, reason="closed"))

    async def _open(self) -> None:
        self.state = ReadyState.CONNECTING
        self._link = WireLink(self._address, self._options)
        try:
            await self._link.connect()
            await self._link.send({"type": "session.update", "session": self._session})
        except BaseException:
            self.state = ReadyState.CLOSED
            raise
        self.state = ReadyState.OPEN
        self._has_connected = True
        self._tell(EventData(type="open"))

    async def _run(self) -> None:
        """Until the end: reads, and opens the connection again as often as it may."""
        while True:
            failure = await self._read()
            self.is_initialized = False
            if failure is None or self._is_closing or self._settings.reconnect_ms is None:
                break
            await self._report(failure)
            if not await self._restored(failure):
                break
            failure = None
        self._configured.set()
        if failure is not None and not self._is_closing:
            await self._report(failure)
        closed = self._link.closed
        code, reason = (closed.code, closed.reason) if closed is not None else (1000, "")
        self._ended()
        await self._flush()
        await self._emitter.emit("close", EventData(type="close", code=code, reason=reason))

    async def _read(self) -> Exception | None:
        """Reads until the connection ends; why, unless it was closed in good order."""
        machine, emitter = self._machine, self._emitter
        try:
            await self._flush()
            while (received := await self._link.receive()) is not None:
                audio = received.audio
                if audio is None:
                    await self._take(received.name, EventData(received.content()))
                    continue
                # Nearly all of the traffic: a call less for each delta.
                size_bytes = len(audio.delta) * 3 // 4
                machine.hear(audio.response_id, audio.item_id, audio.content_index, size_bytes)
                if self._told:
                    await self._flush()
                if emitter.has(audio.type):
                    await emitter.emit(audio.type, EventData(audio.as_json()))
        # A task boundary: the failure is told by an event, or answered by a new connection.
        except VoicewireError as error:
            return error
        closed = self._link.closed
        if self._is_closing or closed is None or closed.is_local or closed.code == 1000:
            return None
        return SessionClosed(
            f"the server closed the connection ({closed.reason or closed.code})",
            code=closed.code,
            reason=closed.reason,
        )

    async def _restored(self, failure: Exception) -> bool:
        attempt = 0
        self._is_restoring = True
        try:
            while not self._settings.max_attempts or attempt < self._settings.max_attempts:
                attempt += 1
                self.state = ReadyState.CONNECTING
                await self._emitter.emit(
                    "reconnecting", EventData(type="reconnecting", attempt=attempt, reason=str(failure))
                )
                delay_ns = int((self._settings.reconnect_ms or 0) * NS_PER_MS)
                await self._clock.sleep_until_ns(self._clock.now_ns() + delay_ns)
                try:
                    await self._open()
                except VoicewireError as error:
                    await self._report(error)
                    if not error.retryable:
                        return False
                else:
                    return True
            return False
        finally:
            self._is_restoring = False

    def _ended(self) -> None:
        self.state = ReadyState.CLOSED
        self.is_initialized = False
        self._machine.end()
        self._calls.clear()
        self._waiting.clear()

    # ------------------------------------------------------------------ sending

    def send(self, message: Json) -> None:
        """Sends one message now, or when the connection is restored."""
        kind = message.get("type")
        if kind == "response.create" and self._calls.absorbs(message):
            return
        if kind == "session.update" and isinstance(message.get("session"), dict):
            self._session = {**self._session, **cast("Json", message["session"])}
        if self._is_restoring:
            if kind != "session.update":
                self._waiting.append(message)
            return
        if not self._has_connected:
            raise LocalProtocolError("the client is not connected; await connect() first")
        self._link.write(message)
        if kind == "conversation.item.create" and self._calls.is_last_result(message):
            if self._settings.answers_calls:
                self._link.write({"type": "response.create"})
                self._calls.asked()

    async def drain(self) -> None:
        """Waits while the network is behind."""
        await self._link.drain()

    # ------------------------------------------------------------------ receiving

    async def _take(self, name: str, event: EventData) -> None:
        match name:
            case "session.updated":
                await self._configure(event)
            case "error":
                self._configured.set()
            case "input_audio_buffer.speech_started":
                self._interrupted()
            case "response.created":
                self._calls.begun()
                self._machine.begin(event)
            case "response.output_item.done":
                self._calls.note(event)
            case "response.done":
                if self._machine.done(event):
                    self._owner.start(self._idle_after_playout(), name="idle")
            case _:
                pass
        await self._flush()
        await self._emitter.emit(name, event)
        await self._flush()

    async def _configure(self, event: EventData) -> None:
        session: Json = event.get("session") or {}
        self._machine.use(str(session.get("output_audio_format") or "pcm16"))
        if self.is_initialized:
            return
        self.is_initialized = True
        for message in self._waiting:
            self._link.write(message)
        self._waiting.clear()
        await self._flush()
        await self._emitter.emit("init", EventData({**event, "type": "init"}))
        self._configured.set()

    async def _idle_after_playout(self) -> None:
        await self._machine.wait_for_playout()
        await self._flush()

    def _interrupted(self) -> None:
        """The user speaks: what is being said is over, as far as the server does not see to it."""
        turns = self._session.get("turn_detection")
        server_cancels = (
            not isinstance(turns, dict) or cast("Json", turns).get("interrupt_response") is not False
        )
        if self._machine.has_response and not server_cancels:
            self._link.write({"type": "response.cancel"})
        truncate = self._machine.interrupt()
        if truncate is not None:
            self._link.write(truncate)

    # ------------------------------------------------------------------ status

    def show(self, status: ModelStatus) -> None:
        """The application says what the model does; told at once."""
        self._machine.set(status)
        self._flush_soon()

    def speak_done(self) -> None:
        """Everything was played."""
        self._machine.stop()
        self._flush_soon()

    def _status_changed(self, status: ModelStatus) -> None:
        self._tell(EventData(type="status_changed", status=status))

    def _flush_soon(self) -> None:
        if self.state is ReadyState.OPEN:
            self._owner.start(self._flush(), name="status")

    def _tell(self, event: EventData) -> None:
        self._told.append(event)

    async def _flush(self) -> None:
        while self._told:
            event = self._told.popleft()
            await self._emitter.emit(str(event["type"]), event)

    async def _report(self, error: Exception) -> None:
        trouble = {"type": "connection_error", "code": type(error).__name__, "message": str(error)}
        await self._flush()
        await self._emitter.emit("error", EventData(type="error", error=trouble, exception=error))
