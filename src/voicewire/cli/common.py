"""What all commands share: errors as one line, Ctrl-C, the ``.env`` file, exit codes."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import typer

from voicewire.cli.entry import EXIT_INTERRUPTED
from voicewire.errors import ConfigError, UnsupportedError, VoicewireError

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2

P = ParamSpec("P")
R = TypeVar("R")


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function fit for the command line: an expected error is one line, Ctrl-C ends it with 130."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            # The reader of our output has gone (as `head` does); Python would complain again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(EXIT_FAILURE) from None
        except VoicewireError as error:
            if is_debugging():
                raise
            raise typer.Exit(report(error)) from None

    return wrapped


def is_debugging() -> bool:
    """Whether the user asked for tracebacks."""
    from voicewire.environment import variable

    return variable("VOICEWIRE_DEBUG") not in (None, "0")


def report(error: VoicewireError) -> int:
    """Prints an error as one line on standard error.

    Returns:
        The exit code for it: 2 when something has to be set right first, else 1.
    """
    from rich.text import Text

    error_console().print(Text(f"voicewire: {error}", style="bold red"), soft_wrap=True)
    return EXIT_USAGE if isinstance(error, (ConfigError, UnsupportedError)) else EXIT_FAILURE


@functools.cache
def console() -> Console:
    """Standard output."""
    from rich.console import Console

    return Console(highlight=False)


@functools.cache
def error_console() -> Console:
    """Standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def load_env_file(path: Path | None = None) -> None:
    """Adds the settings of a ``.env`` file in the working folder to the environment; what is set wins.

    Lines are ``NAME=value``, with optional ``export`` and quotes; the rest is ignored.
    """
    try:
        lines = (path or Path(".env")).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name or name.startswith("#"):
            continue
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        else:
            value = value.partition(" #")[0].rstrip()
        os.environ.setdefault(name, value)


def megabytes(size_bytes: int) -> str:
    """A size for people."""
    return f"{size_bytes / 1e6:.0f} MB" if size_bytes >= 1_000_000 else f"{size_bytes / 1e3:.0f} kB"
