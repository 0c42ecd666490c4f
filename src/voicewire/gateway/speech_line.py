"""What the speech doors have in common: one client's socket, frames sent whole, an end for everything."""

from __future__ import annotations

import io
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

import anyio
import anyio.abc

from voicewire.errors import AudioError
from voicewire.gateway.doors import House
from voicewire.gateway.line import GOING_AWAY, INTERNAL, NORMAL
from voicewire.gateway.socket import ClientGone, ClientSocket
from voicewire.protocols.codec import Frame
from voicewire.speech.tool import RealtimeTool

_LOG = logging.getLogger("voicewire.gateway")
ToolT = TypeVar("ToolT", bound="RealtimeTool[Any, Any]")
MAX_COMPRESSED_BYTES: Final = 32 * 1024 * 1024
"""Compressed audio of one task; it is decoded when it is whole."""
_ABNORMAL: Final = 1006
_CAUSES: Final = {_ABNORMAL: "client_left", NORMAL: "ended", GOING_AWAY: "drain"}


class SpeechLine:
    """One client of a speech door. A send waits for a slow client, so that what waits for it stays bounded.

    Resources and their owners: the socket belongs to the door; tasks, recognisers and voices to ``serve``, which ends
    them all.

    Args:
        house: What all doors share.
        socket: An accepted WebSocket.
    """

    def __init__(self, house: House, socket: ClientSocket) -> None:
        self.house = house
        self.busy = 0
        """Tasks or turns under way; a drain waits for them."""
        self._socket = socket
        self._sending = anyio.Lock()
        self._tools: list[RealtimeTool[Any, Any]] = []
        self._tasks: anyio.abc.TaskGroup | None = None
        self._end: tuple[int, str] | None = None
        self._idle = anyio.Event()

    async def serve(self, talk: Callable[[], Awaitable[None]]) -> None:
        """Talks until the client leaves or ``finish`` is called, then ends all that was opened and closes."""
        try:
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self._watch_for_drain)
                try:
                    await talk()
                    self.finish(NORMAL)
                except ClientGone:
                    self.finish(_ABNORMAL)
        finally:
            with anyio.CancelScope(shield=True):
                for tool in self._tools:
                    await tool.aclose()
        code, reason = self._end or (NORMAL, "")
        if code != _ABNORMAL:
            await self._close(code, reason)

    def finish(self, code: int, reason: str = "") -> None:
        """Ends the session; the first end counts."""
        if self._end is None:
            self._end = (code, reason)
            visit = self._socket.visit
            visit.code, visit.reason = code, reason
            visit.cause = _CAUSES.get(code, "failed")
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()

    def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Starts work that ends with the session; what it fails with ends the session."""

        async def guarded() -> None:
            try:
                await work()
            except Exception:  # a task boundary: the client is told, the log has the rest
                _LOG.exception("a speech session failed")
                self.finish(INTERNAL, "internal error")

        if self._tasks is not None:
            self._tasks.start_soon(guarded)

    async def receive(self, timeout_s: float | None) -> Frame | None:
        """The next message; None when none came in time.

        Raises:
            ClientGone: There is none; the connection is over.
        """
        with anyio.move_on_after(timeout_s):
            return await self._socket.receive()
        return None

    async def send(self, frames: Iterable[Frame]) -> None:
        """Sends frames with nothing in between; waits for a slow client."""
        try:
            async with self._sending:
                for frame in frames:
                    await self._socket.send(frame)
        except ClientGone:
            self.finish(_ABNORMAL)

    async def opened(self, tool: ToolT) -> ToolT:
        """Opens a recogniser or a voice that this line closes.

        Raises:
            VoicewireError: It could not be opened.
        """
        self._tools.append(tool)
        await tool.open()
        return tool

    async def close(self, tool: RealtimeTool[Any, Any]) -> None:
        """Closes a recogniser or a voice before the line's end."""
        await tool.aclose()
        if tool in self._tools:
            self._tools.remove(tool)

    def settle(self) -> None:
        """A task or a turn ended."""
        self.busy -= 1
        if self.busy <= 0:
            self._idle.set()

    async def _watch_for_drain(self) -> None:
        await self.house.admission.draining.wait()
        if self.busy:
            self._idle = anyio.Event()
            with anyio.move_on_after(self.house.settings.drain_s):
                await self._idle.wait()
        self.finish(GOING_AWAY, "the server is shutting down")

    async def _close(self, code: int, reason: str) -> None:
        with anyio.move_on_after(self.house.settings.close_grace_s) as grace:
            try:
                await self._socket.close(code, reason)
            except ClientGone:
                return
        if grace.cancelled_caught:
            self._socket.abort()


def decoded(data: bytes, rate_hz: int) -> bytes:
    """Compressed audio as 16-bit mono. Blocking.

    Raises:
        AudioError: It is no MP3, OGG (Opus, Vorbis), FLAC or WAV.
    """
    import soundfile

    from voicewire.audio.pcm import float32_to_pcm16
    from voicewire.audio.resample import resample_whole_float32

    try:
        samples, from_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(
            f"the audio cannot be decoded: {error}; send WAV, MP3, FLAC, or Opus in OGG"
        ) from error
    return float32_to_pcm16(
        resample_whole_float32(samples.mean(axis=1, keepdims=True), int(from_hz), rate_hz)
    )
