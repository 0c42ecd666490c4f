"""ModelStudio's recognisers: Paraformer, Fun-ASR, Gummy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import anyio

from voicewire.errors import VoicewireError
from voicewire.protocols.dashscope_task.wire import Sentence, TaskFinished, TaskKind
from voicewire.speech.asr import AsrClient, AsrSession
from voicewire.speech.audio_in import RAW_FORMATS
from voicewire.speech.backoff import wait_before
from voicewire.speech.callbacks import AsrCallbacks
from voicewire.speech.config import ModelstudioAsrConfig, refuse_unless
from voicewire.speech.file_stream import FILE_RATE_HZ
from voicewire.speech.modelstudio_link import LinkKeeper, TaskLink, both_ways, new_task, recorder_of
from voicewire.speech.preprocess import AudioStep
from voicewire.speech.replay import ReplayBuffer
from voicewire.speech.results import AudioDropped, RecognitionEvent, Reconnected, SpokenWord
from voicewire.transport.options import Wrap

_COMPRESSED: Final = frozenset({"mp3", "opus", "speex", "aac", "amr"})
_PIECE_BYTES: Final = 3200
_SILENCE_RANGE_MS: Final = (200, 6000)
_SWITCHES: Final = (
    "disfluency_removal_enabled",
    "semantic_punctuation_enabled",
    "punctuation_prediction_enabled",
    "inverse_text_normalization_enabled",
    "multi_threshold_mode_enabled",
    "heartbeat",
)


class ModelstudioAsrClient(AsrClient[ModelstudioAsrConfig]):
    """Recognition by ModelStudio. A lost connection is made again, and audio without a final result is sent again.

    Confidence is always None: no model of this service gives one. Compressed formats are handed through as they are;
    they cannot be sent again, so a lost connection ends their session.

    Args:
        config: Model, language, silence, what the audio is.
        callbacks: The application's functions.
        preprocess: Steps that the audio passes first.
        wrap: Stands between each connection and the client, such as ``FaultInjector().wrap``.

    Raises:
        ConfigError: No key.
        UnsupportedError: A field that this service cannot honour.
    """

    config: ModelstudioAsrConfig

    def __init__(
        self,
        config: ModelstudioAsrConfig | None = None,
        callbacks: AsrCallbacks | None = None,
        *,
        preprocess: Sequence[AudioStep] = (),
        wrap: Wrap | None = None,
    ) -> None:
        config = config or ModelstudioAsrConfig()
        super().__init__(config, callbacks, preprocess=preprocess)
        refuse_unless(
            not config.initial_silence_timeout,
            "initial_silence_timeout",
            "ModelStudio has no such limit; it ends a silent session after 60 s unless heartbeat is set",
        )
        self._is_raw = (config.format or "pcm").lower() in RAW_FORMATS
        if self._is_raw:
            self.intake(self._rate_hz)
        else:
            refuse_unless(
                (config.format or "").lower() in _COMPRESSED,
                f"format is {config.format!r}",
                f"use pcm, wav, {', '.join(sorted(_COMPRESSED))}",
            )
            refuse_unless(not preprocess, "preprocess", "compressed audio is handed through as it is")
        self.parameters()
        self._wrap = wrap
        self._keeper = LinkKeeper(config, config, wrap=wrap, recorder=recorder_of(config))

    @property
    def asr_request_id(self) -> str:
        """The id of the task, under the name of seed 000."""
        return self.request_id

    def for_files(self) -> ModelstudioAsrClient:
        """A client for 16 kHz PCM."""
        update = {"format": "pcm", "sample_rate": FILE_RATE_HZ, "nb_channels": 1}
        config = self.config.model_copy(update=update)
        client = ModelstudioAsrClient(config, preprocess=self.preprocess, wrap=self._wrap)
        client._keeper.recorder = self._keeper.recorder
        return client

    def close(self) -> None:
        """Ends the session at once and lets go of a connection that was kept; see `RealtimeTool.close`."""
        super().close()
        self._keeper.drop()

    async def aclose(self) -> None:
        """Ends everything and waits for it."""
        await self._keeper.aclose()
        await super().aclose()

    @property
    def _kind(self) -> TaskKind:
        return "translation" if (self.config.model or "").startswith("gummy") else "asr"

    @property
    def _rate_hz(self) -> int:
        return self.config.sample_rate or 16000

    def parameters(self) -> dict[str, Any]:
        """What the service is asked for.

        Raises:
            UnsupportedError: A field that this model does not have.
        """
        config = self.config
        asked: dict[str, Any] = {
            "format": "pcm" if self._is_raw else config.format,
            "sample_rate": self._rate_hz,
        }
        if config.vocabulary_id:
            asked["vocabulary_id"] = config.vocabulary_id
        if self._kind == "translation":
            self._ask_gummy(asked)
        else:
            self._ask_paraformer(asked)
        return {**asked, **config.parameters}

    def _ask_gummy(self, asked: dict[str, Any]) -> None:
        config = self.config
        for name in _SWITCHES:
            refuse_unless(getattr(config, name) is None, name, "Gummy does not have it")
        targets = config.translation_target_languages
        asked["source_language"] = _language(config.language) or "auto"
        asked["transcription_enabled"] = True
        asked["translation_enabled"] = bool(targets)
        if targets:
            asked["translation_target_languages"] = targets
        for name in ("fast_vad_min_duration", "fast_vad_max_duration"):
            if name in config.model_fields_set and getattr(config, name) is not None:
                asked[name] = getattr(config, name)
        if config.end_silence_ms is not None:
            asked["max_end_silence"] = config.end_silence_ms

    def _ask_paraformer(self, asked: dict[str, Any]) -> None:
        config = self.config
        refuse_unless(
            not config.translation_target_languages,
            "translation_target_languages",
            "only Gummy translates; use model='gummy-realtime-v1'",
        )
        language = _language(config.language)
        hints = config.language_hints or ([language] if language else None)
        if hints:
            asked["language_hints"] = hints
        if config.end_silence_ms is not None:
            low, high = _SILENCE_RANGE_MS
            refuse_unless(
                low <= config.end_silence_ms <= high,
                f"max_end_silence is {config.end_silence_ms}",
                f"the service takes {low} to {high} ms",
            )
            asked["max_sentence_silence"] = config.end_silence_ms
        for name in _SWITCHES:
            if getattr(config, name) is not None:
                asked[name] = getattr(config, name)

    async def _run(self, session: AsrSession) -> None:
        run = _Run(self, session)
        attempt = 0
        while True:
            progress = run.finals
            try:
                await run.one_connection(attempt)
                return
            except VoicewireError as error:
                attempt = 1 if run.finals > progress else attempt + 1
                if not error.retryable or attempt > self.config.max_reconnects or not self._is_raw:
                    raise
                run.lost = str(error)
            await wait_before(attempt)


class _Run:
    """One session, over as many connections as it takes."""

    def __init__(self, client: ModelstudioAsrClient, session: AsrSession) -> None:
        self.finals = 0
        self.lost = ""
        self._client = client
        self._session = session
        self._config = client.config
        self._replay = ReplayBuffer(client._rate_hz)
        self._intake = client.intake(client._rate_hz) if client._is_raw else None
        self._base_ms = 0
        self._settled_ms = 0
        self._has_ended = False
        self._is_finished = False
        self._is_opened = False

    async def one_connection(self, attempt: int) -> None:
        """Runs a task on one connection to its end.

        Raises:
            VoicewireError: It ended early; retryable ones may be tried again.
        """
        client, config = self._client, self._config
        link = await client._keeper.link()
        is_whole = False
        try:
            task = new_task(config.model or "", client._kind, client.parameters())
            resources: tuple[dict[str, Any], ...] = ()
            if config.phrase_id:
                resources = ({"resource_id": config.phrase_id, "resource_type": "asr_phrase"},)
            await link.begin(task, config.start_timeout_s, resources)
            client.request_id = task.task_id
            await self._tell_opening(attempt)
            await self._both_ways(link)
            is_whole = True
        finally:
            if is_whole:
                await client._keeper.give_back(link)
            else:
                with anyio.CancelScope(shield=True):
                    await link.aclose()

    async def _tell_opening(self, attempt: int) -> None:
        self._base_ms = self._replay.start_ms
        if not self._is_opened:
            self._is_opened = True
            await self._client._opened(self._session)
            return
        if forgotten := self._replay.take_forgotten():
            await self._session.emit(AudioDropped(dropped_bytes=forgotten))
            await self._session.call("on_overflow", forgotten)
        event = Reconnected(attempt=attempt, reason=self.lost, replayed_ms=self._replay.length_ms)
        await self._client._tell_reconnect(self._session, event)

    async def _both_ways(self, link: TaskLink) -> None:
        self._is_finished = False
        await both_ways(lambda: self._send(link), lambda: self._receive(link))

    async def _send(self, link: TaskLink) -> None:
        again = self._replay.audio()
        for at in range(0, len(again), _PIECE_BYTES):
            await link.send(again[at : at + _PIECE_BYTES])
        while not self._has_ended:
            data = await self._client._receive(self._session)
            if self._intake is not None:
                pcm16 = self._intake.flush() if data is None else self._intake.push(data)
                # Kept before it is sent: what a dying connection swallows is sent again.
                self._replay.append(pcm16)
            else:
                pcm16 = data or b""
            self._has_ended = data is None
            for at in range(0, len(pcm16), _PIECE_BYTES):
                await link.send(pcm16[at : at + _PIECE_BYTES])
        await link.send(link.codec.finish())
        self._is_finished = True

    async def _receive(self, link: TaskLink) -> None:
        limit_s = self._config.finish_timeout_s
        while True:
            event = await link.patient_event(lambda: self._is_finished, limit_s)
            match event:
                case Sentence():
                    await self._tell(event)
                case TaskFinished():
                    return
                case _:
                    continue

    async def _tell(self, sentence: Sentence) -> None:
        base = self._base_ms
        end_ms = base + (sentence.end_ms if sentence.end_ms is not None else sentence.begin_ms)
        if self.finals and end_ms <= self._settled_ms:
            return  # it came twice, or late
        words = tuple(
            SpokenWord(
                text=word.text,
                start_ms=base + word.begin_ms,
                end_ms=base + word.end_ms,
                punctuation=word.punctuation,
                speaker=word.speaker,
            )
            for word in sentence.words
        )
        if sentence.is_end:
            self.finals += 1
            self._settled_ms = end_ms
            self._replay.acknowledge(end_ms)
        await self._client._tell(
            self._session,
            RecognitionEvent(
                text=sentence.text,
                is_final=sentence.is_end,
                start_ms=base + sentence.begin_ms,
                end_ms=end_ms,
                words=words,
                translations=sentence.translations,
            ),
        )


def _language(name: str | None) -> str | None:
    """``zh`` of ``zh-CN``: this service knows languages without regions."""
    return name.split("-")[0].lower() if name else None
