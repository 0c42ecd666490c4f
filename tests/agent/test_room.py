"""``ChatRoom``: agents and people who hear each other, one at a time. The room's clock is moved by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anyio
import pytest

from voicewire.agent import AddressedByName, ChatRoom, FirstToClaim, ModeratorOrder, TurnTaken
from voicewire.agent.floor import ANYONE
from voicewire.audio.files import read_audio
from voicewire.audio.level import rms_dbfs
from voicewire.audio.pcm import silence, tone
from voicewire.errors import ConfigError, ConnectFailed, InvalidEventError, LocalProtocolError
from voicewire.events import ClientEvents, ServerEvents
from voicewire.events.base import EventBase

from .stage import Stage, agent

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

FRAME = 4800


async def test_the_example_of_the_document() -> None:
    agent1, agent2 = agent("Agent1"), agent("Agent2")
    chat_room = ChatRoom(agents=[agent1, agent2])
    outgoing_queue: asyncio.Queue[EventBase] = asyncio.Queue()
    await chat_room.start(outgoing_queue)
    client_event = ClientEvents.ClientTextAppendEvent(session_id="session1", text="Hello everyone!")
    await chat_room.handle_input(client_event)
    with anyio.fail_after(10):
        while not isinstance(
            event := await outgoing_queue.get(), ServerEvents.AgentResponseAudioTranscriptDoneEvent
        ):
            pass
    assert (event.agent_name, event.transcript) == ("Agent1", "You said: Hello everyone!")
    await chat_room.stop()
    await chat_room.stop()
    assert not agent1.is_running
    assert not agent2.is_running


async def test_ten_turns_by_audio_without_overlap(tmp_path: Path) -> None:
    async with Stage("Bob", "Carl", turn_limit=20, record_to=tmp_path) as stage:
        stage.room.add_person("s1", "Ann")
        await stage.speak(tone(440, 12_000, 24_000) + silence(16_800), "s1")
        await stage.until(lambda: len(stage.speakers()) >= 6)
        # In the middle of somebody's speech: it ends, and the person is answered.
        await stage.clock.settle()
        await stage.speak(tone(300, 12_000, 24_000) + silence(16_800), "s1")
        await stage.until(lambda: len(stage.speakers()) >= 11)
        spans = stage.room.spans
        assert stage.room.longest_overlap_ms <= 300
        assert {span.speaker for span in spans} == {"Ann", "Bob", "Carl"}
        agents = [span.speaker for span in spans if span.speaker != "Ann"]
        assert all(a != b for a, b in zip(agents[:4], agents[1:4], strict=False))
    names = ("Ann", "Bob", "Carl")
    tracks = {name: read_audio(tmp_path / f"{name}.wav").data for name in names}
    assert len({len(track) for track in tracks.values()}) == 1
    both = 0
    for at in range(0, len(tracks["Ann"]) - FRAME, FRAME):
        loud = [name for name, track in tracks.items() if rms_dbfs(track[at : at + FRAME]) > -45]
        both = both + 1 if len(loud) > 1 else 0
        assert both <= 3, f"two are heard at {at / 48} ms: {loud}"


async def test_every_transcript_says_who_spoke_and_comes_once() -> None:
    async with Stage("Bob", "Carl", turn_limit=2) as stage:
        stage.room.add_person("s1", "Ann")
        await stage.speak(tone(440, 12_000, 24_000) + silence(16_800), "s1")
        await stage.until(lambda: len(stage.words()) >= 3)
        await stage.until(lambda: stage.room.floor is None)
        names = [name for name, _ in stage.words()]
        assert names == ["Ann", "Bob", "Carl"]
        heard = stage.words()[0][1]
        assert heard.startswith("[audio ")
        assert stage.words()[1][1] == f"You sent {heard[7:-1]} of audio"


async def test_audio_goes_to_all_others_mixed_and_resampled() -> None:
    async with Stage("Bob") as stage:
        for name in ("Ann", "Eve"):
            stage.room.add_person(name)
        low, high = tone(300, 8_000, 16_000), tone(1000, 12_000, 24_000)
        for part in range(5):
            await stage.speak(low[3200 * part : 3200 * (part + 1)], "Ann", 16_000)
            await stage.speak(high[4800 * part : 4800 * (part + 1)], "Eve")
        for _ in range(8):
            await stage.speak(silence(1_600), "Ann", 16_000)
            await stage.speak(silence(2_400), "Eve")
        await stage.until(lambda: "Bob" in stage.speakers())
        eve_hears = stage.room.heard_by("Eve", 72_000)
        ann_hears = stage.room.heard_by("Ann", 72_000)
        assert eve_hears.format.sample_rate_hz == 24_000
        assert rms_dbfs(eve_hears.data) > -40
        assert rms_dbfs(ann_hears.data) > -40
        assert eve_hears.data != ann_hears.data
        with pytest.raises(LocalProtocolError, match="nobody named"):
            stage.room.heard_by("Zoe", 1)


async def test_a_turn_limit_makes_the_agents_wait_for_a_person() -> None:
    async with Stage("Bob", "Carl", turn_limit=3) as stage:
        await stage.say("Go")
        await stage.until(lambda: len(stage.speakers()) == 3 and stage.room.floor is None)
        for _ in range(5):
            await stage.clock.advance_ms(5000)
        assert len(stage.speakers()) == 3
        await stage.say("Go on")
        await stage.until(lambda: len(stage.speakers()) == 6)


async def test_whoever_answers_first_has_the_floor() -> None:
    async with Stage("Bob", "Carl", "Dora", floor="first", turn_limit=1) as stage:
        await stage.say("Who knows?")
        await stage.until(lambda: len(stage.speakers()) == 1 and stage.room.floor is None)
        heard = {
            event.agent_name
            for event in stage.told
            if isinstance(event, ServerEvents.AgentResponseAudioDeltaEvent)
        }
        assert heard == set(stage.speakers())
        assert {name for name, _ in stage.words()} == {"ann", *stage.speakers()}


async def test_the_agent_that_is_named_answers() -> None:
    async with Stage("Bob", "Carl", floor="addressed", turn_limit=1) as stage:
        await stage.say("What do you think, carl?")
        await stage.until(lambda: stage.speakers() == ["Carl"])
        await stage.say("And now somebody.")
        await stage.until(lambda: len(stage.speakers()) == 2)
        await stage.speak(tone(440, 12_000, 24_000) + silence(16_800))
        await stage.until(lambda: len(stage.speakers()) == 4)


async def test_agents_join_and_leave_while_it_runs() -> None:
    async with Stage("Bob", turn_limit=1) as stage:
        carl = agent("Carl", stage.clock)
        await stage.room.join(carl)
        assert [one.name for one in stage.room.agents] == ["Bob", "Carl"]
        with pytest.raises(ConfigError, match="another name"):
            await stage.room.join(agent("Carl"))
        await stage.room.leave("Bob")
        await stage.say("Who is there?")
        await stage.until(lambda: stage.speakers() == ["Carl"])
        await stage.room.leave(carl)
        assert not carl.is_running
        with pytest.raises(LocalProtocolError, match="no agent 'Carl'"):
            await stage.room.leave("Carl")
        await stage.say("Anybody?")
        await stage.clock.advance_ms(1000)
        assert stage.speakers() == ["Carl"]


async def test_an_agent_that_fails_leaves_and_the_others_go_on() -> None:
    async with Stage("Bob", "Carl", turn_limit=3) as stage:
        await stage.say("drop")
        await stage.until(lambda: len(stage.room.agents) < 2)
        await stage.until(
            lambda: any(isinstance(event, ServerEvents.AgentEndedEvent) for event in stage.told)
        )
        errors = [event for event in stage.told if isinstance(event, ServerEvents.AgentErrorEvent)]
        assert errors[0].agent_name == "Bob"


async def test_an_agent_that_cannot_start_is_told_of_and_the_room_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage("Bob", "Carl", turn_limit=1)

    def broken(**_: Any) -> Any:
        raise ConnectFailed("nothing answers")

    monkeypatch.setattr(stage.room._first[0].model, "open", broken)
    async with stage:
        assert [one.name for one in stage.room.agents] == ["Carl"]
        await stage.say("Hi")
        await stage.until(lambda: stage.speakers() == ["Carl"])
    errors = [event for event in stage.told if isinstance(event, ServerEvents.AgentErrorEvent)]
    assert (errors[0].agent_name, errors[0].code) == ("Bob", "not_started")
    alone = Stage("Bob")
    monkeypatch.setattr(alone.room._first[0].model, "open", broken)
    with pytest.raises(ConnectFailed):
        await alone.room.start(alone.queue)
    assert not alone.room.is_running


async def test_a_person_takes_the_floor_and_the_cut_turn_is_heard_as_far_as_it_was_played() -> None:
    async with Stage("Bob", "Carl", turn_limit=1) as stage:
        await stage.say("speak 5 seconds")
        await stage.until(lambda: stage.room.floor == "Bob" and any(
            isinstance(event, ServerEvents.AgentResponseAudioDeltaEvent) for event in stage.told
        ))  # fmt: skip
        await stage.clock.advance_ms(1000)
        await stage.room.handle_input(ClientEvents.ClientResponseCancelEvent(session_id="ann"))
        await stage.clock.settle()
        (span,) = stage.room.spans
        assert span.speaker == "Bob"
        assert (span.end_sample - span.start_sample) / 24 <= 1100
        assert stage.room.floor is None


async def test_tools_work_in_a_room() -> None:
    async with Stage("Bob", turn_limit=1) as stage:
        await stage.say("call f {}")
        await stage.until(
            lambda: any(isinstance(event, ServerEvents.AgentResponseToolUseDoneEvent) for event in stage.told)
        )
        (call,) = [
            event for event in stage.told if isinstance(event, ServerEvents.AgentResponseToolUseDoneEvent)
        ]
        result = ClientEvents.ClientToolResultEvent(
            session_id="ann", id=call.tool_use["id"], name="f", output="42"
        )
        await stage.room.handle_input(result)
        await stage.until(lambda: ("Bob", "f returned: 42") in stage.words())
        with pytest.raises(InvalidEventError, match="no agent waits"):
            await stage.room.handle_input(result)


async def test_misuse() -> None:
    with pytest.raises(ConfigError, match="names of their own"):
        ChatRoom([agent("A"), agent("A")])
    with pytest.raises(ConfigError, match="policies are: moderator"):
        ChatRoom(floor="loudest")  # type: ignore[arg-type]  # the mistake itself
    with pytest.raises(ConfigError, match="turn_limit"):
        ChatRoom(turn_limit=0)
    stage = Stage("Bob")
    with pytest.raises(LocalProtocolError, match=r"await start\(queue\)"):
        await stage.say("x")
    with pytest.raises(LocalProtocolError, match=r"await start\(queue\)"):
        await stage.room.join(agent("C"))
    async with stage:
        with pytest.raises(LocalProtocolError, match="running already"):
            await stage.room.start(stage.queue)
        stage.room.add_person("a", "Ann")
        with pytest.raises(ConfigError, match="another name"):
            stage.room.add_person("b", "Ann")
    await stage.room.start(stage.queue)
    await stage.room.stop()


async def test_cancelling_the_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage("Bob", "Carl")
    with anyio.move_on_after(0):
        await stage.room.start(stage.queue)
    assert not stage.room.is_running
    assert not any(one.is_running for one in stage.room._first)


def taken(speaker: str, words: str = "", *, is_person: bool = False) -> TurnTaken:
    return TurnTaken(speaker=speaker, is_person=is_person, words=words)


async def test_policies() -> None:
    order = ModeratorOrder()
    agents = ["A", "B", "C"]
    assert order.next_speaker(taken("ann", is_person=True), agents) == "A"
    assert order.next_speaker(taken("A"), agents) == "B"
    assert order.next_speaker(taken("C"), agents) == "A"
    assert order.next_speaker(taken("A"), ["A"]) is None
    assert FirstToClaim().next_speaker(taken("A"), agents) == ANYONE
    assert FirstToClaim().next_speaker(taken("A"), ["A"]) is None
    named = AddressedByName()
    assert named.next_speaker(taken("A", "C or B?"), agents) == "C"
    assert named.next_speaker(taken("A", "I am A; a cab"), agents) == "B"
