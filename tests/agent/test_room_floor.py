"""Turn-taking in a room where something goes wrong, and what everybody hears meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import anyio
import pytest

from voicewire.agent import ChatRoom, RealtimeAgent, Toolkit, TurnTaken
from voicewire.audio.level import rms_dbfs
from voicewire.audio.pcm import silence, tone
from voicewire.errors import ConfigError
from voicewire.events import ClientEvents, ServerEvents
from voicewire.events.commands import CommitAudio, CreateResponse, SendText
from voicewire.events.model import (
    ModelResponseAudioTranscriptDeltaEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
)

from .fakes import FakeModel, speech
from .overlap import longest_overlap_ms, tracks_in
from .stage import LEAD_MS, Stage, agent

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

SECOND = tone(440, 24_000, 24_000)


def silent(name: str, stage: Stage) -> tuple[RealtimeAgent, FakeModel]:
    """An agent that says nothing unless the test makes it."""
    model = FakeModel()
    return RealtimeAgent(name, "", model, clock=stage.clock), model


async def test_an_agent_that_gives_no_sign_loses_the_floor() -> None:
    async with Stage(turn_limit=2) as stage:
        mute, _ = silent("Mute", stage)
        await stage.room.join(mute)
        await stage.room.join(agent("Bob", stage.clock))
        await stage.say("Hello")
        await stage.clock.settle()
        assert stage.room.floor == "Mute"
        await stage.clock.advance_ms(14_900)
        assert stage.room.floor == "Mute"
        await stage.clock.advance_ms(200)
        await stage.until(lambda: stage.speakers() == ["Bob"])
        (error,) = stage.events(ServerEvents.AgentErrorEvent)
        assert (error.agent_name, error.code) == ("Mute", "no_answer")
        assert "15 s" in error.message


async def test_a_long_tool_keeps_the_floor() -> None:
    async with Stage(turn_limit=1) as stage:
        toolkit = Toolkit(timeout_s=100)

        @toolkit.add
        async def look() -> str:
            await stage.clock.sleep_until_ns(stage.clock.now_ns() + 40_000_000_000)
            return "found"

        await stage.room.join(agent("Bob", stage.clock, toolkit=toolkit))
        await stage.say("call look {}")
        await stage.clock.settle(100)
        for _ in range(39):
            await stage.clock.advance_ms(1000)
            assert stage.room.floor == "Bob"
        await stage.until(lambda: ("Bob", "look returned: found") in stage.words())
        assert not stage.events(ServerEvents.AgentErrorEvent)


async def test_when_the_speaker_is_lost_somebody_else_goes_on() -> None:
    async with Stage("Bob", "Carl", turn_limit=2) as stage:
        await stage.say("speak 30 seconds")
        await stage.until_heard("Bob", 1000)
        await stage.room.leave("Bob")
        await stage.until(lambda: stage.speakers() == ["Bob", "Carl"])
        assert stage.room.history()[1].is_cut
        assert 900 <= stage.room.history()[1].end_ms - stage.room.history()[1].start_ms <= 1100


async def test_what_a_cut_agent_said_is_told_as_far_as_it_was_heard() -> None:
    async with Stage("Bob", turn_limit=1) as stage:
        stage.room.add_person("s1", "Ann")
        await stage.say("speak 4 seconds", "s1")
        await stage.until_heard("Bob", 1000)
        await stage.room.handle_input(ClientEvents.ClientResponseCancelEvent(session_id="s1"))
        await stage.until(lambda: ("Bob", "You said:") in stage.words())
        turn = stage.room.history()[-1]
        assert (turn.speaker, turn.words, turn.is_cut) == ("Bob", "You said:", True)


async def test_a_cancelled_response_does_not_end_the_turn_that_follows_it() -> None:
    async with Stage(turn_limit=5) as stage:
        bob, model = silent("Bob", stage)
        await stage.room.join(bob)
        await stage.say("One")
        await stage.clock.settle()
        model.open_connection.emit(ModelResponseCreatedEvent(response_id="r1"), speech("r1", "i1", 48_000))
        await stage.clock.settle()
        await stage.clock.advance_ms(LEAD_MS + 500)
        # It is cut off, and asked again before its model has confirmed the end of the first answer.
        await stage.say("Two")
        await stage.clock.settle()
        assert [type(order) for order in model.open_connection.orders].count(CreateResponse) == 2
        model.open_connection.emit(
            ModelResponseDoneEvent(response_id="r1", status="cancelled", input_tokens=0, output_tokens=0)
        )
        await stage.clock.settle()
        assert stage.room.floor == "Bob"
        model.open_connection.emit(
            ModelResponseCreatedEvent(response_id="r2"),
            speech("r2", "i2", 24_000),
            ModelResponseAudioTranscriptDeltaEvent(response_id="r2", item_id="i2", delta="Second."),
            ModelResponseDoneEvent(response_id="r2", status="completed", input_tokens=0, output_tokens=0),
        )
        await stage.until(lambda: len(stage.speakers()) == 2 and stage.room.floor is None)
        bobs = [turn for turn in stage.room.history() if turn.speaker == "Bob"]
        assert [round(turn.end_ms - turn.start_ms) for turn in bobs] == [500, 1000]
        assert [turn.is_cut for turn in bobs] == [True, False]
        assert bobs[1].words == "Second."


async def test_a_response_that_was_cancelled_before_it_began_does_not_take_the_next_ones_place() -> None:
    async with Stage(turn_limit=5) as stage:
        bob, model = silent("Bob", stage)
        await stage.room.join(bob)
        await stage.say("One")
        await stage.clock.settle()
        await stage.say("Two")
        await stage.clock.settle()
        model.open_connection.emit(
            ModelResponseCreatedEvent(response_id="r1"),
            ModelResponseDoneEvent(response_id="r1", status="cancelled", input_tokens=0, output_tokens=0),
            ModelResponseCreatedEvent(response_id="r2"),
            speech("r2", "i2", 24_000),
            ModelResponseDoneEvent(response_id="r2", status="completed", input_tokens=0, output_tokens=0),
        )
        await stage.until(lambda: stage.speakers() == ["Bob"] and stage.room.floor is None)
        (turn,) = [turn for turn in stage.room.history() if turn.speaker == "Bob"]
        assert round(turn.end_ms - turn.start_ms) == 1000


async def test_people_hear_an_agent_while_it_speaks_and_nothing_of_what_was_cut() -> None:
    async with Stage("Bob", turn_limit=1) as stage:
        stage.room.add_person("s1", "Ann")
        await stage.say("speak 20 seconds", "s1")
        await stage.until(lambda: bool(stage.audio_of("Bob")))
        waited = stage.room.heard_by("Ann", 24 * LEAD_MS)
        assert rms_dbfs(waited.data) < -80
        await stage.clock.advance_ms(LEAD_MS + 1000)
        assert stage.room.floor == "Bob"
        assert rms_dbfs(stage.room.heard_by("Ann", 12_000).data) > -20
        await stage.room.handle_input(ClientEvents.ClientResponseCancelEvent(session_id="s1"))
        rest = stage.room.heard_by("Ann", 24_000).data
        assert rms_dbfs(rest[:20_000]) > -20
        assert rms_dbfs(rest[26_000:]) < -80


async def test_a_listener_who_reads_late_gets_the_last_minute() -> None:
    async with Stage("Bob", turn_limit=1) as stage:
        stage.room.add_person("s1", "Ann")
        stage.room.add_person("s2", "Eve")
        for pause_ms in (90_000, 300_000):
            await stage.clock.advance_ms(pause_ms)
            await stage.speak(SECOND + silence(16_800), "s2")
            heard = stage.room.heard_by("Ann", 62 * 24_000).data
            # It was said 1.7 s ago, and the mix begins 60 s ago.
            assert rms_dbfs(heard[2 * 24_000 * 58 : 2 * 24_000 * 60]) > -30


async def test_what_people_say_and_write_is_told_to_the_other_people() -> None:
    async with Stage("Bob", turn_limit=1) as stage:
        await stage.room.handle_input(
            ClientEvents.ClientSessionCreateEvent(config={"session_id": "s1", "user_name": "Ann"})
        )
        await stage.room.handle_input(ClientEvents.ClientSessionCreateEvent(config={"session_id": "s1"}))
        assert list(stage.room.people) == ["Ann"]
        await stage.say("Good morning", "s1")
        await stage.until(lambda: stage.speakers() == ["Bob"])
        await stage.speak(tone(440, 12_000, 24_000) + silence(16_800), "s1")
        await stage.until(lambda: len(stage.speakers()) == 3)
        await stage.room.handle_input(ClientEvents.ClientSessionEndEvent(session_id="s1"))
        assert not stage.room.people
    created, updated, ended = (
        [event.session_id for event in stage.events(kind)]
        for kind in (
            ServerEvents.ServerSessionCreatedEvent,
            ServerEvents.ServerSessionUpdatedEvent,
            ServerEvents.ServerSessionEndedEvent,
        )
    )
    assert (created, updated, ended) == (["s1"], ["s1"], ["s1"])
    said = stage.events(ServerEvents.AgentInputTranscriptionDoneEvent)
    assert [(event.agent_id, event.agent_name) for event in said] == [("s1", "Ann")] * 2
    assert said[0].transcript == "Good morning"
    (began,) = stage.events(ServerEvents.AgentInputStartedEvent)
    (over,) = stage.events(ServerEvents.AgentInputDoneEvent)
    assert (began.agent_name, over.agent_name) == ("Ann", "Ann")
    assert began.item_id == over.item_id == said[1].item_id != said[0].item_id
    assert began.audio_start_ms < over.audio_end_ms


async def test_a_person_who_sends_no_more_audio_has_finished() -> None:
    async with Stage("Bob", turn_limit=1) as stage:
        await stage.speak(SECOND)
        assert stage.room.floor == "ann"
        await stage.clock.advance_ms(900)
        assert stage.room.floor == "ann"
        await stage.clock.advance_ms(200)
        await stage.until(lambda: stage.speakers() == ["ann", "Bob"])


async def test_a_pause_in_what_a_person_sends_is_silence() -> None:
    async with Stage("Bob", turn_limit=1) as stage:
        await stage.speak(SECOND[:24_010])
        await stage.clock.advance_ms(700)
        assert stage.room.floor == "ann"
        await stage.speak(silence(250))
        await stage.clock.settle(100)
        assert stage.room.floor == "Bob"
        await stage.speak(silence(7210))
        await stage.until(lambda: stage.speakers()[-1] == "Bob" and stage.room.floor is None)
        await stage.clock.advance_ms(60_000)
        now_sample = stage.clock.now_ns() * 24 // 1_000_000
        await stage.speak(silence(960) + SECOND[:24_010] + silence(16_800))
        span = [span for span in stage.room.spans if span.speaker == "ann"][-1]
        assert abs(span.start_sample - now_sample - 960) <= 240
        assert 900 <= (span.end_sample - span.start_sample) / 24 <= 1100
        assert stage.room.history()[-1].start_ms == now_sample / 24


async def test_a_long_monologue_reaches_the_agents_in_parts() -> None:
    async with Stage(turn_limit=1) as stage:
        bob, model = silent("Bob", stage)
        await stage.room.join(bob)
        await stage.speak(SECOND * 52)
        await stage.clock.settle(2000)
        orders = [type(order) for order in model.open_connection.orders]
        assert orders == [CommitAudio]
        assert model.open_connection.audio_samples >= 50 * 24_000
        assert stage.room.floor == "ann"


async def test_a_very_long_answer_reaches_the_other_agents_as_words() -> None:
    async with Stage(turn_limit=1) as stage:
        bob, model = silent("Bob", stage)
        carl, other = silent("Carl", stage)
        await stage.room.join(bob)
        await stage.room.join(carl)
        await stage.say("Tell me everything")
        await stage.clock.settle()
        model.open_connection.emit(
            ModelResponseCreatedEvent(response_id="r1"),
            ModelResponseAudioTranscriptDeltaEvent(response_id="r1", item_id="i1", delta="It began early."),
            *(speech("r1", "i1", 240_000) for _ in range(6)),
            ModelResponseDoneEvent(response_id="r1", status="completed", input_tokens=0, output_tokens=0),
        )
        await stage.until(lambda: stage.speakers() == ["Bob"])
        await stage.clock.settle()
        texts = [order.text for order in other.open_connection.orders if isinstance(order, SendText)]
        assert texts == ["Tell me everything", "Bob: It began early."]
        assert other.open_connection.audio_samples == 0


async def test_who_joins_later_is_told_what_was_said() -> None:
    async with Stage("Bob", turn_limit=1) as stage:
        await stage.say("My cat is called Mia")
        await stage.until(lambda: stage.speakers() == ["Bob"])
        carl = agent("Carl", stage.clock)
        await stage.room.join(carl)
        await stage.clock.settle(100)
        (item,) = carl.history()
        assert item.content[0].text == (
            "The conversation so far:\nann: My cat is called Mia\nBob: You said: My cat is called Mia"
        )


class Broken:
    """A policy that fails, then names nobody that is there."""

    needs_words = False

    def __init__(self) -> None:
        self.asked = 0

    def next_speaker(self, taken: TurnTaken, agents: Sequence[str]) -> str | None:
        self.asked += 1
        if self.asked == 1:
            raise RuntimeError("no idea")
        return "Nobody" if self.asked == 2 else agents[0]


async def test_a_policy_that_fails_leaves_the_floor_free_and_the_room_running() -> None:
    async with Stage("Bob", floor=Broken(), turn_limit=1) as stage:
        for _ in range(2):
            await stage.say("Hello")
            await stage.clock.settle(100)
            assert stage.room.floor is None
        await stage.say("Hello")
        await stage.until(lambda: stage.speakers() == ["Bob"])


async def test_the_measure_of_overlap_sees_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("room")
    async with Stage("Bob", turn_limit=1, record_to=folder) as stage:
        for name in ("Ann", "Eve"):
            stage.room.add_person(name)
        for part in range(10):
            piece = SECOND[4800 * part : 4800 * (part + 1)]
            await stage.speak(piece, "Ann")
            await stage.room.handle_input(stage.audio(piece, "Eve"))
        assert 900 <= stage.room.longest_overlap_ms <= 1000
    tracks = tracks_in(folder)
    assert 900 <= longest_overlap_ms(tracks, 24_000) <= 1000
    alone = {"Ann": tracks["Ann"], "Bob": tracks["Bob"]}
    assert longest_overlap_ms(alone, 24_000) == 0


async def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="answer_timeout_s"):
        ChatRoom(answer_timeout_s=0)
    async with Stage("Bob") as stage:
        stage.room.add_person("s1", "Ann")
        with pytest.raises(ConfigError, match="session id 's1'"):
            stage.room.add_person("s1", "Eve")
        with pytest.raises(ConfigError, match="named 'Bob'"):
            await stage.say("It is me", "Bob")
    assert stage.room.history() == ()
    await asyncio.sleep(0)
    with anyio.fail_after(5):
        await stage.room.stop()


async def test_a_voice_that_comes_unevenly_is_heard_whole_and_without_gaps() -> None:
    async with Stage(turn_limit=1) as stage:
        stage.room.add_person("s1", "Ann")
        stage.room.add_person("s2", "Eve")
        voice, heard, read = tone(440, 24_000, 24_000), b"", 0
        began_ns = stage.clock.now_ns()
        # Each piece has 100 ms of a voice; the network brings them early, late, and two at once.
        for number, pause_ms in enumerate((100, 60, 140, 180, 20, 100, 130, 70, 190, 10)):
            await stage.clock.advance_ms(pause_ms)
            await stage.room.handle_input(stage.audio(voice[4800 * number : 4800 * (number + 1)], "s1"))
            now = (stage.clock.now_ns() - began_ns) * 24 // 1_000_000
            heard += stage.room.heard_by("Eve", now - read).data
            read = now
        await stage.clock.advance_ms(500)
        heard += stage.room.heard_by("Eve", 12_000).data
        assert heard.strip(b"\0") == voice.strip(b"\0")


async def test_who_wants_to_know_is_told_how_far_an_agent_has_been_heard() -> None:
    async with Stage("Bob", turn_limit=1, tells_playout=True) as stage:
        await stage.say("one two three four five six")
        await stage.until(lambda: stage.room.floor is None and len(stage.room.history()) == 2)
        told = stage.events(ServerEvents.AgentPlayoutHeardEvent)
        words = [event.heard_text for event in told]
        assert words == sorted(words, key=len)
        assert words[0] == ""
        assert words[-1] == "You said: one two three four five six"
        assert [event.is_final for event in told] == [False] * (len(told) - 1) + [True]
        assert told[-1].heard_samples == told[-1].generated_samples
        (item_id,) = {event.item_id for event in told}
        assert item_id == stage.audio_of("Bob")[0].item_id
        await stage.say("speak 20 seconds")
        await stage.until_heard("Bob", 1000)
        await stage.room.handle_input(ClientEvents.ClientResponseCancelEvent(session_id="ann"))
        last = stage.events(ServerEvents.AgentPlayoutHeardEvent)[-1]
        cut = stage.room.history()[-1]
        assert (last.is_final, last.is_cut, cut.is_cut) == (True, True, True)
        assert last.heard_samples / 24 == cut.end_ms - cut.start_ms
        assert last.heard_text == cut.words
