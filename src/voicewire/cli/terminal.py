"""The conversation in the terminal: live when there is one, plain lines otherwise."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text
from typing_extensions import Self

from voicewire.audio.level import LevelMeter
from voicewire.events.model import ModelErrorEvent, ModelInputTranscriptionDoneEvent, ModelResponseDoneEvent
from voicewire.recording.marks import Mark, PlayoutCut, StateChanged, ToolFinished
from voicewire.recording.timeline import Speech, TimelineBuilder, Turn, Utterance, words_heard
from voicewire.recording.waterfall import Waterfall, bar_text

if TYPE_CHECKING:
    from voicewire.audio.format import AudioFrame
    from voicewire.events.base import EventBase

_METER_COLUMNS: Final = 12
_METER_FLOOR_DBFS: Final = -60.0
_METER_FALL_SAMPLES: Final = 1600
_BAR_COLUMNS: Final = 36
_REFRESH_PER_S: Final = 12
_STATE_STYLES: Final = {"idle": "dim", "listening": "blue", "thinking": "yellow", "speaking": "green"}
_STAGE_STYLES: Final = {
    "endpoint_ms": "bright_black",
    "asr_final_ms": "blue",
    "first_token_ms": "magenta",
    "first_clause_ms": "red",
    "audio_sent_ms": "yellow",
    "audible_ms": "green",
}


class TerminalView:
    """Shows a session as it goes; an observer of ``VoiceSession``.

    Use it as ``with TerminalView(console, title) as view``.

    Concurrency: the session's task calls it; rich's own thread only draws.

    Args:
        console: Where to write.
        title: Who is talked with.
        shows_waterfall: Whether each turn ends with its latencies.
        invitation: What to tell the user once everything is open; empty for nothing.
    """

    def __init__(
        self, console: Console, title: str, *, shows_waterfall: bool = True, invitation: str = ""
    ) -> None:
        self._console = console
        self._title = title
        self._shows_waterfall = shows_waterfall
        self._invitation = invitation
        self._builder = TimelineBuilder()
        self._state = "idle"
        self._now_ms = 0.0
        self._levels = {"you": LevelMeter(_METER_FALL_SAMPLES), "agent": LevelMeter(_METER_FALL_SAMPLES)}
        self._told: set[str] = set()
        self._told_turns: set[int] = set()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                console=self._console,
                get_renderable=self._status,
                refresh_per_second=_REFRESH_PER_S,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()
        self._tell_finished(is_over=True)

    def on_start(self, origin_ns: int) -> None:
        """The session begins."""
        self._builder = TimelineBuilder(origin_ns=origin_ns)
        if self._invitation:
            self._print(Text(self._invitation, style="dim"))

    def on_event(self, at_ms: float, what: EventBase | Mark) -> None:
        """Shows what an event or mark brings."""
        self._builder.add(at_ms, what)
        self._now_ms = at_ms
        match what:
            case ModelInputTranscriptionDoneEvent():
                self._tell_finished()
                self._tell_utterance(what.item_id, what.transcript)
            case StateChanged():
                self._state = what.state
                if what.state in ("idle", "listening"):
                    self._tell_finished()
            case PlayoutCut():
                self._tell_finished()
            case ToolFinished():
                self._print(Text(f"{'tool':>7}  {what.name}: {what.output}", style="magenta"))
            case ModelErrorEvent():
                self._print(Text(f"{'error':>7}  {what.message}", style="red"))
            case ModelResponseDoneEvent() if what.status == "failed":
                self._print(Text(f"{'error':>7}  {what.message or what.reason}", style="red"))
            case _:
                pass

    def on_user_audio(self, start_ms: float, frame: AudioFrame) -> None:
        """Moves the user's level."""
        self._now_ms = start_ms
        self._levels["you"].push(frame.data)

    def on_agent_audio(self, start_ms: float, pcm16: bytes, sample_rate_hz: int) -> None:
        """Moves the agent's level."""
        self._levels["agent"].push(pcm16)

    def on_agent_position(self, until_ms: float) -> None:
        """Lets the agent's level fall in silence."""
        if self._state != "speaking":
            self._levels["agent"].reset()

    def _print(self, *lines: Text) -> None:
        for line in lines:
            self._console.print(line, soft_wrap=True)

    def _tell_utterance(self, item_id: str, text: str) -> None:
        if f"u:{item_id}" not in self._told:
            self._told.add(f"u:{item_id}")
            self._print(Text.assemble((f"{'you':>7}  ", "bold blue"), text or "(nothing recognised)"))

    def _tell_finished(self, *, is_over: bool = False) -> None:
        """Prints the speeches that are over, and the waterfall of their turns."""
        timeline = self._builder.build()
        for turn in timeline.turns:
            for speech in turn.speeches:
                is_finished = (
                    is_over
                    or speech.cut_ms is not None
                    or (speech.done_ms is not None and speech.heard_ms >= speech.generated_ms - 1.0)
                )
                if speech.text and is_finished and speech.response_id not in self._told:
                    self._told.add(speech.response_id)
                    self._print(speech_line(speech))
                    self._tell_waterfall(turn)

    def _tell_waterfall(self, turn: Turn) -> None:
        if self._shows_waterfall and turn.waterfall is not None and turn.number not in self._told_turns:
            self._told_turns.add(turn.number)
            self._print(*waterfall_lines(turn.waterfall))

    def _status(self) -> RenderableType:
        """The live part: what is being said, state, levels."""
        timeline = self._builder.build()
        lines = [
            _partial_line(utterance)
            for utterance in timeline.utterances[-1:]
            if f"u:{utterance.item_id}" not in self._told
        ]
        lines += [
            _speaking_line(speech)
            for speech in timeline.speeches[-1:]
            if speech.text and speech.response_id not in self._told
        ]
        state = Text(f" {self._state:<10}", style=f"bold {_STATE_STYLES.get(self._state, '')}")
        for name, meter in self._levels.items():
            state.append(f" {name} ", style="dim")
            state.append(_meter_text(meter.rms_dbfs), style="blue" if name == "you" else "green")
        state.append(f"  {self._now_ms / 1000:6.1f} s  {self._title}", style="dim")
        lines.append(state)
        return Group(*lines)


def speech_line(speech: Speech) -> Text:
    """What the agent said; what was not heard is struck through."""
    line = Text.assemble((f"{'agent':>7}  ", "bold green"))
    heard = speech.text if speech.heard_text is None else speech.heard_text
    line.append(heard)
    if speech.heard_text is not None and speech.text.startswith(heard):
        line.append(" | " if heard else "| ", style="red")
        line.append(speech.text[len(heard) :].strip(), style="dim strike")
        line.append(f"  [interrupted at |, heard {speech.heard_ms / 1000:.1f} s]", style="red")
    return line


def waterfall_lines(waterfall: Waterfall) -> list[Text]:
    """The stages of one turn as bars."""
    lines: list[Text] = []
    for bar in waterfall.bars:
        line = Text(f"{'':9}{bar.name:<13}", style="dim")
        line.append(
            f"{bar_text(bar, waterfall.total_ms, _BAR_COLUMNS):<{_BAR_COLUMNS}}", _STAGE_STYLES[bar.key]
        )
        line.append(f" {bar.end_ms:5.0f} ms", style="dim")
        lines.append(line)
    return lines


def _partial_line(utterance: Utterance) -> Text:
    return Text.assemble((f"{'you':>7}  ", "bold blue"), (utterance.text or "…", "italic dim"))


def _speaking_line(speech: Speech) -> Text:
    heard = words_heard(speech.pieces, speech.heard_ms, speech.generated_ms)
    line = Text.assemble((f"{'agent':>7}  ", "bold green"), heard)
    if speech.text.startswith(heard):
        line.append(speech.text[len(heard) :], style="dim")
    return line


def _meter_text(level_dbfs: float) -> str:
    share = min(max(1.0 - level_dbfs / _METER_FLOOR_DBFS, 0.0), 1.0)
    filled = round(share * _METER_COLUMNS)
    return "█" * filled + "░" * (_METER_COLUMNS - filled)
