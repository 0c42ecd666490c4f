"""The provider's side, scene by scene (OpenAI specification, sections 7 to 10)."""

from __future__ import annotations

import pytest

from tests.conversation.helpers import RATE_HZ, USAGE, Desk, checked, every, names, only
from voicewire.conversation.orders import CloseInput, StartResponse, StopGeneration, TranscribeInput
from voicewire.conversation.tools import CANCELLED_OUTPUT
from voicewire.errors import LocalProtocolError
from voicewire.events import commands as c
from voicewire.events import model as m
from voicewire.events.base import MediaFormat
from voicewire.events.items import ContentPart, Item
from voicewire.events.session import SessionConfig, TurnDetection

pytestmark = pytest.mark.unit
__all__ = ["checked"]


def test_text_in_audio_out_has_the_order_of_the_wire() -> None:
    desk = Desk()
    assert names(desk.send(c.SendText("hello"))) == [
        "ItemAdded",
        "ItemDone",
        "ResponseCreated",
        "StartResponse",
    ]
    outputs = desk.say("Hi ") + desk.say("there.") + desk.finish()
    assert names(outputs) == [
        "ItemAdded",
        "ResponseAudioTranscriptDelta",
        "ResponseAudioDelta",
        "ResponseAudioTranscriptDelta",
        "ResponseAudioDelta",
        "ResponseAudioDone",
        "ResponseAudioTranscriptDone",
        "ItemDone",
        "ResponseDone",
    ]
    added, done = only(outputs, m.ModelItemAddedEvent), only(outputs, m.ModelResponseDoneEvent)
    assert (added.item.status, added.item.content) == ("in_progress", ())
    assert added.previous_item_id == "item_1"
    assert (done.status, done.input_tokens, done.output_tokens, done.usage) == ("completed", 3, 5, USAGE)
    assert done.output == (only(outputs, m.ModelItemDoneEvent).item,)
    assert done.output[0].text == "Hi there."


def test_text_modality_gives_text_and_drops_audio() -> None:
    desk = Desk(SessionConfig(modality="text"))
    desk.send(c.SendText("hello"))
    outputs = desk.say("Hi.") + desk.finish()
    assert names(outputs) == [
        "ItemAdded",
        "ResponseTextDelta",
        "ResponseTextDone",
        "ItemDone",
        "ResponseDone",
    ]
    assert only(outputs, m.ModelItemDoneEvent).item.content == (ContentPart(kind="text", text="Hi."),)


def test_a_spoken_turn_has_the_order_of_the_wire() -> None:
    desk = Desk()
    outputs = desk.turn(500)
    assert names(outputs) == [
        "InputStarted",
        "InputDone",
        "InputCommitted",
        "ItemAdded",
        "ItemDone",
        "TranscribeInput",
        "ResponseCreated",
        "StartResponse",
    ]
    item_id = only(outputs, m.ModelInputStartedEvent).item_id
    assert only(outputs, m.ModelInputCommittedEvent).item_id == item_id
    order = only(outputs, TranscribeInput)
    assert (order.item_id, order.start_sample, order.end_sample) == (item_id, 0, 12000)
    assert only(outputs, m.ModelInputDoneEvent).audio_end_ms == 500
    content = only(outputs, m.ModelItemAddedEvent).item.content
    assert content == (ContentPart(kind="audio", is_transcribed=False),)


def test_barge_in_cancels_and_the_turn_is_answered() -> None:
    desk = Desk()
    desk.send(c.SendText("tell me a story"))
    desk.say("Once upon a time ", 1000)
    desk.now_ms = 400
    desk.hear(500)
    outputs = desk.host.speech_started(0, now_ms=desk.now_ms)
    assert names(outputs) == [
        "InputStarted",
        "StopGeneration",
        "ResponseAudioDone",
        "ResponseAudioTranscriptDone",
        "ItemDone",
        "ResponseDone",
    ]
    done = only(outputs, m.ModelResponseDoneEvent)
    assert (done.status, done.reason, done.output[0].status) == ("cancelled", "turn_detected", "incomplete")
    assert desk.host.response_text(1, "there was") == []
    # 400 ms of the second that says four words were heard: "Once" (at 15 letters a second) and no more.
    assert desk.history()[1] == ("assistant", "Once")


def test_barge_in_after_the_response_was_made_still_cuts_what_was_not_heard() -> None:
    desk = Desk()
    desk.send(c.SendText("go"))
    desk.host.response_audio(1, bytes(2 * RATE_HZ), now_ms=0)
    desk.say("one two three four", 0)
    desk.finish()
    desk.now_ms = 500
    desk.hear(200)
    desk.keep(desk.host.speech_started(0, now_ms=500))
    assert desk.history() == [("user", "go"), ("assistant", "one two")]


def test_the_client_s_truncation_replaces_the_estimate() -> None:
    desk = Desk()
    desk.send(c.SendText("go"))
    desk.say("one two three four", 1000)
    desk.finish()
    desk.now_ms = 500
    desk.hear(200)
    item_id = only(desk.outputs, m.ModelResponseDoneEvent).output[0].id
    desk.host.speech_started(0, now_ms=500)
    outputs = desk.send(c.TruncateItem(item_id, 800))
    assert only(outputs, m.ModelItemTruncatedEvent).audio_end_ms == 800
    assert desk.history()[1] == ("assistant", "one two three")
    desk.send(c.RetrieveItem(item_id))
    assert only(desk.outputs, m.ModelItemRetrievedEvent).item.text == "one two three"


def test_a_truncation_to_nothing_takes_the_item_out_of_the_history() -> None:
    desk = Desk()
    desk.send(c.SendText("go"))
    desk.say("one two", 1000)
    desk.finish()
    item_id = only(desk.outputs, m.ModelResponseDoneEvent).output[0].id
    outputs = desk.send(c.TruncateItem(item_id, 0))
    assert only(outputs, m.ModelItemTruncatedEvent).audio_end_ms == 0
    assert desk.history() == [("user", "go")]


def test_nothing_heard_of_less_than_a_millisecond_is_nothing() -> None:
    desk = Desk()
    desk.send(c.SendText("go"))
    desk.host.response_text(1, "tick")
    desk.host.response_audio(1, bytes(2), now_ms=0)
    item_id = only(desk.finish(), m.ModelResponseDoneEvent).output[0].id
    desk.send(c.TruncateItem(item_id, 0))
    assert desk.history() == [("user", "go")]


@pytest.mark.parametrize(
    ("ms", "kept_ms", "code"),
    [(1000, 1000, ""), (1020, 1000, ""), (1021, None, "invalid_value"), (-1, None, "invalid_value")],
)
def test_truncation_is_clamped_by_one_packet_and_refused_beyond(
    ms: int, kept_ms: int | None, code: str
) -> None:
    desk = Desk()
    desk.send(c.SendText("go"))
    desk.say("one two", 1000)
    item_id = only(desk.finish(), m.ModelResponseDoneEvent).output[0].id
    outputs = desk.send(c.TruncateItem(item_id, ms, command_id="cut"))
    if kept_ms is None:
        error = only(outputs, m.ModelErrorEvent)
        assert (error.code, error.command_id) == (code, "cut")
        assert "already shorter" in error.message
    else:
        assert only(outputs, m.ModelItemTruncatedEvent).audio_end_ms == kept_ms


def test_only_audio_of_the_model_can_be_truncated() -> None:
    desk = Desk()
    desk.send(c.SendText("go", respond=False))
    error = only(desk.send(c.TruncateItem("item_1", 10)), m.ModelErrorEvent)
    assert (error.code, error.message) == (
        "unsupported_content_type",
        "Only model output audio messages can be truncated",
    )
    assert (
        only(desk.send(c.TruncateItem("nope", 10)), m.ModelErrorEvent).code == "item_truncate_invalid_item_id"
    )


def test_an_active_response_refuses_another_by_name_of_the_command() -> None:
    desk = Desk()
    desk.send(c.CreateResponse())
    error = only(desk.send(c.CreateResponse(command_id="second")), m.ModelErrorEvent)
    assert (error.code, error.command_id) == ("conversation_already_has_active_response", "second")
    assert (
        only(desk.send(c.CancelResponse("resp_9", command_id="c")), m.ModelErrorEvent).code
        == "response_cancel_not_active"
    )


def test_a_client_s_cancel_ends_the_response() -> None:
    desk = Desk()
    desk.send(c.CreateResponse(metadata={"k": "v"}))
    desk.say("Well ")
    outputs = desk.send(c.CancelResponse())
    assert names(outputs)[0] == "StopGeneration"
    done = only(outputs, m.ModelResponseDoneEvent)
    assert (done.status, done.reason, done.metadata) == ("cancelled", "client_cancelled", {"k": "v"})


# ---------------------------------------------------------------- the rule for asking


def test_a_create_after_an_ask_is_absorbed_once() -> None:
    desk = Desk()
    desk.send(c.SendText("hello"))
    desk.send(c.AppendAudio(b"\0\0"))
    assert desk.send(c.CreateResponse(command_id="x")) == []
    assert only(desk.send(c.CreateResponse()), m.ModelErrorEvent)


def test_a_create_is_absorbed_even_if_the_answer_is_made_already_unless_it_was_seen() -> None:
    for is_seen in (False, True):
        desk = Desk()
        desk.send(c.SendText("hello"))
        desk.say("Hi.")
        done = only(desk.finish(), m.ModelResponseDoneEvent)
        if is_seen:
            desk.host.response_seen(done.response_id)
        assert ("StartResponse" in names(desk.send(c.CreateResponse()))) == is_seen


def test_a_create_with_parameters_is_never_absorbed() -> None:
    desk = Desk()
    desk.send(c.SendText("hello"))
    assert only(desk.send(c.CreateResponse(voice="v")), m.ModelErrorEvent)


def test_another_command_between_means_another_response() -> None:
    desk = Desk()
    desk.send(c.SendText("hello"))
    desk.say("Hi.")
    desk.finish()
    desk.send(c.ClearAudio())
    assert "StartResponse" in names(desk.send(c.CreateResponse()))


def test_asks_that_wait_are_one() -> None:
    desk = Desk()
    desk.send(c.SendText("one"))
    assert names(desk.send(c.SendText("two"))) == ["ItemAdded", "ItemDone"]
    assert desk.send(c.CreateResponse()) == []
    assert names(desk.send(c.SendText("three"))) == ["ItemAdded", "ItemDone"]
    desk.say("First.")
    order = only(desk.finish(), StartResponse)
    assert [item.text for item in order.history] == ["one", "two", "three", "First."]
    assert "StartResponse" not in names(desk.finish())


def test_an_ask_that_waits_leaves_the_floor_to_the_user() -> None:
    desk = Desk()
    desk.send(c.SendText("one"))
    desk.send(c.SendText("two"))
    desk.hear(300)
    assert "StartResponse" not in names(desk.host.speech_started(0, now_ms=0))
    desk.host.speech_stopped(7200)
    assert names(desk.host.end_turn()).count("StartResponse") == 1


def test_a_turn_that_is_taken_back_frees_the_floor() -> None:
    desk = Desk()
    desk.send(c.SendText("one"))
    desk.send(c.SendText("two"))
    desk.hear(300)
    desk.host.speech_started(0, now_ms=0)
    assert names(desk.host.discard_turn()) == ["InputDone", "ResponseCreated", "StartResponse"]


def test_out_of_band_responses_run_beside_and_leave_no_trace() -> None:
    desk = Desk()
    desk.send(c.SendText("hello"))
    outputs = desk.send(c.CreateResponse(is_out_of_band=True, modality="text", metadata={"topic": "mood"}))
    order = only(outputs, StartResponse)
    created = only(outputs, m.ModelResponseCreatedEvent)
    assert (created.is_out_of_band, created.metadata) == (True, {"topic": "mood"})
    desk.host.response_text(order.generation, "happy")
    outputs = desk.host.response_finished(order.generation, USAGE, now_ms=0)
    assert only(outputs, m.ModelResponseDoneEvent).output[0].text == "happy"
    assert [item.text for item in desk.host.items] == ["hello"]


def test_input_items_replace_the_history_and_references_are_looked_up() -> None:
    desk = Desk()
    desk.send(c.SendText("hello", respond=False))
    items = (Item(id="item_1", kind="item_reference"), Item(id="", role="user", content=()))
    order = only(desk.send(c.CreateResponse(input_items=items)), StartResponse)
    assert [item.text for item in order.history] == ["hello", ""]
    desk.finish()
    bad = c.CreateResponse(input_items=(Item(id="gone", kind="item_reference"),), command_id="x")
    assert only(desk.send(bad), m.ModelErrorEvent).command_id == "x"


# ---------------------------------------------------------------- tools


def _two_calls(desk: Desk) -> None:
    desk.send(c.SendText("weather and time?"))
    for name in ("weather", "time"):
        desk.keep(
            desk.host.response_tool_call(desk.generation, name, '{"city":"Paris"}', call_id=f"call_{name}")
        )
    desk.finish()


def test_a_tool_call_is_given_whole() -> None:
    desk = Desk()
    _two_calls(desk)
    done = every(desk.outputs, m.ModelResponseToolUseDoneEvent)[0]
    assert done.tool_use == {
        "type": "tool_use",
        "id": "call_weather",
        "name": "weather",
        "input": {"city": "Paris"},
        "raw_input": '{"city":"Paris"}',
    }
    assert [item.name for item in only(desk.outputs, m.ModelResponseDoneEvent).output] == ["weather", "time"]


def test_the_last_result_asks_for_the_next_response() -> None:
    desk = Desk()
    _two_calls(desk)
    assert "StartResponse" not in names(desk.send(c.SendToolResult("call_weather", "rain")))
    order = only(desk.send(c.SendToolResult("call_time", "noon")), StartResponse)
    assert [item.kind for item in order.history][1:] == ["function_call", "function_call_output"] * 2
    assert [item.output for item in order.history if item.output] == ["rain", "noon"]


def test_a_create_between_two_results_is_kept_for_the_last() -> None:
    desk = Desk()
    _two_calls(desk)
    desk.send(c.SendToolResult("call_weather", "rain"))
    assert desk.send(c.CreateResponse()) == []
    outputs = desk.send(c.SendToolResult("call_time", "noon", respond=False))
    assert names(outputs).count("StartResponse") == 1


def test_a_call_without_a_result_gets_a_cancelled_one_in_the_history() -> None:
    desk = Desk()
    _two_calls(desk)
    desk.send(c.SendToolResult("call_time", "noon", respond=False))
    order = only(desk.send(c.SendText("never mind")), StartResponse)
    results = [item.output for item in order.history if item.kind == "function_call_output"]
    assert results == [CANCELLED_OUTPUT, "noon"]
    # The real result may still come, and then counts.
    desk.send(c.SendToolResult("call_weather", "rain", respond=False))
    assert [i.output for i in desk.host.history() if i.kind == "function_call_output"] == ["rain", "noon"]


@pytest.mark.parametrize("call_id", ["call_time", "call_unknown"])
def test_a_result_counts_once_and_for_a_known_call(call_id: str) -> None:
    desk = Desk()
    _two_calls(desk)
    desk.send(c.SendToolResult("call_time", "noon"))
    error = only(desk.send(c.SendToolResult(call_id, "again", command_id="x")), m.ModelErrorEvent)
    assert (error.code, error.command_id) == ("invalid_tool_call_id", "x")


def test_history_may_be_replayed_item_by_item() -> None:
    desk = Desk()
    call = Item(id="i1", kind="function_call", call_id="c1", name="f", arguments="{}")
    desk.send(c.CreateItem(item=call))
    desk.send(c.CreateItem(item=Item(id="i2", kind="function_call_output", call_id="c1", output="7")))
    said = Item(id="i3", role="assistant", content=(ContentPart(kind="text", text="Seven."),))
    desk.send(c.CreateItem(item=said))
    assert [item.id for item in desk.host.history()] == ["i1", "i2", "i3"]


# ---------------------------------------------------------------- items, audio, configuration


def test_items_are_inserted_where_they_belong() -> None:
    desk = Desk()
    desk.send(c.SendText("b", respond=False))
    desk.send(c.CreateItem(item=Item(id="a", role="user"), previous_item_id="root"))
    added = desk.send(c.CreateItem(item=Item(id="c", role="user"), previous_item_id="a"))
    assert [item.id for item in desk.host.items] == ["a", "c", "item_1"]
    assert only(added, m.ModelItemAddedEvent).previous_item_id == "a"
    error = only(desk.send(c.CreateItem(item=Item(id="d"), previous_item_id="zz")), m.ModelErrorEvent)
    assert "'zz' does not exist" in error.message
    assert only(desk.send(c.CreateItem(item=Item(id="a"))), m.ModelErrorEvent).param == "item.id"


def test_items_are_deleted_and_an_open_one_is_not() -> None:
    desk = Desk()
    desk.send(c.SendText("a"))
    desk.say("Hi.")
    assert names(desk.send(c.DeleteItem("item_1"))) == ["ItemDeleted"]
    assert only(desk.send(c.DeleteItem("item_1")), m.ModelErrorEvent).code == "item_delete_invalid_item_id"
    open_id = desk.host.items[-1].id
    assert "still being made" in only(desk.send(c.DeleteItem(open_id)), m.ModelErrorEvent).message
    assert only(desk.send(c.RetrieveItem("x")), m.ModelErrorEvent).code == "item_retrieve_invalid_item_id"


def test_too_little_audio_cannot_be_committed() -> None:
    desk = Desk(SessionConfig(turn_detection=None))
    desk.hear(99)
    error = only(desk.send(c.CommitAudio(command_id="x")), m.ModelErrorEvent)
    assert (error.code, error.command_id) == ("input_audio_buffer_commit_empty", "x")
    assert "buffer" in error.message
    assert "99.00ms" in error.message
    desk.hear(1)
    outputs = desk.send(c.CommitAudio())
    assert names(outputs) == [
        "InputCommitted",
        "ItemAdded",
        "ItemDone",
        "TranscribeInput",
        "CloseInput",
        "ResponseCreated",
        "StartResponse",
    ]


def test_a_commit_by_hand_closes_speech_and_takes_everything() -> None:
    desk = Desk()
    desk.hear(1000)
    started = only(desk.host.speech_started(RATE_HZ // 2, now_ms=0), m.ModelInputStartedEvent)
    assert started.audio_start_ms == 500
    outputs = desk.send(c.CommitAudio(respond=False))
    assert names(outputs)[:2] == ["InputDone", "InputCommitted"]
    order = only(outputs, TranscribeInput)
    assert (order.item_id, order.start_sample, order.end_sample) == (started.item_id, 0, RATE_HZ)
    assert only(outputs, CloseInput).end_sample == RATE_HZ


def test_clearing_forgets_the_open_turn() -> None:
    desk = Desk()
    desk.hear(300)
    item_id = only(desk.host.speech_started(0, now_ms=0), m.ModelInputStartedEvent).item_id
    assert names(desk.send(c.ClearAudio())) == ["InputDone", "InputCleared", "CloseInput"]
    assert desk.host.transcription_partial(item_id, "he") == []
    assert desk.host.end_turn() == []


def test_a_turn_may_hold_several_utterances() -> None:
    desk = Desk()
    desk.hear(300)
    first = only(desk.host.speech_started(0, now_ms=0), m.ModelInputStartedEvent)
    desk.host.speech_stopped(RATE_HZ // 10)
    again = only(desk.host.speech_started(RATE_HZ // 5, now_ms=0), m.ModelInputStartedEvent)
    assert (again.item_id, again.audio_start_ms) == (first.item_id, 200)
    desk.host.speech_stopped(7200)
    order = only(desk.host.end_turn(), TranscribeInput)
    assert (order.start_sample, order.end_sample) == (0, 7200)


def test_partials_extend_or_revise_and_the_final_comes_once() -> None:
    desk = Desk()
    item_id = only(desk.turn(), TranscribeInput).item_id
    events = [
        *desk.host.transcription_partial(item_id, "wreck"),
        *desk.host.transcription_partial(item_id, "wreck a"),
    ]
    events += desk.host.transcription_partial(item_id, "recognise")
    deltas = every(events, m.ModelInputTranscriptionDeltaEvent)
    assert [(e.delta, e.is_revision) for e in deltas] == [
        ("wreck", False),
        (" a", False),
        ("recognise", True),
    ]
    done = only(
        desk.host.transcription_final(item_id, "recognise speech"), m.ModelInputTranscriptionDoneEvent
    )
    assert done.transcript == "recognise speech"
    assert desk.host.transcription_final(item_id, "again") == []
    assert desk.host.transcription_partial(item_id, "again") == []
    assert desk.history()[0] == ("user", "recognise speech")


def test_a_transcript_that_nobody_wants_still_serves_the_model() -> None:
    desk = Desk(SessionConfig(transcription=None))
    order = only(desk.turn(), TranscribeInput)
    assert order.settings is None
    assert desk.host.transcription_final(order.item_id, "hello") == []
    assert desk.history()[0] == ("user", "hello")


def test_a_failed_transcription_is_told_once() -> None:
    desk = Desk()
    item_id = only(desk.turn(), TranscribeInput).item_id
    failed = desk.host.transcription_failed(item_id, code="audio_unintelligible", message="noise")
    assert only(failed, m.ModelInputTranscriptionFailedEvent).code == "audio_unintelligible"
    assert desk.host.transcription_failed(item_id, code="x", message="y") == []


def test_a_turn_keeps_the_configuration_it_began_under() -> None:
    desk = Desk(SessionConfig(instructions="old"))
    desk.hear(300)
    desk.host.speech_started(0, now_ms=0)
    desk.send(c.UpdateSession(instructions="new", turn_detection=TurnDetection(create_response=False)))
    desk.host.speech_stopped(7200)
    assert only(desk.host.end_turn(), StartResponse).config.instructions == "old"


def test_what_a_create_sets_overrides_the_session_for_that_response() -> None:
    desk = Desk(SessionConfig(instructions="session", voice="a"))
    order = only(desk.send(c.CreateResponse(instructions="once", modality="text")), StartResponse)
    assert (order.config.instructions, order.config.modality, order.config.voice) == ("once", "text", "a")
    assert desk.host.config.instructions == "session"


def test_the_voice_is_fixed_by_the_first_audio() -> None:
    desk = Desk(SessionConfig(voice="a"))
    assert names(desk.send(c.UpdateSession(voice="b", command_id="u"))) == ["SessionUpdated", "ApplyConfig"]
    desk.send(c.SendText("hello"))
    desk.say("Hi.")
    error = only(desk.send(c.UpdateSession(voice="c", instructions="x", command_id="v")), m.ModelErrorEvent)
    assert (error.code, error.command_id) == ("cannot_update_voice", "v")
    assert desk.host.config.instructions == ""
    assert names(desk.send(c.UpdateSession(voice="b")))[0] == "SessionUpdated"


def test_a_session_that_only_transcribes_never_responds() -> None:
    desk = Desk(SessionConfig(is_transcription_only=True))
    assert "StartResponse" not in names(desk.turn())
    assert "StartResponse" not in names(desk.send(c.SendText("hello")))
    assert names(desk.send(c.CreateResponse())) == ["Error"]


def test_g711_counts_one_byte_a_sample() -> None:
    desk = Desk(SessionConfig(output_format=MediaFormat("audio/pcmu", 8000)))
    desk.send(c.SendText("hello"))
    desk.host.response_text(1, "Hi.")
    desk.host.response_audio(1, bytes(8000), now_ms=0)
    item_id = only(desk.finish(), m.ModelResponseDoneEvent).output[0].id
    assert only(desk.send(c.TruncateItem(item_id, 1000)), m.ModelItemTruncatedEvent).audio_end_ms == 1000


def test_appended_audio_is_counted_at_the_input_rate() -> None:
    desk = Desk()
    for _ in range(3):
        desk.send(c.AppendAudio(bytes(2 * 7), 16000))
    assert desk.host.input_end_sample == 3 * 7 * 24000 // 16000
    with pytest.raises(LocalProtocolError):
        desk.host.set_input_rate(16000)


def test_an_image_becomes_a_data_uri() -> None:
    desk = Desk()
    desk.send(c.SendImage(b"\xff\xd8", "image/jpeg"))
    desk.send(c.SendImage("data:image/png;base64,AA=="))
    urls = [item.content[0].image_url for item in desk.host.items]
    assert urls == ["data:image/jpeg;base64,/9g=", "data:image/png;base64,AA=="]


def test_a_failed_response_says_why_and_the_next_may_begin() -> None:
    desk = Desk()
    desk.send(c.SendText("hello"))
    outputs = desk.host.response_failed(1, code="boom", message="it broke", now_ms=0)
    done = only(outputs, m.ModelResponseDoneEvent)
    assert (done.status, done.reason, done.message) == ("failed", "boom", "it broke")
    assert "StartResponse" in names(desk.send(c.SendText("again")))


@pytest.mark.parametrize(("is_expected", "status"), [(True, "cancelled"), (False, "failed")])
def test_closing_ends_everything_that_is_open(is_expected: bool, status: str) -> None:
    desk = Desk()
    desk.host.open()
    desk.send(c.SendText("hello"))
    desk.say("Hi ")
    desk.hear(300)
    desk.send(c.UpdateSession(turn_detection=TurnDetection(interrupt_response=False)))
    desk.host.speech_started(0, now_ms=0)
    outputs = desk.host.close(code=1006, reason="cut", is_expected=is_expected, now_ms=0)
    assert names(outputs)[0] == "InputDone"
    assert only(outputs, StopGeneration).generation == 1
    assert only(outputs, m.ModelResponseDoneEvent).status == status
    assert isinstance(outputs[-1], m.ModelSessionEndedEvent)
    assert desk.host.close(code=1000, reason="", is_expected=True, now_ms=0) == []
