"""``AzureRealtimeAudio``: the document's examples line by line in Python, its statuses, and what goes wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from voicewire.audio.pcm import silence, tone
from voicewire.clients import DEFAULT_SESSION_CONFIG, AzureRealtimeAudio, ModelStatusEnum
from voicewire.clients.emitter import EventData
from voicewire.clients.statuses import ReadyState
from voicewire.errors import AudioError, ConfigError, LocalProtocolError, SessionClosed
from voicewire.testing import ManualClock
from voicewire.testing.serve import ServedGateway, serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

SPEECH = tone(440, 12_000, 24_000)
PAUSE = silence(24_000)
MANUAL = {"voice": "alloy", "turn_detection": None}


class Log:
    """Remembers events and waits for them."""

    def __init__(self, client: AzureRealtimeAudio, *names: str) -> None:
        self.all: list[EventData] = []
        self._news = anyio.Event()
        for name in names:
            client.on(name, self.add)

    def add(self, event: EventData) -> None:
        self.all.append(event)
        self._news.set()

    @property
    def names(self) -> list[str]:
        return [str(event.get("status", event["type"])) for event in self.all]

    async def until(self, name: str, times: int = 1) -> EventData:
        while self.names.count(name) < times:
            self._news = anyio.Event()
            await self._news.wait()
        return [event for event, known in zip(self.all, self.names, strict=True) if known == name][times - 1]


def azure(gateway: ServedGateway, **options: Any) -> AzureRealtimeAudio:
    host = gateway.http_url.removeprefix("http://")
    return AzureRealtimeAudio(
        host_name=host, api_version="2024-10-01-preview", deployment="echo", api_key="secret-key", **options
    )


def say(client: AzureRealtimeAudio, text: str) -> None:
    content = [{"type": "input_text", "text": text}]
    client.create_conversation_item({"type": "message", "role": "user", "content": content})
    client.create_response()


# ---------------------------------------------------------------------- the document's examples


async def test_basic_usage(gateway: ServedGateway) -> None:
    client = AzureRealtimeAudio(
        {
            "hostName": gateway.http_url,
            "apiVersion": "2024-10-01-preview",
            "deployment": "gpt-4o-realtime-preview",
            "apiKey": "your-api-key",
        }
    )
    told: list[str] = []
    client.once("init", lambda session: told.append(f"Session established: {session.session.id[:4]}"))
    audio: list[str] = []
    client.on("response.audio.delta", lambda audio_data: audio.append(audio_data.delta))
    done = Log(client, "response.done")
    await client.connect()
    sound = SPEECH + PAUSE
    for at in range(0, len(sound), 4800):
        client.appendAudio(base64.b64encode(sound[at : at + 4800]).decode())
    response = await done.until("response.done")
    assert response.response.status == "completed"
    assert told == ["Session established: sess"]
    assert SPEECH[9600:14400] in b"".join(map(base64.b64decode, audio))
    await client.close()


async def test_recording_and_committing(gateway: ServedGateway) -> None:
    client = azure(gateway, session_config=MANUAL)
    log = Log(client, "response.done", "response.audio.delta", "input_audio_buffer.committed")
    async with client:
        client.append_audio(SPEECH)
        client.commitAudio()
        client.createResponse()
        await log.until("response.done")
    audio = [base64.b64decode(event.delta) for event in log.all if event.type == "response.audio.delta"]
    assert b"".join(audio) == SPEECH


async def test_advanced_configuration_and_status(gateway: ServedGateway) -> None:
    client = AzureRealtimeAudio(
        {
            "hostName": gateway.ws_url,
            "apiVersion": "2024-10-01-preview",
            "deployment": "gpt-4o-realtime-preview",
            "apiKey": "your-api-key",
            "sessionConfig": {
                "voice": "shimmer",
                "instructions": "You are a friendly AI assistant. Please answer questions in English.",
                "input_audio_format": "pcm16",
                "output_audio_format": "pcm16",
                "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 800},
                "tools": [
                    {
                        "type": "function",
                        "name": "get_weather",
                        "description": "Get weather information",
                        "parameters": {
                            "type": "object",
                            "properties": {"location": {"type": "string", "description": "City name"}},
                        },
                    }
                ],
            },
        },
        {"heartbeatInterval": 30000, "reconnectInterval": 5000},
    )
    seen: list[object] = []
    client.on("input_audio_buffer.speech_started", lambda _: seen.append(client.status))
    client.on("response.created", lambda _: seen.append(client.status))
    log = Log(client, "init", "status_changed", "response.done")
    async with client:
        assert client.is_initialized
        assert client.isInitialized
        assert client.state.name == "OPEN"
        session = (await log.until("init")).session
        assert session.voice == "shimmer"
        assert session.turn_detection.silence_duration_ms == 800
        client.append_audio(SPEECH + PAUSE)
        await log.until("response.done")
        assert seen == [ModelStatusEnum.LISTENING, ModelStatusEnum.THINKING]
        assert str(client.status) == "speaking"
        client.setModelSpeakDone()
        await log.until("idle")
        assert str(client.status) == "idle"
    assert log.names[-4:] == ["thinking", "speaking", "response.done", "idle"]
    assert client.state.name == "CLOSED"
    assert not client.is_initialized


async def test_conversation_management(gateway: ServedGateway) -> None:
    client = azure(gateway, session_config=MANUAL)
    names = (
        "conversation.item.created",
        "conversation.item.deleted",
        "input_audio_buffer.cleared",
        "response.done",
    )
    log = Log(client, *names, "error")
    async with client:
        client.append_audio(SPEECH)
        await client.clearAudioBuffer()
        say(client, "speak 30 seconds")
        created = await log.until("conversation.item.created")
        client.cancelResponse()
        await log.until("response.done")
        client.deleteItem(created.item["id"])
        await log.until("conversation.item.deleted")
        client.truncateItem("nobody", 0, 0)
        error = await log.until("error")
    assert "nobody" in error.error.message


@pytest.mark.parametrize("asks_itself", [False, True])
async def test_customer_service_answers_with_the_result_of_its_call(
    gateway: ServedGateway, asks_itself: bool
) -> None:
    customer_service = azure(gateway)

    async def query_order_by_id(order_id: str) -> dict[str, str]:
        return {"order": order_id, "state": "sent"}

    @customer_service.on("response.function_call_arguments.done")
    async def call(data: EventData) -> None:
        if data.name == "query_order":
            args = json.loads(data.arguments)
            order_info = await query_order_by_id(args["orderId"])
            calls.append((data.call_id, order_info))

    calls: list[tuple[str, dict[str, str]]] = []
    words = Log(customer_service, "response.audio_transcript.done", "response.done", "response.created")
    async with customer_service:
        say(customer_service, 'call query_order {"orderId": "7"}')
        await words.until("response.done")
        ((call_id, order_info),) = calls
        customer_service.createConversationItem(
            {"type": "function_call_output", "call_id": call_id, "output": json.dumps(order_info)}
        )
        if asks_itself:
            customer_service.create_response()
        said = await words.until("response.audio_transcript.done")
        await words.until("response.done", 2)
        say(customer_service, "bye")
        await words.until("response.done", 3)
    assert said.transcript == 'query_order returned: {"order": "7", "state": "sent"}'
    assert words.names.count("response.created") == 3


async def test_translation_in_text(gateway: ServedGateway) -> None:
    translator = azure(gateway, session_config={"modalities": ["text"], "instructions": "Translate."})
    shown: list[str] = []
    translator.on("response.text.delta", lambda data: shown.append(data.delta))
    log = Log(translator, "response.done", "status_changed", "response.text.done")
    async with translator:
        say(translator, "Hallo")
        await log.until("idle")
    assert "".join(shown) == "You said: Hallo"
    assert log.names[:3] == ["thinking", "response.text.done", "idle"]


async def test_clean_up(gateway: ServedGateway) -> None:
    client = azure(gateway)
    heard: list[EventData] = []
    client.on("close", heard.append)
    await client.connect()
    client.offAll()
    await client.close()
    assert heard == []


# ---------------------------------------------------------------------- events


async def test_once_off_and_order(gateway: ServedGateway) -> None:
    client = azure(gateway)
    order: list[str] = []

    @client.on("response.created")
    def first(_: EventData) -> None:
        order.append("first")

    @client.once("response.created")
    async def second(_: EventData) -> None:
        order.append("second")

    def never(_: EventData) -> None:
        order.append("never")

    client.once("response.created", never)
    client.off("response.created", never)
    log = Log(client, "response.done")
    async with client:
        for turn in (1, 2):
            say(client, "x")
            await log.until("response.done", turn)
        client.off("response.created")
        say(client, "x")
        await log.until("response.done", 3)
    assert order == ["first", "second", "first"]


async def test_a_listener_that_raises_is_reported_and_nothing_else_breaks(gateway: ServedGateway) -> None:
    client = azure(gateway)

    @client.on("response.created")
    def broken(_: EventData) -> None:
        raise RuntimeError("mine")

    @client.on("error")
    def worse(_: EventData) -> None:
        raise RuntimeError("of error itself")

    log = Log(client, "error", "response.done", "response.created")
    async with client:
        say(client, "x")
        await log.until("response.done")
    assert log.names == ["error", "response.created", "response.done"]
    assert "mine" in log.all[0].error.message


async def test_the_first_session_update_is_an_event_too(gateway: ServedGateway) -> None:
    client = azure(gateway)
    log = Log(client, "session.created", "init", "session.updated", "open", "close")
    async with client:
        client.send({"type": "session.update", "session": {"instructions": "x"}})
        await log.until("session.updated", 2)
    assert log.names == ["open", "session.created", "init", "session.updated", "session.updated", "close"]
    assert log.all[-1].code == 1000


# ---------------------------------------------------------------------- status by the clock


async def test_the_playout_is_followed_by_the_clock(gateway: ServedGateway) -> None:
    clock = ManualClock()
    client = azure(gateway, session_config=MANUAL, clock=clock)
    log = Log(client, "status_changed", "response.done")
    async with client:
        client.append_audio(SPEECH)
        client.commit_audio()
        client.create_response()
        await log.until("response.done")
        await clock.settle()
        assert str(client.status) == "speaking"
        await clock.advance_ms(499)
        assert str(client.status) == "speaking"
        await clock.advance_ms(1)
        assert str(client.status) == "idle"
    assert log.names == ["thinking", "speaking", "response.done", "idle"]


async def test_speech_cuts_the_reply_to_what_was_heard(gateway: ServedGateway) -> None:
    clock = ManualClock()
    client = azure(gateway, clock=clock)
    log = Log(client, "conversation.item.truncated", "response.done", "status_changed")
    async with client:
        say(client, "tell me something long, please")
        await log.until("response.done")
        await clock.advance_ms(200)
        client.append_audio(SPEECH)
        truncated = await log.until("conversation.item.truncated")
        assert truncated.audio_end_ms == 200
        assert str(client.status) == "listening"


# ---------------------------------------------------------------------- trouble


@asynccontextmanager
async def dropped(gateway: ServedGateway, client: AzureRealtimeAudio) -> AsyncGenerator[None, None]:
    async with client:
        say(client, "drop")
        yield


async def test_a_lost_connection_is_an_error_and_a_close(gateway: ServedGateway) -> None:
    client = azure(gateway)
    log = Log(client, "error", "close", "reconnecting")
    async with dropped(gateway, client):
        await log.until("close")
        assert client.state.name == "CLOSED"
        with pytest.raises(SessionClosed):
            client.commit_audio()
        await client.connect()
        assert client.is_initialized
    assert log.names == ["error", "close", "close"]


async def test_a_lost_connection_is_opened_again(gateway: ServedGateway) -> None:
    client = azure(gateway, reconnect_interval=0)
    log = Log(client, "init", "error", "reconnecting", "close", "response.audio_transcript.done")
    client.on("reconnecting", lambda _: say(client, "kept"))
    async with dropped(gateway, client):
        await log.until("init", 2)
        said = await log.until("response.audio_transcript.done")
    assert said.transcript == "You said: kept"
    assert [name for name in log.names if name != "response.audio_transcript.done"] == [
        "init", "error", "reconnecting", "init", "close",
    ]  # fmt: skip


async def test_attempts_are_limited() -> None:
    async with serve("echo") as gateway:
        client = azure(gateway, reconnect_interval=0, max_reconnect_attempts=2)
        log = Log(client, "error", "reconnecting", "close")
        await client.connect()
    await log.until("close")
    assert log.names.count("reconnecting") == 2
    await client.close()


async def test_closing_while_it_reconnects_leaves_nothing(gateway: ServedGateway) -> None:
    client = azure(gateway, reconnect_interval=60_000)
    log = Log(client, "reconnecting", "close")
    async with dropped(gateway, client):
        await log.until("reconnecting")
    assert log.names == ["reconnecting", "close"]
    assert client.state.name == "CLOSED"


async def test_two_clients_are_two(gateway: ServedGateway) -> None:
    async with azure(gateway) as one, azure(gateway) as two:
        await one.close()
        assert two.state is ReadyState.OPEN


async def test_openai_and_a_key_in_the_query(gateway: ServedGateway) -> None:
    client = AzureRealtimeAudio(host_name=f"{gateway.http_url}/v1", model="gpt-realtime", api_key="k")
    async with client:
        assert client.is_initialized
    link = azure(gateway)._link._address
    assert "secret" not in link.websocket() + repr(link)
    shown = azure(gateway, key_in_query=True)._link._address.websocket()
    assert "api-key=secret-key" in shown


async def test_misuse(gateway: ServedGateway) -> None:
    with pytest.raises(ConfigError, match="host_name"):
        AzureRealtimeAudio()
    with pytest.raises(ConfigError, match="no option 'hostNam'"):
        AzureRealtimeAudio({"hostNam": "x"})
    with pytest.raises(ConfigError, match="heartbeat_interval"):
        azure(gateway, heartbeat_interval=-1)
    client = azure(gateway)
    with pytest.raises(LocalProtocolError, match=r"await connect\(\)"):
        client.commit_audio()
    with pytest.raises(LocalProtocolError, match="function"):
        client.on("init", 7)  # type: ignore[call-overload]  # the mistake itself
    with pytest.raises(AudioError, match="whole number"):
        client.append_audio(b"\0")
    await client.close()
    async with client:
        with pytest.raises(LocalProtocolError, match="connected already"):
            await client.connect()
        client.status = ModelStatusEnum.LISTENING
        assert client.status == "listening"
        with pytest.raises(ValueError, match="dancing"):
            client.status = "dancing"


async def test_a_refused_configuration_is_an_error_event(gateway: ServedGateway) -> None:
    client = azure(gateway, session_config={"no_such_setting": 1})
    log = Log(client, "error")
    async with client:
        await log.until("error")
        assert not client.is_initialized


def test_clients_are_made_outside_of_a_loop() -> None:
    client = AzureRealtimeAudio(model="m", api_key="k")
    assert (client.state, client.status) == (ReadyState.CLOSED, "idle")


def test_the_default_session() -> None:
    assert DEFAULT_SESSION_CONFIG["voice"] == "alloy"
    assert DEFAULT_SESSION_CONFIG["turn_detection"] == {
        "type": "server_vad", "threshold": 0.4, "silence_duration_ms": 600,
    }  # fmt: skip
    assert [status.value for status in ModelStatusEnum] == ["idle", "listening", "thinking", "speaking"]
