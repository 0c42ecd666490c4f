"""The messages that OpenAI's wire and DashScope's have in common, one event each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Final

from voicewire.compat.agentscope.realtime._single_messages import (
    Json,
    SingleMessages,
    error_event,
    object_in,
    text_in,
)
from voicewire.events import ModelEvents as m
from voicewire.events.base import EventBase, MediaFormat
from voicewire.protocols.openai.client_state import tool_use
from voicewire.protocols.openai.flat import FLAT_NAMES


class FlatMessages(SingleMessages):
    """Single messages with a ``type``, in the names of either wire."""

    @cached_property
    def _tool_args_accumulator(self) -> dict[str, str]:
        """Arguments of function calls so far, by the call's id."""
        return {}

    def _event_of(self, fields: Json) -> EventBase | list[EventBase] | None:
        name = str(fields.get("type", ""))
        read = _READERS.get(FLAT_NAMES.get(name, name))
        return None if read is None else read(self, fields)


def _created(model: FlatMessages, fields: Json) -> EventBase:
    model._response_id = text_in(object_in(fields, "response"), "id")
    return m.ModelResponseCreatedEvent(response_id=model._response_id)


def _done(model: FlatMessages, fields: Json) -> EventBase:
    response = object_in(fields, "response")
    usage = object_in(response, "usage")
    response_id, model._response_id = text_in(response, "id") or model._response_id or "", ""
    return m.ModelResponseDoneEvent(
        response_id=response_id,
        input_tokens=int(usage.get("input_tokens") or 0),
        output_tokens=int(usage.get("output_tokens") or 0),
    )


def _audio(model: FlatMessages, fields: Json) -> EventBase | None:
    if not fields.get("delta"):
        return None
    return m.ModelResponseAudioDeltaEvent(
        response_id=model._response_id or "",
        item_id=text_in(fields, "item_id"),
        delta=text_in(fields, "delta"),
        format=MediaFormat("audio/pcm", model.output_sample_rate),
    )


def _words(model: FlatMessages, fields: Json) -> EventBase | None:
    if not fields.get("delta"):
        return None
    return m.ModelResponseAudioTranscriptDeltaEvent(
        response_id=model._response_id or "",
        item_id=text_in(fields, "item_id"),
        delta=text_in(fields, "delta"),
    )


def _arguments(model: FlatMessages, fields: Json) -> EventBase:
    call_id, delta = text_in(fields, "call_id"), text_in(fields, "delta")
    so_far = model._tool_args_accumulator.get(call_id, "") + delta
    model._tool_args_accumulator[call_id] = so_far
    return m.ModelResponseToolUseDeltaEvent(
        response_id=model._response_id or "",
        item_id=text_in(fields, "item_id"),
        tool_use=tool_use(call_id, text_in(fields, "name"), so_far, is_complete=False),
        delta=delta,
    )


def _arguments_done(model: FlatMessages, fields: Json) -> EventBase:
    call_id = text_in(fields, "call_id")
    so_far = model._tool_args_accumulator.pop(call_id, "")
    raw = text_in(fields, "arguments") or so_far
    return m.ModelResponseToolUseDoneEvent(
        response_id=model._response_id or "",
        item_id=text_in(fields, "item_id"),
        tool_use=tool_use(call_id, text_in(fields, "name"), raw, is_complete=True),
    )


def _heard(_: FlatMessages, fields: Json) -> EventBase | None:
    if not fields.get("transcript"):
        return None
    return m.ModelInputTranscriptionDoneEvent(
        transcript=text_in(fields, "transcript"), item_id=text_in(fields, "item_id")
    )


_INPUT: Final = "conversation.item.input_audio_transcription"
_READERS: Final[dict[str, Callable[[FlatMessages, Json], EventBase | None]]] = {
    "session.created": lambda _, fields: m.ModelSessionCreatedEvent(
        session_id=text_in(object_in(fields, "session"), "id")
    ),
    "response.created": _created,
    "response.done": _done,
    "response.audio.delta": _audio,
    "response.audio.done": lambda model, fields: m.ModelResponseAudioDoneEvent(
        response_id=model._response_id or "", item_id=text_in(fields, "item_id")
    ),
    "response.audio_transcript.delta": _words,
    "response.audio_transcript.done": lambda model, fields: m.ModelResponseAudioTranscriptDoneEvent(
        response_id=model._response_id or "", item_id=text_in(fields, "item_id")
    ),
    "response.function_call_arguments.delta": _arguments,
    "response.function_call_arguments.done": _arguments_done,
    f"{_INPUT}.delta": lambda _, fields: m.ModelInputTranscriptionDeltaEvent(
        item_id=text_in(fields, "item_id"), delta=text_in(fields, "delta")
    ),
    f"{_INPUT}.completed": _heard,
    "input_audio_buffer.speech_started": lambda _, fields: m.ModelInputStartedEvent(
        item_id=text_in(fields, "item_id"), audio_start_ms=int(fields.get("audio_start_ms") or 0)
    ),
    "input_audio_buffer.speech_stopped": lambda _, fields: m.ModelInputDoneEvent(
        item_id=text_in(fields, "item_id"), audio_end_ms=int(fields.get("audio_end_ms") or 0)
    ),
    "error": lambda _, fields: error_event(fields, "type"),
}
