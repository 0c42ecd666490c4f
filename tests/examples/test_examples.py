"""The examples run as a user runs them: each in a Python of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
SPEECH = ROOT / "tests" / "data" / "speech" / "what-time.flac"


def run(name: str, *arguments: str, cwd: Path) -> list[str]:
    """The lines that an example prints; it must end well and say nothing on standard error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


@pytest.mark.unit
def test_talk_to_echo(tmp_path: Path) -> None:
    assert run("talk_to_echo.py", cwd=tmp_path) == ["You said: hello", "0.30 s of speech"]


@pytest.mark.unit
def test_tool_call(tmp_path: Path) -> None:
    assert run("tool_call.py", cwd=tmp_path) == [
        "get_weather is called with {'city': 'Paris'}",
        "get_weather returned: sunny in Paris",
    ]


@pytest.mark.unit
def test_two_conversations(tmp_path: Path) -> None:
    lines = run("two_conversations.py", cwd=tmp_path)
    assert [line for line in lines if line.startswith("first")] == [
        "first: You said: one",
        "first: You said: two",
    ]
    assert [line for line in lines if line.startswith("second")] == [
        "second: You said: uno",
        "second: You said: dos",
    ]


@pytest.mark.loopback
def test_openai_sdk_against_gateway(tmp_path: Path) -> None:
    lines = run("openai_sdk_against_gateway.py", cwd=tmp_path)
    assert lines == ["You said: hello from the SDK", "completed"]


@pytest.mark.unit
def test_record_session(tmp_path: Path) -> None:
    lines = run("record_session.py", str(SPEECH), "made", "echo", cwd=tmp_path)
    assert lines[0].startswith("user: [audio ")
    assert lines[1].startswith("assistant: You sent ")
    assert lines[2].startswith("written to made")
    made = sorted(path.name for path in (tmp_path / "made").iterdir())
    assert made == ["conversation.wav", "events.jsonl", "timeline.html", "timeline.png"]


@pytest.mark.engine
def test_own_brain(tmp_path: Path) -> None:
    from voicewire.engine import weights

    if missing := [item.weights.name for item in weights.plan().missing]:
        pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")
    assert [line.strip() for line in run("own_brain.py", cwd=tmp_path)] == ["come home tomorrow"]


@pytest.mark.unit
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_every_example_is_short_and_tested(path: Path) -> None:
    assert 20 <= path.read_text(encoding="utf-8").count("\n") <= 50
    assert f'"{path.name}"' in Path(__file__).read_text(encoding="utf-8")
