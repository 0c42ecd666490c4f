"""Recognition by any realtime model: a transcription session of OpenAI, or whatever `create_model` makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import anyio

from voicewire.errors import ConfigError, ConnectionLost, ProviderError, ProviderUnavailable, VoicewireError
from voicewire.events.base import MediaFormat
from voicewire.events.commands import AppendAudio, ClearAudio, CommitAudio
from voicewire.events.model import (
    ModelErrorEvent,
    ModelInputClearedEvent,
    ModelInputCommittedEvent,
    ModelInputDoneEvent,
    ModelInputStartedEvent,
    ModelInputTranscriptionDeltaEvent,
    ModelInputTranscriptionDoneEvent,
    ModelInputTranscriptionFailedEvent,
    WebsocketConnectEvent,
)
from voicewire.events.session import SessionConfig, Transcription, TurnDetection
from voicewire.models.linked import LinkedModel
from voicewire.models.model import RealtimeConnection, RealtimeModel
from voicewire.models.registry import create_model
from voicewire.settings import get_settings
from voicewire.speech.asr import AsrClient, AsrSession
from voicewire.speech.callbacks import AsrCallbacks
from voicewire.speech.config import AsrConfig, OpenAITranscriptionConfig, refuse_recording, refuse_unless
from voicewire.speech.file_stream import FILE_RATE_HZ
from voicewire.speech.preprocess import AudioStep
from voicewire.speech.results import RecognitionEvent
from voicewire.transport.policies import ReconnectPolicy

_LAST_COMMIT: Final = "speech-last-commit"
_PIECE_MS: Final = 200


@dataclass(slots=True)
class _Item:
    """One utterance on its way."""

    start_ms: int = 0
    end_ms: int = 0
    text: str = ""
    was_heard: bool = False
    """The model found speech in it; else it is the silence behind the last word."""
    is_committed: bool = False
    """It will have a transcript, or the news that there is none."""


class ModelAsrClient(AsrClient[AsrConfig]):
    """Any realtime model as a recogniser: its transcripts of the user are the results.

    Confidence is None: no realtime wire has one.

    Args:
        model: The model; one that transcribes.
        config: Language, rate, silence.
        callbacks: The application's functions.
        preprocess: Steps that the audio passes first.

    Raises:
        UnsupportedError: The model does not transcribe.
    """

    def __init__(
        self,
        model: RealtimeModel,
        config: AsrConfig | None = None,
        callbacks: AsrCallbacks | None = None,
        *,
        preprocess: Sequence[AudioStep] = (),
    ) -> None:
        super().__init__(config or AsrConfig(), callbacks, preprocess=preprocess)
        self._model = model
        if not isinstance(self.config, OpenAITranscriptionConfig):
            refuse_recording(self.config, "give it to the model: create_model(NAME, record=FILE)")
        capabilities = model.capabilities
        refuse_unless(
            capabilities.supports_input_transcription, f"the model {model.name!r}", "it does not transcribe"
        )
        rates = capabilities.input_rates_hz
        wanted = self.config.sample_rate or 16000
        self._rate_hz = wanted if wanted in rates else rates[0]
        self.intake(self._rate_hz)

    def for_files(self) -> ModelAsrClient:
        """A client for 16 kHz PCM."""
        update = {"format": "pcm", "sample_rate": FILE_RATE_HZ, "nb_channels": 1}
        return ModelAsrClient(self._model, self.config.model_copy(update=update), preprocess=self.preprocess)

    def _session_config(self) -> SessionConfig:
        silence_ms = self.config.end_silence_ms
        return SessionConfig(
            input_format=MediaFormat("audio/pcm", self._rate_hz),
            transcription=Transcription(
                model=self.config.model,
                language=self.config.language.split("-")[0] if self.config.language else None,
                prompt=getattr(self.config, "prompt", None),
            ),
            turn_detection=TurnDetection(silence_duration_ms=silence_ms, create_response=False),
            is_transcription_only=True,
        )

    async def _run(self, session: AsrSession) -> None:
        failure: VoicewireError | None = None
        async with self._model.open(config=self._session_config()) as connection:
            self.request_id = connection.session_id
            await self._opened(session)
            reader = _Reader(self, session)
            async with anyio.create_task_group() as tasks:

                async def read() -> None:
                    await reader.read(connection)
                    if reader.failure is not None:
                        tasks.cancel_scope.cancel()

                try:
                    tasks.start_soon(read)
                    await self._send(session, connection)
                    reader.is_all_sent = True
                    with anyio.move_on_after(self.stop_timeout_s()) as limit:
                        await reader.is_done.wait()
                    if limit.cancelled_caught:
                        failure = ProviderUnavailable(
                            f"{self._model.name} gave no last transcript within {self.stop_timeout_s():g} s"
                        )
                except VoicewireError as error:
                    failure = error
                tasks.cancel_scope.cancel()
            failure = reader.failure or failure
        if failure is not None:
            raise failure

    async def _send(self, session: AsrSession, connection: RealtimeConnection) -> None:
        intake = self.intake(self._rate_hz)
        step = 2 * (self._rate_hz * _PIECE_MS // 1000)
        while True:
            data = await self._receive(session)
            pcm16 = intake.flush() if data is None else intake.push(data)
            for at in range(0, len(pcm16), step):
                await connection.send(AppendAudio(pcm16[at : at + step], self._rate_hz))
            if data is None:
                break
        await _ask_for_the_last(connection)


async def _ask_for_the_last(connection: RealtimeConnection) -> None:
    """Ends the last turn. Turns may be committed by the model, too: the second answer tells that all are known."""
    await connection.send(CommitAudio(respond=False, command_id=_LAST_COMMIT))
    await connection.send(ClearAudio())


class _Reader:
    """Turns the model's events into words; knows when nothing more can come."""

    def __init__(self, client: ModelAsrClient, session: AsrSession) -> None:
        self._client = client
        self._session = session
        self._items: dict[str, _Item] = {}
        self._last_is_known = False
        self._was_too_short = False
        self.is_all_sent = False
        self.failure: VoicewireError | None = None
        self.is_done = anyio.Event()

    async def read(self, connection: RealtimeConnection) -> None:
        """Reads to the end of the session."""
        try:
            async for event in connection:
                if isinstance(event, WebsocketConnectEvent) and self.is_all_sent:
                    await _ask_for_the_last(
                        connection
                    )  # the connection was lost with the request, and made again
                await self._take(event)
                if self._last_is_known and not self._items:
                    self.is_done.set()
        except VoicewireError as error:
            self.failure = error
        if not self.is_done.is_set():
            self.failure = self.failure or ConnectionLost(
                "the model ended the session before all was recognised"
            )
        self.is_done.set()

    async def _take(self, event: object) -> None:
        match event:
            case ModelInputStartedEvent():
                item = self._item(event.item_id)
                item.start_ms, item.was_heard = event.audio_start_ms, True
            case ModelInputDoneEvent():
                self._item(event.item_id).end_ms = event.audio_end_ms
            case ModelInputCommittedEvent():
                self._item(event.item_id).is_committed = True
            case ModelInputClearedEvent():
                if self._was_too_short:
                    # There was too little to commit: what had begun was thrown away and will have no transcript.
                    self._items = {key: item for key, item in self._items.items() if item.is_committed}
                self._last_is_known = True
            case ModelInputTranscriptionDeltaEvent():
                item = self._item(event.item_id)
                item.text = event.delta if event.is_revision else item.text + event.delta
                if item.text and item.was_heard:
                    await self._tell(item, item.text, is_final=False)
            case ModelInputTranscriptionDoneEvent():
                item = self._items.pop(event.item_id, _Item())
                if event.transcript and item.was_heard:
                    await self._tell(item, event.transcript, is_final=True)
            case ModelInputTranscriptionFailedEvent():
                self._items.pop(event.item_id, None)
            case ModelErrorEvent() if event.command_id == _LAST_COMMIT or "commit_empty" in event.code:
                self._last_is_known = self._was_too_short = True  # there was nothing left to commit
            case ModelErrorEvent():
                self.failure = ProviderError(event.message, code=event.code)
                self.is_done.set()
            case _:
                return

    def _item(self, item_id: str) -> _Item:
        return self._items.setdefault(item_id, _Item())

    async def _tell(self, item: _Item, text: str, *, is_final: bool) -> None:
        await self._client._tell(
            self._session,
            RecognitionEvent(text=text, is_final=is_final, start_ms=item.start_ms, end_ms=item.end_ms),
        )


class OpenAITranscriptionClient(ModelAsrClient):
    """OpenAI's realtime transcription as a client.

    Args:
        config: Model, key, address, language, silence.
        callbacks: The application's functions.
        preprocess: Steps that the audio passes first.

    Raises:
        ConfigError: No key.
        UnsupportedError: A field that this service cannot honour.
    """

    def __init__(
        self,
        config: OpenAITranscriptionConfig | None = None,
        callbacks: AsrCallbacks | None = None,
        *,
        preprocess: Sequence[AudioStep] = (),
    ) -> None:
        config = config or OpenAITranscriptionConfig()
        if not (config.api_key or config.base_url or get_settings().secret("openai_api_key")):
            raise ConfigError("there is no key for OpenAI: set OPENAI_API_KEY, or give api_key")
        options: dict[str, Any] = {}
        if config.api_key is not None:
            options["api_key"] = config.api_key
        if config.base_url is not None:
            options["base_url"] = config.base_url
        model = create_model("openai:gpt-realtime", **options)
        if isinstance(model, LinkedModel):
            policy = ReconnectPolicy(max_attempts=config.max_reconnects, max_history_items=0)
            model.set_link(reconnect=policy, record=config.record, record_audio=config.record_audio)
        refuse_unless(
            not config.initial_silence_timeout, "initial_silence_timeout", "OpenAI has no such setting"
        )
        refuse_unless(
            config.fast_vad_max_duration is None, "fast_vad_max_duration", "OpenAI has no such setting"
        )
        super().__init__(model, config, callbacks, preprocess=preprocess)
