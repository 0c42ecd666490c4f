"""Cassettes from files: our own, and the WebSocket recordings of other projects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from voicewire.errors import ConfigError
from voicewire.transport.cassette import (
    Cassette,
    CassetteHeader,
    Entry,
    Received,
    Sent,
    is_cassette,
    parse_cassette,
)
from voicewire.transport.frame_kinds import facts_of, members_of

_YAML: Final = (".yaml", ".yml")
_FIRST_BYTES: Final = 65_536


def load_cassette(path: str | Path) -> Cassette:
    """Reads a recording: a cassette, or a YAML file with ``interactions`` as the tests of pydantic-ai keep them.

    Such a file says neither its provider nor any times: the provider is guessed from its frames, and its audio was cut
    without leaving the lengths.

    Args:
        path: The file.

    Raises:
        ConfigError: It is not there, not a recording, damaged, or of a newer version.
    """
    file = Path(path)
    try:
        with file.open("rb") as lines:
            if file.suffix.lower() in _YAML:
                return _of_interactions(_yaml(lines.read(), str(path)), str(path))
            first = lines.readline(_FIRST_BYTES)
            if not is_cassette(first):
                # The whole first line may be megabytes of something else; what was read of it is enough to say so.
                return parse_cassette([first], str(path))
            return parse_cassette(_lines(first, lines), str(path))
    except OSError as error:
        raise ConfigError(
            f"cannot read the cassette {str(path)!r}: {error.strerror or error}; check its name"
        ) from error


def _lines(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _yaml(text: bytes, name: str) -> object:
    try:
        import yaml
    except ImportError as error:
        raise ConfigError(f"{name!r} is YAML; run `pip install pyyaml` to read such recordings") from error
    try:
        return cast("object", yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise ConfigError(f"{name!r} is not YAML: {' '.join(str(error).split())[:200]}") from None


def _of_interactions(document: object, name: str) -> Cassette:
    found = (
        cast("Mapping[str, object]", document).get("interactions") if isinstance(document, Mapping) else None
    )
    if not isinstance(found, list):
        raise ConfigError(f"{name!r} is not a recording: it has no list of `interactions`")
    entries: list[Entry] = []
    for number, interaction in enumerate(cast("list[object]", found), start=1):
        entries.append(_entry(interaction, number, name))
    return Cassette(_guessed(entries), tuple(entries))


def _entry(interaction: object, number: int, name: str) -> Entry:
    members = members_of(interaction)
    way, data = members.get("direction"), members.get("data")
    if way not in ("sent", "received") or data is None:
        raise ConfigError(
            f"interaction {number} of {name!r} is not a frame: it needs a `direction`, sent or received, and `data`"
        )
    kind = Sent if way == "sent" else Received
    if isinstance(data, str):
        return kind(at_ms=0.0, text=data)
    return kind(at_ms=0.0, data=msgspec.Raw(msgspec.json.encode(data)))


def _guessed(entries: list[Entry]) -> CassetteHeader:
    """What a recording that does not say it is of, by its frames."""
    session: Mapping[str, Any] = {}
    setup: Mapping[str, Any] | None = None
    for entry in entries:
        if not isinstance(entry, (Sent, Received)):
            continue
        facts = facts_of(entry.frame)
        if facts.kind == "setup":
            setup = members_of(members_of(facts.value).get("setup"))
        elif isinstance(entry, Received) and facts.kind.startswith("session.") and not session:
            session = members_of(members_of(facts.value).get("session"))
    model = str(session.get("model", ""))
    if setup is not None:
        provider, dialect = "gemini", ""
        model = str(setup.get("model", "")).removeprefix("models/")
    elif model.startswith("grok"):
        provider, dialect = "xai", ""
    elif model.startswith("qwen"):
        provider, dialect = "dashscope", ""
    elif session.get("type") == "realtime" or "output_modalities" in session:
        provider, dialect = "openai", "ga"
    elif any(
        str(key).startswith(("input_audio_noise", "input_audio_echo", "animation", "avatar"))
        for key in session
    ):
        provider, dialect = "voicelive", ""
    else:
        provider, dialect = "openai", "beta"
    name = f"{provider}:{model}" if model else provider
    return CassetteHeader(
        provider=provider,
        dialect=dialect,
        model=name,
        audio="foreign",
        software="pydantic-ai",
        has_times=False,
    )
