"""How far a file is, in the terminal or as plain lines."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from voicewire.cli.transcribe import Show

_LINES: Final = 10


class FileProgress:
    """A bar in a terminal; elsewhere, such as in a log, a line for each tenth.

    Args:
        console: Where to.
        name: Of the file.
        total_ms: Its length, where that is known.
    """

    def __init__(self, console: Console, name: str, total_ms: int | None) -> None:
        self._console = console
        self._name = name
        self._total_ms = total_ms
        self._told = 0
        self._bar: Progress | None = None

    def __enter__(self) -> Show:
        if not self._console.is_terminal:
            return self._line
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        task = self._bar.add_task(self._name, total=self._total_ms)
        self._bar.start()
        bar = self._bar
        return lambda done_ms: bar.update(task, completed=done_ms)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _line(self, done_ms: int) -> None:
        tenths = done_ms * _LINES // self._total_ms if self._total_ms else done_ms // 60_000
        if tenths > self._told:
            self._told = tenths
            share = f"{min(100, tenths * 100 // _LINES)} %" if self._total_ms else f"{done_ms // 1000} s"
            self._console.print(Text(f"{self._name}: {share}"), soft_wrap=True)
