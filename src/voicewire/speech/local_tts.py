"""Synthesis on this machine: no key, no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from voicewire.audio.pcm import float32_to_pcm16
from voicewire.audio.resample import Resampler
from voicewire.engine.stages import Synthesizer, WordTime
from voicewire.engine.text import ClauseSplitter, for_speech
from voicewire.errors import UnsupportedError
from voicewire.speech import local_stages
from voicewire.speech.callbacks import TtsCallbacks
from voicewire.speech.config import NO_WIRE, LocalTtsConfig, refuse_recording
from voicewire.speech.results import WordBoundary
from voicewire.speech.tts import Mouth, TtsClient, TtsSession

_NORMAL_VOLUME = 50
_PIECE_MS = 200


@dataclass(frozen=True, slots=True)
class _Clause:
    pcm16: bytes
    words: tuple[WordTime, ...]
    rate_hz: int


class LocalTtsClient(TtsClient[LocalTtsConfig]):
    """The embedded voice as a client: speaks clause by clause, as soon as a clause is complete.

    A text that the voice cannot say (another script, nothing but marks) ends the session with ``UnsupportedError``.

    Args:
        config: Voice, rate, volume, format.
        callbacks: The application's functions.
        stages: Names of replaced stages: ``{"synthesizer": ...}``.
    """

    config: LocalTtsConfig

    def __init__(
        self,
        config: LocalTtsConfig | None = None,
        callbacks: TtsCallbacks | None = None,
        *,
        stages: dict[str, str] | None = None,
    ) -> None:
        super().__init__(config or LocalTtsConfig(), callbacks)
        refuse_recording(self.config, NO_WIRE)
        self._stages = dict(stages or {})

    def with_config(self, config: LocalTtsConfig) -> LocalTtsClient:
        """A client of this configuration."""
        return LocalTtsClient(config, stages=self._stages)

    async def flush(self) -> None:
        """Has the text said that was sent so far: a line's end is the end of a clause."""
        await self.send("\n")

    async def _run(self, session: TtsSession) -> None:
        voice = await local_stages.run(local_stages.synthesizer, self._stages.get("synthesizer", ""))
        rate_hz = self.config.sample_rate or voice.sample_rate_hz
        mouth = Mouth(self, session, rate_hz)
        speaker = _Speaker(self.config, voice, rate_hz)
        await self._opened(session)
        splitter = ClauseSplitter()
        while True:
            text = await session.receive()
            clauses = splitter.flush() if text is None else splitter.push(text)
            for clause in clauses:
                said = await local_stages.run(speaker.say, clause)
                if said is not None:
                    await self._deliver(session, mouth, speaker, said, clause)
            if text is None:
                break
        speaker.check_said()
        await mouth.speak(speaker.rest())
        await mouth.finish()

    async def _deliver(
        self, session: TtsSession, mouth: Mouth, speaker: _Speaker, said: _Clause, clause: str
    ) -> None:
        start = speaker.sent_samples - len(said.pcm16) // 2
        for word in said.words:
            start_ms = (start + word.start_sample) * 1000 // said.rate_hz
            end_ms = (start + word.end_sample) * 1000 // said.rate_hz
            await self._tell(session, WordBoundary(text=word.word, start_ms=start_ms, end_ms=end_ms))
        for piece in _pieces(said.pcm16, said.rate_hz):
            await mouth.speak(speaker.at_rate(piece))


class _Speaker:
    """One session's way from clauses to samples. ``say`` blocks and is called in a thread, one at a time."""

    def __init__(self, config: LocalTtsConfig, voice: Synthesizer, rate_hz: int) -> None:
        self._config = config
        self._voice = voice
        self._resampler = (
            Resampler(voice.sample_rate_hz, rate_hz) if rate_hz != voice.sample_rate_hz else None
        )
        self._unsaid = ""
        self.sent_samples = 0
        """Samples said so far, at the voice's own rate."""

    def say(self, clause: str) -> _Clause | None:
        """The speech of a clause; None for one without anything to say.

        Raises:
            UnsupportedError: The voice cannot say it.
        """
        text = for_speech(clause)
        if not any(character.isalnum() for character in text):
            self._unsaid += clause
            return None
        check = self._voice.speakable(text)
        if not check.is_speakable:
            raise UnsupportedError(check.reason)
        speech = self._voice.synthesize(
            text, voice=self._config.voice or None, speed=self._config.speech_rate
        )
        if not len(speech.samples):
            raise UnsupportedError(f"the voice cannot say {text[:40]!r}; use another provider's voice for it")
        samples = speech.samples
        if self._config.volume != _NORMAL_VOLUME:
            samples = (samples * (self._config.volume / _NORMAL_VOLUME)).clip(-1.0, 1.0)
        pcm16 = float32_to_pcm16(samples)
        self.sent_samples += len(pcm16) // 2
        return _Clause(pcm16, speech.words, speech.sample_rate_hz)

    def check_said(self) -> None:
        """Refuses a text of which nothing could be said.

        Raises:
            UnsupportedError: There was text, and no sound.
        """
        if not self.sent_samples and self._unsaid.strip():
            raise UnsupportedError(
                f"there is nothing to say in {self._unsaid.strip()[:40]!r}; give a text with words"
            )

    def at_rate(self, pcm16: bytes) -> bytes:
        """The audio at the rate of the configuration."""
        return self._resampler.process(pcm16) if self._resampler is not None else pcm16

    def rest(self) -> bytes:
        """What the resampler still holds."""
        return self._resampler.flush() if self._resampler is not None else b""


def _pieces(pcm16: bytes, rate_hz: int) -> Iterator[bytes]:
    step = 2 * (rate_hz * _PIECE_MS // 1000)
    for at in range(0, len(pcm16), step):
        yield pcm16[at : at + step]
