"""Tool calls in flight: none is ever left without a result."""

from __future__ import annotations

from dataclasses import dataclass

from voicewire.events.items import Item

CANCELLED_OUTPUT = '{"status":"cancelled","reason":"the call was interrupted before it gave a result"}'
"""The explicit result of an interrupted call."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One function call of the model."""

    call_id: str
    name: str
    response_id: str
    """The response that made it; empty when the application put it into the history."""


def cancelled_result(call: Item) -> Item:
    """The output item of an interrupted call."""
    return Item(
        id=f"{call.id}.cancelled", kind="function_call_output", call_id=call.call_id, output=CANCELLED_OUTPUT
    )


class ToolLedger:
    """Every call and whether it has its result."""

    def __init__(self) -> None:
        self._open: dict[str, ToolCall] = {}
        self._answered: set[str] = set()

    def opened(self, call: ToolCall) -> bool:
        """A call was made; False when there was one of this id before."""
        if call.call_id in self._open or call.call_id in self._answered:
            return False
        self._open[call.call_id] = call
        return True

    def answered(self, call_id: str) -> ToolCall | None:
        """A result has come; None when no call of this id is open, so that the result counts for nothing."""
        call = self._open.pop(call_id, None)
        if call is not None:
            self._answered.add(call_id)
        return call

    def reopened(self, call_id: str) -> None:
        """The result was deleted from the history: the call may be answered again."""
        if call_id in self._answered:
            self._answered.discard(call_id)
            self._open[call_id] = ToolCall(call_id, "", "")

    def forget(self, call_id: str) -> None:
        """The call was deleted from the history."""
        self._open.pop(call_id, None)
        self._answered.discard(call_id)

    def is_answered(self, call_id: str) -> bool:
        """Whether the call has its result."""
        return call_id in self._answered

    @property
    def open_calls(self) -> tuple[ToolCall, ...]:
        """Calls that wait for their result, oldest first."""
        return tuple(self._open.values())

    def open_of(self, response_id: str) -> tuple[ToolCall, ...]:
        """The open calls of one response."""
        return tuple(call for call in self._open.values() if call.response_id == response_id)
