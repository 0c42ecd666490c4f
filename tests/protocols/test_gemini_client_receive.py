"""What a Gemini Live client makes of the server's messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.protocols.gemini_wire import (
    GENERATED,
    INTERRUPTED,
    SETUP_COMPLETE,
    TURN_END,
    audio,
    client,
    heard,
    kinds,
    of,
    receive,
    sent,
    tool_call,
    words,
)
from voicewire.errors import RemoteProtocolError, SessionClosed
from voicewire.events.commands import AppendAudio, CancelResponse, SendText, SendToolResult
from voicewire.events.model import (
    ModelErrorEvent,
    ModelInputDoneEvent,
    ModelInputStartedEvent,
    ModelInputTranscriptionDeltaEvent,
    ModelInputTranscriptionDoneEvent,
    ModelItemAddedEvent,
    ModelItemDoneEvent,
    ModelProviderEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseAudioTranscriptDoneEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
    ModelResponseTextDeltaEvent,
    ModelSessionCreatedEvent,
    ModelSessionEndedEvent,
)
from voicewire.events.session import SessionConfig
from voicewire.protocols.gemini.keys import camel

pytestmark = pytest.mark.unit

SECOND_OF_AUDIO = AppendAudio(bytes(32000), 16000)


def test_set_up_is_the_session() -> None:
    codec = client(is_ready=False)
    states = [codec.is_ready]
    (created,) = receive(codec, SETUP_COMPLETE)
    states.append(codec.is_ready)
    assert states == [False, True]
    assert isinstance(created, ModelSessionCreatedEvent)
    assert created.session_id == codec.session_id == "s1"
    assert created.config is not None
    assert (created.config.input_format.rate, created.config.output_format.rate) == (16000, 24000)


def test_a_whole_reply() -> None:
    codec = client()
    sent(codec, SendText("hi"))
    events = receive(codec, words("Hel"), audio(), words("lo"), audio(b"\0\0"), GENERATED, TURN_END)
    assert kinds(events) == [
        "item_added",
        "item_done",
        "response_created",
        "item_added",
        "response_audio_transcript_delta",
        "response_audio_delta",
        "response_audio_transcript_delta",
        "response_audio_delta",
        "response_audio_done",
        "response_audio_transcript_done",
        "item_done",
        "response_done",
    ]
    (done,) = of(events, ModelResponseDoneEvent)
    assert (done.status, done.input_tokens, done.output_tokens) == ("completed", 7, 5)
    assert (done.usage.input_text_tokens, done.usage.input_audio_tokens) == (3, 4)
    assert [item.text for item in done.output] == ["Hello"]
    assert of(events, ModelResponseAudioTranscriptDoneEvent)[0].transcript == "Hello"
    assert {getattr(event, "response_id", None) or done.response_id for event in events} == {done.response_id}


def test_everything_in_one_message_counts() -> None:
    codec = client()
    sent(codec, AppendAudio(bytes(3200), 16000))
    message = {
        "serverContent": {
            "inputTranscription": {"text": " What?"},
            "modelTurn": {
                "role": "model",
                "parts": [
                    {"text": "hm", "thought": True},
                    *audio()["serverContent"]["modelTurn"]["parts"],
                    {"executableCode": {"code": "1+1", "language": "PYTHON"}},
                    {"codeExecutionResult": {"output": "2", "outcome": "OUTCOME_OK"}},
                    *audio(b"\3\4")["serverContent"]["modelTurn"]["parts"],
                ],
            },
            "outputTranscription": {"text": "Two."},
            "groundingMetadata": {"webSearchQueries": ["one"]},
            "urlContextMetadata": {"urlMetadata": []},
            "waitingForInput": True,
            "generationComplete": True,
            "turnComplete": True,
            "newKey": 1,
        },
        "usageMetadata": TURN_END["usageMetadata"],
        "sessionResumptionUpdate": {"newHandle": "h", "resumable": True},
        "goAway": {"timeLeft": "50.5s"},
        "somethingNew": {"a": 1},
    }
    events = receive(codec, message)
    assert len(of(events, ModelResponseAudioDeltaEvent)) == 2
    assert of(events, ModelInputTranscriptionDoneEvent)[0].transcript == "What?"
    (done,) = of(events, ModelResponseDoneEvent)
    assert (done.input_tokens, done.output[0].text) == (7, "Two.")
    passed = {event.name: event.is_known for event in of(events, ModelProviderEvent)}
    assert passed == {
        "sessionResumptionUpdate": True,
        "goAway": True,
        "serverContent.modelTurn.thought": True,
        "serverContent.modelTurn.executableCode": True,
        "serverContent.modelTurn.codeExecutionResult": True,
        "serverContent.groundingMetadata": True,
        "serverContent.urlContextMetadata": True,
        "serverContent.waitingForInput": True,
        "somethingNew": False,
        "serverContent.newKey": False,
    }
    assert codec.resumption_handle == "h"
    assert codec.time_left_ms == 50500


def _snake(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            "".join(f"_{c.lower()}" if c.isupper() else c for c in key): _snake(v) for key, v in value.items()
        }
    return [_snake(entry) for entry in value] if isinstance(value, list) else value


@pytest.mark.parametrize("is_binary", [False, True])
def test_both_spellings_of_keys_and_both_kinds_of_frame(is_binary: bool) -> None:
    messages = [
        heard("a"),
        words("b"),
        audio(),
        tool_call("f", someArg={"inner_key": 1}),
        audio(),
        GENERATED,
        TURN_END,
    ]
    one, other = client(), client()
    expected = receive(one, *messages)
    frames = [json.dumps(_snake(message) if "toolCall" not in message else message) for message in messages]
    found = [e for frame in frames for e in other.receive(frame.encode() if is_binary else frame)]
    assert found == expected
    assert camel("tool_call_cancellation") == "toolCallCancellation"


def test_url_safe_base64_without_padding() -> None:
    codec = client()
    message = audio(b"\xfb\xff\xfe\x01")
    part = message["serverContent"]["modelTurn"]["parts"][0]["inlineData"]
    part["data"] = part["data"].replace("+", "-").replace("/", "_").rstrip("=")
    (delta,) = of(receive(codec, message), ModelResponseAudioDeltaEvent)
    assert delta.pcm == b"\xfb\xff\xfe\x01"
    assert delta.delta == "+//+AQ=="


def test_another_rate_and_data_that_is_no_pcm() -> None:
    codec = client()
    image = {
        "serverContent": {"modelTurn": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}}
    }
    events = receive(codec, audio(rate_hz=16000), image)
    assert [event.format.rate for event in of(events, ModelResponseAudioDeltaEvent)] == [16000]
    assert [event.name for event in of(events, ModelProviderEvent)] == ["serverContent.modelTurn.inlineData"]


def test_written_words() -> None:
    codec = client(SessionConfig(modality="text"))
    text = [{"serverContent": {"modelTurn": {"parts": [{"text": piece}]}}} for piece in ("He", "llo")]
    events = receive(codec, *text, TURN_END)
    assert "".join(event.delta for event in of(events, ModelResponseTextDeltaEvent)) == "Hello"
    assert of(events, ModelResponseDoneEvent)[0].output[0].content[0].kind == "text"


# ---------------------------------------------------------------------- the user's turn


def test_a_spoken_turn_gets_its_boundaries() -> None:
    codec = client()
    sent(codec, SECOND_OF_AUDIO)
    events = receive(codec, heard(" Hello"), heard(", you."))
    assert kinds(events) == ["input_started", "input_transcription_delta", "input_transcription_delta"]
    events += receive(codec, words("Hi"), audio())
    assert kinds(events)[3:8] == [
        "input_done",
        "input_committed",
        "item_added",
        "item_done",
        "response_created",
    ]
    events += receive(codec, heard(" Late."), GENERATED, TURN_END)
    (started,), (stopped,) = of(events, ModelInputStartedEvent), of(events, ModelInputDoneEvent)
    assert (started.audio_start_ms, stopped.audio_end_ms) == (700, 1000)
    (final,) = of(events, ModelInputTranscriptionDoneEvent)
    assert final.transcript == "Hello, you. Late."
    partials = of(events, ModelInputTranscriptionDeltaEvent)
    assert "".join(event.delta for event in partials) == final.transcript
    assert {event.item_id for event in (started, stopped, final, *partials)} == {started.item_id}


def test_a_finished_transcript_ends_the_turn_before_the_answer() -> None:
    codec = client()
    sent(codec, SECOND_OF_AUDIO)
    events = receive(codec, heard("Hello"), heard(" you", finished=True), audio())
    assert kinds(events) == [
        "input_started",
        "input_transcription_delta",
        "input_transcription_delta",
        "input_done",
        "input_committed",
        "item_added",
        "item_done",
        "input_transcription_done",
        "response_created",
        "item_added",
        "response_audio_delta",
    ]


def test_a_turn_without_transcripts_is_a_turn() -> None:
    codec = client(SessionConfig(transcription=None))
    sent(codec, SECOND_OF_AUDIO)
    events = receive(codec, audio())
    assert kinds(events)[:3] == ["input_started", "input_done", "input_committed"]
    events = receive(codec, GENERATED, TURN_END, audio())
    assert not of(events, ModelInputStartedEvent), "no audio came since"


def test_the_answer_to_a_text_is_no_spoken_turn() -> None:
    codec = client()
    sent(codec, SECOND_OF_AUDIO, SendText("hi"))
    assert not of(receive(codec, audio(), GENERATED, TURN_END), ModelInputStartedEvent)


def test_the_detector_itself_is_believed() -> None:
    codec = client()
    sent(codec, SECOND_OF_AUDIO)
    events = receive(
        codec,
        {"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "0.250s"}},
        {"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_EOS"}},
    )
    assert kinds(events) == ["input_started", "input_done"]
    assert (events[0].audio_start_ms, events[1].audio_end_ms) == (250, 1000)  # type: ignore[attr-defined]  # by kind


def test_guesses_replace_each_other() -> None:
    codec = client()
    guesses = [
        {"serverContent": {"interimInputTranscription": {"text": text}}} for text in ("wreck a", "recognise")
    ]
    events = receive(codec, heard("Please "), *guesses, heard("recognise speech"), heard(", please"))
    deltas = of(events, ModelInputTranscriptionDeltaEvent)
    assert [(event.delta, event.is_revision) for event in deltas] == [
        ("Please ", False),
        ("Please wreck a", True),
        ("Please recognise", True),
        ("Please recognise speech", True),
        (", please", False),
    ]


# ---------------------------------------------------------------------- interruptions and ends


def test_an_interruption_is_the_end_of_the_response() -> None:
    codec = client()
    sent(codec, SendText("tell"))
    receive(codec, words("Once"), audio())
    sent(codec, SECOND_OF_AUDIO)
    events = receive(codec, INTERRUPTED)
    assert kinds(events)[0] == "input_started"
    assert kinds(events)[-2:] == ["item_done", "response_done"]
    (done,) = of(events, ModelResponseDoneEvent)
    assert (done.status, done.reason) == ("cancelled", "turn_detected")
    assert done.output[0].status == "incomplete"
    late = receive(codec, TURN_END)
    assert kinds(late) == ["provider_event"], (
        "the end of the interrupted turn ends nothing; its usage is kept"
    )
    events = receive(codec, heard("Stop"), audio(), GENERATED, TURN_END)
    assert [event.status for event in of(events, ModelResponseDoneEvent)] == ["completed"]
    assert not of(events, ModelInputStartedEvent), "it began with the interruption"


def test_interrupted_and_complete_in_one_message() -> None:
    codec = client()
    receive(codec, audio())
    both = {
        "serverContent": {"interrupted": True, "turnComplete": True},
        "usageMetadata": TURN_END["usageMetadata"],
    }
    (done,) = of(receive(codec, both), ModelResponseDoneEvent)
    assert (done.status, done.input_tokens) == ("cancelled", 7)
    (done,) = of(receive(codec, audio(), TURN_END), ModelResponseDoneEvent)
    assert done.status == "completed"


def test_barge_in_while_the_finished_reply_is_still_heard() -> None:
    codec = client()
    receive(codec, audio(), GENERATED, TURN_END)
    assert kinds(receive(codec, INTERRUPTED)) == ["input_started"]


@pytest.mark.parametrize(
    ("wire_reason", "status", "reason"),
    [
        ("NEED_MORE_INPUT", "completed", ""),
        ("MALFORMED_FUNCTION_CALL", "failed", "malformed_function_call"),
        ("RESPONSE_REJECTED", "incomplete", "content_filter"),
        ("GENERATED_AUDIO_SAFETY", "incomplete", "content_filter"),
    ],
)
def test_why_a_turn_was_complete(wire_reason: str, status: str, reason: str) -> None:
    codec = client()
    sent(codec, SendText("hi"))
    end = {"serverContent": {"turnComplete": True, "turnCompleteReason": wire_reason}}
    (done,) = of(receive(codec, end), ModelResponseDoneEvent)
    assert (done.status, done.reason) == (status, reason)


def test_an_empty_turn_is_still_an_answer() -> None:
    codec = client()
    sent(codec, SendText("hi"))
    events = receive(codec, TURN_END)
    assert kinds(events)[-2:] == ["response_created", "response_done"]
    assert receive(codec, {"serverContent": {"turnComplete": True}}) == []


def test_only_one_end_is_owed_by_an_interruption() -> None:
    codec = client()
    receive(codec, audio(), INTERRUPTED, TURN_END)
    sent(codec, SendText("hi"))
    assert len(of(receive(codec, TURN_END), ModelResponseDoneEvent)) == 1


def test_a_turn_that_goes_on_thinking_is_one_response() -> None:
    codec = client()
    sent(codec, SendText("hi"))

    def status(name: str) -> dict[str, Any]:
        return {"serverContent": {"turnComplete": True, "interactionStatus": name}}

    events = receive(codec, audio(), status("IN_PROGRESS"), audio(), status("IDLE"))
    assert len(of(events, ModelResponseDoneEvent)) == 1
    assert len(of(events, ModelResponseAudioDeltaEvent)) == 2


def test_after_a_cancel_the_rest_is_dropped() -> None:
    codec = client()
    sent(codec, SendText("tell"))
    receive(codec, audio())
    assert sent(codec, CancelResponse()) == []
    events = receive(codec, audio(), words("more"), GENERATED)
    (done,) = of(events, ModelResponseDoneEvent)
    assert (done.status, done.reason) == ("cancelled", "client_cancelled")
    assert not of(events, ModelResponseAudioDeltaEvent)
    assert kinds(receive(codec, TURN_END)) == ["provider_event"]
    assert of(receive(codec, audio()), ModelResponseCreatedEvent)


def test_a_cancel_that_comes_before_the_response() -> None:
    codec = client()
    sent(codec, SendText("tell"), CancelResponse())
    events = receive(codec, audio(), audio())
    assert [event.status for event in of(events, ModelResponseDoneEvent)] == ["cancelled"]
    assert not of(events, ModelResponseAudioDeltaEvent)


def test_a_new_request_after_a_cancel_is_no_barge_in() -> None:
    codec = client()
    sent(codec, SendText("tell"))
    receive(codec, audio())
    assert [list(message) for message in sent(codec, CancelResponse(), SendText("stop"))] == [
        ["clientContent"]
    ]
    events = receive(codec, INTERRUPTED, TURN_END, audio(), GENERATED, TURN_END)
    assert not of(events, ModelInputStartedEvent)
    assert [event.status for event in of(events, ModelResponseDoneEvent)] == ["cancelled", "completed"]


# ---------------------------------------------------------------------- function calls


def test_calls_end_their_response() -> None:
    codec = client()
    sent(codec, SendText("weather"))
    events = receive(codec, words("Let me see"), tool_call("one", "two", city="Rome"))
    (done,) = of(events, ModelResponseDoneEvent)
    assert [item.kind for item in done.output] == ["message", "function_call", "function_call"]
    assert done.output[1].arguments == '{"city":"Rome"}'
    added = [event.item.id for event in of(events, ModelItemAddedEvent)]
    assert added == [event.item.id for event in of(events, ModelItemDoneEvent)]
    first = sent(codec, SendToolResult("call_one", "sunny"))
    assert first == [
        {
            "toolResponse": {
                "functionResponses": [{"id": "call_one", "name": "one", "response": {"output": "sunny"}}]
            }
        }
    ]
    sent(codec, SendToolResult("call_two", '{"rain": 1}'))
    events = receive(codec, audio(), GENERATED, TURN_END)
    (done,) = of(events, ModelResponseDoneEvent)
    assert done.status == "completed"
    assert not of(events, ModelInputStartedEvent)


def test_the_end_of_the_calling_turn_is_no_answer() -> None:
    codec = client()
    sent(codec, SendText("weather"))
    receive(codec, tool_call("f"))
    sent(codec, SendToolResult("call_f", "x"))
    events = receive(codec, {"serverContent": {"turnComplete": True}}, audio(), TURN_END)
    assert len(of(events, ModelResponseDoneEvent)) == 1


def test_a_cancelled_call_is_not_answered() -> None:
    codec = client()
    receive(codec, tool_call("f"))
    events = receive(codec, {"toolCallCancellation": {"ids": ["call_f", "call_unknown"]}})
    (added,) = of(events, ModelItemAddedEvent)
    assert (added.item.kind, added.item.call_id) == ("function_call_output", "call_f")
    assert "cancelled" in added.item.output
    assert sent(codec, SendToolResult("call_f", "late")) == []
    assert codec.receive("{}") == [], "a late result is nobody's mistake"


def test_a_cancelled_response_calls_nothing() -> None:
    codec = client()
    sent(codec, SendText("weather"))
    receive(codec, audio())
    sent(codec, CancelResponse())
    events = receive(codec, tool_call("f"))
    assert kinds(events)[-1] == "response_done"
    ((key, body),) = json.loads(str(codec.data_to_send()[0])).items()
    assert key == "toolResponse"
    assert body["functionResponses"][0]["response"]["status"] == "cancelled"


# ---------------------------------------------------------------------- errors and the end


@pytest.mark.parametrize(
    "message",
    [
        {"error": {"code": 3, "message": "no", "status": "INVALID_ARGUMENT"}},
        {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"},
    ],
)
def test_an_error(message: dict[str, Any]) -> None:
    codec = client()
    (error,) = receive(codec, message)
    assert isinstance(error, ModelErrorEvent)
    assert (error.error_type, error.code, error.message) == (
        "invalid_request_error",
        "INVALID_ARGUMENT",
        "no",
    )
    sent(codec, SendText("hi"))
    (done,) = of(receive(codec, message, TURN_END), ModelResponseDoneEvent)
    assert (done.status, done.reason, done.message) == ("failed", "INVALID_ARGUMENT", "no")


@pytest.mark.parametrize(
    ("reason", "is_expected", "status", "why", "ended"),
    [
        ("gone", False, "failed", "connection_lost", "gone"),
        (
            "Deadline expired before operation could complete.",
            False,
            "failed",
            "session_expired",
            "session_expired",
        ),
        ("", True, "cancelled", "client_cancelled", ""),
    ],
)
def test_the_end_is_reported_once(reason: str, is_expected: bool, status: str, why: str, ended: str) -> None:
    codec = client()
    receive(codec, audio())
    events = codec.connection_lost(1011, reason, is_expected=is_expected)
    (done,) = of(events, ModelResponseDoneEvent)
    assert (done.status, done.reason) == (status, why)
    assert isinstance(events[-1], ModelSessionEndedEvent)
    assert (events[-1].reason, events[-1].code) == (ended, 1011)
    assert codec.connection_lost(1011, reason, is_expected=is_expected) == []
    with pytest.raises(SessionClosed):
        codec.encode(SendText("too late"))


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "hello",
        "[]",
        "7",
        b"\xff\xfe",
        '{"serverContent": []}',
        '{"serverContent": {"modelTurn": {"parts": {}}}}',
        '{"toolCall": {"functionCalls": [{"args": 3}]}}',
        '{"usageMetadata": {"promptTokenCount": "many"}}',
        "[" * 100_000,
    ],
)
def test_a_malformed_message_closes_the_codec(frame: str | bytes) -> None:
    codec = client()
    with pytest.raises(RemoteProtocolError):
        codec.receive(frame)
    with pytest.raises(RemoteProtocolError, match="closed since"):
        receive(codec, audio())
    with pytest.raises(SessionClosed):
        codec.encode(SendText("x"))
    assert isinstance(codec.connection_lost(1002, "", is_expected=False)[-1], ModelSessionEndedEvent)
