"""The host's desk: every command goes to the part that does it."""

from __future__ import annotations

from base64 import b64encode

import msgspec
from typing_extensions import assert_never

from voicewire.conversation.host_core import HostCore
from voicewire.conversation.host_floor import Floor
from voicewire.conversation.host_input import InputSide
from voicewire.conversation.items import ROOT
from voicewire.conversation.orders import ApplyConfig
from voicewire.conversation.tools import ToolCall
from voicewire.events.commands import (
    AppendAudio,
    CancelResponse,
    ClearAudio,
    Command,
    CommitAudio,
    CreateItem,
    CreateResponse,
    DeleteItem,
    RetrieveItem,
    SendImage,
    SendText,
    SendToolResult,
    TruncateItem,
    UpdateSession,
)
from voicewire.events.items import ContentPart, Item
from voicewire.events.model import ModelItemRetrievedEvent, ModelSessionUpdatedEvent


class CommandDesk:
    """Reads commands; what a command does wrong becomes an error event that names it."""

    def __init__(self, core: HostCore, inputs: InputSide, floor: Floor) -> None:
        self._core = core
        self._input = inputs
        self._floor = floor
        self._append_remainder = 0

    def receive(self, command: Command, now_ms: int) -> None:
        """Takes one command; nothing happens after the session's end."""
        if self._core.is_closed:
            return
        if isinstance(command, AppendAudio):
            self._append(command)
            return
        if isinstance(command, CreateResponse):
            if not self._floor.rule.absorb(command):
                self._floor.rule.other_command()
                self._floor.create(command)
            return
        self._floor.rule.other_command()
        match command:
            case CommitAudio(respond=respond, command_id=command_id):
                self._input.commit_by_hand(respond=respond, command_id=command_id)
            case ClearAudio():
                self._input.clear()
            case SendText():
                part = ContentPart(kind="text", text=command.text)
                self._say(Item(id="", role=command.role, content=(part,)), command.respond)
            case SendImage():
                part = ContentPart(kind="image", image_url=data_uri(command.data, command.media_type))
                self._say(Item(id="", role="user", content=(part,)), command.respond)
            case CreateItem():
                self._create_item(command)
            case DeleteItem():
                self._delete(command)
            case RetrieveItem():
                self._retrieve(command)
            case CancelResponse():
                self._floor.cancel_by_client(command, now_ms)
            case TruncateItem():
                self._floor.truncate(command)
            case SendToolResult():
                self._tool_result(command)
            case UpdateSession():
                self._update(command)
            case _:
                assert_never(command)

    def _append(self, command: AppendAudio) -> None:
        n_bytes = len(command.pcm)
        samples = n_bytes // 2 if command.encoding == "pcm16" else n_bytes
        scaled = samples * self._input.rate_hz + self._append_remainder
        whole, self._append_remainder = divmod(scaled, command.sample_rate_hz)
        self._input.appended(whole)

    def _say(self, item: Item, respond: bool) -> None:
        self._core.add_item(msgspec.structs.replace(item, id=self._core.ids("item")))
        if respond:
            self._floor.ask()

    def _create_item(self, command: CreateItem) -> None:
        core, item, after = self._core, command.item, command.previous_item_id
        if item.id and item.id in core.items:
            message = f"Error adding item: an item with id '{item.id}' already exists."
            core.error("item_create_invalid_item_id", message, command.command_id, param="item.id")
            return
        if after is not None and after != ROOT and after not in core.items:
            message = f"Error adding item: the previous item with id '{after}' does not exist."
            core.error(
                "item_create_invalid_previous_item_id", message, command.command_id, param="previous_item_id"
            )
            return
        item = msgspec.structs.replace(item, id=item.id or core.ids("item"), status="completed")
        if item.kind == "function_call_output":
            if self._accept_result(item.call_id or "", command.command_id) is not None:
                core.add_item(item, after=after)
                self._floor.tool_result_accepted(ToolCall(item.call_id or "", "", ""), respond=False)
            return
        if item.kind == "function_call":
            item = msgspec.structs.replace(item, call_id=item.call_id or core.ids("call"))
            if not core.tools.opened(ToolCall(item.call_id or "", item.name or "", "")):
                message = f"the call_id {item.call_id!r} is taken; every call has its own"
                core.error("invalid_value", message, command.command_id, param="item.call_id")
                return
        core.add_item(item, after=after)

    def _accept_result(self, call_id: str, command_id: str) -> ToolCall | None:
        call = self._core.tools.answered(call_id)
        if call is None:
            state = (
                "has its result already"
                if self._core.tools.is_answered(call_id)
                else "not found in conversation"
            )
            self._core.error(
                "invalid_tool_call_id", f"Tool call ID '{call_id}' {state}.", command_id, param="call_id"
            )
        return call

    def _tool_result(self, command: SendToolResult) -> None:
        call = self._accept_result(command.call_id, command.command_id)
        if call is None:
            return
        item_id = self._core.ids("item")
        self._core.add_item(
            Item(id=item_id, kind="function_call_output", call_id=command.call_id, output=command.output)
        )
        self._floor.tool_result_accepted(call, respond=command.respond)

    def _delete(self, command: DeleteItem) -> None:
        core, item_id = self._core, command.item_id
        item = core.items.get(item_id)
        if item is None or item.status == "in_progress":
            state = "does not exist" if item is None else "is still being made; cancel its response first"
            message = f"Error deleting item: the item with id '{item_id}' {state}."
            core.error("item_delete_invalid_item_id", message, command.command_id, param="item_id")
            return
        core.remove_item(item_id)
        self._input.item_deleted(item_id)
        if item.kind == "function_call":
            core.tools.forget(item.call_id or "")
        elif item.kind == "function_call_output":
            core.tools.reopened(item.call_id or "")

    def _retrieve(self, command: RetrieveItem) -> None:
        item = self._core.items.get(command.item_id)
        if item is None:
            message = f"Error retrieving item: the item with id '{command.item_id}' does not exist."
            self._core.error("item_retrieve_invalid_item_id", message, command.command_id, param="item_id")
            return
        self._core.emit(ModelItemRetrievedEvent(item=item))

    def _update(self, command: UpdateSession) -> None:
        core = self._core
        changed = core.config.updated(command)
        if core.has_spoken and changed.voice != core.config.voice:
            message = (
                "Cannot update a conversation's voice if assistant audio is present; "
                f"it stays {core.config.voice!r}."
            )
            core.error("cannot_update_voice", message, command.command_id, param="session.voice")
            return
        core.config = changed
        core.emit(
            ModelSessionUpdatedEvent(
                session_id=core.session_id, config=changed, command_id=command.command_id
            )
        )
        core.emit(ApplyConfig(config=changed))


def data_uri(data: bytes | str, media_type: str) -> str:
    """An image as a data URI, from its bytes, their base64, or a URI that is passed on."""
    if isinstance(data, bytes):
        data = b64encode(data).decode()
    return data if data.startswith("data:") else f"data:{media_type};base64,{data}"
