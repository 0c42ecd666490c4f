"""Ctrl-C and SIGTERM at any moment of ``voicewire talk``: nothing of the recording is lost."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.leaks import SECRET
from tests.faults.program import (
    WAIT_S,
    Program,
    events_in,
    has_event,
    ran,
    speech_file,
    started,
    whole_recording,
)

pytestmark = pytest.mark.loopback

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""128 and the signal's number, as a shell counts."""


def _has_begun(out: Path) -> bool:
    return (out / "events.jsonl").exists()


def _is_heard(out: Path) -> bool:
    return has_event(out, "voicewire.input_started")


def _replies(out: Path) -> bool:
    return has_event(out, "voicewire.audio_played")


def _writes_its_end(out: Path) -> bool:
    return (out / "timeline.html.part").exists() or (out / "timeline.html").exists()


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "after the start": _has_begun,
    "in the user's speech": _is_heard,
    "in the reply": _replies,
    "in the final write": _writes_its_end,
}


def _reach(program: Program, out: Path, moment: str) -> None:
    program.wait_until(lambda: MOMENTS[moment](out), moment)


@pytest.mark.parametrize("number", EXIT_CODES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_one_signal(tmp_path: Path, moment: str, number: signal.Signals) -> None:
    out = tmp_path / "out"
    with started("talk", "-m", "echo", "-i", speech_file(tmp_path, 0.3), "-o", out) as program:
        _reach(program, out, moment)
        program.signal(number)
        ended = program.end()
    assert (ended.code, ended.errors) == (EXIT_CODES[number], "")
    recording = whole_recording(out)
    assert ("voicewire.audio_played" in recording.types()) == (
        moment in ("in the reply", "in the final write")
    )


@pytest.mark.parametrize("first", EXIT_CODES)
def test_more_signals_cannot_hurt_it(tmp_path: Path, first: signal.Signals) -> None:
    out = tmp_path / "out"
    with started("talk", "-m", "echo", "-i", speech_file(tmp_path, 0.3), "-o", out) as program:
        _reach(program, out, "in the reply")
        program.signal(first)
        program.signal(signal.SIGINT)
        _reach(program, out, "in the final write")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            program.signal(number)
        ended = program.end()
    # Python hands over signals that came together by number, not by time: either may count as the first.
    assert ended.code in {EXIT_CODES[first], EXIT_CODES[signal.SIGINT]}
    assert ended.errors == ""
    assert "voicewire.audio_played" in whole_recording(out).types()


@pytest.mark.parametrize("number", EXIT_CODES)
def test_while_the_provider_does_not_answer(tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out"
    with socket.create_server(("127.0.0.1", 0)) as provider:
        provider.settimeout(WAIT_S)
        settings = {
            "OPENAI_API_KEY": SECRET,
            "OPENAI_BASE_URL": f"http://127.0.0.1:{provider.getsockname()[1]}/v1",
        }
        arguments = ("talk", "-m", "openai:gpt-realtime", "-i", speech_file(tmp_path), "-o", out)
        with started(*arguments, environment=settings) as program:
            accepted, _ = provider.accept()
            with accepted:
                program.signal(number)
                ended = program.end()
    assert (ended.code, ended.errors) == (EXIT_CODES[number], "")
    assert whole_recording(out).events == []


def test_while_the_program_loads(tmp_path: Path) -> None:
    """As early as a signal can be caught by us: the first module of the program runs."""
    slow = tmp_path / "typer.py"
    flag = tmp_path / "loading"
    slow.write_text(f"open({str(flag)!r}, 'w').close()\nimport threading\nthreading.Event().wait(30)\n")
    with started("talk", environment={"PYTHONPATH": str(tmp_path)}) as program:
        program.wait_until(flag.exists, "it loads")
        program.signal(signal.SIGINT)
        ended = program.end()
    assert (ended.code, ended.output, ended.errors) == (130, "", "")


def test_a_finished_conversation_is_not_an_interrupted_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = ran("talk", "-m", "echo", "-i", speech_file(tmp_path, 0.3), "-o", out)
    assert (ended.code, ended.errors) == (0, "")
    assert "voicewire.audio_played" in whole_recording(out).types()
    assert [event["t_ms"] for event in events_in(out)] == sorted(event["t_ms"] for event in events_in(out))
