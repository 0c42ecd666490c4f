"""Messages of the beta wire, as the seeds' clients say them, in today's wire; and back. Pure."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from voicewire.events.session import SessionConfig
from voicewire.protocols.openai.dialect_beta import BETA
from voicewire.protocols.openai.flat import FLAT_NAMES, item_to_flat
from voicewire.protocols.openai.flat_requests import FlatRequests
from voicewire.protocols.openai.flat_session import flat_path, response_to_flat
from voicewire.protocols.openai.flat_view import SessionView

Json = dict[str, Any]

_WITH_ITEM: Final = frozenset(
    {
        "conversation.item.added",
        "conversation.item.retrieved",
        "response.output_item.added",
        "response.output_item.done",
    }
)
CHANGED: Final = _WITH_ITEM | {
    "session.created",
    "session.updated",
    "response.created",
    "response.done",
    "error",
    "response.content_part.added",
    "response.content_part.done",
}
"""Events of today's wire whose content differs, not only their name."""
_HIDDEN: Final = frozenset({"conversation.item.done"})
"""Events that the beta does not have and that say nothing new."""
_PART_NAMES: Final = {"output_text": "text", "output_audio": "audio"}


class Translator:
    """Says one client's messages in today's wire and reads what comes back. Keeps the session as the client sees it."""

    def __init__(self) -> None:
        self._requests = FlatRequests(BETA, frozenset())
        self._view = SessionView(BETA)
        self._config = SessionConfig()
        self._turn_detection_is_off = False

    def outgoing(self, message: Json) -> list[Json]:
        """The events of today's wire that say the same, in order.

        Raises:
            FlatFault: The message asks for what today's wire does not have.
        """
        kind = message.get("type")
        if kind == "input_audio_buffer.append":
            self._requests.appended()
            return [message]
        if kind == "session.update":
            self._note_turn_detection(message)
        request = self._requests.read(message, self._config)
        if request.asked:
            self._view.asked(str(message.get("event_id") or ""), request.asked)
        return request.events

    def incoming(self, event: Json) -> Json | None:
        """A server event of today's wire as the client knows it; None for one that the beta lacks."""
        name = str(event.get("type", ""))
        if name in _HIDDEN:
            return None
        event = {**event, "type": FLAT_NAMES.get(name, name)}
        if name in _WITH_ITEM:
            event["item"] = item_to_flat(cast("Json", event.get("item") or {}))
        elif name in ("response.created", "response.done"):
            response = cast("Json", event.get("response") or {})
            event["response"] = response_to_flat(response, BETA, self._view.temperature)
            self._view.dress_response(event["response"])
        elif name in ("session.created", "session.updated"):
            if name == "session.updated":
                self._view.confirmed()
            event["session"] = self._view.shown(cast("Json", event.get("session") or {}))
        elif name == "error":
            event["error"] = self._error(cast("Json", event.get("error") or {}))
        elif name in ("response.content_part.added", "response.content_part.done"):
            event["part"] = _flat_part(cast("Json", event.get("part") or {}))
        return event

    def _error(self, error: Json) -> Json:
        self._view.refused(str(error.get("event_id") or ""))
        changed = {
            key: flat_path(error[key]) for key in ("message", "param") if isinstance(error.get(key), str)
        }
        return {**error, **changed}

    def _note_turn_detection(self, message: Json) -> None:
        """``response.create`` with ``commit`` commits by itself where turns are ended by hand."""
        session = message.get("session")
        if isinstance(session, dict) and "turn_detection" in session:
            turns: Any = cast("Json", session)["turn_detection"]
            is_off = turns is None or (isinstance(turns, dict) and cast("Json", turns).get("type") == "none")
            if is_off:
                self._config = msgspec.structs.replace(self._config, turn_detection=None)
            else:
                self._config = SessionConfig()


def _flat_part(part: Json) -> Json:
    kind = part.get("type")
    return {**part, "type": _PART_NAMES.get(kind, kind)} if isinstance(kind, str) else part
