"""Results of function calls on their way to the model."""

from __future__ import annotations

from voicewire.conversation.tools import CANCELLED_OUTPUT
from voicewire.events.commands import SendToolResult
from voicewire.events.items import Item
from voicewire.protocols.codec import Frame
from voicewire.protocols.gemini import client_requests as requests
from voicewire.protocols.gemini.client_state import ClientState
from voicewire.protocols.gemini.setup import TOOL_SCHEDULING


def note_result(
    state: ClientState, command: SendToolResult, *, item_id: str = "", is_silent: bool = False
) -> None:
    """Takes a result; it goes out with the next request at the latest. An unknown call is reported as an error.

    Args:
        state: The client's state.
        command: The result; whether it asks for a response is the caller's concern.
        item_id: Id of its item, where the application gave one.
        is_silent: Whether the model is to take it in without a word.
    """
    call_id = command.call_id
    if call_id in state.cancelled_calls:
        return
    call = state.calls.pop(call_id, None)
    if call is None:
        message = f"Tool call ID '{call_id}' not found in conversation."
        state.refuse("invalid_tool_call_id", message, command.command_id, param="call_id")
        return
    name = call.item.name or ""
    schedules: dict[str, str] = state.config.extra.get(TOOL_SCHEDULING) or {}
    scheduling = schedules.get(name)
    default = None if call.is_blocking else "SILENT" if is_silent else scheduling
    state.held_results.append(
        requests.function_response(call_id, name, command.output, default_scheduling=default)
    )
    item_id = item_id or state.ids("item")
    state.add_whole_item(
        Item(id=item_id, kind="function_call_output", call_id=call_id, output=command.output)
    )


def take_results(state: ClientState) -> list[Frame]:
    """The results that wait, as one message; nothing when none does."""
    results, state.held_results = state.held_results, []
    return [requests.results_frame(results)] if results else []


def refuse_call(state: ClientState, call_id: str) -> list[Frame]:
    """A cancelled response calls a function: the model gets an explicit result, so that it does not wait."""
    call = state.cancel_call(call_id)
    if call is None:
        return []
    response = requests.function_response(call_id, call.item.name or "", CANCELLED_OUTPUT)
    return [requests.results_frame([response])]
