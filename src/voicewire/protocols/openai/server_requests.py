"""Client frames of the OpenAI wire as the server side reads them: typed events, or the wire's own errors."""

from __future__ import annotations

import re
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET

from voicewire.errors import AudioError
from voicewire.events.base import AudioPayload, decode_base64
from voicewire.events.commands import (
    AppendAudio,
    CreateItem,
    CreateResponse,
)
from voicewire.events.model import ModelErrorEvent
from voicewire.events.session import SessionConfig, ToolSpec
from voicewire.protocols.codec import Frame
from voicewire.protocols.openai import codes, limits
from voicewire.protocols.openai.dialect_xai import ga_session
from voicewire.protocols.openai.session_config import read_tool_choice, read_tools
from voicewire.protocols.openai.wire_client import (
    CLIENT_EVENT_TYPES,
    AnyClientEvent,
    ConversationItemCreate,
    InputAudioBufferAppend,
    ResponseCreate,
    ResponseParams,
    decode_client_event,
)
from voicewire.protocols.openai.wire_items import (
    InputAudioPart,
    InputImagePart,
    InputTextPart,
    MessageItem,
    OutputAudioPart,
    OutputTextPart,
    item_from_client,
)
from voicewire.protocols.openai.wire_response import ErrorBody

_MAX_MESSAGE_CHARS: Final = 500
_FAULT: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_EXPECTED: Final = re.compile(r"^Expected `(?P<due>[^`]*)`(?:, got `(?P<got>[^`]*)`)?$")
_FIELD: Final = re.compile(
    r"^Object (?P<fault>contains unknown|missing required) field `(?P<name>.*)`$", re.DOTALL
)
_WORDS: Final = {
    "str": "a string",
    "int": "an integer",
    "float": "a decimal",
    "bool": "a boolean",
    "object": "an object",
    "array": "an array",
    "null": "null",
}
_ROLE_PARTS: Final[dict[str, tuple[type, ...]]] = {
    "system": (InputTextPart,),
    "user": (InputTextPart, InputAudioPart, InputImagePart),
    "assistant": (OutputTextPart,),
}


def request_error(
    code: str, message: str, *, param: str | None = None, event_id: str | None = None
) -> ErrorBody:
    """An error that is the client's to mend."""
    if len(message) > _MAX_MESSAGE_CHARS:
        message = message[:_MAX_MESSAGE_CHARS] + "..."
    return ErrorBody(
        type=codes.INVALID_REQUEST_ERROR, code=code, message=message, param=param, event_id=event_id
    )


def error_of(event: ModelErrorEvent) -> ErrorBody:
    """An error of the model, as the client is told."""
    return ErrorBody(
        type=event.error_type or codes.INVALID_REQUEST_ERROR,
        code=event.code or None,
        message=event.message,
        param=event.param,
        event_id=event.command_id or None,
    )


def named(error: ErrorBody, event_id: str | None) -> ErrorBody:
    """The error with the id of the event that caused it."""
    return msgspec.structs.replace(error, event_id=event_id)


def read_client_frame(frame: Frame, server_limits: limits.ServerLimits) -> AnyClientEvent | ErrorBody | None:
    """Reads one frame; never raises.

    Returns:
        The event; or the error to answer with; or None for text that is not JSON at all (old clients send
        ``ping``), which is ignored.
    """
    if isinstance(frame, bytes):
        return request_error(
            codes.INVALID_EVENT, "Binary frames are not part of this protocol; send JSON in text frames."
        )
    if len(frame) > server_limits.max_text_chars:
        return request_error(
            codes.INVALID_EVENT,
            f"The event has {len(frame)} characters; at most {server_limits.max_text_chars} are allowed.",
        )
    try:
        return decode_client_event(frame)
    except msgspec.ValidationError as error:
        return _fault_of(frame, str(error))
    except RecursionError:
        return request_error(codes.INVALID_JSON, "The event is nested too deeply.")
    except (msgspec.DecodeError, UnicodeError) as error:
        if frame.lstrip()[:1] not in ("{", "["):
            return None
        return request_error(codes.INVALID_JSON, f"We could not parse the JSON of the event: {error}.")


def read_xai_update(frame: Frame, *, is_sure: bool) -> AnyClientEvent | ErrorBody | None:
    """A ``session.update`` without ``session.type`` in xAI's words; None when it is not that. Never raises.

    Args:
        frame: What ``read_client_frame`` refused for the missing type.
        is_sure: Whether this client has spoken so before.
    """
    event: dict[str, Any] = msgspec.json.decode(frame)
    session = ga_session(event["session"], is_sure=is_sure)
    if session is None:
        return None
    translated = msgspec.json.encode({**event, "session": session}).decode()
    try:
        return decode_client_event(translated)
    except msgspec.ValidationError as error:
        return _fault_of(translated, str(error))


def _fault_of(frame: str, fault: str) -> ErrorBody | None:
    """The error for JSON that is not one of the events."""
    try:
        data: object = msgspec.json.decode(frame)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return request_error(codes.INVALID_JSON, "We could not parse the JSON of the event.")
    if not isinstance(data, dict):
        if isinstance(data, list):
            return request_error(codes.INVALID_EVENT, "An event is a JSON object, but got an array instead.")
        return None
    event = cast("dict[str, Any]", data)
    given_id = event.get("event_id")
    event_id = given_id if isinstance(given_id, str) else None
    event_type = event.get("type")
    if "type" not in event:
        return request_error(
            codes.MISSING_REQUIRED_PARAMETER,
            "Missing required parameter: 'type'.",
            param="type",
            event_id=event_id,
        )
    if isinstance(event_type, str) and event_type not in CLIENT_EVENT_TYPES:
        supported = ", ".join(f"'{name}'" for name in CLIENT_EVENT_TYPES)
        return request_error(
            codes.INVALID_VALUE,
            f"Invalid value: {event_type[:100]!r}. Supported values are: {supported}.",
            param="type",
            event_id=event_id,
        )
    return _field_error(fault, event_id)


def _field_error(fault: str, event_id: str | None) -> ErrorBody:
    """A validation message of the decoder in the words of the wire."""
    found = _FAULT.match(fault)
    what = found["what"] if found else fault
    path = ((found["path"] if found else "") or "").lstrip(".").removesuffix("[...]")
    if field := _FIELD.match(what):
        param = f"{path}.{field['name']}" if path else field["name"]
        if field["fault"] == "contains unknown":
            code, message = codes.UNKNOWN_PARAMETER, f"Unknown parameter: '{param}'."
        else:
            code, message = codes.MISSING_REQUIRED_PARAMETER, f"Missing required parameter: '{param}'."
        return request_error(code, message, param=param, event_id=event_id)
    if expected := _EXPECTED.match(what):
        due = " or ".join(_WORDS.get(word, word) for word in expected["due"].split(" | "))
        got = _WORDS.get(expected["got"] or "", expected["got"] or "something else")
        message = f"Invalid type for '{path}': expected {due}, but got {got} instead."
        return request_error(codes.INVALID_TYPE, message, param=path or None, event_id=event_id)
    return request_error(
        codes.INVALID_VALUE, f"Invalid value for '{path}': {what}.", param=path or None, event_id=event_id
    )


def append_command(
    event: InputAudioBufferAppend, config: SessionConfig, server_limits: limits.ServerLimits
) -> AppendAudio | ErrorBody:
    """The audio of an append, checked; the base64 is kept beside the bytes, so that a relay has both."""
    text = event.audio
    media = config.input_format
    if len(text) * 3 // 4 > server_limits.max_append_bytes + 2:
        return request_error(
            codes.INVALID_VALUE,
            f"Invalid 'audio': {len(text) * 3 // 4} bytes are more than the {server_limits.max_append_bytes} "
            "allowed in one event.",
            param="audio",
            event_id=event.event_id,
        )
    try:
        pcm = decode_base64(text)
    except AudioError as error:
        return _audio_error(str(error), event.event_id)
    is_pcm16 = media.type == "audio/pcm"
    if not pcm:
        return _audio_error("it is empty", event.event_id)
    if is_pcm16 and len(pcm) % 2:
        return _audio_error(f"{len(pcm)} bytes are not a whole number of 16-bit samples", event.event_id)
    return AppendAudio(
        AudioPayload(pcm, text),
        media.rate,
        encoding="pcm16" if is_pcm16 else "pcmu" if media.type == "audio/pcmu" else "pcma",
        command_id=event.event_id or "",
    )


def _audio_error(why: str, event_id: str | None, param: str = "audio") -> ErrorBody:
    return request_error(
        codes.INVALID_VALUE,
        f"Invalid '{param}'. Expected base64-encoded audio bytes in the input format, but got an invalid "
        f"value: {why}.",
        param=param,
        event_id=event_id,
    )


def create_item_command(event: ConversationItemCreate) -> CreateItem | ErrorBody:
    """An item to create, checked."""
    if (fault := _item_fault(event.item, "item", event.event_id)) is not None:
        return fault
    return CreateItem(
        item=item_from_client(event.item),
        previous_item_id=event.previous_item_id,
        command_id=event.event_id or "",
    )


def _item_fault(item: object, path: str, event_id: str | None) -> ErrorBody | None:
    if not isinstance(item, MessageItem):
        return None
    for index, part in enumerate(item.content):
        where = f"{path}.content[{index}]"
        if not isinstance(part, _ROLE_PARTS[item.role]):
            tag = type(part).__struct_config__.tag
            code = (
                codes.UNSUPPORTED_CONTENT_TYPE if isinstance(part, OutputAudioPart) else codes.INVALID_VALUE
            )
            return request_error(
                code,
                f"Invalid value: '{tag}'. A message of the {item.role} cannot be created with it.",
                param=f"{where}.type",
                event_id=event_id,
            )
        if isinstance(part, InputAudioPart):
            try:
                decode_base64(part.audio)
            except AudioError as error:
                return _audio_error(str(error), event_id, f"{where}.audio")
        if isinstance(part, InputImagePart) and not part.image_url.startswith("data:image/"):
            return request_error(
                codes.INVALID_VALUE,
                f"Invalid '{where}.image_url'. Expected a data URI of an image.",
                param=f"{where}.image_url",
                event_id=event_id,
            )
    return None


def create_response_command(event: ResponseCreate) -> CreateResponse | ErrorBody:
    """A request for a response, checked."""
    params = event.response
    event_id = event.event_id
    if params is None:
        return CreateResponse(command_id=event_id or "")
    metadata = params.metadata or {}
    if fault := _metadata_fault(metadata, event_id):
        return fault
    for index, item in enumerate(params.input or ()):
        if (fault := _item_fault(item, f"response.input[{index}]", event_id)) is not None:
            return fault
    output = params.audio.output if params.audio else UNSET
    voice: str | None = None
    if output and output.voice:
        voice = output.voice if isinstance(output.voice, str) else output.voice.id
    tools = _tools_of(params)
    limit = params.max_output_tokens
    choice = msgspec.to_builtins(params.tool_choice) if params.tool_choice else None
    return CreateResponse(
        instructions=params.instructions or None,
        modality=params.output_modalities[0] if params.output_modalities else None,
        voice=voice,
        tools=tools,
        tool_choice=read_tool_choice(choice),
        max_output_tokens=limit if isinstance(limit, int) else None,
        metadata=metadata,
        input_items=None if params.input is UNSET else tuple(map(item_from_client, params.input)),
        is_out_of_band=params.conversation == "none",
        extra=_response_extra(params),
        command_id=event_id or "",
    )


def _tools_of(params: ResponseParams) -> tuple[ToolSpec, ...] | None:
    return read_tools(msgspec.to_builtins(params.tools)) if params.tools is not UNSET else None


def _response_extra(params: ResponseParams) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    body = cast("dict[str, Any]", msgspec.to_builtins(params))
    for key in ("parallel_tool_calls", "reasoning", "prompt"):
        if body.get(key) is not None:
            extra[key] = body[key]
    media = body.get("audio", {}).get("output", {}).get("format")
    if media is not None:
        extra["output_format"] = media["type"]
    mcp_tools = [tool for tool in body.get("tools", ()) if tool["type"] == "mcp"]
    if mcp_tools:
        extra["mcp_tools"] = mcp_tools
    choice = body.get("tool_choice")
    if read_tool_choice(choice) is None and isinstance(choice, dict):
        extra["tool_choice"] = choice
    return extra


def _metadata_fault(metadata: dict[str, str], event_id: str | None) -> ErrorBody | None:
    why = ""
    if len(metadata) > limits.MAX_METADATA_PAIRS:
        why = f"at most {limits.MAX_METADATA_PAIRS} pairs are allowed, but got {len(metadata)}"
    for key, value in metadata.items():
        if len(key) > limits.MAX_METADATA_KEY_CHARS:
            why = f"keys have at most {limits.MAX_METADATA_KEY_CHARS} characters"
        elif len(value) > limits.MAX_METADATA_VALUE_CHARS:
            why = f"values have at most {limits.MAX_METADATA_VALUE_CHARS} characters"
    if not why:
        return None
    return request_error(
        codes.INVALID_VALUE,
        f"Invalid 'response.metadata': {why}.",
        param="response.metadata",
        event_id=event_id,
    )
