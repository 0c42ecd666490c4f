from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.audio.level import FLOOR_DBFS, LevelMeter, peak_dbfs, rms_dbfs
from voicewire.audio.pcm import int16_to_pcm16, silence, tone
from voicewire.errors import AudioError

pytestmark = pytest.mark.unit


def test_full_scale_sine_reads_minus_three() -> None:
    data = tone(1000.0, 16000, 16000, 0.0)
    assert rms_dbfs(data) == pytest.approx(-3.01, abs=0.01)
    assert peak_dbfs(data) == pytest.approx(0.0, abs=0.01)


def test_minimum_value_is_full_scale() -> None:
    assert rms_dbfs(b"\x00\x80" * 10) == 0.0
    assert peak_dbfs(b"\x00\x80") == 0.0


@pytest.mark.parametrize("data", [b"", silence(100)])
def test_silence_reads_the_floor(data: bytes) -> None:
    assert rms_dbfs(data) == peak_dbfs(data) == FLOOR_DBFS


def test_one_step_among_silence_is_above_the_floor() -> None:
    assert FLOOR_DBFS < peak_dbfs(b"\1\0") == pytest.approx(-90.31, abs=0.01)
    assert rms_dbfs(b"\1\0" + silence(10**6)) == FLOOR_DBFS


def test_meter_settles_on_the_level() -> None:
    meter = LevelMeter(800)
    meter.push(tone(1000.0, 16000, 16000, -20.0))
    assert meter.rms_dbfs == pytest.approx(-23.01, abs=0.1)
    assert meter.peak_dbfs == pytest.approx(-20.0, abs=0.1)
    assert meter.samples == 16000


def test_meter_falls_three_db_in_its_half_life() -> None:
    meter = LevelMeter(800)
    meter.push(tone(1000.0, 16000, 16000, -20.0))
    rms, peak = meter.rms_dbfs, meter.peak_dbfs
    meter.push(silence(800))
    assert rms - meter.rms_dbfs == pytest.approx(3.01, abs=0.01)
    assert peak - meter.peak_dbfs == pytest.approx(3.01, abs=0.01)


def test_reset_reads_silence() -> None:
    meter = LevelMeter(10)
    meter.push(b"\xff\x7f")
    meter.reset()
    assert (meter.rms_dbfs, meter.peak_dbfs, meter.samples) == (FLOOR_DBFS, FLOOR_DBFS, 0)


@given(st.lists(st.integers(-32768, 32767), min_size=1), st.lists(st.integers(0, 40)), st.integers(1, 1000))
def test_meter_does_not_depend_on_the_split(values: list[int], cuts: list[int], half_life: int) -> None:
    data = int16_to_pcm16(np.array(values, np.int16))
    whole, split = LevelMeter(half_life), LevelMeter(half_life)
    whole.push(data)
    at = 0
    for cut in [*cuts, len(data)]:
        split.push(data[at : at + 2 * cut])
        at += 2 * cut
    assert split.samples == whole.samples == len(values)
    assert split.rms_dbfs == pytest.approx(whole.rms_dbfs, abs=1e-6)
    assert split.peak_dbfs == pytest.approx(whole.peak_dbfs, abs=1e-6)


def test_impossible_half_life() -> None:
    with pytest.raises(AudioError, match="0 samples"):
        LevelMeter(0)
