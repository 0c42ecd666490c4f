"""``@openai/agents-realtime`` (npm), with its stock WebSocket transport, judges the gateway."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest

from .node_tools import HOME, command
from .subjects import ECHO, WEATHER_RESULT, Subject, contains

pytestmark = [pytest.mark.judge, pytest.mark.anyio]


async def judge(url: str, subject: Subject, scenario: str, prompt: str, work: Path) -> list[dict[str, Any]]:
    speech = work / "speech.pcm"
    speech.write_bytes(subject.speech())
    job = {
        "url": url,
        "model": subject.model,
        "scenario": scenario,
        "prompt": prompt,
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
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


async def test_text_turn(echo_url: str, tmp_path: Path) -> None:
    *_, end = await judge(echo_url, ECHO, "text_turn", ECHO.text_prompt, tmp_path)
    assert len(end["answers"]) == 1
    assert contains(ECHO.text_answer, end["answers"][0]), end
    assert end["audioBytes"] > 0


async def test_spoken_turn(echo_url: str, tmp_path: Path) -> None:
    *_, end = await judge(echo_url, ECHO, "spoken_turn", "", tmp_path)
    assert contains(ECHO.transcript, end["questions"][0]), end
    assert contains(ECHO.spoken_answer, end["answers"][0]), end
    assert end["audioBytes"] > 0


async def test_tool_call(echo_url: str, tmp_path: Path) -> None:
    *_, end = await judge(echo_url, ECHO, "tool_call", ECHO.tool_prompt, tmp_path)
    assert end["calls"] == ["Paris"]
    assert contains(ECHO.tool_answer, end["answers"][-1]), end


async def test_interruption(echo_url: str, tmp_path: Path) -> None:
    *lines, end = await judge(echo_url, ECHO, "interruption", ECHO.long_prompt, tmp_path)
    responses = [line for line in lines if line["kind"] == "response"]
    assert [line["status"] for line in responses] == ["cancelled", "completed"]
    assert responses[0]["details"]["reason"] == "turn_detected"
    assert end["interruptions"] >= 1
    assert any(line["kind"] == "truncated" for line in lines)
    assert contains(ECHO.spoken_answer, end["answers"][-1]), end
