"""The Azure clients, on the official SDK, against the gateway and against a service that fails."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.exceptions import ConnectionClosed

from voicewire.audio.pcm import silence, tone
from voicewire.errors import (
    AuthError,
    ConfigError,
    ConnectionLost,
    ProviderUnavailable,
    UnsupportedError,
    VoicewireError,
)
from voicewire.protocols.azure_speech.server import RecognitionServerCodec
from voicewire.protocols.azure_speech.wire import (
    AudioData,
    AudioEnds,
    Phrase,
    Query,
    RecognitionTurn,
    parse,
)
from voicewire.speech import (
    AzureAsrCallbacks,
    AzureAsrClient,
    AzureAsrConfig,
    AzureTtsClient,
    AzureTtsConfig,
    RecognitionEvent,
    Reconnected,
    SynthesizedAudio,
    WordBoundary,
)
from voicewire.speech.azure_sdk import failure_of
from voicewire.testing import serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]
KEY = "verysecretazurekey0123456789"
TURN = silence(4800) + tone(300, 16_000, 16_000) + silence(16_000)


@dataclass
class Service:
    """What the service does, and what it saw."""

    refuse_with: list[int] = field(default_factory=list)
    cut_first_connection_after_bytes: int = 0
    says_twice: bool = False
    mute_at_end: bool = False
    mute_after: list[int] = field(default_factory=list)
    """For each connection in turn: phrases after which it says nothing more."""
    url: str = ""
    connections: int = 0
    contexts: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    ssml: list[str] = field(default_factory=list)


@asynccontextmanager
async def speech_service(service: Service) -> AsyncGenerator[Service, None]:
    """Recognises one phrase of each second of audio: its number in the turn."""

    def answer(connection: ServerConnection, request: Any) -> Any:
        service.paths.append(request.path)
        if service.refuse_with:
            return connection.respond(HTTPStatus(service.refuse_with.pop(0)), "no\n")
        return None

    async def talk(connection: ServerConnection) -> None:
        service.connections += 1
        codec = RecognitionServerCodec(Query("/speech/recognition/conversation/cognitiveservices/v1", {}))
        told = 0
        most = service.mute_after.pop(0) if service.mute_after else None
        try:
            async for frame in connection:
                if most is not None and told >= most:
                    continue
                message = parse(frame)
                if message.path == "speech.context":
                    service.contexts.append(json.loads(message.body))
                if message.path == "ssml":
                    service.ssml.append(message.body.decode())
                for request in codec.receive(frame):
                    if isinstance(request, RecognitionTurn):
                        told = 0
                        await connection.send(codec.turn_started())
                    elif isinstance(request, AudioData):
                        while codec.heard_ms >= 1000 * (told + 1) and told != most:
                            phrase = Phrase(
                                text=f"second {told}", start_ms=told * 1000, end_ms=told * 1000 + 1000,
                                is_final=True, confidence=0.9, words=(("second", told * 1000, told * 1000 + 500),),
                            )  # fmt: skip
                            told += 1
                            for reply in codec.phrase(phrase) * (1 + service.says_twice):
                                await connection.send(reply)
                        cut = service.cut_first_connection_after_bytes
                        if cut and service.connections == 1 and codec.heard_ms * 32 >= cut:
                            connection.transport.abort()
                    elif isinstance(request, AudioEnds) and not service.mute_at_end:
                        for reply in codec.turn_ended():
                            await connection.send(reply)
        except ConnectionClosed:
            return

    async with serve_websockets(talk, "127.0.0.1", 0, process_request=answer) as server:
        service.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield service


def asr(url: str, **options: object) -> AzureAsrClient:
    fields = {"host": url, "key": KEY, "finish_timeout_s": 1.0, **options}
    return AzureAsrClient(AzureAsrConfig.model_validate(fields))


def tts(url: str, **options: object) -> AzureTtsClient:
    fields = {"host": url, "key": KEY, "format": "pcm", "finish_timeout_s": 5.0, **options}
    return AzureTtsClient(AzureTtsConfig.model_validate(fields))


async def recognised(client: AzureAsrClient, pcm16: bytes) -> list[RecognitionEvent]:
    async with client:
        await client.send(pcm16)
        await client.finish()
        return [event async for event in client if isinstance(event, RecognitionEvent)]


async def test_both_clients_against_the_gateway() -> None:
    async with serve(model="echo") as gateway:
        finals = [event for event in await recognised(asr(gateway.ws_url), TURN + TURN) if event.is_final]
        assert len(finals) == 2
        client = tts(gateway.ws_url, word_boundaries=True)
        for _ in range(2):  # a client can be used again
            async with client:
                await client.send("hello ")
                await client.send("there")
                await client.finish()
                events = [event async for event in client]
            audio = b"".join(event.data for event in events if isinstance(event, SynthesizedAudio))
            words = [event.text for event in events if isinstance(event, WordBoundary)]
            assert (len(audio), words) == (2 * 11 * 320, ["hello", "there"])


async def test_one_utterance_and_speakers_against_the_gateway() -> None:
    async with serve(model="echo") as gateway:
        single = await recognised(asr(gateway.ws_url, mode="single"), TURN + TURN)
        assert [event.is_final for event in single].count(True) == 1
        told = await recognised(asr(gateway.ws_url, identify_speakers=True), TURN)
    assert {event.speaker for event in told if event.is_final} == {"Unknown"}


async def test_every_option_reaches_the_service() -> None:
    async with speech_service(Service()) as service:
        client = asr(
            service.url, language="de-DE", phrases=["Voicewire"], phrase_weight=1.5, profanity="raw",
            initial_silence_timeout=1500, max_end_silence=600,
        )  # fmt: skip
        events = await recognised(client, bytes(32_000))
    context = service.contexts[0]
    assert context["phraseDetection"]["language"] == "de-DE"
    assert context["dgi"]["Groups"][0]["Items"] == [{"Text": "Voicewire"}]
    assert "profanity=raw" in service.paths[0]
    assert "initialSilenceTimeoutMs=1500" in service.paths[0]
    assert "endSilenceTimeoutMs=600" in service.paths[0]
    assert events[-1].text == "second 0"


async def test_a_cut_connection_loses_and_doubles_nothing() -> None:
    async with speech_service(Service(cut_first_connection_after_bytes=80_000)) as service:
        finals = [event for event in await recognised(asr(service.url), bytes(32_000 * 4)) if event.is_final]
    assert service.connections == 2
    assert [event.start_ms for event in finals] == [0, 1000, 2000, 3000]
    # Words' times count from the start, too, although the second connection's turn began later.
    assert [event.words[0].start_ms for event in finals] == [0, 1000, 2000, 3000]


async def test_a_service_that_falls_silent_is_left_and_nothing_is_lost_or_doubled() -> None:
    opened: list[str] = []
    async with speech_service(Service(mute_after=[1, 2])) as service:
        client = asr(service.url, finish_timeout_s=0.3)
        client.callbacks = AzureAsrCallbacks(on_open=lambda: opened.append("open"))
        async with client:
            await client.send(bytes(32_000 * 4))
            await client.finish()
            events = [event async for event in client]
    finals = [event for event in events if isinstance(event, RecognitionEvent) and event.is_final]
    again = [event for event in events if isinstance(event, Reconnected)]
    assert [event.start_ms for event in finals] == [0, 1000, 2000, 3000]
    assert [event.words[0].start_ms for event in finals] == [0, 1000, 2000, 3000]
    assert [(event.attempt, event.replayed_ms) for event in again] == [(1, 3000), (1, 1000)]
    assert all("silent" in event.reason for event in again)
    assert (service.connections, opened) == (3, ["open"])


async def test_a_service_that_stays_silent_ends_it_after_so_many_attempts() -> None:
    async with speech_service(Service(mute_after=[0] * 9)) as service:
        client = asr(
            service.url, finish_timeout_s=0.2, start_timeout_s=0.2, connect_timeout_s=1.0, max_reconnects=1
        )
        with pytest.raises(ProviderUnavailable, match="silent"):
            await recognised(client, bytes(32_000))
    assert service.connections == 2


async def test_a_phrase_that_comes_twice_is_told_once() -> None:
    async with speech_service(Service(says_twice=True)) as service:
        finals = [event for event in await recognised(asr(service.url), bytes(64_000)) if event.is_final]
    assert [event.start_ms for event in finals] == [0, 1000]


@pytest.mark.parametrize(
    ("service", "error"),
    [
        (Service(refuse_with=[401]), AuthError),
        (Service(refuse_with=[403]), AuthError),
        (Service(mute_at_end=True), ProviderUnavailable),
    ],
    ids=["401", "403", "mute at the end"],
)
async def test_every_failure_is_one_error_and_nothing_hangs(
    service: Service, error: type[VoicewireError], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    async with speech_service(service):
        client = asr(service.url, max_reconnects=0)
        client.callbacks = AzureAsrCallbacks(
            on_started=lambda: told.append("started"),
            on_error=told.append,
            on_canceled=lambda: told.append("canceled"),
            on_stopped=lambda: told.append("stopped"),
            on_close=lambda: told.append("close"),
        )
        client.start()
        client.send_audio_data(bytes(16_000))
        with pytest.raises(error) as failed:
            await client.stop()
    assert told[-2:] == ["canceled", "close"]
    assert told.count("canceled") == 1
    assert "stopped" not in told
    ours = [record for record in caplog.records if not record.name.startswith("websockets.server")]
    logged = "".join(str(vars(record)) for record in ours)
    assert KEY not in logged + str(failed.value) + repr(client.config) + "".join(told)


async def test_styles_and_rates_become_ssml_and_ssml_goes_as_it_is() -> None:
    async with serve(model="echo") as gateway:
        assert len(await tts(gateway.ws_url, style="sad", speech_rate=1.2).synthesize("a < b")) == 5 * 640
        ssml = (
            "<speak version='1.0' xmlns='http://www.w3.org/2001/10/synthesis' xml:lang='en-US'>hello</speak>"
        )
        data = await tts(gateway.ws_url, ssml=True, format="wav").synthesize(ssml)
    assert (data[:4], len(data)) == (b"RIFF", 44 + 5 * 640)


async def test_no_text_is_no_audio_and_no_error() -> None:
    async with serve(model="echo") as gateway:
        assert await tts(gateway.ws_url).synthesize("") == b""
        assert await tts(gateway.ws_url, style="sad").synthesize("") == b""


async def test_a_refused_voice_is_an_error() -> None:
    async with speech_service(Service(refuse_with=[401, 401, 401])) as service:
        with pytest.raises(AuthError):
            await tts(service.url).synthesize("hello")


def test_what_azure_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_SPEECH_KEY", "AZURE_KEY", "AZURE_SPEECH_HOST", "AZURE_SPEECH_REGION", "AZURE_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="AZURE_SPEECH_KEY"):
        AzureAsrClient()
    with pytest.raises(ConfigError, match="AZURE_SPEECH_REGION"):
        AzureAsrClient(AzureAsrConfig(key="k"))
    monkeypatch.setenv("AZURE_KEY", "k")
    monkeypatch.setenv("AZURE_REGION", "westeurope")
    assert AzureAsrClient().get_state().value == "idle"
    for options in (
        {"model": "m"},
        {"fast_vad_max_duration": 1},
        {"mode": "single", "identify_speakers": True},
    ):
        with pytest.raises(UnsupportedError):
            AzureAsrClient(AzureAsrConfig.model_validate(options))
    with pytest.raises(UnsupportedError, match="22050"):
        AzureTtsClient(AzureTtsConfig(format="mp3", sample_rate=22_050))


def test_codes_become_errors() -> None:
    assert isinstance(failure_of("ConnectionFailure", "", []), ConnectionLost)
    shown = str(failure_of("AuthenticationFailure", f"bad key {KEY}", [KEY]))
    assert KEY not in shown
