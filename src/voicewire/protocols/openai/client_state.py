"""What a client has to remember of a conversation to tell its events apart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import msgspec

from voicewire.events.items import ContentPart, Item
from voicewire.events.model import TokenUsage, ToolUseBlock
from voicewire.protocols.openai.wire_response import Usage

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

MAX_REMEMBERED = 1024
"""Items, content parts and ended responses that are remembered; a session of an hour has fewer."""


def remember(memory: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Notes a value and forgets the oldest one when there are too many."""
    memory[key] = value
    if len(memory) > MAX_REMEMBERED:
        del memory[next(iter(memory))]


@dataclass(slots=True)
class PartText:
    """The words of one content part as far as they came."""

    kind: str
    pieces: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class OpenItem:
    """An item that a response is making."""

    item: Item
    parts: dict[int, PartText] = field(default_factory=dict[int, PartText])
    arguments: list[str] = field(default_factory=list[str])
    is_done: bool = False
    is_call_reported: bool = False

    def add(self, content_index: int, kind: str, piece: str) -> None:
        """More words of a content part."""
        part = self.parts.get(content_index)
        if part is None:
            part = self.parts[content_index] = PartText(kind)
        part.pieces.append(piece)

    def replace(self, content_index: int, kind: str, text: str) -> None:
        """All words of a content part."""
        self.parts[content_index] = PartText(kind, [text])

    def finish(self, said: Item | None, *, is_complete: bool) -> Item:
        """Ends the item: as the provider says it, with what came before where the provider leaves it out."""
        item = said
        if item is None:
            item = msgspec.structs.replace(self.item, status="completed" if is_complete else "incomplete")
        if item.kind == "message" and not item.content and self.parts:
            item = msgspec.structs.replace(item, content=tuple(self._content()))
        if item.kind == "function_call" and not item.arguments and self.arguments:
            item = msgspec.structs.replace(item, arguments="".join(self.arguments))
        self.is_done = True
        self.item = item
        return item

    def _content(self) -> Iterable[ContentPart]:
        for _, part in sorted(self.parts.items()):
            text = "".join(part.pieces)
            if part.kind == "audio":
                yield ContentPart(kind="audio", text=text)
            else:
                yield ContentPart(kind="text", text=text)


@dataclass(slots=True)
class OpenResponse:
    """A response that was created."""

    response_id: str
    is_out_of_band: bool = False
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    items: dict[str, OpenItem] = field(default_factory=dict[str, OpenItem])
    is_over: bool = False
    """Whether it had its terminal event."""


def parsed_arguments(text: str) -> dict[str, Any]:
    """Arguments of a call as an object; empty when the model wrote something else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def tool_use(call_id: str, name: str, raw: str, *, is_complete: bool) -> ToolUseBlock:
    """A function call as a block."""
    arguments = parsed_arguments(raw) if is_complete else {}
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments, "raw_input": raw}


def metadata_of(wire: dict[str, Any] | None) -> dict[str, str]:
    """The string pairs of a response's metadata."""
    return {key: value for key, value in (wire or {}).items() if isinstance(value, str)}


def token_usage(usage: Usage | None) -> tuple[int, int, TokenUsage]:
    """Input tokens, output tokens, and both by kind; zeros where nothing was said."""
    if usage is None:
        return 0, 0, TokenUsage()
    given, made = usage.input_token_details, usage.output_token_details
    details = TokenUsage(
        input_text_tokens=(given.text_tokens or 0) if given else 0,
        input_audio_tokens=(given.audio_tokens or 0) if given else 0,
        input_image_tokens=(given.image_tokens or 0) if given else 0,
        cached_tokens=(given.cached_tokens or 0) if given else 0,
        output_text_tokens=(made.text_tokens or 0) if made else 0,
        output_audio_tokens=(made.audio_tokens or 0) if made else 0,
    )
    return usage.input_tokens or 0, usage.output_tokens or 0, details
