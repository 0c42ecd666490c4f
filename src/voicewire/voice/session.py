"""One open conversation of a `RealtimeVoice`."""

from __future__ import annotations

from collections import deque
from typing import Final

import anyio
import anyio.lowlevel

from voicewire.agent.agent import RealtimeAgent
from voicewire.audio.level import rms_dbfs
from voicewire.errors import RealtimeError, SessionClosed
from voicewire.events.commands import AppendAudio, ClearAudio, CommitAudio, SendText, UpdateSession
from voicewire.events.items import Item
from voicewire.events.session import TurnDetection
from voicewire.voice.detector import ClientDetector
from voicewire.voice.inbox import VoiceInbox
from voicewire.voice.replies import Replies
from voicewire.voice.values import VoiceResponse

_LOUD_DBFS: Final = -45.0
"""Above it, audio after the end of a turn may be the next one."""
_PIECE_MS: Final = 20
_PIECES_PER_STEP: Final = 5


class VoiceSession:
    """Speaks and listens; made by ``RealtimeVoice.connect``.

    Concurrency: one event loop; any task may call any method. Replies that are waited for come one at a time: the
    second waits for the first.

    Args:
        agent: The conversation, which runs.
        inbox: Where its events go.
        detector: Finds turns here; None where the model does, or nobody.
        detection: The model's turn detection, as far as it is to have one.
        detects: Whether the model was opened with it.
        sample_rate_hz: Rate of the audio that comes in.
    """

    def __init__(
        self,
        agent: RealtimeAgent,
        inbox: VoiceInbox,
        *,
        detector: ClientDetector | None,
        detection: TurnDetection | None,
        detects: bool,
        sample_rate_hz: int,
    ) -> None:
        self._agent = agent
        self._inbox = inbox
        self._detector = detector
        self._detection = detection
        self._detects = detects
        self._rate_hz = sample_rate_hz
        self._one_turn = anyio.Lock()
        self._has_audio = False
        self._ended_by_model = 0
        self._loud_since_end = False

    def __repr__(self) -> str:
        return f"<VoiceSession {self.session_id!r} {'active' if self.is_active else 'over'}>"

    @property
    def session_id(self) -> str:
        """Id of this session; there from the beginning."""
        return self._agent.id

    @property
    def is_active(self) -> bool:
        """Whether it takes input."""
        return self._agent.is_running

    def history(self) -> list[Item]:
        """What was said so far, as it was heard."""
        return self._agent.history()

    # ------------------------------------------------------------------ what the user says

    async def send_audio(self, audio: bytes, *, wait: bool | None = None) -> VoiceResponse | None:
        """Sends audio of the user.

        With an ``on_audio`` handler the audio is a piece of a stream, and this returns at once. Without one it is
        a whole turn: the turn is ended, and the whole reply is awaited.

        Args:
            audio: 16-bit little-endian mono samples at the configuration's ``sample_rate``.
            wait: True for a whole turn, False for a piece of a stream, where the rule above does not suit.

        Returns:
            The reply; None for a piece of a stream, and for no audio at all.

        Raises:
            AudioError: (a ``ValueError``) An odd number of bytes.
            RealtimeError: The session is over, or the turn was refused.
            RealtimeConnectionError: The connection was lost while the reply was awaited.

        Cancellation: what was sent stays sent; a reply that is not awaited any more is lost.
        """
        self._check_active()
        append = AppendAudio(audio, self._rate_hz)
        if not audio:
            return None
        if self._waits(wait):
            return await self._whole_turn(append)
        if self._detector is not None:
            await self._detect(self._detector, audio)
        else:
            self._set_detection(self._detection is not None)
            self._append(append)
        await anyio.lowlevel.checkpoint()
        return None

    async def end_turn(self, *, wait: bool | None = None) -> VoiceResponse | None:
        """Ends the user's turn by hand. Does nothing when nothing was said since the last one.

        Args:
            wait: Whether to await the reply; see ``send_audio``.

        Returns:
            The reply, when it was awaited.

        Raises:
            RealtimeError: The turn was refused.

        Cancellation: see ``send_audio``.
        """
        if not self.is_active or not self.has_open_turn:
            return None
        if not self._waits(wait):
            self._commit()
            await anyio.lowlevel.checkpoint()
            return None
        async with self._one_turn:
            reply = self._replies.expect()
            self._commit()
            return await self._replies.result(reply)

    async def commit_audio(self) -> None:
        """The same as ``end_turn(wait=False)``, by its older name."""
        await self.end_turn(wait=False)

    async def send_text(self, text: str, *, wait: bool = False) -> VoiceResponse | None:
        """Says something in text; it is answered like speech.

        Args:
            text: What to say.
            wait: Whether to await the whole reply.

        Returns:
            The reply, when it was awaited.

        Raises:
            RealtimeError: The session is over, or the text was refused.

        Cancellation: see ``send_audio``.
        """
        self._check_active()
        if not wait:
            self._replies.due()
            self._agent.send(SendText(text))
            await anyio.lowlevel.checkpoint()
            return None
        async with self._one_turn:
            self._check_active()
            reply = self._replies.expect()
            self._agent.send(SendText(text))
            return await self._replies.result(reply)

    async def interrupt(self) -> None:
        """Stops the response under way; audio of it that was not delivered is thrown away."""
        if self.is_active:
            self._agent.interrupt()
        await anyio.lowlevel.checkpoint()

    async def clear_audio(self) -> None:
        """Takes back what was said since the last turn ended."""
        self._has_audio = False
        if self._detector is not None:
            self._detector.end_turn()
        if self.is_active:
            self._agent.send(ClearAudio())
        await anyio.lowlevel.checkpoint()

    async def wait_until_settled(self) -> None:
        """Waits until no reply is under way or due, or the session is over, and callbacks have been told so.

        Not for use in a callback.
        """
        await self._replies.settled()
        await self._inbox.told()

    async def close(self) -> None:
        """Ends the session; idempotent. The context of ``connect`` does it too."""
        await self._agent.stop()

    # ------------------------------------------------------------------

    @property
    def _replies(self) -> Replies:
        return self._inbox.replies

    @property
    def has_open_turn(self) -> bool:
        """Whether there is audio that belongs to no turn yet."""
        if self._detector is not None:
            return self._detector.is_speech
        self._note_end_by_model()
        if not self._detects:
            return self._has_audio
        return self._inbox.is_user_speaking or (self._has_audio and self._loud_since_end)

    def _waits(self, wait: bool | None) -> bool:
        return not self._inbox.streams if wait is None else wait

    def _check_active(self) -> None:
        if not self.is_active:
            end = self._agent.end
            why = f" (it ended: {end.reason})" if end is not None and end.reason else ""
            raise RealtimeError(
                f"Session is not active{why}; open a new one with voice.connect()", "session_closed"
            )

    async def _whole_turn(self, append: AppendAudio) -> VoiceResponse:
        async with self._one_turn:
            self._check_active()
            detected = self._detects
            self._set_detection(False)
            try:
                reply = self._replies.expect()
                self._append(append)
                self._commit()
                return await self._replies.result(reply)
            finally:
                if detected and self.is_active:
                    self._set_detection(True)

    async def _detect(self, detector: ClientDetector, audio: bytes) -> None:
        piece_bytes = 2 * max(1, self._rate_hz * _PIECE_MS // 1000)
        pieces = deque(audio[at : at + piece_bytes] for at in range(0, len(audio), piece_bytes))
        for number, piece in enumerate(pieces):
            for heard in detector.feed(piece):
                if heard.kind == "started":
                    self._agent.interrupt()
                elif heard.kind == "audio":
                    self._append(AppendAudio(heard.pcm16, self._rate_hz))
                else:
                    self._commit()
            if number % _PIECES_PER_STEP == _PIECES_PER_STEP - 1:
                await anyio.lowlevel.checkpoint()

    def _append(self, append: AppendAudio) -> None:
        self._note_end_by_model()
        self._has_audio = True
        if self._detects and not self._loud_since_end:
            self._loud_since_end = rms_dbfs(append.pcm) > _LOUD_DBFS
        self._send(append)

    def _commit(self) -> None:
        self._has_audio = self._loud_since_end = False
        if self._detector is not None:
            self._detector.end_turn()
        self._replies.due()
        self._send(CommitAudio())

    def _send(self, command: AppendAudio | CommitAudio | UpdateSession) -> None:
        try:
            self._agent.send(command)
        except SessionClosed as error:
            raise RealtimeError(str(error), "session_closed") from error

    def _set_detection(self, is_on: bool) -> None:
        if is_on == self._detects:
            return
        self._detects = is_on
        self._inbox.switches += 1
        self._send(UpdateSession(turn_detection=self._detection if is_on else None))

    def _note_end_by_model(self) -> None:
        """The model has ended a turn by itself: what came before belongs to it."""
        if self._inbox.turns_ended != self._ended_by_model:
            self._ended_by_model = self._inbox.turns_ended
            self._loud_since_end = False
