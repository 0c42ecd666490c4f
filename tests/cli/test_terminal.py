"""What the terminal shows, plain and live."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.recording.samples import ORIGIN_NS, conversation
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.cli.terminal import TerminalView
from voicewire.events.model import ModelErrorEvent, ModelResponseDoneEvent
from voicewire.recording.marks import StateChanged

pytestmark = pytest.mark.unit


def _shown(*, is_terminal: bool = False, until: int | None = None) -> str:
    output = io.StringIO()
    console = Console(file=output, force_terminal=is_terminal, width=100, color_system=None)
    with TerminalView(console, "fake") as view:
        view.on_start(ORIGIN_NS)
        view.on_user_audio(0.0, AudioFrame(AudioFormat(24_000), b"\x00\x40" * 480))
        for at_ms, what in conversation()[:until]:
            view.on_event(at_ms, what)
    return output.getvalue()


def test_plain_lines_come_in_the_order_of_the_conversation() -> None:
    lines = _shown().splitlines()
    said = [line.strip() for line in lines if "█" not in line]
    assert said == [
        "you  Tell me a story.",
        "agent  Once upon a time | there was a sea. It was very big & <blue>."
        "  [interrupted at |, heard 1.0 s]",
        "you  Stop, the weather?",
        "tool  get_weather: rain",
        "agent  Rain.",
    ]
    bars = [line.split()[0] for line in lines if "█" in line]
    first = ["endpoint", "ASR", "first", "first", "audio", "audible"]
    assert bars == [*first, "endpoint", "ASR", "first", "audio", "audible"]


def test_what_was_not_over_is_told_at_the_end() -> None:
    assert "agent  Once upon a time there was a sea." in _shown(until=8)


def test_errors_and_states_are_shown() -> None:
    output = io.StringIO()
    view = TerminalView(Console(file=output, width=100), "fake")
    view.on_event(1, ModelErrorEvent(error_type="x", code="y", message="[no] such voice"))
    view.on_event(2, StateChanged(state="thinking"))
    assert "error  [no] such voice" in output.getvalue()


def test_a_failed_answer_is_shown() -> None:
    output = io.StringIO()
    view = TerminalView(Console(file=output, width=100), "fake")
    failed = ModelResponseDoneEvent(
        response_id="r", input_tokens=0, output_tokens=0, status="failed", reason="c", message="no brain"
    )
    view.on_event(1, failed)
    view.on_event(2, ModelResponseDoneEvent(response_id="s", input_tokens=0, output_tokens=0, message="fine"))
    assert "error  no brain" in output.getvalue()
    assert "fine" not in output.getvalue()


def test_the_live_part_shows_state_partial_and_level() -> None:
    shown = _shown(is_terminal=True, until=3)
    assert "Tell me a stork" in shown
    assert "idle" in shown and "you ██" in shown
