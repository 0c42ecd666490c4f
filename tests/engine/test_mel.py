"""Against values from the feature extractor that Smart Turn was published with (numbers noted here once)."""

from __future__ import annotations

import numpy as np
import pytest

from voicewire.engine.mel import log_mel
from voicewire.engine.stages import FloatArray

pytestmark = pytest.mark.unit

TOTAL = 128_000
PLACES = ((0, 0), (5, 10), (20, 50), (40, 99), (79, 100), (12, 799), (70, 798))


def chirp(n_samples: int) -> FloatArray:
    t = np.arange(n_samples) / 16_000
    return (0.5 * np.sin(2 * np.pi * (200 * t + 300 * t * t))).astype(np.float32)


@pytest.mark.parametrize(
    ("n_samples", "values", "mean"),
    [
        (16_000, (1.17015, 1.3601, -0.05423, -0.07326, -0.10112, -0.54769, -0.54769), -0.517032),
        (128_000, (1.17015, 1.3601, -0.05423, -0.54769, -0.54769, -0.34467, -0.35268), -0.424296),
        (127_950, (1.17015, 1.3601, -0.05423, -0.54769, -0.54769, -0.20276, -0.35268), -0.424004),
    ],
)
def test_reference_values(n_samples: int, values: tuple[float, ...], mean: float) -> None:
    features = log_mel(chirp(n_samples), total_samples=TOTAL)
    assert features.shape == (80, 800)
    assert features.dtype == np.float32
    assert features.flags.c_contiguous
    assert [float(features[place]) for place in PLACES] == pytest.approx(values, abs=2e-4)
    assert float(features.mean()) == pytest.approx(mean, abs=1e-4)


def test_padding_that_is_skipped_equals_padding_that_is_computed() -> None:
    short = chirp(5_000)
    padded = np.concatenate((short, np.zeros(TOTAL - len(short), dtype=np.float32)))
    assert np.abs(log_mel(short, total_samples=TOTAL) - log_mel(padded, total_samples=TOTAL)).max() < 1e-5


def test_silence_is_flat() -> None:
    features = log_mel(np.zeros(0, dtype=np.float32), total_samples=16_000)
    assert np.unique(features).tolist() == [pytest.approx(-1.5)]


def test_large_models_have_128_bands() -> None:
    assert log_mel(chirp(1_600), total_samples=16_000, bands=128).shape == (128, 100)
