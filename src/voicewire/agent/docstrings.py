"""Docstrings in Google style, read for what a model should know of a function."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field

_SECTION = re.compile(r"(?P<name>[A-Z][A-Za-z ]*):\s*$")
_ARGUMENT_SECTIONS = frozenset({"args", "arguments", "parameters", "params", "keyword args"})
_OTHER_SECTIONS = frozenset(
    {"returns", "return", "yields", "yield", "raises", "example", "examples", "note", "notes", "warning"}
    | {"warnings", "see also", "attributes", "references", "todo", "cancellation", "concurrency"}
)
_ARGUMENT = re.compile(r"\*{0,2}(?P<name>\w+)\s*(?:\((?P<type>.*?)\))?\s*:(?:\s+(?P<text>.*))?$")


@dataclass(frozen=True, slots=True)
class Docstring:
    """What a docstring says."""

    description: str = ""
    """Everything before the first section, paragraphs kept."""
    arguments: dict[str, str] = field(default_factory=dict[str, str])
    """What it says of each argument, in one line each."""


def read_docstring(text: str | None) -> Docstring:
    """Reads a docstring; one in another style gives its whole text as the description."""
    if not text:
        return Docstring()
    description: list[str] = []
    arguments: list[str] = []
    target: list[str] | None = description
    for line in inspect.cleandoc(text).splitlines():
        section = _SECTION.match(line)
        name = section["name"].lower() if section is not None else ""
        if name in _ARGUMENT_SECTIONS:
            target = arguments
        elif name in _OTHER_SECTIONS:
            target = None
        elif target is not None:
            target.append(line)
    return Docstring("\n".join(description).strip(), _read_arguments(arguments))


def _read_arguments(lines: list[str]) -> dict[str, str]:
    """The least indented lines begin an argument; the others go on with it."""
    indents = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        begins = line.strip() and len(line) - len(line.lstrip()) == min(indents)
        match = _ARGUMENT.match(line.strip()) if begins else None
        if match is not None:
            current = found.setdefault(match["name"], [])
            current.append((match["text"] or "").strip())
        elif current is not None:
            current.append(line.strip())
    return {name: " ".join(" ".join(parts).split()) for name, parts in found.items()}
