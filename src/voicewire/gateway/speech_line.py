"""What the speech doors have in common: one client's line, what it is told of a bad end, and who watches."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import anyio
import anyio.abc

from voicewire.errors import RemoteProtocolError, VoicewireError
from voicewire.events.base import EventBase, MediaFormat
from voicewire.events.commands import Command, CommitAudio, SendText
from voicewire.events.model import (
    ModelInputTranscriptionDoneEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
    ResponseStatus,
    TokenUsage,
)
from voicewire.gateway.doors import Door
from voicewire.gateway.limits import LimitHit
from voicewire.gateway.line import INTERNAL, NORMAL, ClientLine, SessionEnd
from voicewire.gateway.observe import SessionFacts, SessionWatch
from voicewire.gateway.socket import ClientSocket
from voicewire.models.model import RealtimeModel
from voicewire.protocols.codec import Frame
from voicewire.speech.tool import RealtimeTool

_LOG = logging.getLogger("voicewire.gateway")
ToolT = TypeVar("ToolT", bound="RealtimeTool[Any, Any]")
_INTERNAL_ERROR: Final = "internal_error"
_DRAIN: Final = "drain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a client's session ends before its time."""

    code: str
    """A code of the gateway's own, or of the service behind the model."""
    message: str
    close_code: int
    """The WebSocket close code, where the wire has none of its own."""
    cause: str = ""
    """For the log; by default the code."""
    error: VoicewireError | None = None
    """What happened; None for a limit."""


class SpeechWire(Protocol):
    """How one wire tells its client of the end."""

    def farewell(self, trouble: Trouble) -> tuple[list[Frame], int]:
        """The last frames, and the close code."""
        ...


class SpeechLine:
    """One client of a speech door: the line of all doors, with the tools that this client had opened.

    Resources and their owners: the socket belongs to the door; tasks, recognisers and voices to ``serve``, which ends
    them all. Policy when a client is slow: what it is to hear waits for room in the send budget (``stall_timeout_s``).

    Args:
        door: The door.
        socket: An accepted WebSocket.
        wire: Tells the client of the end.
    """

    def __init__(self, door: Door, socket: ClientSocket, wire: SpeechWire) -> None:
        self.door = door
        self.visit = socket.visit
        self._socket = socket
        self._wire = wire
        self._observer = door.house.observer
        self._line = ClientLine(
            socket,
            door.house.settings,
            door.house.admission,
            on_end=self._ends,
            on_limit=self._limit,
            observer=self._observer,
        )
        self._tools: list[RealtimeTool[Any, Any]] = []
        self._tasks: anyio.abc.TaskGroup | None = None
        self._watch: SessionWatch | None = None
        self._model = ""
        self._opened_s = 0.0
        self._turns = 0

    async def serve(self, talk: Callable[[], Awaitable[None]]) -> None:
        """Talks until the client leaves or ``finish`` is called, then ends all that was opened and closes."""
        try:
            await self._line.serve(lambda: self._talk(talk))
        finally:
            self._end_watch()

    async def _talk(self, talk: Callable[[], Awaitable[None]]) -> SessionEnd:
        async def first(tasks: anyio.abc.TaskGroup) -> None:
            self._tasks = tasks
            await self._guarded(talk)
            self.finish(NORMAL)

        try:
            return await self._line.pump(first)
        finally:
            with anyio.CancelScope(shield=True):
                for tool in self._tools:
                    await tool.aclose()

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except VoicewireError as error:
            self.fail_by(error)
        except Exception:  # a task boundary: the client is told, the log has the rest
            _LOG.exception("a speech session failed")
            message = "the server failed; its log says why"
            self.fail(Trouble(code=_INTERNAL_ERROR, message=message, close_code=INTERNAL))

    # ------------------------------------------------------------------ the end

    def finish(self, code: int, reason: str = "") -> None:
        """Ends the session; the first end counts."""
        self._line.finish(SessionEnd(code, reason))

    def fail_by(self, error: VoicewireError, close_code: int = INTERNAL) -> None:
        """Ends the session by an error, in the words of its wire."""
        code = str(getattr(error, "code", "") or "")
        if not code:
            code = (
                "invalid_request" if isinstance(error, RemoteProtocolError | ValueError) else "speech_failed"
            )
        trouble = Trouble(
            code=code, message=str(error), close_code=close_code, cause="task_failed", error=error
        )
        self.fail(trouble)

    def fail(self, trouble: Trouble) -> None:
        """Ends the session, in the words of its wire; the first end counts."""
        if self._line.told is not None:
            return
        self._observer.failed(trouble.code)
        frames, close_code = self._wire.farewell(trouble)
        self._line.put(frames)
        self._line.finish(
            SessionEnd(
                close_code,
                f"{trouble.code}: {trouble.message}",
                cause=trouble.cause or trouble.code,
                is_private=trouble.error is not None,
            )
        )

    def _limit(self, hit: LimitHit) -> None:
        self.fail(Trouble(code=hit.code, message=hit.message, close_code=hit.close_code, cause=hit.kind))

    def _refuse(self, code: str, message: str) -> None:
        """A message that is not to be read: on these wires that is the end of the task, and of its connection."""
        self.fail(Trouble(code=code, message=message, close_code=NORMAL))

    def _ends(self, end: SessionEnd) -> None:
        if end.cause == _DRAIN:
            trouble = Trouble(
                code="server_shutting_down", message=end.reason, close_code=end.code, cause=_DRAIN
            )
            self._line.put(self._wire.farewell(trouble)[0])

    # ------------------------------------------------------------------ frames

    def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Starts work that ends with the session; what it fails with ends the session."""
        if self._tasks is not None:
            self._tasks.start_soon(self._guarded, work)

    async def receive(self, timeout_s: float | None) -> Frame | None:
        """The next message; None when none came in time. Cancellation: safe; no message is lost."""
        with anyio.move_on_after(timeout_s):
            frame = await self._line.receive(self._refuse, binary_is_audio=True)
            if self._line.told is not None:
                await anyio.sleep_forever()  # it is over: cancelled here, at the latest
            return frame
        return None

    async def send(self, frames: Iterable[Frame]) -> None:
        """Sends frames with nothing in between; waits while a slow client has no room for them. Not after the end."""
        together = list(frames)
        await self._line.room_for(sum(len(frame) for frame in together))
        if self._line.told is None:
            self._line.put(together)

    # ------------------------------------------------------------------ recognisers and voices

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

    # ------------------------------------------------------------------ what it costs, and who watches

    def use(self, model: RealtimeModel) -> None:
        """From here on this model is used; a session under watch begins, or goes over to the next one."""
        if self._watch is not None and model.name == self._model:
            return
        self._end_watch()
        facts = SessionFacts(
            door=self.door.name,
            model=model.name,
            session_id=self.visit.session_id,
            wants_recording=False,  # a task is no conversation
        )
        self._model = model.name
        self._opened_s = time.monotonic()
        self._watch = self._observer.session_opened(facts)

    def _end_watch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            code, reason = self._line.told or (NORMAL, "")
            watch.ended(code, reason, time.monotonic() - self._opened_s)

    def heard_audio(self, duration_s: float) -> None:
        """Counts audio of the client."""
        self._line.heard_audio(duration_s)

    def heard_recording(self, duration_s: float, took_s: float) -> None:
        """Counts audio of the client whose length became known when it was whole."""
        self._line.heard_recording(duration_s, took_s)

    def turn(self) -> SpeechTurn:
        """A task, a request or a turn begins: a drain waits for it."""
        self._turns += 1
        turn_id = f"{self.visit.session_id}_{self._turns}"
        self._line.response_began(turn_id)
        return SpeechTurn(self, turn_id)

    def tell(self, event: EventBase) -> None:
        """Tells whoever watches of an event."""
        if self._watch is not None:
            self._watch.on_event(event)

    def tell_request(self, command: Command) -> None:
        """Tells whoever watches of a request."""
        if self._watch is not None:
            self._watch.on_command(command)

    def spoke(self, duration_s: float) -> None:
        """Counts audio for the client."""
        self._line.spoke(duration_s)

    def count(self, event: EventBase) -> None:
        """Counts what an event costs."""
        self._line.said(event)

    def settle(self, turn_id: str) -> None:
        """A drain waits for this turn no longer."""
        self._line.response_ended(turn_id)


class SpeechTurn:
    """One task as metrics and traces see it: a request, and a response to it.

    Args:
        line: The client's.
        turn_id: Its id.
    """

    def __init__(self, line: SpeechLine, turn_id: str) -> None:
        self._line = line
        self._id = turn_id
        self._characters = 0
        self._spoken_s = 0.0
        self._is_asked = False
        self._is_done = False

    def asked(self, text: str) -> None:
        """Text came to be said. Its characters are the tokens that it costs."""
        self._characters += len(text)
        self._ask(SendText(text))

    def all_heard(self) -> None:
        """The last audio to recognise came."""
        self._ask(CommitAudio(respond=False))

    def recognised(self, text: str) -> None:
        """Words that will not change."""
        self._line.tell(ModelInputTranscriptionDoneEvent(transcript=text, item_id=self._id))

    def said(self, audio: bytes, media_type: str, rate_hz: int, spoken_s: float) -> None:
        """Audio was made.

        Args:
            audio: Its bytes.
            media_type: What they are.
            rate_hz: Their rate.
            spoken_s: How long all audio of the turn is so far.
        """
        self._line.spoke(spoken_s - self._spoken_s)
        self._spoken_s = spoken_s
        format = MediaFormat(media_type, rate_hz)
        self._line.tell(
            ModelResponseAudioDeltaEvent(response_id=self._id, item_id=self._id, format=format, pcm=audio)
        )

    def done(self, status: ResponseStatus = "completed", reason: str = "") -> None:
        """It is over; the first end counts. What failed is not charged for."""
        if self._is_done:
            return
        self._is_done = True
        usage = TokenUsage(input_text_tokens=self._characters)
        event = ModelResponseDoneEvent(
            response_id=self._id,
            input_tokens=self._characters,
            output_tokens=0,
            status=status,
            reason=reason,
            usage=usage,
        )
        self._line.tell(event)
        if status != "failed":
            self._line.count(event)

    def settle(self) -> None:
        """A drain waits for it no longer."""
        self._line.settle(self._id)

    def _ask(self, command: Command) -> None:
        if not self._is_asked:
            self._is_asked = True
            self._line.tell_request(command)
            self._line.tell(ModelResponseCreatedEvent(response_id=self._id))
