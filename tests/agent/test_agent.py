"""``RealtimeAgent`` on the deterministic models: its life, its input, its queue, its memory."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from tests.agent.fakes import RATE_HZ, FakeModel
from voicewire.agent import RealtimeAgent
from voicewire.agent.incoming import SessionRequest
from voicewire.audio.pcm import tone
from voicewire.errors import (
    ConfigError,
    InvalidEventError,
    LocalProtocolError,
    SessionClosed,
    UnsupportedError,
    VoicewireError,
)
from voicewire.events import ClientEvents, ServerEvents
from voicewire.events.base import EventBase, MediaFormat
from voicewire.events.commands import AppendAudio, CommitAudio, SendText, UpdateSession
from voicewire.events.model import (
    ModelErrorEvent,
    ModelInputTranscriptionFailedEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
    ModelResponseTextDeltaEvent,
    ModelResponseTextDoneEvent,
    ModelSessionEndedEvent,
)
from voicewire.events.session import SessionConfig, TurnDetection
from voicewire.models.echo import EchoRealtimeModel
from voicewire.models.model import RealtimeModel
from voicewire.models.script_steps import Step
from voicewire.models.scripted import ScriptedRealtimeModel
from voicewire.testing.clock import ManualClock

from .fakes import LOST, response, speech

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

MANUAL = SessionConfig(turn_detection=None)


class Ears:
    """Takes an agent's events and remembers them."""

    def __init__(self, maxsize: int = 0) -> None:
        self.queue: asyncio.Queue[EventBase] = asyncio.Queue(maxsize)
        self.heard: list[EventBase] = []

    async def until(self, kind: type[EventBase], count: int = 1) -> Any:
        """The next event of this class."""
        with anyio.fail_after(10):
            while True:
                event = await self.queue.get()
                self.heard.append(event)
                if isinstance(event, kind):
                    count -= 1
                    if not count:
                        return event

    def rest(self) -> list[EventBase]:
        """Everything, what waits included."""
        while not self.queue.empty():
            self.heard.append(self.queue.get_nowait())
        return self.heard

    def types(self) -> list[str]:
        return [str(getattr(event.type, "value", event.type)) for event in self.rest()]


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    yield
    left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert [name for name in left if not name.startswith("Task-")] == []
    assert len(left) <= 1  # the test runner's own


@asynccontextmanager
async def running(
    model: RealtimeModel | None = None, **options: Any
) -> AsyncGenerator[tuple[RealtimeAgent, Ears], None]:
    ears = Ears()
    agent = RealtimeAgent("Friday", "You are Friday.", model or EchoRealtimeModel(), **options)
    async with agent:
        await agent.start(ears.queue)
        yield agent, ears


def text(words: str) -> EventBase:
    return ClientEvents.ClientTextAppendEvent(session_id="s", text=words)


def audio(pcm16: bytes, rate_hz: int, kind: str = "audio/pcm") -> EventBase:
    encoded = base64.b64encode(pcm16).decode()
    return ClientEvents.ClientAudioAppendEvent(
        session_id="s", audio=encoded, format=MediaFormat(kind, rate_hz)
    )


def said_by(agent_id: str, pcm16: bytes, rate_hz: int = 24000) -> EventBase:
    return ServerEvents.AgentResponseAudioDeltaEvent(
        agent_id=agent_id, agent_name="other", response_id="r", item_id="i", pcm=pcm16,
        format=MediaFormat("audio/pcm", rate_hz),
    )  # fmt: skip


def done_by(agent_id: str) -> EventBase:
    return ServerEvents.AgentResponseAudioDoneEvent(
        agent_id=agent_id, agent_name="other", response_id="r", item_id="i"
    )


# ---------------------------------------------------------------------- a conversation


async def test_text_is_answered_and_every_event_names_the_agent() -> None:
    async with running() as (agent, ears):
        await agent.handle_input(text("hello"))
        await ears.until(ServerEvents.AgentResponseDoneEvent)
        assert [item.text for item in agent.history()] == ["hello", "You said: hello"]
        assert (agent.name, agent.is_running, agent.end) == ("Friday", True, None)
    kinds = list(dict.fromkeys(ears.types()))
    assert kinds == [
        "agent_ready", "agent_response_created", "agent_response_audio_transcript_delta",
        "agent_response_audio_delta", "agent_response_audio_done", "agent_response_audio_transcript_done",
        "agent_response_done", "agent_ended",
    ]  # fmt: skip
    named = {(event.model_dump()["agent_id"], event.model_dump()["agent_name"]) for event in ears.heard}
    assert named == {(agent.id, "Friday")}
    assert agent.end is not None
    assert agent.end == ears.heard[-1]
    assert (agent.end.reason, agent.end.code) == ("stopped", 1000)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 44100, 48000])
async def test_audio_of_any_declared_rate_cut_anywhere_is_heard_whole(rate_hz: int) -> None:
    voice = tone(300, rate_hz // 2, rate_hz)
    async with running(config=MANUAL) as (agent, ears):
        for at in range(0, len(voice), 997):
            await agent.handle_input(audio(voice[at : at + 997], rate_hz))
        await agent.handle_input(ClientEvents.ClientAudioCommitEvent(session_id="s"))
        heard = await ears.until(ServerEvents.AgentInputTranscriptionDoneEvent)
        await ears.until(ServerEvents.AgentResponseDoneEvent)
        if rate_hz == RATE_HZ:
            deltas = [e for e in ears.heard if isinstance(e, ServerEvents.AgentResponseAudioDeltaEvent)]
            assert b"".join(delta.pcm for delta in deltas) == voice
    assert heard.transcript == "[audio 500 ms]"
    assert "agent_input_transcription_delta" in ears.types()
    assert "agent_error" not in ears.types()


async def test_the_detector_hears_the_users_turn() -> None:
    voice = tone(300, 16000, 16000) + bytes(32000)
    async with running() as (agent, ears):
        await agent.handle_input(audio(voice, 16000))
        await ears.until(ServerEvents.AgentResponseDoneEvent)
    kinds = ears.types()
    assert kinds.index("agent_input_started") < kinds.index("agent_input_done")
    assert kinds.index("agent_input_done") < kinds.index("agent_response_created")


async def test_a_response_can_be_asked_for_and_an_image_is_seen() -> None:
    picture = base64.b64encode(b"\xff\xd8jpeg").decode()
    async with running() as (agent, ears):
        event = ClientEvents.ClientImageAppendEvent(
            session_id="s", image=picture, format={"type": "image", "mime_type": "image/png"}
        )
        await agent.handle_input(event)
        await agent.handle_input(ClientEvents.ClientResponseCreateEvent(session_id="s"))
        said = await ears.until(ServerEvents.AgentResponseAudioTranscriptDoneEvent)
        assert said.transcript == "You sent an image"
        assert agent.history()[0].content[0].image_url == f"data:image/png;base64,{picture}"


async def test_cancel_stops_the_response_and_only_what_was_heard_stays() -> None:
    clock = ManualClock()
    flushed: list[bool] = []
    agent = RealtimeAgent(
        "Friday",
        "",
        EchoRealtimeModel(clock=clock),
        clock=clock,
        on_interruption=lambda: flushed.append(True),
    )
    ears = Ears()
    async with agent:
        await agent.start(ears.queue)
        await agent.handle_input(text("speak 9 seconds"))
        await clock.advance_ms(1000)
        await agent.handle_input(ClientEvents.ClientResponseCancelEvent(session_id="s"))
        await clock.settle()
        done = await ears.until(ServerEvents.AgentResponseDoneEvent)
        assert done.status == "cancelled"
        assert flushed == [True]
        await clock.advance_ms(1000)
        assert "agent_response_audio_delta" not in ears.types()[ears.types().index("agent_response_done") :]
        words = agent.history()[-1].text
        assert words.startswith("You")
        assert words != "You said: speak 9 seconds"


async def test_a_cancel_right_behind_the_text_is_not_lost() -> None:
    async with running() as (agent, ears):
        await agent.handle_input(text("speak 60 seconds"))
        agent.interrupt()
        await agent.handle_input(text("speak 60 seconds"))
        await agent.handle_input(ClientEvents.ClientResponseCancelEvent(session_id="s"))
        done = await ears.until(ServerEvents.AgentResponseDoneEvent)
        assert done.status == "cancelled"
    assert "agent_error" not in ears.types()


async def test_a_cancel_of_nothing_is_no_error() -> None:
    async with running() as (agent, ears):
        await agent.handle_input(ClientEvents.ClientResponseCancelEvent(session_id="s"))
        await agent.handle_input(text("hello"))
        assert (await ears.until(ServerEvents.AgentResponseDoneEvent)).status == "completed"
    assert "agent_error" not in ears.types()


async def test_text_answers_and_other_model_events_have_their_agent_form() -> None:
    model = FakeModel()
    async with running(model) as (_, ears):
        model.open_connection.emit(
            response("r"),
            ModelResponseTextDeltaEvent(response_id="r", item_id="i", delta="Hi"),
            ModelResponseTextDoneEvent(response_id="r", item_id="i", text="Hi"),
            ModelInputTranscriptionFailedEvent(item_id="u", code="noisy", message="too loud"),
            ModelErrorEvent(error_type="server_error", code="hiccup", message="again, please"),
            ModelErrorEvent(error_type="x", code="response_cancel_not_active", message="too late"),
            ModelResponseDoneEvent(response_id="r", input_tokens=1, output_tokens=2),
        )
        done = await ears.until(ServerEvents.AgentResponseDoneEvent)
        assert (done.input_tokens, done.output_tokens) == (1, 2)
    assert ears.types()[1:-1] == [
        "agent_response_created", "agent_response_audio_transcript_delta",
        "agent_response_audio_transcript_done", "agent_error", "agent_error", "agent_response_done",
    ]  # fmt: skip


# ---------------------------------------------------------------------- other agents


async def test_another_agents_speech_is_heard_and_its_end_ends_the_turn() -> None:
    voice = tone(300, 8000, 16000)
    async with running() as (agent, ears):
        await agent.handle_input(said_by(agent.id, b"\1\1" * 16000, 16000))
        await agent.handle_input(done_by(agent.id))
        for at in range(0, len(voice), 1001):
            await agent.handle_input(said_by("other", voice[at : at + 1001], 16000))
        await agent.handle_input(done_by("other"))
        heard = await ears.until(ServerEvents.AgentInputTranscriptionDoneEvent)
        await ears.until(ServerEvents.AgentResponseDoneEvent)
        assert 500 <= int(heard.transcript.split()[1]) <= 1700


async def test_an_agent_does_not_hear_itself() -> None:
    model = FakeModel()
    async with running(model) as (agent, _):
        await agent.handle_input(said_by(agent.id, b"\1\1" * 2400))
        await agent.handle_input(done_by(agent.id))
        await anyio.wait_all_tasks_blocked()
        assert model.open_connection.sent == []


@pytest.mark.parametrize(
    ("detection", "silence_ms"),
    [
        (TurnDetection(silence_duration_ms=1000), 1400),
        (TurnDetection(), 1200),
        (TurnDetection(kind="semantic_vad"), 2400),
        (None, 0),
    ],
)
async def test_the_end_of_an_agents_speech_is_silence_or_a_commit(
    detection: TurnDetection | None, silence_ms: int
) -> None:
    model = FakeModel()
    async with running(model, config=SessionConfig(turn_detection=detection)) as (agent, _):
        await agent.handle_input(said_by("other", b"\1\1" * 2400))
        await agent.handle_input(done_by("other"))
        await agent.handle_input(done_by("other"))
        await anyio.wait_all_tasks_blocked()
        connection = model.open_connection
        assert connection.audio_samples - 2400 == silence_ms * 24
        commits = [command for command in connection.orders if isinstance(command, CommitAudio)]
        assert len(commits) == (1 if detection is None else 0)
        quiet = [command for command in connection.sent if isinstance(command, AppendAudio)][1:]
        assert all(not any(command.pcm) for command in quiet)


# ---------------------------------------------------------------------- what is wrong with an event


@pytest.mark.parametrize(
    ("event", "code", "words"),
    [
        (audio(b"\0\0", 16000, "audio/wav"), "invalid_audio", "audio/wav"),
        (audio(b"\0\0", 0), "invalid_audio", "sample_rate_hz"),
        (
            ClientEvents.ClientAudioAppendEvent(
                session_id="s", audio="###", format=MediaFormat("audio/pcm", 24000)
            ),
            "invalid_audio",
            "base64",
        ),
        (
            ClientEvents.ClientImageAppendEvent(session_id="s", image="#", format={}),
            "invalid_event",
            "'image'",
        ),
        (ClientEvents.ClientImageAppendEvent(session_id="s", image="", format={}), "invalid_event", "empty"),
        (
            ClientEvents.ClientToolResultEvent(session_id="s", id="c9", name="f", output="1"),
            "invalid_event",
            "'c9'",
        ),
        (ClientEvents.ClientSessionCreateEvent(config={"voice": 3}), "invalid_event", "'voice'"),
        (ClientEvents.ClientSessionCreateEvent(config={"tools": "x"}), "invalid_event", "'tools'"),
        (
            ClientEvents.ClientSessionCreateEvent(
                config={"turn_detection": {"type": "server_vad", "loud": 1}}
            ),
            "invalid_event",
            "loud",
        ),
        (
            ClientEvents.ClientSessionCreateEvent(config={"tools": [{"name": 3}]}),
            "invalid_configuration",
            "3",
        ),
    ],
)
async def test_a_wrong_event_is_an_error_event_and_the_conversation_goes_on(
    event: EventBase, code: str, words: str
) -> None:
    async with running() as (agent, ears):
        await agent.handle_input(event)
        error = await ears.until(ServerEvents.AgentErrorEvent)
        assert (error.code, error.error_type) == (code, "invalid_request_error")
        assert words in error.message
        await agent.handle_input(text("hello"))
        await ears.until(ServerEvents.AgentResponseDoneEvent)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, None),
        ("none", None),
        ("semantic_vad", TurnDetection(kind="semantic_vad")),
        ({"type": "server_vad", "threshold": 0.4}, TurnDetection(threshold=0.4)),
        ({}, TurnDetection()),
    ],
)
async def test_turn_detection_in_its_spellings(given: object, read: TurnDetection | None) -> None:
    assert SessionRequest.read({"turn_detection": given}).turn_detection == read


async def test_what_the_model_cannot_do_is_an_error_event() -> None:
    model = FakeModel()
    async with running(model) as (agent, ears):
        picture = base64.b64encode(b"jpeg").decode()
        event = ClientEvents.ClientImageAppendEvent(session_id="s", image=picture, format={})
        await agent.handle_input(event)
        error = await ears.until(ServerEvents.AgentErrorEvent)
        assert (error.code, error.message) == ("unsupported", "the fake model is blind")
        await agent.handle_input(text("hello"))
        await anyio.wait_all_tasks_blocked()
        assert model.open_connection.orders == [SendText("hello")]


async def test_what_is_no_event_is_said_to_the_caller() -> None:
    async with running() as (agent, _):
        with pytest.raises(InvalidEventError, match="from_json"):
            await agent.handle_input({"type": "client_text_append"})  # type: ignore[arg-type]  # the mistake meant


# ---------------------------------------------------------------------- the front end's session


async def test_a_created_session_configures_the_agent_and_is_reported() -> None:
    async with running() as (agent, ears):
        config = {
            "instructions": "Be brief.", "user_name": "User1", "agent_name": "Monday", "session_id": "s1",
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 300}, "unknown": 1,
        }  # fmt: skip
        await agent.handle_input(ClientEvents.ClientSessionCreateEvent(config=config))
        created = await ears.until(ServerEvents.ServerSessionCreatedEvent)
        assert created.session_id == "s1"
        assert (await ears.until(ServerEvents.ServerSessionUpdatedEvent)).session_id == "s1"
        await agent.handle_input(text("hello"))
        told = await ears.until(ServerEvents.AgentResponseCreatedEvent)
        assert (told.agent_name, agent.name) == ("Monday", "Monday")
        await agent.handle_input(ClientEvents.ClientSessionCreateEvent(config={}))
        await ears.until(ServerEvents.ServerSessionUpdatedEvent)
        await agent.handle_input(ClientEvents.ClientSessionEndEvent(session_id="s1"))
        with pytest.raises(SessionClosed, match="ended by the client") as closed:
            await agent.handle_input(text("hello"))
        assert closed.value.code == 1000
    ended, session = ears.rest()[-2:]
    assert isinstance(ended, ServerEvents.AgentEndedEvent)
    assert isinstance(session, ServerEvents.ServerSessionEndedEvent)
    assert (session.session_id, session.reason, session.code) == ("s1", "ended by the client", 1000)


async def test_the_new_configuration_reaches_the_model() -> None:
    model = FakeModel()
    async with running(model) as (agent, _):
        config = {"instructions": "Be brief.", "user_name": "User1", "voice": "verse", "turn_detection": None}
        await agent.handle_input(ClientEvents.ClientSessionCreateEvent(config=config))
        await anyio.wait_all_tasks_blocked()
        told = "Be brief.\nThe user's name is User1."
        assert model.open_connection.orders == [
            UpdateSession(instructions=told, voice="verse", turn_detection=None)
        ]


# ---------------------------------------------------------------------- life


async def test_misuse_gets_an_error_that_says_what_to_do() -> None:
    agent = RealtimeAgent("Friday", "", EchoRealtimeModel())
    with pytest.raises(LocalProtocolError, match="start"):
        await agent.handle_input(text("hello"))
    with pytest.raises(LocalProtocolError, match="start"):
        agent.interrupt()
    await agent.stop()
    ears = Ears()
    await agent.start(ears.queue)
    with pytest.raises(LocalProtocolError, match="stop"):
        await agent.start(ears.queue)
    with pytest.raises(LocalProtocolError, match="stop"):
        agent.restore_history("{}")
    await agent.handle_input(text("hello"))
    await ears.until(ServerEvents.AgentResponseDoneEvent)
    await agent.stop()
    await agent.stop()
    with pytest.raises(SessionClosed, match="start"):
        agent.send(SendText("hello"))


async def test_it_can_be_started_again() -> None:
    agent = RealtimeAgent("Friday", "", EchoRealtimeModel())
    ears = Ears()
    for _ in range(2):
        await agent.start(ears.queue)
        await agent.handle_input(text("hello"))
        await ears.until(ServerEvents.AgentResponseDoneEvent)
        await agent.stop()
    assert ears.types().count("agent_ready") == ears.types().count("agent_ended") == 2
    assert len(agent.history()) == 2


class SlowModel(FakeModel):
    """Opens when it is told to, or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__()
        self.may_open = anyio.Event()
        self.failure = failure

    @asynccontextmanager
    async def open(self, **options: Any) -> AsyncGenerator[Any, None]:
        await self.may_open.wait()
        if self.failure is not None:
            raise self.failure
        async with super().open(**options) as connection:
            yield connection


async def test_stop_while_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicewire.agent.agent._STOP_S", 1000.0)
    agent, ears = RealtimeAgent("Friday", "", SlowModel()), Ears()
    caught: list[VoicewireError] = []

    async def start() -> None:
        try:
            await agent.start(ears.queue)
        except SessionClosed as error:
            caught.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(LocalProtocolError, match="not ready"):
            await agent.handle_input(text("hello"))
        with pytest.raises(LocalProtocolError, match="running already"):
            await agent.start(ears.queue)
        await agent.stop()
    assert "while it started" in str(caught[0])
    assert ears.rest() == []


async def test_cancelling_the_start_leaves_nothing_open() -> None:
    model = SlowModel()
    agent = RealtimeAgent("Friday", "", model)
    with anyio.move_on_after(0.01) as limit:
        await agent.start(Ears().queue)
    assert limit.cancelled_caught
    model.may_open.set()
    async with agent:
        await agent.start(Ears().queue)
        assert agent.is_running


@pytest.mark.parametrize(
    "failure", [ConfigError("no key"), UnsupportedError("no tools"), ZeroDivisionError()]
)
async def test_a_model_that_does_not_open_is_the_starters_error(failure: Exception) -> None:
    model = SlowModel(failure)
    model.may_open.set()
    agent, ears = RealtimeAgent("Friday", "", model), Ears()
    for _ in range(2):
        with pytest.raises(type(failure)):
            await agent.start(ears.queue)
    with pytest.raises(type(failure)):
        await agent.run(ears.queue)
    assert ears.rest() == []
    model.failure = None
    async with agent:
        await agent.start(ears.queue)
        assert agent.is_running


@pytest.mark.parametrize(
    ("last", "code", "reason", "error_code"),
    [
        (
            [ModelSessionEndedEvent(session_id="f", reason="cut", code=1006), LOST],
            1006,
            "cut",
            "connection_lost",
        ),
        ([LOST], 1006, "cut", "connection_lost"),
        (
            [ModelSessionEndedEvent(session_id="f", reason="expired", code=1001)],
            1001,
            "expired",
            "session_closed",
        ),
        ([RuntimeError("a bug")], 1011, "internal error", "internal_error"),
    ],
)
async def test_the_end_of_the_connection_is_always_told_once(
    last: list[EventBase | Exception], code: int, reason: str, error_code: str
) -> None:
    model = FakeModel()
    async with running(model) as (agent, ears):
        model.open_connection.emit(response("r"), speech("r", "i", 240), *last)
        ended = await ears.until(ServerEvents.AgentEndedEvent)
        assert (ended.code, ended.reason) == (code, reason)
        assert agent.end == ended
        with pytest.raises(SessionClosed, match=reason):
            await agent.handle_input(text("hello"))
    assert ears.types()[-3:] == ["agent_response_done", "agent_error", "agent_ended"]
    error = ears.heard[-2]
    assert isinstance(error, ServerEvents.AgentErrorEvent)
    assert error.code == error_code
    assert "a bug" not in error.message
    assert model.open_connection.is_closed


async def test_a_dropped_call_can_be_started_again() -> None:
    async with running() as (agent, ears):
        await agent.handle_input(text("drop"))
        ended = await ears.until(ServerEvents.AgentEndedEvent)
        assert ended.code == 1006
        await agent.start(ears.queue)
        await agent.handle_input(text("hello"))
        assert (await ears.until(ServerEvents.AgentResponseDoneEvent)).status == "completed"


async def test_run_lives_in_the_callers_task_group() -> None:
    agent, ears = RealtimeAgent("Friday", "", EchoRealtimeModel()), Ears()
    async with anyio.create_task_group() as tasks:
        await tasks.start(agent.run, ears.queue)
        await agent.handle_input(text("speak 60 seconds"))
        await ears.until(ServerEvents.AgentResponseAudioDeltaEvent)
        tasks.cancel_scope.cancel()
    assert ears.types()[-1] == "agent_ended"
    assert ears.types().count("agent_response_done") == 1
    assert not agent.is_running


async def test_a_stop_that_is_asked_for_tells_its_reason() -> None:
    agent, ears = RealtimeAgent("Friday", "", EchoRealtimeModel()), Ears()
    async with anyio.create_task_group() as tasks:
        await tasks.start(agent.run, ears.queue)
        agent.request_stop("enough")
        agent.request_stop("too late")
    assert agent.end is not None
    assert (agent.end.reason, ears.types()) == ("enough", ["agent_ready", "agent_ended"])


# ---------------------------------------------------------------------- the queue


async def test_a_bounded_queue_gets_everything_in_order() -> None:
    ears = Ears(maxsize=1)
    async with RealtimeAgent("Friday", "", EchoRealtimeModel()) as agent:
        await agent.start(ears.queue)
        await agent.handle_input(text("hello"))
        await ears.until(ServerEvents.AgentResponseDoneEvent)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(agent.stop)
            await ears.until(ServerEvents.AgentEndedEvent)
    audio_samples = sum(
        len(event.pcm) // 2
        for event in ears.heard
        if isinstance(event, ServerEvents.AgentResponseAudioDeltaEvent)
    )
    assert audio_samples == len("You said: hello") * RATE_HZ * 20 // 1000
    assert ears.types().count("agent_ended") == 1


async def test_a_queue_that_stays_full_ends_the_agent_and_still_gets_the_rest() -> None:
    ears = Ears(maxsize=2)
    async with RealtimeAgent("Friday", "", EchoRealtimeModel(), slow_consumer_s=0.01) as agent:
        await agent.start(ears.queue)
        await agent.handle_input(text("hello"))
        with anyio.fail_after(10):
            while agent.end is None:
                await anyio.wait_all_tasks_blocked()
        ended = await ears.until(ServerEvents.AgentEndedEvent)
        assert ended.code == 1008
    error = ears.rest()[-2]
    assert isinstance(error, ServerEvents.AgentErrorEvent)
    assert error.code == "consumer_too_slow"
    assert "agent_response_created" in ears.types()


async def test_a_queue_without_a_bound_has_one_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicewire.agent.outgoing.MAX_UNREAD_EVENTS", 5)
    async with running() as (agent, ears):
        await agent.handle_input(text("hello"))
        with anyio.fail_after(10):
            while agent.end is None:
                await anyio.wait_all_tasks_blocked()
        assert (await ears.until(ServerEvents.AgentErrorEvent)).code == "consumer_too_slow"


async def test_stop_does_not_wait_for_ever_for_a_queue_that_nobody_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicewire.agent.agent._STOP_S", 0.01)
    queue: asyncio.Queue[EventBase] = asyncio.Queue(1)
    agent = RealtimeAgent("Friday", "", EchoRealtimeModel())
    await agent.start(queue)
    await agent.stop()
    assert agent.end is not None
    assert isinstance(queue.get_nowait(), ServerEvents.AgentReadyEvent)


async def test_a_queue_that_breaks_ends_the_agent() -> None:
    class Broken:
        async def put(self, item: EventBase, /) -> None:
            self.put_nowait(item)

        def put_nowait(self, item: EventBase, /) -> None:
            raise RuntimeError("no more")

    agent = RealtimeAgent("Friday", "", EchoRealtimeModel())
    with anyio.fail_after(10):
        await agent.run(Broken())
    assert agent.end is not None
    assert "queue failed" in agent.end.reason


# ---------------------------------------------------------------------- memory


async def test_the_history_is_exported_and_restored() -> None:
    async with running() as (agent, ears):
        await agent.handle_input(text("hello"))
        await ears.until(ServerEvents.AgentResponseDoneEvent)
        memory = agent.export_history()
    assert [entry["role"] for entry in json.loads(memory)["items"]] == ["user", "assistant"]
    second = RealtimeAgent("Friday", "", EchoRealtimeModel())
    second.restore_history(memory)
    assert [item.text for item in second.history()] == ["hello", "You said: hello"]
    ears = Ears()
    async with second:
        await second.start(ears.queue)
        await second.handle_input(text("again"))
        await ears.until(ServerEvents.AgentResponseDoneEvent)
        words = [item.text for item in second.history()]
        assert words == ["hello", "You said: hello", "again", "You said: again"]
        await second.stop()
        await second.start(ears.queue)
        await second.handle_input(text("fresh"))
        await ears.until(ServerEvents.AgentResponseDoneEvent)
        assert [item.text for item in second.history()] == ["fresh", "You said: fresh"]


async def test_an_edited_history_is_valid_again() -> None:
    agent = RealtimeAgent("Friday", "", EchoRealtimeModel())
    items = [
        {"id": "a", "role": "user", "content": [{"kind": "audio", "text": "spoken"}]},
        {"id": "b", "kind": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"id": "c", "kind": "mcp_call", "raw": {}},
        {"id": "d", "role": "user", "content": [{"kind": "audio", "is_transcribed": False}]},
    ]
    agent.restore_history({"version": 1, "items": items})
    restored = agent.history()
    assert [item.kind for item in restored] == ["message", "function_call", "function_call_output", "message"]
    ears = Ears()
    async with agent:
        await agent.start(ears.queue)
        await agent.handle_input(ClientEvents.ClientResponseCreateEvent(session_id="s"))
        await ears.until(ServerEvents.AgentResponseDoneEvent)
        assert [item.kind for item in agent.history()[:3]] == [
            "message", "function_call", "function_call_output",
        ]  # fmt: skip
    assert "agent_error" not in ears.types()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{", "JSON"),
        ("{}", "version"),
        ('{"version": 2, "items": []}', "version 2"),
        ('{"version": 1, "items": [{"role": "user"}]}', "id"),
        ('{"version": 1, "items": [{"id": "a", "role": "king"}]}', "role"),
    ],
)
async def test_what_is_no_history_is_refused(data: str, words: str) -> None:
    with pytest.raises(InvalidEventError, match=words):
        RealtimeAgent("Friday", "", EchoRealtimeModel()).restore_history(data)


async def test_a_script_is_followed_too() -> None:
    steps = [
        Step(expect="SendText", where={"text": "hello"}),
        Step(expect="response"),
        Step(say="Hi there. ", audio_ms=40),
        Step(finish="completed"),
    ]
    async with running(ScriptedRealtimeModel(steps)) as (agent, ears):
        await agent.handle_input(text("hello"))
        await ears.until(ServerEvents.AgentResponseDoneEvent)
        assert agent.history()[-1].text == "Hi there. "


async def test_nothing_of_an_interrupted_response_comes_out() -> None:
    model = FakeModel()
    async with running(model) as (agent, ears):
        model.open_connection.emit(ModelResponseCreatedEvent(response_id="r"), speech("r", "i", 240))
        await ears.until(ServerEvents.AgentResponseAudioDeltaEvent)
        agent.interrupt()
        model.open_connection.emit(
            speech("r", "i", 240),
            ModelResponseDoneEvent(response_id="r", input_tokens=0, output_tokens=0, status="cancelled"),
            ModelResponseDoneEvent(response_id="r", input_tokens=0, output_tokens=0),
        )
        await ears.until(ServerEvents.AgentResponseDoneEvent)
    assert ears.types().count("agent_response_audio_delta") == 1
    assert ears.types().count("agent_response_done") == 1


async def test_audio_that_waits_for_a_slow_consumer_is_dropped_by_an_interruption() -> None:
    model, ears = FakeModel(), Ears(maxsize=1)
    async with RealtimeAgent("Friday", "", model) as agent:
        await agent.start(ears.queue)
        model.open_connection.emit(response("r"), *(speech("r", "i", 240) for _ in range(3)))
        await anyio.wait_all_tasks_blocked()
        agent.interrupt()
        model.open_connection.emit(
            ModelResponseDoneEvent(response_id="r", input_tokens=0, output_tokens=0, status="cancelled")
        )
        await ears.until(ServerEvents.AgentResponseDoneEvent)
        assert ears.types() == ["agent_ready", "agent_response_created", "agent_response_done"]
