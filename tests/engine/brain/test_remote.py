"""A brain behind an OpenAI-compatible endpoint, on a transport without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from voicewire.engine.brain import RemoteBrain, never_cancelled
from voicewire.engine.brain.base import BrainDelta, BrainOutput, BrainTurn, ToolCall, Turn
from voicewire.errors import (
    AuthError,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    InvalidRequest,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    RemoteProtocolError,
    VoicewireError,
)

from .asking import NOW, WEATHER, heard, turn, user

pytestmark = pytest.mark.unit

KEY = "secret-key-123"
Handler = Callable[[httpx.Request], httpx.Response]


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> str:
    return (
        "data: "
        + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more})
        + "\n\n"
    )


def stream_of(*chunks: str) -> Handler:
    return lambda request: httpx.Response(200, content="".join(chunks).encode())


def brain(handler: Handler) -> RemoteBrain:
    return RemoteBrain("http://host/v1/", "tiny", KEY, transport=httpx.MockTransport(handler))


def test_text_is_streamed() -> None:
    usage = 'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}\n\n'
    handler = stream_of(
        ": hello\n\n",
        chunk({"role": "assistant"}),
        chunk({"content": "Bees "}),
        chunk({"content": "hum."}, "stop"),
        usage,
        "data: [DONE]\n\n",
    )
    found = heard(brain(handler).respond(turn("What do bees do?"), never_cancelled))
    assert found.deltas == ["Bees ", "hum."]
    assert (found.done[0].input_tokens, found.done[0].output_tokens, found.done[0].finish) == (9, 2, "stop")


def test_tool_calls_are_put_together() -> None:
    first = {"index": 0, "id": "a", "function": {"name": "get_weather", "arguments": '{"ci'}}
    rest = {"index": 0, "function": {"arguments": 'ty": "Rome"}'}}
    second = {"index": 1, "id": "b", "function": {"name": "get_time", "arguments": ""}}
    handler = stream_of(
        chunk({"tool_calls": [first]}),
        chunk({"tool_calls": [rest, second]}, "tool_calls"),
        "data: [DONE]\n\n",
    )
    found = heard(brain(handler).respond(turn("Weather?", tools=(WEATHER,)), never_cancelled))
    assert found.calls == [("get_weather", {"city": "Rome"}), ("get_time", {})]
    assert found.done[0].finish == "tool"


def test_an_answer_that_was_cut_says_so() -> None:
    found = heard(brain(stream_of(chunk({"content": "Bees"}, "length"))).respond(turn("?"), never_cancelled))
    assert found.done[0].finish == "length"


def test_the_request_carries_everything() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=chunk({"content": "Ok."}, "stop").encode())

    call = ToolCall(call_id="c1", name="get_weather", arguments_json='{"city": "Rome"}')
    history = (
        user("Weather?"),
        Turn("assistant", "", tool_calls=(call,)),
        Turn("tool", "wet", name="get_weather", call_id="c1"),
    )
    asked = BrainTurn(
        history=history,
        now=NOW,
        instructions="Be kind.",
        tools=(WEATHER,),
        tool_choice="get_weather",
        max_tokens=7,
    )
    list(brain(handler).respond(asked, never_cancelled))
    body = json.loads(seen[0].content)
    assert str(seen[0].url) == "http://host/v1/chat/completions"
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert (body["model"], body["stream"], body["max_tokens"]) == ("tiny", True, 7)
    assert body["messages"][0]["content"].endswith("Be kind.")
    assert body["messages"][2]["tool_calls"][0]["function"]["name"] == "get_weather"
    assert body["messages"][3] == {"role": "tool", "tool_call_id": "c1", "content": "wet"}
    assert body["tools"][0]["function"]["name"] == "get_weather"
    assert body["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}


def test_tool_choice_none_sends_no_tools() -> None:
    from voicewire.engine.brain.remote import request_body

    assert "tools" not in request_body(turn("Hi.", tools=(WEATHER,), tool_choice="none"), "tiny")


class Endless(httpx.SyncByteStream):
    def __init__(self) -> None:
        self.sent = 0
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.sent += 1
            yield chunk({"content": "on and "}).encode()

    def close(self) -> None:
        self.is_closed = True


def test_cancelling_closes_the_stream() -> None:
    endless = Endless()
    got: list[BrainOutput] = []
    remote = brain(lambda request: httpx.Response(200, stream=endless))
    for output in remote.respond(turn("Go on."), lambda: len(got) >= 3):
        got.append(output)  # noqa: PERF402 - the list decides when to cancel
    assert len(got) == 3
    assert all(isinstance(output, BrainDelta) for output in got)
    assert endless.is_closed
    assert endless.sent <= 5


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"error": {"message": f"bad key {KEY}", "code": "invalid_api_key"}}, AuthError),
        (403, {"error": "no"}, AuthError),
        (429, {"error": {"message": "slow down", "type": "rate_limit"}}, RateLimited),
        (429, {"error": {"message": "x", "code": "insufficient_quota"}}, QuotaExceeded),
        (404, {"detail": "no such model"}, InvalidRequest),
        (400, [], InvalidRequest),
        (503, "busy", ProviderUnavailable),
    ],
)
def test_refusals(status: int, body: object, kind: type[VoicewireError]) -> None:
    remote = brain(lambda request: httpx.Response(status, json=body))
    with pytest.raises(kind) as caught:
        list(remote.respond(turn("Hi."), never_cancelled))
    assert KEY not in str(caught.value)
    assert f"{status}" in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), ConnectFailed),
        (httpx.ConnectTimeout("slow"), ConnectTimeout),
        (httpx.ReadTimeout("slow"), ConnectionLost),
        (httpx.RemoteProtocolError("cut"), ConnectionLost),
    ],
)
def test_a_broken_network(error: httpx.HTTPError, kind: type[VoicewireError]) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(kind):
        list(brain(handler).respond(turn("Hi."), never_cancelled))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("data: {broken\n\n", RemoteProtocolError),
        ("data: [1]\n\n", RemoteProtocolError),
        ('data: {"choices": 5}\n\n', RemoteProtocolError),
        ('data: {"choices": ["a"]}\n\n', RemoteProtocolError),
        ('data: {"choices": [{"delta": {"tool_calls": [7]}}]}\n\n', RemoteProtocolError),
        ('data: {"error": {"message": "out of memory"}}\n\n', ProviderUnavailable),
    ],
)
def test_a_broken_stream(data: str, kind: type[VoicewireError]) -> None:
    with pytest.raises(kind):
        list(brain(stream_of(data)).respond(turn("Hi."), never_cancelled))


def test_a_closed_brain_says_so() -> None:
    remote = brain(stream_of())
    remote.close()
    remote.close()
    with pytest.raises(ConnectionLost):
        list(remote.respond(turn("Hi."), never_cancelled))


def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(brain(stream_of()))


@pytest.mark.parametrize("url", ["ftp://host/v1", "host/v1", "http://", "http://user:pass@host/v1"])
def test_wrong_addresses(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RemoteBrain(url, "tiny")
    assert "pass@" not in str(caught.value)
