"""What JSON of this wire may look like: both key spellings, nulls for what is not set, both base64 alphabets."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, cast

import msgspec

from voicewire.errors import RemoteProtocolError

OPAQUE_KEYS = frozenset(
    {"args", "partialArgs", "response", "parameters", "parametersJsonSchema", "responseJsonSchema", "labels"}
)
"""Keys whose values belong to the application (arguments, results, schemas): nothing inside is renamed."""
_HUMP = re.compile(r"(?<=[A-Za-z0-9])_+([A-Za-z0-9])")


@lru_cache(maxsize=1024)
def camel(key: str) -> str:
    """A key in the spelling that servers use: ``server_content`` becomes ``serverContent``."""
    return _HUMP.sub(lambda match: match.group(1).upper(), key) if "_" in key else key


def normalised(value: object) -> Any:
    """The same data with camelCase keys and without nulls, at every depth that is not the application's.

    Raises:
        RecursionError: It is nested too deeply.
    """
    if isinstance(value, dict):
        fields: dict[str, Any] = {}
        for key, inner in cast("dict[str, object]", value).items():
            if inner is not None:
                name = camel(key)
                fields[name] = inner if name in OPAQUE_KEYS else normalised(inner)
        return fields
    if isinstance(value, list):
        return [normalised(entry) for entry in cast("list[object]", value)]
    return value


def read_object(frame: str | bytes | memoryview) -> dict[str, Any]:
    """One message, normalised.

    Raises:
        RemoteProtocolError: Not JSON (code ``invalid_json``) or not an object (``invalid_event``).
    """
    try:
        data: object = msgspec.json.decode(frame)
        if isinstance(data, dict):
            return cast("dict[str, Any]", normalised(cast("object", data)))
    except RecursionError as error:
        raise RemoteProtocolError("the message is nested too deeply", code="invalid_json") from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise RemoteProtocolError(f"the message is not JSON: {error}", code="invalid_json") from error
    raise RemoteProtocolError(
        f"a message is a JSON object, this is {type(data).__name__}", code="invalid_event"
    )


def standard_base64(text: str) -> str:
    """Base64 in the standard alphabet with its padding, from either alphabet; nothing is decoded."""
    if "-" in text or "_" in text:
        text = text.replace("-", "+").replace("_", "/")
    missing = -len(text) & 3
    return text + "=" * missing if missing else text
