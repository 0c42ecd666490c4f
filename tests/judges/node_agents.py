"""Scenarios for ``@openai/agents-realtime`` (npm): a node process that drives the stock WebSocket transport."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from .node_tools import HOME, command
from .subjects import SUBJECTS, WEATHER_RESULT, contains

Line = dict[str, Any]


async def _run(url: str, model: str, scenario: str, prompt: str, work: Path) -> tuple[list[Line], Line]:
    """What the node process printed: its lines, and the last one, which sums up."""
    subject = SUBJECTS[model]
    speech = work / "speech.pcm"
    speech.write_bytes(subject.speech())
    job = {
        "url": url,
        "model": model,
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
        command("agents_judge.mjs", str(work / "job.json")), cwd=HOME, check=False, stderr=subprocess.STDOUT
    )
    output = done.stdout.decode()
    assert done.returncode == 0, output
    *lines, end = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return lines, end


def _statuses(lines: list[Line]) -> list[str]:
    return [line["status"] for line in lines if line["kind"] == "response"]


async def text_turn(url: str, model: str, work: Path) -> None:
    """A written message, answered by voice."""
    subject = SUBJECTS[model]
    _, end = await _run(url, model, "text_turn", subject.text_prompt, work)
    assert len(end["answers"]) == 1
    assert contains(subject.text_answer, end["answers"][0]), end
    assert end["audioBytes"] > 0


async def spoken_turn(url: str, model: str, work: Path) -> None:
    """Speech in, with the SDK's own default turn detection."""
    subject = SUBJECTS[model]
    _, end = await _run(url, model, "spoken_turn", "", work)
    assert contains(subject.transcript, end["questions"][0]), end
    assert contains(subject.spoken_answer, end["answers"][0]), end
    assert end["audioBytes"] > 0


async def manual_turn(url: str, model: str, work: Path) -> None:
    """Push to talk: no turn detection, a commit, and a response that is asked for."""
    subject = SUBJECTS[model]
    _, end = await _run(url, model, "manual_turn", "", work)
    assert contains(subject.transcript, end["questions"][0]), end
    assert contains(subject.spoken_answer, end["answers"][0]), end


async def tool_call(url: str, model: str, work: Path) -> None:
    """The SDK runs the function and sends its result by itself."""
    subject = SUBJECTS[model]
    _, end = await _run(url, model, "tool_call", subject.tool_prompt, work)
    assert [city.lower() for city in end["calls"]] == ["paris"]
    assert contains(subject.tool_answer, end["answers"][-1]), end


async def cancelled_response(url: str, model: str, work: Path) -> None:
    """The application interrupts; the reply ends as cancelled and the next turn works."""
    subject = SUBJECTS[model]
    lines, end = await _run(url, model, "cancelled_response", subject.long_prompt, work)
    assert _statuses(lines) == ["cancelled", "completed"]
    assert contains(subject.text_answer, end["answers"][-1]), end


async def interruption(url: str, model: str, work: Path) -> None:
    """The user speaks over the reply; the SDK cuts its playback and tells the server what was heard."""
    subject = SUBJECTS[model]
    lines, end = await _run(url, model, "interruption", subject.long_prompt, work)
    assert _statuses(lines) == ["cancelled", "completed"]
    first = next(line for line in lines if line["kind"] == "response")
    assert first["details"]["reason"] == "turn_detected"
    assert end["interruptions"] >= 1
    assert any(line["kind"] == "truncated" for line in lines)
    assert contains(subject.spoken_answer, end["answers"][-1]), end


async def error(url: str, model: str, work: Path) -> None:
    """An order that cannot be carried out is reported to the application; the session goes on."""
    subject = SUBJECTS[model]
    lines, end = await _run(url, model, "error", subject.text_prompt, work)
    (refused,) = [line for line in lines if line["kind"] == "error"]
    assert "item_nowhere" in json.dumps(refused)
    assert contains(subject.text_answer, end["answers"][-1]), end


async def drop(url: str, model: str, work: Path) -> None:
    """The connection is cut in a response: the SDK says that it is disconnected, and nothing hangs."""
    lines, end = await _run(url, model, "drop", "drop", work)
    assert "completed" not in _statuses(lines)
    assert end["status"] == "disconnected"


SCENARIOS: dict[str, Callable[[str, str, Path], Awaitable[None]]] = {
    scenario.__name__: scenario
    for scenario in (text_turn, spoken_turn, manual_turn, tool_call, cancelled_response, interruption, error)
}
ECHO_SCENARIOS = {**SCENARIOS, drop.__name__: drop}
"""With those that only the echo model has a word for."""
