"""Recognition on this machine: no key, no network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

import anyio.to_thread

from voicewire.engine.stages import LISTEN_RATE_HZ, Recognizer, Vad
from voicewire.errors import InvalidRequest
from voicewire.speech import local_stages
from voicewire.speech.asr import AsrClient, AsrSession, Progress
from voicewire.speech.callbacks import AsrCallbacks
from voicewire.speech.config import NO_WIRE, LocalAsrConfig, refuse_recording
from voicewire.speech.file_stream import FILE_RATE_HZ
from voicewire.speech.local_files import FileStep, read_file, recognized
from voicewire.speech.preprocess import AudioStep
from voicewire.speech.results import RecognitionEvent, RecognitionResult, Segment
from voicewire.speech.utterances import Utterance, UtteranceFinder

_PARTIAL_EVERY_SAMPLES: Final = LISTEN_RATE_HZ // 2
_BEHIND_BYTES: Final = LISTEN_RATE_HZ
"""With more audio waiting than this (half a second), partials are left out: words that come late are no partials."""
_PIECE_BYTES: Final = 2 * LISTEN_RATE_HZ // 2


class LocalAsrClient(AsrClient[LocalAsrConfig]):
    """The embedded recogniser as a client: voice activity, partials by reading again, a final for each utterance.

    Args:
        config: Silence, language, what the audio is. The language must be one that the model knows (English).
        callbacks: The application's functions.
        preprocess: Steps that the audio passes first.
        stages: Names of replaced stages: ``{"vad": ..., "recognizer": ...}``.

    Raises:
        UnsupportedError: The configuration asks for what the engine cannot do.
    """

    config: LocalAsrConfig

    def __init__(
        self,
        config: LocalAsrConfig | None = None,
        callbacks: AsrCallbacks | None = None,
        *,
        preprocess: Sequence[AudioStep] = (),
        stages: dict[str, str] | None = None,
    ) -> None:
        super().__init__(config or LocalAsrConfig(), callbacks, preprocess=preprocess)
        refuse_recording(self.config, NO_WIRE)
        self._stages = dict(stages or {})
        self.intake(LISTEN_RATE_HZ)

    def for_files(self) -> LocalAsrClient:
        """A client for 16 kHz PCM."""
        update = {"format": "pcm", "sample_rate": FILE_RATE_HZ, "nb_channels": 1}
        return LocalAsrClient(
            self.config.model_copy(update=update), preprocess=self.preprocess, stages=self._stages
        )

    async def recognize_file(
        self, path: str | os.PathLike[str], *, progress: Progress | None = None
    ) -> RecognitionResult:
        """Recognises a file faster than real time, in constant memory; see `AsrClient.recognize_file`."""
        if self.preprocess:
            return await super().recognize_file(path, progress=progress)
        vad, recognizer = await local_stages.run(self._load)
        steps = await anyio.to_thread.run_sync(
            lambda: read_file(path, vad, recognizer, language=self.config.language)
        )
        segments: list[Segment] = []
        duration_ms = 0
        while (step := await self._next(steps)) is not None:
            segments += step.segments
            duration_ms = step.position_ms
            if progress is not None:
                progress(step.position_ms, None)
        if progress is not None:
            progress(duration_ms, duration_ms)
        language = next((segment.language for segment in segments), "")
        return RecognitionResult.of(tuple(segments), duration_ms=duration_ms, language=language)

    @staticmethod
    async def _next(steps: Iterator[FileStep]) -> FileStep | None:
        return await local_stages.run(lambda: next(steps, None))

    def _load(self) -> tuple[Vad, Recognizer]:
        vad = local_stages.vad(self._stages.get("vad", ""))
        return vad, local_stages.recognizer(self._stages.get("recognizer", ""))

    async def _run(self, session: AsrSession) -> None:
        vad, recognizer = await local_stages.run(self._load)
        config = self.config
        intake = self.intake(LISTEN_RATE_HZ)
        silence_ms = config.end_silence_ms
        finder = UtteranceFinder(vad, 480 if silence_ms is None else silence_ms)
        await self._opened(session)
        heard_until = 0
        last_partial = 0
        while True:
            data = await self._receive(session)
            pcm16 = intake.flush() if data is None else intake.push(data)
            for at in range(0, len(pcm16), _PIECE_BYTES):
                for utterance in await local_stages.run(finder.push, pcm16[at : at + _PIECE_BYTES]):
                    heard_until = utterance.end_sample
                    await self._tell_final(session, recognizer, utterance)
                is_due = finder.position_sample - last_partial >= _PARTIAL_EVERY_SAMPLES
                if finder.is_speaking and config.partials and is_due:
                    last_partial = finder.position_sample
                    if session.waiting_input() < _BEHIND_BYTES and data is not None:
                        await self._tell_partial(session, recognizer, finder)
            if data is None:
                break
            self._check_silence(finder, heard_until)
        for utterance in await local_stages.run(finder.flush):
            await self._tell_final(session, recognizer, utterance)

    def _check_silence(self, finder: UtteranceFinder, heard_until: int) -> None:
        limit_ms = self.config.initial_silence_timeout
        waited_ms = finder.position_sample * 1000 // LISTEN_RATE_HZ
        if limit_ms and not heard_until and not finder.is_speaking and waited_ms > limit_ms:
            raise InvalidRequest(
                f"nobody spoke for {waited_ms} ms (initial_silence_timeout is {limit_ms})",
                provider="local",
                code="initial_silence",
            )

    async def _tell_final(self, session: AsrSession, recognizer: Recognizer, utterance: Utterance) -> None:
        segment = await local_stages.run(recognized, recognizer, utterance, self.config.language)
        if segment is not None:
            await self._tell(
                session,
                RecognitionEvent(
                    text=segment.text,
                    is_final=True,
                    start_ms=segment.start_ms,
                    end_ms=segment.end_ms,
                    confidence=segment.confidence,
                    language=segment.language,
                ),
            )

    async def _tell_partial(
        self, session: AsrSession, recognizer: Recognizer, finder: UtteranceFinder
    ) -> None:
        samples = finder.open_samples()
        language = self.config.language
        transcript = await local_stages.run(
            lambda: recognizer.transcribe(samples, final=False, language=language)
        )
        if transcript.text:
            start_ms = finder.open_onset_sample * 1000 // LISTEN_RATE_HZ
            end_ms = finder.position_sample * 1000 // LISTEN_RATE_HZ
            await self._tell(
                session,
                RecognitionEvent(text=transcript.text, is_final=False, start_ms=start_ms, end_ms=end_ms),
            )
