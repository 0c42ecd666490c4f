"""The engine's conversation with small stages: turns, trials, answers, interruptions. No model files."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from tests.engine.fakes import FakeBrain, FakeRecognizer, FakeTurnModel
from voicewire.engine.answer import AnswerJob
from voicewire.engine.local import LocalRealtimeModel
from voicewire.engine.runtime import EngineOptions, EngineRuntime, load_stage
from voicewire.errors import ConfigError
from voicewire.events import (
    AppendAudio,
    CommitAudio,
    CreateResponse,
    MediaFormat,
    ModelEvents,
    SendText,
    SendToolResult,
    SessionConfig,
    ToolSpec,
    Transcription,
    TurnDetection,
    UpdateSession,
)
from voicewire.events.base import EventBase
from voicewire.models import RealtimeConnection

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

FRAME_SAMPLES = 320


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineOptions]:
    """Options of an engine made of the small stages, forgotten afterwards."""
    monkeypatch.setattr(
        "voicewire.engine.runtime.DEFAULTS",
        {
            "vad": "tests.engine.fakes:FakeVad",
            "endpointer": "voicewire.engine.endpoint:SilenceEndpointer",
            "recognizer": "tests.engine.fakes:FakeRecognizer",
            "synthesizer": "tests.engine.fakes:FakeSynthesizer",
            "brain": "tests.engine.fakes:create_brain",
            "turn_model": "",
        },
    )
    FakeRecognizer.script = []
    FakeRecognizer.heard_samples = []
    FakeRecognizer.is_broken = False
    FakeBrain.turns = []
    options = EngineOptions(use_turn_model=False, brain="fake")
    yield options
    EngineRuntime.forget(options)


class Caller:
    """A caller who speaks in bursts, faster than real time."""

    def __init__(self, connection: RealtimeConnection) -> None:
        self.connection = connection
        self.events: list[EventBase] = []
        self._iterator = aiter(connection)

    async def speak(self, words: str, ms: int = 1000, *, then_quiet_ms: int = 1000) -> None:
        """Says the words: loud audio, then silence long enough to end the turn."""
        if words:
            FakeRecognizer.script = [words]
        await self.sound(ms, 0.3)
        await self.sound(then_quiet_ms, 0.0)

    async def sound(self, ms: int, level: float) -> None:
        samples = np.full(ms * 16, int(level * 32767), dtype=np.int16)
        for start in range(0, len(samples), FRAME_SAMPLES):
            await self.connection.send(AppendAudio(samples[start : start + FRAME_SAMPLES].tobytes(), 16000))

    async def until(self, wanted: type[EventBase] | Callable[[EventBase], bool]) -> EventBase:
        """The next event of a kind; all that pass are kept."""
        while True:
            event = await anext(self._iterator)
            self.events.append(event)
            if isinstance(event, wanted) if isinstance(wanted, type) else wanted(event):
                return event

    def said(self) -> str:
        """What the agent said, by its transcript."""
        return "".join(
            event.delta
            for event in self.events
            if isinstance(event, ModelEvents.ModelResponseAudioTranscriptDeltaEvent)
        )

    def audio_samples(self) -> int:
        return sum(
            len(event.pcm) // 2
            for event in self.events
            if isinstance(event, ModelEvents.ModelResponseAudioDeltaEvent)
        )


@asynccontextmanager
async def calling(
    options: EngineOptions, config: SessionConfig | None = None
) -> AsyncGenerator[Caller, None]:
    with anyio.fail_after(15):
        async with LocalRealtimeModel(options=options).open(config=config) as connection:
            yield Caller(connection)


Done = ModelEvents.ModelResponseDoneEvent
Final = ModelEvents.ModelInputTranscriptionDoneEvent


async def test_a_spoken_turn_is_answered_with_the_words_before_their_audio(options: EngineOptions) -> None:
    async with calling(options) as caller:
        await caller.speak("hello there")
        done = await caller.until(Done)
    assert isinstance(done, Done)
    assert done.status == "completed"
    assert caller.said() == "You said hello there."
    assert caller.audio_samples() == 4 * 4800
    kinds = [type(event).__name__ for event in caller.events]
    assert kinds.index("ModelInputTranscriptionDeltaEvent") < kinds.index("ModelInputTranscriptionDoneEvent")
    order = [
        "ModelSessionCreatedEvent",
        "ModelInputStartedEvent",
        "ModelInputDoneEvent",
        "ModelInputCommittedEvent",
        "ModelResponseCreatedEvent",
        "ModelInputTranscriptionDoneEvent",
        "ModelResponseAudioTranscriptDeltaEvent",
        "ModelResponseAudioDeltaEvent",
        "ModelResponseDoneEvent",
    ]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)


async def test_the_trial_is_the_answer_and_the_brain_was_asked_once(options: EngineOptions) -> None:
    async with calling(options) as caller:
        await caller.speak("how are you")
        await caller.until(Done)
    assert len(FakeBrain.turns) == 1
    assert len(FakeRecognizer.heard_samples) == 2  # the warm-up, and the trial's reading


async def test_a_trial_is_thrown_away_when_the_caller_goes_on(options: EngineOptions) -> None:
    async with calling(options) as caller:
        FakeRecognizer.script = ["first half"]
        await caller.sound(800, 0.3)
        await caller.sound(300, 0.0)
        await caller.until(lambda event: isinstance(event, ModelEvents.ModelInputTranscriptionDeltaEvent))
        await caller.speak("first half and second half", 800)
        await caller.until(Done)
    assert caller.said() == "You said first half and second half."
    assert sum(isinstance(event, Done) for event in caller.events) == 1


async def test_a_cough_is_not_answered_and_gets_no_words(options: EngineOptions) -> None:
    async with calling(options) as caller:
        await caller.speak("thank you", 150)
        final = await caller.until(Final)
        done = await caller.until(Done)
    assert isinstance(final, Final)
    assert final.transcript == ""
    assert isinstance(done, Done)
    assert (done.status, done.output) == ("completed", ())
    assert FakeBrain.turns == [] or caller.said() == ""


async def test_speech_interrupts_the_answer_and_nothing_of_it_follows(options: EngineOptions) -> None:
    async with calling(options) as caller:
        await caller.connection.send(SendText("long"))
        await caller.until(ModelEvents.ModelResponseAudioDeltaEvent)
        await caller.speak("stop")
        done = await caller.until(Done)
        assert isinstance(done, Done)
        assert (done.status, done.reason) == ("cancelled", "turn_detected")
        before = len(caller.events)
        await caller.until(Done)
    later = [getattr(event, "response_id", None) for event in caller.events[before:]]
    assert done.response_id not in later
    assert caller.said().endswith("You said stop.")


async def test_the_history_holds_only_what_the_listener_can_have_heard(options: EngineOptions) -> None:
    async with calling(options) as caller:
        await caller.connection.send(SendText("long"))
        await caller.until(ModelEvents.ModelResponseAudioDeltaEvent)
        await caller.speak("stop")
        await caller.until(Done)
        await caller.until(Done)
    spoken = [turn.text for turn in FakeBrain.turns[-1].history if turn.role == "assistant"]
    assert all(len(text) < 200 for text in spoken)


async def test_manual_turns_wait_for_commit(options: EngineOptions) -> None:
    async with calling(options, SessionConfig(turn_detection=None)) as caller:
        await caller.speak("by hand")
        await caller.connection.send(CommitAudio())
        final = await caller.until(Final)
        await caller.until(Done)
    assert isinstance(final, Final)
    assert final.transcript == "by hand"
    assert not any(isinstance(event, ModelEvents.ModelInputStartedEvent) for event in caller.events)
    assert caller.said() == "You said by hand."


async def test_a_tool_is_called_and_its_result_is_answered(options: EngineOptions) -> None:
    config = SessionConfig(tools=(ToolSpec(name="look"),))
    async with calling(options, config) as caller:
        await caller.connection.send(SendText("call it"))
        call = await caller.until(ModelEvents.ModelResponseToolUseDoneEvent)
        assert isinstance(call, ModelEvents.ModelResponseToolUseDoneEvent)
        await caller.until(Done)
        await caller.connection.send(SendToolResult(call.tool_use["id"], "forty two"))
        await caller.until(Done)
    assert caller.said() == "The tool says forty two."


async def test_a_text_session_answers_in_text(options: EngineOptions) -> None:
    async with calling(options, SessionConfig(modality="text")) as caller:
        await caller.connection.send(SendText("hi"))
        await caller.until(Done)
    kind = ModelEvents.ModelResponseTextDeltaEvent
    deltas = [event.delta for event in caller.events if isinstance(event, kind)]
    assert "".join(deltas) == "You said hi."
    assert caller.audio_samples() == 0


async def test_an_answer_follows_the_sessions_output_format(options: EngineOptions) -> None:
    config = SessionConfig(output_format=MediaFormat("audio/pcmu", 8000))
    async with calling(options, config) as caller:
        await caller.connection.send(SendText("one two"))
        await caller.until(Done)
    sizes = [
        len(event.pcm)
        for event in caller.events
        if isinstance(event, ModelEvents.ModelResponseAudioDeltaEvent)
    ]
    assert sum(sizes) == 4 * 4800 // 3


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [("break", "server_error", "the engine failed"), ("speak chinese", "unsupported", "it is Chinese")],
)
async def test_a_turn_that_cannot_be_answered_fails_and_the_next_one_works(
    options: EngineOptions, words: str, code: str, says: str
) -> None:
    async with calling(options) as caller:
        await caller.connection.send(SendText(words))
        failed = await caller.until(Done)
        await caller.connection.send(SendText("fine"))
        done = await caller.until(Done)
    assert isinstance(failed, Done)
    assert (failed.status, failed.reason) == ("failed", code)
    assert says in failed.message
    assert isinstance(done, Done)
    assert done.status == "completed"


async def test_a_language_it_does_not_know_is_said_clearly(options: EngineOptions) -> None:
    config = SessionConfig(transcription=Transcription(language="fr"))
    async with calling(options, config) as caller:
        await caller.speak("bonjour")
        failed = await caller.until(ModelEvents.ModelInputTranscriptionFailedEvent)
    assert isinstance(failed, ModelEvents.ModelInputTranscriptionFailedEvent)
    assert failed.code == "unsupported_language"
    assert "English" in failed.message


async def test_turn_detection_can_be_switched_off_and_on_in_the_session(options: EngineOptions) -> None:
    async with calling(options) as caller:
        await caller.connection.send(UpdateSession(turn_detection=None))
        await caller.speak("not heard")
        await caller.connection.send(UpdateSession(turn_detection=TurnDetection(silence_duration_ms=300)))
        await caller.speak("heard")
        await caller.until(Done)
    starts = [event for event in caller.events if isinstance(event, ModelEvents.ModelInputStartedEvent)]
    assert len(starts) == 1
    assert caller.said() == "You said heard."


async def test_an_out_of_band_response_leaves_the_conversation_alone(options: EngineOptions) -> None:
    async with calling(options) as caller:
        await caller.connection.send(CreateResponse(instructions="sum up", is_out_of_band=True))
        created = await caller.until(ModelEvents.ModelResponseCreatedEvent)
        await caller.until(Done)
        assert isinstance(created, ModelEvents.ModelResponseCreatedEvent)
        assert created.is_out_of_band
        assert FakeBrain.turns[-1].instructions == "sum up"
        await caller.connection.send(SendText("hi"))
        await caller.until(Done)
    assert [turn.role for turn in FakeBrain.turns[-1].history] == ["user"]


async def test_timing_marks_are_in_the_order_of_the_stages(options: EngineOptions) -> None:
    async with calling(options) as caller:
        await caller.speak("hello")
        await caller.until(Done)
    timing = next(event for event in caller.events if isinstance(event, ModelEvents.ModelProviderEvent))
    assert timing.name == "voicewire.turn_timing"
    names = ("speech_end_ns", "endpoint_ns", "first_audio_ns")
    marks = [timing.raw[name] for name in names]
    assert 0 < marks[0] <= marks[1] <= marks[2]
    assert timing.raw["first_token_ns"] <= timing.raw["first_clause_ns"] <= marks[2]


async def test_sessions_share_one_set_of_models(options: EngineOptions) -> None:
    async with calling(options) as first, calling(options) as second:
        await first.speak("one")
        await first.until(Done)
        await second.speak("two")
        await second.until(Done)
    assert (first.said(), second.said()) == ("You said one.", "You said two.")
    assert EngineRuntime.shared(options) is EngineRuntime.shared(options)


def test_an_unknown_stage_is_a_config_error_that_names_it() -> None:
    with pytest.raises(ConfigError, match="no recognizer named 'nowhere:thing'"):
        load_stage("recognizer", "nowhere:thing")


def test_options_never_show_a_key() -> None:
    assert "sk-secret" not in repr(EngineOptions(brain_api_key="sk-secret"))
    assert "sk-secret" not in repr(LocalRealtimeModel(brain="http://x", brain_api_key="sk-secret"))


async def test_words_come_one_by_one_at_their_places(options: EngineOptions) -> None:
    async with calling(options) as caller:
        await caller.connection.send(SendText("a  b"))
        await caller.until(Done)
    kind = ModelEvents.ModelResponseAudioTranscriptDeltaEvent
    deltas = [event for event in caller.events if isinstance(event, kind)]
    assert "".join(delta.delta for delta in deltas) == "You said a  b."
    assert [delta.audio_start_ms for delta in deltas] == [0, 200, 400, 600]


async def test_no_answer_waits_at_its_gate_when_the_session_is_gone(options: EngineOptions) -> None:
    jobs: list[AnswerJob] = []
    original = AnswerJob.run

    def watched(job: AnswerJob) -> None:
        jobs.append(job)
        original(job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AnswerJob, "run", watched)
        async with calling(options) as caller:
            FakeRecognizer.script = ["long"]
            await caller.sound(800, 0.3)
            await caller.sound(250, 0.0)
            await caller.until(ModelEvents.ModelInputTranscriptionDeltaEvent)
            while not jobs:
                await anyio.lowlevel.checkpoint()
    assert [job.is_cancelled for job in jobs] == [True]


async def test_a_commit_in_the_middle_of_a_trial_is_answered(options: EngineOptions) -> None:
    async with calling(options) as caller:
        FakeRecognizer.script = ["by order"]
        await caller.sound(800, 0.3)
        await caller.sound(250, 0.0)
        await caller.until(ModelEvents.ModelInputTranscriptionDeltaEvent)
        await caller.connection.send(CommitAudio())
        await caller.until(Done)
        await caller.speak("and more")
        await caller.until(Done)
    assert caller.said() == "You said by order.You said and more."


async def test_every_stage_can_be_replaced_by_name(options: EngineOptions) -> None:
    replaced = EngineOptions(
        brain="tests.engine.fakes:create_brain",
        vad="tests.engine.fakes:FakeVad",
        endpointer="tests.engine.fakes:HastyEndpointer",
        recognizer="tests.engine.fakes:FakeRecognizer",
        synthesizer="tests.engine.fakes:FakeSynthesizer",
        turn_model="tests.engine.fakes:FakeTurnModel",
    )
    FakeTurnModel.calls = 0
    try:
        async with calling(replaced) as caller:
            await caller.speak("quick", then_quiet_ms=200)
            await caller.until(Done)
    finally:
        EngineRuntime.forget(replaced)
    assert caller.said() == "You said quick."
    assert FakeTurnModel.calls > 0
