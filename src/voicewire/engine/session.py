"""One conversation on the embedded engine: listening, guessing ahead, answering.

Everything here runs on the event loop and only moves results about; models run in the runtime's lanes. The
order of a turn, with what runs on trial marked by a star::

    audio -> VAD -> speech started -> partial transcripts ... -> 160 ms of silence
        -> * final transcript -> * hint -> * brain -> * first clause spoken
    silence long enough -> turn ends -> the trial is adopted, or thrown away if the user went on speaking

A trial is adopted only if what it assumed (history, words, settings) is what came true.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio

from voicewire.audio.format import AudioFrame
from voicewire.audio.pcm import pcm16_to_float32
from voicewire.conversation.orders import (
    ApplyConfig,
    CloseInput,
    StartResponse,
    StopGeneration,
    TranscribeInput,
    WorkOrder,
)
from voicewire.engine.brain_input import brain_turn
from voicewire.engine.ear import Ear
from voicewire.engine.endpoint_settings import endpoint_settings
from voicewire.engine.hints import combine_hints, text_hint, tone_hint
from voicewire.engine.reply import Reply
from voicewire.engine.stages import (
    LISTEN_RATE_HZ,
    VAD_FRAME_SAMPLES,
    Decision,
    SpeculateNow,
    SpeculationRevoked,
    SpeechStarted,
    SpeechStopped,
    Transcript,
    TurnHint,
    ms_to_samples,
)
from voicewire.engine.trial import Trial, TurnMarks, Utterance
from voicewire.errors import UnsupportedError, VoicewireError
from voicewire.events.commands import CreateResponse
from voicewire.events.items import ContentPart, Item
from voicewire.events.model import ModelInputStartedEvent, ModelProviderEvent, TokenUsage
from voicewire.events.session import SessionConfig
from voicewire.models.hosted import HostedConnection

if TYPE_CHECKING:
    from voicewire.engine.brain.base import BrainTurn
    from voicewire.engine.runtime import EngineRuntime
    from voicewire.engine.stages import FloatArray

PARTIAL_EVERY_MS = 300
"""New speech between two partial transcripts: a partial costs about 60 ms of one core."""

MIN_TRUSTED_SPEECH_MS = 300
"""Less voiced audio than this gives no transcript: the recogniser invents words on coughs and clicks."""

KEEP_QUIET_S = 2
"""Quiet audio kept behind the detector: more than any prefix padding, so that no onset is cut."""


class EngineSession:
    """The engine's side of one conversation.

    Args:
        runtime: The loaded models.
        connection: The conversation's connection; owns the tasks.
    """

    def __init__(self, runtime: EngineRuntime, connection: HostedConnection) -> None:
        self._runtime = runtime
        self._connection = connection
        self._host = connection.host
        self._apply = connection.apply
        self._clock = connection.clock
        self._ear = Ear(
            runtime,
            self._clock,
            endpoint_settings(self._host.config.turn_detection),
            before_frame=self._words_first,
            decide=self._take,
            after_judging=self._after_judging,
        )
        self._utterance: Utterance | None = None
        self._turns: dict[str, Utterance] = {}
        self._pending: dict[str, anyio.Event] = {}
        self._replies: dict[int, Reply] = {}
        self._live: set[Reply] = set()
        self._last_marks = TurnMarks()
        connection.spawn(self._listen, name="listening")

    # ------------------------------------------------------------------ the ear

    def on_audio(self, frame: AudioFrame) -> None:
        """Takes audio in, 16-bit at 16 kHz. Never waits."""
        # An open turn keeps its settings: it is heard to its end after detection was switched off.
        is_judged = self._host.config.turn_detection is not None or self._utterance is not None
        self._ear.take(frame, is_judged=is_judged)

    async def _listen(self) -> None:
        """Judges the audio for as long as the session lives; then no answer is left waiting at its gate."""
        try:
            await self._ear.listen()
        finally:
            for reply in self._live:
                reply.cancel()

    async def _words_first(self, frame_end: int) -> None:
        """Waits for a trial's words before the frame that could end its turn.

        The answer would have to wait for them anyway, and words that trail off must not come too late to
        say so, however fast the audio comes and however busy the machine is.
        """
        trial = self._utterance.trial if self._utterance is not None else None
        if trial is not None:
            settings = self._ear.endpointer.settings
            wait_samples = ms_to_samples(settings.silence_ms - settings.speculate_after_ms)
            if frame_end >= trial.at_sample + wait_samples - VAD_FRAME_SAMPLES:
                await trial.is_transcribed.wait()

    def _after_judging(self, judged_until: int) -> None:
        self._maybe_partial(judged_until)
        if self._utterance is None:
            self._host.input_forgotten(judged_until - KEEP_QUIET_S * LISTEN_RATE_HZ)

    def _audio(self, start_sample: int, end_sample: int) -> FloatArray:
        return pcm16_to_float32(self._connection.input_audio(start_sample, end_sample))

    # ------------------------------------------------------------------ turns

    def _take(self, decision: Decision) -> None:
        match decision:
            case SpeechStarted(at_sample):
                outputs = self._host.speech_started(at_sample, now_ms=self._connection.now_ms)
                for output in outputs:
                    if isinstance(output, ModelInputStartedEvent):
                        self._utterance = Utterance(output.item_id, at_sample)
                self._apply(outputs)
            case SpeculateNow(at_sample, _) if self._utterance is not None:
                trial = Trial(at_sample)
                self._utterance.trial = trial
                self._connection.spawn(self._try_ahead, self._utterance, trial, name="trial")
            case SpeculationRevoked() if self._utterance is not None:
                self._utterance.drop_trial()
            case SpeechStopped(at_sample, _, voiced_samples):
                self._end_turn(at_sample, voiced_samples)
            case _:
                pass

    def _end_turn(self, speech_end_sample: int, voiced_samples: int) -> None:
        utterance, self._utterance = self._utterance, None
        if utterance is not None:
            utterance.voiced_samples = voiced_samples
            utterance.marks.speech_end_ns = self._ear.arrival_ns(speech_end_sample)
            utterance.marks.endpoint_ns = self._clock.now_ns()
            self._turns[utterance.item_id] = utterance
        self._apply(self._host.speech_stopped(speech_end_sample))
        self._apply(self._host.end_turn())

    def _maybe_partial(self, judged_until: int) -> None:
        utterance = self._utterance
        if utterance is None or utterance.is_partial_running or utterance.trial is not None:
            return
        fresh = judged_until - utterance.partial_until_sample
        if fresh < ms_to_samples(PARTIAL_EVERY_MS) or self._runtime.backlog("recognise"):
            return
        utterance.is_partial_running = True
        utterance.partial_until_sample = judged_until
        self._connection.spawn(self._partial, utterance, judged_until, name="partial transcript")

    async def _partial(self, utterance: Utterance, until_sample: int) -> None:
        audio = self._audio(utterance.start_sample, until_sample)
        try:
            transcript = await self._recognise(audio, is_final=False)
        except VoicewireError:
            return  # the final transcript of the same audio reports what is wrong, once
        finally:
            utterance.is_partial_running = False
        self._tell_partial(utterance, transcript.text)

    def _tell_partial(self, utterance: Utterance, text: str) -> None:
        """Tells the words so far, as long as the utterance is open."""
        if utterance is self._utterance and text:
            utterance.has_partial = True
            self._apply(self._host.transcription_partial(utterance.item_id, text))

    async def _recognise(self, audio: FloatArray, *, is_final: bool) -> Transcript:
        settings = self._host.config.transcription
        language = settings.language if settings is not None else None
        work = partial(self._runtime.recognizer.transcribe, audio, final=is_final, language=language)
        return await self._runtime.run("recognise", work)

    # ------------------------------------------------------------------ trials

    async def _try_ahead(self, utterance: Utterance, trial: Trial) -> None:
        """Recognises, judges the end and begins the answer before the turn is certain."""
        with trial.scope:
            audio = self._audio(utterance.start_sample, trial.at_sample)
            try:
                trial.transcript = await self._recognise(audio, is_final=True)
            except VoicewireError as error:
                trial.error = error
            trial.transcribed_ns = self._clock.now_ns()
            text = trial.transcript.text if trial.transcript is not None else ""
            words = text_hint(text)
            if utterance is self._utterance:
                self._ear.endpointer.set_hint(combine_hints(words, None))
            trial.is_transcribed.set()
            self._tell_partial(utterance, text)
            if utterance is self._utterance and text and words is not TurnHint.HOLD:
                self._begin_answer(trial, text)
            tone = await self._tone(audio)
            if utterance is self._utterance:
                self._ear.endpointer.set_hint(combine_hints(words, tone))

    async def _tone(self, audio: FloatArray) -> TurnHint | None:
        """What the tone says; None where nobody listens to it."""
        if self._runtime.turn_model is None:
            return None
        return tone_hint(await self._runtime.run("hint", self._runtime.turn_model.probability, audio))

    def _begin_answer(self, trial: Trial, text: str) -> None:
        config = self._host.config
        if config.turn_detection is None or not config.turn_detection.create_response:
            return
        if self._host.active_generation is not None or config.is_transcription_only:
            return
        said = Item(id="", role="user", content=(ContentPart(kind="audio", text=text),))
        turn = brain_turn(
            (*self._host.history(), said), config, CreateResponse(), datetime.now().astimezone()
        )
        trial.reply = self._new_reply(turn, config)

    def _new_reply(self, turn: BrainTurn, config: SessionConfig) -> Reply:
        """Begins an answer; it lives until it is delivered or dropped, at the latest until the session ends."""
        self._live = {reply for reply in self._live if not reply.is_over}
        reply = Reply(self._runtime, turn, config)
        self._live.add(reply)
        reply.start()
        return reply

    # ------------------------------------------------------------------ orders

    def on_order(self, order: WorkOrder) -> None:
        """Does what the host wants; never waits."""
        match order:
            case TranscribeInput():
                self._pending[order.item_id] = anyio.Event()
                audio = self._audio(order.start_sample, order.end_sample)
                self._connection.spawn(self._transcribe, order, audio, name="transcript")
            case StartResponse():
                self._connection.spawn(self._respond, order, name="response")
            case StopGeneration():
                reply = self._replies.pop(order.generation, None)
                if reply is not None:
                    reply.cancel()
            case CloseInput():
                self._close_input(order)
            case ApplyConfig():
                self._ear.endpointer.configure(endpoint_settings(order.config.turn_detection))

    def _close_input(self, order: CloseInput) -> None:
        """The open stretch ended by order: the detector starts afresh after the audio judged so far."""
        self._ear.close_turn(order.end_sample)
        if self._utterance is not None:
            self._utterance.drop_trial()
            self._utterance = None

    async def _transcribe(self, order: TranscribeInput, audio: FloatArray) -> None:
        utterance = self._turns.get(order.item_id)
        try:
            transcript = await self._final_transcript(audio, utterance)
            is_trusted = utterance is None or utterance.voiced_samples >= ms_to_samples(MIN_TRUSTED_SPEECH_MS)
            text = transcript.text if transcript.is_reliable and is_trusted else ""
            if text and (utterance is None or not utterance.has_partial):
                self._apply(self._host.transcription_partial(order.item_id, text))
            seconds = (order.end_sample - order.start_sample) / LISTEN_RATE_HZ
            self._apply(self._host.transcription_final(order.item_id, text, duration_s=seconds))
        except VoicewireError as error:
            code = "unsupported_language" if isinstance(error, UnsupportedError) else "transcription_failed"
            self._apply(self._host.transcription_failed(order.item_id, code=code, message=str(error)))
        finally:
            self._pending.pop(order.item_id).set()

    async def _final_transcript(self, audio: FloatArray, utterance: Utterance | None) -> Transcript:
        trial = utterance.trial if utterance is not None else None
        if trial is None:
            transcript = await self._recognise(audio, is_final=True)
            if utterance is not None:
                utterance.marks.asr_final_ns = self._clock.now_ns()
            return transcript
        await trial.is_transcribed.wait()
        assert utterance is not None
        utterance.marks.asr_final_ns = trial.transcribed_ns
        if trial.error is not None:
            raise trial.error
        if trial.transcript is None:  # the trial was dropped meanwhile: the turn was closed by order
            return await self._recognise(audio, is_final=True)
        return trial.transcript

    # ------------------------------------------------------------------ answers

    async def _respond(self, order: StartResponse) -> None:
        for pending in list(self._pending.values()):
            await pending.wait()
        if not self._host.is_open_generation(order.generation):
            return
        history = order.history if order.params.input_items is not None else self._host.history()
        utterance = self._answered_utterance(history)
        if utterance is not None and not history[-1].text:
            # A cough: there is nothing to answer, and nothing is said.
            utterance.drop_trial()
            self._connection.response_finished(order.generation, TokenUsage())
            return
        if utterance is not None:
            self._last_marks = utterance.marks
        elif history and history[-1].kind != "function_call_output":
            self._last_marks = TurnMarks()
        turn = brain_turn(history, order.config, order.params, datetime.now().astimezone())
        reply = utterance.trial.reply if utterance is not None and utterance.trial is not None else None
        if reply is None or not reply.answers(turn, order.config):
            if reply is not None:
                reply.cancel()
            reply = self._new_reply(turn, order.config)
        self._replies[order.generation] = reply
        report = partial(self._report_timing, order.response_id, utterance, reply)
        try:
            await reply.deliver(order.generation, self._connection, report)
        finally:
            self._replies.pop(order.generation, None)

    def _answered_utterance(self, history: tuple[Item, ...]) -> Utterance | None:
        """The spoken turn that is being answered; None for typed ones and tool results."""
        utterance = self._turns.pop(history[-1].id, None) if history else None
        for passed_over in self._turns.values():
            passed_over.drop_trial()
        self._turns.clear()
        return utterance

    def _report_timing(self, response_id: str, utterance: Utterance | None, reply: Reply) -> None:
        """Tells when each stage of this turn was reached, once its first audio is out."""
        marks = utterance.marks if utterance is not None else self._last_marks
        raw = {
            "item_id": utterance.item_id if utterance is not None else "",
            "response_id": response_id,
            "speech_end_ns": marks.speech_end_ns,
            "endpoint_ns": marks.endpoint_ns,
            "asr_final_ns": marks.asr_final_ns,
            "first_token_ns": reply.marks.first_token_ns,
            "first_clause_ns": reply.marks.first_clause_ns,
            "first_audio_ns": self._clock.now_ns(),
        }
        self._apply([ModelProviderEvent(name="voicewire.turn_timing", raw=raw)])
