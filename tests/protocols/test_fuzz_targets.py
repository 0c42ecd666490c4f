"""Every fuzz target, for a moment: bent conversations and random bytes. `python -m fuzz` runs them for longer."""

from __future__ import annotations

import json
from random import Random

import pytest
from fuzz.mutations import mutated
from fuzz.seeds import seeds_of
from fuzz.targets import BINARY, FRAME_END, TARGETS, frames_of, joined
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.unit

every_target = pytest.mark.parametrize("name", TARGETS)


@every_target
def test_a_conversation_as_the_wire_has_it_passes(name: str) -> None:
    for seed in seeds_of(name):
        TARGETS[name](seed)


@every_target
@settings(max_examples=100, deadline=None)
@given(chance=st.randoms(use_true_random=False), changes=st.integers(1, 12))
def test_a_bent_conversation_fails_only_as_documented(name: str, chance: Random, changes: int) -> None:
    TARGETS[name](mutated(chance.choice(seeds_of(name)), chance, changes))


@every_target
@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_fail_only_as_documented(name: str, data: bytes) -> None:
    TARGETS[name](data)


@given(
    st.lists(
        st.text(max_size=20) | st.binary(max_size=20).filter(lambda part: FRAME_END not in part), min_size=1
    )
)
def test_an_input_is_its_frames(frames: list[str | bytes]) -> None:
    whole = joined(frames)
    if not any(isinstance(frame, bytes) and frame.endswith(b"\xff") for frame in frames):
        assert frames_of(whole) == frames
    assert whole.count(BINARY) >= sum(isinstance(frame, bytes) for frame in frames)


@pytest.mark.parametrize("tool", [[], "f", 5, None, {"function": []}, {"function": "f"}])
@pytest.mark.parametrize("name", [name for name in TARGETS if name.endswith("client") and "task" not in name])
def test_a_tool_that_is_no_object(name: str, tool: object) -> None:
    session = {"id": "s", "type": "realtime", "tools": [tool]}
    TARGETS[name](joined([json.dumps({"type": "session.updated", "event_id": "e", "session": session})]))


def test_every_codec_has_a_target() -> None:
    wires = {name.rpartition("-")[0] or name for name in TARGETS}
    assert {"openai", "xai", "beta", "voicelive", "gemini", "dashscope-omni", "azure-speech"} <= wires
