from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from voicewire.engine import vad, weights
from voicewire.engine.vad import SileroVad
from voicewire.errors import InferenceError

pytestmark = pytest.mark.unit


class ScriptedSession:
    """Notes what the network was given and counts calls in its state."""

    def __init__(self) -> None:
        self.frames: list[Any] = []

    def run(self, names: None, feed: Mapping[str, Any]) -> list[Any]:
        assert feed["sr"] == 16_000
        self.frames.append(feed["input"])
        state = feed["state"] + 1 + 0 * feed["input"].sum()
        return [np.array([[0.7]], dtype=np.float32), state.astype(np.float32)]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> ScriptedSession:
    scripted = ScriptedSession()
    monkeypatch.setattr(weights, "locate", lambda name, path: path)
    monkeypatch.setattr(vad, "open_session", lambda path, inputs: scripted)
    return scripted


def test_each_frame_comes_behind_the_end_of_the_last(session: ScriptedSession) -> None:
    detector = SileroVad()
    state = detector.new_state()
    audio = np.linspace(0, 1, 1024, dtype=np.float32)
    assert detector.probability(state, audio[:512]) == pytest.approx(0.7)
    detector.probability(state, audio[512:])
    first, second = session.frames
    assert first.shape == second.shape == (1, 576)
    assert not first[0, :64].any()
    assert (second[0, :64] == audio[448:512]).all()
    assert (state.recurrent == 2).all()


def test_sessions_do_not_share_state_and_reset_forgets(session: ScriptedSession) -> None:
    detector = SileroVad()
    one, other = detector.new_state(), detector.new_state()
    detector.probability(one, np.ones(512, dtype=np.float32))
    assert not other.recurrent.any() and not other.context.any()
    one.reset()
    assert not one.recurrent.any() and not one.context.any()


def test_bad_audio_is_refused_and_leaves_the_state_as_it_was(session: ScriptedSession) -> None:
    detector = SileroVad()
    state = detector.new_state()
    with pytest.raises(InferenceError, match=r"\(480,\)"):
        detector.probability(state, np.zeros(480, dtype=np.float32))
    with pytest.raises(InferenceError, match="not finite"):
        detector.probability(state, np.full(512, np.nan, dtype=np.float32))
    assert not state.recurrent.any() and not state.context.any()
