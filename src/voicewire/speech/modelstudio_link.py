"""One WebSocket to ModelStudio's task service: tasks follow each other on it; a free one is kept for later."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import anyio

from voicewire.errors import (
    AuthError,
    ConfigError,
    ConnectionLost,
    ConnectTimeout,
    InvalidRequest,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    SessionClosed,
    VoicewireError,
)
from voicewire.protocols.dashscope_task.client import TaskClientCodec
from voicewire.protocols.dashscope_task.wire import (
    RunTask,
    SpokenAudio,
    TaskEvent,
    TaskFailed,
    TaskKind,
    TaskStarted,
)
from voicewire.settings import get_settings
from voicewire.speech.config import (
    Limits,
    ModelstudioAsrConfig,
    ModelstudioConnection,
    ModelstudioTtsConfig,
)
from voicewire.streams import BoundedStream
from voicewire.transport.connect import connect_websocket
from voicewire.transport.frames import CloseInfo, Frame, FrameTransport
from voicewire.transport.options import WebSocketOptions, Wrap
from voicewire.transport.recorder import CassetteRecorder
from voicewire.transport.scrub import scrubbed

_log = logging.getLogger("voicewire.speech")

DEFAULT_URL: Final = "wss://dashscope.aliyuncs.com/api-ws/v1/inference"
_PATH: Final = "/api-ws/v1/inference"
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
"""Results that may wait for a slow application; more of them end the session with ConsumerTooSlow."""
KEEP_FREE_S: Final = 55.0
"""How long a free connection is kept; the service drops it after 60 s."""
_SLICE_S: Final = 1.0
_MARGIN_S: Final = 0.2


class TaskLink:
    """One open connection. A `FrameReceiver`.

    Args:
        stall_timeout_s: How long the service may take nothing of what is sent.

    Concurrency: one task takes events, any number write.
    """

    def __init__(self, stall_timeout_s: float) -> None:
        self._stall_timeout_s = stall_timeout_s
        self.codec = TaskClientCodec()
        self._events: BoundedStream[TaskEvent] = BoundedStream(
            "modelstudio events", policy="fail", max_weight=MAX_WAITING_BYTES, weigh=_weight
        )
        self._transport: FrameTransport | None = None

    @property
    def is_free(self) -> bool:
        """Whether another task can be run on it."""
        return self.codec.is_free and self._transport is not None and self._transport.closed is None

    def on_open(self, transport: FrameTransport) -> None:
        """The connection is open."""
        self._transport = transport

    def on_message(self, message: memoryview | Frame) -> None:
        """A frame of the service."""
        try:
            for event in self.codec.receive(message):
                self._events.put_nowait(event)
        except SessionClosed:
            return
        except VoicewireError as error:
            self._events.close(error)
            if self._transport is not None:
                self._transport.close_soon(1002, "unreadable frame")

    def on_closed(self, info: CloseInfo) -> None:
        """The connection ended."""
        reason = info.reason or "the connection was closed"
        self._events.close(
            info.error or ConnectionLost(f"ModelStudio: {reason}", code=info.code, reason=reason)
        )

    async def send(self, frame: Frame) -> None:
        """Sends a frame, after waiting while the network is behind.

        Raises:
            ConnectionLost: The connection is over, or the service takes nothing.
        """
        transport = self._transport
        try:
            if transport is None:
                raise SessionClosed("not open")
            with anyio.move_on_after(self._stall_timeout_s) as limit:
                await transport.drain()
            if limit.cancelled_caught:
                transport.abort()
                raise ConnectionLost(
                    f"ModelStudio took nothing of what was sent for {self._stall_timeout_s:g} s"
                )
            transport.write(frame)
        except SessionClosed as error:
            raise ConnectionLost("ModelStudio: the connection is over", code=error.code) from error

    async def event(self, timeout_s: float | None = None, waiting_for: str = "") -> TaskEvent:
        """The next event of the task; a failed task is raised.

        Raises:
            ProviderUnavailable: None came in time.
            ConnectionLost: The connection is over.
            ProviderError: The service failed the task.
        """
        event: TaskEvent | None = None
        with anyio.move_on_after(timeout_s):
            try:
                event = await self._events.get()
            except SessionClosed as error:
                raise ConnectionLost("ModelStudio: the connection is over", code=error.code) from error
        if event is None:
            self._give_up()
            raise ProviderUnavailable(
                f"ModelStudio sent nothing for {timeout_s:g} s, {waiting_for}", provider="modelstudio"
            )
        if isinstance(event, TaskFailed):
            raise failure_of(event)
        return event

    async def patient_event(self, is_awaited: Callable[[], bool], limit_s: float) -> TaskEvent:
        """The next event; the service may be silent while input is still under way, but not for long after it.

        Args:
            is_awaited: Whether all input was sent.
            limit_s: How long the service may then be silent.

        Raises:
            ProviderUnavailable: None came in time.
            ConnectionLost: The connection is over.
            ProviderError: The service failed the task.
        """
        silent_s = 0.0
        while silent_s < limit_s:
            slice_s = min(
                limit_s - silent_s, _SLICE_S
            )  # the limit begins when the sender is done, whenever that is
            with anyio.move_on_after(slice_s):
                return await self.event()
            silent_s = silent_s + slice_s if is_awaited() else 0.0
        self._give_up()
        raise ProviderUnavailable(
            f"ModelStudio sent nothing for {limit_s:g} s, although all input was sent", provider="modelstudio"
        )

    def _give_up(self) -> None:
        """Cuts the connection: who says nothing would not say goodbye either, and that would be waited for."""
        if self._transport is not None:
            self._transport.abort()

    async def begin(
        self, task: RunTask, timeout_s: float, resources: tuple[dict[str, Any], ...] = ()
    ) -> None:
        """Runs a task and waits until the service has taken it."""
        await self.send(self.codec.run(task, resources=resources))
        while not isinstance(await self.event(timeout_s, "although a task was asked for"), TaskStarted):
            continue

    def close_soon(self) -> None:
        """Begins to close without waiting."""
        if self._transport is not None:
            self._transport.close_soon()

    async def aclose(self) -> None:
        """Closes the connection."""
        if self._transport is not None:
            await self._transport.aclose()


class LinkKeeper:
    """Makes connections for one client, and keeps a free one for its next session.

    Args:
        connection: Address and key.
        limits: Times and attempts.
        wrap: Stands between each connection and the client, such as ``FaultInjector().wrap``.
        recorder: Takes down what passes.
    """

    def __init__(
        self,
        connection: ModelstudioConnection,
        limits: Limits,
        *,
        wrap: Wrap | None = None,
        recorder: CassetteRecorder | None = None,
    ) -> None:
        self._wrap = wrap
        self._url = task_url(connection)
        key = connection.api_key or get_settings().secret("dashscope_api_key")
        if not key:
            raise ConfigError("there is no key for ModelStudio: set DASHSCOPE_API_KEY, or give api_key")
        self._headers = {"Authorization": f"Bearer {key}"}
        if connection.workspace_id:
            self._headers["X-DashScope-WorkSpace"] = connection.workspace_id
        if connection.user_agent:
            self._headers["User-Agent"] = connection.user_agent
        if connection.data_inspection:
            self._headers["X-DashScope-DataInspection"] = connection.data_inspection
        self._limits = limits
        self.recorder = recorder
        """Takes down what passes; clients that follow each other share it."""
        self._spare: TaskLink | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def link(self) -> TaskLink:
        """A connection that is free: the one that was kept, or a new one.

        Raises:
            VoicewireError: None could be made.
        """
        if self._loop is not asyncio.get_running_loop():
            self.drop()
        else:
            self._stop_timer()
        spare, self._spare = self._spare, None
        if spare is not None and spare.is_free:
            return spare
        limit_s = self._limits.connect_timeout_s
        link = TaskLink(self._limits.finish_timeout_s)
        options = WebSocketOptions(
            headers=self._headers,
            connect_timeout_s=limit_s,
            provider="modelstudio",
            wrap=self._wrap,
            recorder=self.recorder,
        )
        with anyio.move_on_after(limit_s + _MARGIN_S) as limit:  # what stands between may take its time, too
            await connect_websocket(self._url, link, options)
        if limit.cancelled_caught:
            await link.aclose()
            raise ConnectTimeout(f"ModelStudio did not open a connection within {limit_s:g} s")
        return link

    async def give_back(self, link: TaskLink) -> None:
        """Keeps a free connection for a while; closes any other."""
        if not link.is_free or self._spare is not None:
            await link.aclose()
            return
        self._spare = link
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(KEEP_FREE_S, self.drop)

    def drop(self) -> None:
        """Closes the connection that is kept; from any thread."""
        spare, self._spare = self._spare, None
        if spare is None or self._loop is None or self._loop.is_closed():
            return
        with suppress(RuntimeError):  # the loop ends just now, and the connection with it
            self._loop.call_soon_threadsafe(spare.close_soon)
            self._loop.call_soon_threadsafe(self._stop_timer)

    async def aclose(self) -> None:
        """Closes the connection that is kept, and waits for it."""
        spare, self._spare = self._spare, None
        if spare is not None and self._loop is asyncio.get_running_loop():
            self._stop_timer()
            await spare.aclose()
        if self.recorder is not None and (failure := await self.recorder.written()) is not None:
            _log.warning("cassette incomplete: %s", failure)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def recorder_of(config: ModelstudioAsrConfig | ModelstudioTtsConfig) -> CassetteRecorder | None:
    """What takes down the wire of a client; None when nobody asked for it."""
    if config.record is None:
        return None
    return CassetteRecorder(
        config.record, provider="modelstudio", model=config.model or "", keeps_audio=config.record_audio
    )


def new_task(model: str, kind: TaskKind, parameters: dict[str, Any], text: str = "") -> RunTask:
    """A task with an id of its own."""
    return RunTask(task_id=secrets.token_hex(16), model=model, kind=kind, parameters=parameters, text=text)


def task_url(connection: ModelstudioConnection) -> str:
    """The address of the task service, from any spelling of it."""
    given = connection.base_url or get_settings().dashscope_websocket_base_url or DEFAULT_URL
    parts = urlsplit(given)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    path = parts.path.rstrip("/")
    if not path or path.endswith("/api-ws/v1/realtime"):
        path = path.removesuffix("/api-ws/v1/realtime") + _PATH
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


def failure_of(event: TaskFailed) -> VoicewireError:
    """The error of a failed task."""
    message = scrubbed(event.message or "the task failed")
    code = event.code
    lowered = f"{code} {message}".lower()
    kind: type[AuthError | RateLimited | QuotaExceeded | ProviderUnavailable | InvalidRequest] = (
        InvalidRequest
    )
    if "rate limit" in lowered or "throttl" in lowered:
        kind = RateLimited
    elif "arrearage" in lowered or "quota" in lowered:
        kind = QuotaExceeded
    elif "accessdenied" in lowered or "apikey" in lowered or "unauthorized" in lowered:
        kind = AuthError
    elif "internal" in lowered or "timeout" in lowered or "system" in lowered:
        kind = ProviderUnavailable
    return kind(f"ModelStudio failed the task ({code}): {message}", provider="modelstudio", code=code)


def _weight(event: TaskEvent) -> int:
    return len(event.data) if isinstance(event, SpokenAudio) else 256


async def both_ways(send: Callable[[], Awaitable[None]], receive: Callable[[], Awaitable[None]]) -> None:
    """Sends and receives at once, until everything is received or one of them fails.

    Raises:
        VoicewireError: The first failure, bare; the other direction is cancelled.

    Cancellation: both directions end.
    """
    failure: VoicewireError | None = None
    async with anyio.create_task_group() as tasks:

        async def send_guarded() -> None:
            nonlocal failure
            try:
                await send()
            except VoicewireError as error:
                failure = failure or error
                tasks.cancel_scope.cancel()

        tasks.start_soon(send_guarded)
        try:
            await receive()
        except VoicewireError as error:
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
