"""JSON schemas of tools made into this wire's ``Schema`` (a subset), and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from voicewire.protocols.gemini.keys import camel

_MAX_DEPTH: Final = 24
_MAX_NODES: Final = 4000
"""Definitions that refer to each other could otherwise be put in place without end."""
_TYPES: Final = {"string", "number", "integer", "boolean", "array", "object", "null"}
_FORMATS: Final[Mapping[str, frozenset[str]]] = {
    "STRING": frozenset({"enum", "date-time"}),
    "NUMBER": frozenset({"float", "double"}),
    "INTEGER": frozenset({"int32", "int64"}),
}
"""Formats that the wire takes; it refuses the whole session for any other."""
_KEPT: Final = frozenset(
    {
        "title", "description", "nullable", "default", "pattern", "minLength", "maxLength", "minItems", "maxItems",
        "minimum", "maximum", "minProperties", "maxProperties",
    }
)  # fmt: skip
_INTEGERS: Final = frozenset(
    {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
)

Json = dict[str, Any]


def to_schema(schema: Mapping[str, Any]) -> Json:
    """A JSON schema in the subset of this wire.

    What the subset lacks is left out (``additionalProperties``, unknown formats) or said otherwise: references
    are put in place, a type that may be null becomes ``nullable``, ``oneOf`` becomes ``anyOf``, ``allOf`` is
    merged, and values that are not strings are listed in the description.
    """
    return _Shrinker(schema).shrink(schema, 0, ())


class _Shrinker:
    """Holds the definitions that references point to."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._nodes = 0

    def shrink(self, schema: Mapping[str, Any], depth: int, path: tuple[str, ...]) -> Json:
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            return {"type": "OBJECT"}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            target = None if reference in path else self._target(reference)
            if target is None:
                return {"type": "OBJECT"}
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            return self.shrink({**target, **beside}, depth + 1, (*path, reference))
        merged = _merged_all(schema)
        found: Json = {key: value for key, value in merged.items() if key in _KEPT and value is not None}
        self._add_type(merged, found, depth, path)
        self._add_values(merged, found)
        if isinstance(merged.get("format"), str):
            if merged["format"] in _FORMATS.get(found.get("type", ""), ()):
                found["format"] = merged["format"]
        if found.get("type") == "OBJECT":
            self._add_properties(merged, found, depth, path)
        if found.get("type") == "ARRAY":
            items = merged.get("items")
            entries = merged.get("prefixItems")
            if not isinstance(items, Mapping) and isinstance(entries, list):
                items = {"anyOf": cast("list[object]", entries)}
            inner = cast("Mapping[str, Any]", items) if isinstance(items, Mapping) else {"type": "string"}
            found["items"] = self.shrink(inner, depth + 1, path)
        return found

    def _target(self, reference: str) -> Mapping[str, Any] | None:
        place: object = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if not step:
                continue
            name = step.replace("~1", "/").replace("~0", "~")
            place = cast("Mapping[str, object]", place).get(name) if isinstance(place, Mapping) else None
        return cast("Mapping[str, Any]", place) if isinstance(place, Mapping) else None

    def _add_type(self, schema: Mapping[str, Any], found: Json, depth: int, path: tuple[str, ...]) -> None:
        named = schema.get("type")
        names: list[str] = [named] if isinstance(named, str) else []
        if isinstance(named, list):
            names = [entry for entry in cast("list[object]", named) if isinstance(entry, str)]
        names = [name.lower() for name in names if name.lower() in _TYPES]
        if "null" in names:
            found["nullable"] = True
        kinds = [name.upper() for name in names if name != "null"]
        options = schema.get("anyOf") or schema.get("oneOf")
        if isinstance(options, list):
            self._add_options(cast("list[object]", options), found, depth, path)
        elif len(kinds) > 1:
            found["anyOf"] = [self.shrink({"type": kind}, depth + 1, path) for kind in kinds]
        if "anyOf" in found or "type" in found:
            return
        if len(kinds) == 1:
            found["type"] = kinds[0]
        elif "properties" in schema:
            found["type"] = "OBJECT"
        elif "items" in schema or "prefixItems" in schema:
            found["type"] = "ARRAY"
        else:
            found["type"] = _type_of_values(schema)

    def _add_options(self, options: list[object], found: Json, depth: int, path: tuple[str, ...]) -> None:
        schemas = [cast("Mapping[str, Any]", option) for option in options if isinstance(option, Mapping)]
        real = [option for option in schemas if option.get("type") != "null"]
        if len(real) < len(schemas):
            found["nullable"] = True
        if len(real) == 1:
            for key, value in self.shrink(real[0], depth + 1, path).items():
                found.setdefault(key, value)
        elif real:
            found["anyOf"] = [self.shrink(option, depth + 1, path) for option in real]

    def _add_values(self, schema: Mapping[str, Any], found: Json) -> None:
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if not isinstance(values, list):
            return
        listed = [value for value in cast("list[object]", values) if value is not None]
        if len(listed) < len(cast("list[object]", values)):
            found["nullable"] = True
        if found.get("type") == "STRING" and all(isinstance(value, str) for value in listed):
            found["enum"] = listed
        elif listed:
            said = f"One of: {', '.join(map(str, listed))}."
            found["description"] = f"{found['description']} {said}" if found.get("description") else said

    def _add_properties(
        self, schema: Mapping[str, Any], found: Json, depth: int, path: tuple[str, ...]
    ) -> None:
        properties = schema.get("properties")
        if not isinstance(properties, Mapping) or not properties:
            return
        shrunk: Json = {
            name: self.shrink(cast("Mapping[str, Any]", inner) if isinstance(inner, Mapping) else {}, depth + 1, path)
            for name, inner in cast("Mapping[str, object]", properties).items()
        }  # fmt: skip
        found["properties"] = shrunk
        required = schema.get("required")
        if isinstance(required, list):
            listed = cast("list[object]", required)
            names = [name for name in listed if isinstance(name, str) and name in shrunk]
            if names:
                found["required"] = names


def _merged_all(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """``allOf`` put into the schema that has it."""
    parts = schema.get("allOf")
    if not isinstance(parts, list):
        return schema
    merged: Json = {}
    for part in [*cast("list[object]", parts), {k: v for k, v in schema.items() if k != "allOf"}]:
        if isinstance(part, Mapping):
            fields = cast("Mapping[str, Any]", part)
            properties = {**_mapping(merged.get("properties")), **_mapping(fields.get("properties"))}
            required = [*_listed(merged.get("required")), *_listed(fields.get("required"))]
            merged.update(fields)
            if properties:
                merged["properties"] = properties
            if required:
                merged["required"] = required
    return merged


def _mapping(value: object) -> Json:
    return cast("Json", value) if isinstance(value, dict) else {}


def _listed(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _type_of_values(schema: Mapping[str, Any]) -> str:
    values: object = [schema["const"]] if "const" in schema else schema.get("enum")
    first: object = cast("list[object]", values)[0] if isinstance(values, list) and values else ""
    if isinstance(first, bool):
        return "BOOLEAN"
    if isinstance(first, int):
        return "INTEGER"
    return "NUMBER" if isinstance(first, float) else "STRING"


def to_json_schema(schema: Mapping[str, Any]) -> Json:
    """A ``Schema`` of this wire, in either key spelling, as a plain JSON schema."""
    return _widened(schema, 0)


def _widened(schema: Mapping[str, Any], depth: int) -> Json:
    if depth > _MAX_DEPTH:
        return {}
    found: Json = {}
    is_nullable = False
    for given, value in schema.items():
        key = camel(given)
        if key == "type" and isinstance(value, str):
            found["type"] = value.lower()
        elif key == "nullable":
            is_nullable = bool(value)
        elif key == "properties" and isinstance(value, Mapping):
            found["properties"] = {
                name: _widened(cast("Mapping[str, Any]", inner), depth + 1)
                for name, inner in cast("Mapping[str, Any]", value).items()
                if isinstance(inner, Mapping)
            }
        elif key == "items" and isinstance(value, Mapping):
            found["items"] = _widened(cast("Mapping[str, Any]", value), depth + 1)
        elif key in ("anyOf", "oneOf", "allOf") and isinstance(value, list):
            found[key] = [
                _widened(cast("Mapping[str, Any]", entry), depth + 1)
                for entry in cast("list[object]", value)
                if isinstance(entry, Mapping)
            ]
        elif key in _INTEGERS and isinstance(value, str) and value.isdecimal() and len(value) < 10:
            found[key] = int(value)
        elif key not in ("propertyOrdering", "example") and value is not None:
            found[key] = value
    if is_nullable and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found
