"""The echo canceller in computed rooms: what is taken away, what is kept, and when nobody can tell."""

from __future__ import annotations

import numpy as np
import pytest

from tests.audio.rooms import RATE_HZ, agent_speech, cancelled, from_s, heard, level_db, room, speech
from voicewire.audio.echo import BLOCK_MS, UNDECIDED_MS, EchoCanceller
from voicewire.audio.echo_delay import DelayFinder
from voicewire.audio.echo_filter import EchoFilter
from voicewire.audio.pcm import Float32Array, float32_to_pcm16, pcm16_to_float32, silence, tone
from voicewire.errors import AudioError

pytestmark = pytest.mark.unit

ROOMS = {
    "wire": (80.0, 0.0, 0.3),
    "desk": (30.0, 150.0, 0.3),
    "office": (120.0, 300.0, 0.5),
    "loud office": (120.0, 300.0, 1.0),
    "hall": (300.0, 500.0, 0.5),
}


def _likeness(first: Float32Array, second: Float32Array) -> float:
    return float(np.dot(first, second) / np.sqrt(np.dot(first, first) * np.dot(second, second)))


@pytest.mark.parametrize("name", ROOMS)
def test_the_echo_is_gone_in_any_room(name: str) -> None:
    delay_ms, reverberation_ms, gain = ROOMS[name]
    far = 0.5 * agent_speech()
    near = heard(far, room(delay_ms, reverberation_ms, gain))
    canceller = EchoCanceller(RATE_HZ)
    left = cancelled(canceller, near, far)
    assert canceller.is_learned
    assert canceller.delay_ms == pytest.approx(delay_ms, abs=25.0)
    for start_s in (0.5, 3.0, 6.0):  # from the first word on: muted at first, cancelled then
        before, after = from_s(near, start_s, start_s + 3.0), from_s(left, start_s, start_s + 3.0)
        assert level_db(before) - level_db(after) > 20.0


@pytest.mark.parametrize("gain", [0.3, 1.0, 1.5])
def test_a_user_who_talks_over_the_agent_is_kept(gain: float) -> None:
    far = 0.5 * agent_speech()
    user = speech("06")
    start = 6 * RATE_HZ
    near = heard(far, room(120.0, 300.0, gain))
    near[start : start + len(user)] += user
    left = cancelled(EchoCanceller(RATE_HZ), near, far)[start : start + len(user)]
    assert _likeness(left, user) > 0.95
    assert abs(level_db(left) - level_db(user)) < 1.5


def test_the_filter_alone_takes_most_of_it() -> None:
    """Echo return loss enhancement without any gain that could hide what is left."""
    far = 0.5 * agent_speech()
    near = heard(far, room(0.0, 150.0, 0.5))
    block = RATE_HZ * BLOCK_MS // 1000
    echo_filter = EchoFilter(block, 20)
    left = np.zeros_like(near)
    for at in range(0, len(near) - block + 1, block):
        left[at : at + block] = near[at : at + block] - echo_filter.predict(far[at : at + block])
        echo_filter.learn(left[at : at + block])
    erle_db = [
        level_db(from_s(near, s, s + 2)) - level_db(from_s(left, s, s + 2)) for s in (0.5, 2.5, 4.5, 6.5)
    ]
    assert erle_db[0] > 8.0
    assert min(erle_db[1:]) > 18.0


def test_nothing_is_changed_while_the_loudspeaker_is_silent() -> None:
    near = speech("01", "02")
    left = cancelled(EchoCanceller(RATE_HZ), near, np.zeros_like(near))
    assert np.abs(left - near[: len(left)]).max() <= 1.0 / 32768


def test_headphones_are_noticed_and_the_user_heard() -> None:
    far = agent_speech()
    near = heard(far, np.zeros(1, dtype=np.float32))
    user, start = speech("06"), 6 * RATE_HZ
    near[start : start + len(user)] += user
    canceller = EchoCanceller(RATE_HZ)
    left = cancelled(canceller, near, far)[start : start + len(user)]
    assert (canceller.delay_ms, canceller.is_learned) == (None, False)
    assert _likeness(left, user) > 0.999


def test_before_the_echo_is_found_nobody_is_heard_over_the_agent() -> None:
    rng = np.random.default_rng(5)
    sounds = RATE_HZ // 2
    far = np.zeros(2 * RATE_HZ, dtype=np.float32)
    far[sounds:] = 0.1 * rng.standard_normal(len(far) - sounds)
    near = (0.1 * rng.standard_normal(len(far))).astype(np.float32)
    left = cancelled(EchoCanceller(RATE_HZ), near, far)
    assert level_db(left[:sounds]) > -25.0
    assert level_db(left[sounds + 160 : sounds + RATE_HZ * UNDECIDED_MS // 1000 - 160]) < -90.0


def test_an_echo_that_moves_is_found_again() -> None:
    far = 0.5 * np.concatenate((agent_speech(), agent_speech()))
    answer = room(80.0, 200.0, 0.3)
    whole = heard(far, answer)
    gap, at = RATE_HZ // 4, 9 * RATE_HZ
    near = np.concatenate((whole[:at], np.zeros(gap, dtype=np.float32), whole[at:]))[: len(far)]
    canceller = EchoCanceller(RATE_HZ)
    left = cancelled(canceller, near, far)
    assert canceller.delay_ms == pytest.approx(80.0 + 250.0, abs=25.0)
    assert level_db(from_s(near, 14, 20)) - level_db(from_s(left, 14, 20)) > 20.0
    slipped = from_s(near, 9.25, 10.25), from_s(left, 9.25, 10.25)
    assert level_db(slipped[0]) - level_db(slipped[1]) > 20.0, "nor is it let through while it is looked for"


def test_a_lost_piece_is_learned_anew_and_nobody_is_heard_meanwhile() -> None:
    far = 0.5 * agent_speech()
    near = heard(far, room(80.0, 200.0, 0.3))
    canceller = EchoCanceller(RATE_HZ)
    half = 5 * RATE_HZ
    cancelled(canceller, near[:half], far[:half])
    is_learned = [canceller.is_learned]
    canceller.disturb()
    is_learned.append(canceller.is_learned)
    cancelled(canceller, near[half:], far[half:])
    assert [*is_learned, canceller.is_learned] == [True, False, True]


def test_unsure_means_muted_only_while_the_loudspeaker_sounds() -> None:
    far, near = tone(440.0, 1600, RATE_HZ), tone(300.0, 1600, RATE_HZ)
    canceller = EchoCanceller(RATE_HZ)
    canceller.process(near, far)
    assert level_db(pcm16_to_float32(canceller.process(near, far, is_sure=False))) < -90.0
    fresh = EchoCanceller(RATE_HZ)
    fresh.process(near, silence(1600))
    assert level_db(pcm16_to_float32(fresh.process(near, silence(1600), is_sure=False))) > -20.0


def test_what_came_late_is_as_good_as_what_came_in_time() -> None:
    far = 0.5 * agent_speech()
    near = heard(far, room(120.0, 200.0, 0.3))
    block = 2 * RATE_HZ * BLOCK_MS // 1000
    far_pcm, near_pcm = float32_to_pcm16(far), float32_to_pcm16(near)
    n_bytes = len(far_pcm) // block * block
    canceller = EchoCanceller(RATE_HZ)
    out: list[bytes] = []
    for at in range(0, n_bytes, block):
        if at:
            canceller.amend(far_pcm[at - block : at], block)
        out.append(canceller.process(near_pcm[at : at + block], bytes(block)))
    left = pcm16_to_float32(b"".join(out))
    assert canceller.is_learned
    assert level_db(from_s(near, 4, 10)) - level_db(from_s(left, 4, 10)) > 20.0


def test_cutting_the_stream_elsewhere_changes_nothing() -> None:
    far = float32_to_pcm16(agent_speech()[: 3 * RATE_HZ])
    near = float32_to_pcm16(heard(agent_speech()[: 3 * RATE_HZ], room(40.0, 100.0, 0.3)))
    block = 2 * RATE_HZ * BLOCK_MS // 1000
    in_blocks, at_once = EchoCanceller(RATE_HZ), EchoCanceller(RATE_HZ)
    pieces = [
        in_blocks.process(near[at : at + block], far[at : at + block]) for at in range(0, len(near), block)
    ]
    assert b"".join(pieces) == at_once.process(near, far)
    assert at_once.process(b"", b"") == b""


@pytest.mark.parametrize("rate_hz", [8000, 24_000, 48_000])
def test_other_rates(rate_hz: int) -> None:
    rng = np.random.default_rng(3)
    far = (rng.standard_normal(4 * rate_hz) * 0.05).astype(np.float32)
    delay = rate_hz // 20
    near = np.concatenate((np.zeros(delay, dtype=np.float32), 0.5 * far[:-delay]))
    left = cancelled(EchoCanceller(rate_hz), near, far)
    assert level_db(near[2 * rate_hz :]) - level_db(left[2 * rate_hz :]) > 20.0


def test_wrong_input_is_refused() -> None:
    with pytest.raises(AudioError, match="11025 Hz"):
        EchoCanceller(11_025)
    with pytest.raises(AudioError, match="multiples of 320 bytes"):
        EchoCanceller(RATE_HZ).process(bytes(320), bytes(640))
    with pytest.raises(AudioError, match="multiples of 320 bytes"):
        EchoCanceller(RATE_HZ).process(bytes(322), bytes(322))


@pytest.mark.parametrize("seed", range(4))
def test_chance_is_no_echo(seed: int) -> None:
    rng = np.random.default_rng(seed)
    finder = DelayFinder(RATE_HZ, RATE_HZ // 2)
    far = (rng.standard_normal(finder.far_samples * 4) * 0.1).astype(np.float32)
    near = (rng.standard_normal(finder.far_samples * 4) * 0.1).astype(np.float32)
    found = [
        finder.find(far[end - finder.far_samples : end], near[end - finder.near_samples : end])
        for end in range(finder.far_samples, len(far), RATE_HZ // 10)
    ]
    assert found == [None] * len(found)
