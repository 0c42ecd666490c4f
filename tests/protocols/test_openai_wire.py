"""The typed events are the whole protocol, and the samples of these tests are valid events of it."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest
from openai.types.realtime import RealtimeClientEvent

from tests.protocols.openai_samples import CLIENT_SAMPLES, SERVER_SAMPLES, client_sample, server_sample
from tests.protocols.strict import SDK_EVENTS, parse_strictly
from voicewire.events import ContentPart, Item
from voicewire.protocols.openai.wire_client import CLIENT_EVENT_TYPES, decode_client_event
from voicewire.protocols.openai.wire_items import (
    ClientItem,
    ResponseInputItem,
    ServerItem,
    item_from_client,
    item_from_server,
    item_to_client_event,
    item_to_server_event,
)
from voicewire.protocols.openai.wire_server import SERVER_EVENT_TYPES, decode_server_event

pytestmark = pytest.mark.unit

ITEMS: list[dict[str, Any]] = [
    {
        "type": "message",
        "id": "i1",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "a"},
            {"type": "input_audio", "audio": "AAAA", "transcript": "b"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
        ],
    },
    {"type": "message", "id": "i2", "role": "system", "content": [{"type": "input_text", "text": "a"}]},
    {"type": "message", "id": "i3", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
    {"type": "function_call", "id": "i4", "name": "f", "arguments": "{}", "call_id": "c"},
    {"type": "function_call_output", "id": "i5", "call_id": "c", "output": "o"},
    {"type": "mcp_list_tools", "id": "i6", "server_label": "s", "tools": [{"name": "t", "input_schema": {}}]},
    {
        "type": "mcp_call",
        "id": "i7",
        "server_label": "s",
        "name": "t",
        "arguments": "{}",
        "error": {"type": "http_error", "code": 500, "message": "no"},
    },
    {"type": "mcp_approval_request", "id": "i8", "server_label": "s", "name": "t", "arguments": "{}"},
    {"type": "mcp_approval_response", "id": "i9", "approval_request_id": "i8", "approve": True},
]


def test_all_server_events_are_known() -> None:
    assert frozenset(SDK_EVENTS) == SERVER_EVENT_TYPES
    assert set(SERVER_SAMPLES) == SERVER_EVENT_TYPES
    assert len(SERVER_EVENT_TYPES) == 46


def test_all_client_events_are_known() -> None:
    sdk = {
        get_args(member.model_fields["type"].annotation)[0]
        for member in get_args(get_args(RealtimeClientEvent)[0])
    }
    assert set(CLIENT_EVENT_TYPES) == sdk == set(CLIENT_SAMPLES)
    assert len(CLIENT_EVENT_TYPES) == 11


@pytest.mark.parametrize("event_type", sorted(SERVER_SAMPLES))
def test_server_event_survives_decoding(event_type: str) -> None:
    sample = server_sample(event_type)
    event = decode_server_event(json.dumps(sample))
    again = json.loads(msgspec.json.encode(event))
    assert again == {**again, **sample}
    parse_strictly(json.dumps(again))


@pytest.mark.parametrize("event_type", sorted(CLIENT_SAMPLES))
def test_client_event_survives_decoding(event_type: str) -> None:
    sample = client_sample(event_type)
    assert json.loads(msgspec.json.encode(decode_client_event(json.dumps(sample)))) == sample


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item["type"]))
def test_items_survive_both_directions(item: dict[str, Any]) -> None:
    created = msgspec.convert(item, ClientItem)
    ours = item_from_client(created)
    assert msgspec.to_builtins(item_to_client_event(ours)) == item
    told = item_to_server_event(ours, has_audio=True)
    heard = item_from_server(msgspec.convert(msgspec.to_builtins(told), ServerItem))
    assert heard is not None
    if ours.raw is None:
        assert heard == ours
    else:
        assert (heard.id, heard.kind) == (ours.id, ours.kind)
        assert heard.raw == item
    frame = json.dumps(
        {"type": "conversation.item.added", "event_id": "e", "item": msgspec.to_builtins(told)}
    )
    _, unknown = parse_strictly(frame)
    assert unknown == set()


def test_item_reference_survives() -> None:
    wire = msgspec.convert({"type": "item_reference", "id": "i1"}, ResponseInputItem)
    assert item_to_client_event(item_from_client(wire)) == wire


def test_assistant_speech_is_created_as_text() -> None:
    item = Item(id="", role="assistant", content=(ContentPart(kind="audio", text="Hi"),))
    body = msgspec.to_builtins(item_to_client_event(item))
    assert body == {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Hi"}],
    }


def test_unknown_kind_of_item_is_no_item() -> None:
    assert item_from_server(msgspec.convert({"type": "hologram", "id": "x"}, ServerItem)) is None
