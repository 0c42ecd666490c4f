"""What programs find below AgentScope's models: single messages in, single messages out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from voicewire.compat.agentscope.realtime import (
    DashScopeRealtimeModel,
    GeminiRealtimeModel,
    ModelEvents,
    OpenAIRealtimeModel,
    _dashscope_realtime_model,
    _single_messages,
)
from voicewire.compat.agentscope.realtime._single_messages import SingleMessages
from voicewire.errors import InvalidEventError, SessionClosed, UnsupportedError

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


class State:
    def __init__(self, name: str) -> None:
        self.name = name


class Socket:
    """Keeps what it is given."""

    def __init__(self, state: str = "OPEN") -> None:
        self.state = State(state)
        self.sent: list[dict[str, Any]] = []

    async def send(self, message: str, /) -> None:
        self.sent.append(json.loads(message))


def openai() -> OpenAIRealtimeModel:
    return OpenAIRealtimeModel("gpt-realtime", "k")


def dashscope() -> DashScopeRealtimeModel:
    return DashScopeRealtimeModel("qwen3-omni-flash-realtime", "k")


def gemini() -> GeminiRealtimeModel:
    return GeminiRealtimeModel("gemini-2.5-flash", "k")


async def read(model: SingleMessages, **fields: Any) -> Any:
    return await model.parse_api_message(json.dumps(fields))


@pytest.mark.parametrize("model", [openai(), dashscope()])
async def test_a_response_is_remembered_until_it_is_done(model: SingleMessages) -> None:
    created = await read(model, type="response.created", response={"id": "r1"})
    assert created == ModelEvents.ModelResponseCreatedEvent(response_id="r1")
    for name in ("response.audio_transcript.delta", "response.output_audio_transcript.delta"):
        words = await read(model, type=name, item_id="i", delta="Hi")
        assert (words.response_id, words.item_id, words.delta) == ("r1", "i", "Hi")
    audio = await read(model, type="response.output_audio.delta", item_id="i", delta="AAAA")
    assert (audio.response_id, audio.pcm, audio.format.rate) == ("r1", b"\0\0\0", model.output_sample_rate)
    assert (await read(model, type="response.audio.done", item_id="i")).response_id == "r1"
    done = await read(
        model, type="response.done", response={"usage": {"input_tokens": 3, "output_tokens": 4}}
    )
    assert (done.response_id, done.input_tokens, done.output_tokens) == ("r1", 3, 4)
    assert model._response_id == ""


@pytest.mark.parametrize("model", [openai(), dashscope(), gemini()])
async def test_what_has_no_event_is_none(model: SingleMessages) -> None:
    for message in ("not json", "[]", "{}", '{"type": "session.updated"}', '{"serverContent": null}'):
        assert await model.parse_api_message(message) is None
    assert await read(model, type="response.audio.delta", delta="") is None
    assert await read(model, serverContent={"interrupted": True}) is None


async def test_arguments_gather_by_call() -> None:
    model = openai()
    for call_id, piece in (("a", '{"x":'), ("b", "{}"), ("a", " 1}")):
        delta = await read(
            model, type="response.function_call_arguments.delta", call_id=call_id, name="f", delta=piece
        )
        assert delta.tool_use["input"] == {}
    assert delta.tool_use["raw_input"] == '{"x": 1}'
    done = await read(model, type="response.function_call_arguments.done", call_id="a", name="f")
    assert done.tool_use["input"] == {"x": 1}
    assert list(model._tool_args_accumulator) == ["b"]
    assert openai()._tool_args_accumulator == {}


async def test_errors_have_defaults() -> None:
    error = await read(openai(), type="error", error={})
    assert (error.error_type, error.code, error.message) == (
        "unknown",
        "unknown",
        "An unknown error occurred.",
    )
    error = await read(gemini(), error={"status": "INTERNAL", "code": 500, "message": "m"})
    assert (error.error_type, error.code) == ("INTERNAL", "500")


async def test_geminis_responses_have_no_beginning() -> None:
    model = gemini()
    part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAA"}}
    audio = await read(model, serverContent={"modelTurn": {"parts": [{}, part]}})
    words = await read(model, serverContent={"outputTranscription": {"text": "Hi"}})
    assert audio.response_id == words.response_id == model._response_id
    done = await read(model, serverContent={"turnComplete": True})
    assert done.response_id == audio.response_id
    assert model._response_id is None
    assert await read(model, serverContent={"turnComplete": True}) is None
    (call,) = await read(model, toolCall={"functionCalls": [{"id": "c", "name": "f", "args": {"x": 1}}]})
    assert call.tool_use["input"] == {"x": 1}


async def test_blocks_are_one_message_each(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = {"type": "audio", "source": {"type": "base64", "media_type": "audio/wav", "data": "AAAA"}}
    result = {"type": "tool_result", "id": "c", "name": "f", "output": "42"}
    image = {"type": "image", "source": {"type": "url", "url": "https://x/y.jpg"}}
    monkeypatch.setattr(_dashscope_realtime_model, "_get_bytes_from_web_url", lambda url: f"content of {url}")
    sent: list[dict[str, Any]] = []
    for model, blocks in (
        (openai(), (audio, result)),
        (dashscope(), (audio, image)),
        (gemini(), (audio, result)),
    ):
        model._websocket = socket = Socket()
        for block in ({"type": "text", "text": "Hi"}, *blocks):
            await model.send(block)
        sent += socket.sent
    assert len(sent) == 9
    assert sent[1] == sent[4] == {"type": "input_audio_buffer.append", "audio": "AAAA"}
    assert sent[2]["item"] == {"type": "function_call_output", "call_id": "c", "output": "42"}
    assert sent[5] == {"type": "input_image_url.append", "image_url": "content of https://x/y.jpg"}
    assert sent[7]["realtimeInput"]["audio"]["mimeType"] == "audio/pcm;rate=16000"
    assert sent[8]["toolResponse"]["functionResponses"][0]["response"] == {"result": "42"}


async def test_what_cannot_be_sent_says_why() -> None:
    model = openai()
    with pytest.raises(SessionClosed, match="not connected"):
        await model.send({"type": "text", "text": "x"})
    model._websocket = Socket("CLOSED")
    with pytest.raises(SessionClosed, match="not open"):
        await model.send({"type": "text", "text": "x"})
    model._websocket = Socket()
    with pytest.raises(UnsupportedError, match="video"):
        await model.send({"type": "video", "source": {}})
    with pytest.raises(InvalidEventError, match="source"):
        await model.send({"type": "audio", "source": {"type": "carrier pigeon"}})


def test_an_address_is_fetched_as_base64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_single_messages, "fetch", lambda _: (b"text", "text/plain"))
    assert _single_messages.get_bytes_from_web_url("https://x") == "dGV4dA=="
