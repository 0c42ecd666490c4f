"""`RealtimeTool`: what all recognition and synthesis clients have in common.

Two styles, one session underneath. Async::

    async with client:
        await client.send(...)
        await client.finish()
        async for event in client: ...

With callbacks, as in the seed: ``start``, ``send_audio_data`` or ``send_text_data``, ``stop`` or ``async_stop``,
``close``.
Inside an event loop none of these waits; ``stop()`` gives a `Completion` to await. Outside of one the session runs in a
thread of its own and ``stop()`` waits for the end.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import ClassVar, Generic

from pydantic import BaseModel
from typing_extensions import Self

from voicewire.errors import LocalProtocolError, VoicewireError
from voicewire.settings import get_settings
from voicewire.speech.session import Completion, EventT, InputT, SpeechSession, as_voicewire_error
from voicewire.speech.states import LIVE, TRANSITIONS, RealtimeState, RealtimeType

CHUNKS_IN_BUFFER = 512
"""The buffer holds this many chunks of REALTIME_BUFFER_SIZE sample frames: 33 s at 16 kHz by default."""
_STOP_MARGIN_S = 5.0


class RealtimeTool(ABC, Generic[InputT, EventT]):
    """Base class of all speech clients: states, buffer, sessions, callbacks.

    Args:
        realtime_type: What the client does.
        config: Its configuration; snapshotted when a session begins.
        callbacks: The application's functions.

    Concurrency: the callback methods may be called from any thread; the coroutines from one event loop.
    """

    session_runs_in_thread: ClassVar[bool] = False
    """Whether ``start`` always uses the speech thread, so that ``stop`` can wait for results wherever it is called."""

    def __init__(self, realtime_type: RealtimeType, config: BaseModel, callbacks: BaseModel) -> None:
        self.realtime_type = realtime_type
        self.config = config
        self.callbacks = callbacks
        self.request_id = ""
        """The other side's id of the session, once it is known."""
        self._state = RealtimeState.IDLE
        self._lock = threading.RLock()
        self._session: SpeechSession[InputT, EventT] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.value}>"

    # ------------------------------------------------------------------ states

    @property
    def state(self) -> RealtimeState:
        """Where the client stands."""
        return self._state

    def get_state(self) -> RealtimeState:
        """Where the client stands."""
        return self._state

    def _move(self, state: RealtimeState, session: SpeechSession[InputT, EventT] | None) -> bool:
        """A transition, if it is allowed and the session is still the current one."""
        with self._lock:
            if session is not self._session or state not in TRANSITIONS[self._state]:
                return False
            self._state = state
        function = getattr(self.callbacks, "on_state", None)
        if function is not None:
            try:
                function(state)
            except Exception as error:  # the application's own code; its failure must not end the session
                _report_callback(error)
        return True

    # ------------------------------------------------------------------ async style

    async def open(self) -> Self:
        """Starts a session and waits until the other side has taken it.

        Raises:
            LocalProtocolError: A session is under way.
            VoicewireError: It could not be started.

        Cancellation: the session is closed.
        """
        session = self._begin(is_iterated=True, in_portal=False)
        try:
            await asyncio.shield(asyncio.wrap_future(session.ready))
        except BaseException:
            await self.aclose()
            raise
        if session.done.done() and (failure := session.done.result()) is not None:
            raise failure
        return self

    async def finish(self) -> None:
        """No more input comes; results go on until the end."""
        self._stop()

    async def wait(self) -> None:
        """Waits for the end of the session.

        Raises:
            VoicewireError: What it failed with.

        Cancellation: safe; the session goes on.
        """
        await Completion(self._required().done)

    async def aclose(self) -> None:
        """Ends the session at once and waits until nothing of it is left; idempotent."""
        session = self._session
        self.close()
        if session is not None:
            await session.join()

    async def __aenter__(self) -> Self:
        """Starts a session; see `open`."""
        return await self.open()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends the session; see `aclose`."""
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventT:
        return await self._required().events.__anext__()

    # ------------------------------------------------------------------ callback style

    def start(self) -> None:
        """Starts a session and returns at once; ``on_open`` tells when the other side has taken it.

        Raises:
            LocalProtocolError: A session is under way.
        """
        self._begin(is_iterated=False, in_portal=self.session_runs_in_thread or not _has_loop())

    def stop(self) -> Completion:
        """No more input comes. Waits for the end where there is no event loop that it would hold up.

        Returns:
            The end, to await.

        """
        completion = self._stop()
        if (self.session_runs_in_thread or not _has_loop()) and not _is_portal():
            # A failure was told to the callbacks, exactly once; awaiting the completion raises it.
            with suppress(VoicewireError):
                completion.wait(self.stop_timeout_s() + _STOP_MARGIN_S)
        return completion

    def async_stop(self) -> Completion:
        """No more input comes; never waits.

        Returns:
            The end, to await (or not).
        """
        return self._stop()

    def close(self) -> None:
        """Ends the session at once, never waits; idempotent. Nothing is called after it but ``on_close``, inside it."""
        with self._lock:
            session, was_live = self._session, self._state in LIVE
            if session is not None and was_live:
                session.detach()
        if self._state is not RealtimeState.CLOSED:
            self._move(RealtimeState.CLOSED, session)
        if session is not None and was_live:
            function = getattr(self.callbacks, "on_close", None)
            if function is not None:
                try:
                    function()
                except Exception as error:  # the application's own code
                    _report_callback(error)

    # ------------------------------------------------------------------ for the clients

    @abstractmethod
    async def _run(self, session: SpeechSession[InputT, EventT]) -> None:
        """The provider's part: takes input until there is none, emits events, returns at the normal end.

        Calls ``_opened`` once the other side has taken the session. Raises ``VoicewireError`` for a failure.
        """

    @abstractmethod
    async def _tell_end(self, session: SpeechSession[InputT, EventT], failure: VoicewireError | None) -> None:
        """Calls the callbacks for the end of a session, without ``on_close``."""

    @abstractmethod
    def _new_session(self, *, is_iterated: bool) -> SpeechSession[InputT, EventT]:
        """A session with the bounds of this client."""

    def stop_timeout_s(self) -> float:
        """How long the end may take after ``stop``, in seconds."""
        return float(getattr(self.config, "finish_timeout_s", 30.0))

    async def _opened(self, session: SpeechSession[InputT, EventT]) -> None:
        self._move(RealtimeState.RUNNING, session)
        await session.call("on_open")
        await session.call("on_started")
        if not session.ready.done():
            session.ready.set_result(None)

    def _begin(self, *, is_iterated: bool, in_portal: bool) -> SpeechSession[InputT, EventT]:
        with self._lock:
            if self._state in LIVE:
                raise LocalProtocolError(
                    f"{type(self).__name__} is {self._state.value} already; stop() or close() it first"
                )
            session = self._session = self._new_session(is_iterated=is_iterated)
        self._move(RealtimeState.STARTING, session)
        session.launch(lambda: self._session_main(session), in_portal=in_portal)
        return session

    async def _session_main(self, session: SpeechSession[InputT, EventT]) -> None:
        failure: VoicewireError | None = None
        try:
            await self._run(session)
        except Exception as error:  # a task boundary: everything is told as an error of ours
            failure = as_voicewire_error(error, session.name)
        except BaseException:
            session.end(None)
            raise
        if self._move(RealtimeState.IDLE if failure is None else RealtimeState.FAILED, session):
            await self._tell_end(session, failure)
            await session.call("on_close")
        session.end(failure)

    def _stop(self) -> Completion:
        session = self._session
        if session is None:
            ended: Future[VoicewireError | None] = Future()
            ended.set_result(None)
            return Completion(ended)
        self._move(RealtimeState.STOPPING, session)
        session.finish()
        return Completion(session.done)

    def _required(self) -> SpeechSession[InputT, EventT]:
        if self._session is None:
            raise LocalProtocolError(
                f"{type(self).__name__} was not started; use `async with` or call start()"
            )
        return self._session


def buffer_bytes(bytes_per_frame: int = 2) -> int:
    """Bytes that the buffer of a recogniser holds."""
    return max(1, get_settings().realtime_buffer_size) * CHUNKS_IN_BUFFER * bytes_per_frame


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _is_portal() -> bool:
    """Whether this is the speech thread: a callback that waited there would wait for itself."""
    return threading.current_thread().name == "voicewire-speech"


def _report_callback(error: Exception) -> None:
    import logging

    logging.getLogger("voicewire.speech").error("a callback of the application failed", exc_info=error)
