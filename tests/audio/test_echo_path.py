"""The link between speaker and microphone: two threads' counts of samples, kept together."""

from __future__ import annotations

import numpy as np
import pytest

from tests.audio.rooms import RATE_HZ, agent_speech, from_s, heard, level_db, room
from voicewire.audio.devices.echo_path import EchoPath
from voicewire.audio.echo import EchoCanceller
from voicewire.audio.pcm import float32_to_pcm16, pcm16_to_float32, silence, tone

pytestmark = pytest.mark.unit

FRAME = 2 * RATE_HZ // 50
"""Bytes of 20 ms."""


class NotingCanceller(EchoCanceller):
    """Keeps what it is given, and changes nothing."""

    def __init__(self) -> None:
        super().__init__(RATE_HZ)
        self.far = bytearray()
        self.sure: list[bool] = []
        self.disturbed = 0

    def process(self, near: bytes, far: bytes, *, is_sure: bool = True) -> bytes:
        self.far += far
        self.sure.append(is_sure)
        return near

    def amend(self, far: bytes, n_bytes_ago: int) -> None:
        if far:
            start = len(self.far) - n_bytes_ago
            self.far[start : start + len(far)] = far

    def disturb(self) -> None:
        self.disturbed += 1


def _begun(canceller: EchoCanceller) -> EchoPath:
    """A path whose speaker is 20 ms ahead, by silence."""
    path = EchoPath(RATE_HZ, canceller)
    path.played(silence(FRAME // 2), RATE_HZ)
    return path


def test_the_reference_is_what_was_played_in_order() -> None:
    canceller = NotingCanceller()
    path = _begun(canceller)
    sound = tone(440.0, 20 * FRAME // 2, RATE_HZ)
    for at in range(0, len(sound), FRAME):
        path.played(sound[at : at + FRAME], RATE_HZ)
        assert path.clean(silence(FRAME // 2)) == silence(FRAME // 2)
    assert sound[: len(canceller.far) - FRAME] in bytes(canceller.far)
    assert (set(canceller.sure), path.matches) == ({True}, 0)


def test_a_speaker_of_another_rate_is_converted() -> None:
    canceller = NotingCanceller()
    path = EchoPath(RATE_HZ, canceller)
    for at in range(0, 48_000, 480):
        path.played(tone(1000.0, 480, 48_000, start_sample=at), 48_000)
        if at % 960:
            path.clean(silence(FRAME // 2))
    whole = pcm16_to_float32(bytes(canceller.far))[3200:9600]
    peak = int(np.abs(np.fft.rfft(whole)).argmax()) * RATE_HZ / len(whole)
    assert peak == pytest.approx(1000.0, abs=3.0)


def test_before_the_speaker_plays_its_part_is_silence() -> None:
    canceller = NotingCanceller()
    path = EchoPath(RATE_HZ, canceller)
    for _ in range(100):
        path.clean(tone(300.0, FRAME // 2, RATE_HZ))
    assert bytes(canceller.far) == bytes(100 * FRAME)
    assert (set(canceller.sure), path.matches) == ({True}, 0)


def test_what_comes_late_is_filled_in_where_it_belongs() -> None:
    canceller = NotingCanceller()
    path = _begun(canceller)
    sound = tone(440.0, 12 * FRAME // 2, RATE_HZ)
    for at in range(0, len(sound), 2 * FRAME):  # the speaker's thread takes two turns at once
        path.clean(silence(FRAME // 2))
        path.clean(silence(FRAME // 2))
        path.played(sound[at : at + 2 * FRAME], RATE_HZ)
    path.clean(silence(FRAME // 2))
    assert sound[: -3 * FRAME] in bytes(canceller.far)
    assert path.matches == 0


def test_a_speaker_that_stopped_is_matched_anew() -> None:
    canceller = NotingCanceller()
    path = _begun(canceller)
    for _ in range(20):
        path.clean(silence(FRAME // 2))  # 400 ms without any sound of the speaker
    assert False in canceller.sure
    assert path.matches >= 1
    assert canceller.disturbed == path.matches
    sound = tone(440.0, 60 * FRAME // 2, RATE_HZ)
    matches: list[int] = []
    for at in range(0, len(sound), FRAME):
        path.played(sound[at : at + FRAME], RATE_HZ)
        path.clean(silence(FRAME // 2))
        matches.append(path.matches)
    assert matches[25] == matches[-1], "half a second later nothing is left to correct"
    assert canceller.sure[-30:] == [True] * 30
    assert sound[FRAME * 30 : -3 * FRAME] in bytes(canceller.far)


def test_a_microphone_that_lost_a_piece_is_matched_anew() -> None:
    canceller = NotingCanceller()
    path = _begun(canceller)
    for _ in range(10):
        path.played(tone(440.0, FRAME // 2, RATE_HZ), RATE_HZ)
    for _ in range(20):
        path.played(tone(440.0, FRAME // 2, RATE_HZ), RATE_HZ)
        path.clean(silence(FRAME // 2))
    assert path.matches == canceller.disturbed == 0, "the first frame is where the two are matched"
    for _ in range(5):
        path.played(tone(440.0, FRAME // 2, RATE_HZ), RATE_HZ)
    for _ in range(30):
        path.played(tone(440.0, FRAME // 2, RATE_HZ), RATE_HZ)
        path.clean(silence(FRAME // 2))
    assert path.matches == canceller.disturbed == 1
    assert canceller.sure[-10:] == [True] * 10


def test_clocks_that_drift_apart_are_matched_now_and_then() -> None:
    canceller = NotingCanceller()
    path = _begun(canceller)
    for turn in range(2000):  # 40 s, in which the speaker is slower by 0.5 %
        n_samples = FRAME // 2 - (turn % 5 == 0) * 8
        path.played(silence(n_samples), RATE_HZ)
        path.clean(silence(FRAME // 2))
    assert 1 <= path.matches <= 10
    assert set(canceller.sure) == {True}


def test_a_microphone_that_never_comes_costs_no_memory() -> None:
    path = EchoPath(RATE_HZ)
    for _ in range(500):
        path.played(silence(FRAME // 2), RATE_HZ)
    assert len(path._waiting) == 2 * 2 * RATE_HZ


def test_the_echo_is_gone_although_the_threads_take_uneven_turns() -> None:
    far = 0.5 * agent_speech()
    near_pcm, far_pcm = float32_to_pcm16(heard(far, room(90.0, 200.0, 0.3))), float32_to_pcm16(far)
    path = EchoPath(RATE_HZ)
    rng = np.random.default_rng(7)
    left, given, taken = bytearray(), 0, 0
    while taken + FRAME <= len(near_pcm):
        now = (
            taken + FRAME + FRAME // 2 * int(rng.integers(-1, 2))
        )  # the speaker is up to 10 ms early or late
        path.played(far_pcm[given : max(given, now)], RATE_HZ)
        given = max(given, now)
        left += path.clean(near_pcm[taken : taken + FRAME])
        taken += FRAME
    assert path.matches == 0
    assert path.canceller.is_learned
    near, rest = pcm16_to_float32(near_pcm), pcm16_to_float32(bytes(left))
    assert level_db(from_s(near, 3, 10)) - level_db(from_s(rest, 3, 10)) > 20.0
