"""Client frames of the Gemini Live wire as the server side reads them: commands, or the reason why not."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from voicewire.errors import AudioError, RemoteProtocolError
from voicewire.events.base import AudioPayload
from voicewire.events.commands import AppendAudio, Command, CreateItem, SendImage
from voicewire.events.items import ContentPart, Item, Role
from voicewire.protocols.codec import Frame
from voicewire.protocols.gemini import wire_client as wire
from voicewire.protocols.gemini.codes import INPUT_RATE_HZ
from voicewire.protocols.gemini.keys import read_object, standard_base64
from voicewire.protocols.gemini.setup import ClientSetup, read_setup

_ROLES: Final[dict[str, Role]] = {"model": "assistant", "assistant": "assistant", "system": "system"}
_MAX_RATE_HZ: Final = 192_000


def is_noise(frame: Frame) -> bool:
    """Whether a text frame is not JSON at all (old clients send ``ping``); such frames are ignored."""
    return isinstance(frame, str) and frame.lstrip()[:1] not in ("{", "[")


def read_first(frame: Frame) -> ClientSetup:
    """The ``setup`` that begins a session.

    Raises:
        RemoteProtocolError: It is something else, or cannot be.
    """
    data = read_object(frame)
    setup: object = data.get("setup")
    if not isinstance(setup, dict):
        raise RemoteProtocolError("the first message has to be the setup", code="setup_missing")
    return read_setup(cast("dict[str, Any]", setup))


def read_message(frame: Frame) -> wire.ClientMessage:
    """One message.

    Raises:
        RemoteProtocolError: It is malformed, or none of the messages of this wire, or more than one.
    """
    data = read_object(frame)
    try:
        message = msgspec.convert(data, wire.ClientMessage, strict=False)
    except (msgspec.ValidationError, RecursionError) as error:
        raise RemoteProtocolError(f"malformed message: {error}") from error
    known = [key for key in wire.ClientMessage.__struct_encode_fields__ if key in data]
    if len(known) != 1:
        what = ", ".join(known) if known else ", ".join(sorted(data)[:5]) or "nothing"
        raise RemoteProtocolError(
            "a message holds exactly one of clientContent, realtimeInput, toolResponse and contextUpdate; "
            f"this one holds {what[:200]}"
        )
    return message


def append_command(mime_type: str, data: str) -> AppendAudio:
    """Audio, checked; the base64 is kept beside the bytes, so that a relay has both.

    Raises:
        RemoteProtocolError: It is not 16-bit PCM in base64.
    """
    name, *parameters = (part.strip().lower() for part in mime_type.split(";"))
    if name not in ("audio/pcm", "audio/l16", ""):
        raise RemoteProtocolError(f"audio of type {mime_type[:100]!r} cannot be taken; send audio/pcm")
    rate_hz = INPUT_RATE_HZ
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "rate" and value.strip().isdecimal():
            rate_hz = int(value[:9])
    if not 0 < rate_hz <= _MAX_RATE_HZ:
        raise RemoteProtocolError(f"audio at {rate_hz} Hz cannot be taken; send 16000 Hz")
    payload = AudioPayload(base64=standard_base64(data))
    try:
        size_bytes = len(payload.pcm)
    except AudioError as error:
        raise RemoteProtocolError(f"the audio is not valid base64: {error}") from error
    if size_bytes % 2:
        raise RemoteProtocolError(f"{size_bytes} bytes are not a whole number of 16-bit samples")
    return AppendAudio(payload, rate_hz)


def image_command(blob: wire.Blob) -> SendImage:
    """A frame of video.

    Raises:
        RemoteProtocolError: It is no image.
    """
    if not blob.mime_type.startswith("image/"):
        raise RemoteProtocolError(f"{blob.mime_type[:100]!r} cannot be taken as video; send image/jpeg")
    return SendImage(standard_base64(blob.data), blob.mime_type)


def turn_items(content: wire.Content) -> list[Item]:
    """The items of one turn.

    Raises:
        RemoteProtocolError: A part cannot be taken.
    """
    role = _ROLES.get(content.role, "user")
    parts: list[ContentPart] = []
    items: list[Item] = []
    for part in content.parts:
        if part.thought:
            continue
        if part.text:
            parts.append(ContentPart(kind="text", text=part.text))
        if part.inline_data is not None:
            parts.append(_inline_part(part.inline_data))
        if (call := part.function_call) is not None:
            arguments = msgspec.json.encode(call.args).decode()
            items.append(
                Item(
                    id="",
                    kind="function_call",
                    call_id=call.id or call.name,
                    name=call.name,
                    arguments=arguments,
                )
            )
        if (result := part.function_response) is not None:
            output = output_text(result.response)
            items.append(
                Item(id="", kind="function_call_output", call_id=result.id or result.name, output=output)
            )
    if parts:
        items.insert(0, Item(id="", role=role, content=tuple(parts)))
    return items


def _inline_part(blob: wire.Blob) -> ContentPart:
    data = standard_base64(blob.data)
    if blob.mime_type.startswith("image/"):
        return ContentPart(kind="image", image_url=f"data:{blob.mime_type};base64,{data}")
    return ContentPart(kind="audio", audio=append_command(blob.mime_type, data).base64)


def item_commands(items: list[Item]) -> list[Command]:
    """Commands that add items."""
    return [CreateItem(item=item) for item in items]


def output_text(response: dict[str, Any]) -> str:
    """A result as the models take it: bare text where it is nothing else."""
    if len(response) == 1:
        ((key, value),) = response.items()
        if key in ("output", "result") and isinstance(value, str):
            return value
    return msgspec.json.encode(response).decode()
