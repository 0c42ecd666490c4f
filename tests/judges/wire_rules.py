"""The order that the OpenAI wire promises, checked on every server event that a judge receives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class _Response:
    is_done: bool = False
    open_items: set[str] = field(default_factory=set[str])
    done_items: set[str] = field(default_factory=set[str])
    text_by_part: dict[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])


@dataclass(slots=True)
class WireRules:
    """Rules that hold for every session; ``observe`` fails at the first event that breaks one."""

    event_ids: set[str] = field(default_factory=set[str])
    item_ids: set[str] = field(default_factory=set[str])
    responses: dict[str, _Response] = field(default_factory=dict[str, _Response])
    active_id: str | None = None
    is_speaking: bool = False

    def observe(self, event: dict[str, Any]) -> None:
        """Takes the next event of the session.

        Raises:
            AssertionError: The event breaks a rule of the wire.
        """
        kind: str = event["type"]
        assert self.event_ids or kind in ("session.created", "error"), f"the first event is {kind}"
        assert event["event_id"] not in self.event_ids, f"event_id {event['event_id']!r} came twice"
        self.event_ids.add(event["event_id"])
        if kind == "response.created":
            self._created(event["response"])
        elif kind == "response.done":
            self._done(event["response"])
        elif kind.startswith("response."):
            self._inside(kind, event)
        elif kind == "conversation.item.added":
            item_id = event["item"]["id"]
            assert item_id not in self.item_ids, f"item {item_id!r} was added twice"
            self.item_ids.add(item_id)
        elif kind in ("conversation.item.done", "conversation.item.truncated", "conversation.item.deleted"):
            item_id = event["item"]["id"] if "item" in event else event["item_id"]
            assert item_id in self.item_ids, f"{kind} of item {item_id!r} that was never added"
        elif kind.startswith("input_audio_buffer.speech_"):
            starts = kind.endswith("started")
            assert starts is not self.is_speaking, "speech_started and speech_stopped do not alternate"
            self.is_speaking = starts

    def finished(self) -> None:
        """Called at a quiet point: nothing may be open."""
        assert self.active_id is None, f"response {self.active_id!r} has no response.done"

    def _created(self, response: dict[str, Any]) -> None:
        response_id = response["id"]
        assert response_id not in self.responses, f"response {response_id!r} was created twice"
        assert response["status"] == "in_progress"
        assert response.get("usage") is None
        self.responses[response_id] = _Response()
        if response.get("conversation_id") is not None:
            assert self.active_id is None, f"{response_id!r} begins while {self.active_id!r} is active"
            self.active_id = response_id

    def _done(self, response: dict[str, Any]) -> None:
        state = self.responses[response["id"]]
        assert not state.is_done, f"response {response['id']!r} is done twice"
        assert response["status"] in ("completed", "cancelled", "incomplete", "failed")
        assert not state.open_items, f"items {state.open_items} have no output_item.done"
        assert {item["id"] for item in response["output"]} == state.done_items
        state.is_done = True
        if self.active_id == response["id"]:
            self.active_id = None

    def _inside(self, kind: str, event: dict[str, Any]) -> None:
        state = self.responses[event["response_id"]]
        assert not state.is_done, f"{kind} after the end of {event['response_id']!r}"
        if kind == "response.output_item.added":
            assert event["output_index"] == len(state.open_items | state.done_items)
            state.open_items.add(event["item"]["id"])
            return
        if kind == "response.output_item.done":
            state.open_items.remove(event["item"]["id"])
            state.done_items.add(event["item"]["id"])
            return
        assert event["item_id"] in state.open_items, f"{kind} of an item that is not open"
        part = (event["item_id"], event.get("content_index", -1))
        if kind.endswith(("text.delta", "transcript.delta", "arguments.delta")):
            state.text_by_part[part] = state.text_by_part.get(part, "") + event["delta"]
        elif kind.endswith(("text.done", "transcript.done", "arguments.done")):
            whole = event.get("text", event.get("transcript", event.get("arguments")))
            assert whole == state.text_by_part.get(part, ""), f"{kind}: the deltas do not make the whole"
