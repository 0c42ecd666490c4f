"""Conversation items: the entries of the history, the same for every provider."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

ItemKind = Literal[
    "message",
    "function_call",
    "function_call_output",
    "mcp_list_tools",
    "mcp_call",
    "mcp_approval_request",
    "mcp_approval_response",
    "item_reference",
]
Role = Literal["system", "user", "assistant"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]


class ContentPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One part of a message."""

    kind: Literal["text", "audio", "image"]
    """What the part is; direction follows from the item's role."""
    text: str = ""
    """The text of a text part; the transcript of an audio part as far as it is known."""
    audio: str | None = None
    """Base64 audio, only where a client sent it or asked for it; never filled in by deltas."""
    image_url: str | None = None
    """A data URI (``data:image/jpeg;base64,...``) of an image part."""
    detail: str | None = None
    """How closely to look at an image: ``auto``, ``low`` or ``high``."""
    is_transcribed: bool = True
    """False while the transcript of an audio part is still to come."""


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of the conversation history."""

    id: str
    """Unique in the conversation; empty until the conversation gives one."""
    kind: ItemKind = "message"
    status: ItemStatus = "completed"
    role: Role | None = None
    """Who speaks; messages only."""
    content: tuple[ContentPart, ...] = ()
    """The parts of a message, in order."""
    call_id: str | None = None
    """Joins a function call with its output."""
    name: str | None = None
    """Name of the function."""
    arguments: str | None = None
    """Arguments of the call, as JSON text."""
    output: str | None = None
    """Result of the call, as text."""
    raw: dict[str, Any] | None = None
    """The provider's own object, for the kinds that are only passed through (``mcp_*``)."""

    @property
    def text(self) -> str:
        """All text and transcripts of the item, parts joined by a space."""
        return " ".join(part.text for part in self.content if part.text)
