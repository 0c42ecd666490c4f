"""One reply: an answer job in its thread, and its delivery to the host at the listener's pace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from voicewire.engine.answer import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerJob,
    AnswerMarks,
    AnswerText,
    AnswerTool,
)
from voicewire.engine.speaking import FactStream, Pacer, cut
from voicewire.errors import UnsupportedError
from voicewire.events.model import TokenUsage
from voicewire.events.session import SessionConfig
from voicewire.models.hosted import HostedConnection

if TYPE_CHECKING:
    from voicewire.engine.brain.base import BrainTurn
    from voicewire.engine.runtime import EngineRuntime

AUDIO_TOKEN_MS = 100
"""One audio token for each 100 ms, so that usage is comparable between models."""


class Reply:
    """An answer on its way.

    Args:
        runtime: The loaded models.
        turn: What is answered.
        config: The configuration of this turn.
    """

    def __init__(self, runtime: EngineRuntime, turn: BrainTurn, config: SessionConfig) -> None:
        self._runtime = runtime
        self._turn = turn
        self._config = config
        self._facts = FactStream()
        names = {voice.name for voice in runtime.synthesizer.voices()}
        self._job = AnswerJob(
            runtime,
            turn,
            # Clients of other providers ask for their voices; the engine's own voice then speaks.
            voice=config.voice if config.voice in names else "",
            speed=min(max(config.speed, 0.5), 2.0),
            wants_audio=config.modality == "audio",
            post=self._facts.post,
        )

    @property
    def marks(self) -> AnswerMarks:
        """When the answer's stages were reached."""
        return self._job.marks

    @property
    def is_over(self) -> bool:
        """Whether it was delivered or cancelled."""
        return self._job.is_cancelled

    def start(self) -> None:
        """Begins the work in the answer lane; it waits at its gate until it is delivered."""
        self._runtime.submit("answer", self._job.run)

    def cancel(self) -> None:
        """Stops the work; facts that still come are dropped by the host."""
        self._job.cancel()

    def answers(self, turn: BrainTurn, config: SessionConfig) -> bool:
        """Whether this reply is the one that ``turn`` and ``config`` ask for; the clock time may differ."""
        same_sound = (self._config.modality, self._config.voice, self._config.speed) == (
            config.modality,
            config.voice,
            config.speed,
        )
        return same_sound and replace(turn, now=self._turn.now) == self._turn

    async def deliver(
        self,
        generation: int,
        connection: HostedConnection,
        on_first_audio: Callable[[], None],
    ) -> None:
        """Hands everything to the conversation until the answer is done, failed or the generation is over.

        Cancellation: the job stops; what was handed over stays handed over.
        """
        self._job.release()
        host = connection.host
        rate_hz = self._runtime.synthesizer.sample_rate_hz
        output_rate_hz = self._config.output_format.rate
        pacer = Pacer(connection.clock, rate_hz)
        try:
            while host.is_open_generation(generation):
                match await self._facts.get():
                    case AnswerText(text):
                        connection.apply(host.response_text(generation, text))
                    case AnswerAudio(pcm, words):
                        is_first = pacer.sent_samples == 0
                        for piece in cut(pcm, words, rate_hz=rate_hz, offset_samples=pacer.sent_samples):
                            await pacer.pass_(len(piece.pcm) // 2)
                            for word in piece.words:
                                at = word.start_sample * output_rate_hz // rate_hz
                                connection.apply(
                                    host.response_text(generation, word.word, audio_start_sample=at)
                                )
                            connection.response_audio(generation, piece.pcm, rate_hz, piece.words)
                            if is_first:
                                on_first_audio()
                                is_first = False
                    case AnswerTool(name, arguments):
                        connection.apply(host.response_tool_call(generation, name, arguments))
                    case AnswerDone() as done:
                        self._finish(generation, connection, pacer.sent_samples * 1000 // rate_hz, done)
                        return
                    case AnswerFailed(error):
                        code = "unsupported" if isinstance(error, UnsupportedError) else "server_error"
                        connection.response_failed(generation, code=code, message=str(error))
                        return
        finally:
            self._job.cancel()

    @staticmethod
    def _finish(generation: int, connection: HostedConnection, audio_ms: int, done: AnswerDone) -> None:
        usage = TokenUsage(
            input_text_tokens=done.input_tokens,
            output_text_tokens=done.output_tokens,
            output_audio_tokens=audio_ms // AUDIO_TOKEN_MS,
        )
        if done.is_cut_short:
            connection.response_finished(generation, usage, status="incomplete", reason="max_output_tokens")
        else:
            connection.response_finished(generation, usage)
