"""The program's entry point: which commands there are."""

from __future__ import annotations

from typing import Annotated

import typer

from voicewire._version import __version__
from voicewire.cli import demo, doctor, listing, replay, say, serve, setup, talk, transcribe
from voicewire.cli.common import load_env_file

app = typer.Typer(
    name="voicewire",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Realtime voice conversations over any provider, and over none.",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"voicewire {__version__}")
        raise typer.Exit


@app.callback()
def _options(  # pyright: ignore[reportUnusedFunction]  # typer calls it
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass


app.command("talk")(talk.talk)
app.command("setup")(setup.setup)
app.command("doctor")(doctor.doctor)
app.command("serve")(serve.serve)
app.command("say")(say.say)
app.command("transcribe")(transcribe.transcribe)
app.command("models")(listing.models)
app.command("voices")(listing.voices)
app.command("providers")(listing.providers)
app.command("replay")(replay.replay)
app.command("demo", hidden=True)(demo.demo)


def main() -> None:
    """Runs the program with the process's arguments; ends with ``SystemExit``."""
    load_env_file()
    app()
