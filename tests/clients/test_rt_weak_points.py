"""The weak points of the original ``rtclient`` that no other test here has: each fails on the original."""

from __future__ import annotations

import base64
import json
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from tests.clients.peer import Peer
from voicewire.clients import (
    AzureKeyCredential,
    ClientState,
    RTAudioContent,
    RTClient,
    RTFunctionCallItem,
    RTLowLevelClient,
    RTMessageItem,
    link,
)
from voicewire.clients import models as c
from voicewire.clients import server_models as m
from voicewire.clients.addresses import Address
from voicewire.errors import (
    AuthError,
    ConnectionLost,
    ConnectTimeout,
    ConsumerTooSlow,
    RealtimeException,
)
from voicewire.gateway.settings import GatewaySettings
from voicewire.testing import serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

KEY = AzureKeyCredential("k")
PCM = base64.b64encode(bytes(960)).decode()


def low_level() -> RTLowLevelClient:
    return RTLowLevelClient(model="m", key_credential=KEY, connect_retry_config={"max_attempts": 1})


def client(**options: Any) -> RTClient:
    return RTClient(model="m", key_credential=KEY, **options)


async def test_what_nobody_knows_is_an_unknown_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = Peer().join(monkeypatch)
    async with low_level() as one:
        assert isinstance(await one.recv(), m.SessionCreatedMessage)
        peer.memory.say('{"type": "brand.new", "x": 1}')
        found = await one.recv()
        assert isinstance(found, m.UnknownMessage)
        assert found.type == "brand.new"
        assert found.event_id == ""
    async with client() as two:
        peer.memory.say('{"type": "brand.new"}')
        peer.on("input_audio_buffer.clear", lambda _: peer.say("input_audio_buffer.cleared"))
        await two.clear_audio()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "session",
    [
        {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}},
        {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe", "language": "de"}}}},
        {"audio": {"output": {"voice": "cedar", "format": {"type": "audio/pcmu"}}}},
        {"audio": {"output": {"voice": {"id": "voice_of_my_own"}}}, "truncation": "auto", "new_field": [1]},
    ],
)
async def test_sessions_of_today_are_understood(
    monkeypatch: pytest.MonkeyPatch, session: dict[str, Any]
) -> None:
    Peer(session).join(monkeypatch)
    async with client() as talker:
        assert talker.session is not None
        assert talker.session.id == "sess_1"
        detection = session["audio"].get("input", {}).get("turn_detection")
        if detection is not None:
            assert talker.session.turn_detection == c.SemanticVAD(eagerness="low")
        if session["audio"].get("output", {}).get("format"):
            assert talker.session.output_audio_format == "g711_ulaw"


async def test_newer_settings_are_asked_for_in_todays_words(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer().join(monkeypatch)
    async with client() as talker:
        await talker.configure(
            voice="marin",
            turn_detection=c.SemanticVAD(eagerness="high"),
            input_audio_transcription=c.InputAudioTranscription(model="gpt-4o-mini-transcribe"),
            input_audio_format="g711-alaw",
        )
    audio = peer.got[0]["session"]["audio"]
    assert audio["output"]["voice"] == "marin"
    assert audio["input"]["turn_detection"] == {"type": "semantic_vad", "eagerness": "high"}
    assert audio["input"]["transcription"] == {"model": "gpt-4o-mini-transcribe"}
    assert audio["input"]["format"] == {"type": "audio/pcma"}


async def test_everybody_who_waits_is_told_that_the_connection_died(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer().join(monkeypatch)
    told: list[str] = []
    async with client() as talker, anyio.create_task_group() as tasks:

        async def ask(name: str, work: Any) -> None:
            with pytest.raises(ConnectionLost):
                await work
            told.append(name)

        async def listen() -> None:
            async for _ in talker.events():
                pass

        tasks.start_soon(ask, "clear", talker.clear_audio())
        tasks.start_soon(ask, "response", talker.generate_response())
        tasks.start_soon(ask, "item", talker.send_item(c.FunctionCallOutputItem(call_id="1", output="")))
        tasks.start_soon(ask, "events", listen())
        while len(peer.got) < 3:
            await anyio.lowlevel.checkpoint()
        assert peer.memory.transport is not None
        peer.memory.transport.abort()
    assert sorted(told) == ["clear", "events", "item", "response"]


async def test_one_who_gives_up_takes_nothing_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer().join(monkeypatch)
    async with client() as talker:
        with anyio.move_on_after(0) as scope:
            await talker.clear_audio()
        assert scope.cancelled_caught
        peer.on("input_audio_buffer.clear", lambda _: peer.say("input_audio_buffer.cleared"))
        await talker.clear_audio()
        peer.on("response.create", lambda _: peer.speak("resp_1", "item_1", PCM))
        response = await talker.generate_response()
        assert [item.id async for item in response] == ["item_1"]


async def test_a_response_that_the_server_began_is_not_taken_for_the_one_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer = Peer().join(monkeypatch)

    def answer(message: dict[str, Any]) -> None:
        peer.say("response.created", response={"id": "resp_vad", "status": "in_progress", "output": []})
        peer.done("resp_vad")
        peer.begin("resp_ours")
        peer.done("resp_ours")

    peer.on("response.create", answer)
    params = c.ResponseCreateParams(metadata={"mine": "1"})
    async with client() as talker:
        response = await talker.generate_response(params)
        assert (response.id, response.metadata) == ("resp_ours", {"mine": "1"})
        async for event in talker.events():
            assert event.id == "resp_vad"
            break
    assert params.metadata == {"mine": "1"}


async def test_a_server_that_does_not_answer_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Peer().join(monkeypatch)
    async with client(timeout_s=0.01) as talker:
        with pytest.raises(ConnectTimeout, match=r"'input_audio_buffer.clear' within 0.01 s"):
            await talker.clear_audio()


async def test_what_nobody_takes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MAX_WAITING_MESSAGES", 5)
    peer = Peer().join(monkeypatch)
    slow = low_level()
    await slow.connect()
    for number in range(8):
        if peer.memory.closed is None:
            peer.say("rate_limits.updated", rate_limits=[], number=number)
    taken: list[str] = []
    with pytest.raises(ConsumerTooSlow):
        async for message in slow:
            taken += [message.type]
    assert taken == ["session.created", *["rate_limits.updated"] * 4]
    await slow.close()
    assert peer.memory.closed is not None
    assert peer.memory.closed.code == 1008


async def test_arguments_end_for_whoever_iterates_again(monkeypatch: pytest.MonkeyPatch) -> None:
    call: dict[str, Any] = {"id": "item_1", "type": "function_call", "name": "f", "call_id": "call_1"}
    peer = Peer().join(monkeypatch)

    def answer(_: dict[str, Any]) -> None:
        place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "call_id": "call_1"}
        peer.begin("resp_1")
        peer.say(
            "response.output_item.added", response_id="resp_1", output_index=0, item={**call, "arguments": ""}
        )
        peer.say("response.function_call_arguments.delta", **place, delta="{}")
        peer.say("response.function_call_arguments.done", **place, arguments="{}", name="f")
        peer.say(
            "response.output_item.done",
            response_id="resp_1",
            output_index=0,
            item={**call, "arguments": "{}"},
        )
        peer.done("resp_1")

    peer.on("response.create", answer)
    async with client() as talker:
        async for item in await talker.generate_response():
            assert isinstance(item, RTFunctionCallItem)
            assert [chunk async for chunk in item] == ["{}"]
            assert [chunk async for chunk in item] == []
            assert item.arguments == "{}"


async def test_a_response_outside_of_the_conversation_ends_like_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer = Peer().join(monkeypatch)
    peer.on("response.create", lambda _: peer.speak("resp_1", "item_1", PCM, is_in_conversation=False))
    heard: list[bytes] = []
    async with client() as talker:
        params = c.ResponseCreateParams(conversation="none", instructions="Only this.")
        response = await talker.generate_response(params)
        async for item in response:
            assert isinstance(item, RTMessageItem)
            async for part in item:
                assert isinstance(part, RTAudioContent)
                heard += [chunk async for chunk in part.audio_chunks()]
    assert heard == [bytes(960)]
    assert peer.got[0]["response"]["conversation"] == "none"
    assert response.status == "completed"


async def test_reading_ends_when_the_socket_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer().join(monkeypatch)
    reader = low_level()
    await reader.connect()
    assert peer.memory.transport is not None
    peer.memory.transport.abort()
    with pytest.raises(ConnectionLost):
        async for _ in reader:
            pass
    assert reader.closed
    assert reader.current_state is ClientState.CLOSED
    await reader.close()


async def test_a_cancel_names_its_response_and_a_late_one_harms_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer = Peer().join(monkeypatch)
    refused = {"type": "invalid_request_error", "code": "response_cancel_not_active", "message": "no"}
    peer.on("response.create", lambda _: peer.begin("resp_1"))

    def too_late(message: dict[str, Any]) -> None:
        peer.done("resp_1")
        peer.say("error", error={**refused, "event_id": message["event_id"]})

    peer.on("response.cancel", too_late)
    told: list[str | None] = []
    async with client(on_error=lambda error: told.append(error.code)) as talker:
        response = await talker.generate_response()
        await response.cancel()
        peer.on("input_audio_buffer.clear", lambda _: peer.say("input_audio_buffer.cleared"))
        await talker.clear_audio()
    (cancel,) = [message for message in peer.got if message["type"] == "response.cancel"]
    assert cancel["response_id"] == "resp_1"
    assert told == ["response_cancel_not_active"]


async def test_an_error_of_nobodys_request_goes_to_on_error_which_may_fail(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    peer = Peer().join(monkeypatch)

    def broken(_: m.RealtimeError) -> None:
        raise RuntimeError("mine")

    peer.on("input_audio_buffer.clear", lambda _: peer.say("input_audio_buffer.cleared"))
    async with client(on_error=broken) as talker:
        peer.say("error", error={"type": "server_error", "message": "by itself"})
        await talker.clear_audio()
    assert "on_error failed" in caplog.text


async def test_a_failed_transcription_is_an_exception_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer({"audio": {"input": {"transcription": {"model": "whisper-1"}}}}).join(monkeypatch)
    failed = {"type": "transcription_error", "code": "audio_unintelligible", "message": "What?"}

    def answer(_: dict[str, Any]) -> None:
        peer.say("input_audio_buffer.committed", previous_item_id=None, item_id="item_1")
        peer.say(
            "conversation.item.input_audio_transcription.failed",
            item_id="item_1",
            content_index=0,
            error=failed,
        )

    peer.on("input_audio_buffer.commit", answer)
    async with client() as talker:
        turn = await talker.commit_audio()
        with pytest.raises(RealtimeException, match=r"What\?") as caught:
            await turn
        assert caught.value.error.code == "audio_unintelligible"


async def test_messages_about_what_is_over_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer().join(monkeypatch)

    def answer(_: dict[str, Any]) -> None:
        peer.speak("resp_1", "item_1", PCM)
        peer.say(
            "response.output_audio.delta", response_id="resp_1", item_id="item_1", content_index=0, delta=PCM
        )
        peer.say("response.output_audio_transcript.delta", response_id="resp_1", item_id="item_1", delta="x")

    peer.on("response.create", answer)
    peer.on("input_audio_buffer.clear", lambda _: peer.say("input_audio_buffer.cleared"))
    async with client() as talker:
        async for item in await talker.generate_response():
            assert isinstance(item, RTMessageItem)
            async for part in item:
                assert isinstance(part, RTAudioContent)
                await talker.clear_audio()
                assert [chunk async for chunk in part.audio_chunks()] == [bytes(960)]
                assert part.transcript == ""


async def test_an_unknown_voice_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(confirms=False).join(monkeypatch)
    peer.on("session.update", peer.refuse_voice)
    async with client() as talker:
        with pytest.raises(RealtimeException, match="nobody") as caught:
            await talker.configure(voice="nobody")
    assert caught.value.error.param == "session.voice"


async def test_a_refused_key_is_not_tried_again() -> None:
    async with serve("echo", settings=GatewaySettings(api_keys=(SecretStr("right"),))) as gateway:
        refused = RTLowLevelClient(
            f"{gateway.ws_url}/v1", None, KEY, "echo", connect_retry_config={"max_attempts": 5}
        )
        with pytest.raises(AuthError):
            await refused.connect()
        assert refused.request_id is not None
        assert refused.current_state is ClientState.CLOSED


def test_nothing_is_acquired_before_connecting() -> None:
    for made in (low_level(), client()):
        assert made.request_id is None


def test_the_path_of_the_old_wire_is_used() -> None:
    address = Address(
        url="https://x.openai.azure.com",
        azure_deployment="d",
        key_credential=KEY,
        wire="beta",
        api_path="/my/realtime",
        api_version="2025-04-01-preview",
    )
    assert address.websocket() == (
        "wss://x.openai.azure.com/my/realtime?api-version=2025-04-01-preview&deployment=d"
    )


def test_audio_is_read_wherever_its_type_stands() -> None:
    frame = {"event_id": "e", "response_id": "r", "item_id": "i", "delta": "AAAA"}
    last = json.dumps({**frame, "type": "response.output_audio.delta"})
    wire = link.WireLink(Address(model="m", key_credential=KEY))
    wire.on_message(memoryview(last.encode()))
    received = wire._stream.get_nowait()
    assert received is not None
    assert received.audio is not None
    assert (received.name, received.audio.delta) == ("response.audio.delta", "AAAA")
