"""``WS /voice``: 16-bit 24 kHz mono in and out as binary frames, words as JSON (seed 003).

=====================================================  =================================================
the client sends                                       what it does
=====================================================  =================================================
a binary frame                                         the user's voice, cut anywhere
``{"text": "..."}``                                    a text of the user, which is answered
``{"type": "end_turn"}``                               ends the user's turn by hand
``{"type": "interrupt"}``                              stops the agent
=====================================================  =================================================

=====================================================  =================================================
the client gets                                        what it means
=====================================================  =================================================
a binary frame                                         the agent's voice, to be played after what came before
``{"text", "final", "role"}``                          words of ``user`` or ``assistant``: all of the turn so
                                                       far, until ``final``
``{"type": "interrupted"}``                            throw away what is not played yet
``{"type": "error", "code", "message"}``               something is wrong; the session goes on
=====================================================  =================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qs

import anyio.abc

from voicewire.agent.agent import RealtimeAgent
from voicewire.audio.resample import Resampler
from voicewire.errors import InvalidEventError
from voicewire.events import server as s
from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio, CommitAudio, SendText
from voicewire.gateway.agent_door import DEFAULT_INSTRUCTIONS, DEFAULT_NAME
from voicewire.gateway.agent_link import AgentLink, config_for, read_json, text_frame
from voicewire.gateway.doors import Door, House
from voicewire.gateway.line import INTERNAL, NORMAL, TRY_LATER, SessionEnd
from voicewire.gateway.observe import SessionFacts, new_session_id
from voicewire.gateway.socket import ClientGone, ClientSocket, Scope
from voicewire.models.model import RealtimeModel
from voicewire.protocols.codec import Frame

RATE_HZ: Final = 24_000


class VoiceDoor(Door):
    """Gives every client an agent of its own for as long as it is connected."""

    name = "voice"

    async def serve(self, socket: ClientSocket, scope: Scope) -> None:
        """Serves one client."""
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        model = self.model_for(socket, query.get("model", [""])[0])
        socket.visit.session_id = new_session_id()
        try:
            await socket.accept(None)
        except ClientGone:
            return
        await Caller(self.house, socket, model).run()


class Caller(AgentLink):
    """One client that speaks and listens.

    Args:
        house: What all doors share.
        socket: An accepted WebSocket.
        model: Whom it talks with.
    """

    binary_is_audio = True

    def __init__(self, house: House, socket: ClientSocket, model: RealtimeModel) -> None:
        super().__init__(house, socket)
        facts = SessionFacts(door=VoiceDoor.name, model=model.name, session_id=socket.visit.session_id)
        self._model = house.watched(model, facts, lambda: self.line.told)
        self._ready = anyio.Event()
        self._odd_byte = b""
        self._partials: dict[str, str] = {}
        self._resampler: Resampler | None = None

    async def begin(self, tasks: anyio.abc.TaskGroup) -> None:
        """Opens the agent."""
        instructions, voice = self.bound_to(self._model)
        agent = RealtimeAgent(
            DEFAULT_NAME,
            instructions or DEFAULT_INSTRUCTIONS,
            self._model,
            config=config_for(self._model.capabilities, voice=voice),
            on_interruption=self._interrupted,
        )
        failure = await self.start(agent, tasks, None)
        if failure is not None:
            code = TRY_LATER if failure.code == "out_of_capacity" else INTERNAL
            self.line.finish(SessionEnd(code, failure.message))
        self._ready.set()

    async def take(self, frame: Frame, tasks: anyio.abc.TaskGroup) -> None:
        """Takes audio, or one of the orders.

        Raises:
            InvalidEventError: Neither of them.
        """
        await self._ready.wait()
        agent = self.agent
        if agent is None or not agent.is_running:
            return
        if isinstance(frame, bytes):
            pcm16 = self._odd_byte + frame
            whole_bytes = len(pcm16) // 2 * 2
            self._odd_byte = pcm16[whole_bytes:]
            if whole_bytes:
                self.line.heard_audio(whole_bytes / 2 / RATE_HZ)
                agent.send(AppendAudio(pcm16[:whole_bytes], RATE_HZ))
            return
        data = read_json(frame)
        match data:
            case None:
                return
            case {"text": str(text)}:
                agent.send(SendText(text))
            case {"type": "end_turn"}:
                agent.send(CommitAudio())
            case {"type": "interrupt"}:
                agent.interrupt()
            case _:
                raise InvalidEventError(
                    'a text frame is {"text": "..."}, {"type": "end_turn"} or {"type": "interrupt"}'
                )

    def frames_of(self, event: EventBase) -> Iterable[Frame]:
        """What the client hears and reads of an event."""
        match event:
            case s.AgentResponseAudioDeltaEvent():
                pcm16 = self._fitted(event)
                return [pcm16] if pcm16 else []
            case s.AgentInputTranscriptionDeltaEvent():
                return [self._partial("user", event.item_id, event.delta, is_revision=event.is_revision)]
            case s.AgentInputTranscriptionDoneEvent():
                self._partials.pop(event.item_id, None)
                return [_words("user", event.transcript, is_final=True)]
            case s.AgentResponseAudioTranscriptDeltaEvent():
                return [self._partial("assistant", event.item_id, event.delta)]
            case s.AgentResponseAudioTranscriptDoneEvent():
                said = self._partials.pop(event.item_id, "")
                return [_words("assistant", event.transcript or said, is_final=True)]
            case s.AgentErrorEvent():
                return [text_frame({"type": "error", "code": event.code, "message": event.message})]
            case s.AgentEndedEvent():
                self.line.finish(SessionEnd(event.code or NORMAL, event.reason))
                return []
            case _:
                return []

    def refuse(self, code: str, message: str) -> None:
        """Reports trouble with the client's own frames."""
        self.line.put([text_frame({"type": "error", "code": code, "message": message})])

    def _interrupted(self) -> None:
        self._resampler = None
        self.line.put([text_frame({"type": "interrupted"})])

    def _partial(self, role: str, item_id: str, delta: str, *, is_revision: bool = False) -> str:
        text = delta if is_revision else self._partials.get(item_id, "") + delta
        self._partials[item_id] = text
        return _words(role, text, is_final=False)

    def _fitted(self, event: s.AgentResponseAudioDeltaEvent) -> bytes:
        """The audio at this door's rate, whatever the model speaks at."""
        pcm16, rate_hz = event.pcm, event.format.rate
        if event.format.type != "audio/pcm":
            from voicewire.audio import g711

            pcm16 = g711.decode(pcm16, "pcma" if event.format.type == "audio/pcma" else "pcmu")
        if rate_hz == RATE_HZ:
            return pcm16
        if self._resampler is None:
            self._resampler = Resampler(rate_hz, RATE_HZ)
        return self._resampler.process(pcm16)


def _words(role: str, text: str, *, is_final: bool) -> str:
    return text_frame({"text": text, "final": is_final, "role": role})
