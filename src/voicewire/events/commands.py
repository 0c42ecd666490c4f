"""Commands: what an application orders a conversation to do. The same for every provider.

Every command carries an optional ``command_id``; an error that a command causes names it.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from voicewire.errors import AudioError
from voicewire.events.base import AudioPayload
from voicewire.events.items import Item
from voicewire.events.session import Modality, SessionChange, ToolSpec

_MAX_RATE_HZ = 192_000


class AppendAudio(AudioPayload):
    """Appends audio to the user's input buffer.

    Args:
        pcm: 16-bit little-endian mono samples; or the bytes of ``encoding``.
        sample_rate_hz: Their rate; a model that wants another one resamples.
        encoding: ``pcm16``, or ``pcmu`` / ``pcma`` (8 kHz).

    Raises:
        AudioError: An odd number of bytes of pcm16, or a rate outside 1 to 192000.
    """

    __slots__ = ("command_id", "encoding", "sample_rate_hz")

    def __init__(
        self,
        pcm: bytes | AudioPayload,
        sample_rate_hz: int = 24000,
        *,
        encoding: Literal["pcm16", "pcmu", "pcma"] = "pcm16",
        command_id: str = "",
    ) -> None:
        if type(sample_rate_hz) is not int or not 0 < sample_rate_hz <= _MAX_RATE_HZ:
            raise AudioError(
                f"sample_rate_hz is {sample_rate_hz!r}; give a whole number of hertz from 1 to {_MAX_RATE_HZ}"
            )
        if isinstance(pcm, AudioPayload):
            self._pcm, self._base64 = pcm._pcm, pcm._base64
        else:
            if encoding == "pcm16" and len(pcm) % 2:
                raise AudioError(
                    f"{len(pcm)} bytes are not a whole number of 16-bit samples; "
                    "keep the odd byte and send it with the next chunk"
                )
            # A buffer that may still change is copied; bytes cannot.
            self._pcm = pcm if type(pcm) is bytes else bytes(pcm)
            self._base64 = None
        self.sample_rate_hz = sample_rate_hz
        self.encoding: Literal["pcm16", "pcmu", "pcma"] = encoding
        self.command_id = command_id

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, AppendAudio)
            and self.pcm == other.pcm
            and self.sample_rate_hz == other.sample_rate_hz
            and self.encoding == other.encoding
        )

    def __hash__(self) -> int:
        return hash((self.pcm, self.sample_rate_hz, self.encoding))

    def __repr__(self) -> str:
        return f"AppendAudio(<audio>, sample_rate_hz={self.sample_rate_hz}, encoding={self.encoding!r})"


class CommitAudio(msgspec.Struct, frozen=True, kw_only=True):
    """Ends the user's turn by hand: the audio appended so far becomes a user item."""

    respond: bool = True
    """Whether a response follows by itself."""
    command_id: str = ""


class ClearAudio(msgspec.Struct, frozen=True, kw_only=True):
    """Throws away the audio that was appended and not yet committed."""

    command_id: str = ""


class SendText(msgspec.Struct, frozen=True):
    """Adds a text item and, unless told otherwise, asks for a response to it.

    A ``CreateResponse()`` that directly follows asks for that same response and is absorbed, never doubled.
    """

    text: str
    role: Literal["system", "user", "assistant"] = msgspec.field(default="user")
    respond: bool = msgspec.field(default=True)
    command_id: str = msgspec.field(default="")


class SendImage(msgspec.Struct, frozen=True):
    """Adds an image item; no response follows by itself."""

    data: bytes | str
    """The image file's bytes, their base64, or a whole ``data:`` URI."""
    media_type: str = "image/jpeg"
    respond: bool = False
    command_id: str = ""


class CreateItem(msgspec.Struct, frozen=True, kw_only=True):
    """Adds any item to the conversation, without a response."""

    item: Item
    previous_item_id: str | None = None
    """Insert after this item; None appends, ``root`` puts it first."""
    command_id: str = ""


class DeleteItem(msgspec.Struct, frozen=True):
    """Removes an item from the conversation."""

    item_id: str
    command_id: str = ""


class RetrieveItem(msgspec.Struct, frozen=True):
    """Asks for an item as the model has it."""

    item_id: str
    command_id: str = ""


class CreateResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for a response now. Fields that are None are taken from the session."""

    instructions: str | None = None
    modality: Modality | None = None
    voice: str | None = None
    tools: tuple[ToolSpec, ...] | None = None
    tool_choice: str | None = None
    max_output_tokens: int | None = None
    metadata: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    input_items: tuple[Item, ...] | None = None
    """Answer these instead of the conversation."""
    is_out_of_band: bool = False
    """True keeps the response out of the conversation; such responses may run beside the active one."""
    extra: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    command_id: str = ""


class CancelResponse(msgspec.Struct, frozen=True):
    """Cancels a response; the active one when none is named."""

    response_id: str | None = None
    command_id: str = ""


class TruncateItem(msgspec.Struct, frozen=True):
    """Cuts an assistant item to the audio that was really heard."""

    item_id: str
    audio_end_ms: int
    """Milliseconds of this content part that the listener heard; 0 removes the item."""
    content_index: int = 0
    command_id: str = ""


class SendToolResult(msgspec.Struct, frozen=True):
    """Answers a function call; when no other call of that response is open, asks for the next response."""

    call_id: str
    output: str
    respond: bool = True
    command_id: str = ""


class UpdateSession(SessionChange, frozen=True, kw_only=True):
    """Changes the session; only the fields that are set."""

    command_id: str = ""


Command: TypeAlias = (
    AppendAudio
    | CommitAudio
    | ClearAudio
    | SendText
    | SendImage
    | CreateItem
    | DeleteItem
    | RetrieveItem
    | CreateResponse
    | CancelResponse
    | TruncateItem
    | SendToolResult
    | UpdateSession
)
