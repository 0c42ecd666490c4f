"""``voicewire models``, ``voices`` and ``providers``: what there is to choose from."""

from __future__ import annotations

from typing import Annotated

import typer

from voicewire.cli.common import command, console


@command
def models() -> None:
    """List the models that --model takes."""
    from voicewire.models.registry import model_entries

    _print_table(
        ("model", "needs", "what it is"),
        [(entry.pattern, _need(entry.needs), entry.summary) for entry in model_entries()],
    )


@command
def providers() -> None:
    """List the providers and whether their keys are set (never their values)."""
    from voicewire.models.registry import model_entries
    from voicewire.settings import is_set

    rows: list[tuple[str, ...]] = []
    for entry in model_entries():
        state = "no key needed"
        if entry.needs:
            state = "set" if is_set(entry.needs) else "not set"
        rows.append((entry.prefix, entry.needs or "-", state))
    _print_table(("provider", "key", "state"), rows)
    console().print("Keys are read from the environment, or from a .env file in the working folder.")


@command
def voices(
    model: Annotated[
        str, typer.Option("--model", help="Whose voices; default: the local engine's.")
    ] = "local",
) -> None:
    """List the voices of a model."""
    rows: list[tuple[str, ...]] = []
    if model == "local":
        from voicewire.engine.tts import create_synthesizer

        rows += [(voice.name, voice.language, voice.description) for voice in create_synthesizer().voices()]
    else:
        from voicewire.cli.opening import make_model

        names = make_model(model).capabilities.voices
        if not names:
            console().print(f"{model} takes any voice name; its provider's documentation lists them.")
            return
        rows += [(name, "", "") for name in names]
    _print_table(("voice", "language", "what it is"), rows)


def _print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Columns as wide as their content, so that the output can be cut and searched as well as read."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        console().print(line, style="dim" if row is head else "", markup=False, soft_wrap=True)


def _need(variable: str) -> str:
    if not variable:
        return "nothing"
    from voicewire.settings import is_set

    return f"{variable} ({'set' if is_set(variable) else 'not set'})"
