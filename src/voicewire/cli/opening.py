"""Making a model from the options of a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicewire.cli.common import console, error_console
from voicewire.errors import ConfigError, UnsupportedError

if TYPE_CHECKING:
    from voicewire.models.model import RealtimeModel


Record = Annotated[
    Path | None, typer.Option(help="A file for the wire frames of both sides; see `voicewire replay`.")
]
RecordAudio = Annotated[
    bool, typer.Option("--record-audio/--no-record-audio", help="Whether audio stays in that file.")
]


def name_cassette(record: Path | None) -> None:
    """Says where the cassette is; on standard error, where it is in nobody's way."""
    if record is not None:
        error_console().print(f"Recorded to {record}; see it with: voicewire replay {record}", soft_wrap=True)


def make_model(
    name: str,
    *,
    brain: str | None = None,
    voice: str | None = None,
    record: Path | None = None,
    record_audio: bool = True,
) -> RealtimeModel:
    """Creates the model and, the first time it is the local one, says what its brain is.

    Args:
        name: As for ``create_model``.
        brain: A GGUF file or a base URL, for ``local`` only.
        voice: Checked against the voices that the model is known to have.
        record: A file that the session's wire frames go into.
        record_audio: Whether their audio goes into it too.

    Raises:
        UnknownModelError: No such model.
        ConfigError: A key is missing, or ``brain`` is given to a model that has its own.
        ModelLoadError: The local engine's files are missing or damaged.
        UnsupportedError: No such voice; the message names those there are.
    """
    from voicewire.models.registry import create_model

    if name != "local":
        if brain:
            raise ConfigError(f"--brain belongs to the model 'local', not to {name!r}; leave one of them out")
    else:
        _check_weights()
        if not brain:
            _show_notice_once()
    options: dict[str, Any] = {"brain": brain} if brain else {}
    if record is not None:
        options |= {"record": record, "record_audio": record_audio}
    model = create_model(name, **options)
    known = _voices_of(model) if voice else ()
    if known and voice not in known:
        raise UnsupportedError(f"{model.name!r} has no voice {voice!r}; it has: {', '.join(known)}")
    return model


def _check_weights() -> None:
    """Says at once what the engine would say when the first conversation begins, which may be hours later."""
    from voicewire.engine import weights

    for name in (weights.SILERO_VAD, weights.SMART_TURN, weights.WHISPER):
        weights.locate(name)


def _voices_of(model: RealtimeModel) -> tuple[str, ...]:
    """The voices known by name; empty when the provider takes any."""
    if model.name != "local":
        return model.capabilities.voices
    from voicewire.engine.tts import create_synthesizer

    return tuple(voice.name for voice in create_synthesizer().voices())


def _show_notice_once() -> None:
    from voicewire.engine.brain.base import DEMO_NOTICE
    from voicewire.environment import default_home

    marker = default_home() / "notice-shown"
    if marker.exists():
        return
    console().print(DEMO_NOTICE, style="yellow", soft_wrap=True)
    _touch(marker)


def _touch(marker: Path) -> None:
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    except OSError:
        # A read-only home only means that the notice comes again.
        return
