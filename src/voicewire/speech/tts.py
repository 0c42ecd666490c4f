"""The interface of synthesis clients."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, TypeVar

import anyio
import anyio.to_thread

from voicewire.errors import ProviderUnavailable, SessionClosed, VoicewireError
from voicewire.speech.audio_out import SoundEncoder, SoundFileWriter, sound_format
from voicewire.speech.callbacks import TtsCallbacks
from voicewire.speech.config import TtsConfig, refuse_unless
from voicewire.speech.results import Bookmark, SynthesizedAudio, TtsEvent, Viseme, WordBoundary
from voicewire.speech.session import SpeechSession
from voicewire.speech.states import LIVE, RealtimeType
from voicewire.speech.tool import RealtimeTool

TtsConfigT = TypeVar("TtsConfigT", bound=TtsConfig)
TtsSession = SpeechSession[str, TtsEvent]
MAX_TEXT_CHARS: Final = 200_000
"""Text that may wait for a voice; more of it is refused, never dropped."""
_PIECE_CHARS: Final = 4000


class TtsClient(RealtimeTool[str, TtsEvent], Generic[TtsConfigT]):
    """Text in, audio out.

    Text is never dropped: ``send`` waits for room, ``send_text_data`` refuses.

    Args:
        config: Which voice, and what comes out.
        callbacks: The application's functions.
    """

    config: TtsConfigT
    callbacks: TtsCallbacks

    def __init__(self, config: TtsConfigT, callbacks: TtsCallbacks | None = None) -> None:
        refuse_unless(
            config.bits_per_sample in (None, 16),
            f"bits_per_sample is {config.bits_per_sample!r}",
            "audio is made with 16 bits; convert it with write_audio()",
        )
        refuse_unless(
            config.nb_channels in (None, 1), f"nb_channels is {config.nb_channels!r}", "voices are mono"
        )
        sound_format(config.format)
        super().__init__(RealtimeType.TTS, config, callbacks or TtsCallbacks())
        self.spoken_s = 0.0
        """Length of what the session has said so far; what a service encodes itself does not count."""

    def set_chat_id(self, chat_id: str | None = None) -> None:
        """Labels the audio of sessions that start from now on."""
        self.config = self.config.model_copy(update={"chat_id": chat_id})

    def send_text_data(self, text: str) -> None:
        """Sends text without waiting, from any thread; what comes before the session runs is kept.

        Raises:
            SessionClosed: The client was not started, or takes no more text.
            BackpressureError: More than 200,000 characters wait.
        """
        if self._session is None or self._state not in LIVE:
            raise SessionClosed(
                f"{type(self).__name__} is {self._state.value}; start() it before sending text"
            )
        if text:
            self._session.offer(text)

    async def send(self, text: str) -> None:
        """Sends text; waits while the buffer is full.

        Raises:
            SessionClosed: The session takes no more text.

        Cancellation: safe; the text was taken whole or not at all.
        """
        if text:
            await self._required().put(text)

    async def flush(self) -> None:
        """Has everything said that was sent, although its last sentence may go on; without effect where none can."""

    async def synthesize(self, text: str) -> bytes:
        """Says a text in a session of its own.

        Returns:
            The audio in the format of the configuration; a WAV's header tells its length.

        Raises:
            VoicewireError: The session failed.
        """
        data = bytearray()
        worker = self._worker({"wav_header": "exact"})
        async with saying(worker, text):
            async for event in worker:
                if isinstance(event, SynthesizedAudio):
                    data += event.data
        return bytes(data)

    async def synthesize_file(self, text: str, path: str | os.PathLike[str]) -> int:
        """Says a text into a WAV, MP3, OGG, FLAC or PCM file, with a right header, in constant memory.

        Returns:
            Length of the audio, in ms.

        Raises:
            ConfigError: The suffix is none of these.
            AudioError: The file cannot be written.
            VoicewireError: The session failed.
        """
        rate_hz = self.config.sample_rate or 24000
        worker = self._worker({"format": "pcm"})
        writer = SoundFileWriter(path, rate_hz)
        is_whole = False
        try:
            async with saying(worker, text):
                async for event in worker:
                    if isinstance(event, SynthesizedAudio):
                        writer.write(event.data)
            is_whole = True
        finally:
            writer.close(keep=is_whole)
        return writer.samples * 1000 // rate_hz

    @abstractmethod
    def with_config(self, config: TtsConfigT) -> TtsClient[TtsConfigT]:
        """A client of the same kind without the application's callbacks."""

    def _worker(self, update: dict[str, Any]) -> TtsClient[TtsConfigT]:
        return self.with_config(self.config.model_copy(update=update))

    def _new_session(self, *, is_iterated: bool) -> TtsSession:
        return SpeechSession(
            type(self).__name__,
            self.callbacks,
            max_input=MAX_TEXT_CHARS,
            drops_oldest=False,
            is_iterated=is_iterated,
            chat_id=self.config.chat_id,
        )

    async def _tell(self, session: TtsSession, event: TtsEvent) -> None:
        """Reports audio or a mark in it."""
        await session.emit(event)
        match event:
            case SynthesizedAudio():
                await session.call("on_data", event.data, event.chat_id, event.index)
                await session.call("on_synthesizing", event)
            case WordBoundary():
                await session.call("on_word_boundary", event)
            case Viseme():
                await session.call("on_viseme_received", event)
            case Bookmark():
                return

    async def _tell_end(self, session: TtsSession, failure: VoicewireError | None) -> None:
        if failure is None:
            await session.call("on_complete", session.chat_id)
        else:
            await session.call("on_error", str(failure))
            await session.call("on_canceled")


class Mouth:
    """Where a session's samples go: encoded, numbered, reported. One for each session.

    Args:
        client: Who reports.
        session: The session.
        rate_hz: Rate of the samples.
        is_encoded: Whether all that comes has its format already.
    """

    def __init__(
        self, client: TtsClient[Any], session: TtsSession, rate_hz: int, *, is_encoded: bool = False
    ) -> None:
        config = client.config
        self._client = client
        self._session = session
        format = "pcm" if is_encoded else config.format
        self._encoder = SoundEncoder(format, rate_hz, exact_wav=config.wav_header == "exact")
        self._index = 0
        self._rate_hz = rate_hz
        client.spoken_s = 0.0
        self.has_spoken = False
        """Whether any audio came: from then on nothing can be said again."""

    async def speak(self, pcm16: bytes) -> None:
        """Audio of the voice."""
        self.has_spoken = self.has_spoken or bool(pcm16)
        self._client.spoken_s += len(pcm16) / 2 / self._rate_hz
        if self._encoder.is_costly:
            await self.pass_on(await anyio.to_thread.run_sync(self._encoder.push, pcm16))
        else:
            await self.pass_on(self._encoder.push(pcm16))

    async def pass_on(self, data: bytes) -> None:
        """Bytes that have their format already."""
        if data:
            event = SynthesizedAudio(data=data, index=self._index, chat_id=self._session.chat_id)
            self._index += 1
            await self._client._tell(self._session, event)

    async def finish(self) -> None:
        """No more audio comes."""
        await self.pass_on(self._encoder.finish())


class Script:
    """The text of a session, kept until something of it is heard: so long it can be sent again. One for each session.

    Args:
        session: Where the text comes from.
    """

    def __init__(self, session: TtsSession) -> None:
        self._session = session
        self._kept: list[str] = []
        self._sent = 0
        self._is_heard = False
        self._has_words = False
        self.has_ended = False
        """Whether the application has sent all of it, and all was taken."""

    def restart(self) -> None:
        """The text is sent again from its beginning, on another connection."""
        self._sent = 0

    def heard(self) -> None:
        """Audio came: nothing is sent again."""
        self._is_heard = True
        self._kept.clear()

    async def next(self) -> str | None:
        """The next piece; None at the end. Cancellation: safe, nothing is lost."""
        if self._sent < len(self._kept):
            self._sent += 1
            return self._kept[self._sent - 1]
        text = None if self.has_ended else await self._session.receive()
        if text is None:
            self.has_ended = True
            return None
        self._has_words = self._has_words or any(map(str.isalnum, text))
        if not self._is_heard:
            self._kept.append(text)
            self._sent += 1
        return text

    async def whole(self) -> str:
        """All of the text, once it has ended. Cancellation: safe, nothing is lost."""
        pieces: list[str] = []
        while (piece := await self.next()) is not None:
            pieces.append(piece)
        return "".join(pieces)

    def check_heard(self, provider: str) -> None:
        """Refuses an end at which words were sent and nothing was heard.

        Raises:
            ProviderUnavailable: It is one.
        """
        if self._has_words and not self._is_heard:
            raise ProviderUnavailable(
                f"{provider} ended the session without any audio; try again, or another voice",
                provider=provider,
                code="no_audio",
            )


@asynccontextmanager
async def saying(worker: TtsClient[Any], text: str) -> AsyncGenerator[None, None]:
    """A session that is sent the text while the block takes its audio."""
    failure: VoicewireError | None = None

    async def send() -> None:
        try:
            step = max(1, len(text)) if getattr(worker.config, "ssml", False) else _PIECE_CHARS
            for at in range(0, len(text), step):
                await worker.send(text[at : at + step])
            await worker.finish()
        except SessionClosed:
            return  # the session ended by itself; its events say how

    async with worker, anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        try:
            yield
        except VoicewireError as error:
            failure = error
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
