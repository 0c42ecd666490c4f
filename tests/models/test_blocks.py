"""Blocks of seed 002 as commands."""

from __future__ import annotations

import base64
import io
import wave

import pytest

from voicewire.errors import AudioError, InvalidEventError
from voicewire.events import AppendAudio, SendImage, SendText, SendToolResult
from voicewire.models.blocks import command_of

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

PCM = b"\x01\x00\x02\x00"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def wav(pcm: bytes, rate_hz: int, channels: int = 1, width_bytes: int = 2) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width_bytes)
        file.setframerate(rate_hz)
        file.writeframes(pcm)
    return buffer.getvalue()


async def test_text_and_tool_results() -> None:
    assert await command_of({"type": "text", "text": "hi"}, sample_rate_hz=1) == SendText("hi")
    result = {"type": "tool_result", "id": "call_1", "name": "f", "output": "42"}
    assert await command_of(result, sample_rate_hz=1) == SendToolResult("call_1", "42")
    parts = [{"type": "text", "text": "a"}, {"type": "image", "source": {}}, {"type": "text", "text": "b"}]
    several = await command_of({**result, "output": parts}, sample_rate_hz=1)
    assert several == SendToolResult("call_1", "a\n[image]\nb")


@pytest.mark.parametrize(
    ("media_type", "rate_hz"),
    [("", 24000), ("audio/pcm", 24000), ("audio/pcm;rate=16000", 16000), ("audio/pcm; rate=8000", 8000)],
)
async def test_raw_audio_has_the_rate_of_its_type_or_of_the_model(media_type: str, rate_hz: int) -> None:
    source = {"type": "base64", "media_type": media_type, "data": b64(PCM)}
    command = await command_of({"type": "audio", "source": source}, sample_rate_hz=24000)
    assert command == AppendAudio(PCM, rate_hz)


async def test_a_wav_has_its_own_rate_and_becomes_mono() -> None:
    for source in (
        {"type": "base64", "media_type": "audio/wav", "data": b64(wav(PCM, 16000))},
        {"type": "base64", "data": b64(wav(PCM, 16000))},
        {"type": "base64", "data": b64(wav(b"\x01\x00\x01\x00\x02\x00\x02\x00", 16000, channels=2))},
        {"type": "url", "url": f"data:audio/wav;base64,{b64(wav(PCM, 16000))}"},
    ):
        assert await command_of({"type": "audio", "source": source}, sample_rate_hz=24000) == AppendAudio(
            PCM, 16000
        )


@pytest.mark.parametrize("data", [b"RIFF....", wav(b"\x01\x02", 8000, width_bytes=1)])
async def test_a_wav_that_is_none(data: bytes) -> None:
    with pytest.raises(AudioError):
        await command_of({"type": "audio", "source": {"type": "base64", "data": b64(data)}}, sample_rate_hz=1)


async def test_an_image_keeps_its_type() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": b64(b"png")}
    assert await command_of({"type": "image", "source": source}, sample_rate_hz=1) == SendImage(
        b64(b"png"), "image/png"
    )


async def test_a_url_that_cannot_be_fetched() -> None:
    block = {"type": "image", "source": {"type": "url", "url": "http://127.0.0.1:9/x.png"}}
    with pytest.raises(InvalidEventError, match="could not be fetched"):
        await command_of(block, sample_rate_hz=1)
