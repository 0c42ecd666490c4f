"""``agentscope.message``, as far as realtime models go (seed 002): blocks are plain dictionaries."""

from __future__ import annotations

from typing import Literal

from typing_extensions import NotRequired, TypedDict

from voicewire.events.model_types import ToolUseBlock


class Base64Source(TypedDict):
    """Data in base64."""

    type: Literal["base64"]
    media_type: str
    data: str


class URLSource(TypedDict):
    """Data to be fetched."""

    type: Literal["url"]
    url: str


class TextBlock(TypedDict):
    """Text."""

    type: Literal["text"]
    text: NotRequired[str]


class AudioBlock(TypedDict):
    """Audio."""

    type: Literal["audio"]
    source: Base64Source | URLSource


class ImageBlock(TypedDict):
    """An image."""

    type: Literal["image"]
    source: Base64Source | URLSource


class VideoBlock(TypedDict):
    """A video; no realtime model takes one."""

    type: Literal["video"]
    source: Base64Source | URLSource


class ToolResultBlock(TypedDict):
    """What a function gave."""

    type: Literal["tool_result"]
    id: str
    output: str | list[TextBlock | ImageBlock | AudioBlock | VideoBlock]
    name: str


__all__ = [
    "AudioBlock",
    "Base64Source",
    "ImageBlock",
    "TextBlock",
    "ToolResultBlock",
    "ToolUseBlock",
    "URLSource",
    "VideoBlock",
]
