"""What a function takes, as a JSON schema for the model and as a check of what the model gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema

from voicewire.agent.docstrings import read_docstring
from voicewire.agent.progress import ToolProgress, current_progress
from voicewire.errors import ConfigError, InvalidEventError

Schema = dict[str, Any]

_SUB_SCHEMAS: Final = frozenset({"properties", "patternProperties"})
_VALUES: Final = frozenset({"default", "const", "enum", "examples"})
_MAX_SHOWN: Final = 60
"""Characters of a wrong value that an error shows."""


class _Generator(GenerateJsonSchema):
    """A default that JSON cannot say is left out without a warning: the model need not know it."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  (pydantic's own spelling)


class FunctionSignature:
    """The arguments of one function.

    Args:
        function: Any callable.
        name: What it is called in errors.
        preset: Arguments that the application gives; the model neither sees nor sets them.

    Raises:
        ConfigError: A parameter cannot be said in JSON schema, an annotation cannot be resolved, or a preset
            argument is none of the function's.
    """

    def __init__(
        self, function: Callable[..., Any], name: str, *, preset: Mapping[str, Any] | None = None
    ) -> None:
        self._name = name
        self._preset = dict(preset or {})
        docstring = read_docstring(inspect.getdoc(function))
        self.description = docstring.description
        """What the docstring says before its sections."""
        self._parameters = _parameters(function, name)
        known = {parameter.name for parameter in self._parameters}
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in self._parameters)
        if unknown := sorted(self._preset.keys() - known):
            raise ConfigError(f"tool {name!r} has no argument {unknown[0]!r} to preset")
        hints = _type_hints(function, name)
        self._reports = [parameter for parameter, hint in hints.items() if _is_progress(hint)]
        given = {*self._preset, *self._reports}
        self._fields = {
            f"argument_{index}": parameter
            for index, parameter in enumerate(self._parameters)
            if parameter.name not in given and parameter.kind is not parameter.VAR_KEYWORD
        }
        definitions = {
            field: _field(parameter, hints, docstring.arguments) for field, parameter in self._fields.items()
        }
        config = ConfigDict(extra="allow" if takes_any else "forbid", arbitrary_types_allowed=True)
        try:
            # Fields have names of our own and the arguments' as aliases: an argument may be called `copy`.
            self._model: type[BaseModel] = create_model(
                f"{name}_arguments", __config__=config, **cast("Any", definitions)
            )
            raw = self._model.model_json_schema(by_alias=True, schema_generator=_Generator)
        except (PydanticUserError, PydanticInvalidForJsonSchema) as error:
            raise ConfigError(f"tool {name!r} takes what JSON cannot say: {error}") from error
        self.schema: Schema = {"properties": {}, **tidied(raw)}
        """JSON schema of the arguments: an object, references written out."""

    def converted(self, arguments: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments for a call.

        Args:
            arguments: What the model gave.

        Raises:
            InvalidEventError: An argument is missing, unknown or of the wrong type; the message names it.
        """
        try:
            checked = self._model.model_validate(dict(arguments))
        except ValidationError as error:
            raise InvalidEventError(self._explained(error)) from error
        given = {
            parameter.name: getattr(checked, field)
            for field, parameter in self._fields.items()
            if field in checked.model_fields_set or parameter.default is parameter.empty
        }
        progress = {parameter: current_progress() for parameter in self._reports}
        given = {**given, **(checked.model_extra or {}), **progress, **self._preset}
        positional = [
            given.pop(parameter.name, parameter.default)
            for parameter in self._parameters
            if parameter.kind is parameter.POSITIONAL_ONLY
        ]
        return positional, given

    def _explained(self, error: ValidationError) -> str:
        told: list[str] = []
        for fault in error.errors(include_url=False, include_context=False):
            place = ".".join(map(str, fault["loc"])) or "arguments"
            if fault["type"] == "missing":
                told.append(f"{place!r} is missing")
            elif fault["type"] == "extra_forbidden":
                known = ", ".join(parameter.name for parameter in self._fields.values()) or "nothing"
                told.append(f"{place!r} is not an argument (it takes {known})")
            else:
                shown = repr(fault["input"])
                shown = shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}..."
                told.append(f"{place!r}: {fault['msg']}, got {shown}")
        return f"{self._name}: {'; '.join(told)}"


def _parameters(function: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigError(f"tool {name!r} does not show its arguments ({error}); wrap it in a def") from error
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise ConfigError(f"tool {name!r} takes *{parameter.name}; give its arguments names instead")
    return parameters


def _type_hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    inner: Any = inspect.unwrap(function)
    while hasattr(inner, "func") and not inspect.isroutine(inner):
        inner = inner.func
    if not inspect.isroutine(inner):
        inner = type(inner).__call__
    try:
        return get_type_hints(inner, include_extras=True)
    except NameError as error:
        raise ConfigError(
            f"tool {name!r}: an annotation cannot be resolved ({error}); import it where the function is"
        ) from error


def _is_progress(hint: object) -> bool:
    return hint is ToolProgress or ToolProgress in get_args(hint)


def _field(
    parameter: inspect.Parameter, hints: Mapping[str, Any], documented: Mapping[str, str]
) -> tuple[Any, Any]:
    """One field of the arguments' model: its annotation and pydantic's ``Field``."""
    annotation: Any = hints.get(parameter.name, Any)
    settings: dict[str, Any] = {"alias": parameter.name}
    if parameter.default is not parameter.empty:
        settings["default"] = parameter.default
    described = documented.get(parameter.name)
    if get_origin(annotation) is Annotated:
        described = described or next((m for m in get_args(annotation)[1:] if isinstance(m, str)), None)
    if described:
        settings["description"] = described
    return annotation, Field(**settings)


def tidied(schema: Schema) -> Schema:
    """A schema as models like it: references written out, no titles, ``X or null`` by default null as X."""
    definitions = cast("Schema", schema.get("$defs", {}))
    recursive: set[str] = set()
    result = cast("Schema", _tidied(schema, definitions, (), recursive))
    if recursive:
        every = tuple(definitions)
        result["$defs"] = {
            name: _tidied(definition, definitions, every, set()) for name, definition in definitions.items()
        }
    return result


def _tidied(node: object, definitions: Schema, inside: tuple[str, ...], recursive: set[str]) -> object:
    if isinstance(node, list):
        return [_tidied(entry, definitions, inside, recursive) for entry in cast("list[object]", node)]
    if not isinstance(node, dict):
        return node
    fields = dict(cast("Schema", node))
    reference = fields.pop("$ref", None)
    if isinstance(reference, str):
        name = reference.rpartition("/")[2]
        if name in inside:
            recursive.add(name)
            return {**fields, "$ref": reference}
        written = cast("Schema", _tidied(definitions[name], definitions, (*inside, name), recursive))
        return {**written, **cast("Schema", _tidied(fields, definitions, inside, recursive))}
    result: Schema = {}
    for key, value in fields.items():
        if key == "$defs" or (key == "title" and isinstance(value, str)):
            continue
        if key in _SUB_SCHEMAS:
            named = cast("Schema", value)
            result[key] = {
                name: _tidied(entry, definitions, inside, recursive) for name, entry in named.items()
            }
        else:
            result[key] = value if key in _VALUES else _tidied(value, definitions, inside, recursive)
    return _without_null(result)


def _without_null(schema: Schema) -> Schema:
    """An argument that may be left out need not be null as well."""
    choices: object = schema.get("anyOf")
    if not isinstance(choices, list) or "default" not in schema or schema["default"] is not None:
        return schema
    kept = [choice for choice in cast("list[Schema]", choices) if choice.get("type") != "null"]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**kept[0], **rest} if len(kept) == 1 else {**rest, "anyOf": kept}
