from __future__ import annotations

from itertools import permutations
from math import ceil

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voicewire.audio import resample
from voicewire.audio.pcm import Float64Array, int16_to_pcm16, pcm16_to_float32, pcm16_to_int16, silence, tone
from voicewire.audio.resample import Resampler, resample_whole
from voicewire.errors import AudioError

pytestmark = pytest.mark.unit

RATES = [8000, 16000, 22050, 24000, 44100, 48000]
PAIRS = list(permutations(RATES, 2))
ODD_PAIRS = [
    (11025, 16000),
    (16000, 11025),
    (32000, 24000),
    (8000, 96000),
    (192000, 8000),
    (7, 5),
    (1021, 1024),
]

cuts = st.lists(st.one_of(st.integers(0, 40), st.integers(0, 1500)), max_size=12)


def noise(samples: int, seed: int = 1) -> bytes:
    return (
        np.random.default_rng(seed).integers(-32768, 32767, samples, dtype=np.int16, endpoint=True).tobytes()
    )


def whole(data: bytes, from_hz: int, to_hz: int) -> bytes:
    resampler = Resampler(from_hz, to_hz)
    return resampler.process(data) + resampler.flush()


def level_db(values: NDArray[np.floating], reference: float) -> float:
    return float(
        20 * np.log10(max(float(np.sqrt(np.mean(np.square(values)))), 1e-12) / (reference / np.sqrt(2)))
    )


def response_db(hz: float, from_hz: int, to_hz: int) -> float:
    """Level of what comes out of the float path for a sine of amplitude 0.5 at ``hz``."""
    samples = from_hz // 2
    wave = (0.5 * np.sin(2 * np.pi * hz * np.arange(samples) / from_hz)).astype(np.float32)
    out = Resampler(from_hz, to_hz).process_float32(wave)
    return level_db(out[len(out) // 4 : -len(out) // 4], 0.5)


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS + ODD_PAIRS)
def test_any_split_gives_the_same_samples(from_hz: int, to_hz: int) -> None:
    expected_bytes: dict[int, bytes] = {}

    @settings(max_examples=12, deadline=None, database=None)
    @given(st.integers(0, 5000), cuts)
    def check(samples: int, sizes: list[int]) -> None:
        data = noise(samples)
        expected = expected_bytes.setdefault(samples, whole(data, from_hz, to_hz))
        resampler = Resampler(from_hz, to_hz)
        pieces, at = [], 0
        for size in [*sizes, samples]:
            pieces.append(resampler.process(data[at : at + 2 * size]))
            at += 2 * size
        pieces.append(resampler.flush())
        assert b"".join(pieces) == expected
        assert len(expected) == 2 * ceil(samples * to_hz / from_hz)

    check()


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_any_split_gives_the_same_floats(from_hz: int, to_hz: int) -> None:
    wave = np.random.default_rng(2).normal(0.0, 1.0, 6000).astype(np.float32)
    reference = Resampler(from_hz, to_hz)
    expected = np.concatenate([reference.process_float32(wave), reference.flush_float32()])

    @settings(max_examples=8, deadline=None, database=None)
    @given(cuts)
    def check(sizes: list[int]) -> None:
        resampler = Resampler(from_hz, to_hz)
        pieces, at = [], 0
        for size in [*sizes, len(wave)]:
            pieces.append(resampler.process_float32(wave[at : at + size]))
            at += size
        pieces.append(resampler.flush_float32())
        assert np.array_equal(np.concatenate(pieces), expected)

    check()


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(48000, 16000), (44100, 16000), (16000, 24000), (22050, 24000)]
)
def test_one_sample_at_a_time(from_hz: int, to_hz: int) -> None:
    data = noise(700)
    resampler = Resampler(from_hz, to_hz)
    pieces = [resampler.process(data[at : at + 2]) for at in range(0, len(data), 2)]
    assert b"".join(pieces) + resampler.flush() == whole(data, from_hz, to_hz)


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(48000, 16000), (16000, 24000), (44100, 48000), (24000, 22050)]
)
def test_output_is_the_plain_sum(from_hz: int, to_hz: int) -> None:
    """The rows and groups compute what the definition says, sample by sample."""
    data = noise(1500)
    up, down = resample._reduced(from_hz, to_hz)
    half = resample._filter(up, down).half_samples
    taps = resample._phase_taps(up, down, half)
    padded = np.concatenate([np.zeros(half), pcm16_to_int16(data), np.zeros(half + 1)])
    expected = []
    for index in range(ceil(1500 * up / down)):
        at, phase = divmod(index * down, up)
        total = float(np.dot(padded[at + 1 : at + 1 + 2 * half], taps[phase]))
        expected.append(min(32767, max(-32768, round(total))))
    assert pcm16_to_int16(whole(data, from_hz, to_hz)).tolist() == expected


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_passband_is_flat(from_hz: int, to_hz: int) -> None:
    nyquist = min(from_hz, to_hz) / 2
    for part in (0.05, 0.3, 0.6, 0.75):
        assert response_db(part * nyquist, from_hz, to_hz) == pytest.approx(0.0, abs=0.02)
    assert response_db(0.8 * nyquist, from_hz, to_hz) == pytest.approx(0.0, abs=0.15)


@pytest.mark.parametrize(("from_hz", "to_hz"), [pair for pair in PAIRS if pair[0] > pair[1] * 1.1])
def test_aliases_are_eighty_db_down(from_hz: int, to_hz: int) -> None:
    nyquist = to_hz / 2
    for hz in np.linspace(1.1 * nyquist, from_hz / 2 * 0.999, 23):
        assert response_db(float(hz), from_hz, to_hz) < -80.0


@pytest.mark.parametrize(("from_hz", "to_hz"), [pair for pair in PAIRS if pair[0] * 1.1 < pair[1]])
def test_images_are_eighty_db_down(from_hz: int, to_hz: int) -> None:
    hz = 0.7 * from_hz / 2
    wave = (0.5 * np.sin(2 * np.pi * hz * np.arange(from_hz) / from_hz)).astype(np.float32)
    out = Resampler(from_hz, to_hz).process_float32(wave).astype(np.float64)
    out = out[len(out) // 4 : -len(out) // 4] * np.blackman(len(out[len(out) // 4 : -len(out) // 4]))
    spectrum = 20 * np.log10(np.abs(np.fft.rfft(out)) / np.abs(np.fft.rfft(out)).max() + 1e-12)
    at_hz = np.fft.rfftfreq(len(out), 1 / to_hz)
    assert spectrum[at_hz > 1.1 * from_hz / 2].max() < -80.0


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_output_lies_where_the_input_was(from_hz: int, to_hz: int) -> None:
    """The delay is taken out: a tone comes back in phase from the first samples on."""
    out = pcm16_to_float32(whole(tone(500.0, from_hz // 10, from_hz, -6.0), from_hz, to_hz))
    expected = pcm16_to_float32(tone(500.0, len(out), to_hz, -6.0))
    edge = to_hz // 200
    assert np.abs(out[edge:-edge] - expected[edge:-edge]).max() < 4e-4


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_a_constant_stays_that_constant(from_hz: int, to_hz: int) -> None:
    out = pcm16_to_int16(whole(int16_to_pcm16(np.full(from_hz // 10, 12345, np.int16)), from_hz, to_hz))
    edge = to_hz // 200
    assert set(out[edge:-edge].tolist()) == {12345}


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_delay_is_at_most_two_ms(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    samples = from_hz // 10
    owed = ceil(samples * to_hz / from_hz) - len(resampler.process(noise(samples))) // 2
    assert owed * 1000 / to_hz <= 2.0 + 1000 / to_hz
    assert 0.0 < resampler.delay_ms <= 2.0
    assert resampler.delay_samples == round(resampler.delay_ms * from_hz / 1000)


def test_loud_input_clips_instead_of_wrapping() -> None:
    square = int16_to_pcm16(np.tile(np.repeat(np.array([32767, -32768], np.int16), 40), 50))
    out = pcm16_to_int16(whole(square, 16000, 24000)).reshape(-1)
    assert out.max() == 32767
    assert out.min() == -32768
    assert np.abs(np.diff(out.astype(np.int32))).max() < 45000


def test_float_input_is_tamed() -> None:
    wave = np.array([np.nan, np.inf, -np.inf, 100.0] * 50, dtype=np.float32)
    out = Resampler(16000, 48000).process_float32(wave)
    assert np.isfinite(out).all()
    assert np.abs(out).max() < 16.0


def test_float_input_is_rounded_to_24_bits() -> None:
    """What makes float sums exact; float32 output would hide a sum that only nearly is."""
    for value, expected in ((0.4, 0.0), (0.6, 1.0), (1.4, 1.0)):
        wave = np.full(2000, value / resample.FLOAT_GRID, np.float32)
        out = Resampler(24000, 16000).process_float32(wave)
        assert set(out[100:].tolist()) == {expected / resample.FLOAT_GRID}


def test_float_input_wants_one_dimension() -> None:
    with pytest.raises(AudioError, match=r"shape \(4, 2\)"):
        Resampler(16000, 48000).process_float32(np.zeros((4, 2), np.float32))


def test_equal_rates_pass_through() -> None:
    resampler = Resampler(16000, 16000)
    data = noise(100)
    assert resampler.process(data) == data
    wave = pcm16_to_float32(data)
    copy = resampler.process_float32(wave)
    assert np.array_equal(copy, wave)
    assert copy is not wave
    assert (resampler.delay_samples, resampler.delay_ms, resampler.flush()) == (0, 0.0, b"")
    assert len(resampler.flush_float32()) == 0


@pytest.mark.parametrize(("from_hz", "to_hz"), [(48000, 16000), (16000, 16000)])
def test_odd_bytes_are_refused(from_hz: int, to_hz: int) -> None:
    with pytest.raises(AudioError, match="3 bytes"):
        Resampler(from_hz, to_hz).process(b"abc")


def test_flush_and_reset_start_anew() -> None:
    data = noise(3000)
    resampler = Resampler(44100, 16000)
    first = resampler.process(data) + resampler.flush()
    assert resampler.process(data) + resampler.flush() == first
    resampler.process(noise(999, seed=9))
    resampler.reset()
    assert resampler.process(data) + resampler.flush() == first


def test_instances_share_tables_but_not_state() -> None:
    one, two = Resampler(48000, 16000), Resampler(24000, 8000)
    assert one._filter is two._filter
    data = noise(2000)
    pieces = [
        (one.process(data[at : at + 100]), two.process(data[at : at + 100])) for at in range(0, 4000, 100)
    ]
    assert all(a == b for a, b in pieces)


def test_tables_cannot_be_changed() -> None:
    table = Resampler(48000, 16000)._filter
    assert table is not None
    with pytest.raises(ValueError, match="read-only"):
        table.taps[0, 0, 0] = 1.0


@given(st.integers(1, resample.MAX_TERM), st.integers(1, resample.MAX_TERM))
@example(1000, 21)
@settings(max_examples=60, deadline=None)
def test_every_ratio_has_rows_that_blas_takes(up: int, down: int) -> None:
    if np.gcd(up, down) != 1 or up == down or max(up / down, down / up) > resample.MAX_RATIO:
        return
    table = resample._filter.__wrapped__(up, down)
    assert table.row_step >= table.taps.shape[1]
    assert table.row_step * up == table.row_outputs * down
    assert table.groups * table.taps.shape[2] >= table.row_outputs
    columns: Float64Array = table.taps.sum(axis=1)
    assert np.array_equal(columns, np.ones_like(columns))


def test_sums_stay_exact() -> None:
    """The bound that makes the result independent of the order of additions."""
    for from_hz, to_hz in PAIRS:
        up, down = resample._reduced(from_hz, to_hz)
        taps = resample._filter(up, down).taps
        scaled = taps * resample.TAP_GRID
        assert np.array_equal(scaled, np.rint(scaled))
        largest = np.abs(scaled).sum(axis=1).max()
        assert largest * 32768 < 2**53
        assert largest * resample.FLOAT_LIMIT * resample.FLOAT_GRID < 2**53


def test_a_filter_too_loud_for_exact_sums_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resample, "TAP_SUM_LIMIT", 1.0)
    with pytest.raises(AssertionError, match="exact sums"):
        resample._phase_taps(3, 2, 16)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(0, 16000), (16000, 0), (-8000, 8000)])
def test_rates_must_be_positive(from_hz: int, to_hz: int) -> None:
    with pytest.raises(AudioError, match="1 or more"):
        Resampler(from_hz, to_hz)
    with pytest.raises(AudioError, match="1 or more"):
        resample_whole(b"", from_hz, to_hz)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(16000, 16001), (44101, 48000), (100, 4900), (4900, 100)])
def test_ratios_out_of_bounds_say_what_to_use(from_hz: int, to_hz: int) -> None:
    with pytest.raises(AudioError, match=r"ratio .* usual rates .*resample_whole"):
        Resampler(from_hz, to_hz)


def test_repr_names_the_rates() -> None:
    resampler = Resampler(48000, 16000)
    resampler.process(silence(480))
    assert repr(resampler) == "Resampler(48000 -> 16000 Hz, 480 in, 144 out)"


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44100, 16000), (16000, 24000), (16000, 16001), (8000, 8000)])
@pytest.mark.parametrize("samples", [0, 1, 7, 4410])
def test_whole_has_the_exact_length(from_hz: int, to_hz: int, samples: int) -> None:
    assert len(resample_whole(noise(samples), from_hz, to_hz)) == 2 * ceil(samples * to_hz / from_hz)


def test_whole_agrees_with_the_stream_in_the_passband() -> None:
    data = tone(1234.0, 24000, 24000, -6.0)
    live, offline = (
        pcm16_to_float32(out) for out in (whole(data, 24000, 16000), resample_whole(data, 24000, 16000))
    )
    assert np.abs(live[100:-100] - offline[100:-100]).max() < 1e-4
