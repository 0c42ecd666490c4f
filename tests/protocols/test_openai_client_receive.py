"""Server frames in, model events out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.openai_samples import (
    MESSAGE,
    PLACE,
    RESPONSE,
    SAID,
    SERVER_SAMPLES,
    SESSION,
    USAGE,
    USER,
    server_sample,
)
from voicewire.errors import RemoteProtocolError, SessionClosed
from voicewire.events import (
    AppendAudio,
    ContentPart,
    Item,
    MediaFormat,
    SessionConfig,
    TokenUsage,
    ToolSpec,
    Transcription,
    TurnDetection,
)
from voicewire.events import model as events
from voicewire.events.base import EventBase
from voicewire.events.items import ItemStatus
from voicewire.protocols.openai.client import OPENING_COMMAND_ID, OpenAIClientCodec

pytestmark = pytest.mark.unit

ASSISTANT = Item(id="item_1", role="assistant", status="in_progress")
HEARD = Item(id="item_1", role="assistant", content=(ContentPart(kind="audio", text="Hi there"),))
HELLO = Item(id="item_u", role="user", content=(ContentPart(kind="text", text="Hello"),))
BEGUN = events.ModelResponseCreatedEvent(response_id="resp_1")
IN_PART: dict[str, Any] = {"response_id": "resp_1", "item_id": "item_1"}
CALL = Item(id="item_1", kind="function_call", status="in_progress", call_id="call_1", name="get_weather")


def codec_with(*frames: dict[str, Any]) -> OpenAIClientCodec:
    codec = OpenAIClientCodec(SessionConfig())
    codec.opening()
    for frame in frames:
        codec.receive(json.dumps(frame))
    codec.data_to_send()
    return codec


def received(codec: OpenAIClientCodec, *frames: dict[str, Any]) -> list[EventBase]:
    return [event for frame in frames for event in codec.receive(json.dumps(frame))]


def known(event_type: str) -> list[EventBase]:
    sample = server_sample(event_type)
    return [events.ModelProviderEvent(name=event_type, raw=sample, is_known=True)]


_CONFIG = SessionConfig(
    model="gpt-realtime",
    instructions="Be brief.",
    voice="alloy",
    transcription=None,
    turn_detection=TurnDetection(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=200),
)
_TRANSCRIPTION = "conversation.item.input_audio_transcription"

FIRST_EVENTS: dict[str, list[EventBase]] = {
    "error": [
        events.ModelErrorEvent(
            error_type="invalid_request_error", code="", message="No.", command_id="my_event"
        )
    ],
    "session.created": [events.ModelSessionCreatedEvent(session_id="sess_1", config=_CONFIG)],
    "session.updated": [events.ModelSessionUpdatedEvent(session_id="sess_1", config=_CONFIG, command_id="")],
    "conversation.item.added": [
        events.ModelItemAddedEvent(item=HELLO),
        events.ModelItemDoneEvent(item=HELLO),
    ],
    "conversation.item.created": [
        events.ModelItemAddedEvent(item=HELLO),
        events.ModelItemDoneEvent(item=HELLO),
    ],
    "conversation.item.done": [events.ModelItemDoneEvent(item=HELLO)],
    "conversation.item.retrieved": [
        events.ModelItemRetrievedEvent(
            item=Item(
                id="item_u",
                role="user",
                content=(ContentPart(kind="audio", audio="AAAA", is_transcribed=False),),
            )
        )
    ],
    "conversation.item.truncated": [
        events.ModelItemTruncatedEvent(item_id="item_1", audio_end_ms=250, content_index=0)
    ],
    "conversation.item.deleted": [events.ModelItemDeletedEvent(item_id="item_1")],
    f"{_TRANSCRIPTION}.delta": [events.ModelInputTranscriptionDeltaEvent(item_id="item_u", delta=" Hello")],
    f"{_TRANSCRIPTION}.completed": [
        events.ModelInputTranscriptionDoneEvent(item_id="item_u", transcript="Hello", duration_s=3.0)
    ],
    f"{_TRANSCRIPTION}.failed": [
        events.ModelInputTranscriptionFailedEvent(
            item_id="item_u", code="audio_unintelligible", message="What?"
        )
    ],
    "input_audio_buffer.committed": [events.ModelInputCommittedEvent(item_id="item_u")],
    "input_audio_buffer.cleared": [events.ModelInputClearedEvent()],
    "input_audio_buffer.speech_started": [
        events.ModelInputStartedEvent(item_id="item_u", audio_start_ms=1460)
    ],
    "input_audio_buffer.speech_stopped": [events.ModelInputDoneEvent(item_id="item_u", audio_end_ms=4256)],
    "response.created": [BEGUN],
    "response.done": [
        BEGUN,
        events.ModelResponseDoneEvent(
            response_id="resp_1",
            input_tokens=16,
            output_tokens=24,
            usage=TokenUsage(
                input_text_tokens=10,
                input_audio_tokens=5,
                input_image_tokens=1,
                cached_tokens=4,
                output_text_tokens=9,
                output_audio_tokens=15,
            ),
            output=(HEARD,),
        ),
    ],
    "response.output_item.added": [
        BEGUN,
        events.ModelItemAddedEvent(item=ASSISTANT, response_id="resp_1"),
    ],
    "response.output_item.done": [BEGUN, events.ModelItemDoneEvent(item=HEARD, response_id="resp_1")],
    "response.content_part.added": [BEGUN],
    "response.content_part.done": [BEGUN],
    "response.output_text.delta": [BEGUN, events.ModelResponseTextDeltaEvent(delta="Hi", **IN_PART)],
    "response.output_text.done": [BEGUN, events.ModelResponseTextDoneEvent(text="Hi there", **IN_PART)],
    "response.output_audio.delta": [
        BEGUN,
        events.ModelResponseAudioDeltaEvent(
            delta="AAAAAA==", format=MediaFormat("audio/pcm", 24000), **IN_PART
        ),
    ],
    "response.output_audio.done": [BEGUN, events.ModelResponseAudioDoneEvent(**IN_PART)],
    "response.output_audio_transcript.delta": [
        BEGUN,
        events.ModelResponseAudioTranscriptDeltaEvent(delta="Hi", **IN_PART),
    ],
    "response.output_audio_transcript.done": [
        BEGUN,
        events.ModelResponseAudioTranscriptDoneEvent(transcript="Hi there", **IN_PART),
    ],
    "response.function_call_arguments.delta": [
        BEGUN,
        events.ModelResponseToolUseDeltaEvent(
            tool_use={"type": "tool_use", "id": "call_1", "name": "", "input": {}, "raw_input": '{"city":'},
            delta='{"city":',
            **IN_PART,
        ),
    ],
    "response.function_call_arguments.done": [
        BEGUN,
        events.ModelResponseToolUseDoneEvent(
            tool_use={
                "type": "tool_use",
                "id": "call_1",
                "name": "get_weather",
                "input": {"city": "Rome"},
                "raw_input": '{"city":"Rome"}',
            },
            **IN_PART,
        ),
    ],
}
"""What each event gives as the first of a session; a response that was never announced is begun."""


@pytest.mark.parametrize("event_type", sorted(SERVER_SAMPLES))
def test_every_event(event_type: str) -> None:
    expected = FIRST_EVENTS.get(event_type) or known(event_type)
    codec = OpenAIClientCodec(SessionConfig())
    assert received(codec, server_sample(event_type)) == expected


@pytest.mark.parametrize("event_type", sorted(SERVER_SAMPLES))
def test_unknown_fields_are_ignored(event_type: str) -> None:
    expected = FIRST_EVENTS.get(event_type)
    sample = server_sample(event_type, obfuscation="x7Gh", previous_item_id=None, ts=17, nested={"a": [1]})
    got = received(OpenAIClientCodec(SessionConfig()), sample)
    if expected is None:
        assert got == [events.ModelProviderEvent(name=event_type, raw=sample, is_known=True)]
    else:
        assert got == expected


def test_unknown_event_is_handed_on() -> None:
    sample = {"type": "hologram.started", "event_id": "e", "depth": 3}
    assert received(OpenAIClientCodec(SessionConfig()), sample) == [
        events.ModelProviderEvent(name="hologram.started", raw=sample, is_known=False)
    ]


@pytest.mark.parametrize("event_type", [name for name, fields in SERVER_SAMPLES.items() if "item" in fields])
def test_unknown_kind_of_item_is_handed_on(event_type: str) -> None:
    sample = server_sample(event_type, item={"type": "hologram", "id": "x"})
    assert received(codec_with(), sample) == [
        events.ModelProviderEvent(name=event_type, raw=sample, is_known=False)
    ]


def test_audio_after_the_end_of_its_response_is_dropped() -> None:
    delta = server_sample("response.output_audio.delta")
    codec = codec_with(server_sample("response.created"), delta)
    assert [type(event) for event in received(codec, delta)] == [events.ModelResponseAudioDeltaEvent]
    received(codec, server_sample("response.done"))
    assert received(codec, delta) == []


def test_audio_of_two_responses_that_take_turns_keeps_its_response() -> None:
    codec = codec_with(server_sample("response.created"))
    deltas = [server_sample("response.output_audio.delta", response_id=name) for name in ("resp_1", "resp_2")]
    told = [
        event for event in received(codec, *deltas * 2) if type(event) is events.ModelResponseAudioDeltaEvent
    ]
    assert [event.response_id for event in told] == ["resp_1", "resp_2"] * 2


def test_memory_is_bounded() -> None:
    codec = codec_with(server_sample("response.created"))
    for n in range(3000):
        received(
            codec,
            server_sample("response.output_audio.delta", item_id=f"item_{n}"),
            server_sample("conversation.item.added", item={**USER, "id": f"user_{n}"}),
        )
    assert len(codec._deltas._parts) <= 1024
    assert len(codec._responses.announced) <= 1024


def test_a_flat_session_is_understood() -> None:
    session = {
        "id": "sess_1",
        "voice": {"name": "ara", "type": "x"},
        "modalities": ["audio"],
        "input_audio_transcription": {"model": "grok-transcribe"},
        "turn_detection": {"type": None},
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    codec = codec_with(server_sample("session.updated", session=session))
    assert codec.config == SessionConfig(
        voice="ara",
        transcription=Transcription(model="grok-transcribe"),
        turn_detection=None,
        tools=(ToolSpec(name="f"),),
    )


def test_what_is_not_understood_of_a_session_changes_nothing() -> None:
    session = {
        "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": "high"}}},
        "tools": [{"type": "function"}],
        "output_modalities": 7,
    }
    codec = codec_with(server_sample("session.updated", session=session))
    assert codec.config == SessionConfig(turn_detection=TurnDetection(kind="server_vad"))


def test_a_view_of_bytes_is_text() -> None:
    frame = json.dumps(server_sample("input_audio_buffer.cleared")).encode()
    assert OpenAIClientCodec(SessionConfig()).receive(memoryview(frame)) == [events.ModelInputClearedEvent()]


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"input_audio_buffer.cleared"}',
        "ping",
        '{"type":"input_audio_buffer.cleared"',
        "[]",
        "7",
        "null",
        "{}",
        '{"type":7}',
        '{"type":""}',
        '{"type":"response.output_audio.delta","response_id":"r","item_id":"i"}',
        '{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":5}',
        '{"type":"response.created","response":[]}',
        '{"type":"unheard.of","a":' + '{"a":' * 100_000,
        '{"type":"session.created","session":{"a":"\ud800"}}',
    ],
)
def test_broken_frames_close_the_codec(frame: str | bytes) -> None:
    codec = codec_with()
    with pytest.raises(RemoteProtocolError):
        codec.receive(frame)
    with pytest.raises(RemoteProtocolError, match="closed"):
        codec.receive('{"type":"input_audio_buffer.cleared"}')
    with pytest.raises(SessionClosed):
        codec.encode(AppendAudio(b"\0\0"))
    ended = codec.connection_lost(1002, "bad frame", is_expected=False)
    assert [type(event) for event in ended] == [events.ModelSessionEndedEvent]


def test_an_item_of_a_response_is_reported_once() -> None:
    codec = codec_with(server_sample("conversation.item.added"), server_sample("response.created"))
    got = received(
        codec,
        server_sample("response.output_item.added"),
        server_sample("conversation.item.added", previous_item_id="item_u", item=MESSAGE),
        server_sample("conversation.item.done", previous_item_id="item_u", item=SAID),
        server_sample("response.output_item.done"),
    )
    assert got == [
        events.ModelItemAddedEvent(item=ASSISTANT, previous_item_id="item_u", response_id="resp_1"),
        events.ModelItemDoneEvent(item=HEARD, response_id="resp_1"),
    ]


def test_a_user_item_is_done_once() -> None:
    codec = codec_with(server_sample("conversation.item.added"))
    assert received(codec, server_sample("conversation.item.done")) == []


def test_words_that_the_item_lacks_are_filled_in() -> None:
    codec = codec_with(
        server_sample("response.created"),
        server_sample("response.output_item.added"),
        server_sample("response.output_audio_transcript.delta", delta="Hi "),
        server_sample("response.output_audio_transcript.delta", delta="there"),
    )
    bare = {key: value for key, value in SAID.items() if key != "content"}
    got = received(codec, server_sample("response.output_item.done", item=bare))
    assert got == [events.ModelItemDoneEvent(item=HEARD, response_id="resp_1")]


def test_nothing_follows_the_end_of_a_response() -> None:
    codec = codec_with(server_sample("response.created"), server_sample("response.done"))
    late = [name for name in SERVER_SAMPLES if name.startswith("response.") and ".mcp_" not in name]
    assert received(codec, *map(server_sample, late)) == []


@pytest.mark.parametrize(
    ("status", "details", "expected"),
    [
        ("completed", None, ("completed", "", "")),
        (
            "cancelled",
            {"type": "cancelled", "reason": "turn_detected"},
            ("cancelled", "turn_detected", ""),
        ),
        (
            "incomplete",
            {"type": "incomplete", "reason": "max_output_tokens"},
            ("incomplete", "max_output_tokens", ""),
        ),
        (
            "failed",
            {"type": "failed", "error": {"type": "server_error", "code": None, "message": "Oh"}},
            ("failed", "server_error", "Oh"),
        ),
        (
            "failed",
            {"type": "failed", "error": {"type": "t", "code": "rate_limit_exceeded", "message": "Oh"}},
            ("failed", "rate_limit_exceeded", "Oh"),
        ),
        ("completed", "unimplemented", ("completed", "", "")),
    ],
)
def test_outcomes(status: str, details: object, expected: tuple[str, str, str]) -> None:
    codec = codec_with(server_sample("response.created"), server_sample("response.output_item.added"))
    body = {**RESPONSE, "status": status, "status_details": details}
    *before, done = received(codec, server_sample("response.done", response=body))
    assert isinstance(done, events.ModelResponseDoneEvent)
    assert (done.status, done.reason, done.message) == expected
    assert (done.input_tokens, done.output_tokens, done.usage) == (0, 0, TokenUsage())
    item_status: ItemStatus = "completed" if status == "completed" else "incomplete"
    item = Item(id="item_1", role="assistant", status=item_status)
    assert before == [events.ModelItemDoneEvent(item=item, response_id="resp_1")]
    assert done.output == (item,)


def test_usage_beside_the_response() -> None:
    codec = codec_with(server_sample("response.created"))
    body = {**RESPONSE, "status": "completed", "usage": {}}
    (done,) = received(codec, server_sample("response.done", response=body, usage=USAGE))
    assert isinstance(done, events.ModelResponseDoneEvent)
    assert (done.input_tokens, done.output_tokens) == (16, 24)


def test_out_of_band_response() -> None:
    body = {**RESPONSE, "conversation_id": None, "metadata": {"topic": "x"}}
    (created,) = received(codec_with(), server_sample("response.created", response=body))
    assert created == events.ModelResponseCreatedEvent(
        response_id="resp_1", is_out_of_band=True, metadata={"topic": "x"}
    )


def test_call_arguments_grow() -> None:
    added = {"id": "item_1", "type": "function_call", "name": "get_weather", "call_id": "call_1"}
    codec = codec_with(
        server_sample("response.created"),
        server_sample("response.output_item.added", item={**added, "status": "in_progress", "arguments": ""}),
    )
    got = received(
        codec,
        server_sample("response.function_call_arguments.delta", delta='{"city"'),
        server_sample("response.function_call_arguments.delta", delta=':"Rome"}'),
        server_sample("response.function_call_arguments.done", name=None),
        server_sample(
            "response.output_item.done",
            item={**added, "status": "completed", "arguments": '{"city":"Rome"}'},
        ),
    )
    uses = [
        event.tool_use
        for event in got
        if isinstance(event, events.ModelResponseToolUseDeltaEvent | events.ModelResponseToolUseDoneEvent)
    ]
    assert [use.get("raw_input") for use in uses] == ['{"city"', '{"city":"Rome"}', '{"city":"Rome"}']
    assert [use["name"] for use in uses] == ["get_weather"] * 3
    assert uses[-1]["input"] == {"city": "Rome"}
    assert [type(event) for event in got[2:]] == [
        events.ModelResponseToolUseDoneEvent,
        events.ModelItemDoneEvent,
    ]


def test_a_call_that_only_its_item_tells_of() -> None:
    item = {"id": "item_1", "type": "function_call", "name": "f", "call_id": "c", "status": "completed"}
    codec = codec_with(server_sample("response.created"))
    done, _ = received(codec, server_sample("response.output_item.done", item={**item, "arguments": "[1]"}))
    assert isinstance(done, events.ModelResponseToolUseDoneEvent)
    assert done.tool_use == {"type": "tool_use", "id": "c", "name": "f", "input": {}, "raw_input": "[1]"}


def test_a_cancelled_call_is_not_reported() -> None:
    item = {"id": "item_1", "type": "function_call", "name": "f", "call_id": "c", "status": "incomplete"}
    codec = codec_with(server_sample("response.created"))
    got = received(codec, server_sample("response.output_item.done", item={**item, "arguments": '{"a'}))
    assert [type(event) for event in got] == [events.ModelItemDoneEvent]


def test_the_opening_is_confirmed() -> None:
    codec = OpenAIClientCodec(SessionConfig())
    assert [json.loads(frame)["type"] for frame in codec.opening()] == ["session.update"]
    was_ready = [codec.is_ready]
    for event_type in ("session.created", "session.updated"):
        (updated,) = received(codec, server_sample(event_type))
        was_ready.append(codec.is_ready)
    assert was_ready == [False, False, True]
    assert codec.session_id == "sess_1"
    assert codec.config == _CONFIG
    assert isinstance(updated, events.ModelSessionUpdatedEvent)


def test_a_refused_opening_names_itself() -> None:
    refused = {
        "type": "invalid_request_error",
        "code": "unknown_parameter",
        "message": "Unknown parameter: 'session.x'.",
        "param": "session.x",
        "event_id": OPENING_COMMAND_ID,
    }
    (error,) = received(codec_with(), server_sample("error", error=refused))
    assert error == events.ModelErrorEvent(
        error_type="invalid_request_error",
        code="unknown_parameter",
        message="Unknown parameter: 'session.x'.",
        param="session.x",
        command_id=OPENING_COMMAND_ID,
    )


def test_what_a_session_says() -> None:
    session = {
        **SESSION,
        "output_modalities": ["text"],
        "max_output_tokens": 100,
        "tool_choice": {"type": "function", "name": "f"},
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}},
            {"type": "mcp", "server_label": "s", "server_url": "https://x.invalid"},
        ],
        "truncation": "disabled",
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {"model": "whisper-1", "language": "de", "prompt": None},
                "noise_reduction": {"type": "near_field"},
                "turn_detection": None,
            },
            "output": {"format": {"type": "audio/pcma"}, "voice": {"id": "voice_7"}, "speed": 1.25},
        },
    }
    codec = codec_with(server_sample("session.updated", session=session))
    assert codec.config == SessionConfig(
        model="gpt-realtime",
        instructions="Be brief.",
        modality="text",
        voice="voice_7",
        speed=1.25,
        input_format=MediaFormat("audio/pcmu", 8000),
        output_format=MediaFormat("audio/pcma", 8000),
        transcription=Transcription(model="whisper-1", language="de"),
        turn_detection=None,
        tools=(ToolSpec(name="f", description="d", parameters={"type": "object"}),),
        tool_choice="function:f",
        max_output_tokens=100,
        extra={
            "truncation": "disabled",
            "noise_reduction": {"type": "near_field"},
            "mcp_tools": [{"type": "mcp", "server_label": "s", "server_url": "https://x.invalid"}],
        },
    )


def test_a_session_of_null_changes_nothing() -> None:
    codec = codec_with(server_sample("session.updated", session=None))
    assert codec.config == SessionConfig()
    assert codec.is_ready


@pytest.mark.parametrize(
    ("is_expected", "status", "reason"),
    [(True, "cancelled", "client_cancelled"), (False, "failed", "connection_lost")],
)
def test_the_end_ends_everything(is_expected: bool, status: str, reason: str) -> None:
    codec = codec_with(
        server_sample("session.created"),
        server_sample("response.created"),
        server_sample("response.output_item.added"),
        server_sample("response.output_audio_transcript.delta"),
    )
    item, done, ended = codec.connection_lost(1006, "", is_expected=is_expected)
    assert isinstance(item, events.ModelItemDoneEvent)
    assert (item.item.status, item.item.text) == ("incomplete", "Hi")
    assert isinstance(done, events.ModelResponseDoneEvent)
    assert (done.status, done.reason, done.output) == (status, reason, (item.item,))
    assert ended == events.ModelSessionEndedEvent(
        session_id="sess_1", reason="", code=1006, is_expected=is_expected
    )
    assert codec.connection_lost(1006, "", is_expected=is_expected) == []


def test_expiry_is_the_reason() -> None:
    error = {"type": "invalid_request_error", "code": "session_expired", "message": "60 minutes"}
    codec = codec_with(server_sample("error", error=error))
    (ended,) = codec.connection_lost(1001, "", is_expected=False)
    assert isinstance(ended, events.ModelSessionEndedEvent)
    assert (ended.reason, ended.code) == ("session_expired", 1001)
    (ended,) = codec_with().connection_lost(
        1001, "Your session hit the maximum duration of 60 minutes.", is_expected=False
    )
    assert isinstance(ended, events.ModelSessionEndedEvent)
    assert ended.reason == "session_expired"


_CUTS = st.lists(st.integers(0, 40), max_size=6)


@given(text=st.text(max_size=40), cuts=_CUTS)
def test_how_text_is_split_does_not_matter(text: str, cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in zip(edges, edges[1:], strict=False)] or [text]
    codec = codec_with(server_sample("response.created"), server_sample("response.output_item.added"))
    deltas = received(codec, *(server_sample("response.output_text.delta", delta=piece) for piece in pieces))
    assert "".join(getattr(event, "delta", "") for event in deltas) == text
    *_, done, _ = codec.connection_lost(1000, "", is_expected=True)
    assert isinstance(done, events.ModelResponseDoneEvent)
    assert done.output[0].text == text


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    event_type=st.sampled_from(sorted(SERVER_SAMPLES)),
    key=st.sampled_from([*PLACE, "delta", "item", "response", "session", "error", "part", "usage", "type"]),
    value=_JSON,
)
def test_only_the_documented_error_escapes(event_type: str, key: str, value: object) -> None:
    codec = codec_with(server_sample("response.created"), server_sample("response.output_item.added"))
    try:
        got = codec.receive(json.dumps(server_sample(event_type, **{key: value}) | {key: value}))
    except RemoteProtocolError:
        return
    assert all(isinstance(event, EventBase) for event in got)


@given(frame=st.text() | st.binary() | _JSON.map(json.dumps))
def test_garbage_gives_the_documented_error(frame: str | bytes) -> None:
    codec = codec_with()
    try:
        got = codec.receive(frame)
    except RemoteProtocolError:
        return
    assert all(isinstance(event, events.ModelProviderEvent) for event in got)


def test_a_user_item_keeps_its_place() -> None:
    codec = codec_with(server_sample("conversation.item.added"))
    second = {**USER, "id": "item_v"}
    added, _ = received(
        codec, server_sample("conversation.item.added", previous_item_id="item_u", item=second)
    )
    assert isinstance(added, events.ModelItemAddedEvent)
    assert added.previous_item_id == "item_u"
