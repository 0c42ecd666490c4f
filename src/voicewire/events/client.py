"""Client events: what a front end asks of a back end (seed 002)."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, ClassVar, cast

import msgspec

from voicewire.errors import InvalidEventError
from voicewire.events.base import Event, EventBase, MediaFormat


class ClientEventType(str, Enum):
    """The JSON ``type`` of every client event; equal to its string."""

    CLIENT_SESSION_CREATE = "client_session_create"
    CLIENT_SESSION_END = "client_session_end"
    CLIENT_RESPONSE_CREATE = "client_response_create"
    CLIENT_RESPONSE_CANCEL = "client_response_cancel"
    CLIENT_IMAGE_APPEND = "client_image_append"
    CLIENT_TEXT_APPEND = "client_text_append"
    CLIENT_AUDIO_APPEND = "client_audio_append"
    CLIENT_AUDIO_COMMIT = "client_audio_commit"
    CLIENT_TOOL_RESULT = "client_tool_result"
    CLIENT_PLAYOUT_REPORT = "client_playout_report"


def _tag(class_name: str) -> str:
    words = class_name.removesuffix("Event")
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in words).lstrip("_")


class _Event(msgspec.Struct, EventBase, frozen=True, kw_only=True, tag_field="type", tag=_tag):
    pass


class ClientSessionCreateEvent(_Event, frozen=True, kw_only=True):
    """Opens a session."""

    type: ClassVar[str] = ClientEventType.CLIENT_SESSION_CREATE
    config: dict[str, Any]
    """Keys of seed 002: ``instructions``, ``user_name``, ``agent_name``, ``model_provider``, ..."""


class ClientSessionEndEvent(_Event, frozen=True, kw_only=True):
    """Ends the session."""

    type: ClassVar[str] = ClientEventType.CLIENT_SESSION_END
    session_id: str


class ClientResponseCreateEvent(_Event, frozen=True, kw_only=True):
    """Asks for a response now."""

    type: ClassVar[str] = ClientEventType.CLIENT_RESPONSE_CREATE
    session_id: str


class ClientResponseCancelEvent(_Event, frozen=True, kw_only=True):
    """Interrupts the current response."""

    type: ClassVar[str] = ClientEventType.CLIENT_RESPONSE_CANCEL
    session_id: str


class ClientImageAppendEvent(_Event, frozen=True, kw_only=True):
    """Adds an image."""

    type: ClassVar[str] = ClientEventType.CLIENT_IMAGE_APPEND
    session_id: str
    image: str
    """The image file in base64."""
    format: dict[str, Any]
    """``{"type": "image/jpeg"}``."""


class ClientTextAppendEvent(_Event, frozen=True, kw_only=True):
    """Adds text."""

    type: ClassVar[str] = ClientEventType.CLIENT_TEXT_APPEND
    session_id: str
    text: str


class ClientAudioAppendEvent(_Event, frozen=True, kw_only=True):
    """Adds audio of any declared rate."""

    type: ClassVar[str] = ClientEventType.CLIENT_AUDIO_APPEND
    session_id: str
    audio: str
    """Samples in base64."""
    format: MediaFormat


class ClientAudioCommitEvent(_Event, frozen=True, kw_only=True):
    """Ends the user's turn by hand."""

    type: ClassVar[str] = ClientEventType.CLIENT_AUDIO_COMMIT
    session_id: str


class ClientToolResultEvent(_Event, frozen=True, kw_only=True):
    """The result of a tool that ran in the front end."""

    type: ClassVar[str] = ClientEventType.CLIENT_TOOL_RESULT
    session_id: str
    id: str
    """The call it answers."""
    name: str
    output: str | list[dict[str, Any]]


class PlayoutPosition(msgspec.Struct, frozen=True, kw_only=True):
    """How far one stretch of the agent's speech was played."""

    item_id: str
    content_index: int = 0
    samples: Annotated[int, msgspec.Meta(ge=0)]
    """Samples that sounded in all, counted from the beginning of the stretch."""
    rate: Annotated[int, msgspec.Meta(ge=1000, le=768_000)]
    """Rate in which they are counted, in hertz; any rate will do."""


class ClientPlayoutReportEvent(_Event, frozen=True, kw_only=True):
    """What the listener has heard so far; for sessions that were created with ``reports_playout``.

    Positions only grow, so a report may be repeated, and only the newest counts.
    """

    type: ClassVar[str] = ClientEventType.CLIENT_PLAYOUT_REPORT
    session_id: str
    positions: tuple[PlayoutPosition, ...] = ()
    generation: int | None = None
    """The answer to ``agent_playout_flush``: its generation. The buffer is empty and these are the last
    positions."""


class ClientEvents:
    """Namespace of all client events, as in seed 002."""

    EventBase = EventBase
    ClientSessionCreateEvent = ClientSessionCreateEvent
    ClientSessionEndEvent = ClientSessionEndEvent
    ClientResponseCreateEvent = ClientResponseCreateEvent
    ClientResponseCancelEvent = ClientResponseCancelEvent
    ClientImageAppendEvent = ClientImageAppendEvent
    ClientTextAppendEvent = ClientTextAppendEvent
    ClientAudioAppendEvent = ClientAudioAppendEvent
    ClientAudioCommitEvent = ClientAudioCommitEvent
    ClientToolResultEvent = ClientToolResultEvent
    ClientPlayoutReportEvent = ClientPlayoutReportEvent

    MAPPING: ClassVar[dict[ClientEventType, type[Event]]] = {
        ClientEventType.CLIENT_SESSION_CREATE: ClientSessionCreateEvent,
        ClientEventType.CLIENT_SESSION_END: ClientSessionEndEvent,
        ClientEventType.CLIENT_RESPONSE_CREATE: ClientResponseCreateEvent,
        ClientEventType.CLIENT_RESPONSE_CANCEL: ClientResponseCancelEvent,
        ClientEventType.CLIENT_IMAGE_APPEND: ClientImageAppendEvent,
        ClientEventType.CLIENT_TEXT_APPEND: ClientTextAppendEvent,
        ClientEventType.CLIENT_AUDIO_APPEND: ClientAudioAppendEvent,
        ClientEventType.CLIENT_AUDIO_COMMIT: ClientAudioCommitEvent,
        ClientEventType.CLIENT_TOOL_RESULT: ClientToolResultEvent,
        ClientEventType.CLIENT_PLAYOUT_REPORT: ClientPlayoutReportEvent,
    }

    @classmethod
    def from_json(cls, json_data: object) -> Event:
        """Builds any client event from parsed JSON.

        Raises:
            InvalidEventError: A ``ValueError``: not an object with a known ``type``, or a field is at fault.
        """
        if not isinstance(json_data, dict) or "type" not in json_data:
            raise InvalidEventError(f"Invalid JSON data for ClientEvent: {json_data!r}")
        fields = cast("dict[str, Any]", json_data)
        name = fields["type"]
        found = BY_TYPE.get(name) if isinstance(name, str) else None
        if found is None:
            raise InvalidEventError(f"Unknown ClientEvent type: {name}")
        return found.model_validate({**fields, "type": ClientEventType(name).value})


BY_TYPE: dict[str, type[EventBase]] = {str(kind.value): event for kind, event in ClientEvents.MAPPING.items()}
"""Every client event class by its JSON type."""
