"""Records the frames of connections into a cassette, on a thread of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import BinaryIO, Final, NamedTuple

import anyio
import anyio.to_thread
from typing_extensions import Self

from voicewire._version import __version__
from voicewire.clock import NS_PER_MS, Clock, MonotonicClock
from voicewire.errors import ConfigError, SessionClosed, VoicewireError
from voicewire.transport.cassette import (
    CassetteHeader,
    Closed,
    EndedBy,
    Entry,
    Gap,
    Opened,
    Received,
    Sent,
    entry_line,
    header_line,
)
from voicewire.transport.cassette_scrub import FrameScrubber
from voicewire.transport.frames import (
    ABNORMAL_CLOSE,
    NORMAL_CLOSE,
    CloseInfo,
    Frame,
    FrameReceiver,
    FrameTransport,
)
from voicewire.transport.options import Connect
from voicewire.transport.scrub import safe_url

_MAX_QUEUED_BYTES: Final = 16 * 1024 * 1024
"""Minutes of audio both ways."""
_FRAME_COST_BYTES: Final = 200
"""What a queued frame costs besides its own bytes."""


class _Job(NamedTuple):
    at_ms: float
    connection: int
    scrubber: FrameScrubber
    way: str
    """``sent`` or ``received``."""
    frame: str | bytes
    is_text: bool


class CassetteRecorder:
    """Writes what passes over connections into a cassette; give it to ``WebSocketOptions(recorder=...)``.

    A thread takes out secrets and writes; the loop only copies frames. Frames wait for it in memory, up to
    ``max_queued_bytes``. Beyond that they are not recorded, and a line says how many: a session never waits for a
    recording. Every batch is flushed, so a program that is killed leaves all but the last moment. A disk that refuses
    ends the recording, not the session; leaving ``async with`` then says so. The file is its owner's alone (mode 0600).

    Use it as ``async with recorder`` around the sessions: leaving waits until everything is written. The file is made,
    or replaced, when the first connection is opened, and is one recording for all of them.

    Args:
        path: The file; its folder is made when it is not there.
        provider: Short name of the provider.
        dialect: Of its wire, empty when there is only one.
        model: Full name of the model.
        keeps_audio: Whether audio is kept; else only its length is.
        max_queued_bytes: How much may wait for the disk.
        clock: Times the frames.

    Concurrency: one event loop; any number of connections.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        provider: str = "",
        dialect: str = "",
        model: str = "",
        keeps_audio: bool = True,
        max_queued_bytes: int = _MAX_QUEUED_BYTES,
        clock: Clock | None = None,
    ) -> None:
        self.path = Path(path)
        self._subject = (provider, dialect, model)
        self._keeps_audio = keeps_audio
        self._clock: Clock = clock or MonotonicClock()
        self._origin_ns: int | None = None
        self._numbers = count(1)
        self._holders = 0
        self._starting = anyio.Lock()
        self._writer = _Writer(self.path, max_queued_bytes)

    def __repr__(self) -> str:
        return f"CassetteRecorder({str(self.path)!r})"

    @property
    def lost_frames(self) -> int:
        """Frames that were not recorded because the disk was behind."""
        return self._writer.lost_frames

    async def __aenter__(self) -> Self:
        self._holders += 1
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._release()
        failure = await self.written()
        if exc is None and failure is not None:
            raise failure

    async def written(self) -> ConfigError | None:
        """Waits until all of the connections that ended is in the file; does not wait for one that is open.

        Returns:
            Why the recording is incomplete; None when it is whole.
        """
        if self._holders:
            return None
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.join)
        return self._writer.failure

    def join(self) -> ConfigError | None:
        """As ``written``, for threads: blocks. To be called when all connections have ended."""
        self._writer.join()
        return self._writer.failure

    def around(self, connect: Connect, *, url: str = "", secrets: Iterable[str] = ()) -> Connect:
        """A way to connect whose connections are recorded.

        Args:
            connect: Opens a transport.
            url: Where to; written without its secrets.
            secrets: Values that must not be in the recording.

        Raises:
            ConfigError: When it is called: the file cannot be made.
        """

        async def connect_recorded(receiver: FrameReceiver) -> FrameTransport:
            link = _RecordedLink(await self.tap(secrets), receiver, url)
            try:
                await connect(link)
            except VoicewireError as error:
                link.tap.ended("refused", getattr(error, "http_status", 0), str(error))
                raise
            finally:
                link.settle()
            return link

        return connect_recorded

    async def tap(self, secrets: Iterable[str] = ()) -> CassetteTap:
        """The place in the recording of one more connection, which must be ended.

        Args:
            secrets: Values that must not be in the recording.

        Raises:
            ConfigError: The file cannot be made.
        """
        self._holders += 1
        try:
            await self._start()
        except BaseException:
            self._release()
            raise
        return CassetteTap(self, next(self._numbers), FrameScrubber(secrets, keeps_audio=self._keeps_audio))

    def now_ms(self) -> float:
        """The moment, in the recording's own time."""
        return round((self._clock.now_ns() - (self._origin_ns or 0)) / NS_PER_MS, 2)

    def note(self, job: _Job | Entry) -> None:
        """Takes something that is to be written; never waits."""
        self._writer.put(job)

    def release(self) -> None:
        """A connection is over."""
        self._release()

    async def _start(self) -> None:
        async with self._starting:
            if self._origin_ns is None:
                self._origin_ns = self._clock.now_ns()
                provider, dialect, model = self._subject
                self._writer.header = CassetteHeader(
                    provider=provider,
                    dialect=dialect,
                    model=model,
                    started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
                    audio="kept" if self._keeps_audio else "cut",
                    software=f"voicewire {__version__}",
                )
            await anyio.to_thread.run_sync(self._writer.start)

    def _release(self) -> None:
        self._holders -= 1
        if not self._holders:
            self._writer.stop()


class _Writer:
    """The file and its thread. ``put`` and ``stop`` are the loop's, ``start`` and ``join`` may wait."""

    def __init__(self, path: Path, max_queued_bytes: int) -> None:
        self.header = CassetteHeader()
        self.failure: ConfigError | None = None
        self.lost_frames = 0
        self._path = path
        self._max_queued_bytes = max_queued_bytes
        self._has_begun = False
        self._file: BinaryIO | None = None
        self._jobs: SimpleQueue[_Job | Entry | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        # Each number has one writing thread, so that neither needs a lock.
        self._taken_bytes = 0
        self._done_bytes = 0
        self._gap_frames = 0
        self._gap_bytes = 0
        self._gap_connection = 1

    def start(self) -> None:
        """Makes the file, or goes on with it; raises ``ConfigError`` when that cannot be."""
        if self._thread is not None and not self._is_stopping:
            return
        self.join()
        try:
            self._file = self._opened()
        except OSError as error:
            raise ConfigError(
                f"cannot write the cassette {str(self._path)!r}: {error.strerror or error}; choose another file"
            ) from error
        self._has_begun = True
        self._is_stopping = False
        # A daemon: a program that ends without leaving the session must not hang on its recording.
        self._thread = threading.Thread(target=self._run, name="voicewire-cassette", daemon=True)
        self._thread.start()

    def _opened(self) -> BinaryIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = open(self._path, "ab" if self._has_begun else "wb", opener=_private)
        try:
            if not self._has_begun:
                file.write(header_line(self.header))
                file.flush()
        except OSError:
            with suppress(OSError):
                file.close()
            raise
        return file

    def put(self, job: _Job | Entry) -> None:
        """Gives something to the thread; a frame only when there is room for it."""
        if isinstance(job, _Job):
            cost = len(job.frame) + _FRAME_COST_BYTES
            if self._taken_bytes - self._done_bytes + cost > self._max_queued_bytes:
                self.lost_frames += 1
                self._gap_frames += 1
                self._gap_bytes += len(job.frame)
                self._gap_connection = job.connection
                return
            self._taken_bytes += cost
        if self._gap_frames:
            self._jobs.put(
                Gap(
                    at_ms=job.at_ms,
                    connection=self._gap_connection,
                    frames=self._gap_frames,
                    frames_bytes=self._gap_bytes,
                )
            )
            self._gap_frames = self._gap_bytes = 0
        self._jobs.put(job)

    def stop(self) -> None:
        """The thread ends when it has written what waits."""
        if self._thread is not None and not self._is_stopping:
            self._is_stopping = True
            self._jobs.put(None)

    def join(self) -> None:
        """Waits for the thread's end."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        file = self._file
        if file is None:
            return
        while (job := self._next(file)) is not None:
            if self.failure is None:
                try:
                    file.write(entry_line(_entry_of(job)))
                except OSError as error:
                    self._fail(error)
            if isinstance(job, _Job):
                self._done_bytes += len(job.frame) + _FRAME_COST_BYTES
        try:
            file.close()
        except OSError as error:
            self._fail(error)

    def _next(self, file: BinaryIO) -> _Job | Entry | None:
        """The next job; what was written is flushed before a wait."""
        try:
            return self._jobs.get_nowait()
        except Empty:
            pass
        try:
            file.flush()
        except OSError as error:
            self._fail(error)
        return self._jobs.get()

    def _fail(self, error: OSError) -> None:
        self.failure = self.failure or ConfigError(
            f"the cassette {str(self._path)!r} is incomplete: {error.strerror or error}; make room there and "
            "record again"
        )


def _private(path: str, flags: int) -> int:
    """Opens a file that, when it is made, nobody else may read: a cassette is as private as the conversation."""
    return os.open(path, flags, 0o600)


def _entry_of(job: _Job | Entry) -> Entry:
    if not isinstance(job, _Job):
        return job
    try:
        body = job.scrubber.body(job.frame, is_text=job.is_text)
    except RecursionError:
        # Nested deeper than it can be looked through: what cannot be scrubbed is not kept.
        return Gap(at_ms=job.at_ms, connection=job.connection, frames=1, frames_bytes=len(job.frame))
    return (Sent if job.way == "sent" else Received)(
        at_ms=job.at_ms,
        connection=job.connection,
        data=body.data,
        is_binary=body.is_binary,
        text=body.text,
        binary=body.binary,
        binary_bytes=body.binary_bytes,
    )


class CassetteTap:
    """One connection's place in a recording; see `CassetteRecorder.tap`."""

    def __init__(self, recorder: CassetteRecorder, number: int, scrubber: FrameScrubber) -> None:
        self._recorder = recorder
        self._number = number
        self._scrubber = scrubber
        self._has_ended = False

    def opened(self, url: str = "") -> None:
        """The connection is open.

        Args:
            url: Where to; written without its secrets.
        """
        shown = self._scrubber.text(safe_url(url)) if url else ""
        self._recorder.note(Opened(at_ms=self._recorder.now_ms(), connection=self._number, url=shown))

    def sent(self, frame: Frame) -> None:
        """The client sent a frame."""
        self._note("sent", frame, is_text=isinstance(frame, str))

    def received(self, message: memoryview | Frame) -> None:
        """The provider sent a frame; text may be a view of its UTF-8, which is copied."""
        if isinstance(message, memoryview):
            self._note("received", bytes(message), is_text=True)
        else:
            self._note("received", message, is_text=isinstance(message, str))

    def ended(self, by: EndedBy, code: int, reason: str) -> None:
        """The connection is over; the first call decides."""
        if self._has_ended:
            return
        self._has_ended = True
        self._recorder.note(
            Closed(
                at_ms=self._recorder.now_ms(),
                connection=self._number,
                by=by,
                code=code,
                reason=self._scrubber.text(reason),
            )
        )
        self._recorder.release()

    def _note(self, way: str, frame: str | bytes, *, is_text: bool) -> None:
        if not self._has_ended:
            job = _Job(self._recorder.now_ms(), self._number, self._scrubber, way, frame, is_text)
            self._recorder.note(job)


class _RecordedLink:
    """One connection that is recorded: a transport for those above, a receiver for the one below."""

    def __init__(self, tap: CassetteTap, receiver: FrameReceiver, url: str) -> None:
        self.tap = tap
        self._receiver = receiver
        self._url = url
        self._inner: FrameTransport | None = None

    def settle(self) -> None:
        """Opening is over: without a connection nothing will be recorded."""
        if self._inner is None:
            self.tap.ended("lost", ABNORMAL_CLOSE, "given up before it was open")

    @property
    def closed(self) -> CloseInfo | None:
        """How it ended; None while it is open."""
        return None if self._inner is None else self._inner.closed

    @property
    def is_congested(self) -> bool:
        """Whether the transport below is."""
        return self._inner is not None and self._inner.is_congested

    def write(self, frame: Frame) -> None:
        """Sends one message; what is not sent is not recorded."""
        if self._inner is None:
            raise SessionClosed("the connection is not open yet")
        self._inner.write(frame)
        self.tap.sent(frame)

    async def drain(self) -> None:
        """Waits while the transport below is congested."""
        if self._inner is not None:
            await self._inner.drain()

    def close_soon(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Begins to close without waiting; idempotent."""
        if self._inner is not None:
            self._inner.close_soon(code, reason)

    async def aclose(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Closes with a closing handshake, bounded in time; idempotent."""
        if self._inner is not None:
            await self._inner.aclose(code, reason)

    def abort(self) -> None:
        """Cuts the connection at once."""
        if self._inner is not None:
            self._inner.abort()

    def on_open(self, transport: FrameTransport) -> None:
        """The transport below is open."""
        self._inner = transport
        self.tap.opened(self._url)
        self._receiver.on_open(self)

    def on_message(self, message: memoryview | Frame) -> None:
        """One message, noted before it is handled, so that an answer to it comes after it."""
        self.tap.received(message)
        self._receiver.on_message(message)

    def on_closed(self, info: CloseInfo) -> None:
        """The transport below ended."""
        self.tap.ended(
            "client" if info.is_local else "server" if info.is_clean else "lost", info.code, info.reason
        )
        self._receiver.on_closed(info)
