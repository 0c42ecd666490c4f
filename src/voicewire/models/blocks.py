"""Message blocks of seed 002 (text, audio, image, tool result) as commands."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import unquote_to_bytes
from urllib.request import Request, urlopen

import anyio

from voicewire.errors import AudioError, InvalidEventError
from voicewire.events.base import AudioPayload, decode_base64
from voicewire.events.commands import AppendAudio, Command, SendImage, SendText, SendToolResult

_FETCH_TIMEOUT_S = 10.0
_MAX_FETCH_BYTES = 32 * 1024 * 1024

Block = Mapping[str, Any]


def kind_of(block: object) -> str:
    """The type of a block; empty when it is no block at all."""
    kind = _fields(block).get("type")
    return kind if isinstance(kind, str) else ""


def _fields(value: object) -> Block:
    """A JSON object; empty for anything else."""
    return cast("Block", value) if isinstance(value, Mapping) else {}


async def command_of(block: Block, *, sample_rate_hz: int) -> Command:
    """The command that a block stands for.

    Args:
        block: ``{"type": "text" | "audio" | "image" | "tool_result", ...}``.
        sample_rate_hz: Rate of audio whose media type and container name none.

    Raises:
        InvalidEventError: The block is not one of these, or a field of it is missing.
        AudioError: Its audio is not valid.
    """
    kind = kind_of(block)
    if not kind:
        raise InvalidEventError(f"a block is a mapping with a 'type'; got {type(block).__name__}")
    if kind == "text":
        return SendText(_text_field(block, "text"))
    if kind == "audio":
        data, media_type = await _source(block)
        return _audio_command(data, media_type, sample_rate_hz)
    if kind == "image":
        data, media_type = await _source(block)
        return SendImage(data, media_type or "image/jpeg")
    if kind == "tool_result":
        return SendToolResult(_text_field(block, "id"), _output_text(block.get("output")))
    raise InvalidEventError(f"a block of type {kind!r} cannot be sent; use text, audio, image or tool_result")


def _text_field(block: Block, name: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise InvalidEventError(f"a {block.get('type')} block needs a text in {name!r}")
    return value


def _output_text(output: object) -> str:
    """The result of a tool as one text: a string as it is, blocks by their text."""
    if isinstance(output, str):
        return output
    if not isinstance(output, Sequence):
        raise InvalidEventError("a tool_result block needs 'output': a text or a list of blocks")
    texts: list[str] = []
    for part in cast("Sequence[object]", output):
        fields = _fields(part)
        text = fields.get("text")
        texts.append(text if isinstance(text, str) else f"[{fields.get('type', type(part).__name__)}]")
    return "\n".join(texts)


def _audio_command(data: str | bytes, media_type: str, sample_rate_hz: int) -> AppendAudio:
    name, _, parameters = media_type.partition(";")
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "rate" and value.strip().isdigit():
            sample_rate_hz = int(value)
    if name.strip().lower() in ("audio/wav", "audio/x-wav", "audio/wave") or _is_wav(data):
        return _wav_command(decode_base64(data) if isinstance(data, str) else data)
    if isinstance(data, str):
        # Not decoded here: a wire that carries base64 sends it as it came.
        return AppendAudio(AudioPayload(base64=data), sample_rate_hz)
    return AppendAudio(data, sample_rate_hz)


def _is_wav(data: str | bytes) -> bool:
    return data.startswith("UklGR") if isinstance(data, str) else data.startswith(b"RIFF")


def _wav_command(data: bytes) -> AppendAudio:
    try:
        with wave.open(io.BytesIO(data)) as file:
            if file.getsampwidth() != 2:
                raise AudioError(f"a WAV of {8 * file.getsampwidth()} bits cannot be sent; make it 16 bits")
            pcm = file.readframes(file.getnframes())
            channels, rate_hz = file.getnchannels(), file.getframerate()
    except (wave.Error, EOFError) as error:
        raise AudioError(f"the audio is not a WAV file: {error}") from error
    if channels > 1:
        from voicewire.audio.pcm import down_mix

        pcm = down_mix(pcm, channels)
    return AppendAudio(pcm, rate_hz)


async def _source(block: Block) -> tuple[str | bytes, str]:
    """The data of a block's source, base64 or raw, and its media type."""
    source = block.get("source")
    fields = _fields(source)
    kind = fields.get("type")
    if kind == "base64":
        data, media_type = fields.get("data"), fields.get("media_type", "")
        if isinstance(data, str) and isinstance(media_type, str):
            return data, media_type
    elif kind == "url":
        url = fields.get("url")
        if isinstance(url, str):
            return await _fetched(url)
    raise InvalidEventError(f"a {block.get('type')} block needs a 'source' of type base64 (with data) or url")


async def _fetched(url: str) -> tuple[str | bytes, str]:
    if url.startswith("data:"):
        head, _, body = url[5:].partition(",")
        media_type = head.removesuffix(";base64")
        return (body if head.endswith(";base64") else unquote_to_bytes(body)), media_type
    if not url.startswith(("http://", "https://")):
        raise InvalidEventError("a source's url starts with https://, http:// or data:")
    # The thread cannot be interrupted, but it ends by its own timeout and its result is then dropped.
    return await anyio.to_thread.run_sync(fetch, url, abandon_on_cancel=True)


def fetch(url: str) -> tuple[bytes, str]:
    """The content of an address and its media type; waits for the network.

    Raises:
        InvalidEventError: It could not be fetched, or is larger than 32 MiB.
    """
    try:
        with urlopen(Request(url), timeout=_FETCH_TIMEOUT_S) as answer:
            data = cast("bytes", answer.read(_MAX_FETCH_BYTES + 1))
            media_type = str(answer.headers.get_content_type())
    except OSError as error:
        raise InvalidEventError(f"the source of a block could not be fetched: {error}") from error
    if len(data) > _MAX_FETCH_BYTES:
        raise InvalidEventError(f"the source of a block is larger than {_MAX_FETCH_BYTES} bytes")
    return data, media_type
