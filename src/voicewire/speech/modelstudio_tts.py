"""ModelStudio's voices: CosyVoice and Sambert."""

from __future__ import annotations

from typing import Any, Final

import anyio

from voicewire.errors import VoicewireError
from voicewire.protocols.dashscope_task.wire import RawEvent, SpokenAudio, SpokenWords, TaskFinished, TaskKind
from voicewire.speech.audio_out import sound_format
from voicewire.speech.backoff import wait_before
from voicewire.speech.callbacks import TtsCallbacks
from voicewire.speech.config import ModelstudioTtsConfig, refuse_unless
from voicewire.speech.modelstudio_link import LinkKeeper, TaskLink, both_ways, new_task, recorder_of
from voicewire.speech.results import WordBoundary
from voicewire.speech.tts import Mouth, Script, TtsClient, TtsSession
from voicewire.transport.options import Wrap

_RATES_HZ: Final = (8000, 16000, 22050, 24000, 44100, 48000)
_PIECE_CHARS: Final = 2000
"""Well below the service's 20,000 for one piece."""


class ModelstudioTtsClient(TtsClient[ModelstudioTtsConfig]):
    """Synthesis by ModelStudio. Reusable; a connection that broke before the first audio is made again.

    Args:
        config: Model, voice, speed, pitch, volume, format.
        callbacks: The application's functions.
        wrap: Stands between each connection and the client, such as ``FaultInjector().wrap``.

    Raises:
        ConfigError: No key.
        UnsupportedError: A field that this service cannot honour.
    """

    config: ModelstudioTtsConfig

    def __init__(
        self,
        config: ModelstudioTtsConfig | None = None,
        callbacks: TtsCallbacks | None = None,
        *,
        wrap: Wrap | None = None,
    ) -> None:
        config = config or ModelstudioTtsConfig()
        super().__init__(config, callbacks)
        refuse_unless(
            config.sample_rate in _RATES_HZ,
            f"sample_rate is {config.sample_rate!r}",
            f"the service speaks at {', '.join(map(str, _RATES_HZ))} Hz",
        )
        self._wrap = wrap
        self._keeper = LinkKeeper(config, config, wrap=wrap, recorder=recorder_of(config))

    @property
    def tts_request_id(self) -> str:
        """The id of the task, under the name of seed 000."""
        return self.request_id

    def with_config(self, config: ModelstudioTtsConfig) -> ModelstudioTtsClient:
        """A client of this configuration."""
        client = ModelstudioTtsClient(config, wrap=self._wrap)
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
        return "sambert" if (self.config.model or "").startswith("sambert") else "tts"

    def parameters(self) -> dict[str, Any]:
        """What the service is asked for. A WAV's samples are asked for bare; its header is made here."""
        config = self.config
        wanted = sound_format(config.format)
        asked: dict[str, Any] = {
            "voice": config.voice,
            "volume": config.volume,
            "text_type": "PlainText",
            "sample_rate": config.sample_rate,
            "rate": config.speech_rate,
            "format": {"wav": "pcm", "ogg": "opus"}.get(wanted, wanted),
            "pitch": config.pitch_rate,
            "seed": config.seed,
            "type": 0,
        }
        optional = {
            "bit_rate": config.bit_rate,
            "enable_ssml": config.ssml or None,
            "instruction": config.instruction,
            "language_hints": config.language_hints,
            "word_timestamp_enabled": config.word_timestamps or None,
        }
        asked.update({name: value for name, value in optional.items() if value is not None})
        return {**asked, **config.parameters}

    async def _run(self, session: TtsSession) -> None:
        run = _Run(self, session)
        attempt = 0
        while True:
            try:
                await run.one_connection()
                return
            except VoicewireError as error:
                attempt += 1
                if not error.retryable or attempt > self.config.max_reconnects or run.has_spoken:
                    raise
            await wait_before(attempt)


class _Run:
    """One session, over as many connections as it takes to hear the first audio."""

    def __init__(self, client: ModelstudioTtsClient, session: TtsSession) -> None:
        self._client = client
        self._session = session
        self._config = client.config
        is_encoded = sound_format(client.config.format) in ("mp3", "ogg")
        self._mouth = Mouth(client, session, client.config.sample_rate or 16000, is_encoded=is_encoded)
        self._is_whole_text = client.config.ssml or client._kind == "sambert"
        self._script = Script(session)
        self._is_finished = False
        self._is_opened = False

    async def one_connection(self) -> None:
        """Runs a task on one connection to its end.

        Raises:
            VoicewireError: It ended early.
        """
        client, config = self._client, self._config
        link = await client._keeper.link()
        is_whole = False
        try:
            self._script.restart()
            text = ""
            if client._kind == "sambert":
                await self._open_once()
                text = await self._script.whole()
            task = new_task(config.model or "", client._kind, client.parameters(), text)
            await link.begin(task, config.start_timeout_s)
            client.request_id = task.task_id
            await self._open_once()
            await self._both_ways(link)
            self._script.check_heard("modelstudio")
            await self._mouth.finish()
            is_whole = True
        finally:
            if is_whole:
                await client._keeper.give_back(link)
            else:
                with anyio.CancelScope(shield=True):
                    await link.aclose()

    async def _open_once(self) -> None:
        if not self._is_opened:
            self._is_opened = True
            await self._client._opened(self._session)

    async def _both_ways(self, link: TaskLink) -> None:
        self._is_finished = False
        await both_ways(lambda: self._send(link), lambda: self._receive(link))

    async def _send(self, link: TaskLink) -> None:
        if self._client._kind == "sambert":
            self._is_finished = True
            return
        if self._is_whole_text:
            await link.send(link.codec.text(await self._script.whole()))
        while (text := await self._script.next()) is not None:
            await self._send_text(link, text)
        await link.send(link.codec.finish())
        self._is_finished = True

    @property
    def has_spoken(self) -> bool:
        """Whether any audio came."""
        return self._mouth.has_spoken

    @staticmethod
    async def _send_text(link: TaskLink, text: str) -> None:
        for at in range(0, len(text), _PIECE_CHARS):
            await link.send(link.codec.text(text[at : at + _PIECE_CHARS]))

    async def _receive(self, link: TaskLink) -> None:
        limit_s = self._config.finish_timeout_s
        while True:
            event = await link.patient_event(lambda: self._is_finished, limit_s)
            match event:
                case SpokenAudio(data):
                    self._script.heard()
                    await self._mouth.speak(data)
                case SpokenWords(words):
                    for word in words:
                        boundary = WordBoundary(text=word.text, start_ms=word.begin_ms, end_ms=word.end_ms)
                        await self._client._tell(self._session, boundary)
                case RawEvent(json):
                    await self._session.call("on_event", json)
                case TaskFinished():
                    return
                case _:
                    continue
