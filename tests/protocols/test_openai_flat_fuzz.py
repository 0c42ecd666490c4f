"""The flat dialects under Hypothesis: round trips, and documented errors only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocols.openai_flat import client, confirmed, every_dialect, server, types
from voicewire.errors import RemoteProtocolError
from voicewire.events import SessionConfig, ToolSpec, UpdateSession
from voicewire.events import model as events
from voicewire.events.base import MediaFormat
from voicewire.events.session import Transcription, TurnDetection
from voicewire.protocols.openai.dialect_voicelive import VOICE_LIVE
from voicewire.protocols.openai.flat import CORE_EVENTS, EVENT_NAMES, FlatDialect

pytestmark = pytest.mark.unit


configs = st.builds(
    SessionConfig,
    instructions=st.text(max_size=20),
    modality=st.sampled_from(["audio", "text"]),
    voice=st.sampled_from(["alloy", "verse"]),
    input_format=st.sampled_from([MediaFormat("audio/pcm", 24000), MediaFormat("audio/pcmu", 8000)]),
    output_format=st.sampled_from([MediaFormat("audio/pcm", 24000), MediaFormat("audio/pcma", 8000)]),
    transcription=st.none() | st.just(Transcription(model="whisper-1", language="en")),
    turn_detection=st.none() | st.just(TurnDetection(threshold=0.4, silence_duration_ms=300)),
    tools=st.sampled_from([(), (ToolSpec(name="f", description="d"),)]),
    tool_choice=st.sampled_from(["auto", "none", "required", "function:f"]),
    max_output_tokens=st.none() | st.integers(1, 4096),
)


@every_dialect
@settings(max_examples=60, deadline=None)
@given(config=configs)
def test_a_configuration_survives_the_round_trip(dialect: FlatDialect, config: SessionConfig) -> None:
    """Our client's flat words, read by our server, confirmed, read by our client: the same configuration."""
    ours, theirs = client(dialect, config), server(dialect)
    for frame in theirs.data_to_send():
        ours.receive(frame)
    (update,) = ours.opening()
    (command,) = theirs.receive(update)
    assert isinstance(command, UpdateSession)
    for frame in theirs.encode(
        events.ModelSessionUpdatedEvent(session_id="s", config=SessionConfig().updated(command))
    ):
        ours.receive(frame)
    assert ours.is_ready
    for name in SessionConfig.__struct_fields__:
        if name not in ("model", "extra", "turn_detection"):
            assert getattr(ours.config, name) == getattr(config, name), name
    assert (ours.config.turn_detection is None) == (config.turn_detection is None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "session", "item", "content", "audio", "voice", "text"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
keys = st.sampled_from(
    [
        "session",
        "response",
        "item",
        "audio",
        "input",
        "output",
        "voice",
        "turn_detection",
        "modalities",
        "input_audio_format",
        "input_audio_transcription",
        "input_audio_noise_reduction",
        "append_input_items",
        "tool_choice",
        "tools",
        "event_id",
        "delta",
        "item_id",
        "response_id",
        "input_audio_sampling_rate",
        "animation",
    ]
)
inner_bodies = st.dictionaries(keys, json_values, max_size=3)
outer_bodies = st.dictionaries(keys, json_values | inner_bodies, max_size=4)
bodies = st.dictionaries(keys, json_values | outer_bodies, max_size=5)
SERVER_TYPES = sorted(
    CORE_EVENTS | set(EVENT_NAMES) | VOICE_LIVE.server_events | {"transcription_session.updated"}
)
CLIENT_TYPES = [
    "session.update",
    "transcription_session.update",
    "response.create",
    "conversation.item.create",
    "input_audio_buffer.append",
    "mcp_approval_response",
    "session.avatar.connect",
]


@every_dialect
@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(SERVER_TYPES), body=bodies)
def test_a_client_raises_documented_errors_only(
    dialect: FlatDialect, kind: str, body: dict[str, Any]
) -> None:
    codec = client(dialect)
    codec.opening()
    try:
        found = codec.receive(json.dumps({"type": kind, **body}))
    except RemoteProtocolError:
        with pytest.raises(RemoteProtocolError):
            codec.receive('{"type":"ping"}')
    else:
        assert isinstance(found, list)
    assert codec.connection_lost(1006, "", is_expected=False)


@every_dialect
@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(CLIENT_TYPES), body=bodies)
def test_a_server_answers_anything(dialect: FlatDialect, kind: str, body: dict[str, Any]) -> None:
    codec = server(dialect)
    codec.data_to_send()
    commands = codec.receive(json.dumps({"type": kind, **body}))
    answers = types(codec.data_to_send())
    assert commands or answers
    assert set(answers) <= {"error"}
    config = SessionConfig()
    for command in commands:
        if isinstance(command, UpdateSession):
            config = config.updated(command)
            assert confirmed(codec, config)[0]["type"].endswith("session.updated")


@every_dialect
@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60) | st.binary(max_size=30))
def test_any_frame_at_all(dialect: FlatDialect, text: str | bytes) -> None:
    codec = client(dialect)
    try:
        codec.receive(text)
    except RemoteProtocolError as error:
        assert str(error)
    listener = server(dialect)
    listener.data_to_send()
    assert listener.receive(text) == []
    assert set(types(listener.data_to_send())) <= {"error"}
