"""What ``voicewire serve`` is told of recordings and traces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicewire.errors import ConfigError

if TYPE_CHECKING:
    from voicewire.gateway.cassettes import Cassettes
    from voicewire.gateway.observe import GatewayObserver
    from voicewire.gateway.recordings import Recordings


Record = Annotated[
    Path | None, typer.Option(help="Record sessions into this folder: sound, events, timeline.")
]
CassetteFolder = Annotated[
    Path | None,
    typer.Option(
        "--cassettes", help="Record the wire of every client into this folder; see `voicewire replay`."
    ),
]
CassetteAudio = Annotated[
    bool, typer.Option("--cassette-audio/--no-cassette-audio", help="Whether audio stays in the cassettes.")
]
RecordDays = Annotated[
    float | None, typer.Option(min=0, help="Delete recordings and cassettes that are older.")
]
RecordMaxGb = Annotated[
    float | None, typer.Option(min=0, help="Delete the oldest recordings, and cassettes, above this size.")
]
DrainS = Annotated[
    float | None, typer.Option(min=0, help="How long replies may go on after SIGTERM. Default: 10.")
]
Otel = Annotated[
    bool,
    typer.Option("--otel", envvar="VOICEWIRE_OTEL", help="OpenTelemetry spans of sessions and turns."),
]


def keepers(
    recordings: Path | None,
    cassettes: Path | None,
    *,
    keeps_audio: bool,
    days: float | None,
    max_gb: float | None,
) -> tuple[Recordings | None, Cassettes | None]:
    """Where a gateway records what was said, and where what passed over the wires.

    Raises:
        ConfigError: A bound without a folder, or one folder for both.
    """
    from voicewire.gateway.cassettes import Cassettes
    from voicewire.gateway.recordings import Recordings

    if recordings is None and cassettes is None and (days is not None or max_gb is not None):
        raise ConfigError(
            "--record-days and --record-max-gb belong to --record DIR or --cassettes DIR; add one or leave them out"
        )
    if recordings is not None and cassettes is not None and recordings.resolve() == cassettes.resolve():
        raise ConfigError("--record and --cassettes name the same folder; give each its own")
    return (
        None if recordings is None else Recordings(recordings, days=days, max_gb=max_gb),
        None
        if cassettes is None
        else Cassettes(cassettes, keeps_audio=keeps_audio, days=days, max_gb=max_gb),
    )


def watchers(*, is_traced: bool) -> tuple[GatewayObserver, ...]:
    """The observers of a gateway, besides its metrics and what it records.

    Raises:
        ConfigError: The package for traces is missing.
    """
    if not is_traced:
        return ()
    try:
        from voicewire.gateway.tracing import GatewayTraces
    except ImportError as error:
        raise ConfigError(
            f"--otel needs the OpenTelemetry API ({error}); run `pip install 'voicewire[otel]'`"
        ) from error
    return (GatewayTraces(),)
