"""The weak points of the original ``AzureRealTimeAudio`` that no other test here has, and its last examples."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from tests.clients.peer import Peer
from tests.clients.test_azure_realtime_audio import Log, azure, say
from voicewire.clients import AzureRealtimeAudio
from voicewire.clients.conversation_link import LinkSettings
from voicewire.clients.emitter import EventData
from voicewire.testing.serve import ServedGateway

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

AUDIO = "A" * 1280


def client(**options: Any) -> AzureRealtimeAudio:
    return AzureRealtimeAudio(model="m", api_key="k", **options)


# ---------------------------------------------------------------------- the document's other examples


async def test_voice_assistant(gateway: ServedGateway) -> None:
    played: list[str] = []
    play_audio = played.append
    voice_assistant = AzureRealtimeAudio(
        {
            "hostName": gateway.http_url,
            "apiVersion": "2024-10-01-preview",
            "deployment": "gpt-4o-realtime-preview",
            "apiKey": "key",
            "sessionConfig": {
                "voice": "alloy",
                "instructions": "You are an intelligent voice assistant. "
                "Please answer user questions concisely and friendly.",
            },
        }
    )
    voice_assistant.on("response.audio.delta", lambda data: play_audio(data.delta))
    done = Log(voice_assistant, "response.done")
    async with voice_assistant:
        say(voice_assistant, "Hello")
        await done.until("response.done")
    assert played


async def test_the_third_argument_is_taken(gateway: ServedGateway) -> None:
    class WebSocket:
        """Python needs none."""

    client = AzureRealtimeAudio(
        {
            "hostName": gateway.http_url,
            "apiVersion": "2024-10-01-preview",
            "deployment": "gpt-4o-realtime-preview",
            "apiKey": "key",
        },
        {},
        WebSocket,
    )
    async with client:
        assert client.isInitialized


async def test_error_handling_recreates_the_client(gateway: ServedGateway) -> None:
    recreated: list[AzureRealtimeAudio] = []
    again = anyio.Event()
    client = azure(gateway)

    @client.on("error")
    async def on_error(error: EventData) -> None:
        assert error.error.type == "connection_error"
        # the document's setTimeout(..., 5000), without the wait
        recreated.append(azure(gateway))
        await recreated[0].connect()
        again.set()

    await client.connect()
    say(client, "drop")
    await again.wait()
    assert recreated[0] is not client
    assert recreated[0].is_initialized
    await recreated[0].close()
    await client.close()


async def test_audio_quality_optimization(gateway: ServedGateway) -> None:
    session_config = {
        "input_audio_format": "pcm16",
        "turn_detection": {"type": "server_vad", "threshold": 0.6, "silence_duration_ms": 800},
    }
    client = azure(gateway, session_config=session_config)
    log = Log(client, "init")
    async with client:
        session = (await log.until("init")).session
    assert session.turn_detection.threshold == 0.6
    assert session.turn_detection.silence_duration_ms == 800


# ---------------------------------------------------------------------- weak points


@pytest.mark.parametrize(("given_ms", "seconds"), [(30_000, 30.0), (0, None), (None, 15.0)])
def test_the_heartbeat_is_a_ping_of_the_websocket(given_ms: float | None, seconds: float | None) -> None:
    settings = LinkSettings.of(
        {
            "heartbeat_interval": given_ms,
            "reconnect_interval": None,
            "max_reconnect_attempts": 0,
            "answers_calls": True,
        }
    )
    assert settings.options.ping_interval_s == seconds


async def test_nothing_is_sent_that_is_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer().join(monkeypatch)
    async with client(heartbeat_interval=1):
        await anyio.lowlevel.checkpoint()
    assert peer.types() == ["session.update"]


@pytest.mark.parametrize("status", ["cancelled", "failed", "completed"])
async def test_a_response_without_audio_leaves_the_model_idle(
    monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    peer = Peer().join(monkeypatch)
    talker = client()
    log = Log(talker, "status_changed", "response.done")
    async with talker:
        peer.begin("resp_1")
        peer.done("resp_1", status)
        await log.until("response.done")
        assert str(talker.status) == "idle"
    assert log.names == ["thinking", "idle", "response.done"]


@pytest.mark.parametrize("server_interrupts", [True, False])
async def test_speech_ends_the_reply_where_the_server_does_not(
    monkeypatch: pytest.MonkeyPatch, server_interrupts: bool
) -> None:
    peer = Peer().join(monkeypatch)
    turns = {"type": "server_vad", "interrupt_response": server_interrupts}
    talker = client(session_config={"turn_detection": turns})
    log = Log(talker, "status_changed")
    async with talker:
        peer.begin("resp_1")
        place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
        peer.say("response.output_audio.delta", **place, delta=AUDIO)
        await log.until("speaking")
        peer.say("input_audio_buffer.speech_started", audio_start_ms=0, item_id="item_2")
        await log.until("listening")
    sent = peer.types()[1:]
    expected = [] if server_interrupts else ["response.cancel"]
    assert sent == [*expected, "conversation.item.truncate"]
    assert peer.got[-1]["item_id"] == "item_1"


async def test_audio_of_a_response_that_speech_ended_is_not_taken_for_speaking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer = Peer().join(monkeypatch)
    talker = client()
    log = Log(talker, "status_changed", "response.audio.delta")
    async with talker:
        peer.begin("resp_1")
        peer.say("input_audio_buffer.speech_started", audio_start_ms=0, item_id="item_2")
        place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
        peer.say("response.output_audio.delta", **place, delta=AUDIO)
        await log.until("response.audio.delta")
        assert str(talker.status) == "listening"


async def test_a_response_follows_the_last_result_and_only_that(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer().join(monkeypatch)
    talker = client()
    log = Log(talker, "response.done")
    async with talker:
        peer.begin("resp_1")
        for number in ("1", "2"):
            call = {
                "id": f"item_{number}",
                "type": "function_call",
                "name": "f",
                "call_id": number,
                "arguments": "{}",
            }
            peer.say("response.output_item.done", response_id="resp_1", output_index=0, item=call)
        peer.done("resp_1")
        await log.until("response.done")
        for number in ("1", "2", "unknown"):
            await talker.createConversationItem(
                {"type": "function_call_output", "call_id": number, "output": ""}
            )
    assert peer.types()[1:] == [
        "conversation.item.create",
        "conversation.item.create",
        "response.create",
        "conversation.item.create",
    ]


async def test_attempts_count_anew_after_a_success(gateway: ServedGateway) -> None:
    talker = azure(gateway, reconnect_interval=0, max_reconnect_attempts=1)
    log = Log(talker, "init", "reconnecting")
    async with talker:
        for times in (1, 2, 3):
            await log.until("init", times)
            say(talker, "drop")
        await log.until("init", 4)
    assert [event.attempt for event in log.all if event.type == "reconnecting"] == [1, 1, 1]


async def test_tokens_of_entra(gateway: ServedGateway) -> None:
    class Token:
        token = "t"

    class Credential:
        scopes: tuple[str, ...] = ()

        async def get_token(self, *scopes: str) -> Token:
            self.scopes = scopes
            return Token()

    credential = Credential()
    talker = AzureRealtimeAudio(host_name=gateway.http_url, deployment="echo", token_credential=credential)
    async with talker:
        assert talker.is_initialized
    assert credential.scopes == ("https://cognitiveservices.azure.com/.default",)


async def test_an_unknown_voice_is_an_error_event(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(confirms=False).join(monkeypatch)
    peer.on("session.update", peer.refuse_voice)
    talker = client(session_config={"voice": "nobody"})
    log = Log(talker, "error")
    async with talker:
        error = await log.until("error")
        assert not talker.is_initialized
    assert "nobody" in error.error.message


async def test_fields_that_an_event_lacks_are_said(gateway: ServedGateway) -> None:
    event = EventData(type="x", inner={"a": 1})
    assert event.inner.a == 1
    with pytest.raises(AttributeError, match="'x' has no field 'nothing'"):
        _ = event.nothing
