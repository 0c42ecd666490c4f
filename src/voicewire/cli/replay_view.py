"""A recorded session as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rich.text import Text

from voicewire.transport.cassette import Closed, Gap, Opened, Received, Sent

if TYPE_CHECKING:
    from voicewire.testing.cassette_report import Answer, Report
    from voicewire.transport.cassette import Cassette, CassetteHeader, Entry
    from voicewire.transport.frame_kinds import FrameFacts

_STYLES: Final = {"you": "bold blue", "agent": "bold green", "tool": "magenta", "link": "dim", "error": "red"}
_CLOCK_COLUMNS: Final = 17


def note_on_end(cassette: Cassette) -> str:
    """What is to be said of how a recording ends; empty when it is whole."""
    if cassette.is_broken_off:
        return "The last line is broken off: the program that recorded was killed. All before it is shown and played."
    if cassette.is_unfinished:
        return "The recording ends in the middle: the program that recorded was killed, or still runs."
    return ""


def timeline(cassette: Cassette, report: Report) -> Iterator[Text]:
    """The conversation, line by line, then its latencies and totals.

    Args:
        cassette: The recording.
        report: What it holds.
    """
    header = cassette.header
    yield _title(header)
    yield Text()
    for line in report.lines:
        clock = _clock(line.at_ms, line.until_ms) if header.has_times else ""
        style = _STYLES[line.who]
        yield Text.assemble(
            (f"{clock:>{_CLOCK_COLUMNS}}", "dim"),
            (f"{line.who:>7}  ", style),
            (line.text, "" if line.who in ("you", "agent") else style),
        )
    yield Text()
    if report.answers:
        yield from _answers(report.answers, has_times=header.has_times, has_audio=header.audio != "foreign")
        yield Text()
    yield from _totals(cassette, report)


def frame_table(cassette: Cassette) -> Iterator[Text]:
    """The frames, one line for each; runs of the same kind are one line.

    Args:
        cassette: The recording.
    """
    yield _title(cassette.header)
    yield Text()
    run: _Run | None = None
    for entry in cassette.entries:
        new = _Run.of(entry)
        if run is not None and run.takes(new):
            run.add(new)
            continue
        if run is not None:
            yield run.shown(has_times=cassette.header.has_times)
        run = new
    if run is not None:
        yield run.shown(has_times=cassette.header.has_times)
    if note := note_on_end(cassette):
        yield Text(note, "yellow")


class _Run:
    """Consecutive frames of one kind and direction."""

    def __init__(self, entry: Entry, arrow: str, what: str) -> None:
        self._entry = entry
        self._arrow = arrow
        self._what = what
        self._until_ms = entry.at_ms
        self._count = 1
        self._bytes = 0
        self._audio_bytes = 0

    @classmethod
    def of(cls, entry: Entry) -> _Run:
        """A run of one."""
        from voicewire.transport.frame_kinds import facts_of

        match entry:
            case Opened():
                return cls(entry, "==", f"open {entry.url}")
            case Closed():
                return cls(entry, "==", f"closed by {entry.by} ({entry.code}) {entry.reason}".rstrip())
            case Gap():
                return cls(
                    entry, "!!", f"{entry.frames} frames ({entry.frames_bytes} bytes) were not recorded"
                )
            case _:
                return cls._of_frame(entry, facts_of(entry.frame))

    @classmethod
    def _of_frame(cls, entry: Sent | Received, facts: FrameFacts) -> _Run:
        run = cls(entry, "->" if isinstance(entry, Sent) else "<-", facts.kind)
        run._bytes = len(entry.frame)
        run._audio_bytes = facts.audio_bytes
        return run

    def takes(self, other: _Run) -> bool:
        """Whether the other is one more of the same."""
        return (
            self._bytes > 0
            and (self._arrow, self._what) == (other._arrow, other._what)
            and self._entry.connection == other._entry.connection
        )

    def add(self, other: _Run) -> None:
        """Takes it in."""
        self._count += other._count
        self._bytes += other._bytes
        self._audio_bytes += other._audio_bytes
        self._until_ms = other._until_ms

    def shown(self, *, has_times: bool) -> Text:
        """The line."""
        until_ms = self._until_ms if self._count > 1 else None
        clock = _clock(self._entry.at_ms, until_ms) if has_times else ""
        style = {"->": "blue", "<-": "green", "!!": "red"}.get(self._arrow, "dim")
        size = f"  {self._bytes} bytes" if self._bytes else ""
        audio = f", audio {self._audio_bytes} bytes" if self._audio_bytes else ""
        times = f" x{self._count}" if self._count > 1 else ""
        return Text.assemble(
            (f"{clock:>{_CLOCK_COLUMNS}}", "dim"),
            f"  {self._entry.connection} ",
            (f"{self._arrow} {self._what}{times}", style),
            (size + audio, "dim"),
        )


def _title(header: CassetteHeader) -> Text:
    dialect = f", dialect {header.dialect}" if header.dialect else ""
    when = f", {header.started}" if header.started else ""
    audio = {"kept": "audio kept", "cut": "audio cut, lengths kept", "foreign": "audio cut"}[header.audio]
    return Text.assemble((header.model or header.provider, "bold"), f"{dialect}{when}, {audio}")


def _clock(at_ms: float, until_ms: float | None) -> str:
    start = f"{at_ms / 1000:.2f}"
    return f"{start} s" if until_ms is None else f"{start}-{until_ms / 1000:.2f} s"


def _answers(answers: list[Answer], *, has_times: bool, has_audio: bool) -> Iterator[Text]:
    head = ("answer to", "begins", "first word", "first audio", "done", "audio", "status", "tokens in/out")
    rows: list[tuple[str, ...]] = [head]
    for answer in answers:
        moments = (answer.created_ms, answer.first_text_ms, answer.first_audio_ms, answer.done_ms)
        rows.append(
            (
                answer.cause or "(nothing recorded)",
                *(_milliseconds(answer.after_cause_ms(at_ms) if has_times else None) for at_ms in moments),
                f"{answer.audio_s:.2f} s" if has_audio else "cut",
                answer.status or "unfinished",
                f"{answer.input_tokens}/{answer.output_tokens}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield Text(cells.rstrip(), "dim" if row is head else "")
    if has_times:
        yield Text("Times count from what the answer is to, as its frame passed here.", "dim")
    else:
        yield Text("This recording has no times.", "dim")


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _totals(cassette: Cassette, report: Report) -> Iterator[Text]:
    length = f" in {report.end_ms / 1000:.2f} s" if cassette.header.has_times else ""
    count = len(cassette.connections)
    yield Text(
        f"{report.sent_frames} frames sent, {report.received_frames} received{length}, "
        f"{count} connection{'s'[: count != 1]}"
    )
    if report.unknown:
        listed = ", ".join(f"{name} x{times}" for name, times in sorted(report.unknown.items()))
        yield Text(f"Unknown to this version, passed on as they are: {listed}", "yellow")
    if report.lost_frames:
        yield Text(
            f"{report.lost_frames} frames were not recorded: the disk was slower than the session", "red"
        )
    for fault in report.faults:
        yield Text(f"Broken frame: {fault}", "red")
    if note := note_on_end(cassette):
        yield Text(note, "yellow")
