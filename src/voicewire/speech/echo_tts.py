"""The deterministic voice: a 440 Hz tone, 20 ms for each character of the text."""

from __future__ import annotations

from voicewire.audio.pcm import tone
from voicewire.models.echo import MS_PER_CHARACTER, TONE_DBFS, TONE_HZ
from voicewire.speech.callbacks import TtsCallbacks
from voicewire.speech.config import NO_WIRE, LocalTtsConfig, refuse_recording
from voicewire.speech.results import WordBoundary
from voicewire.speech.tts import Mouth, TtsClient, TtsSession


class EchoTtsClient(TtsClient[LocalTtsConfig]):
    """A voice for tests of programs: no model file, no chance.

    Args:
        config: Rate and format.
        callbacks: The application's functions.
    """

    config: LocalTtsConfig

    def __init__(self, config: LocalTtsConfig | None = None, callbacks: TtsCallbacks | None = None) -> None:
        super().__init__(config or LocalTtsConfig(), callbacks)
        refuse_recording(self.config, NO_WIRE)

    def with_config(self, config: LocalTtsConfig) -> EchoTtsClient:
        """A client of this configuration."""
        return EchoTtsClient(config)

    async def _run(self, session: TtsSession) -> None:
        rate_hz = self.config.sample_rate or 24000
        mouth = Mouth(self, session, rate_hz)
        await self._opened(session)
        at_ms = 0
        while (text := await session.receive()) is not None:
            position = 0
            for word in text.split():
                offset = text.index(word, position)
                position = offset + len(word)
                start_ms = at_ms + offset * MS_PER_CHARACTER
                end_ms = start_ms + len(word) * MS_PER_CHARACTER
                await self._tell(
                    session, WordBoundary(text=word, start_ms=start_ms, end_ms=end_ms, text_offset=offset)
                )
            for character in range(0, len(text), 10):
                length_ms = min(10, len(text) - character) * MS_PER_CHARACTER
                samples = rate_hz * length_ms // 1000
                await mouth.speak(tone(TONE_HZ, samples, rate_hz, dbfs=TONE_DBFS))
            at_ms += len(text) * MS_PER_CHARACTER
        await mouth.finish()
