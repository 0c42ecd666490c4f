"""The bars of one turn: causal, never backwards, never before the end of speech."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.recording.waterfall import Bar, StageTimes, bar_text, merged_times, waterfall_of

pytestmark = pytest.mark.unit

MOMENTS = st.none() | st.floats(-1000, 5000)


@given(st.floats(0, 3000), st.lists(MOMENTS, min_size=6, max_size=6))
def test_bars_run_forward_from_the_end_of_speech(speech_end: float, moments: list[float | None]) -> None:
    names = (
        "endpoint_ms",
        "asr_final_ms",
        "first_token_ms",
        "first_clause_ms",
        "audio_sent_ms",
        "audible_ms",
    )
    known = {name: moment for name, moment in zip(names, moments, strict=True) if moment is not None}
    waterfall = waterfall_of(StageTimes(speech_end_ms=speech_end, **known))
    assert [bar.key for bar in waterfall.bars] == [name for name in names if name in known]
    for bar in waterfall.bars:
        assert 0 <= bar.start_ms <= bar.end_ms
        assert bar.end_ms == max(known[bar.key] - speech_end, 0)
    assert waterfall.total_ms == max((bar.end_ms for bar in waterfall.bars), default=0)


def test_work_hidden_in_the_silence_wait_lies_beside_it() -> None:
    times = StageTimes(
        speech_end_ms=1000, endpoint_ms=1480, asr_final_ms=1240, first_token_ms=1300, first_clause_ms=1350,
        audio_sent_ms=1490, audible_ms=1500,
    )  # fmt: skip
    assert [(bar.name, bar.start_ms, bar.end_ms) for bar in waterfall_of(times).bars] == [
        ("endpoint", 0, 480),
        ("ASR final", 0, 240),
        ("first token", 240, 300),
        ("first clause", 300, 350),
        ("audio sent", 480, 490),
        ("audible", 490, 500),
    ]


def test_a_waterfall_needs_the_end_of_speech() -> None:
    with pytest.raises(ValueError, match="end of speech"):
        waterfall_of(StageTimes(endpoint_ms=3))


def test_reported_times_win_and_derived_ones_fill_up() -> None:
    derived = StageTimes(speech_end_ms=1, endpoint_ms=2)
    merged = merged_times(StageTimes(endpoint_ms=7, first_token_ms=9), derived)
    assert merged == StageTimes(speech_end_ms=1, endpoint_ms=7, first_token_ms=9)
    assert merged_times(None, derived) == derived


@given(st.floats(0, 900), st.floats(0, 900), st.integers(1, 60))
def test_a_text_bar_fits_and_is_never_empty(one: float, other: float, columns: int) -> None:
    start, end = sorted((one, other))
    text = bar_text(Bar("x", "x", start, end), 900, columns)
    assert len(text) <= columns
    assert text.endswith("█")
    assert text.strip(" ") == "█" * text.count("█")
