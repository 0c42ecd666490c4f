"""Whatever a peer sends, in whatever order: only documented errors, and events that keep the rules of all wires."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocols.dashscope_wire import (
    IDS,
    ITEM_ADDED,
    OMNI,
    PCM_24K,
    RESPONSE_CREATED,
    UPDATED,
    audio,
    client,
    done,
    error,
    server,
    words,
)
from tests.protocols.test_gemini_fuzz import Rules
from voicewire.errors import RemoteProtocolError, UnsupportedError
from voicewire.events import model as m
from voicewire.events.commands import (
    AppendAudio,
    CancelResponse,
    ClearAudio,
    Command,
    CommitAudio,
    CreateResponse,
    SendImage,
    SendText,
    SendToolResult,
    UpdateSession,
)
from voicewire.events.session import TurnDetection
from voicewire.protocols.dashscope.traits import Family
from voicewire.protocols.dashscope.wire_client import CLIENT_EVENT_TYPES
from voicewire.protocols.dashscope.wire_server import SERVER_EVENT_TYPES

pytestmark = pytest.mark.unit

FAMILIES: Sequence[Family] = ("omni", "asr", "tts")
KEYS = (
    "event_id session id modalities voice audio input output format type sample_rate turn_detection threshold tools "
    "function name input_audio_transcription model mode response_format response item item_id response_id delta text "
    "stash transcript call_id arguments status status_details usage error code message content role instructions image "
    "output_index content_index part input_tokens output_tokens_details temperature"
).split()
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(
    ["AQID", "pcm", "audio", "text", "commit", "server_vad", "message", "user", "in_progress", "function_call"]
)  # fmt: skip


def events_of(types: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    value = st.recursive(
        VALUES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
        max_leaves=12,
    )
    fields = st.dictionaries(st.sampled_from(KEYS), value, max_size=5)
    return st.builds(lambda kind, body: {**body, "type": kind}, st.sampled_from(sorted(types)), fields)


def frames_of(types: Sequence[str]) -> st.SearchStrategy[str | bytes]:
    texts = events_of(types).map(json.dumps)
    return texts | texts.map(str.encode) | st.text(max_size=20) | st.binary(max_size=20)


def response(number: int) -> list[dict[str, Any]]:
    """The events of one response with ids of its own."""
    text = json.dumps(
        [
            RESPONSE_CREATED,
            ITEM_ADDED,
            {"type": "conversation.item.created", "item": ITEM_ADDED["item"]},
            words("hi"),
            audio(),
            {"type": "response.audio.done", **IDS},
            {
                "type": "response.output_item.done",
                "response_id": "r1",
                "item": {**ITEM_ADDED["item"], "status": "completed"},
            },
            done(),
        ]
    )
    found: list[dict[str, Any]] = json.loads(
        text.replace('"r1"', f'"r{number}"').replace('"i1"', f'"i{number}"')
    )
    return found


EVENTS = st.sampled_from([*response(1), *response(2), error("x"), error("y", event_id="c1"), UPDATED])
COMMANDS: st.SearchStrategy[Command] = st.sampled_from(
    [
        AppendAudio(bytes(640), 16000),
        CommitAudio(),
        CommitAudio(respond=False),
        ClearAudio(),
        SendText("hello", command_id="c1"),
        SendText("hello", respond=False),
        SendImage(b"x", respond=True),
        CreateResponse(),
        CancelResponse(),
        SendToolResult("call_f", "x"),
        UpdateSession(voice="Ethan"),
        UpdateSession(turn_detection=None),
        UpdateSession(turn_detection=TurnDetection()),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENTS | COMMANDS, max_size=40))
def test_every_response_ends_once_in_every_order(steps: list[Any]) -> None:
    codec = client()
    created: list[str] = []
    ended: list[str] = []
    for step in steps:
        if isinstance(step, dict):
            for event in codec.receive(json.dumps(step)):
                if isinstance(event, m.ModelResponseCreatedEvent):
                    created.append(event.response_id)
                elif isinstance(event, m.ModelResponseDoneEvent):
                    ended.append(event.response_id)
                elif isinstance(event, m.ModelResponseAudioDeltaEvent):
                    assert event.response_id not in ended
        else:
            with contextlib.suppress(UnsupportedError):
                codec.encode(step)
        for frame in codec.data_to_send():
            json.loads(frame)
    last = codec.connection_lost(1006, "", is_expected=False)
    ended += [event.response_id for event in last if isinstance(event, m.ModelResponseDoneEvent)]
    assert sorted(created) == sorted(ended)
    assert len(set(created)) == len(created)
    assert isinstance(last[-1], m.ModelSessionEndedEvent)


@settings(max_examples=100, deadline=None)
@given(st.permutations([1, 2, 3]))
def test_the_rules_hold_for_responses_in_turn(order: list[int]) -> None:
    codec, rules = client(), Rules()
    for number in order:
        for step in response(number):
            for event in codec.receive(json.dumps(step)):
                rules.observe(event)
    for event in codec.connection_lost(1000, "", is_expected=True):
        rules.observe(event)
    assert rules.is_over


@settings(max_examples=400, deadline=None)
@given(st.lists(frames_of([*SERVER_EVENT_TYPES, "novelty"]), max_size=4), st.sampled_from(FAMILIES))
def test_a_client_fails_only_as_documented(frames: list[str | bytes], family: Family) -> None:
    codec = client(OMNI, family=family)
    with contextlib.suppress(RemoteProtocolError):
        for frame in frames:
            codec.receive(frame)
            for answer in codec.data_to_send():
                json.loads(answer)
    last = codec.connection_lost(1006, "", is_expected=False)
    assert isinstance(last[-1], m.ModelSessionEndedEvent)


@settings(max_examples=400, deadline=None)
@given(st.lists(frames_of([*CLIENT_EVENT_TYPES, "novelty"]), max_size=5), st.sampled_from(FAMILIES))
def test_a_server_fails_only_as_documented(frames: list[str | bytes], family: Family) -> None:
    codec = server(family)
    for frame in frames:
        for command in codec.receive(frame):
            if isinstance(command, UpdateSession):
                confirmed = m.ModelSessionUpdatedEvent(session_id="s", config=codec.config.updated(command))
                for told in codec.encode(confirmed):
                    assert json.loads(told)["type"] in SERVER_EVENT_TYPES
        for told in codec.data_to_send():
            assert json.loads(told)["type"] in SERVER_EVENT_TYPES


@given(st.lists(st.binary(min_size=2, max_size=6).filter(lambda pcm: len(pcm) % 2 == 0), max_size=5))
def test_audio_comes_through_both_sides_unchanged(pieces: list[bytes]) -> None:
    here, there = client(), server()
    heard = [c for pcm in pieces for f in here.encode(AppendAudio(pcm, 16000)) for c in there.receive(f)]
    assert heard == [AppendAudio(pcm, 16000) for pcm in pieces]
    begin = m.ModelResponseCreatedEvent(response_id="r")
    deltas = [
        m.ModelResponseAudioDeltaEvent(response_id="r", item_id="i", format=PCM_24K, pcm=pcm)
        for pcm in pieces
    ]
    said = [e for event in (begin, *deltas) for f in there.encode(event) for e in here.receive(f)]
    assert [event.pcm for event in said if isinstance(event, m.ModelResponseAudioDeltaEvent)] == pieces


@given(st.text(alphabet="ab .!?\n3\u3002", max_size=40), st.data())
def test_text_is_spoken_whole_however_it_is_split(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    codec = server("tts")
    said: list[str] = []
    for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        frame = json.dumps({"type": "input_text_buffer.append", "text": text[begin:end]})
        said += [command.text for command in codec.receive(frame) if isinstance(command, SendText)]
    said += [
        command.text
        for command in codec.receive('{"type": "session.finish"}')
        if isinstance(command, SendText)
    ]
    assert "".join("".join(said).split()) == "".join(text.split())
