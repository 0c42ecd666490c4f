"""Responses and the items they make, as a client of the OpenAI wire reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from voicewire.events.base import EventBase
from voicewire.events.items import Item
from voicewire.events.model import (
    ModelItemAddedEvent,
    ModelItemDoneEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
    ModelResponseToolUseDoneEvent,
    ResponseStatus,
)
from voicewire.protocols.openai import wire_response as body_wire
from voicewire.protocols.openai import wire_server as wire
from voicewire.protocols.openai.client_state import (
    OpenItem,
    OpenResponse,
    metadata_of,
    remember,
    token_usage,
    tool_use,
)
from voicewire.protocols.openai.wire_items import item_from_server

Handler = Callable[[Any], "list[EventBase] | None"]
"""Maps one wire event; None means that the frame is to be handed on as it came."""


class ResponseObserver(Protocol):
    """Who has to know when responses begin and end."""

    def response_created(self, response_id: str, *, names_no_conversation: bool) -> bool:
        """A response begins; tells whether it is out of band."""
        ...

    def call_completed(self, response_id: str, call_id: str) -> None:
        """A function call of a response is complete."""
        ...

    def response_done(self, response_id: str) -> None:
        """A response ended."""
        ...


class ResponseReader:
    """The open responses: exactly one terminal event for each, and nothing of it after that.

    Args:
        observer: Is told what happens before the events are returned.
    """

    def __init__(self, observer: ResponseObserver) -> None:
        self.last_item_id: str | None = None
        """The newest item of the conversation."""
        self.made_by: dict[str, str] = {}
        """The response that makes or made an item, by item id."""
        self.announced: dict[str, None] = {}
        """Items whose beginning was reported."""
        self.open: dict[str, OpenResponse] = {}
        """The open responses by id."""
        self._ended: dict[str, None] = {}
        self._observer = observer
        self.handlers: dict[type, Handler] = {
            wire.OutputItemAdded: self._item_added,
            wire.OutputItemDone: self._item_done,
            wire.ResponseCreated: self._created,
            wire.ResponseDone: self._done,
        }

    def find(self, response_id: str, events: list[EventBase]) -> OpenResponse | None:
        """The open response; begun here when its beginning was never said, None when it is over."""
        response = self.open.get(response_id)
        if response is None and response_id not in self._ended:
            response = self._begin(response_id, False, {}, events)
        return response

    def report_call(
        self, response: OpenResponse, item: OpenItem, call_id: str, name: str, events: list[EventBase]
    ) -> None:
        """Reports a complete function call, once."""
        if item.is_call_reported:
            return
        item.is_call_reported = True
        self._observer.call_completed(response.response_id, call_id)
        call = tool_use(call_id, name, "".join(item.arguments), is_complete=True)
        events.append(
            ModelResponseToolUseDoneEvent(
                response_id=response.response_id, item_id=item.item.id, tool_use=call
            )
        )

    def end_all(self, status: ResponseStatus, reason: str, message: str) -> list[EventBase]:
        """The connection is gone: a terminal event for every open response."""
        events: list[EventBase] = []
        for response in list(self.open.values()):
            output = self._end(response, events, is_complete=False)
            events.append(
                ModelResponseDoneEvent(
                    response_id=response.response_id,
                    input_tokens=0,
                    output_tokens=0,
                    metadata=response.metadata,
                    status=status,
                    reason=reason,
                    message=message,
                    output=output,
                )
            )
        return events

    def _item_added(self, event: wire.OutputItemAdded) -> list[EventBase] | None:
        item = item_from_server(event.item)
        if item is None:
            return None
        events: list[EventBase] = []
        response = self.find(event.response_id, events)
        if response is None or item.id in response.items:
            return events
        response.items[item.id] = OpenItem(item)
        previous = None
        if not response.is_out_of_band:
            previous, self.last_item_id = self.last_item_id, item.id
        remember(self.made_by, item.id, response.response_id)
        if item.id not in self.announced:
            remember(self.announced, item.id, None)
            events.append(
                ModelItemAddedEvent(item=item, previous_item_id=previous, response_id=response.response_id)
            )
        return events

    def _item_done(self, event: wire.OutputItemDone) -> list[EventBase] | None:
        said = item_from_server(event.item)
        if said is None:
            return None
        events: list[EventBase] = []
        response = self.find(event.response_id, events)
        if response is not None:
            item = response.items.setdefault(said.id, OpenItem(said))
            self._finish_item(response, item, said, events)
        return events

    def _finish_item(
        self,
        response: OpenResponse,
        item: OpenItem,
        said: Item | None,
        events: list[EventBase],
        *,
        is_complete: bool = True,
    ) -> None:
        if item.is_done:
            return
        finished = item.finish(said, is_complete=is_complete)
        if finished.kind == "function_call" and finished.status == "completed":
            item.arguments[:] = [finished.arguments or ""]
            self.report_call(response, item, finished.call_id or "", finished.name or "", events)
        events.append(ModelItemDoneEvent(item=finished, response_id=response.response_id))

    def _created(self, event: wire.ResponseCreated) -> list[EventBase]:
        body = event.response
        events: list[EventBase] = []
        if body.id not in self.open and body.id not in self._ended:
            self._begin(body.id, body.conversation_id is None, metadata_of(body.metadata), events)
        return events

    def _begin(
        self, response_id: str, names_no_conversation: bool, metadata: dict[str, str], events: list[EventBase]
    ) -> OpenResponse:
        is_out_of_band = self._observer.response_created(
            response_id, names_no_conversation=names_no_conversation
        )
        response = self.open[response_id] = OpenResponse(response_id, is_out_of_band, metadata)
        events.append(
            ModelResponseCreatedEvent(
                response_id=response_id, is_out_of_band=is_out_of_band, metadata=metadata
            )
        )
        return response

    def _done(self, event: wire.ResponseDone) -> list[EventBase]:
        events: list[EventBase] = []
        body = event.response
        response = self.find(body.id, events)
        if response is None:
            return events
        said = [item for item in map(item_from_server, body.output or ()) if item is not None]
        for item in said:
            if (open_item := response.items.get(item.id)) is not None:
                self._finish_item(response, open_item, item, events)
        status, reason, message = _outcome(body)
        made = self._end(response, events, is_complete=status == "completed")
        usage = body.usage if body.usage and body.usage.input_tokens is not None else event.usage
        input_tokens, output_tokens, details = token_usage(usage or None)
        events.append(
            ModelResponseDoneEvent(
                response_id=body.id,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                metadata=metadata_of(body.metadata) or response.metadata,
                status=status,
                reason=reason,
                message=message,
                usage=details,
                output=tuple(said) or made,
            )
        )
        self._observer.response_done(body.id)
        return events

    def _end(self, response: OpenResponse, events: list[EventBase], *, is_complete: bool) -> tuple[Item, ...]:
        """Finishes what is still open of the response and forgets it; gives its items."""
        for item in response.items.values():
            self._finish_item(response, item, None, events, is_complete=is_complete)
        response.is_over = True
        del self.open[response.response_id]
        remember(self._ended, response.response_id, None)
        return tuple(item.item for item in response.items.values())


_STATUSES: dict[str, ResponseStatus] = {
    "completed": "completed",
    "cancelled": "cancelled",
    "incomplete": "incomplete",
    "failed": "failed",
}


def _outcome(body: body_wire.ResponseBody) -> tuple[ResponseStatus, str, str]:
    """Status, reason and message of a finished response."""
    status = _STATUSES.get(body.status or "", "completed")
    details = body.status_details
    if not isinstance(details, body_wire.StatusDetails):
        return status, "", ""
    if error := details.error:
        return status, error.code or error.type or details.reason or "", error.message or ""
    return status, details.reason or "", ""
