"""The open response as a client of the Gemini Live wire sees it.

The wire has no ids, items or content parts; these are made here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from voicewire.events.audio_delta import delta_from_wire
from voicewire.events.base import MediaFormat
from voicewire.events.items import ContentPart, Item, ItemStatus
from voicewire.events.model import (
    ModelItemDoneEvent,
    ModelProviderEvent,
    ModelResponseAudioDoneEvent,
    ModelResponseAudioTranscriptDeltaEvent,
    ModelResponseAudioTranscriptDoneEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
    ModelResponseTextDeltaEvent,
    ModelResponseTextDoneEvent,
    ModelResponseToolUseDeltaEvent,
    ModelResponseToolUseDoneEvent,
    ResponseStatus,
    TokenUsage,
    ToolUseBlock,
)
from voicewire.protocols.gemini.client_requests import text_turn
from voicewire.protocols.gemini.client_state import ClientState
from voicewire.protocols.gemini.codes import OUTPUT_RATE_HZ
from voicewire.protocols.gemini.keys import standard_base64
from voicewire.protocols.gemini.wire_server import FunctionCall, ModalityCount, UsageMetadata

_MAX_FORMATS = 16


@dataclass(slots=True)
class OpenResponse:
    """A response that has begun."""

    response_id: str
    metadata: dict[str, str]
    message_id: str = ""
    """Its message item; empty until something is said."""
    audio_index: int = -1
    """Content part of the audio and its words; -1 while there is none."""
    text_index: int = -1
    words: list[str] = field(default_factory=list[str])
    text: list[str] = field(default_factory=list[str])
    has_audio: bool = False
    is_generated: bool = False
    """Everything was generated; the server only waits for the playout."""
    is_audio_done: bool = False
    output: list[Item] = field(default_factory=list[Item])
    usage: UsageMetadata | None = None


class ResponseReader:
    """At most one response is open; every method reports into the shared state."""

    def __init__(self, state: ClientState) -> None:
        self._state = state
        self.open: OpenResponse | None = None
        self._formats: dict[str, MediaFormat | None] = {}

    def begin(self) -> OpenResponse:
        """A response begins; the one that is open goes on if there is one."""
        if self.open is None:
            state = self._state
            self.open = OpenResponse(state.ids("resp"), state.metadata)
            state.metadata = {}
            state.events.append(
                ModelResponseCreatedEvent(response_id=self.open.response_id, metadata=self.open.metadata)
            )
        return self.open

    # ------------------------------------------------------------------ what it says

    def audio(self, response: OpenResponse, mime_type: str, data: str) -> bool:
        """A piece of audio: the hot path. False when the data is something else."""
        try:
            media = self._formats[mime_type]
        except KeyError:
            media = self._note_format(mime_type)
        if media is None:
            return False
        if "-" in data or "_" in data or len(data) & 3:
            data = standard_base64(data)
        if not response.has_audio:
            response.has_audio = True
            if response.audio_index < 0:
                response.audio_index = self._new_part(response)
        self._state.events.append(
            delta_from_wire(response.response_id, response.message_id, media, response.audio_index, data)
        )
        return True

    def words(self, response: OpenResponse, text: str) -> None:
        """More of the words that the audio says."""
        if not text:
            return
        if response.audio_index < 0:
            response.audio_index = self._new_part(response)
            text = text.lstrip() or text
        response.words.append(text)
        self._state.events.append(
            ModelResponseAudioTranscriptDeltaEvent(
                response_id=response.response_id,
                item_id=response.message_id,
                delta=text,
                content_index=response.audio_index,
            )
        )

    def text(self, response: OpenResponse, text: str) -> None:
        """More of a text answer."""
        if not text:
            return
        if response.text_index < 0:
            response.text_index = self._new_part(response)
        response.text.append(text)
        self._state.events.append(
            ModelResponseTextDeltaEvent(
                response_id=response.response_id,
                item_id=response.message_id,
                delta=text,
                content_index=response.text_index,
            )
        )

    def call(self, response: OpenResponse, call: FunctionCall) -> None:
        """A function call, complete."""
        state = self._state
        self._finish_message(response, "completed")
        arguments = msgspec.json.encode(call.args).decode()
        call_id = call.id or state.ids("call")
        item = Item(
            id=state.ids("item"),
            kind="function_call",
            status="in_progress",
            call_id=call_id,
            name=call.name,
            arguments="",
        )
        growing: ToolUseBlock = {
            "type": "tool_use",
            "id": call_id,
            "name": call.name,
            "input": {},
            "raw_input": arguments,
        }
        done: ToolUseBlock = {**growing, "input": call.args}
        names = {"response_id": response.response_id, "item_id": item.id}
        state.add_item(item, response_id=response.response_id)
        state.events.append(ModelResponseToolUseDeltaEvent(**names, tool_use=growing, delta=arguments))
        state.events.append(ModelResponseToolUseDoneEvent(**names, tool_use=done))
        item = msgspec.structs.replace(item, status="completed", arguments=arguments)
        state.events.append(ModelItemDoneEvent(item=item, response_id=response.response_id))
        state.open_call(call_id, item)
        response.output.append(item)

    # ------------------------------------------------------------------ its end

    def generated(self, response: OpenResponse) -> None:
        """Everything was generated: no more audio comes, words still may."""
        response.is_generated = True
        self._finish_audio(response)

    def end(self, status: ResponseStatus, reason: str = "", message: str = "") -> None:
        """The one end of the open response; nothing when none is open."""
        response, self.open = self.open, None
        if response is None:
            return
        self._finish_message(response, "completed" if status == "completed" else "incomplete")
        usage = response.usage or UsageMetadata()
        self._state.events.append(
            ModelResponseDoneEvent(
                response_id=response.response_id,
                input_tokens=usage.prompt_token_count,
                output_tokens=usage.response_token_count,
                metadata=response.metadata,
                status=status,
                reason=reason,
                message=message,
                usage=token_usage(usage),
                output=tuple(response.output),
            )
        )

    def _new_part(self, response: OpenResponse) -> int:
        """The index of a new content part; opens the message with the first."""
        if not response.message_id:
            response.message_id = self._state.ids("item")
            item = Item(id=response.message_id, role="assistant", status="in_progress")
            self._state.add_item(item, response_id=response.response_id)
        return max(response.audio_index, response.text_index) + 1

    def _finish_audio(self, response: OpenResponse) -> None:
        if response.has_audio and not response.is_audio_done:
            response.is_audio_done = True
            self._state.events.append(
                ModelResponseAudioDoneEvent(
                    response_id=response.response_id,
                    item_id=response.message_id,
                    content_index=response.audio_index,
                )
            )

    def _finish_message(self, response: OpenResponse, status: ItemStatus) -> None:
        if not response.message_id:
            return
        state, response_id, item_id = self._state, response.response_id, response.message_id
        self._finish_audio(response)
        parts: dict[int, ContentPart] = {}
        words, text = "".join(response.words), "".join(response.text)
        if response.audio_index >= 0:
            index = response.audio_index
            parts[index] = ContentPart(kind="audio", text=words)
            state.events.append(
                ModelResponseAudioTranscriptDoneEvent(
                    response_id=response_id, item_id=item_id, transcript=words, content_index=index
                )
            )
        if response.text_index >= 0:
            index = response.text_index
            parts[index] = ContentPart(kind="text", text=text)
            state.events.append(
                ModelResponseTextDoneEvent(
                    response_id=response_id, item_id=item_id, text=text, content_index=index
                )
            )
        content = tuple(part for _, part in sorted(parts.items()))
        item = Item(id=item_id, role="assistant", status=status, content=content)
        state.events.append(ModelItemDoneEvent(item=item, response_id=response_id))
        if item.text:
            state.remember(text_turn("assistant", item.text))
        response.output.append(item)
        response.message_id, response.audio_index, response.text_index = "", -1, -1
        response.words, response.text = [], []
        response.has_audio = response.is_audio_done = False

    def _note_format(self, mime_type: str) -> MediaFormat | None:
        media = _media_format(mime_type)
        if len(self._formats) < _MAX_FORMATS:
            self._formats[mime_type] = media
        return media

    def passed(self, name: str, raw: dict[str, object]) -> None:
        """Something that has no common meaning, handed on."""
        self._state.events.append(ModelProviderEvent(name=name, raw=raw))


def _media_format(mime_type: str) -> MediaFormat | None:
    """The format of ``audio/pcm;rate=24000``; None for what is not PCM audio."""
    name, *parameters = (part.strip().lower() for part in mime_type.split(";"))
    if name not in ("audio/pcm", "audio/l16"):
        return None
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "rate" and value.strip().isdecimal() and 0 < int(value[:9]) <= 192_000:
            return MediaFormat("audio/pcm", int(value[:9]))
    return MediaFormat("audio/pcm", OUTPUT_RATE_HZ)


def token_usage(usage: UsageMetadata) -> TokenUsage:
    """Token counts by kind; what the details leave out is counted as text."""
    prompt, reply = _by_kind(usage.prompt_tokens_details), _by_kind(usage.response_tokens_details)
    seen = prompt.get("AUDIO", 0) + prompt.get("IMAGE", 0) + prompt.get("VIDEO", 0)
    return TokenUsage(
        input_text_tokens=max(0, usage.prompt_token_count - seen),
        input_audio_tokens=prompt.get("AUDIO", 0),
        input_image_tokens=prompt.get("IMAGE", 0) + prompt.get("VIDEO", 0),
        cached_tokens=usage.cached_content_token_count,
        output_text_tokens=max(0, usage.response_token_count - reply.get("AUDIO", 0)),
        output_audio_tokens=reply.get("AUDIO", 0),
    )


def _by_kind(details: list[ModalityCount]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for detail in details:
        counts[detail.modality] = counts.get(detail.modality, 0) + detail.token_count
    return counts
