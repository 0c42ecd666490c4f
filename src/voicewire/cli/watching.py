"""What ``voicewire serve`` is told of recordings and traces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicewire.errors import ConfigError

if TYPE_CHECKING:
    from voicewire.gateway.observe import GatewayObserver
    from voicewire.gateway.recordings import Recordings


Record = Annotated[
    Path | None, typer.Option(help="Record sessions into this folder: sound, events, timeline.")
]
RecordDays = Annotated[float | None, typer.Option(min=0, help="Delete recordings that are older.")]
RecordMaxGb = Annotated[
    float | None, typer.Option(min=0, help="Delete the oldest recordings above this size.")
]
DrainS = Annotated[
    float | None, typer.Option(min=0, help="How long replies may go on after SIGTERM. Default: 10.")
]
Otel = Annotated[
    bool,
    typer.Option("--otel", envvar="VOICEWIRE_OTEL", help="OpenTelemetry spans of sessions and turns."),
]


def watchers(
    folder: Path | None, days: float | None, max_gb: float | None, *, is_traced: bool
) -> tuple[tuple[GatewayObserver, ...], Recordings | None]:
    """The observers of a gateway, besides its metrics, and where it records.

    Raises:
        ConfigError: A bound without a folder, or the package for traces is missing.
    """
    from voicewire.gateway.recordings import Recordings

    if folder is None and (days is not None or max_gb is not None):
        raise ConfigError(
            "--record-days and --record-max-gb belong to --record DIR; add it or leave them out"
        )
    recordings = None if folder is None else Recordings(folder, days=days, max_gb=max_gb)
    if not is_traced:
        return (), recordings
    try:
        from voicewire.gateway.tracing import GatewayTraces
    except ImportError as error:
        raise ConfigError(
            f"--otel needs the OpenTelemetry API ({error}); run `pip install 'voicewire[otel]'`"
        ) from error
    return (GatewayTraces(),), recordings
