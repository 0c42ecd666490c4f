"""The demo's check must see what is wrong: each fault is put into a made-up run, and found."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from voicewire.audio.files import write_audio
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.cli.check_demo import check_demo
from voicewire.cli.scenario import Scenario, ScriptTurn
from voicewire.engine.stages import FloatArray

pytestmark = pytest.mark.unit

RATE_HZ = 24_000
SCENARIO = Scenario(
    turns=(
        ScriptTurn(kind="q", file="", text="Tell me a story", expect=(("sea", "ocean"),), tool="get_story"),
        ScriptTurn(kind="interruption", file="", text="Stop now", expect=(("okay",),), into_reply_ms=1000),
    )
)


@dataclass
class Run:
    """A run whose words are coded by how loud the audio is."""

    words: dict[int, str] = field(
        default_factory=lambda: {1: "Tell me a story", 2: "Stop now", 3: "The sea.", 4: "Okay."}
    )
    agent_stops_ms: float = 3200.0
    ledger_ms: int = 1200
    tool: str = "get_story"

    def write(self, folder: Path) -> None:
        samples = np.zeros((6 * RATE_HZ, 2), "<i2")

        def fill(column: int, start_ms: float, end_ms: float, word: int) -> None:
            samples[int(start_ms * RATE_HZ / 1000) : int(end_ms * RATE_HZ / 1000), column] = word * 2000

        fill(0, 500, 1500, 1)
        fill(1, 2000, self.agent_stops_ms, 3)
        fill(0, 3000, 4000, 2)
        fill(1, 4500, 5500, 4)
        write_audio(folder / "conversation.wav", AudioFrame(AudioFormat(RATE_HZ, 2), samples.tobytes()))
        played: dict[str, object] = {"type": "voicewire.audio_played", "item_start_ms": 0}
        events: list[dict[str, object]] = [
            {"type": "voicewire.script_spoke", "turn": 0, "start_ms": 500, "end_ms": 1500},
            {"type": "model_response_created", "response_id": "r"},
            {"type": "voicewire.tool_finished", "call_id": "c", "name": self.tool, "output": "",
             "outcome": "completed"},
            {**played, "item_id": "a", "start_ms": 2000, "end_ms": self.agent_stops_ms},
            {"type": "voicewire.script_spoke", "turn": 1, "start_ms": 3000, "end_ms": 4000},
            {"type": "voicewire.truncation_ordered", "item_id": "a", "audio_end_ms": self.ledger_ms},
            {"type": "voicewire.playout_cut", "item_id": "a", "cut_ms": self.agent_stops_ms, "heard_ms": 1200,
             "dropped_ms": 5000},
            {**played, "item_id": "b", "start_ms": 4500, "end_ms": 5500},
        ]  # fmt: skip
        lines = [json.dumps({"t_ms": 0, **event}) for event in events]
        (folder / "events.jsonl").write_text("\n".join(lines) + "\n")
        for name in ("timeline.html", "timeline.png"):
            (folder / name).write_text("x")

    def listen(self, samples: FloatArray) -> str:
        """What a recogniser with perfect ears hears."""
        levels = np.round(samples * 32768 / 2000).astype(int)
        heard = [word for word in self.words if (levels == word).sum() > 1600]
        return " ".join(self.words[word] for word in heard)


def _failed(run: Run, folder: Path) -> set[str]:
    run.write(folder)
    return {line.what for line in check_demo(folder, SCENARIO, run.listen) if not line.is_good}


def test_a_good_run_passes(tmp_path: Path) -> None:
    run = Run()
    assert _failed(run, tmp_path) == set()
    lines = {line.what: line.detail for line in check_demo(tmp_path, SCENARIO, run.listen)}
    assert "200 ms after the user's onset" in lines["barge-in"]
    assert "difference 0.0 ms" in lines["ledger"]


@pytest.mark.parametrize(
    ("run", "failed"),
    [
        (Run(agent_stops_ms=3350.0, ledger_ms=1350), {"barge-in"}),
        (Run(ledger_ms=1225), {"ledger"}),
        (Run(tool="other"), {"tool call"}),
        (Run(words={1: "Tell me a story", 2: "Stop now", 3: "The lake.", 4: "Okay."}), {"reply 1"}),
        (Run(words={1: "Tell me a story", 2: "Stop now", 3: "The sea.", 4: ""}), {"reply 2"}),
        (Run(words={1: "Tell me the story", 2: "Stop now", 3: "Sea", 4: "Okay"}), {"user channel"}),
    ],
)
def test_each_fault_is_found(tmp_path: Path, run: Run, failed: set[str]) -> None:
    assert _failed(run, tmp_path) == failed


def test_missing_pictures_are_found(tmp_path: Path) -> None:
    run = Run()
    run.write(tmp_path)
    (tmp_path / "timeline.png").unlink()
    assert not check_demo(tmp_path, SCENARIO, run.listen)[0].is_good
