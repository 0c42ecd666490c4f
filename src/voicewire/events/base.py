"""What all events and commands share: JSON in and out, the lazily converted audio payload, media formats."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias, cast

import msgspec
import pybase64
from typing_extensions import Self

from voicewire.errors import AudioError, InvalidEventError

_b64decode = pybase64.b64decode
_b64encode = pybase64.b64encode_as_string


class EventBase:
    """Root of every event and command: an immutable value with a ``type`` and a JSON form.

    The dump methods have the names and results that pydantic users expect.
    """

    __slots__ = ()

    type: ClassVar[str]
    """The JSON discriminator, equal to its string."""

    def model_dump(self) -> dict[str, Any]:
        """The event as plain Python data, ``type`` first."""
        return cast("dict[str, Any]", msgspec.to_builtins(self))

    def model_dump_json(self) -> str:
        """The event as one JSON object."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def model_validate(cls, data: object) -> Self:
        """Builds the event from plain data.

        Args:
            data: A mapping with the event's fields; ``type`` may be left out, unknown keys are ignored.

        Raises:
            InvalidEventError: A ``ValueError`` that names the field at fault.
        """
        try:
            return msgspec.convert(with_type(data, type_name(cls)), cls, strict=True)
        except msgspec.ValidationError as error:
            raise InvalidEventError(f"{cls.__name__}: {error}") from error

    @classmethod
    def model_validate_json(cls, data: str | bytes) -> Self:
        """Builds the event from one JSON object.

        Raises:
            InvalidEventError: The text is not JSON, or a field is at fault.
        """
        return cls.model_validate(parse_json(data))


Event: TypeAlias = EventBase
"""The same class, for annotations inside a namespace that has an ``EventBase`` of its own."""


def type_name(event: EventBase | type[EventBase]) -> str:
    """The JSON ``type`` as a plain string (the class attribute is a string enum member)."""
    return str(getattr(event.type, "value", event.type))


def with_type(data: object, event_type: str) -> object:
    """Fills in a missing ``type`` so that a tagged struct accepts plain field data."""
    if isinstance(data, dict):
        fields = cast("dict[str, object]", data)
        return fields if "type" in fields else {"type": event_type, **fields}
    return data


def parse_json(data: str | bytes) -> object:
    """Parses one JSON text.

    Raises:
        InvalidEventError: The text is not JSON.
    """
    try:
        return cast("object", msgspec.json.decode(data))
    except msgspec.DecodeError as error:
        raise InvalidEventError(f"not a JSON text: {error}") from error


class MediaFormat(msgspec.Struct, frozen=True):
    """The format of audio inside an event, as seed 002 spells it."""

    type: str
    """Media type: ``audio/pcm`` (16-bit little-endian mono), ``audio/pcmu`` or ``audio/pcma``."""
    rate: int
    """Samples per second."""


class AudioPayload:
    """Audio bytes that exist as raw bytes, as base64 text, or both; each is made from the other at most once.

    A relay that only reads ``base64`` never decodes, a player that only reads ``pcm`` never encodes.
    Frozen to its users; not safe for concurrent first use from two threads (the work may be done twice,
    the result is the same).
    """

    __slots__ = ("_base64", "_pcm")

    def __init__(self, pcm: bytes | None = None, base64: str | None = None) -> None:
        if pcm is None and base64 is None:
            raise AudioError("an audio payload needs bytes or base64 text; both are missing")
        self._pcm = pcm
        self._base64 = base64

    @property
    def pcm(self) -> bytes:
        """The raw bytes.

        Raises:
            AudioError: The base64 text is not valid base64 (standard alphabet, padded).
        """
        pcm = self._pcm
        if pcm is None:
            pcm = self._pcm = decode_base64(self._base64 or "")
        return pcm

    @property
    def base64(self) -> str:
        """The bytes in base64 (standard alphabet, padded)."""
        text = self._base64
        if text is None:
            text = self._base64 = _b64encode(self._pcm or b"")
        return text

    @property
    def size_bytes(self) -> int:
        """How many raw bytes there are; nothing is decoded for it (base64 text is taken to be well formed)."""
        if self._pcm is not None:
            return len(self._pcm)
        text = self._base64 or ""
        return len(text) * 3 // 4 - text.count("=", -2)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AudioPayload) and self.pcm == other.pcm

    def __hash__(self) -> int:
        return hash(self.pcm)


def decode_base64(text: str) -> bytes:
    """Decodes standard base64 strictly.

    Raises:
        AudioError: A character outside the standard alphabet (the URL-safe one included), or bad padding.
    """
    try:
        return _b64decode(
            text, None, True
        )  # by position: naming ``validate`` doubles the cost of a 20 ms delta
    except ValueError as error:
        hint = (
            " (it uses the URL-safe alphabet; the standard one is due)" if "-" in text or "_" in text else ""
        )
        raise AudioError(f"audio is not valid base64{hint}: {error}") from error
