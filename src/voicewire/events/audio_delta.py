"""The one model event that is not a struct: its audio converts lazily, on the hottest path there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from typing_extensions import Self

from voicewire.errors import AudioError, InvalidEventError
from voicewire.events.base import AudioPayload, EventBase, MediaFormat, type_name
from voicewire.events.model_types import ModelEventType


class ModelResponseAudioDeltaEvent(AudioPayload, EventBase):
    """A piece of the reply's audio. It is its own ``payload``: an object less for each delta.

    Args:
        response_id: The response it belongs to.
        item_id: The item it belongs to.
        delta: The bytes in base64; or give ``pcm``.
        format: Media type and rate; a mapping with these two does as well.
        pcm: The raw bytes.
        payload: The audio of another event, handed on without converting it.
        content_index: Which content part of the item.

    Raises:
        AudioError: None of ``delta``, ``pcm`` and ``payload`` was given.
        InvalidEventError: The format lacks its type or its rate.
    """

    __slots__ = ("content_index", "format", "item_id", "response_id")

    type: ClassVar[str] = ModelEventType.MODEL_RESPONSE_AUDIO_DELTA

    def __init__(
        self,
        *,
        response_id: str,
        item_id: str,
        format: MediaFormat | Mapping[str, Any],
        delta: str | None = None,
        pcm: bytes | None = None,
        payload: AudioPayload | None = None,
        content_index: int = 0,
    ) -> None:
        if payload is not None:
            pcm, delta = payload._pcm, payload._base64
        elif pcm is None and delta is None:
            raise AudioError("an audio delta needs delta, pcm or payload; all three are missing")
        self._pcm = pcm
        self._base64 = delta
        self.response_id = response_id
        self.item_id = item_id
        self.format = format if isinstance(format, MediaFormat) else _format_of(format)
        self.content_index = content_index

    @property
    def payload(self) -> AudioPayload:
        """The audio, to be handed on without converting it."""
        return self

    @property
    def delta(self) -> str:
        """The bytes in base64 (encoded on first use if they came raw)."""
        return self.base64

    def model_dump(self) -> dict[str, Any]:
        """The event as plain Python data, ``type`` first."""
        return {
            "type": type_name(self),
            "response_id": self.response_id,
            "item_id": self.item_id,
            "delta": self.delta,
            "format": {"type": self.format.type, "rate": self.format.rate},
            "content_index": self.content_index,
        }

    def model_dump_json(self) -> str:
        """The event as one JSON object."""
        return msgspec.json.encode(self.model_dump()).decode()

    @classmethod
    def model_validate(cls, data: object) -> Self:
        """Builds the event from plain data; raises InvalidEventError naming the field at fault."""
        fields = _validated_delta(cls, data)
        return cls(
            response_id=fields.response_id,
            item_id=fields.item_id,
            delta=fields.delta,
            format=fields.format,
            content_index=fields.content_index,
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ModelResponseAudioDeltaEvent)
            and type(self) is type(other)
            and (self.response_id, self.item_id, self.format)
            == (other.response_id, other.item_id, other.format)
            and self.pcm == other.pcm
        )

    def __hash__(self) -> int:
        return hash((self.response_id, self.item_id, self.pcm))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(response_id={self.response_id!r}, item_id={self.item_id!r}, "
            f"format={self.format!r}, delta=<audio>)"
        )


def _format_of(fields: Mapping[str, Any]) -> MediaFormat:
    try:
        return msgspec.convert(fields, MediaFormat)
    except msgspec.ValidationError as error:
        raise InvalidEventError(f"the format of an audio delta: {error}") from error


_new = object.__new__


def delta_from_wire(
    response_id: str, item_id: str, media_format: MediaFormat, content_index: int, base64: str
) -> ModelResponseAudioDeltaEvent:
    """The event of a codec: what the constructor makes, at a third of its price.

    Naming five arguments and choosing among three forms of audio costs 0.2 us, a tenth of what a hand-written
    loop spends on a whole delta.
    """
    event = _new(ModelResponseAudioDeltaEvent)
    event._pcm = None
    event._base64 = base64
    event.response_id = response_id
    event.item_id = item_id
    event.format = media_format
    event.content_index = content_index
    return event


class DeltaFields(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON fields of an audio delta, for validation only."""

    response_id: str
    item_id: str
    delta: str
    format: MediaFormat
    content_index: int = 0


def _validated_delta(cls: type[EventBase], data: object) -> DeltaFields:
    try:
        return msgspec.convert(data, DeltaFields)
    except msgspec.ValidationError as error:
        raise InvalidEventError(f"{cls.__name__}: {error}") from error
