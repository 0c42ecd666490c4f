"""What the server side of the OpenAI wire remembers of the open responses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from voicewire.events.commands import CreateResponse
from voicewire.events.items import ContentPart, Item
from voicewire.protocols.openai.wire_items import ServerContent

PartKind = Literal["text", "audio"]


@dataclass(slots=True)
class Part:
    """A content part."""

    kind: PartKind
    text: list[str] = field(default_factory=list[str])
    has_audio: bool = False
    is_audio_done: bool = False
    is_text_done: bool = False
    """The words are complete; with audio that is not, they wait for its end (the wire's order)."""
    is_done: bool = False


@dataclass(slots=True)
class OutputItem:
    """An item that a response makes."""

    item: Item
    index: int
    previous_item_id: str | None
    parts: dict[int, Part] = field(default_factory=dict[int, Part])
    arguments: list[str] = field(default_factory=list[str])
    is_call_done: bool = False
    is_done: bool = False


@dataclass(slots=True)
class OpenResponse:
    """A response that was created and is not done."""

    response_id: str
    is_out_of_band: bool
    metadata: dict[str, str]
    params: CreateResponse
    items: dict[str, OutputItem] = field(default_factory=dict[str, OutputItem])


def part_content(part: Part) -> ServerContent:
    """The part as its two events show it: without words when it opens, whole when it closes."""
    words = "".join(part.text) if part.is_done else ""
    if part.kind == "text":
        return ServerContent(type="text", text=words)
    return ServerContent(type="audio", transcript=words)


def with_words(output: OutputItem) -> Item:
    """An item that the model did not finish, with what it said so far."""
    item = output.item
    if item.kind == "function_call":
        return msgspec.structs.replace(item, arguments="".join(output.arguments))
    parts = tuple(
        ContentPart(kind=part.kind, text="".join(part.text)) for _, part in sorted(output.parts.items())
    )
    return msgspec.structs.replace(item, content=parts)
