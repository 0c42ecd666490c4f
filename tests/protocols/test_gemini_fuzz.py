"""Whatever a peer sends, in whatever order: only documented errors, and events that keep the rules of all wires."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocols.gemini_wire import (
    GENERATED,
    INTERRUPTED,
    SETUP_COMPLETE,
    TURN_END,
    audio,
    heard,
    receive,
    tool_call,
    words,
)
from voicewire.errors import RemoteProtocolError, UnsupportedError
from voicewire.events import model as m
from voicewire.events.base import EventBase, MediaFormat
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
from voicewire.events.session import SessionConfig, TurnDetection
from voicewire.protocols.gemini.client import GeminiClientCodec
from voicewire.protocols.gemini.client_state import WireTraits
from voicewire.protocols.gemini.server import GeminiServerCodec
from voicewire.protocols.gemini.server_requests import read_first

pytestmark = pytest.mark.unit

SERVER_KEYS = (
    "setupComplete serverContent toolCall toolCallCancellation usageMetadata goAway sessionResumptionUpdate error code "
    "modelTurn parts inlineData mimeType data text thought generationComplete turnComplete turnCompleteReason "
    "interrupted inputTranscription outputTranscription interimInputTranscription functionCalls id name args ids "
    "newHandle resumable timeLeft voiceActivity type audioOffset interactionStatus promptTokenCount model_turn"
).split()
CLIENT_KEYS = (
    "setup clientContent realtimeInput toolResponse contextUpdate turns turnComplete role parts text inlineData "
    "mimeType data audio video mediaChunks activityStart activityEnd audioStreamEnd functionResponses id name response "
    "scheduling willContinue systemInstruction tools functionDeclarations functionCall args model generationConfig "
    "responseModalities realtime_input mime_type"
).split()
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(
    ["AQID", "audio/pcm;rate=24000", "image/png", "AUDIO", "50s", "IDLE", "NON_BLOCKING"]
)  # fmt: skip


def messages_of(keys: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    value = st.recursive(
        VALUES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keys), inner, max_size=4),
        max_leaves=12,
    )
    return st.dictionaries(st.sampled_from(keys), value, min_size=1, max_size=4)


def frames_of(keys: Sequence[str]) -> st.SearchStrategy[str | bytes]:
    texts = messages_of(keys).map(json.dumps)
    return texts | texts.map(str.encode) | st.text(max_size=20) | st.binary(max_size=20)


class Rules:
    """What holds on every wire (design, section 4), checked event by event."""

    def __init__(self) -> None:
        self.active: str | None = None
        self.ended: set[str] = set()
        self.open_items: dict[str, str | None] = {}
        self.items: set[str] = set()
        self.is_speaking = False
        self.is_over = False

    def observe(self, event: EventBase) -> None:
        assert not self.is_over, "nothing follows the end"
        match event:
            case m.ModelResponseCreatedEvent():
                assert self.active is None
                assert event.response_id not in self.ended
                self.active = event.response_id
            case m.ModelResponseDoneEvent():
                assert event.response_id == self.active
                assert not [item for item, owner in self.open_items.items() if owner == self.active]
                self.ended.add(event.response_id)
                self.active = None
            case m.ModelItemAddedEvent():
                assert event.item.id not in self.items
                self.items.add(event.item.id)
                self.open_items[event.item.id] = event.response_id
            case m.ModelItemDoneEvent():
                assert event.item.status != "in_progress"
                del self.open_items[event.item.id]
            case m.ModelInputStartedEvent():
                assert not self.is_speaking
                self.is_speaking = True
            case m.ModelInputDoneEvent():
                assert self.is_speaking
                self.is_speaking = False
            case m.ModelSessionEndedEvent():
                assert self.active is None
                assert not self.open_items
                assert not self.is_speaking
                self.is_over = True
            case (
                m.ModelResponseAudioDeltaEvent()
                | m.ModelResponseTextDeltaEvent()
                | m.ModelResponseAudioTranscriptDeltaEvent()
                | m.ModelResponseToolUseDoneEvent()
            ):
                assert event.response_id == self.active
                assert event.item_id in self.open_items
            case _:
                return


CONTENT = st.sampled_from(
    [
        audio(),
        words("hi"),
        heard("you"),
        heard("done", finished=True),
        {"serverContent": {"interimInputTranscription": {"text": "maybe"}}},
        {"serverContent": {"modelTurn": {"parts": [{"text": "written"}]}}},
        {"serverContent": {"modelTurn": {"parts": [{"text": "hm", "thought": True}]}}},
        GENERATED,
        INTERRUPTED,
        TURN_END,
        {"serverContent": {"interrupted": True, "turnComplete": True}},
        {"serverContent": {"turnComplete": True, "interactionStatus": "IN_PROGRESS"}},
        {"serverContent": {"turnComplete": True, "turnCompleteReason": "BLOCKLIST"}},
        tool_call("f"),
        tool_call("g", "h"),
        {"toolCallCancellation": {"ids": ["call_f", "call_g"]}},
        {"error": {"code": 13, "message": "no", "status": "INTERNAL"}},
        {"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "0.1s"}},
        {"voiceActivity": {"type": "ACTIVITY_END"}},
        SETUP_COMPLETE,
    ]
)
COMMANDS: st.SearchStrategy[Command] = st.sampled_from(
    [
        AppendAudio(bytes(640), 16000),
        CommitAudio(),
        CommitAudio(respond=False),
        ClearAudio(),
        SendText("hello"),
        SendText("hello", respond=False),
        SendImage(b"x", respond=True),
        CreateResponse(),
        CancelResponse(),
        SendToolResult("call_f", "x"),
        SendToolResult("call_g", "x", respond=False),
        UpdateSession(voice="Kore"),
        UpdateSession(turn_detection=None),
        UpdateSession(turn_detection=TurnDetection()),
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(CONTENT | COMMANDS, max_size=40),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_the_rules_hold_in_every_order(
    steps: list[Any], is_manual: bool, can_reopen: bool, holds_audio: bool
) -> None:
    config = SessionConfig(turn_detection=None) if is_manual else SessionConfig()
    traits = WireTraits(holds_audio_during_calls=holds_audio)
    codec = GeminiClientCodec(config, traits=traits, can_reopen=can_reopen)
    rules = Rules()
    codec.report_to(rules.observe)
    steps = [SETUP_COMPLETE, *steps]
    for number, step in enumerate(steps):
        if isinstance(step, dict):
            # A server does not make the same call twice.
            text = (
                json.dumps(step).replace("call_f", f"call_f{number}")
                if "toolCall" in step
                else json.dumps(step)
            )
            for event in codec.receive(text):
                rules.observe(event)
        else:
            with contextlib.suppress(UnsupportedError):
                codec.encode(step)
        for frame in codec.data_to_send():
            json.loads(frame)
    for event in codec.connection_lost(1006, "", is_expected=False):
        rules.observe(event)
    assert rules.is_over


@settings(max_examples=400, deadline=None)
@given(st.lists(frames_of(SERVER_KEYS), max_size=4))
def test_a_client_fails_only_as_documented(frames: list[str | bytes]) -> None:
    codec = GeminiClientCodec(SessionConfig())
    codec.opening()
    receive(codec, SETUP_COMPLETE)
    codec.encode(SendText("hi"))
    rules = Rules()
    with contextlib.suppress(RemoteProtocolError):
        for frame in frames:
            for event in codec.receive(frame):
                rules.observe(event)
    for event in codec.connection_lost(1006, "", is_expected=False):
        rules.observe(event)
    assert rules.is_over


@settings(max_examples=400, deadline=None)
@given(frames_of(CLIENT_KEYS), st.lists(frames_of(CLIENT_KEYS), max_size=4))
def test_a_server_fails_only_as_documented(first: str | bytes, frames: list[str | bytes]) -> None:
    with contextlib.suppress(RemoteProtocolError):
        read_first(first)
    codec = GeminiServerCodec(read_first('{"setup": {"model": "m"}}'))
    codec.encode(m.ModelSessionCreatedEvent(session_id="s"))
    for frame in frames:
        commands = codec.receive(frame)
        answers = codec.data_to_send()
        assert not (commands and answers)
        assert all(json.loads(answer)["code"] == 400 for answer in answers)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["model", *CLIENT_KEYS]), messages_of(CLIENT_KEYS) | VALUES, max_size=6)
)
def test_any_setup_is_read_or_refused(setup: dict[str, Any]) -> None:
    with contextlib.suppress(RemoteProtocolError):
        read = read_first(json.dumps({"setup": {"model": "m", **setup}}))
        assert isinstance(read.config, SessionConfig)


@given(st.lists(st.binary(min_size=2, max_size=6).filter(lambda pcm: len(pcm) % 2 == 0), max_size=5))
def test_audio_comes_through_both_sides_unchanged(pieces: list[bytes]) -> None:
    server = GeminiServerCodec(read_first('{"setup": {"model": "m"}}'))
    client = GeminiClientCodec(SessionConfig())
    (setup,) = client.opening()
    assert read_first(str(setup)).config.voice == ""
    for frame in server.encode(m.ModelSessionCreatedEvent(session_id="s")):
        client.receive(frame)
    heard_there = [
        c for pcm in pieces for f in client.encode(AppendAudio(pcm, 16000)) for c in server.receive(f)
    ]
    assert heard_there == [AppendAudio(pcm, 16000) for pcm in pieces]
    deltas = [
        m.ModelResponseAudioDeltaEvent(
            response_id="r", item_id="i", format=MediaFormat("audio/pcm", 24000), pcm=pcm
        )
        for pcm in pieces
    ]
    heard_here = [e for delta in deltas for f in server.encode(delta) for e in client.receive(f)]
    found = [event.pcm for event in heard_here if isinstance(event, m.ModelResponseAudioDeltaEvent)]
    assert found == pieces
