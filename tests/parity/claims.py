"""What a model's capabilities claim, one by one. A claim is ``FIELD``, or ``FIELD:MEMBER`` for a set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from voicewire.models.model import Capabilities

_OF_AUDIO_IN = ("input_rates_hz", "supports_manual_turns")
"""Fields that say nothing of a model which hears nothing."""


def claims_of(capabilities: Capabilities) -> tuple[str, ...]:
    """Every claim, in the order of the fields; a new field is a claim without further ado."""
    return tuple(claim for field in fields(Capabilities) for claim in _claims(capabilities, field.name))


def lacks_of(capabilities: Capabilities) -> tuple[str, ...]:
    """Every flag that is not claimed, and every member of a set that some model has and this one has not."""
    full = Capabilities(input_modalities=frozenset({"text", "audio", "image"}))
    lacks = [field.name for field in fields(Capabilities) if getattr(capabilities, field.name) is False]
    for name in ("input_modalities", "output_modalities"):
        lacks += [f"{name}:{member}" for member in sorted(getattr(full, name) - getattr(capabilities, name))]
    return tuple(lacks)


def _claims(capabilities: Capabilities, name: str) -> Iterator[str]:
    value = getattr(capabilities, name)
    if name in _OF_AUDIO_IN and "audio" not in capabilities.input_modalities:
        return
    if name == "output_rate_hz" and "audio" not in capabilities.output_modalities:
        return
    if isinstance(value, frozenset):
        yield from (f"{name}:{member}" for member in sorted(str(member) for member in value))
    elif isinstance(value, bool):
        if value:
            yield name
    elif value not in ((), None):
        yield name
