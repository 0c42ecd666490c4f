"""The ``dashscope`` Python SDK judges the gateway: Qwen-Omni, Qwen-ASR and Qwen-TTS."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import dashscope
import pytest

from voicewire.testing import serve

from .dashscope_sdk import EVENTS, SCENARIOS, TIMEOUT_S, Event, conversing

pytestmark = [pytest.mark.anyio]


@pytest.mark.judge
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_echo_satisfies_the_sdk(echo_url: str, scenario: str) -> None:
    await anyio.to_thread.run_sync(SCENARIOS[scenario], echo_url, "echo")


@pytest.mark.judge
async def test_a_failed_response(echo_url: str) -> None:
    def scenario() -> None:
        with conversing(echo_url, "echo") as judge:
            judge.say("fail overloaded")
            judge.sdk.create_response()
            response = judge.until("response.done")["response"]
            assert response["status"] == "failed"
            assert response["status_details"]["error"]["code"] == "overloaded"
            judge.say("hello")
            judge.sdk.create_response()
            judge.until("response.done")
            assert judge.words == "You said: hello"

    await anyio.to_thread.run_sync(scenario)


@pytest.mark.judge
async def test_an_abrupt_drop(echo_url: str) -> None:
    def scenario() -> tuple[object, object]:
        with conversing(echo_url, "echo") as judge:
            judge.say("drop")
            judge.sdk.create_response()
            return judge.until_closed()

    code, _ = await anyio.to_thread.run_sync(scenario)
    assert code is None


@pytest.mark.judge
@pytest.mark.filterwarnings("ignore:dashscope 2.0 audio API is a preview:FutureWarning")  # the SDK's own
@pytest.mark.parametrize("shape", ["flat", "nested"])
async def test_the_newer_client(echo_url: str, shape: str) -> None:
    """It nests formats and voice for the newest models, and checks by itself that responses are whole."""

    def scenario() -> None:
        client = dashscope.Client(api_key="judge", workspace="judge")
        realtime: Any = client.audio.realtime
        name = "echo" if shape == "flat" else "qwen3.8-omni-flash-realtime"
        address = f"{echo_url}/api-ws/v1/realtime"
        with realtime.connect(model=name, ws_url=address, timeout=TIMEOUT_S) as session:
            session.update_session(["text", "audio"], voice="Cherry", enable_turn_detection=False)
            updated = until(session, "session.updated")["session"]
            assert ("audio" in updated) == (shape == "nested"), updated
            assert updated["turn_detection"] is None
            content = [{"type": "input_text", "text": "hello"}]
            session.create_item({"type": "message", "role": "user", "content": content})
            session.create_response()
            assert until(session, "response.audio_transcript.done")["transcript"] == "You said: hello"
            until(session, "response.done")
            session.end_session()
            until(session, "session.finished")
            assert session.recv_event() is None
        client.close()

    await anyio.to_thread.run_sync(scenario)


def until(session: Any, kind: str) -> Event:
    """The next event of a type that the newer client gives."""
    while (event := session.recv_event()) is not None:
        assert event["type"] in EVENTS, event
        assert event["type"] != "error", event
        if event["type"] == kind:
            found: Event = event
            return found
    raise AssertionError(f"the session ended before {kind}")


@pytest.mark.parametrize(
    "scenario", ["audio with server VAD", "tool round trip", "ASR", "TTS server_commit", "TTS commit"]
)
@pytest.mark.engine
async def test_the_embedded_engine_satisfies_the_sdk(scenario: str) -> None:
    from voicewire.engine import weights

    if missing := [item.weights.name for item in weights.plan().missing]:
        pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")
    async with serve(model="local") as gateway:
        await anyio.to_thread.run_sync(SCENARIOS[scenario], gateway.ws_url, "local")
