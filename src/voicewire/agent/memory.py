"""An agent's memory as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from voicewire.conversation.heard import HeardLedger
from voicewire.conversation.history import valid_history
from voicewire.errors import InvalidEventError
from voicewire.events.base import parse_json
from voicewire.events.items import ContentPart, Item

_VERSION: Final = 1
_KINDS: Final = frozenset({"message", "function_call", "function_call_output"})


class _Memory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: int
    items: tuple[Item, ...]


def exported(items: Iterable[Item]) -> str:
    """Items as JSON text."""
    return msgspec.json.encode(_Memory(version=_VERSION, items=tuple(items))).decode()


def restored(data: str | bytes | Mapping[str, Any]) -> tuple[Item, ...]:
    """Items that a new conversation can begin with.

    Speech becomes its words, since its audio was not kept; every call has its result; ids are left to the model.

    Raises:
        InvalidEventError: Not what ``exported`` gives.
    """
    fields: object = parse_json(data) if isinstance(data, str | bytes) else dict(data)
    try:
        memory = msgspec.convert(fields, _Memory)
    except msgspec.ValidationError as error:
        raise InvalidEventError(f"not an exported history: {error}") from error
    if memory.version != _VERSION:
        raise InvalidEventError(
            f"the history has version {memory.version!r}, this program reads {_VERSION}; export it again"
        )
    known = [item for item in memory.items if item.kind in _KINDS]
    items = valid_history(known, HeardLedger(has_playout=False))
    return tuple(_anew(item) for item in items if item.kind != "message" or item.content)


def _anew(item: Item) -> Item:
    parts = tuple(
        ContentPart(kind="text", text=part.text) if part.kind == "audio" and part.text else part
        for part in item.content
        if part.kind != "audio" or part.text or part.audio
    )
    return msgspec.structs.replace(item, id="", status="completed", content=parts)
