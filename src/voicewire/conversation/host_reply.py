"""The host's reply side: responses from their start to their one end, and the items they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from voicewire.conversation.heard import Stretch, WordSpan
from voicewire.conversation.host_core import HostCore
from voicewire.conversation.orders import StartResponse, StopGeneration
from voicewire.conversation.responses import Response, ResponseSequencer
from voicewire.conversation.tools import ToolCall
from voicewire.events.commands import CreateResponse
from voicewire.events.items import ContentPart, Item
from voicewire.events.model import (
    ModelItemAddedEvent,
    ModelItemDoneEvent,
    ModelResponseAudioDeltaEvent,
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
from voicewire.events.session import SessionConfig


@dataclass(slots=True, eq=False)
class Reply(Response):
    """A response while it is being made."""

    config: SessionConfig = field(kw_only=True)
    message: Item | None = None
    """Its message item; opened by the first text or audio."""
    stretch: Stretch | None = None
    text: list[str] = field(default_factory=list[str])
    has_audio: bool = False
    output: list[Item] = field(default_factory=list[Item])
    """Its items in the order they were opened; the last version of each that is done."""
    usage: TokenUsage = TokenUsage()

    @property
    def is_audio(self) -> bool:
        """Whether it answers with audio (and its transcript)."""
        return self.config.modality == "audio"


class ReplySide:
    """Makes responses; ``Floor`` says when they start and stop."""

    def __init__(self, core: HostCore) -> None:
        self._core = core
        self._sequencer: ResponseSequencer[Reply] = ResponseSequencer()
        self._by_generation: dict[int, Reply] = {}
        self._last_generation = 0

    @property
    def active(self) -> Reply | None:
        """The active response, None when there is none."""
        return self._sequencer.active

    @property
    def open(self) -> tuple[Reply, ...]:
        """All open responses, oldest first."""
        return self._sequencer.open

    def get(self, generation: int) -> Reply | None:
        """The open response of a generation; None when its facts do not count any more."""
        return self._by_generation.get(generation)

    def named(self, response_id: str) -> Reply | None:
        """The open response of this id."""
        return self._sequencer.get(response_id)

    # ------------------------------------------------------------------ the start

    def start(self, params: CreateResponse, config: SessionConfig, history: tuple[Item, ...]) -> Reply:
        """Begins a response; the caller has seen to it that none is active, or that it is out of band."""
        self._last_generation += 1
        overrides: dict[str, Any] = {
            name: value
            for name in ("instructions", "modality", "voice", "tools", "tool_choice", "max_output_tokens")
            if (value := getattr(params, name)) is not None
        }
        reply = Reply(
            response_id=self._core.ids("resp"),
            generation=self._last_generation,
            is_out_of_band=params.is_out_of_band,
            metadata=params.metadata,
            config=msgspec.structs.replace(config, **overrides) if overrides else config,
        )
        self._sequencer.begin(reply)
        self._by_generation[reply.generation] = reply
        self._core.emit(
            ModelResponseCreatedEvent(
                response_id=reply.response_id, is_out_of_band=reply.is_out_of_band, metadata=reply.metadata
            )
        )
        self._core.emit(
            StartResponse(
                generation=reply.generation,
                response_id=reply.response_id,
                config=reply.config,
                params=params,
                history=history,
            )
        )
        return reply

    # ------------------------------------------------------------------ facts

    def text(self, generation: int, delta: str, start_sample: int | None) -> None:
        """See ``ConversationHost.response_text``."""
        reply = self._by_generation.get(generation)
        if reply is None or not delta:
            return
        item = self._message(reply)
        reply.text.append(delta)
        if not reply.is_audio:
            self._core.emit(
                ModelResponseTextDeltaEvent(response_id=reply.response_id, item_id=item.id, delta=delta)
            )
            return
        stretch = self._stretch(reply, item, 0)
        stretch.add_text(delta, start_sample)
        self._core.emit(
            ModelResponseAudioTranscriptDeltaEvent(
                response_id=reply.response_id,
                item_id=item.id,
                delta=delta,
                audio_start_ms=None if start_sample is None else stretch.ms_of(start_sample),
            )
        )

    def audio(self, generation: int, pcm: bytes, words: Sequence[WordSpan], now_ms: int) -> None:
        """See ``ConversationHost.response_audio``."""
        reply = self._by_generation.get(generation)
        if reply is None or not reply.is_audio:
            return
        output_format = reply.config.output_format
        item = self._message(reply)
        stretch = self._stretch(reply, item, now_ms)
        if not reply.has_audio:
            reply.has_audio = True
            stretch.first_ms = now_ms
            self._core.has_spoken = True
        stretch.words.extend(words)
        if not pcm:
            return
        stretch.generated += len(pcm) // (2 if output_format.type == "audio/pcm" else 1)
        stretch.sent = stretch.generated
        self._core.emit(
            ModelResponseAudioDeltaEvent(
                response_id=reply.response_id, item_id=item.id, format=output_format, pcm=pcm
            )
        )

    def tool_call(self, generation: int, name: str, arguments: str, call_id: str | None) -> None:
        """See ``ConversationHost.response_tool_call``."""
        reply = self._by_generation.get(generation)
        if reply is None:
            return
        core = self._core
        item = Item(
            id=core.ids("item"),
            kind="function_call",
            status="in_progress",
            call_id=call_id or core.ids("call"),
            name=name,
            arguments="",
        )
        use: ToolUseBlock = {"type": "tool_use", "id": item.call_id or "", "name": name, "input": {}}
        self._open_item(reply, item)
        growing: ToolUseBlock = {**use, "raw_input": arguments}
        done: ToolUseBlock = {**growing, "input": parsed_arguments(arguments)}
        core.emit(
            ModelResponseToolUseDeltaEvent(
                response_id=reply.response_id, item_id=item.id, tool_use=growing, delta=arguments
            )
        )
        core.emit(
            ModelResponseToolUseDoneEvent(response_id=reply.response_id, item_id=item.id, tool_use=done)
        )
        if not reply.is_out_of_band:
            core.tools.opened(ToolCall(item.call_id or "", name, reply.response_id))
        self._close_item(reply, msgspec.structs.replace(item, status="completed", arguments=arguments))

    def usage(self, generation: int, usage: TokenUsage) -> None:
        """See ``ConversationHost.response_usage``."""
        reply = self._by_generation.get(generation)
        if reply is not None:
            reply.usage = usage

    # ------------------------------------------------------------------ the end

    def cancel(self, reply: Reply, reason: str) -> None:
        """Stops a response on somebody's order."""
        self._core.emit(StopGeneration(generation=reply.generation, response_id=reply.response_id))
        self.end(reply, "cancelled", reason, "")

    def cut_off(self, reply: Reply, reason: str, message: str) -> None:
        """Stops a response because the session died under it."""
        self._core.emit(StopGeneration(generation=reply.generation, response_id=reply.response_id))
        self.end(reply, "failed", reason, message)

    def end(self, reply: Reply, status: ResponseStatus, reason: str, message: str) -> None:
        """Closes the items of a response, then emits its one terminal event."""
        self._close_message(reply, status)
        del self._by_generation[reply.generation]
        self._sequencer.finish(reply.response_id)
        usage = reply.usage
        self._core.emit(
            ModelResponseDoneEvent(
                response_id=reply.response_id,
                input_tokens=usage.input_text_tokens + usage.input_audio_tokens + usage.input_image_tokens,
                output_tokens=usage.output_text_tokens + usage.output_audio_tokens,
                metadata=reply.metadata,
                status=status,
                reason=reason,
                message=message,
                usage=usage,
                output=tuple(reply.output),
            )
        )

    # ------------------------------------------------------------------ items of a response

    def _message(self, reply: Reply) -> Item:
        if reply.message is None:
            reply.message = Item(id=self._core.ids("item"), role="assistant", status="in_progress")
            self._open_item(reply, reply.message)
        return reply.message

    def _stretch(self, reply: Reply, item: Item, now_ms: int) -> Stretch:
        if reply.stretch is None:
            rate_hz, generation = reply.config.output_format.rate, reply.generation
            if reply.is_out_of_band:
                reply.stretch = Stretch(item.id, 0, generation=generation, rate_hz=rate_hz, first_ms=now_ms)
            else:
                reply.stretch = self._core.ledger.begin(
                    item.id, 0, generation=generation, rate_hz=rate_hz, now_ms=now_ms
                )
        return reply.stretch

    def _close_message(self, reply: Reply, status: ResponseStatus) -> None:
        item = reply.message
        if item is None:
            return
        text = "".join(reply.text)
        self._close_parts(reply, item.id, text)
        part = ContentPart(kind="audio" if reply.is_audio else "text", text=text)
        item_status = "completed" if status == "completed" else "incomplete"
        item = msgspec.structs.replace(item, status=item_status, content=(part,))
        self._close_item(reply, item)
        stretch = reply.stretch
        if stretch is None or reply.is_out_of_band:
            return
        stretch.end(is_complete=status in ("completed", "incomplete"))
        if stretch.cut is not None and not stretch.is_estimated:
            self._core.keep_heard(item)

    def _close_parts(self, reply: Reply, item_id: str, text: str) -> None:
        response_id, emit = reply.response_id, self._core.emit
        if not reply.is_audio:
            emit(ModelResponseTextDoneEvent(response_id=response_id, item_id=item_id, text=text))
            return
        if reply.has_audio:
            emit(ModelResponseAudioDoneEvent(response_id=response_id, item_id=item_id))
        emit(ModelResponseAudioTranscriptDoneEvent(response_id=response_id, item_id=item_id, transcript=text))

    def _open_item(self, reply: Reply, item: Item) -> None:
        reply.output.append(item)
        if reply.is_out_of_band:
            self._core.emit(ModelItemAddedEvent(item=item, response_id=reply.response_id))
        else:
            self._core.add_item(item, response_id=reply.response_id)

    def _close_item(self, reply: Reply, item: Item) -> None:
        reply.output = [item if old.id == item.id else old for old in reply.output]
        if reply.is_out_of_band:
            self._core.emit(ModelItemDoneEvent(item=item, response_id=reply.response_id))
        else:
            self._core.finish_item(item, response_id=reply.response_id)

    def verify(self) -> None:
        """Asserts invariants 1 and 4 for the responses."""
        self._sequencer.verify()
        assert {reply.response_id for reply in self._by_generation.values()} == {
            response.response_id for response in self._sequencer.open
        }
        making = {item.id for reply in self._by_generation.values() for item in reply.output}
        assert all(item.id in making for item in self._core.items if item.status == "in_progress")


def parsed_arguments(arguments: str) -> dict[str, Any]:
    """The arguments of a call as data; empty when they are not a JSON object."""
    try:
        value = cast("object", msgspec.json.decode(arguments))
    except msgspec.DecodeError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
