"""What all wire messages of the clients share: plain values with the dump methods that pydantic users expect."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from typing_extensions import Self

from voicewire.errors import InvalidEventError


class Model(msgspec.Struct, kw_only=True):
    """A value of the wire. A field that is None was not set, and is not sent."""

    def model_dump(self, **_: object) -> dict[str, Any]:
        """The value as plain data, without what was not set."""
        return cast("dict[str, Any]", without_none(msgspec.to_builtins(self)))

    def model_dump_json(self, **_: object) -> str:
        """The value as one JSON object, without what was not set."""
        return msgspec.json.encode(self.model_dump()).decode()

    @classmethod
    def model_validate(cls, data: object) -> Self:
        """Builds the value from plain data; keys that it does not know are left out.

        Raises:
            InvalidEventError: (a ``ValueError``) A field is missing or has the wrong type; the message names it.
        """
        try:
            return msgspec.convert(data, cls)
        except msgspec.ValidationError as error:
            raise InvalidEventError(f"{cls.__name__}: {error}") from error


def without_none(value: object) -> object:
    """Plain data without the keys whose value is None, at any depth."""
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {key: without_none(field) for key, field in fields.items() if field is not None}
    if isinstance(value, list):
        return [without_none(entry) for entry in cast("list[object]", value)]
    return value
