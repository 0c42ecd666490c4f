"""Recognition on realtime models: transcription sessions of the OpenAI wire, and models in this process."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from voicewire.audio.pcm import silence, tone
from voicewire.errors import AuthError, ConfigError, UnsupportedError, VoicewireError
from voicewire.gateway.settings import GatewaySettings
from voicewire.models import create_model
from voicewire.speech import ModelAsrClient, OpenAITranscriptionClient, RecognitionEvent, create_asr
from voicewire.testing import serve
from voicewire.testing.faults import FaultInjector

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]
RATE_HZ = 16_000
TURN = silence(4800) + tone(300, RATE_HZ, RATE_HZ) + silence(RATE_HZ)


def client_at(http_url: str, **options: Any) -> OpenAITranscriptionClient:
    client = create_asr(
        "openai", base_url=f"{http_url}/v1", api_key="any", **{"finish_timeout_s": 10.0, **options}
    )
    assert isinstance(client, OpenAITranscriptionClient)
    return client


async def finals(client: ModelAsrClient, *pieces: bytes) -> list[RecognitionEvent]:
    with anyio.fail_after(20):
        async with client:
            for piece in pieces:
                await client.send(piece)
            await client.finish()
            return [event async for event in client if isinstance(event, RecognitionEvent) and event.is_final]


@pytest.mark.parametrize("is_paced", [False, True], ids=["all at once", "while it is spoken"])
async def test_every_turn_is_recognised_however_fast_it_comes(is_paced: bool) -> None:
    async with serve(model="echo") as gateway:
        client = client_at(gateway.http_url)
        if is_paced:
            with anyio.fail_after(20):
                async with client:
                    heard: list[RecognitionEvent] = []
                    for _ in range(3):
                        await client.send(TURN)
                        while not heard or not heard[-1].is_final:
                            event = await anext(client)
                            assert isinstance(event, RecognitionEvent)
                            heard.append(event)
                        heard.append(RecognitionEvent(text="", is_final=False))
                    await client.finish()
                    rest = [event async for event in client]
            assert rest == []
            found = [event for event in heard if event.is_final]
        else:
            found = await finals(client, TURN * 3)
    assert [round(event.start_ms, -2) for event in found] == [0, 2300, 4600]
    assert all(event.text.startswith("[audio") for event in found)


async def test_speech_that_is_cut_off_by_the_end_is_recognised() -> None:
    async with serve(model="echo") as gateway:
        (final,) = await finals(client_at(gateway.http_url), tone(300, RATE_HZ, RATE_HZ))
    assert final.text == "[audio 1000 ms]"


async def test_silence_is_no_words_and_no_error() -> None:
    async with serve(model="echo") as gateway:
        assert await finals(client_at(gateway.http_url), silence(2 * RATE_HZ)) == []
        assert await finals(client_at(gateway.http_url)) == []


async def test_a_sound_too_short_to_be_speech_holds_up_nothing() -> None:
    async with serve(model="echo") as gateway:
        assert await finals(client_at(gateway.http_url), tone(300, RATE_HZ // 20, RATE_HZ)) == []


async def test_a_model_of_this_process_is_a_recogniser_too() -> None:
    client = ModelAsrClient(create_model("echo"))
    assert len(await finals(client, TURN + TURN)) == 2
    assert len(await finals(client.for_files(), TURN)) == 1


async def test_a_connection_that_is_cut_is_made_again() -> None:
    async with serve(model="echo") as gateway:
        faults = FaultInjector()
        client = client_at(gateway.http_url)
        client._model.set_link(wrap=faults.wrap)  # type: ignore[attr-defined]  # it is a linked one
        with anyio.fail_after(30):
            async with client:
                faults.inject("cut", after="input_audio_transcription.completed")
                await client.send(TURN + TURN)
                await client.finish()
                found = [
                    event async for event in client if isinstance(event, RecognitionEvent) and event.is_final
                ]
    assert faults.attempts == 2
    assert len(found) == 2


@pytest.mark.parametrize("reconnects", [0, 1])
async def test_a_refused_key_and_a_dead_line_end_it_once(reconnects: int) -> None:
    from pydantic import SecretStr

    settings = GatewaySettings(api_keys=(SecretStr("right"),), drain_s=0, close_grace_s=1)
    async with serve(model="echo", settings=settings) as gateway:
        with pytest.raises(AuthError):
            await finals(client_at(gateway.http_url, max_reconnects=reconnects), TURN)
    async with serve(model="echo") as gateway:
        faults = FaultInjector()
        client = client_at(gateway.http_url, max_reconnects=0)
        client._model.set_link(wrap=faults.wrap)  # type: ignore[attr-defined]  # it is a linked one
        async with client:
            faults.inject("cut")
            with pytest.raises(VoicewireError):
                await client.result()


async def test_a_model_that_says_nothing_more_is_an_error() -> None:
    async with serve(model="echo") as gateway:
        faults = FaultInjector()
        client = client_at(gateway.http_url, finish_timeout_s=0.3)
        client._model.set_link(wrap=faults.wrap)  # type: ignore[attr-defined]  # it is a linked one
        async with client:
            faults.inject("silence")
            await client.send(TURN)
            await client.finish()
            with anyio.fail_after(10), pytest.raises(VoicewireError, match="no last transcript"):
                await client.result()


def test_what_openai_does_not_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for options in ({"initial_silence_timeout": 5}, {"fast_vad_max_duration": 5}):
        with pytest.raises(UnsupportedError, match=next(iter(options))):
            create_asr("openai", api_key="k", **options)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        create_asr("openai")
