"""The session as a client of a flat dialect sees it: GA's object in its shape, with what the client asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from voicewire.protocols.openai.flat import FlatDialect
from voicewire.protocols.openai.flat_session import PLACES, Json, mapping, session_to_flat, session_to_ga

_TRANSCRIPTION_KEYS: Final = frozenset(
    {
        "id",
        "object",
        "expires_at",
        "input_audio_format",
        "input_audio_transcription",
        "input_audio_noise_reduction",
        "turn_detection",
        "include",
    }
)
_SPELLINGS: Final = ("input_audio_format", "output_audio_format", "voice", "modalities")
"""Keys whose value has several spellings; the client's own is shown while it means what is in force."""


class SessionView:
    """Remembers what GA cannot hold: the client's spellings, and the options of its dialect.

    Args:
        dialect: What the client speaks.
    """

    def __init__(self, dialect: FlatDialect) -> None:
        self._dialect = dialect
        self._own: Json = dict(dialect.session_defaults)
        self._spelled: dict[str, tuple[Any, Any]] = {}
        """By key: what the client wrote, and the plain form that it stands for."""
        self._waiting: list[tuple[str, Json]] = []
        self._confirmed: Json = {}

    @property
    def temperature(self) -> Any:
        """As the client set it; it changes nothing."""
        return self._own.get("temperature")

    def asked(self, command_id: str, session: Json) -> None:
        """A client asks for this; it counts when the model confirms."""
        self._waiting.append((command_id, session))

    def refused(self, command_id: str) -> None:
        """The model refused a command; forgets the update if it was one."""
        if command_id:
            self._waiting = [entry for entry in self._waiting if entry[0] != command_id]

    def confirmed(self) -> Json:
        """The oldest update that waits is in force; gives it."""
        asked = self._waiting.pop(0)[1] if self._waiting else {}
        self._confirmed = asked
        return asked

    def shown(self, ga_session: Mapping[str, Any]) -> Json:
        """The session object to show."""
        flat = session_to_flat(ga_session, self._dialect)
        asked, self._confirmed = self._confirmed, {}
        for key, value in asked.items():
            if key in self._own or key in self._dialect.options:
                self._own[key] = value
            elif key in _SPELLINGS:
                body, _ = session_to_ga({key: value}, self._dialect, kind="realtime")
                self._spelled[key] = (value, session_to_flat(body, self._dialect).get(key))
            elif key in PLACES and isinstance(value, dict):
                self._own_parts(key, cast("Json", value), flat)
        for key, (spelling, plain) in self._spelled.items():
            if flat.get(key) == plain:
                flat[key] = spelling
        for key in ("turn_detection", "input_audio_transcription", "input_audio_noise_reduction"):
            parts = self._own.get(f"parts of {key}")
            if isinstance(flat.get(key), dict) and parts:
                flat[key] = {**flat[key], **parts}
        if ga_session.get("type") == "transcription":
            return {key: value for key, value in flat.items() if key in _TRANSCRIPTION_KEYS}
        self._narrow(flat)
        return {**flat, **{key: value for key, value in self._own.items() if not key.startswith("parts of ")}}

    def dress_response(self, response: Json) -> None:
        """A response's voice and format as the client spells them."""
        for key in ("voice", "output_audio_format"):
            if key in self._spelled and response.get(key) == self._spelled[key][1]:
                response[key] = self._spelled[key][0]

    def _own_parts(self, key: str, value: Json, flat: Json) -> None:
        """Keys of an object that GA's has not, and kinds of turn detection that only the dialect has."""
        known = mapping(flat.get(key))
        parts = {name: part for name, part in value.items() if name not in known}
        if key == "input_audio_noise_reduction":
            parts = value  # GA has two of its kinds only
        if key == "turn_detection" and value.get("type") in tuple(self._dialect.turn_kinds):
            parts["type"] = value["type"]
        self._own[f"parts of {key}"] = parts

    def _narrow(self, flat: Json) -> None:
        """Clients of early dialects refuse a whole session for one value that they do not know."""
        models = self._dialect.transcription_models
        transcription = mapping(flat.get("input_audio_transcription"))
        if models and transcription and transcription.get("model") not in models:
            flat["input_audio_transcription"] = {**transcription, "model": models[0]}
