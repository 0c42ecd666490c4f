"""Messages that a client of the Gemini Live wire sends, typed, as the server side reads them."""

from __future__ import annotations

from typing import Any

import msgspec


class _Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class Blob(_Message, frozen=True):
    """Bytes with their media type."""

    mime_type: str = ""
    data: str = ""


class HistoryCall(_Message, frozen=True):
    """A function call of the history."""

    id: str = ""
    name: str = ""
    args: dict[str, Any] = {}


class FunctionResponse(_Message, frozen=True):
    """The result of a function call."""

    id: str = ""
    name: str = ""
    response: dict[str, Any] = {}
    scheduling: str = ""
    will_continue: bool = False


class Part(_Message, frozen=True):
    """One part of a turn."""

    text: str | None = None
    thought: bool = False
    inline_data: Blob | None = None
    function_call: HistoryCall | None = None
    function_response: FunctionResponse | None = None


class Content(_Message, frozen=True):
    """One turn."""

    role: str = "user"
    parts: list[Part] = []


class ClientContent(_Message, frozen=True):
    """Turns of the conversation."""

    turns: list[Content] = []
    turn_complete: bool = False


class RealtimeInput(_Message, frozen=True):
    """What is heard and seen right now."""

    audio: Blob | None = None
    video: Blob | None = None
    text: str | None = None
    activity_start: dict[str, Any] | None = None
    activity_end: dict[str, Any] | None = None
    audio_stream_end: bool = False
    media_chunks: list[Blob] = []


class ToolResponse(_Message, frozen=True):
    """Results of function calls."""

    function_responses: list[FunctionResponse] = []


class ContextTools(_Message, frozen=True):
    """The tools of a context update."""

    tools: list[dict[str, Any]] = []


class ContextUpdate(_Message, frozen=True):
    """A change of instructions or tools."""

    system_instruction: dict[str, Any] | str | None = None
    tools: ContextTools | None = None


class ClientMessage(_Message, frozen=True):
    """One message; exactly one of these is set."""

    setup: dict[str, Any] | None = None
    client_content: ClientContent | None = None
    realtime_input: RealtimeInput | None = None
    tool_response: ToolResponse | None = None
    context_update: ContextUpdate | None = None


class _OnlyBlob(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    data: str
    mimeType: str = ""
    mime_type: str = ""


class _OnlyInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    audio: _OnlyBlob


class OnlyAudio(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message with nothing but audio in it, in any spelling of its keys: almost every message of a client."""

    realtimeInput: _OnlyInput | None = None
    realtime_input: _OnlyInput | None = None

    def blob(self) -> tuple[str, str] | None:
        """Media type and base64."""
        found = self.realtimeInput or self.realtime_input
        return None if found is None else (found.audio.mimeType or found.audio.mime_type, found.audio.data)


decode_only_audio = msgspec.json.Decoder(OnlyAudio).decode
"""Reads a message of nothing but audio; raises ``msgspec.DecodeError`` for any other."""
