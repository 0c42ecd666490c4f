"""``voicewire replay``: a recorded session as a timeline, or as the provider it was recorded from."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicewire.cli.common import command, console
from voicewire.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from voicewire.protocols.codec import ClientCodec
    from voicewire.transport.cassette import Cassette


class Pace(str, Enum):
    """How fast a recording is played."""

    real_time = "real-time"
    fast = "fast"


@command
def replay(
    file: Annotated[Path, typer.Argument(help="A recording made with --record.")],
    frames: Annotated[bool, typer.Option("--frames", help="Show the frames of the wire instead.")] = False,
    serve: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Be the recorded provider on this port of 127.0.0.1; 0: any."),
    ] = None,
    pace: Annotated[
        Pace, typer.Option(help="With --serve: the recorded times, or no waiting.")
    ] = Pace.real_time,
) -> None:
    """Show a recorded session, or play it back as its provider."""
    from voicewire.cli.replay_view import frame_table, timeline
    from voicewire.testing.cassette_files import load_cassette
    from voicewire.testing.cassette_report import report_of

    cassette = load_cassette(file)
    if serve is not None:
        _serve(cassette, file, serve, pace)
        return
    shown = (
        frame_table(cassette)
        if frames
        else timeline(cassette, report_of(cassette, _codec_of(cassette, file)))
    )
    for line in shown:
        console().print(line, soft_wrap=True)


def _codec_of(cassette: Cassette, file: Path) -> Callable[[], ClientCodec] | None:
    """What reads its events; None where this version has no codec for its wire."""
    from voicewire.testing.cassette_model import model_of

    try:
        return model_of(cassette.header, str(file)).codec
    except ConfigError as error:
        console().print(
            f"Only its frames can be shown: {error}", style="yellow", soft_wrap=True, markup=False
        )
        return None


def _serve(cassette: Cassette, file: Path, port: int, pace: Pace) -> None:
    """Plays the recording to whoever connects, until Ctrl-C."""
    import anyio

    from voicewire.cli.replay_view import note_on_end
    from voicewire.cli.signals import Interrupts

    try:
        from voicewire.testing.cassette_server import serve_cassette
    except ImportError as error:
        raise ConfigError(
            f"the gateway is not installed ({error}); run `pip install 'voicewire[gateway]'`"
        ) from error

    def tell(text: str) -> None:
        console().print(text, soft_wrap=True, markup=False)

    async def play() -> None:
        async with serve_cassette(
            cassette, name=str(file), port=port, pace=pace.value, on_news=tell
        ) as provider:
            tell(f"listening on {provider.http_url}")
            tell(f"Plays {cassette.header.model}; point a client there with its base URL. Ctrl-C ends it.")
            await anyio.sleep_forever()

    if note := note_on_end(cassette):
        console().print(note, style="yellow", soft_wrap=True)
    with Interrupts() as interrupts:
        interrupts.run(play)
