"""The interface of recognition clients."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from voicewire.errors import SessionClosed, VoicewireError
from voicewire.speech.audio_in import PcmIntake
from voicewire.speech.callbacks import AsrCallbacks
from voicewire.speech.config import AsrConfig
from voicewire.speech.preprocess import AudioStep, Chain
from voicewire.speech.results import (
    AsrEvent,
    AudioDropped,
    RecognitionEvent,
    RecognitionResult,
    Reconnected,
)
from voicewire.speech.session import SpeechSession
from voicewire.speech.states import LIVE, RealtimeType
from voicewire.speech.tool import RealtimeTool, buffer_bytes

AsrConfigT = TypeVar("AsrConfigT", bound=AsrConfig)
Progress = Callable[[int, int | None], None]
"""``(done_ms, total_ms or None)``."""
AsrSession = SpeechSession[bytes, AsrEvent]


class AsrClient(RealtimeTool[bytes, AsrEvent], Generic[AsrConfigT]):
    """Audio in, words out.

    Overflow: ``send`` waits for room; ``send_audio_data`` cannot, so a full buffer drops its oldest audio and says so
    (``on_overflow``, `AudioDropped`).

    Args:
        config: What to recognise and how.
        callbacks: The application's functions.
        preprocess: Steps that the audio passes first, such as ``HighPass()``.
    """

    config: AsrConfigT
    callbacks: AsrCallbacks

    def __init__(
        self,
        config: AsrConfigT,
        callbacks: AsrCallbacks | None = None,
        *,
        preprocess: Sequence[AudioStep] = (),
    ) -> None:
        super().__init__(RealtimeType.ASR, config, callbacks or AsrCallbacks())
        self.preprocess = tuple(preprocess)

    def send_audio_data(self, data: bytes) -> None:
        """Sends audio without waiting, from any thread; what comes before the session runs is kept.

        Raises:
            SessionClosed: The client was not started, or takes no more audio.
        """
        if self._session is None or self._state not in LIVE:
            raise SessionClosed(
                f"{type(self).__name__} is {self._state.value}; start() it before sending audio"
            )
        if data:
            self._session.offer(bytes(data))

    async def send(self, data: bytes) -> None:
        """Sends audio; waits while the buffer is full.

        Raises:
            SessionClosed: The session takes no more audio.

        Cancellation: safe; the audio was taken whole or not at all.
        """
        if data:
            await self._required().put(bytes(data))

    async def result(self) -> RecognitionResult:
        """Takes all events to the end of the session; finals become segments.

        Raises:
            VoicewireError: What the session failed with.
        """
        segments = [
            event.segment()
            async for event in self
            if isinstance(event, RecognitionEvent) and event.is_final and event.text
        ]
        return RecognitionResult.of(
            tuple(segments), duration_ms=max((segment.end_ms for segment in segments), default=0)
        )

    async def recognize_file(
        self, path: str | os.PathLike[str], *, progress: Progress | None = None
    ) -> RecognitionResult:
        """Recognises a WAV, MP3, FLAC or OGG file in a session of its own, in constant memory.

        Args:
            path: The file.
            progress: Told how far it is, in ms of audio.

        Raises:
            AudioError: The file cannot be read.
            VoicewireError: The session failed.
        """
        from voicewire.speech.file_stream import recognize_through_session

        return await recognize_through_session(self, path, progress)

    @abstractmethod
    def for_files(self) -> AsrClient[AsrConfigT]:
        """A client of the same kind for 16 kHz PCM from a file, without the application's callbacks."""

    def intake(self, rate_hz: int) -> PcmIntake:
        """What turns sent bytes into audio of this rate; one for each session."""
        return PcmIntake(self.config, rate_hz, Chain(self.preprocess) if self.preprocess else None)

    def _new_session(self, *, is_iterated: bool) -> AsrSession:
        channels = self.config.nb_channels or 1
        return SpeechSession(
            type(self).__name__,
            self.callbacks,
            max_input=buffer_bytes(2 * channels),
            drops_oldest=True,
            is_iterated=is_iterated,
        )

    async def _receive(self, session: AsrSession) -> bytes | None:
        """The next audio of the application, after telling what was lost before it."""
        data = await session.receive()
        if dropped := session.take_drops():
            await session.emit(AudioDropped(dropped_bytes=dropped))
            await session.call("on_overflow", dropped)
        return data

    async def _tell(self, session: AsrSession, event: RecognitionEvent) -> None:
        """Reports words."""
        await session.emit(event)
        await session.call("on_event", event.is_final, event.text)
        await session.call("on_result", event)

    async def _tell_reconnect(self, session: AsrSession, event: Reconnected) -> None:
        await session.emit(event)
        await session.call("on_reconnect", event)

    async def _tell_end(self, session: AsrSession, failure: VoicewireError | None) -> None:
        if failure is None:
            await session.call("on_complete")
            await session.call("on_stopped")
        else:
            await session.call("on_error", str(failure))
            await session.call("on_canceled")
