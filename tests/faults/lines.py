"""The command line in this process: what a stranger reads when something is wrong."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from tests.faults.leaks import SECRET
from voicewire.cli.main import app


def refused(*arguments: str | Path, code: int) -> str:
    """Runs a command that must fail, and gives the one line that it says about it."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    assert SECRET not in result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.output
    assert lines[0].startswith("voicewire: ")
    assert not re.search(r"\wError\b|Exception\b|Errno|0x[0-9a-f]{6}", lines[0]), "words of the machine room"
    assert result.exit_code == code, lines[0]
    return lines[0]
