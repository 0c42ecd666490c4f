"""``RTLowLevelClient`` and ``RTClient`` against the gateway, in Azure's and OpenAI's way."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from typing import Any, ClassVar

import anyio
import pytest

from voicewire.audio.pcm import silence, tone
from voicewire.clients import (
    AzureKeyCredential,
    ClientState,
    RealtimeException,
    RTAudioContent,
    RTClient,
    RTFunctionCallItem,
    RTInputAudioItem,
    RTLowLevelClient,
    RTMessageItem,
    RTResponse,
    RTTextContent,
)
from voicewire.clients import models as c
from voicewire.clients import server_models as m
from voicewire.errors import ConfigError, LocalProtocolError, SessionClosed, TransportError
from voicewire.testing.serve import ServedGateway

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

KEY = AzureKeyCredential("secret-key")
SPEECH = tone(440, 12_000, 24_000)
NO_RETRY = {"max_attempts": 1}


def options(gateway: ServedGateway, provider: str) -> dict[str, Any]:
    if provider == "azure":
        return {"url": gateway.http_url, "key_credential": KEY, "azure_deployment": "echo"}
    return {"url": f"{gateway.ws_url}/v1", "key_credential": KEY, "model": "echo"}


@pytest.fixture(params=["azure", "openai"])
def provider(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def said(text: str) -> c.UserMessageItem:
    return c.UserMessageItem(content=[c.InputTextContentPart(text=text)])


async def parts_of(response: RTResponse) -> list[tuple[bytes, str]]:
    found: list[tuple[bytes, str]] = []
    async for item in response:
        assert isinstance(item, RTMessageItem)
        async for part in item:
            assert isinstance(part, RTAudioContent)
            audio = b"".join([chunk async for chunk in part.audio_chunks()])
            words = "".join([chunk async for chunk in part.transcript_chunks()])
            assert words == part.transcript
            found.append((audio, words))
    return found


# ---------------------------------------------------------------------- low level


async def test_a_whole_conversation_message_by_message(gateway: ServedGateway, provider: str) -> None:
    types: list[str] = []
    audio = bytearray()
    async with RTLowLevelClient(**options(gateway, provider)) as client:
        turns = c.ServerVAD(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=200)
        transcription = c.InputAudioTranscription(model="whisper-1")
        params = c.SessionUpdateParams(turn_detection=turns, input_audio_transcription=transcription)
        await client.send(c.SessionUpdateMessage(session=params))
        sound = SPEECH + silence(12_000)
        for at in range(0, len(sound), 4800):
            chunk = base64.b64encode(sound[at : at + 4800]).decode()
            await client.send(c.InputAudioBufferAppendMessage(audio=chunk))
        async for message in client:
            types.append(message.type)
            match message:
                case m.SessionUpdatedMessage():
                    assert isinstance(message.session.turn_detection, c.ServerVAD)
                    assert message.session.turn_detection.silence_duration_ms == 200
                    assert message.session.input_audio_format == "pcm16"
                case m.ResponseAudioDeltaMessage():
                    audio += base64.b64decode(message.delta)
                case m.ResponseDoneMessage():
                    assert message.response.status == "completed"
                    assert message.response.usage is not None
                    break
                case _:
                    assert not isinstance(message, m.UnknownMessage)
        assert client.current_state is ClientState.CONNECTED
    assert client.closed
    assert types[:2] == ["session.created", "session.updated"]
    for name in (
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.created",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
        "response.output_item.added",
        "response.content_part.added",
        "response.audio_transcript.delta",
        "response.audio.delta",
    ):
        assert name in types, name
    assert not [name for name in types if "output_audio" in name]
    assert SPEECH[9600:14400] in audio


async def test_the_wire_of_2024(gateway: ServedGateway) -> None:
    async with RTLowLevelClient(**options(gateway, "azure"), wire="beta") as client:
        first = await client.recv()
        assert isinstance(first, m.SessionCreatedMessage)
        assert first.session.modalities == {"text", "audio"}
        await client.send(c.ItemCreateMessage(item=said("Hi")))
        await client.send(c.ResponseCreateMessage())
        names = [message.type async for message in take_until_done(client)]
    assert "response.audio.delta" in names


async def take_until_done(client: RTLowLevelClient) -> AsyncGenerator[m.ServerMessageBase, None]:
    async for message in client:
        yield message
        if isinstance(message, m.ResponseDoneMessage):
            return


async def test_the_end_of_the_connection(gateway: ServedGateway, provider: str) -> None:
    client = RTLowLevelClient(**options(gateway, provider))
    await client.close()
    await client.connect()
    with pytest.raises(LocalProtocolError, match="connected already"):
        await client.connect()
    await client.close()
    await client.close()
    with pytest.raises(SessionClosed, match="connect a new client"):
        await client.send(c.InputAudioBufferClearMessage())
    await client.connect()
    assert isinstance(await client.recv(), m.SessionCreatedMessage)
    await client.close()
    assert await client.recv() is None


async def test_misuse_of_the_low_level_client() -> None:
    mistakes: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "OpenAI needs a key"),
        ({"key_credential": KEY}, "needs a model"),
        ({"url": "https://x"}, "needs a credential"),
        ({"url": "https://x", "key_credential": KEY}, "needs a deployment"),
    )
    for arguments, said_so in mistakes:
        with pytest.raises(ConfigError, match=said_so):
            RTLowLevelClient(**arguments)
    client = RTLowLevelClient(model="m", key_credential=KEY)
    with pytest.raises(LocalProtocolError, match=r"await connect\(\)"):
        await client.send(c.InputAudioBufferClearMessage())
    with pytest.raises(LocalProtocolError, match=r"await connect\(\)"):
        await client.recv()
    assert "secret" not in repr(client) + repr(KEY) + repr(client._address)
    with pytest.raises(ConfigError, match="connect_retry_config"):
        RTLowLevelClient(model="m", key_credential=KEY, connect_retry_config={"nope": 1})


async def test_connecting_is_tried_again_only_when_that_may_help(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(delay_s: float) -> None:
        waits.append(delay_s)

    monkeypatch.setattr("voicewire.clients.low_level.anyio.sleep", sleep)
    retry = {"max_attempts": 3, "initial_delay": 1.0, "jitter": 0.0}
    client = RTLowLevelClient("ws://127.0.0.1:9", None, KEY, "m", connect_retry_config=retry)
    with pytest.raises(TransportError):
        await client.connect()
    assert waits == [1.0, 2.0]
    assert client.current_state is ClientState.CLOSED


async def test_tokens_are_asked_for_at_every_connect(gateway: ServedGateway) -> None:
    class Token:
        token = "t"

    class Credential:
        asked: ClassVar[list[str]] = []

        async def get_token(self, *scopes: str) -> Token:
            self.asked.extend(scopes)
            return Token()

    client = RTLowLevelClient(gateway.http_url, Credential(), None, None, "echo")
    for _ in range(2):
        async with client:
            await client.recv()
    assert Credential.asked == ["https://cognitiveservices.azure.com/.default"] * 2


# ---------------------------------------------------------------------- high level


async def test_text_in_audio_out(gateway: ServedGateway, provider: str) -> None:
    async with RTClient(**options(gateway, provider)) as client:
        session = await client.configure(
            modalities={"text", "audio"}, turn_detection=c.NoTurnDetection(), voice="alloy"
        )
        assert session is client.session
        item = await client.send_item(said("Hello"))
        response = await client.generate_response()
        ((audio, words),) = await parts_of(response)
        assert words == "You said: Hello"
        assert len(audio) == 2 * 480 * len(words)
        assert response.status == "completed"
        assert response.usage is not None
        assert item.id is not None
        await client.remove_item(item.id)


async def test_text_in_text_out(gateway: ServedGateway, provider: str) -> None:
    async with RTClient(**options(gateway, provider)) as client:
        await client.configure(modalities={"text"}, turn_detection=c.NoTurnDetection())
        question = await client.send_item(said("Hello"))
        response = await client.generate_response()
        async for item in response:
            assert isinstance(item, RTMessageItem)
            assert item.previous_id == question.id
            assert item.response_id == response.id
            async for part in item:
                assert isinstance(part, RTTextContent)
                chunks = [chunk async for chunk in part.text_chunks()]
                assert "".join(chunks) == part.text == "You said: Hello"


async def test_audio_and_words_are_read_at_once(gateway: ServedGateway, provider: str) -> None:
    async with RTClient(**options(gateway, provider)) as client:
        await client.configure(turn_detection=c.NoTurnDetection())
        await client.send_audio(SPEECH)
        turn = await client.commit_audio()
        response = await client.generate_response()
        await turn
        order: list[str] = []
        async for item in response:
            assert isinstance(item, RTMessageItem)
            async for part in item:
                assert isinstance(part, RTAudioContent)

                async def audio(part: RTAudioContent = part) -> None:
                    chunks = [chunk async for chunk in part.audio_chunks()]
                    order.append("audio")
                    assert b"".join(chunks) == SPEECH

                async def words(part: RTAudioContent = part) -> None:
                    chunks = [chunk async for chunk in part.transcript_chunks()]
                    order.append("words")
                    assert "".join(chunks) == "You sent 500 ms of audio"

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(audio)
                    tasks.start_soon(words)
        assert sorted(order) == ["audio", "words"]


async def test_transcription_of_a_turn(gateway: ServedGateway, provider: str) -> None:
    async with RTClient(**options(gateway, provider)) as client:
        await client.configure(
            turn_detection=c.NoTurnDetection(), input_audio_transcription=c.InputAudioTranscription()
        )
        await client.send_audio(SPEECH)
        turn = await client.commit_audio()
        await turn
        assert turn.transcript == "[audio 500 ms]"


async def test_turns_that_the_server_finds_come_as_events(gateway: ServedGateway, provider: str) -> None:
    async with RTClient(**options(gateway, provider)) as client:
        await client.configure(
            turn_detection=c.ServerVAD(silence_duration_ms=200),
            input_audio_transcription=c.InputAudioTranscription(),
        )
        for piece in (SPEECH, silence(12_000)):
            await client.send_audio(piece)
        found: list[RTInputAudioItem | RTResponse] = []
        async for event in client.events():
            found.append(event)
            if isinstance(event, RTResponse):
                break
        turn, response = found
        assert isinstance(turn, RTInputAudioItem)
        assert isinstance(response, RTResponse)
        await turn
        assert turn.audio_start_ms is not None
        assert turn.audio_end_ms is not None
        assert turn.transcript
        assert await parts_of(response)


async def test_events_and_generate_response_live_together(gateway: ServedGateway, provider: str) -> None:
    got: list[object] = []
    async with RTClient(**options(gateway, provider)) as client:
        async with anyio.create_task_group() as tasks:

            async def listen() -> None:
                got.extend([event async for event in client.events()])

            tasks.start_soon(listen)
            await client.send_item(said("Hi"))
            response = await client.generate_response()
            assert (await parts_of(response))[0][1] == "You said: Hi"
            await client.close()
    assert got == []


async def test_an_error_concerns_its_own_request_only(gateway: ServedGateway, provider: str) -> None:
    async with RTClient(**options(gateway, provider)) as client:
        await client.configure(turn_detection=c.NoTurnDetection())
        with pytest.raises(RealtimeException, match="buffer") as caught:
            await client.commit_audio()
        assert caught.value.error.code == "input_audio_buffer_commit_empty"
        with pytest.raises(RealtimeException, match=r"nobody.*does not exist"):
            await client.remove_item("nobody")
        await client.clear_audio()
        await client.send_item(said("still here"))
        response = await client.generate_response()
        assert (await parts_of(response))[0][1] == "You said: still here"


async def test_function_calls(gateway: ServedGateway, provider: str) -> None:
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
    async with RTClient(**options(gateway, provider)) as client:
        await client.configure(tools=[tool], turn_detection=c.NoTurnDetection())
        for use in ("iterate", "await"):
            await client.send_item(said('call f {"a": 1}'))
            response = await client.generate_response()
            async for item in response:
                assert isinstance(item, RTFunctionCallItem)
                if use == "iterate":
                    assert "".join([chunk async for chunk in item]) == '{"a": 1}'
                    with pytest.raises(LocalProtocolError, match="Cannot await after iterating"):
                        await item
                else:
                    await item
                    with pytest.raises(LocalProtocolError, match="Cannot iterate after awaiting"):
                        item.__aiter__()
                assert (item.function_name, item.arguments) == ("f", '{"a": 1}')
                await client.send_item(c.FunctionCallOutputItem(call_id=item.call_id, output="42"))
            after = await client.generate_response()
            assert (await parts_of(after))[0][1] == "f returned: 42"


async def test_cancelling_a_response(gateway: ServedGateway, provider: str) -> None:
    async with RTClient(**options(gateway, provider)) as client:
        await client.send_item(said("speak 30 seconds"))
        response = await client.generate_response()
        await response.cancel()
        assert response.status == "cancelled"
        await response.cancel()


async def test_g711_semantic_vad_and_newer_voices_pass(gateway: ServedGateway) -> None:
    async with RTClient(**options(gateway, "openai")) as client:
        session = await client.configure(
            input_audio_format="g711_ulaw",
            output_audio_format="g711-ulaw",
            voice="marin",
            turn_detection=c.ServerVAD(create_response=False),
        )
        assert session.input_audio_format == "g711_ulaw"
        assert session.voice == "marin"


async def test_a_lost_connection_is_told_to_everybody_who_waits(
    gateway: ServedGateway, provider: str
) -> None:
    client = RTClient(**options(gateway, provider))
    await client.connect()
    await client.send_item(said("drop"))
    response = await client.generate_response()
    with pytest.raises((TransportError, SessionClosed)):
        async for item in response:
            assert isinstance(item, RTMessageItem)
            async for _ in item:
                pass
        await client.clear_audio()
    await client.close()
    await client.close()


async def test_misuse_of_the_client(gateway: ServedGateway) -> None:
    client = RTClient(**options(gateway, "azure"))
    for call in (client.clear_audio, client.commit_audio, client.generate_response):
        with pytest.raises(LocalProtocolError, match=r"await connect\(\)"):
            await call()
    await client.close()
    async with client:
        with pytest.raises(LocalProtocolError, match="already"):
            await client.connect()
        with anyio.move_on_after(0) as scope:
            await client.clear_audio()
        assert scope.cancelled_caught
        await client.clear_audio()
    with pytest.raises(LocalProtocolError):
        await client.send_audio(SPEECH)
