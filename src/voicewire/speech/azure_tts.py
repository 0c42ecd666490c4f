"""Synthesis by Azure Speech, on the official SDK."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import anyio

from voicewire.errors import VoicewireError
from voicewire.speech.audio_out import sound_format
from voicewire.speech.azure_sdk import Bridge, call, failure_of, let_go, load_sdk, speech_config
from voicewire.speech.backoff import wait_before
from voicewire.speech.callbacks import AzureTtsCallbacks
from voicewire.speech.config import (
    AZURE_VOICE,
    SDK_HAS_NO_DOOR,
    AzureTtsConfig,
    refuse_recording,
    refuse_unless,
)
from voicewire.speech.results import Bookmark, TtsEvent, Viseme, WordBoundary
from voicewire.speech.ssml import wrap_ssml
from voicewire.speech.tts import Mouth, Script, TtsClient, TtsSession

_TICKS_PER_MS: Final = 10_000
_RAW: Final = {
    8000: "Raw8Khz16BitMonoPcm",
    16000: "Raw16Khz16BitMonoPcm",
    22050: "Raw22050Hz16BitMonoPcm",
    24000: "Raw24Khz16BitMonoPcm",
    44100: "Raw44100Hz16BitMonoPcm",
    48000: "Raw48Khz16BitMonoPcm",
}
_MP3: Final = {
    16000: "Audio16Khz32KBitRateMonoMp3",
    24000: "Audio24Khz48KBitRateMonoMp3",
    48000: "Audio48Khz96KBitRateMonoMp3",
}
_OPUS: Final = {
    16000: "Ogg16Khz16BitMonoOpus",
    24000: "Ogg24Khz16BitMonoOpus",
    48000: "Ogg48Khz16BitMonoOpus",
}


@dataclass(frozen=True, slots=True)
class _Audio:
    data: bytes


@dataclass(frozen=True, slots=True)
class _Mark:
    event: TtsEvent


@dataclass(frozen=True, slots=True)
class _Done:
    pass


@dataclass(frozen=True, slots=True)
class _Canceled:
    code: str
    details: str


class AzureTtsClient(TtsClient[AzureTtsConfig]):
    """Synthesis by Azure Speech: neural voices, SSML, styles, streamed text, visemes, word boundaries. Reusable.

    Needs the extra ``voicewire[azure-speech]``. A session that broke before the first audio is made again.
    ``on_open`` says that text is taken: the SDK tells of its connection only once there is something to say.

    Args:
        config: Address, key, voice, format.
        callbacks: The application's functions.

    Raises:
        ConfigError: The SDK, the key or the address is missing.
        UnsupportedError: A field that cannot be honoured.
    """

    config: AzureTtsConfig

    def __init__(
        self, config: AzureTtsConfig | None = None, callbacks: AzureTtsCallbacks | None = None
    ) -> None:
        config = config or AzureTtsConfig()
        refuse_recording(config, SDK_HAS_NO_DOOR)
        super().__init__(config, callbacks or AzureTtsCallbacks())
        self._sdk = load_sdk()
        refuse_unless(config.model is None, "model", "Azure has no model names; a voice says it all")
        self.output_format()
        speech_config(self._sdk, config, "tts")

    @property
    def tts_request_id(self) -> str:
        """The id of the result, under the name of seed 000."""
        return self.request_id

    def with_config(self, config: AzureTtsConfig) -> AzureTtsClient:
        """A client of this configuration."""
        return AzureTtsClient(config)

    def output_format(self) -> str:
        """The SDK's name of what is asked for; a WAV's header is made here.

        Raises:
            UnsupportedError: Azure does not have the rate in this format.
        """
        wanted = sound_format(self.config.format)
        table = {"mp3": _MP3, "ogg": _OPUS}.get(wanted, _RAW)
        rate_hz = self.config.sample_rate or 16000
        refuse_unless(
            rate_hz in table,
            f"sample_rate is {rate_hz}",
            f"Azure makes {wanted} at {', '.join(map(str, table))} Hz",
        )
        return table[rate_hz]

    async def _run(self, session: TtsSession) -> None:
        config = self.config
        is_encoded = sound_format(config.format) in ("mp3", "ogg")
        mouth = Mouth(self, session, config.sample_rate or 16000, is_encoded=is_encoded)
        script = Script(session)
        attempt = 0
        await self._opened(session)
        while True:
            try:
                await self._attempt(session, mouth, script)
                await mouth.finish()
                return
            except VoicewireError as error:
                attempt += 1
                if not error.retryable or attempt > config.max_reconnects or mouth.has_spoken:
                    raise
            await wait_before(attempt)

    async def _attempt(self, session: TtsSession, mouth: Mouth, script: Script) -> None:
        run = _Run(self, session, mouth, script)
        script.restart()
        try:
            await anyio.to_thread.run_sync(run.make)
            await run.speak()
            script.check_heard("azure")
        finally:
            with anyio.CancelScope(shield=True):
                await run.release()


class _Run:
    """One attempt at a session, on SDK objects of its own."""

    def __init__(self, client: AzureTtsClient, session: TtsSession, mouth: Mouth, script: Script) -> None:
        config = client.config
        self._client = client
        self._session = session
        self._config = config
        self._bridge = Bridge()
        self._held: list[Any] = []
        self._synthesizer: Any = None
        self._secrets: list[str] = []
        self._is_sent = False
        self._is_over = False
        self._mouth = mouth
        self._script = script
        self._is_plain = (config.speech_rate, config.pitch_rate, config.volume) == (1.0, 1.0, 100) and not (
            config.style or config.ssml
        )

    def make(self) -> None:
        """Makes the SDK's objects. Blocking."""
        sdk, config = self._client._sdk, self._config
        speech, self._secrets = speech_config(sdk, config, "tts")
        speech.speech_synthesis_voice_name = config.voice or AZURE_VOICE
        speech.set_speech_synthesis_output_format(
            getattr(sdk.SpeechSynthesisOutputFormat, self._client.output_format())
        )
        self._synthesizer = sdk.SpeechSynthesizer(speech, audio_config=None)
        _connect(self._bridge, self._synthesizer, config)
        connection = sdk.Connection.from_speech_synthesizer(self._synthesizer)
        # The handshake is over before the first words come. This neither waits nor tells of a failure.
        connection.open(True)
        self._held += [connection, speech]

    async def speak(self) -> None:
        """Sends the text and reports the audio to the end.

        Raises:
            VoicewireError: It failed.
        """
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
        if self._synthesizer is None:
            return
        self._held.append(self._synthesizer)
        self._synthesizer = None
        await let_go(self._held, stop=None if self._is_over else _stop, disconnect=_disconnect)

    async def _send(self) -> None:
        sdk = self._client._sdk
        if self._is_plain and self._config.is_streaming_text:
            request = None
            while (text := await self._script.next()) is not None:
                if request is None:
                    kind = sdk.SpeechSynthesisRequestInputType.TextStream
                    request = sdk.SpeechSynthesisRequest(input_type=kind)
                    await self._begin(lambda made=request: self._synthesizer.speak_async(made))
                    self._held.append(request)
                request.input_stream.write(text)
            is_begun = request is not None
            if request is not None:
                request.input_stream.close()
        else:
            text = await self._script.whole()
            is_begun = bool(text.strip())
            if is_begun:
                await self._begin(lambda: self._synthesizer.speak_ssml_async(self._as_ssml(text)))
        self._is_sent = True
        if not is_begun:
            self._bridge.post(_Done())

    async def _begin(self, start: Any) -> None:
        """Starts in a thread; the future is kept, and never waited for: events tell the end."""

        def work() -> None:
            self._held.append(start())

        await call(work)

    def _as_ssml(self, text: str) -> str:
        config = self._config
        if config.ssml:
            return text
        voice = config.voice or AZURE_VOICE
        return wrap_ssml(
            text,
            voice=voice,
            language="-".join(voice.split("-")[:2]),
            style=config.style,
            style_degree=config.style_degree,
            speech_rate=config.speech_rate,
            pitch_rate=config.pitch_rate,
            volume=config.volume,
        )

    async def _receive(self) -> None:
        limit_s = self._config.finish_timeout_s
        while True:
            event = await self._bridge.event(lambda: self._is_sent, limit_s, "although all text was sent")
            match event:
                case _Audio(data):
                    self._script.heard()
                    await self._mouth.speak(data)
                case _Mark(mark):
                    await self._client._tell(self._session, mark)
                case _Canceled():
                    self._is_over = True
                    raise failure_of(event.code, event.details, self._secrets)
                case _:
                    self._is_over = True
                    return


def _stop(synthesizer: Any) -> None:
    synthesizer.stop_speaking_async().get()


def _disconnect(synthesizer: Any) -> None:
    for name in (
        "synthesizing", "synthesis_completed", "synthesis_canceled", "synthesis_word_boundary", "viseme_received",
        "bookmark_reached",
    ):  # fmt: skip
        getattr(synthesizer, name).disconnect_all()


def _connect(bridge: Bridge, synthesizer: Any, config: AzureTtsConfig) -> None:
    """The SDK's events; the functions hold the bridge only. What nobody asked for is not asked for."""

    def audio(event: Any) -> None:
        data = bytes(event.result.audio_data)
        if data:
            bridge.post(_Audio(data), len(data))

    def word(event: Any) -> None:
        start_ms = int(event.audio_offset) // _TICKS_PER_MS
        length_ms = int(event.duration.total_seconds() * 1000)
        boundary = WordBoundary(
            text=str(event.text),
            start_ms=start_ms,
            end_ms=start_ms + length_ms,
            text_offset=int(event.text_offset),
        )
        bridge.post(_Mark(boundary))

    def canceled(event: Any) -> None:
        details = event.result.cancellation_details
        code = str(details.error_code).rpartition(".")[2]
        bridge.post(_Canceled(code, str(details.error_details or "")))

    def completed(event: Any) -> None:
        bridge.post(_Done())

    def bookmark(event: Any) -> None:
        at_ms = int(event.audio_offset) // _TICKS_PER_MS
        bridge.post(_Mark(Bookmark(name=str(event.text), at_ms=at_ms)))

    def viseme(event: Any) -> None:
        at_ms = int(event.audio_offset) // _TICKS_PER_MS
        animation = str(event.animation or "")
        bridge.post(_Mark(Viseme(viseme_id=int(event.viseme_id), at_ms=at_ms, animation=animation)))

    synthesizer.synthesizing.connect(audio)
    synthesizer.synthesis_completed.connect(completed)
    synthesizer.synthesis_canceled.connect(canceled)
    synthesizer.bookmark_reached.connect(bookmark)
    if config.word_boundaries:
        synthesizer.synthesis_word_boundary.connect(word)
    if config.visemes:
        synthesizer.viseme_received.connect(viseme)
