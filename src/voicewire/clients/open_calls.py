"""Function calls whose results are still to come."""

from __future__ import annotations

from typing import Any, cast

Json = dict[str, Any]


class OpenCalls:
    """Asks for the response that follows the last result of a response's calls, as seed 004 takes for granted.

    An application that asks for it itself gets one, not two: its ``response.create`` right after is taken as ours.
    """

    def __init__(self) -> None:
        self._response_ids: dict[str, str] = {}
        self._has_asked = False

    def note(self, event: Json) -> None:
        """``response.output_item.done``: it may be a call."""
        item: Json = event.get("item") or {}
        if item.get("type") == "function_call" and isinstance(item.get("call_id"), str):
            self._response_ids[str(item["call_id"])] = str(event.get("response_id", ""))

    def is_last_result(self, message: Json) -> bool:
        """Whether a message that is sent gives the last result that a response waits for."""
        item: object = message.get("item")
        fields = cast("Json", item) if isinstance(item, dict) else {}
        call_id = fields.get("call_id")
        if fields.get("type") != "function_call_output" or not isinstance(call_id, str):
            return False
        response_id = self._response_ids.pop(call_id, None)
        return response_id is not None and response_id not in self._response_ids.values()

    def asked(self) -> None:
        """A response was asked for, for the application."""
        self._has_asked = True

    def begun(self) -> None:
        """A response has begun: what is asked for from now on is another one."""
        self._has_asked = False

    def absorbs(self, message: Json) -> bool:
        """Whether a ``response.create`` asks for what was asked for already."""
        absorbs = self._has_asked and "response" not in message
        if absorbs:
            self._has_asked = False
        return absorbs

    def clear(self) -> None:
        """The connection is over."""
        self._response_ids.clear()
        self._has_asked = False
