"""Scenarios for ``rt-client`` (npm), the JavaScript client of the beta dialect: a node process drives it.

The client closes the connection at any event that is not of October 2024, and refuses every later call after one
error; a scenario that reaches its end therefore had neither.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from .node_tools import HOME, command
from .subjects import SUBJECTS, WEATHER_RESULT, Subject, contains, is_paris

Line = dict[str, Any]
Lines = list[Line]
MODES = ("azure", "openai")
"""The client's two constructors."""


async def run(url: str, model: str, mode: str, scenario: str, prompt: str, work: Path) -> Lines:
    """What the node process printed."""
    subject = SUBJECTS[model]
    speech = work / "speech.pcm"
    speech.write_bytes(subject.speech())
    job = {
        "url": url,
        "model": model,
        "mode": mode,
        "scenario": scenario,
        "prompt": prompt,
        "next": subject.text_prompt,
        "speechFile": str(speech),
        "pace": subject.pace,
        "weather": WEATHER_RESULT,
        "timeoutMs": 60_000,
    }
    (work / "job.json").write_text(json.dumps(job))
    done = await anyio.run_process(
        command("rt_judge.mjs", str(work / "job.json")), cwd=HOME, check=False, stderr=subprocess.STDOUT
    )
    output = done.stdout.decode()
    assert done.returncode == 0, output
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert lines[-1]["kind"] == "end", output
    return lines


def _of(lines: Lines, kind: str) -> Lines:
    return [line for line in lines if line["kind"] == kind]


def text_turn(subject: Subject, lines: Lines) -> None:
    """Text in; text out, then the same with speech out."""
    written, spoken = _of(lines, "response")
    assert written["status"] == spoken["status"] == "completed"
    assert contains(subject.text_answer, written["words"][0]), written
    assert contains(subject.text_answer, spoken["words"][0]), spoken
    assert written["audioBytes"] == 0
    assert spoken["audioBytes"] > 0
    assert written["usage"]["total_tokens"] > 0


def spoken_turn(subject: Subject, lines: Lines) -> None:
    """Speech in, found by the server's VAD; transcript and speech out."""
    (response,), (heard,) = _of(lines, "response"), _of(lines, "heard")
    assert contains(subject.spoken_answer, response["words"][0]), response
    assert contains(subject.transcript, heard["words"]), heard
    assert 0 <= heard["from"] < heard["to"]
    assert response["audioBytes"] > 0


def manual_turn(subject: Subject, lines: Lines) -> None:
    """A turn ended by hand, its transcript, and a response that is asked for."""
    (response,), (heard,) = _of(lines, "response"), _of(lines, "heard")
    assert contains(subject.transcript, heard["words"]), heard
    assert contains(subject.spoken_answer, response["words"][0]), response


def tool_call(subject: Subject, lines: Lines) -> None:
    """A function call, its result, and the answer that uses it."""
    asked, answered = _of(lines, "response")
    assert [call["name"] for call in asked["calls"]] == ["get_weather"]
    assert is_paris(asked["calls"][0]["arguments"])
    assert contains(subject.tool_answer, answered["words"][0]), answered


def cancelled_response(subject: Subject, lines: Lines) -> None:
    """A response that the client cancels; the next turn works."""
    first, second = _of(lines, "response")
    assert (first["status"], second["status"]) == ("cancelled", "completed")
    assert contains(subject.text_answer, second["words"][0]), second


def interruption(subject: Subject, lines: Lines) -> None:
    """The user speaks while the model speaks: the reply ends, and what was said is answered."""
    first, second = _of(lines, "response")
    assert (first["status"], second["status"]) == ("cancelled", "completed")
    assert first["details"]["reason"] == "turn_detected"
    assert contains(subject.spoken_answer, second["words"][0]), second


def error(_: Subject, lines: Lines) -> None:
    """An order that cannot be carried out is refused with an error that names it."""
    (refused,) = _of(lines, "error")
    assert refused["name"] == "RTError"
    assert "item_nowhere" in refused["message"]


def drop(_: Subject, lines: Lines) -> None:
    """The connection is cut in a response: nothing hangs, and the next call says that it is lost."""
    assert _of(lines, "lost")


_CHECKS: dict[str, tuple[Callable[[Subject, Lines], None], Callable[[Subject], str]]] = {
    "text_turn": (text_turn, lambda subject: subject.text_prompt),
    "spoken_turn": (spoken_turn, lambda _: ""),
    "manual_turn": (manual_turn, lambda _: ""),
    "tool_call": (tool_call, lambda subject: subject.tool_prompt),
    "cancelled_response": (cancelled_response, lambda subject: subject.long_prompt),
    "interruption": (interruption, lambda subject: subject.long_prompt),
    "error": (error, lambda _: ""),
    "drop": (drop, lambda _: "drop"),
}


def _scenario(name: str) -> Callable[[str, str, str, Path], Awaitable[None]]:
    check, prompt = _CHECKS[name]

    async def scenario(url: str, model: str, mode: str, work: Path) -> None:
        subject = SUBJECTS[model]
        check(subject, await run(url, model, mode, name, prompt(subject), work))

    return scenario


SCENARIOS = {name: _scenario(name) for name in _CHECKS}
