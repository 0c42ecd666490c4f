"""Steps before recognition, judged by what they do to tones and noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicewire.audio.pcm import Float32Array, float32_to_pcm16, pcm16_to_float32
from voicewire.errors import ConfigError
from voicewire.speech.preprocess import AudioStep, Chain, Gain, HighPass, NoiseSuppression

pytestmark = pytest.mark.unit
RATE_HZ = 16_000


def sine(frequency_hz: float, amplitude: float = 0.2, seconds: float = 2.0) -> Float32Array:
    times = np.arange(int(RATE_HZ * seconds)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * frequency_hz * times)).astype(np.float32)


def level_db(samples: Float32Array) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples))) + 1e-9))


def through(step: AudioStep, samples: Float32Array) -> Float32Array:
    step.begin(RATE_HZ)
    pieces = [step.process(samples[at : at + 1600]) for at in range(0, len(samples), 1600)]
    return np.concatenate(pieces)


def test_high_pass_takes_rumble_and_leaves_speech() -> None:
    rumble, speech = sine(25), sine(400)
    assert level_db(through(HighPass(100), rumble)[4000:]) < level_db(rumble) - 20
    assert abs(level_db(through(HighPass(100), speech)[4000:]) - level_db(speech)) < 0.2


def test_fixed_gain_is_exact_and_never_wraps() -> None:
    assert level_db(through(Gain(6.0), sine(400))) == pytest.approx(level_db(sine(400)) + 6, abs=0.05)
    assert np.abs(through(Gain(40.0), sine(400))).max() <= 1.0


def test_gain_follows_to_its_target_and_leaves_silence_alone() -> None:
    quiet = sine(400, 0.01, 6.0)
    assert level_db(through(Gain(target_dbfs=-20), quiet)[-RATE_HZ:]) == pytest.approx(-20, abs=1)
    hiss = sine(400, 0.0005)
    assert level_db(through(Gain(target_dbfs=-20), hiss)) == pytest.approx(level_db(hiss), abs=0.1)


def test_noise_suppression_turns_steady_noise_down_and_keeps_a_tone() -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 4 * RATE_HZ).astype(np.float32)
    cleaned = through(NoiseSuppression(12), noise)
    assert level_db(cleaned[-RATE_HZ:]) < level_db(noise) - 8
    burst = np.concatenate((noise[: 2 * RATE_HZ], noise[: RATE_HZ // 2] + sine(500, 0.3, 0.5)))
    kept = through(NoiseSuppression(12), burst)
    assert level_db(kept[-4000:]) == pytest.approx(level_db(burst[-4000:]), abs=1.5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=3000), min_size=1, max_size=12))
def test_a_chain_gives_as_many_samples_as_it_takes(lengths: list[int]) -> None:
    chain = Chain([HighPass(80), NoiseSuppression(), Gain(3.0)])
    chain.begin(RATE_HZ)
    for length in lengths:
        assert len(chain.process(bytes(2 * length))) == 2 * length


def test_an_empty_chain_changes_nothing() -> None:
    pcm16 = float32_to_pcm16(sine(300))
    assert Chain([]).process(pcm16) == pcm16
    assert len(pcm16_to_float32(pcm16)) == 2 * RATE_HZ


@pytest.mark.parametrize(
    "make",
    [
        lambda: Gain(),
        lambda: Gain(1.0, target_dbfs=-20),
        lambda: Gain(99),
        lambda: Gain(target_dbfs=0),
        lambda: HighPass(5),
        lambda: NoiseSuppression(1),
    ],
)
def test_wrong_arguments_are_named(make: object) -> None:
    with pytest.raises(ConfigError):
        make()  # type: ignore[operator]  # a factory
