"""Conversation items on the OpenAI wire, and their translation from and to `Item`.

Two views of one thing: what a client may create is a strict tagged union, what a server says is one lenient
shape, because providers of this wire leave fields out and add their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias, cast

import msgspec
from msgspec import UNSET, UnsetType

from voicewire.errors import UnsupportedError
from voicewire.events.items import ContentPart, Item, ItemKind, ItemStatus, Role

_KINDS: frozenset[str] = frozenset(
    {
        "message",
        "function_call",
        "function_call_output",
        "mcp_list_tools",
        "mcp_call",
        "mcp_approval_request",
        "mcp_approval_response",
        "item_reference",
    }
)
_STATUSES: frozenset[str] = frozenset({"in_progress", "completed", "incomplete"})
_PASSED_THROUGH: frozenset[str] = frozenset(
    {"mcp_list_tools", "mcp_call", "mcp_approval_request", "mcp_approval_response"}
)


class ServerContent(msgspec.Struct, kw_only=True):
    """A content part as a server says it; the type tells the direction in items, not in response parts."""

    type: str = ""
    text: str | None | UnsetType = UNSET
    audio: str | None | UnsetType = UNSET
    transcript: str | None | UnsetType = UNSET
    image_url: str | None | UnsetType = UNSET
    detail: str | None | UnsetType = UNSET


class ServerItem(msgspec.Struct, kw_only=True):
    """An item as a server says it."""

    id: str | None | UnsetType = UNSET
    object: str | None | UnsetType = UNSET
    type: str = ""
    status: str | None | UnsetType = UNSET
    role: str | None | UnsetType = UNSET
    content: list[ServerContent] | None | UnsetType = UNSET
    call_id: str | None | UnsetType = UNSET
    name: str | None | UnsetType = UNSET
    arguments: str | None | UnsetType = UNSET
    output: str | None | UnsetType = UNSET
    server_label: str | None | UnsetType = UNSET
    tools: list[Any] | None | UnsetType = UNSET
    error: Any = UNSET
    approval_request_id: str | None | UnsetType = UNSET
    approve: bool | None | UnsetType = UNSET
    reason: str | None | UnsetType = UNSET


class _Created(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    id: str | None = None
    object: str | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None


class InputTextPart(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="input_text"):
    """Text of a user or of the system."""

    text: str


class InputAudioPart(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="input_audio", omit_defaults=True
):
    """Audio of a user, in base64 of the session's input format."""

    audio: str
    transcript: str | None = None


class InputImagePart(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="input_image", omit_defaults=True
):
    """An image of a user, as a data URI."""

    image_url: str
    detail: Literal["auto", "low", "high"] | None = None


class OutputTextPart(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="output_text"):
    """Text of the assistant."""

    text: str


class OutputAudioPart(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="output_audio", omit_defaults=True
):
    """Audio of the assistant; a server refuses to create it."""

    transcript: str | None = None
    audio: str | None = None


ClientContent: TypeAlias = InputTextPart | InputAudioPart | InputImagePart | OutputTextPart | OutputAudioPart


class MessageItem(_Created, frozen=True, kw_only=True, tag="message", omit_defaults=True):
    """A message."""

    role: Literal["system", "user", "assistant"]
    content: list[ClientContent]


class FunctionCallItem(_Created, frozen=True, kw_only=True, tag="function_call", omit_defaults=True):
    """A call that the model made (in replayed histories)."""

    name: str
    arguments: str
    call_id: str | None = None


class FunctionCallOutputItem(
    _Created, frozen=True, kw_only=True, tag="function_call_output", omit_defaults=True
):
    """The result of a function call."""

    call_id: str
    output: str


class McpListToolsItem(_Created, frozen=True, kw_only=True, tag="mcp_list_tools", omit_defaults=True):
    """The tools of an MCP server."""

    server_label: str
    tools: list[dict[str, Any]]


class McpCallItem(_Created, frozen=True, kw_only=True, tag="mcp_call", omit_defaults=True):
    """A call of an MCP tool."""

    server_label: str
    name: str
    arguments: str
    output: str | None = None
    error: dict[str, Any] | None = None
    approval_request_id: str | None = None


class McpApprovalRequestItem(
    _Created, frozen=True, kw_only=True, tag="mcp_approval_request", omit_defaults=True
):
    """The model asks whether it may call an MCP tool."""

    server_label: str
    name: str
    arguments: str


class McpApprovalResponseItem(
    _Created, frozen=True, kw_only=True, tag="mcp_approval_response", omit_defaults=True
):
    """The client's answer to an approval request."""

    approval_request_id: str
    approve: bool
    reason: str | None = None


class ItemReference(_Created, frozen=True, kw_only=True, tag="item_reference", omit_defaults=True):
    """An item of the conversation, by id; only inside the input of a response."""


ClientItem: TypeAlias = (
    MessageItem
    | FunctionCallItem
    | FunctionCallOutputItem
    | McpListToolsItem
    | McpCallItem
    | McpApprovalRequestItem
    | McpApprovalResponseItem
)
ResponseInputItem: TypeAlias = ClientItem | ItemReference


def item_from_client(wire: ResponseInputItem) -> Item:
    """The item that a client asks to create; its id is empty when the client left it to the server."""
    kind = cast("ItemKind", type(wire).__struct_config__.tag)
    common: dict[str, Any] = {"id": wire.id or "", "kind": kind, "status": wire.status or "completed"}
    match wire:
        case MessageItem():
            parts = tuple(_part_from_client(part) for part in wire.content)
            return Item(role=wire.role, content=parts, **common)
        case FunctionCallItem():
            return Item(name=wire.name, arguments=wire.arguments, call_id=wire.call_id, **common)
        case FunctionCallOutputItem():
            return Item(call_id=wire.call_id, output=wire.output, **common)
        case ItemReference():
            return Item(**common)
        case McpListToolsItem() | McpCallItem() | McpApprovalRequestItem() | McpApprovalResponseItem():
            return Item(raw=cast("dict[str, Any]", msgspec.to_builtins(wire)), **common)


def _part_from_client(wire: ClientContent) -> ContentPart:
    match wire:
        case InputTextPart() | OutputTextPart():
            return ContentPart(kind="text", text=wire.text)
        case InputAudioPart() | OutputAudioPart():
            is_transcribed = wire.transcript is not None
            return ContentPart(
                kind="audio", text=wire.transcript or "", audio=wire.audio, is_transcribed=is_transcribed
            )
        case InputImagePart():
            return ContentPart(kind="image", image_url=wire.image_url, detail=wire.detail)


def item_to_client_event(item: Item) -> ClientItem | ItemReference:
    """The item as a client creates it.

    Assistant speech becomes text: the wire cannot create assistant audio.

    Raises:
        UnsupportedError: A part has neither audio nor words, or fields of its kind are missing.
    """
    match item.kind:
        case "message":
            role: Role = item.role or "user"
            content = [_part_to_client(part, role) for part in item.content]
            return MessageItem(id=item.id or None, role=role, content=content)
        case "function_call":
            return FunctionCallItem(
                id=item.id or None,
                name=item.name or "",
                arguments=item.arguments or "{}",
                call_id=item.call_id,
            )
        case "function_call_output":
            return FunctionCallOutputItem(
                id=item.id or None, call_id=item.call_id or "", output=item.output or ""
            )
        case "item_reference":
            return ItemReference(id=item.id)
        case "mcp_list_tools" | "mcp_call" | "mcp_approval_request" | "mcp_approval_response":
            try:
                passed: ClientItem = msgspec.convert({**(item.raw or {}), "type": item.kind}, ClientItem)
            except msgspec.ValidationError as error:
                raise UnsupportedError(
                    f"{item.kind} item {item.id!r} cannot be sent: {error}; give the wire's own object in raw"
                ) from error
            return passed


def _part_to_client(part: ContentPart, role: Role) -> ClientContent:
    if part.kind == "image":
        return InputImagePart(
            image_url=part.image_url or "", detail=cast("Literal['auto', 'low', 'high'] | None", part.detail)
        )
    if role == "user" and part.kind == "audio" and part.audio:
        return InputAudioPart(audio=part.audio, transcript=part.text or None)
    if part.kind == "audio" and not part.text:
        raise UnsupportedError(
            f"an audio part of the {role} has no words; this wire creates such parts from text only"
        )
    return OutputTextPart(text=part.text) if role == "assistant" else InputTextPart(text=part.text)


def item_from_server(wire: ServerItem) -> Item | None:
    """The item that a server speaks of; None for a kind that this library does not know."""
    if wire.type not in _KINDS:
        return None
    status = wire.status if wire.status in _STATUSES else "completed"
    is_message = wire.type == "message"
    return Item(
        id=wire.id or "",
        kind=cast("ItemKind", wire.type),
        status=cast("ItemStatus", status),
        role=cast("Role", wire.role) if is_message and wire.role in ("system", "user", "assistant") else None,
        content=_parts_from_server(wire.content or ()) if is_message else (),
        call_id=wire.call_id or None,
        name=wire.name or None,
        arguments=wire.arguments if isinstance(wire.arguments, str) else None,
        output=wire.output if isinstance(wire.output, str) else None,
        raw=cast("dict[str, Any]", msgspec.to_builtins(wire)) if wire.type in _PASSED_THROUGH else None,
    )


def _parts_from_server(parts: Iterable[ServerContent]) -> tuple[ContentPart, ...]:
    found: list[ContentPart] = []
    for part in parts:
        if part.type in ("input_text", "output_text", "text"):
            found.append(ContentPart(kind="text", text=part.text or ""))
        elif part.type in ("input_audio", "output_audio", "audio"):
            is_transcribed = isinstance(part.transcript, str)
            text = part.transcript or ""
            found.append(
                ContentPart(kind="audio", text=text, audio=part.audio or None, is_transcribed=is_transcribed)
            )
        elif part.type == "input_image":
            image_url = part.image_url or None
            found.append(ContentPart(kind="image", image_url=image_url, detail=part.detail or None))
    return tuple(found)


def item_to_server_event(item: Item, *, has_audio: bool = False) -> ServerItem:
    """The item as a server says it.

    Args:
        item: The item.
        has_audio: Whether the audio bytes go with it; only ``conversation.item.retrieved`` has them.
    """
    if item.kind in _PASSED_THROUGH:
        return msgspec.convert({**(item.raw or {}), "id": item.id, "type": item.kind}, ServerItem)
    wire = ServerItem(id=item.id, object="realtime.item", type=item.kind)
    if item.kind == "item_reference":
        return wire
    wire.status = item.status
    if item.kind == "message":
        role = item.role or "user"
        wire.role = role
        wire.content = [_part_to_server(part, role, has_audio) for part in item.content]
    elif item.kind == "function_call":
        wire.name = item.name or ""
        wire.call_id = item.call_id or ""
        wire.arguments = item.arguments or ""
    else:
        wire.call_id = item.call_id or ""
        wire.output = item.output or ""
    return wire


def _part_to_server(part: ContentPart, role: Role, has_audio: bool) -> ServerContent:
    if part.kind == "image":
        wire = ServerContent(type="input_image", image_url=part.image_url or "")
        if part.detail is not None:
            wire.detail = part.detail
        return wire
    direction = "output" if role == "assistant" else "input"
    if part.kind == "text":
        return ServerContent(type=f"{direction}_text", text=part.text)
    wire = ServerContent(type=f"{direction}_audio")
    if role == "assistant":
        wire.transcript = part.text
    else:
        wire.transcript = part.text if part.is_transcribed else None
    if has_audio and part.audio is not None:
        wire.audio = part.audio
    return wire
