"""Items, content parts and calls of a response, as the server side of the OpenAI wire tells of them."""

from __future__ import annotations

from typing import Any

import msgspec

from voicewire.events.items import Item
from voicewire.events.model import ToolUseBlock
from voicewire.protocols.openai import wire_server as wire
from voicewire.protocols.openai.server_frames import FrameWriter
from voicewire.protocols.openai.server_state import (
    OpenResponse,
    OutputItem,
    Part,
    PartKind,
    part_content,
)
from voicewire.protocols.openai.wire_items import item_to_server_event


class ItemTeller:
    """Frames of what responses make. Whatever a model leaves out is supplied, so that the order always holds.

    Args:
        writer: Makes the frames.
    """

    def __init__(self, writer: FrameWriter) -> None:
        self._writer = writer

    def begin(
        self, response: OpenResponse, item: Item, previous_item_id: str | None
    ) -> tuple[OutputItem, list[str]]:
        """An item begins: with nothing in it, whatever the model put there already."""
        empty = msgspec.structs.replace(
            item,
            status="in_progress",
            content=(),
            arguments="" if item.kind == "function_call" else item.arguments,
        )
        output = OutputItem(empty, len(response.items), previous_item_id)
        response.items[item.id] = output
        told = item_to_server_event(empty)
        writer = self._writer
        frames = [
            writer.frame(
                wire.OutputItemAdded(
                    event_id=writer.new_id(),
                    response_id=response.response_id,
                    output_index=output.index,
                    item=told,
                )
            )
        ]
        if not response.is_out_of_band:
            frames.append(
                writer.frame(
                    wire.ConversationItemAdded(
                        event_id=writer.new_id(), previous_item_id=previous_item_id, item=told
                    )
                )
            )
        return output, frames

    def finish(self, response: OpenResponse, output: OutputItem, item: Item) -> list[str]:
        """An item ends; whatever of it is open ends first."""
        if output.is_done:
            return []
        frames = self._finish_parts(response, output, item)
        output.is_done = True
        output.item = item
        told = item_to_server_event(item)
        writer = self._writer
        if not response.is_out_of_band:
            frames.append(
                writer.frame(
                    wire.ConversationItemDone(
                        event_id=writer.new_id(), previous_item_id=output.previous_item_id, item=told
                    )
                )
            )
        frames.append(
            writer.frame(
                wire.OutputItemDone(
                    event_id=writer.new_id(),
                    response_id=response.response_id,
                    output_index=output.index,
                    item=told,
                )
            )
        )
        return frames

    def _finish_parts(self, response: OpenResponse, output: OutputItem, item: Item) -> list[str]:
        """Opens the parts that no delta announced, and closes all that are open."""
        frames: list[str] = []
        if item.kind == "message":
            for index, content in enumerate(item.content):
                if index not in output.parts and content.kind != "image":
                    part, opened = self.part(response, output, index, content.kind)
                    frames += opened
                    part.text.append(content.text)
        for index, part in output.parts.items():
            if part.has_audio and not part.is_audio_done:
                frames.append(self.audio_done(response, output, index, part))
            part.is_text_done = True
            frames += self.part_done(response, output, index, part)
        if item.kind == "function_call" and not output.is_call_done and item.status == "completed":
            use: ToolUseBlock = {
                "type": "tool_use",
                "id": item.call_id or "",
                "name": item.name or "",
                "input": {},
                "raw_input": item.arguments or "",
            }
            frames += self.call_done(response, output, use)
        return frames

    def message(self, response: OpenResponse, item_id: str) -> tuple[OutputItem, list[str]]:
        """The message that a piece belongs to, announced if the model did not."""
        output = response.items.get(item_id)
        if output is not None:
            return output, []
        item = Item(id=item_id, role="assistant", status="in_progress")
        return self.begin(response, item, None)

    def part(
        self, response: OpenResponse, output: OutputItem, index: int, kind: PartKind
    ) -> tuple[Part, list[str]]:
        """A content part, opened if this is its first piece."""
        part = output.parts.get(index)
        if part is not None:
            return part, []
        part = output.parts[index] = Part(kind)
        frame = wire.ContentPartAdded(
            event_id=self._writer.new_id(),
            response_id=response.response_id,
            item_id=output.item.id,
            output_index=output.index,
            content_index=index,
            part=part_content(part),
        )
        return part, [self._writer.frame(frame)]

    def audio_done(self, response: OpenResponse, output: OutputItem, index: int, part: Part) -> str:
        """The audio of a part ends."""
        part.is_audio_done = True
        self._writer.close_audio()
        return self._writer.frame(
            wire.OutputAudioDone(
                event_id=self._writer.new_id(),
                response_id=response.response_id,
                item_id=output.item.id,
                output_index=output.index,
                content_index=index,
            )
        )

    def part_done(self, response: OpenResponse, output: OutputItem, index: int, part: Part) -> list[str]:
        """The end of a part, once its words and its audio are complete."""
        if part.is_done or not part.is_text_done or (part.has_audio and not part.is_audio_done):
            return []
        part.is_done = True
        writer, words = self._writer, "".join(part.text)
        place: dict[str, Any] = {
            "response_id": response.response_id,
            "item_id": output.item.id,
            "output_index": output.index,
            "content_index": index,
        }
        if part.kind == "text":
            ended: wire.ServerEvent = wire.OutputTextDone(event_id=writer.new_id(), text=words, **place)
        else:
            ended = wire.OutputTranscriptDone(event_id=writer.new_id(), transcript=words, **place)
        closed = wire.ContentPartDone(event_id=writer.new_id(), part=part_content(part), **place)
        return [writer.frame(ended), writer.frame(closed)]

    def call(self, response: OpenResponse, item_id: str, use: ToolUseBlock) -> tuple[OutputItem, list[str]]:
        """The item of a function call, announced if the model did not."""
        output = response.items.get(item_id)
        if output is not None:
            return output, []
        item = Item(
            id=item_id, kind="function_call", status="in_progress", call_id=use["id"], name=use["name"]
        )
        return self.begin(response, item, None)

    def arguments(self, response: OpenResponse, output: OutputItem, use: ToolUseBlock, delta: str) -> str:
        """More of a call's arguments."""
        output.arguments.append(delta)
        return self._writer.frame(
            wire.FunctionArgumentsDelta(
                event_id=self._writer.new_id(),
                response_id=response.response_id,
                item_id=output.item.id,
                output_index=output.index,
                call_id=use["id"],
                delta=delta,
            )
        )

    def call_done(self, response: OpenResponse, output: OutputItem, use: ToolUseBlock) -> list[str]:
        """A function call is complete."""
        if output.is_call_done:
            return []
        output.is_call_done = True
        raw = use.get("raw_input")
        arguments = msgspec.json.encode(use["input"]).decode() if raw is None else raw
        frames: list[str] = []
        if arguments and not output.arguments:
            frames.append(self.arguments(response, output, use, arguments))
        done = wire.FunctionArgumentsDone(
            event_id=self._writer.new_id(),
            response_id=response.response_id,
            item_id=output.item.id,
            output_index=output.index,
            call_id=use["id"],
            name=use["name"],
            arguments=arguments,
        )
        return [*frames, self._writer.frame(done)]
