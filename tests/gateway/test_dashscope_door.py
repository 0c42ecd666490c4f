"""The DashScope realtime door: addresses, families of sessions, the goodbye, and other wires behind it."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicewire.events import model as m
from voicewire.events.commands import AppendAudio, CommitAudio, SendText, SendToolResult
from voicewire.events.session import SessionConfig, ToolSpec
from voicewire.gateway import dashscope_door
from voicewire.models import create_model
from voicewire.models.model import RealtimeModel
from voicewire.testing import serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

PATH = "/api-ws/v1/realtime"
TOOL = ToolSpec(name="get_weather")


class Client:
    """A client of bare frames."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, "event_id": "c1", **fields}))

    async def until(self, kind: str) -> dict[str, Any]:
        with anyio.fail_after(10):
            while True:
                event: dict[str, Any] = json.loads(await self.socket.recv())
                self.seen.append(event)
                if event["type"] == kind:
                    return event

    async def until_closed(self) -> tuple[int | None, str]:
        with anyio.fail_after(10):
            try:
                while True:
                    self.seen.append(json.loads(await self.socket.recv()))
            except ConnectionClosed:
                return self.socket.close_code, self.socket.close_reason or ""

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.seen]


@asynccontextmanager
async def client(
    model: str | RealtimeModel = "echo", name: str = "echo", path: str = PATH
) -> AsyncGenerator[Client, None]:
    async with serve(model=model) as gateway, connect(f"{gateway.ws_url}{path}?model={name}") as socket:
        yield Client(socket)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
async def test_a_slash_at_the_end_makes_no_difference(path: str) -> None:
    async with client(path=path, name="qwen3.5-omni-plus-realtime") as talk:
        session = (await talk.until("session.created"))["session"]
        assert session["model"] == "qwen3.5-omni-plus-realtime"


async def test_the_greeting_comes_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashscope_door, "FIRST_FRAME_TIMEOUT_S", 0.01)
    async with client() as talk:
        await talk.until("session.created")
        await talk.send("conversation.item.create", item=_text("hi"))
        await talk.send("response.create")
        done = await talk.until("response.done")
        assert done["response"]["output"][0]["content"][0]["transcript"] == "You said: hi"


async def test_the_first_event_decides_what_the_session_is_for() -> None:
    async with client() as talk:
        await talk.send("session.update", session={"mode": "commit", "voice": "Cherry"})
        assert (await talk.until("session.updated"))["session"]["mode"] == "commit"
        await talk.send("input_text_buffer.append", text="Hi.")
        await talk.send("input_text_buffer.commit")
        done = await talk.until("response.done")
        assert done["response"]["usage"]["characters"] == 3
        sound = b"".join(
            base64.b64decode(e["delta"]) for e in talk.seen if e["type"] == "response.audio.delta"
        )
        assert len(sound) == len("You said: Hi.") * 20 * 24 * 2


async def test_the_models_name_decides_when_the_event_does_not() -> None:
    async with client(name="qwen3-asr-flash-realtime") as talk:
        await talk.send("session.update", session={"turn_detection": None})
        assert (await talk.until("session.updated"))["session"]["modalities"] == ["text"]
        await talk.send("input_audio_buffer.append", audio=base64.b64encode(bytes(32000)).decode())
        await talk.send("input_audio_buffer.commit")
        final = await talk.until("conversation.item.input_audio_transcription.completed")
        assert final["transcript"] == "[audio 1000 ms]"
        await talk.send("session.finish")
        assert await talk.until_closed() == (1000, "session finished")
        assert talk.kinds[-1] == "session.finished"
        assert "response.created" not in talk.kinds


async def test_texts_are_spoken_one_after_the_other() -> None:
    async with client(name="qwen3-tts-flash-realtime") as talk:
        await talk.send("session.update", session={"mode": "server_commit"})
        await talk.send("input_text_buffer.append", text="One is one. Two is two. ")
        await talk.send("input_text_buffer.append", text="Three is three. Four")
        await talk.send("session.finish")
        assert await talk.until_closed() == (1000, "session finished")
        order = [kind for kind in talk.kinds if kind in ("response.created", "response.done")]
        assert order == ["response.created", "response.done"] * (len(order) // 2)
        characters = sum(
            e["response"]["usage"]["characters"] for e in talk.seen if e["type"] == "response.done"
        )
        assert characters == len("One is one. Two is two.Three is three.Four")


async def test_a_speech_model_of_this_wire_behind_the_door() -> None:
    async with serve(model="echo") as behind:
        model = create_model("dashscope:qwen3-tts-flash-realtime", api_key="k", base_url=behind.ws_url)
        async with client(model, name="qwen3-tts-flash-realtime") as talk:
            await talk.send("session.update", session={"mode": "commit", "voice": "Ethan"})
            assert (await talk.until("session.updated"))["session"]["voice"] == "Ethan"
            for text in ("One.", "Two."):
                await talk.send("input_text_buffer.append", text=text)
                await talk.send("input_text_buffer.commit")
            await talk.send("session.finish")
            assert await talk.until_closed() == (1000, "session finished")
            assert talk.kinds.count("response.done") == 2


async def test_a_cancel_takes_along_the_texts_that_wait() -> None:
    async with client(name="qwen3-tts-flash-realtime") as talk:
        await talk.send("session.update", session={"mode": "commit"})
        await talk.send("input_text_buffer.append", text="speak 9 seconds")
        await talk.send("input_text_buffer.commit")
        await talk.send("input_text_buffer.append", text="Never said.")
        await talk.send("input_text_buffer.commit")
        await talk.until("response.audio.delta")
        await talk.send("response.cancel")
        assert (await talk.until("response.done"))["response"]["status"] == "cancelled"
        await talk.send("session.finish")
        assert (await talk.until_closed())[0] == 1000
        assert talk.kinds.count("response.created") == 1


async def test_a_drop_is_a_drop() -> None:
    async with client() as talk:
        await talk.send("conversation.item.create", item=_text("drop"))
        await talk.send("response.create")
        code, _ = await talk.until_closed()
        assert code is None or code == 1006


async def test_what_the_model_lacks_is_refused_and_the_session_goes_on() -> None:
    async with serve(model="echo") as behind:
        name = "dashscope:qwen3-omni-flash-realtime"
        model = create_model(name, api_key="k", base_url=behind.ws_url)
        async with client(model) as talk:
            tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
            await talk.send("session.update", session={"tools": tools})
            await talk.send("conversation.item.delete", item_id="i")
            assert "does not let its items be edited" in (await talk.until("error"))["error"]["message"]
            await talk.send("conversation.item.create", item=_text("hi"))
            await talk.send("response.create")
            assert (await talk.until("response.done"))["response"]["status"] == "completed"


@pytest.mark.parametrize("wire", ["dashscope", "openai", "gemini"])
async def test_other_wires_behind_this_door(wire: str) -> None:
    """A client of this wire, a model of another one at loopback, and ``echo`` behind that."""
    async with serve(model="echo") as behind:
        base_url = f"{behind.ws_url}/v1" if wire == "openai" else behind.ws_url
        async with client(create_model(wire, api_key="k", base_url=base_url)) as talk:
            function = {
                "name": "get_weather",
                "description": "d",
                "parameters": {"type": "object", "properties": {}},
            }
            tools = [{"type": "function", "function": function}]
            await talk.send("session.update", session={"turn_detection": None, "tools": tools})
            await talk.until("session.updated")
            await talk.send("input_audio_buffer.append", audio=base64.b64encode(b"\0\x10" * 16000).decode())
            await talk.send("input_audio_buffer.commit")
            await talk.send("response.create")
            await talk.until("response.done")
            words = [e["transcript"] for e in talk.seen if e["type"] == "response.audio_transcript.done"]
            assert words == ["You sent 1000 ms of audio"]
            await talk.send("conversation.item.create", item=_text('call get_weather {"city": "Oslo"}'))
            await talk.send("response.create")
            call = await talk.until("response.function_call_arguments.done")
            assert json.loads(call["arguments"]) == {"city": "Oslo"}
            await talk.until("response.done")
            result = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
            await talk.send("conversation.item.create", item=result)
            await talk.send("response.create")
            said = await talk.until("response.audio_transcript.done")
            assert said["transcript"] == "get_weather returned: sunny"


@pytest.mark.parametrize("wire", ["openai", "gemini"])
async def test_this_wire_behind_other_doors(wire: str) -> None:
    """A client of another wire, a DashScope model at loopback, and ``echo`` behind that."""
    async with serve(model="echo") as behind:
        through = create_model("dashscope", api_key="k", base_url=behind.ws_url)
        async with serve(model=through) as door:
            base_url = f"{door.ws_url}/v1" if wire == "openai" else door.ws_url
            model = create_model(wire, api_key="k", base_url=base_url)
            config = SessionConfig(turn_detection=None, tools=(TOOL,))
            async with model.open(config=config) as connection:
                await connection.send(AppendAudio(b"\0\x10" * 24000, 24000))
                await connection.send(CommitAudio())
                await connection.send(SendText('call get_weather {"city": "Oslo"}'))
                texts: list[str] = []
                with anyio.fail_after(20):
                    async for event in connection:
                        if isinstance(event, m.ModelResponseToolUseDoneEvent):
                            await connection.send(SendToolResult(event.tool_use["id"], "sunny"))
                        elif isinstance(event, m.ModelResponseDoneEvent):
                            texts += [item.text for item in event.output if item.text]
                            if "get_weather returned: sunny" in texts:
                                break
                assert texts == ["You sent 1000 ms of audio", "get_weather returned: sunny"]


def _text(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
