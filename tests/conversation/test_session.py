"""The application's side, scene by scene."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conversation.helpers import checked, every, names, only
from voicewire.conversation.session import (
    CancelTool,
    ConversationSession,
    FlushPlayout,
    PlayAudio,
    RunTool,
    SendCommand,
    SessionOutput,
    StateChanged,
)
from voicewire.conversation.tools import CANCELLED_OUTPUT
from voicewire.errors import SessionClosed
from voicewire.events import commands as c
from voicewire.events import model as m
from voicewire.events.base import MediaFormat
from voicewire.events.items import ContentPart, Item
from voicewire.events.session import SessionConfig

pytestmark = pytest.mark.unit
__all__ = ["checked"]

RATE_HZ = 24000
MS = RATE_HZ // 1000
FORMAT = MediaFormat("audio/pcm", RATE_HZ)


def _delta(
    response: str = "r1", item: str = "i1", ms: int = 100, **more: Any
) -> m.ModelResponseAudioDeltaEvent:
    return m.ModelResponseAudioDeltaEvent(
        response_id=response, item_id=item, format=FORMAT, pcm=bytes(2 * MS * ms), **more
    )


def _done(response: str = "r1", **more: Any) -> m.ModelResponseDoneEvent:
    return m.ModelResponseDoneEvent(response_id=response, input_tokens=1, output_tokens=1, **more)


def _words(text: str, response: str = "r1", item: str = "i1") -> m.ModelResponseAudioTranscriptDeltaEvent:
    return m.ModelResponseAudioTranscriptDeltaEvent(response_id=response, item_id=item, delta=text)


def _said(session: ConversationSession, text: str, ms: int, number: int = 1) -> list[SessionOutput]:
    """A whole answer, as a careful provider gives it."""
    response, item = f"r{number}", f"i{number}"
    opened = Item(id=item, role="assistant", status="in_progress")
    closed = Item(id=item, role="assistant", content=(ContentPart(kind="audio", text=text),))
    outputs: list[SessionOutput] = []
    for event in (
        m.ModelResponseCreatedEvent(response_id=response),
        m.ModelItemAddedEvent(item=opened, response_id=response),
        _words(text, response, item),
        _delta(response, item, ms),
        m.ModelResponseAudioDoneEvent(response_id=response, item_id=item),
        m.ModelItemDoneEvent(item=closed, response_id=response),
        _done(response),
    ):
        outputs += session.receive(event)
    return outputs


def _started(at_ms: int = 0, item: str = "u1") -> m.ModelInputStartedEvent:
    return m.ModelInputStartedEvent(item_id=item, audio_start_ms=at_ms)


def _states(outputs: list[SessionOutput]) -> list[str]:
    return [output.state for output in every(outputs, StateChanged)]


def _commands(outputs: list[SessionOutput]) -> list[c.Command]:
    return [output.command for output in every(outputs, SendCommand)]


def test_the_states_follow_what_is_heard() -> None:
    session = ConversationSession()
    states = _states(session.receive(_started()))
    states += _states(session.receive(m.ModelInputDoneEvent(item_id="u1", audio_end_ms=500)))
    states += _states(_said(session, "one two", 1000))
    states += _states(session.played("i1", 0, 1))
    states += _states(session.played("i1", 0, 999 * MS))
    states += _states(session.played("i1", 0, 1000 * MS))
    assert states == ["listening", "thinking", "speaking", "idle"]


def test_without_playout_speaking_is_while_audio_comes() -> None:
    session = ConversationSession(has_playout=False)
    states = _states(session.command(c.SendText("hello"))) + _states(_said(session, "one two", 1000))
    assert states == ["thinking", "speaking", "idle"]


def test_barge_in_flushes_then_truncates_to_what_was_played() -> None:
    session = ConversationSession()
    _said(session, "one two three four", 1000)
    session.played("i1", 0, 200 * MS)
    outputs = session.receive(_started())
    assert names(outputs) == ["InputStarted", "FlushPlayout", "StateChanged"]
    assert only(outputs, FlushPlayout).generation == session.generation == 1
    session.played("i1", 0, 500 * MS)
    assert _commands(session.flushed(1)) == [c.TruncateItem("i1", 500, 0)]
    assert session.history()[0].text == session.heard_text("i1") == "one two"
    assert session.flushed(1) == []
    assert session.played("i1", 0, 900 * MS) == []
    assert session.heard_text("i1") == "one two"


def test_nothing_heard_means_the_item_is_removed() -> None:
    session = ConversationSession()
    _said(session, "one two", 1000)
    session.receive(_started())
    assert _commands(session.flushed(1)) == [c.TruncateItem("i1", 0, 0)]
    assert session.history() == ()


def test_audio_of_an_interrupted_generation_never_reaches_playout() -> None:
    session = ConversationSession()
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    assert names(session.receive(_delta())) == ["ItemAdded", "PlayAudio"]
    session.receive(_started())
    assert session.receive(_delta()) == []
    assert session.receive(_words("late")) == []
    assert session.dropped_deltas == 2
    assert names(session.receive(_done(status="cancelled", reason="turn_detected"))) == [
        "ItemDone",
        "ResponseDone",
    ]
    session.receive(m.ModelResponseCreatedEvent(response_id="r2"))
    assert only(session.receive(_delta("r2", "i2")), PlayAudio).generation == 1


def test_a_model_that_does_not_interrupt_by_itself_is_told_to() -> None:
    session = ConversationSession(interrupts_by_itself=False)
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    session.receive(_delta())
    assert _commands(session.receive(_started())) == [c.CancelResponse("r1")]


def test_a_model_that_interrupts_without_reporting_speech() -> None:
    session = ConversationSession()
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    session.receive(_delta())
    outputs = session.receive(_done(status="cancelled", reason="turn_detected"))
    assert only(outputs, FlushPlayout).generation == 1


def test_the_application_interrupts() -> None:
    session = ConversationSession()
    assert session.interrupt() == []
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    session.receive(_delta())
    outputs = session.interrupt()
    assert names(outputs)[0] == "FlushPlayout"
    assert _commands(outputs) == [c.CancelResponse("r1")]


def test_a_cancel_of_the_application_flushes_and_is_sent_once() -> None:
    session = ConversationSession()
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    session.receive(_delta())
    outputs = session.command(c.CancelResponse())
    assert _commands(outputs) == [c.CancelResponse()]
    assert only(outputs, FlushPlayout).generation == 1


def test_without_playout_the_estimate_is_truncated_at_once() -> None:
    session = ConversationSession(has_playout=False)
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    session.receive(_words("one two three four"), now_ms=0)
    session.receive(_delta(ms=1000), now_ms=1000)
    session.receive(m.ModelResponseAudioDoneEvent(response_id="r1", item_id="i1"))
    session.receive(_done(), now_ms=1100)
    outputs = session.receive(_started(), now_ms=1500)
    assert _commands(outputs) == [c.TruncateItem("i1", 500, 0)]
    assert session.history()[0].text == "one two"


def test_a_model_without_truncation_is_spared_the_command() -> None:
    session = ConversationSession(supports_truncation=False)
    _said(session, "one two three four", 1000)
    session.played("i1", 0, 500 * MS)
    session.receive(_started())
    assert _commands(session.flushed(1)) == []
    assert session.history()[0].text == "one two"


def test_the_application_s_truncation_is_clamped_to_what_was_played() -> None:
    session = ConversationSession()
    _said(session, "one two three four", 1000)
    session.played("i1", 0, 400 * MS)
    assert _commands(session.command(c.TruncateItem("i1", 900, command_id="x"))) == [
        c.TruncateItem("i1", 400, 0, "x")
    ]


def test_what_runs_aside_in_silence_is_not_interrupted() -> None:
    session = ConversationSession()
    session.receive(m.ModelResponseCreatedEvent(response_id="aside", is_out_of_band=True))
    _said(session, "one", 500)
    session.receive(_started())
    text = m.ModelResponseTextDeltaEvent(response_id="aside", item_id="x", delta="mood: fine")
    assert only(session.receive(text), m.ModelResponseTextDeltaEvent) is text
    assert "x" not in [item.id for item in session.history()]


# ---------------------------------------------------------------- tools


def _call(call_id: str = "c1", response: str = "r1") -> m.ModelResponseToolUseDoneEvent:
    return m.ModelResponseToolUseDoneEvent(
        response_id=response,
        item_id="t1",
        tool_use={"type": "tool_use", "id": call_id, "name": "f", "input": {"a": 1}, "raw_input": '{"a": 1}'},
    )


def test_a_tool_is_run_once_and_answered_once() -> None:
    session = ConversationSession()
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    assert only(session.receive(_call()), RunTool) == RunTool("c1", "f", '{"a": 1}', "r1")
    assert session.receive(_call()) == []
    assert session.open_tools == ("c1",)
    assert _commands(session.tool_finished("c1", "42")) == [c.SendToolResult("c1", "42")]
    assert session.tool_finished("c1", "43") == []
    assert session.command(c.SendToolResult("c1", "44")) == []


def test_tools_go_on_through_an_interruption_unless_told_otherwise() -> None:
    for cancels in (False, True):
        session = ConversationSession(cancels_tools=cancels)
        session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
        session.receive(_call())
        outputs = session.receive(_started())
        if cancels:
            assert only(outputs, CancelTool) == CancelTool("c1")
            assert _commands(outputs) == [c.SendToolResult("c1", CANCELLED_OUTPUT, respond=False)]
        else:
            assert _commands(outputs) == []
            assert session.open_tools == ("c1",)


def test_a_call_of_an_interrupted_response_is_cancelled_at_once() -> None:
    session = ConversationSession()
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    session.receive(_started())
    outputs = session.receive(_call())
    assert _commands(outputs) == [c.SendToolResult("c1", CANCELLED_OUTPUT, respond=False)]
    assert not every(outputs, RunTool)


def test_a_call_that_is_deleted_is_cancelled_and_not_run_again() -> None:
    session = ConversationSession()
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    item = Item(id="t1", kind="function_call", call_id="c1", name="f", arguments="{}")
    session.receive(m.ModelItemDoneEvent(item=item, response_id="r1"))
    session.receive(_call())
    assert only(session.receive(m.ModelItemDeletedEvent(item_id="t1")), CancelTool).call_id == "c1"
    assert session.tool_finished("c1", "late") == []
    assert session.receive(_call()) == []


# ---------------------------------------------------------------- a sloppy provider


def test_ends_that_are_missing_are_supplied() -> None:
    session = ConversationSession()
    session.receive(m.ModelSessionCreatedEvent(session_id="s"))
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    session.receive(_words("one "))
    session.receive(_started())
    outputs = session.connection_lost(code=1006, reason="gone")
    assert names(outputs) == ["InputDone", "ItemDone", "ResponseDone", "StateChanged", "SessionEnded"]
    assert only(outputs, m.ModelItemDoneEvent).item.status == "incomplete"
    assert only(outputs, m.ModelItemDoneEvent).item.text == "one "
    done = only(outputs, m.ModelResponseDoneEvent)
    assert (done.status, done.reason) == ("failed", "connection_lost")
    end = only(outputs, m.ModelSessionEndedEvent)
    assert (end.session_id, end.code, end.reason) == ("s", 1006, "gone")
    assert session.connection_lost(code=1000, reason="") == []
    with pytest.raises(SessionClosed):
        session.command(c.SendText("hello?"))


def test_an_end_that_was_asked_for_cancels() -> None:
    session = ConversationSession()
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    session.receive(_call())
    end = m.ModelSessionEndedEvent(session_id="s", reason="closed", code=1000, is_expected=True)
    outputs = session.receive(end)
    assert only(outputs, m.ModelResponseDoneEvent).status == "cancelled"
    assert only(outputs, CancelTool).call_id == "c1"
    assert outputs[-1] is end


def test_a_lost_connection_that_may_come_back_ends_what_was_open() -> None:
    session = ConversationSession()
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    assert names(session.receive(m.WebsocketDisconnectEvent()))[:2] == ["ResponseDone", "WebsocketDisconnect"]
    assert names(session.receive(m.ModelResponseCreatedEvent(response_id="r2")))[0] == "ResponseCreated"


def test_a_response_that_never_ended_is_ended_by_the_next() -> None:
    session = ConversationSession()
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    outputs = session.receive(m.ModelResponseCreatedEvent(response_id="r2"))
    assert names(outputs) == ["ResponseDone", "ResponseCreated"]
    assert only(outputs, m.ModelResponseDoneEvent).reason == "superseded"


def test_repetitions_are_dropped_and_counted() -> None:
    session = ConversationSession()
    _said(session, "one", 100)
    for late in (_done(), m.ModelResponseCreatedEvent(response_id="r1"), _delta(), _words("more")):
        assert session.receive(late) == []
    assert (session.dropped_events, session.dropped_deltas) == (2, 2)


def test_an_item_without_its_end_is_ended_with_its_response() -> None:
    session = ConversationSession()
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    session.receive(_words("one two"))
    outputs = session.receive(_done())
    assert names(outputs)[:2] == ["ItemDone", "ResponseDone"]
    item = only(outputs, m.ModelItemDoneEvent).item
    assert (item.status, item.text) == ("completed", "one two")


def test_a_transcript_that_comes_before_its_item_is_kept_for_it() -> None:
    session = ConversationSession()
    session.receive(m.ModelInputTranscriptionDoneEvent(item_id="u1", transcript="hello"))
    part = ContentPart(kind="audio", is_transcribed=False)
    session.receive(m.ModelItemAddedEvent(item=Item(id="u1", role="user", content=(part,))))
    assert session.history()[0].text == "hello"
    assert session.receive(m.ModelInputTranscriptionDoneEvent(item_id="u1", transcript="again")) == []


def test_the_audio_path_never_decodes() -> None:
    session = ConversationSession()
    session.receive(m.ModelResponseCreatedEvent(response_id="r1"))
    for text, samples in (("AAAA", 1), ("AAAAAA==", 2), ("AAAAAAA=", 2)):
        event = m.ModelResponseAudioDeltaEvent(response_id="r1", item_id="i1", format=FORMAT, delta=text)
        only(session.receive(event), PlayAudio)
        assert event.payload.size_bytes // 2 == samples
        assert event.payload._pcm is None, "decoded"


def test_every_known_event_passes_or_is_accounted_for() -> None:
    session = ConversationSession(SessionConfig())
    event = m.ModelProviderEvent(name="news", raw={"x": 1}, is_known=False)
    assert session.receive(event) == [event]
    updated = m.ModelSessionUpdatedEvent(session_id="s", config=SessionConfig(voice="v"))
    assert session.receive(updated) == [updated]
    assert session.config.voice == "v"
