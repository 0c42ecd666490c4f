"""The embedded voice: heard before its text ends, joined without clicks or gaps, never silent."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import numpy as np
import pytest
from benchmarks.speech import joins

from voicewire.errors import UnsupportedError
from voicewire.speech import LocalTtsClient, LocalTtsConfig, SynthesizedAudio, create_asr

pytestmark = [pytest.mark.engine, pytest.mark.anyio]
RATE_HZ = 24_000


@pytest.fixture
async def voice() -> AsyncGenerator[LocalTtsClient, None]:
    from voicewire.engine import weights

    if missing := [item.weights.name for item in weights.plan().missing]:
        pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")
    client = LocalTtsClient(LocalTtsConfig(format="pcm", sample_rate=RATE_HZ))
    yield client
    await client.aclose()


async def test_the_first_clause_is_heard_while_the_text_goes_on(voice: LocalTtsClient) -> None:
    async with voice:
        await voice.send("The lamp is on. Nobody")
        first = await anext(voice)
        while not isinstance(first, SynthesizedAudio):
            first = await anext(voice)
        assert np.abs(np.frombuffer(first.data, "<i2")).max() > 1000
        await voice.send(" is here.")
        await voice.finish()
        rest = [event async for event in voice if isinstance(event, SynthesizedAudio)]
    assert sum(len(event.data) for event in rest) > RATE_HZ // 2


async def test_clauses_are_joined_without_clicks_or_gaps(voice: LocalTtsClient) -> None:
    pcm16 = await voice.synthesize(
        "The lamp is on, the door is shut, and it rains. Nobody came to see the house by the lake. Why not? "
        "Because it was late; everybody slept."
    )
    step, gap_ms = joins(np.frombuffer(pcm16, "<i2").astype(np.float32) / 32768)
    assert step <= 0.02
    assert 0 < gap_ms <= 600


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 22_050, 48_000])
async def test_every_rate_says_the_same(voice: LocalTtsClient, rate_hz: int) -> None:
    config = voice.config.model_copy(update={"sample_rate": rate_hz, "format": "wav", "wav_header": "exact"})
    pcm16 = (await voice.with_config(config).synthesize("Set a timer for five minutes."))[44:]
    async with create_asr("local", sample_rate=rate_hz) as ear:
        await ear.send(pcm16 + bytes(2 * rate_hz))
        await ear.finish()
        assert "timer for" in (await ear.result()).text


@pytest.mark.parametrize(
    "text",
    [
        "你好",
        "Hello 你好",
        "好",
        "Привет, мир",
        "🙂",
        "👍 yes",
        "...",
        "@",
        "@#$%",
        "1234567890",
        "café naïve",
        "x",
        "  \n",
    ],
)
async def test_text_is_spoken_or_refused_never_silent(voice: LocalTtsClient, text: str) -> None:
    try:
        pcm16 = await voice.synthesize(text)
    except UnsupportedError:
        return
    if text.strip():
        assert np.abs(np.frombuffer(pcm16, "<i2")).max(initial=0) > 1000
    else:
        assert pcm16 == b""
