"""Recognition by Azure Speech, on the official SDK."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import anyio

from voicewire.errors import ProviderUnavailable, VoicewireError
from voicewire.speech.asr import AsrClient, AsrSession
from voicewire.speech.audio_in import PcmIntake
from voicewire.speech.azure_sdk import SILENT, Bridge, call, failure_of, let_go, load_sdk, speech_config
from voicewire.speech.backoff import wait_before
from voicewire.speech.callbacks import AzureAsrCallbacks
from voicewire.speech.config import SDK_HAS_NO_DOOR, AzureAsrConfig, refuse_recording, refuse_unless
from voicewire.speech.file_stream import FILE_RATE_HZ
from voicewire.speech.preprocess import AudioStep
from voicewire.speech.replay import ReplayBuffer
from voicewire.speech.results import AudioDropped, RecognitionEvent, Reconnected, SpokenWord

_TICKS_PER_MS: Final = 10_000
_AHEAD_S: Final = 10.0
"""The SDK keeps what it cannot send yet in memory, without a bound: no more than this is given to it ahead of time."""
_SPEED: Final = 2.0
"""The SDK sends at twice real time; faster input would only fill its memory."""
_AFTER_UTTERANCE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class _Words:
    is_final: bool
    text: str
    offset_ticks: int
    duration_ticks: int
    json: str
    speaker: str


@dataclass(frozen=True, slots=True)
class _Connected:
    session_id: str


@dataclass(frozen=True, slots=True)
class _Canceled:
    is_error: bool
    code: str
    details: str


@dataclass(frozen=True, slots=True)
class _Stopped:
    pass


class AzureAsrClient(AsrClient[AzureAsrConfig]):
    """Recognition by Azure Speech: continuous or one utterance; speakers, confidence, word times where asked for.

    Needs the extra ``voicewire[azure-speech]``. The SDK reconnects and sends unacknowledged audio again by itself. A
    service that falls silent it does not notice: then a new session is begun here, ``max_reconnects`` times without
    progress, with the audio that has no final result. A final that comes twice because of that is reported once.

    Args:
        config: Address, key, language, silence.
        callbacks: The application's functions.
        preprocess: Steps that the audio passes first.

    Raises:
        ConfigError: The SDK, the key or the address is missing.
        UnsupportedError: A field that cannot be honoured.
    """

    config: AzureAsrConfig

    def __init__(
        self,
        config: AzureAsrConfig | None = None,
        callbacks: AzureAsrCallbacks | None = None,
        *,
        preprocess: Sequence[AudioStep] = (),
    ) -> None:
        config = config or AzureAsrConfig()
        refuse_recording(config, SDK_HAS_NO_DOOR)
        super().__init__(config, callbacks or AzureAsrCallbacks(), preprocess=preprocess)
        self._sdk = load_sdk()
        refuse_unless(
            config.model is None, "model", "Azure has no model names; a custom model is endpoint_id"
        )
        refuse_unless(
            config.fast_vad_max_duration is None, "fast_vad_max_duration", "Azure has no such setting"
        )
        refuse_unless(
            not (config.identify_speakers and config.mode == "single"),
            "identify_speakers",
            "speakers are told apart in continuous recognition only",
        )
        self.intake(self._rate_hz)
        speech_config(self._sdk, config, "asr")

    @property
    def asr_request_id(self) -> str:
        """The id of the session, under the name of seed 000."""
        return self.request_id

    @property
    def _rate_hz(self) -> int:
        return self.config.sample_rate or 16000

    def for_files(self) -> AzureAsrClient:
        """A client for 16 kHz PCM; silence at a file's start does not end it."""
        update = {
            "format": "pcm",
            "sample_rate": FILE_RATE_HZ,
            "nb_channels": 1,
            "mode": "continuous",
            "initial_silence_timeout": None,
        }
        return AzureAsrClient(self.config.model_copy(update=update), preprocess=self.preprocess)

    async def _run(self, session: AsrSession) -> None:
        heard = _Heard(self._rate_hz, self.intake(self._rate_hz))
        attempt = 0
        while True:
            finals = heard.finals
            run = _Run(self, session, heard)
            try:
                await run.start(attempt)
                await run.both_ways()
                return
            except ProviderUnavailable as error:
                attempt = 1 if heard.finals > finals else attempt + 1
                if error.code != SILENT or attempt > self.config.max_reconnects:
                    raise
                heard.lost = str(error)
            finally:
                with anyio.CancelScope(shield=True):
                    await run.release()
            await wait_before(attempt)


class _Heard:
    """What outlives the service's session: the audio without a final result, and where the finals are.

    Args:
        rate_hz: Rate of the audio.
        intake: Turns what the application sends into it.
    """

    def __init__(self, rate_hz: int, intake: PcmIntake) -> None:
        self.replay = ReplayBuffer(rate_hz)
        self.intake = intake
        self.finals = 0
        self.last_end_ms = 0
        self.has_ended = False
        """Whether the application has sent all of its audio."""
        self.is_opened = False
        self.lost = ""


class _Run:
    """One session of the service, on SDK objects of its own."""

    def __init__(self, client: AzureAsrClient, session: AsrSession, heard: _Heard) -> None:
        self._client = client
        self._session = session
        self._heard = heard
        self._base_ms = heard.replay.start_ms
        self._config = client.config
        self._bridge = Bridge()
        self._held: list[Any] = []
        self._stream: Any = None
        self._recognizer: Any = None
        self._secrets: list[str] = []
        self._is_sent = False
        self._is_over = False
        self._has_utterance = False

    async def start(self, attempt: int) -> None:
        """Starts to recognise and waits until the service is connected.

        Args:
            attempt: Which one in a row without progress; 0 for the first session.

        Raises:
            VoicewireError: It did not.
        """
        await anyio.to_thread.run_sync(self._make)
        await call(self._begin)
        limit_s = self._config.connect_timeout_s + self._config.start_timeout_s
        while True:
            event = await self._bridge.event(lambda: True, limit_s, "although a session was asked for")
            match event:
                case _Connected(session_id):
                    self._client.request_id = session_id
                    await self._tell_opening(attempt)
                    return
                case _Canceled(is_error=True):
                    raise failure_of(event.code, event.details, self._secrets)
                case _:
                    continue

    async def _tell_opening(self, attempt: int) -> None:
        client, heard = self._client, self._heard
        if not heard.is_opened:
            heard.is_opened = True
            await client._opened(self._session)
            return
        if forgotten := heard.replay.take_forgotten():
            await self._session.emit(AudioDropped(dropped_bytes=forgotten))
            await self._session.call("on_overflow", forgotten)
        event = Reconnected(attempt=attempt, reason=heard.lost, replayed_ms=heard.replay.length_ms)
        await client._tell_reconnect(self._session, event)

    async def both_ways(self) -> None:
        """Sends audio and reports words to the end."""
        failure: VoicewireError | None = None
        async with anyio.create_task_group() as tasks:

            async def send() -> None:
                nonlocal failure
                try:
                    await self._send()
                except VoicewireError as error:
                    failure = error
                    tasks.cancel_scope.cancel()

            tasks.start_soon(send)
            try:
                await self._receive()
            except VoicewireError as error:
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def release(self) -> None:
        """Lets go of everything, whatever state the SDK is in."""
        if self._recognizer is None:
            return
        self._held.append(self._recognizer)
        self._recognizer = self._stream = None
        is_transcriber = self._config.identify_speakers
        needs_stop = not self._is_over and self._config.mode == "continuous"
        await let_go(
            self._held,
            stop=partial(_stop, is_transcriber=is_transcriber) if needs_stop else None,
            disconnect=partial(_disconnect, is_transcriber=is_transcriber),
        )

    def _make(self) -> None:
        sdk, config = self._client._sdk, self._config
        speech, self._secrets = speech_config(sdk, config, "asr")
        _apply(sdk, speech, config)
        audio_format = sdk.audio.AudioStreamFormat(
            samples_per_second=self._client._rate_hz, bits_per_sample=16, channels=1
        )
        self._stream = sdk.audio.PushAudioInputStream(audio_format)
        arguments: dict[str, Any] = {"audio_config": sdk.audio.AudioConfig(stream=self._stream)}
        if config.languages:
            detect = sdk.languageconfig.AutoDetectSourceLanguageConfig(languages=list(config.languages))
            arguments["auto_detect_source_language_config"] = detect
        if config.identify_speakers:
            self._recognizer = sdk.transcription.ConversationTranscriber(speech, **arguments)
        else:
            self._recognizer = sdk.SpeechRecognizer(speech, **arguments)
        if config.phrases:
            grammar = sdk.PhraseListGrammar.from_recognizer(self._recognizer)
            for phrase in config.phrases:
                grammar.addPhrase(phrase)
            if config.phrase_weight is not None:
                grammar.setWeight(config.phrase_weight)
            self._held.append(grammar)
        connection = sdk.Connection.from_recognizer(self._recognizer)
        _connect(self._bridge, self._recognizer, connection, is_transcriber=config.identify_speakers)
        self._held += [connection, self._recognizer, self._stream, speech]

    def _begin(self) -> None:
        if self._config.mode == "single":
            self._held.append(self._recognizer.recognize_once_async())
        else:
            _method(self._recognizer, "start", is_transcriber=self._config.identify_speakers)().get()

    async def _send(self) -> None:
        heard, rate_hz = self._heard, self._client._rate_hz
        began = anyio.current_time()
        sent_s = 0.0
        pcm16 = heard.replay.audio()
        while True:
            for at in range(0, len(pcm16), 2 * rate_hz):
                piece = pcm16[at : at + 2 * rate_hz]
                self._stream.write(piece)
                sent_s += len(piece) / 2 / rate_hz
                ahead_s = sent_s - _AHEAD_S - _SPEED * (anyio.current_time() - began)
                if ahead_s > 0:
                    await anyio.sleep(ahead_s / _SPEED)
            if heard.has_ended:
                self._stream.close()
                self._is_sent = True
                return
            data = await self._client._receive(self._session)
            pcm16 = heard.intake.flush() if data is None else heard.intake.push(data)
            # Kept before it is sent: what a silent service swallows is sent again.
            heard.replay.append(pcm16)
            heard.has_ended = data is None

    async def _receive(self) -> None:
        limit_s = self._config.finish_timeout_s
        while True:
            try:
                event = await self._bridge.event(
                    lambda: self._is_sent, limit_s, "although all audio was sent"
                )
            except ProviderUnavailable:
                if self._has_utterance:
                    return
                raise
            match event:
                case _Words():
                    if self._has_utterance:
                        continue
                    await self._tell(event)
                    if event.is_final and event.text and self._config.mode == "single":
                        # The turn's end is waited for, but not for long: what was asked for is there.
                        self._is_sent, self._has_utterance, limit_s = True, True, _AFTER_UTTERANCE_S
                case _Canceled(is_error=True):
                    self._is_over = True
                    raise failure_of(event.code, event.details, self._secrets)
                case _Stopped() | _Canceled():
                    self._is_over = True
                    return
                case _:
                    continue

    async def _tell(self, words: _Words) -> None:
        heard = self._heard
        end_ms = self._base_ms + (words.offset_ticks + words.duration_ticks) // _TICKS_PER_MS
        if words.is_final:
            if not words.text or (heard.finals and end_ms <= heard.last_end_ms):
                return  # nothing was understood; or audio was sent again, and heard again
            heard.finals += 1
            heard.last_end_ms = end_ms
            heard.replay.acknowledge(end_ms)
        if words.text:
            await self._client._tell(self._session, _event_of(words, self._base_ms))


def _apply(sdk: Any, speech: Any, config: AzureAsrConfig) -> None:
    """Every setting of the configuration that the SDK has a name for."""
    names = sdk.PropertyId
    if config.language and not config.languages:
        speech.speech_recognition_language = config.language
    if config.initial_silence_timeout is not None:
        speech.set_property(
            names.SpeechServiceConnection_InitialSilenceTimeoutMs, str(config.initial_silence_timeout)
        )
    if config.end_silence_ms is not None:
        speech.set_property(names.SpeechServiceConnection_EndSilenceTimeoutMs, str(config.end_silence_ms))
        if 100 <= config.end_silence_ms <= 5000:
            speech.set_property(names.Speech_SegmentationSilenceTimeoutMs, str(config.end_silence_ms))
    if config.is_detailed:
        speech.output_format = sdk.OutputFormat.Detailed
        speech.request_word_level_timestamps()
    profanity = {"masked": "Masked", "removed": "Removed", "raw": "Raw"}[config.profanity]
    speech.set_profanity(getattr(sdk.ProfanityOption, profanity))


def _connect(bridge: Bridge, recognizer: Any, connection: Any, *, is_transcriber: bool) -> None:
    """The SDK's events; the functions hold the bridge only."""

    def words(event: Any, is_final: bool) -> None:
        result = event.result
        found = _Words(
            is_final,
            str(result.text or ""),
            int(result.offset),
            int(result.duration),
            str(result.json or "{}") if is_final else "{}",
            str(getattr(result, "speaker_id", "") or ""),
        )
        bridge.post(found)

    def canceled(event: Any) -> None:
        details = event.cancellation_details
        is_error = str(details.reason).endswith("Error")
        code = str(details.code).rpartition(".")[2]
        bridge.post(_Canceled(is_error, code, str(details.error_details or "")))

    def partial(event: Any) -> None:
        words(event, False)

    def final(event: Any) -> None:
        words(event, True)

    def stopped(event: Any) -> None:
        bridge.post(_Stopped())

    def connected(event: Any) -> None:
        bridge.post(_Connected(str(event.session_id)))

    (recognizer.transcribing if is_transcriber else recognizer.recognizing).connect(partial)
    (recognizer.transcribed if is_transcriber else recognizer.recognized).connect(final)
    recognizer.canceled.connect(canceled)
    recognizer.session_stopped.connect(stopped)
    connection.connected.connect(connected)


def _method(recognizer: Any, verb: str, *, is_transcriber: bool) -> Any:
    name = "transcribing" if is_transcriber else "continuous_recognition"
    return getattr(recognizer, f"{verb}_{name}_async")


def _stop(recognizer: Any, *, is_transcriber: bool) -> None:
    _method(recognizer, "stop", is_transcriber=is_transcriber)().get()


def _disconnect(recognizer: Any, *, is_transcriber: bool) -> None:
    words = ("transcribing", "transcribed") if is_transcriber else ("recognizing", "recognized")
    for name in (*words, "canceled", "session_stopped"):
        getattr(recognizer, name).disconnect_all()


def _event_of(words: _Words, base_ms: int) -> RecognitionEvent:
    try:
        body: dict[str, Any] = json.loads(words.json)
    except ValueError:
        body = {}
    alternatives: list[dict[str, Any]] = body.get("NBest") or [{}]
    best = alternatives[0]
    confidence = best.get("Confidence")
    spoken = tuple(_word_of(word, base_ms) for word in best.get("Words") or ())
    language: dict[str, Any] = body.get("PrimaryLanguage") or {}
    return RecognitionEvent(
        text=words.text,
        is_final=words.is_final,
        start_ms=base_ms + words.offset_ticks // _TICKS_PER_MS,
        end_ms=base_ms + (words.offset_ticks + words.duration_ticks) // _TICKS_PER_MS,
        confidence=float(confidence) if confidence is not None else None,
        words=spoken,
        speaker=words.speaker,
        language=str(language.get("Language", "")),
    )


def _word_of(word: dict[str, Any], base_ms: int) -> SpokenWord:
    start_ticks = int(word.get("Offset", 0))
    return SpokenWord(
        text=str(word.get("Word", "")),
        start_ms=base_ms + start_ticks // _TICKS_PER_MS,
        end_ms=base_ms + (start_ticks + int(word.get("Duration", 0))) // _TICKS_PER_MS,
        confidence=word.get("Confidence"),
    )
