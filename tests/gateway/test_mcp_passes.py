"""Tools of MCP servers, which a provider calls by itself: every item and event of theirs passes the gateway unchanged.

A provider of our own says what the wire has; an OpenAI client at the gateway must get it, and the other way round.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets

from tests.protocols.openai_samples import SESSION
from voicewire.models import create_model
from voicewire.testing import serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

_TIMEOUT_S = 20.0
Json = dict[str, Any]

TOOL: Json = {
    "type": "mcp",
    "server_label": "maps",
    "server_url": "https://mcp.example.org/sse",
    "allowed_tools": {"read_only": True, "tool_names": ["route"]},
    "require_approval": {"always": {"tool_names": ["route"]}},
    "server_description": "Ways from here to there.",
    "defer_loading": True,
}
CHOICE: Json = {"type": "mcp", "server_label": "maps", "name": "route"}
LISTED: Json = {
    "id": "mcpl_1",
    "type": "mcp_list_tools",
    "server_label": "maps",
    "tools": [
        {"name": "route", "description": "A way", "input_schema": {"type": "object"}, "annotations": {"a": 1}}
    ],
}
CALL: Json = {"id": "mcp_1", "type": "mcp_call", "server_label": "maps", "name": "route", "arguments": ""}
DONE: Json = {**CALL, "arguments": '{"to":"Rome"}', "output": "south", "approval_request_id": "mcpr_1"}
ERRORS: list[Json] = [
    {"type": "protocol_error", "code": 32000, "message": "no such method"},
    {"type": "tool_execution_error", "message": "the tool failed"},
    {"type": "http_error", "code": 502, "message": "bad gateway"},
]
REQUEST: Json = {
    "id": "mcpr_1",
    "type": "mcp_approval_request",
    "server_label": "maps",
    "name": "route",
    "arguments": '{"to":"Rome"}',
}
ANSWER: Json = {
    "id": "mcpa_1",
    "type": "mcp_approval_response",
    "approval_request_id": "mcpr_1",
    "approve": True,
}
_RESPONSE: Json = {"object": "realtime.response", "id": "resp_1", "status": "in_progress", "output": []}
_IN_CALL: Json = {"response_id": "resp_1", "item_id": "mcp_1", "output_index": 0}
_OF_CALL: Json = {"item_id": "mcp_1", "output_index": 0}


def conversation(item: Json, after: str | None = None) -> list[Json]:
    """An item of the conversation, outside of a response."""
    return [
        {"type": f"conversation.item.{end}", "previous_item_id": after, "item": item}
        for end in ("added", "done")
    ]


def called(item: Json, end: str) -> list[Json]:
    """A response with one call of a tool."""
    done = {**_RESPONSE, "status": "completed", "output": [item], "usage": None}
    return [
        {"type": "response.created", "response": _RESPONSE},
        {"type": "response.output_item.added", "response_id": "resp_1", "output_index": 0, "item": CALL},
        {"type": "conversation.item.added", "previous_item_id": None, "item": CALL},
        {"type": "response.mcp_call_arguments.delta", **_IN_CALL, "delta": '{"to":', "obfuscation": "xyz"},
        {"type": "response.mcp_call_arguments.delta", **_IN_CALL, "delta": '"Rome"}'},
        {"type": "response.mcp_call_arguments.done", **_IN_CALL, "arguments": '{"to":"Rome"}'},
        {"type": "response.mcp_call.in_progress", **_OF_CALL},
        {"type": f"response.mcp_call.{end}", **_OF_CALL},
        {"type": "conversation.item.done", "previous_item_id": None, "item": item},
        {"type": "response.output_item.done", "response_id": "resp_1", "output_index": 0, "item": item},
        {"type": "response.done", "response": done},
    ]


SAID: dict[str, list[Json]] = {
    "tools are listed": [
        {"type": "mcp_list_tools.in_progress", "item_id": "mcpl_1"},
        *conversation(LISTED),
        {"type": "mcp_list_tools.completed", "item_id": "mcpl_1"},
    ],
    "tools cannot be listed": [{"type": "mcp_list_tools.failed", "item_id": "mcpl_1"}],
    "a call": called(DONE, "completed"),
    **{
        f"a call fails with a {error['type']}": called({**DONE, "output": None, "error": error}, "failed")
        for error in ERRORS
    },
    "leave is asked for": conversation(REQUEST),
    "leave is given": conversation(ANSWER),
    "leave is refused": conversation({**ANSWER, "approve": False, "reason": "no"}),
}


class Provider:
    """Confirms every configuration, notes what it gets, and says what it is told to."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[Json] = []
        self.more = anyio.Event()
        self.socket: ServerConnection | None = None

    async def talk(self, socket: ServerConnection) -> None:
        self.socket = socket
        await self.say({"type": "session.created", "session": SESSION})
        async for frame in socket:
            event: Json = json.loads(frame)
            self.got.append(event)
            if event["type"] == "session.update":
                await self.say({"type": "session.updated", "session": {**SESSION, **event["session"]}})
            self.more.set()
            self.more = anyio.Event()

    async def say(self, *events: Json) -> None:
        assert self.socket is not None
        for number, event in enumerate(events):
            await self.socket.send(json.dumps({"event_id": f"event_{number}", **event}))

    async def until(self, kind: str) -> Json:
        """The last event of this kind, once there is one."""
        with anyio.fail_after(_TIMEOUT_S):
            while True:
                for event in reversed(self.got):
                    if event["type"] == kind:
                        return event
                await self.more.wait()


@asynccontextmanager
async def relayed() -> AsyncGenerator[tuple[Provider, ClientConnection], None]:
    """A client at a gateway that relays to a provider; the session is configured."""
    provider = Provider()
    async with serve_websockets(provider.talk, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        model = create_model("openai:m", api_key="k", base_url=f"ws://127.0.0.1:{port}/v1")
        async with serve(model) as gateway, connect(f"{gateway.ws_url}/v1/realtime?model=m") as client:
            update = {
                "type": "session.update",
                "session": {"type": "realtime", "tools": [TOOL], "tool_choice": CHOICE},
            }
            await client.send(json.dumps(update))
            with anyio.fail_after(_TIMEOUT_S):
                while json.loads(await client.recv())["type"] != "session.updated":
                    continue
            yield provider, client


def same(event: Json) -> Json:
    """An event without what each side numbers or counts for itself."""
    event = {key: value for key, value in event.items() if key not in ("event_id", "obfuscation")}
    for holder in ("item", "response"):
        if isinstance(event.get(holder), dict):
            event[holder] = _bare(event[holder])
    return event


def _bare(thing: Json) -> Json:
    """Nothing is the same as null; what an item is made of is compared, what a gateway adds to a response is not."""
    if "output" in thing and isinstance(thing["output"], list):
        kept = {key: thing.get(key) for key in ("id", "status")}
        return {**kept, "output": [_bare(item) for item in thing["output"]]}
    return {key: value for key, value in thing.items() if value is not None and key != "object"}


@pytest.mark.parametrize("name", SAID)
async def test_what_the_provider_says_of_it_reaches_the_client_unchanged(name: str) -> None:
    async with relayed() as (provider, client):
        await provider.say(*SAID[name], {"type": "input_audio_buffer.cleared"})
        got: list[Json] = []
        with anyio.fail_after(_TIMEOUT_S):
            while not got or got[-1]["type"] != "input_audio_buffer.cleared":
                got.append(json.loads(await client.recv()))
    of_it = [event for event in got[:-1] if event["type"] not in ("rate_limits.updated", "session.updated")]
    assert list(map(same, of_it)) == list(map(same, SAID[name]))


async def test_the_tools_and_the_choice_reach_the_provider_unchanged() -> None:
    async with relayed() as (provider, _):
        updates = [event["session"] for event in provider.got if event["type"] == "session.update"]
    assert updates[-1]["tools"] == [TOOL]
    assert updates[-1]["tool_choice"] == CHOICE


@pytest.mark.parametrize(
    "item", [ANSWER, {**ANSWER, "approve": False, "reason": "no"}, LISTED, DONE, REQUEST]
)
async def test_an_item_of_the_client_reaches_the_provider_unchanged(item: Json) -> None:
    async with relayed() as (provider, client):
        await client.send(json.dumps({"type": "conversation.item.create", "event_id": "mine", "item": item}))
        created = await provider.until("conversation.item.create")
    assert _bare(created["item"]) == _bare(item)
