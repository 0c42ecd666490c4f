"""The official Python SDK's own types as a judge of the frames that our server side sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter


def _members() -> dict[str, type[BaseModel]]:
    union = get_args(RealtimeServerEvent)[0]
    return {get_args(member.model_fields["type"].annotation)[0]: member for member in get_args(union)}


SDK_EVENTS = _members()
"""The SDK's class of every server event, by type."""
_ADAPTERS = {name: TypeAdapter[BaseModel](member) for name, member in SDK_EVENTS.items()}

ON_THE_WIRE_ONLY = {
    "session.id",
    "session.object",
    "session.expires_at",
}
"""Fields that recorded sessions have and the SDK's types lack."""


def parse_strictly(frame: str) -> tuple[BaseModel, set[str]]:
    """Validates a frame against the SDK's class for its type.

    Returns:
        The event, and the paths of fields that the class does not know (known exceptions left out).

    Raises:
        pydantic.ValidationError: The frame is not such an event.
    """
    event = _ADAPTERS[json.loads(frame)["type"]].validate_json(frame, strict=True)
    return event, {path for path in _unknown(event) if path not in ON_THE_WIRE_ONLY}


def _unknown(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, BaseModel):
        for name in value.model_extra or {}:
            yield f"{path}{name}"
        for name in type(value).model_fields:
            yield from _unknown(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, list):
        for entry in value:
            yield from _unknown(entry, path)
