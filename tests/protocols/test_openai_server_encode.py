"""Model events in, server frames out, in the order of the wire; every frame judged by the SDK's types."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.openai_samples import server_sample
from tests.protocols.openai_server import judged, server, types
from voicewire.events import ContentPart, Item, MediaFormat, SessionConfig, TokenUsage
from voicewire.events import model as events
from voicewire.events.base import EventBase
from voicewire.protocols.openai.limits import ServerLimits
from voicewire.protocols.openai.server import OpenAIServerCodec
from voicewire.protocols.openai.server_transcripts import agreed_words
from voicewire.protocols.openai.wire_server import SERVER_EVENT_TYPES

pytestmark = pytest.mark.unit

PCM = MediaFormat("audio/pcm", 24000)
R: dict[str, Any] = {"response_id": "resp_1"}
P: dict[str, Any] = {**R, "item_id": "item_1"}
OPEN = Item(id="item_1", role="assistant", status="in_progress")
CREATED = events.ModelResponseCreatedEvent(**R)
ADDED = events.ModelItemAddedEvent(item=OPEN, previous_item_id="item_0", **R)
DONE = events.ModelResponseDoneEvent(
    input_tokens=3,
    output_tokens=4,
    usage=TokenUsage(
        input_text_tokens=1,
        input_audio_tokens=2,
        cached_tokens=1,
        output_text_tokens=1,
        output_audio_tokens=3,
    ),
    **R,
)


def done_item(kind: Any, text: str, status: Any = "completed") -> events.ModelItemDoneEvent:
    item = Item(id="item_1", role="assistant", status=status, content=(ContentPart(kind=kind, text=text),))
    return events.ModelItemDoneEvent(item=item, **R)


def told(codec: OpenAIServerCodec, *said: EventBase) -> list[dict[str, Any]]:
    return judged(frame for event in said for frame in codec.encode(event))


BEGIN = ["response.created", "response.output_item.added", "conversation.item.added"]
END = [
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
AUDIO = [
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
]


def test_a_text_response() -> None:
    frames = told(
        server(SessionConfig(modality="text")),
        CREATED,
        ADDED,
        events.ModelResponseTextDeltaEvent(delta="Hi ", **P),
        events.ModelResponseTextDeltaEvent(delta="there", **P),
        events.ModelResponseTextDoneEvent(text="Hi there", **P),
        done_item("text", "Hi there"),
        DONE,
    )
    assert types(frames) == [
        *BEGIN,
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        *END,
    ]
    by_type = {frame["type"]: frame for frame in frames}
    assert by_type["response.created"]["response"] == {
        "object": "realtime.response",
        "id": "resp_1",
        "status": "in_progress",
        "status_details": None,
        "output": [],
        "conversation_id": "conv_2",
        "output_modalities": ["text"],
        "max_output_tokens": "inf",
        "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"}},
        "usage": None,
        "metadata": None,
    }
    assert by_type["conversation.item.added"]["previous_item_id"] == "item_0"
    assert by_type["response.output_item.added"]["item"]["content"] == []
    assert by_type["response.content_part.added"]["part"] == {"type": "text", "text": ""}
    assert by_type["response.content_part.done"]["part"] == {"type": "text", "text": "Hi there"}
    item = {
        "id": "item_1",
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Hi there"}],
    }
    assert by_type["conversation.item.done"]["item"] == item
    assert by_type["response.output_item.done"]["item"] == item
    response = by_type["response.done"]["response"]
    assert (response["status"], response["output"]) == ("completed", [item])
    assert response["usage"] == {
        "total_tokens": 7,
        "input_tokens": 3,
        "output_tokens": 4,
        "input_token_details": {
            "text_tokens": 1,
            "audio_tokens": 2,
            "image_tokens": 0,
            "cached_tokens": 1,
            "cached_tokens_details": {"text_tokens": 1, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 1, "audio_tokens": 3},
    }
    assert by_type["rate_limits.updated"]["rate_limits"] == [
        {"name": "tokens", "limit": 40_000, "remaining": 39_993, "reset_seconds": 0.0}
    ]
    assert len({frame["event_id"] for frame in frames}) == len(frames)


@pytest.mark.parametrize("is_transcript_first", [True, False])
def test_an_audio_response(is_transcript_first: bool) -> None:
    ends: list[EventBase] = [
        events.ModelResponseAudioTranscriptDoneEvent(transcript="Hi", **P),
        events.ModelResponseAudioDoneEvent(**P),
    ]
    frames = told(
        server(),
        CREATED,
        ADDED,
        events.ModelResponseAudioTranscriptDeltaEvent(delta="Hi", **P),
        events.ModelResponseAudioDeltaEvent(pcm=b"\1\0", format=PCM, **P),
        *(ends if is_transcript_first else reversed(ends)),
        done_item("audio", "Hi"),
        DONE,
    )
    assert types(frames) == [*BEGIN, *AUDIO, *END]
    by_type = {frame["type"]: frame for frame in frames}
    assert by_type["response.content_part.added"]["part"] == {"type": "audio", "transcript": ""}
    assert by_type["response.content_part.done"]["part"] == {"type": "audio", "transcript": "Hi"}
    assert by_type["response.output_audio_transcript.done"]["transcript"] == "Hi"
    assert by_type["conversation.item.done"]["item"]["content"] == [
        {"type": "output_audio", "transcript": "Hi"}
    ]


def test_audio_frames() -> None:
    codec = server()
    told(codec, CREATED, ADDED)
    frames = told(
        codec,
        *(
            events.ModelResponseAudioDeltaEvent(pcm=bytes([n, 0]), format=PCM, **P, content_index=n // 3)
            for n in range(6)
        ),
    )
    deltas = [frame for frame in frames if frame["type"] == "response.output_audio.delta"]
    assert [base64.b64decode(frame["delta"])[0] for frame in deltas] == list(range(6))
    assert [frame["content_index"] for frame in deltas] == [0, 0, 0, 1, 1, 1]
    assert len({frame["event_id"] for frame in frames}) == len(frames)
    assert list(deltas[0]) == list(server_sample("response.output_audio.delta"))


def test_odd_ids_are_quoted() -> None:
    codec = server()
    odd: dict[str, Any] = {"response_id": 'r"1', "item_id": "i\\é"}
    told(codec, events.ModelResponseCreatedEvent(response_id='r"1'))
    *_, frame = told(codec, events.ModelResponseAudioDeltaEvent(pcm=b"\0\0", format=PCM, **odd))
    assert (frame["response_id"], frame["item_id"]) == ('r"1', "i\\é")


def test_nothing_comes_after_an_end() -> None:
    codec = server()
    audio = events.ModelResponseAudioDeltaEvent(pcm=b"\1\0", format=PCM, **P)
    told(codec, CREATED, ADDED, audio, events.ModelResponseAudioDoneEvent(**P))
    assert told(codec, audio, events.ModelResponseAudioDoneEvent(**P)) == []
    told(codec, done_item("audio", "Hi"))
    assert told(codec, audio, done_item("audio", "Hi"), ADDED) == []
    told(codec, DONE)
    late: list[EventBase] = [
        audio,
        events.ModelResponseToolUseDeltaEvent(
            tool_use={"type": "tool_use", "id": "c", "name": "f", "input": {}}, delta="{", **P
        ),
        events.ModelResponseTextDeltaEvent(delta="x", **P),
        events.ModelResponseTextDoneEvent(text="x", **P),
        events.ModelResponseToolUseDoneEvent(
            tool_use={"type": "tool_use", "id": "c", "name": "f", "input": {}}, **P
        ),
        DONE,
    ]
    assert told(codec, *late) == []


@pytest.mark.parametrize("has_deltas", [True, False])
def test_a_call(has_deltas: bool) -> None:
    item = Item(id="item_1", kind="function_call", status="in_progress", call_id="c", name="f")
    use: events.ToolUseBlock = {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}
    done = Item(id="item_1", kind="function_call", call_id="c", name="f", arguments='{"a":1}')
    deltas: list[EventBase] = [
        events.ModelResponseToolUseDeltaEvent(tool_use=use, delta=piece, **P) for piece in ('{"a"', ":1}")
    ]
    frames = told(
        server(),
        CREATED,
        events.ModelItemAddedEvent(item=item, **R),
        *(deltas if has_deltas else ()),
        events.ModelResponseToolUseDoneEvent(tool_use=use, **P),
        events.ModelItemDoneEvent(item=done, **R),
        DONE,
    )
    assert types(frames) == [
        *BEGIN,
        *["response.function_call_arguments.delta"] * (2 if has_deltas else 1),
        "response.function_call_arguments.done",
        *END[1:],
    ]
    arguments = next(f for f in frames if f["type"] == "response.function_call_arguments.done")
    assert (arguments["call_id"], arguments["name"], arguments["arguments"]) == ("c", "f", '{"a":1}')
    added = frames[1]["item"]
    assert added == {
        "id": "item_1",
        "object": "realtime.item",
        "type": "function_call",
        "status": "in_progress",
        "call_id": "c",
        "name": "f",
        "arguments": "",
    }


def test_a_message_and_a_call_have_indices() -> None:
    call = Item(id="item_2", kind="function_call", call_id="c", name="f", arguments="{}")
    frames = told(
        server(),
        CREATED,
        ADDED,
        done_item("text", "Wait."),
        events.ModelItemAddedEvent(item=call, **R),
        events.ModelItemDoneEvent(item=call, **R),
        DONE,
    )
    indices = {
        frame["type"] + frame["item"]["id"]: frame["output_index"]
        for frame in frames
        if "output_index" in frame and "item" in frame
    }
    assert indices == {
        "response.output_item.addeditem_1": 0,
        "response.output_item.doneitem_1": 0,
        "response.output_item.addeditem_2": 1,
        "response.output_item.doneitem_2": 1,
    }
    assert "response.function_call_arguments.done" in types(frames)
    response = next(frame for frame in frames if frame["type"] == "response.done")["response"]
    assert [item["id"] for item in response["output"]] == ["item_1", "item_2"]


def test_an_out_of_band_response_leaves_the_conversation_alone() -> None:
    created = events.ModelResponseCreatedEvent(is_out_of_band=True, metadata={"topic": "x"}, **R)
    frames = told(
        server(),
        created,
        ADDED,
        events.ModelResponseTextDeltaEvent(delta="Hi", **P),
        events.ModelResponseTextDoneEvent(text="Hi", **P),
        done_item("text", "Hi"),
        DONE,
    )
    assert not [name for name in types(frames) if name.startswith("conversation.")]
    for frame in (frames[0], frames[-2]):
        assert frame["response"]["conversation_id"] is None
        assert frame["response"]["metadata"] == {"topic": "x"}


def test_a_response_shows_what_was_asked_for() -> None:
    codec = server()
    codec.receive(
        '{"type":"response.create","response":{"output_modalities":["text"],"max_output_tokens":7,'
        '"audio":{"output":{"voice":"marin","format":{"type":"audio/pcmu"}}}}}'
    )
    (created,) = told(codec, CREATED)
    response = created["response"]
    assert (response["output_modalities"], response["max_output_tokens"]) == (["text"], 7)
    assert response["audio"] == {"output": {"format": {"type": "audio/pcmu"}, "voice": "marin"}}
    (created,) = told(codec, events.ModelResponseCreatedEvent(response_id="resp_2"))
    assert created["response"]["output_modalities"] == ["audio"]


@pytest.mark.parametrize(
    ("status", "reason", "details"),
    [
        ("completed", "", None),
        ("cancelled", "client_cancelled", {"type": "cancelled", "reason": "client_cancelled"}),
        ("incomplete", "max_output_tokens", {"type": "incomplete", "reason": "max_output_tokens"}),
        (
            "failed",
            "rate_limit_exceeded",
            {
                "type": "failed",
                "error": {"type": "server_error", "code": "rate_limit_exceeded", "message": "Oh."},
            },
        ),
    ],
)
def test_ends(status: Any, reason: str, details: object) -> None:
    done = events.ModelResponseDoneEvent(
        input_tokens=0, output_tokens=0, status=status, reason=reason, message="Oh.", **R
    )
    frames = told(
        server(),
        CREATED,
        ADDED,
        events.ModelResponseAudioTranscriptDeltaEvent(delta="Hi", **P),
        events.ModelResponseAudioDeltaEvent(pcm=b"\1\0", format=PCM, **P),
        done,
    )
    assert types(frames) == [*BEGIN, *AUDIO, *END]
    response = frames[-2]["response"]
    assert (response["status"], response["status_details"]) == (status, details)
    (item,) = response["output"]
    assert item["status"] == ("completed" if status == "completed" else "incomplete")
    assert item["content"] == [{"type": "output_audio", "transcript": "Hi"}]


def test_a_call_that_is_cut_off() -> None:
    use: events.ToolUseBlock = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    frames = told(
        server(),
        CREATED,
        CREATED,
        events.ModelResponseToolUseDeltaEvent(tool_use=use, delta='{"a"', **P),
        events.ModelResponseDoneEvent(
            input_tokens=0, output_tokens=0, status="cancelled", reason="turn_detected", **R
        ),
    )
    assert types(frames) == [*BEGIN, "response.function_call_arguments.delta", *END[1:]]
    (item,) = frames[-2]["response"]["output"]
    assert (item["arguments"], item["status"], item["call_id"]) == ('{"a"', "incomplete", "c")


def test_a_call_is_done_once() -> None:
    use: events.ToolUseBlock = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    done = events.ModelResponseToolUseDoneEvent(tool_use=use, **P)
    codec = server()
    told(codec, CREATED, done)
    assert told(codec, done) == []


def test_what_a_model_leaves_out_is_supplied() -> None:
    frames = told(server(), CREATED, events.ModelResponseTextDeltaEvent(delta="Hi", **P), DONE)
    assert types(frames) == [
        *BEGIN,
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        *END,
    ]
    frames = told(server(), CREATED, done_item("text", "Hi"), DONE)
    assert types(frames) == [*BEGIN, "response.content_part.added", "response.output_text.done", *END]


_USER = Item(id="item_u", role="user", content=(ContentPart(kind="audio", is_transcribed=False),))
_USER_WIRE = {
    "id": "item_u",
    "object": "realtime.item",
    "type": "message",
    "status": "completed",
    "role": "user",
    "content": [{"type": "input_audio", "transcript": None}],
}
SINGLE: list[tuple[EventBase, str, dict[str, Any]]] = [
    (
        events.ModelItemAddedEvent(item=_USER, previous_item_id="item_0"),
        "conversation.item.added",
        {"previous_item_id": "item_0", "item": _USER_WIRE},
    ),
    (
        events.ModelItemDoneEvent(item=_USER),
        "conversation.item.done",
        {"previous_item_id": None, "item": _USER_WIRE},
    ),
    (
        events.ModelItemRetrievedEvent(
            item=Item(id="i", role="user", content=(ContentPart(kind="audio", text="Hi", audio="AAAA"),))
        ),
        "conversation.item.retrieved",
        {
            "item": {
                "id": "i",
                "object": "realtime.item",
                "type": "message",
                "status": "completed",
                "role": "user",
                "content": [{"type": "input_audio", "audio": "AAAA", "transcript": "Hi"}],
            }
        },
    ),
    (
        events.ModelItemTruncatedEvent(item_id="i", audio_end_ms=5, content_index=1),
        "conversation.item.truncated",
        {"item_id": "i", "content_index": 1, "audio_end_ms": 5},
    ),
    (events.ModelItemDeletedEvent(item_id="i"), "conversation.item.deleted", {"item_id": "i"}),
    (
        events.ModelInputStartedEvent(item_id="i", audio_start_ms=5),
        "input_audio_buffer.speech_started",
        {"audio_start_ms": 5, "item_id": "i"},
    ),
    (
        events.ModelInputDoneEvent(item_id="i", audio_end_ms=5),
        "input_audio_buffer.speech_stopped",
        {"audio_end_ms": 5, "item_id": "i"},
    ),
    (
        events.ModelInputCommittedEvent(item_id="i", previous_item_id="item_0"),
        "input_audio_buffer.committed",
        {"previous_item_id": "item_0", "item_id": "i"},
    ),
    (events.ModelInputClearedEvent(), "input_audio_buffer.cleared", {}),
    (
        events.ModelInputTranscriptionDeltaEvent(item_id="i", delta="Hi"),
        "conversation.item.input_audio_transcription.delta",
        {"item_id": "i", "content_index": 0, "delta": "Hi"},
    ),
    (
        events.ModelInputTranscriptionDoneEvent(item_id="i", transcript="", input_tokens=3, output_tokens=4),
        "conversation.item.input_audio_transcription.completed",
        {
            "item_id": "i",
            "content_index": 0,
            "transcript": "",
            "usage": {
                "type": "tokens",
                "input_tokens": 3,
                "output_tokens": 4,
                "total_tokens": 7,
                "input_token_details": {"text_tokens": 0, "audio_tokens": 3},
            },
        },
    ),
    (
        events.ModelInputTranscriptionDoneEvent(item_id="i", transcript="", duration_s=1.5),
        "conversation.item.input_audio_transcription.completed",
        {
            "item_id": "i",
            "content_index": 0,
            "transcript": "",
            "usage": {"type": "duration", "seconds": 1.5},
        },
    ),
    (
        events.ModelInputTranscriptionFailedEvent(item_id="i", code="c", message="m"),
        "conversation.item.input_audio_transcription.failed",
        {
            "item_id": "i",
            "content_index": 0,
            "error": {"type": "server_error", "code": "c", "message": "m", "param": None},
        },
    ),
    (
        events.ModelErrorEvent(error_type="server_error", code="", message="m", command_id="c"),
        "error",
        {
            "error": {
                "type": "server_error",
                "code": None,
                "message": "m",
                "param": None,
                "event_id": "c",
            }
        },
    ),
]


@pytest.mark.parametrize(("event", "event_type", "fields"), SINGLE)
def test_single_events(event: EventBase, event_type: str, fields: dict[str, Any]) -> None:
    (frame,) = told(server(), event)
    event_id = frame.pop("event_id")
    assert event_id.startswith("event_")
    assert frame == {"type": event_type, **fields}


@pytest.mark.parametrize(
    "event",
    [
        events.ModelAudioDroppedEvent(samples=1, sample_rate_hz=24000),
        events.WebsocketConnectEvent(),
        events.WebsocketDisconnectEvent(),
        events.ModelSessionEndedEvent(session_id="x", reason="", code=1000),
        events.ModelProviderEvent(name="ping", raw={"type": "ping"}, is_known=False),
        events.ModelProviderEvent(
            name="rate_limits.updated", raw=server_sample("rate_limits.updated"), is_known=True
        ),
    ],
)
def test_what_this_wire_does_not_say(event: EventBase) -> None:
    assert server().encode(event) == []


PASSED = sorted(
    name
    for name in SERVER_EVENT_TYPES
    if name.startswith(("mcp_", "response.mcp_", "output_audio_buffer."))
    or name.endswith((".segment", ".timeout_triggered", ".dtmf_event_received"))
)


@pytest.mark.parametrize("name", PASSED)
def test_events_of_the_provider_are_passed_on(name: str) -> None:
    raw = server_sample(name)
    event = events.ModelProviderEvent(name=name, raw=raw)
    (frame,) = (frame for frame in server().encode(event))
    assert isinstance(frame, str)
    assert '"event_1"' not in frame
    codec = server()
    if name.endswith("dtmf_event_received"):
        return
    (again,) = told(codec, event)
    assert {**again, "event_id": "event_1"} == raw


def test_expiry_is_announced() -> None:
    ended = events.ModelSessionEndedEvent(session_id="x", reason="session_expired", code=1001)
    (frame,) = told(server(limits=ServerLimits(session_length_s=1800)), ended)
    assert frame["error"]["code"] == "session_expired"
    assert "30 minutes" in frame["error"]["message"]


def test_a_cut_to_nothing_is_confirmed_as_a_cut() -> None:
    codec = server()
    codec.receive('{"type":"conversation.item.truncate","item_id":"i","content_index":0,"audio_end_ms":0}')
    frames = told(codec, events.ModelItemDeletedEvent(item_id="i"))
    assert types(frames) == ["conversation.item.truncated", "conversation.item.deleted"]
    assert types(told(codec, events.ModelItemDeletedEvent(item_id="i"))) == ["conversation.item.deleted"]


# ---------------------------------------------------------------------- transcripts


def heard(codec: OpenAIServerCodec, *said: EventBase) -> list[str]:
    return [frame.get("delta", f"={frame.get('transcript')}") for frame in told(codec, *said)]


def partial(text: str, *, is_revision: bool = True) -> events.ModelInputTranscriptionDeltaEvent:
    return events.ModelInputTranscriptionDeltaEvent(item_id="i", delta=text, is_revision=is_revision)


def final(text: str) -> events.ModelInputTranscriptionDoneEvent:
    return events.ModelInputTranscriptionDoneEvent(item_id="i", transcript=text)


def test_additive_partials_pass() -> None:
    said = [
        partial(" Hello", is_revision=False),
        partial(", my", is_revision=False),
        final("Hello, my name."),
    ]
    assert heard(server(), *said) == [" Hello", ", my", " name.", "=Hello, my name."]


def test_revised_partials_give_what_is_certain() -> None:
    said = [
        partial("I can hel"),
        partial("I can help"),
        partial("I can hold on."),
        partial("I can hold on to it"),
        final("I can hold on to it."),
    ]
    assert heard(server(), *said) == ["I can", " hold on", " to it.", "=I can hold on to it."]


def test_the_completed_transcript_is_the_truth() -> None:
    said = [partial("Two be", is_revision=False), partial("To be or"), partial(" not", is_revision=False)]
    assert heard(server(), *said, final("To be or not")) == ["Two be", "=To be or not"]


def test_without_partials_the_whole_text_is_one_delta() -> None:
    assert heard(server(), final("Hello")) == ["Hello", "=Hello"]


def test_failed_transcription_forgets_its_partials() -> None:
    codec = server()
    failed = events.ModelInputTranscriptionFailedEvent(item_id="i")
    told(codec, partial("Hello", is_revision=False), failed)
    assert heard(codec, final("Hello")) == ["Hello", "=Hello"]


@given(one=st.text("ab c.", max_size=12), other=st.text("ab c.", max_size=12))
def test_agreed_words(one: str, other: str) -> None:
    agreed = agreed_words(one, other)
    assert one.startswith(agreed)
    assert other.startswith(agreed)
    assert agreed_words(one, one) == one.rstrip()


@given(texts=st.lists(st.text("ab ", min_size=1, max_size=10), max_size=6), last=st.text("ab ", max_size=10))
def test_deltas_only_add(texts: list[str], last: str) -> None:
    *deltas, completed = heard(server(), *map(partial, texts), final(last))
    assert completed == f"={last}"
    assert all(deltas)
    sent = ""
    for text, later in zip(texts, texts[1:], strict=False):
        certain = agreed_words(text, later)
        if certain.startswith(sent):
            sent = certain
    assert "".join(deltas).startswith(sent)
