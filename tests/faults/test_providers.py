"""Providers that refuse, fall silent, talk nonsense or die: a typed error, one end event, and nothing left."""

from __future__ import annotations

import json

import anyio
import pytest

from tests.faults.leaks import ASYNC, SECRET, shown
from tests.faults.providers import (
    STATES,
    Fault,
    answering,
    close,
    cut,
    end_of_stream,
    error_event,
    failing_provider,
    frame,
    half_open,
    model_at,
    talked_with,
)
from voicewire.errors import (
    AuthError,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    RemoteProtocolError,
    SessionClosed,
    VoicewireError,
)
from voicewire.events import SendText
from voicewire.models import create_model
from voicewire.models.openai import OpenAIRealtimeModel

pytestmark = [pytest.mark.loopback, *ASYNC]


def http(status: str, body: object = None, *headers: str) -> bytes:
    """An HTTP answer."""
    content = json.dumps(body).encode() if body is not None else b""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(content)}", "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode() + content


KEY_BODY = {"error": {"message": f"Incorrect API key provided: {SECRET}.", "code": "invalid_api_key"}}
REFUSALS: dict[str, tuple[bytes, type[VoicewireError], str]] = {
    "refused key": (http("401 Unauthorized", KEY_BODY), AuthError, "check the key"),
    "forbidden": (http("403 Forbidden", KEY_BODY), AuthError, "check the key"),
    "too many": (
        http("429 Too Many Requests", {"error": {"message": "slow down"}}, "Retry-After: 7"),
        RateLimited,
        "try again after 7",
    ),
    "server failure": (http("500 Internal Server Error", KEY_BODY), ProviderUnavailable, "try again later"),
    "overloaded": (http("503 Service Unavailable"), ProviderUnavailable, "try again later"),
    "not found": (http("404 Not Found"), ConnectFailed, "check the address and the model"),
    "moved": (http("302 Found", None, "Location: /x"), ConnectFailed, "use that address"),
    "no websocket": (http("200 OK", {"hello": 1}), ConnectFailed, "HTTP 200"),
    "no http": (b"SSH-2.0-x\r\n\r\n", ConnectFailed, "does not speak WebSocket"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_refused_handshake(refusal: str) -> None:
    answer, kind, advice = REFUSALS[refusal]
    async with answering(answer) as base_url:
        outcome = await talked_with(model_at(base_url))
    assert type(outcome.error) is kind
    assert "127.0.0.1" in str(outcome.error) and advice in str(outcome.error)
    assert outcome.error is not None and SECRET not in shown(outcome.error)
    assert not outcome.was_open


async def test_a_handshake_that_never_completes() -> None:
    async with answering(None) as base_url:
        outcome = await talked_with(model_at(base_url))
    assert type(outcome.error) is ConnectTimeout
    assert "127.0.0.1" in str(outcome.error) and "0.5 s" in str(outcome.error)
    assert SECRET not in shown(outcome.error)


async def test_nobody_is_there() -> None:
    outcome = await talked_with(model_at("ws://127.0.0.1:9/v1"))
    assert type(outcome.error) is ConnectFailed
    assert "127.0.0.1:9" in str(outcome.error)
    assert SECRET not in shown(outcome.error)


async def _says_nothing(socket: object) -> None:
    pass


@pytest.mark.parametrize("state", ["greeting", "configuring"])
async def test_a_session_that_never_gets_ready(state: str) -> None:
    async with failing_provider(state, _says_nothing) as base_url:
        outcome = await talked_with(model_at(base_url, setup_timeout_s=0.3))
    assert type(outcome.error) is ConnectTimeout
    assert "openai:gpt-realtime" in str(outcome.error) and "0.3 s" in str(outcome.error)


ERROR_EVENTS: dict[str, tuple[str, type[ProviderError]]] = {
    "key": (error_event("invalid_api_key"), AuthError),
    "rate": (error_event("rate_limit_exceeded"), RateLimited),
    "quota": (error_event("insufficient_quota"), QuotaExceeded),
    "server": (error_event("", "server_error"), ProviderUnavailable),
}


@pytest.mark.parametrize("state", ["greeting", "configuring"])
@pytest.mark.parametrize("event", ERROR_EVENTS)
async def test_an_error_event_before_it_is_ready(event: str, state: str) -> None:
    content, kind = ERROR_EVENTS[event]
    async with failing_provider(state, frame(content)) as base_url:
        outcome = await talked_with(model_at(base_url))
    assert type(outcome.error) is kind
    assert not outcome.was_open
    assert outcome.error is not None and SECRET not in shown(outcome.error)


async def test_an_error_event_when_it_is_ready_is_an_event_and_no_end() -> None:
    async def err_and_close(socket: object) -> None:
        await frame(error_event("invalid_value"))(socket)  # type: ignore[arg-type]  # handed through
        await close(1000, "bye")(socket)  # type: ignore[arg-type]  # handed through

    async with failing_provider("ready", err_and_close) as base_url:
        outcome = await talked_with(model_at(base_url))
    assert "model_error" in [event.model_dump()["type"] for event in outcome.events]
    assert len(outcome.ends) == 1


DEATHS: dict[str, tuple[Fault, type[VoicewireError], int]] = {
    "cut": (cut, ConnectionLost, 1006),
    "end of stream": (end_of_stream, ConnectionLost, 1006),
    "half open": (half_open, ConnectionLost, 1006),
    "closed by a failing server": (close(1011, "internal error"), ConnectionLost, 1011),
    "closed in order": (close(1000, "enough"), SessionClosed, 1000),
    "closed for good": (close(4001, "session expired"), SessionClosed, 4001),
    "garbage": (frame('{"type": "response.output_audio.delta", "delta": '), RemoteProtocolError, 1002),
    "no json": (frame("<html>502 Bad Gateway</html>"), RemoteProtocolError, 1002),
    "no object": (frame("[1, 2]"), RemoteProtocolError, 1002),
    "binary": (frame(b"\x00\x01\x02"), RemoteProtocolError, 1002),
    "too large": (frame('{"type":"' + "x" * 200_000 + '"}'), RemoteProtocolError, 1009),
    "too deep": (frame('{"type":"x","a":' + "[" * 30_000 + "]" * 30_000 + "}"), RemoteProtocolError, 1002),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("death", DEATHS)
async def test_every_death_is_reported_once(death: str, state: str) -> None:
    fault, kind, code = DEATHS[death]
    async with failing_provider(state, fault) as base_url:
        outcome = await talked_with(model_at(base_url))
    assert outcome.error is not None
    assert "\n" not in str(outcome.error) and 10 < len(str(outcome.error)) < 500
    assert SECRET not in shown(outcome.error)
    assert outcome.was_open == (state in ("ready", "replying"))
    if not outcome.was_open:
        assert isinstance(outcome.error, ConnectFailed | ConnectTimeout | RemoteProtocolError | ProviderError)
        return
    assert type(outcome.error) is kind
    assert [end.code for end in outcome.ends] == [code]
    assert outcome.ends[0].reason and not outcome.ends[0].is_expected
    assert outcome.events[-1] is outcome.ends[0]
    assert len(outcome.failed_responses) == (state == "replying"), "a response under way gets its one end"


@pytest.mark.parametrize("state", STATES[2:])
async def test_sending_after_the_end_is_refused(state: str) -> None:
    async with failing_provider(state, cut) as base_url:
        with anyio.fail_after(5):
            async with model_at(base_url).open() as connection:
                with pytest.raises(ConnectionLost):
                    async for _ in connection:
                        pass
                with pytest.raises(SessionClosed, match="open a new one"):
                    await connection.send(SendText("late"))


@pytest.mark.parametrize("state", STATES)
async def test_cancelled_at_every_state_nothing_stays_open(state: str) -> None:
    reached = anyio.Event()

    async def note(socket: object) -> None:
        reached.set()

    async def talk(base_url: str) -> None:
        async with model_at(base_url).open() as connection:
            async for _ in connection:
                pass

    async with failing_provider(state, note) as base_url, anyio.create_task_group() as tasks:
        tasks.start_soon(talk, base_url)
        with anyio.fail_after(5):
            await reached.wait()
        tasks.cancel_scope.cancel()
    assert tasks.cancel_scope.cancelled_caught


@pytest.mark.parametrize("name", ["openai:gpt-realtime", "azure:my-deployment"])
async def test_a_missing_key_is_told_before_anything_is_dialled(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "ws://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"_API_KEY"):
        async with create_model(name).open():
            pytest.fail("it must not open")


@pytest.mark.parametrize("key", [f"{SECRET}\n", f" {SECRET}", f"{SECRET}\r\nX-Evil: 1"])
async def test_a_key_that_is_no_header_value_is_not_shown(key: str) -> None:
    model = OpenAIRealtimeModel("gpt-realtime", key, base_url="ws://127.0.0.1:9/v1")
    with pytest.raises(VoicewireError) as refused:
        async with model.open():
            pytest.fail("it must not open")
    assert SECRET not in shown(refused.value)


async def test_a_model_shows_no_key() -> None:
    model = model_at(f"ws://127.0.0.1:9/v1?api-key={SECRET}")
    assert SECRET not in repr(model) + str(model)


async def test_a_key_in_the_address_is_refused_and_not_shown() -> None:
    outcome = await talked_with(model_at(f"ws://user:{SECRET}@127.0.0.1:9/v1"))
    assert type(outcome.error) is ConfigError
    assert "api_key" in str(outcome.error)
    assert SECRET not in shown(outcome.error)
