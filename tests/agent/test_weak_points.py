"""The weak points of the original ``agentscope.realtime`` that no other test here has: each fails on the original."""

from __future__ import annotations

import json
import threading
from typing import Any

import anyio
import pytest
from websockets.asyncio.server import ServerConnection

from tests.events.test_events import SEED_MODEL
from tests.models.frames import CREATED, RESPONSE_CREATED, UPDATED, delta, error
from tests.transport.servers import serving
from voicewire.agent import ChatRoom, RealtimeAgent, Toolkit
from voicewire.errors import VoicewireError
from voicewire.events import ServerEvents, model
from voicewire.events.commands import SendImage, SendText
from voicewire.events.items import Item
from voicewire.events.session import SessionConfig
from voicewire.models import create_model
from voicewire.models.blocks import command_of

from .fakes import FakeModel
from .test_agent import Ears, audio, no_task_is_left, running, text

__all__ = ["no_task_is_left"]

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

Json = dict[str, Any]
_RESPONSE: Json = {"id": "resp_1", "status": "completed", "output": [], "usage": None}
_CALL = {"id": "item_3", "type": "function_call", "name": "lamp", "call_id": "c1"}


def frame(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "e", **fields})


class Provider:
    """A server of the OpenAI wire that says what the original's reader died of."""

    def __init__(self) -> None:
        self.heard: list[Json] = []

    async def handle(self, socket: ServerConnection) -> None:
        await socket.send(frame("session.created", session=None))
        await socket.send(CREATED)
        answers = iter(
            [
                [
                    RESPONSE_CREATED,
                    error("x").replace('"code": "x"', '"code": null'),
                    frame("brand.new", response_id=None),
                    frame("response.output_item.added", response_id="resp_1", output_index=0, item=_CALL),
                    # The arguments come whole, and in this event only.
                    frame(
                        "response.function_call_arguments.done",
                        response_id="resp_1",
                        item_id="item_3",
                        output_index=0,
                        call_id="c1",
                        arguments='{"on": true}',
                    ),
                    frame("response.done", response=_RESPONSE),
                ],
                [
                    RESPONSE_CREATED.replace("resp_1", "resp_2"),
                    delta(b"\1\2" * 240).replace("resp_1", "resp_2"),
                    frame("response.done", response={**_RESPONSE, "id": "resp_2"}),
                ],
            ]
        )
        async for message in socket:
            event = json.loads(message)
            self.heard.append(event)
            if event["type"] == "session.update":
                await socket.send(UPDATED)
            elif event["type"] == "response.create":
                for answer in next(answers):
                    await socket.send(answer)


async def test_nulls_and_calls_without_pieces_do_not_end_the_reading() -> None:
    lit: list[bool] = []

    def lamp(on: bool) -> list[Json]:
        """Switches the lamp."""
        lit.append(on)
        return [{"type": "text", "text": "it is lit"}]

    provider, ears = Provider(), Ears()
    async with serving(provider.handle) as url:
        chosen = create_model("openai:m", api_key="k", base_url=url)
        async with RealtimeAgent("Friday", "", chosen, Toolkit([lamp])) as agent:
            await agent.start(ears.queue)
            await agent.handle_input(text("light, please"))
            told = await ears.until(ServerEvents.AgentErrorEvent)
            first = await ears.until(ServerEvents.AgentResponseDoneEvent)
            sound = await ears.until(ServerEvents.AgentResponseAudioDeltaEvent)
            last = await ears.until(ServerEvents.AgentResponseDoneEvent)
    assert (told.code, lit) == ("", [True])
    assert (first.input_tokens, first.output_tokens) == (0, 0)
    assert (sound.response_id, last.response_id) == ("resp_2", "resp_2")
    said = [event for event in provider.heard if event["type"] == "conversation.item.create"]
    assert [event["type"] for event in provider.heard].count("response.create") == len(said) == 2
    output = said[1]["item"]["output"]
    assert isinstance(output, str)
    assert "it is lit" in output


_ITEM = Item(id="i1", role="assistant")
_FURTHER: dict[str, Json] = {
    "model_session_updated": {"session_id": "s", "config": SessionConfig()},
    "model_audio_dropped": {"samples": 1, "sample_rate_hz": 24000},
    "model_provider_event": {"name": "brand.new", "raw": {"x": None}, "is_known": False},
    "model_response_text_delta": {"response_id": "r1", "item_id": "i1", "delta": "hi"},
    "model_response_text_done": {"response_id": "r1", "item_id": "i1", "text": "hi"},
    "model_input_transcription_failed": {"item_id": "i1", "code": "c", "message": "m"},
    "model_input_committed": {"item_id": "i1"},
    "model_input_cleared": {},
    "model_item_added": {"item": _ITEM},
    "model_item_done": {"item": _ITEM},
    "model_item_retrieved": {"item": _ITEM},
    "model_item_truncated": {"item_id": "i1", "audio_end_ms": 1},
    "model_item_deleted": {"item_id": "i1"},
}
"""Events that the original does not have."""


@pytest.mark.parametrize("kind", sorted(set(model.BY_TYPE) - {"model_session_ended"}))
async def test_no_event_of_a_model_ends_the_agent(kind: str) -> None:
    event = model.BY_TYPE[kind](**{**SEED_MODEL, **_FURTHER}[kind])
    chosen = FakeModel()
    async with running(chosen) as (agent, ears):
        chosen.open_connection.emit(event, model.ModelErrorEvent(error_type="t", code="next", message="m"))
        while (await ears.until(ServerEvents.AgentErrorEvent)).code != "next":
            pass
        await agent.handle_input(text("hello"))
        await anyio.wait_all_tasks_blocked()
        assert chosen.open_connection.orders[-1] == SendText("hello")
        assert agent.is_running


async def test_empty_audio_and_an_early_stop_are_nothing() -> None:
    await ChatRoom([RealtimeAgent("Friday", "", FakeModel())]).stop()
    async with running() as (agent, ears):
        await agent.handle_input(audio(b"", 16_000))
        await agent.handle_input(text("hello"))
        assert (await ears.until(ServerEvents.AgentResponseDoneEvent)).status == "completed"
    assert "agent_error" not in ears.types()


async def test_a_slow_address_holds_up_nothing_and_words_stay_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    began, may_end, ended = threading.Event(), threading.Event(), list[bool]()

    def fetch(_: str) -> tuple[bytes, str]:
        began.set()
        ended.append(may_end.wait(5))
        return b"text", "image/png"

    async def let_it_end() -> None:
        while not began.is_set():
            await anyio.lowlevel.checkpoint()
        may_end.set()

    monkeypatch.setattr("voicewire.models.blocks.fetch", fetch)
    block = {"type": "image", "source": {"type": "url", "url": "https://127.0.0.1/picture"}}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(let_it_end)
        assert await command_of(block, sample_rate_hz=16_000) == SendImage(b"text", "image/png")
    assert ended == [True], "the loop could not go on while the content was fetched"


@pytest.mark.parametrize("name", ["openai:gpt-realtime", "dashscope:qwen3-omni-flash-realtime", "gemini:g"])
async def test_a_handshake_has_the_key_in_its_header_and_switches_nothing_off(name: str) -> None:
    seen: list[tuple[str, dict[str, str]]] = []

    async def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        headers = {key.lower(): value for key, value in socket.request.headers.raw_items()}
        seen.append((socket.request.path, headers))

    async with serving(handle) as url:
        with pytest.raises(VoicewireError) as failed:
            async with create_model(name, api_key="secret-key-1", base_url=url).open():
                pytest.fail("it must not open")
    path, headers = seen[0]
    assert "secret-key-1" not in path + str(failed.value)
    assert any("secret-key-1" in value for value in headers.values())
    assert not {"openai-beta", "x-dashscope-datainspection"} & set(headers)
