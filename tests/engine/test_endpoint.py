from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voicewire.engine.endpoint import SilenceEndpointer
from voicewire.engine.stages import (
    Decision,
    EndpointPhase,
    EndpointSettings,
    Observation,
    SpeculateNow,
    SpeculationRevoked,
    SpeechStarted,
    SpeechStopped,
    TurnHint,
    ms_to_samples,
)
from voicewire.errors import ConfigError

pytestmark = pytest.mark.unit

FRAME = 512


def run(
    endpointer: SilenceEndpointer, probabilities: list[float], hint_at: dict[int, TurnHint] | None = None
) -> list[Decision]:
    """Feed frames of 512 samples; ``hint_at`` maps a frame's index to the hint that comes with it."""
    decisions: list[Decision] = []
    for index, probability in enumerate(probabilities):
        end = endpointer.position_sample + FRAME
        decisions += endpointer.step(Observation(probability, end, (hint_at or {}).get(index)))
    return decisions


def test_a_turn_has_padding_a_trial_and_an_exact_end() -> None:
    decisions = run(SilenceEndpointer(), [0.0] * 20 + [0.9] * 30 + [0.0] * 20)
    onset, end = 20 * FRAME, 50 * FRAME
    assert decisions == [
        SpeechStarted(at_sample=onset - 4800, onset_sample=onset),
        SpeculateNow(at_sample=end + 2560, speech_end_sample=end),
        SpeechStopped(at_sample=end, decided_at_sample=end + 7680, voiced_samples=30 * FRAME),
    ]


def test_padding_stops_at_the_beginning_and_at_the_last_turn() -> None:
    endpointer = SilenceEndpointer(
        EndpointSettings(silence_ms=200, prefix_padding_ms=1000, speculate_after_ms=100)
    )
    first, *_, stopped = run(endpointer, [0.9] * 10 + [0.0] * 8)
    again = run(endpointer, [0.9] * 10)
    assert isinstance(first, SpeechStarted) and first.at_sample == 0
    assert isinstance(stopped, SpeechStopped)
    assert again == [SpeechStarted(at_sample=stopped.at_sample, onset_sample=18 * FRAME)]


def test_a_burst_shorter_than_the_minimum_is_ignored() -> None:
    endpointer = SilenceEndpointer()
    assert run(endpointer, [0.9, 0.9, 0.0, 0.9, 0.9, 0.0]) == []
    assert endpointer.phase is EndpointPhase.QUIET


def test_hysteresis_keeps_speech_going_between_the_thresholds() -> None:
    endpointer = SilenceEndpointer()
    assert [type(decision) for decision in run(endpointer, [0.9] * 5 + [0.4] * 40)] == [SpeechStarted]
    assert endpointer.phase is EndpointPhase.SPEAKING
    assert run(SilenceEndpointer(), [0.4] * 40) == []


def test_speech_that_goes_on_revokes_the_trial_and_a_new_silence_gets_a_new_one() -> None:
    decisions = run(SilenceEndpointer(), [0.9] * 10 + [0.0] * 8 + [0.9] * 5 + [0.0] * 20)
    kinds = [type(decision) for decision in decisions]
    assert kinds == [SpeechStarted, SpeculateNow, SpeculationRevoked, SpeculateNow, SpeechStopped]
    assert decisions[2] == SpeculationRevoked(at_sample=18 * FRAME)


@pytest.mark.parametrize(
    ("hint", "silence_ms"),
    [(TurnHint.DONE, 320), (TurnHint.UNSURE, 480), (TurnHint.DOUBT, 800), (TurnHint.HOLD, 1000)],
)
def test_a_hint_moves_the_end(hint: TurnHint, silence_ms: int) -> None:
    stopped = run(SilenceEndpointer(), [0.9] * 10 + [0.0] * 40, {16: hint})[-1]
    assert isinstance(stopped, SpeechStopped)
    assert stopped.decided_at_sample - stopped.at_sample == ms_to_samples(silence_ms)


def test_a_hint_that_comes_late_ends_the_turn_where_it_came() -> None:
    stopped = run(SilenceEndpointer(), [0.9] * 10 + [0.0] * 14, {22: TurnHint.DONE})[-1]
    assert stopped == SpeechStopped(
        at_sample=10 * FRAME, decided_at_sample=22 * FRAME, voiced_samples=10 * FRAME
    )


def test_a_hint_is_forgotten_when_speech_goes_on_and_ignored_while_speaking() -> None:
    endpointer = SilenceEndpointer()
    run(endpointer, [0.9] * 10)
    endpointer.set_hint(TurnHint.HOLD)
    run(endpointer, [0.0] * 6, {5: TurnHint.HOLD})
    stopped = run(endpointer, [0.9] * 4 + [0.0] * 20)[-1]
    assert isinstance(stopped, SpeechStopped)
    assert stopped.decided_at_sample - stopped.at_sample == ms_to_samples(480)


def test_no_hint_shortens_below_300_ms_or_lengthens_a_short_setting() -> None:
    assert EndpointSettings(likely_done_silence_ms=50).silence_limit_ms(TurnHint.DONE) == 300
    assert EndpointSettings(silence_ms=200).silence_limit_ms(TurnHint.DONE) == 200
    assert EndpointSettings(silence_ms=2000).silence_limit_ms(TurnHint.HOLD) == 2000
    assert EndpointSettings(silence_ms=2000).silence_limit_ms(TurnHint.DOUBT) == 2000


def test_settings_change_at_once_when_quiet_and_after_the_turn_when_not() -> None:
    endpointer = SilenceEndpointer()
    short = EndpointSettings(silence_ms=200)
    run(endpointer, [0.9] * 10)
    endpointer.configure(short)
    assert endpointer.settings.silence_ms == 480
    run(endpointer, [0.0] * 20)
    assert endpointer.settings is short
    endpointer.configure(EndpointSettings(silence_ms=700))
    assert endpointer.settings.silence_ms == 700


def test_stop_closes_an_open_turn_and_only_an_open_one() -> None:
    endpointer = SilenceEndpointer()
    assert endpointer.stop() == []
    run(endpointer, [0.9] * 10)
    assert endpointer.stop() == [SpeechStopped(10 * FRAME, 10 * FRAME, 10 * FRAME)]
    run(endpointer, [0.9] * 10 + [0.0] * 2)
    assert endpointer.stop() == [SpeechStopped(20 * FRAME, 22 * FRAME, 10 * FRAME)]
    assert endpointer.stop() == []


@pytest.mark.parametrize(
    "change", [{"threshold": 0.0}, {"threshold": 1.0}, {"silence_ms": -1}, {"release_below": 1.5}]
)
def test_settings_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        EndpointSettings(**change)  # type: ignore[arg-type]  # the point of the test


def test_an_observation_must_move_on() -> None:
    endpointer = SilenceEndpointer()
    run(endpointer, [0.0])
    with pytest.raises(ValueError, match="not beyond"):
        endpointer.step(Observation(0.0, FRAME))


LEVELS = st.sampled_from([0.0, 0.2, 0.35, 0.45, 0.5, 0.9])


@settings(max_examples=300, deadline=None)
@given(runs=st.lists(st.tuples(LEVELS, st.integers(1, 40)), max_size=25))
def test_merging_equal_observations_changes_nothing(runs: list[tuple[float, int]]) -> None:
    fine, coarse = SilenceEndpointer(), SilenceEndpointer()
    one_by_one = run(fine, [level for level, count in runs for _ in range(count)])
    merged: list[Decision] = []
    for level, count in runs:
        merged += coarse.step(Observation(level, coarse.position_sample + count * FRAME))
    assert merged == one_by_one
    assert coarse.phase is fine.phase


class Endpointing(RuleBasedStateMachine):
    """Any order of speech, silence, hints, settings and manual stops."""

    def __init__(self) -> None:
        super().__init__()
        self.endpointer = SilenceEndpointer()
        self.is_open = False
        self.is_on_trial = False
        self.onset = 0
        self.last_stop = 0

    @rule(level=LEVELS, frames=st.integers(1, 30), hint=st.sampled_from([None, *TurnHint]))
    def hear(self, level: float, frames: int, hint: TurnHint | None) -> None:
        before = self.endpointer.position_sample
        for decision in self.endpointer.step(Observation(level, before + frames * FRAME, hint)):
            self.judge(decision)

    @rule()
    def order_stop(self) -> None:
        decisions = self.endpointer.stop()
        assert bool(decisions) == self.is_open
        for decision in decisions:
            self.judge(decision)

    @precondition(lambda self: not self.is_on_trial)
    @rule(silence_ms=st.sampled_from([0, 100, 480, 2000]), speculate_ms=st.sampled_from([0, 160, 900]))
    def change_settings(self, silence_ms: int, speculate_ms: int) -> None:
        self.endpointer.configure(EndpointSettings(silence_ms=silence_ms, speculate_after_ms=speculate_ms))

    def judge(self, decision: Decision) -> None:
        position = self.endpointer.position_sample
        match decision:
            case SpeechStarted(at_sample, onset_sample):
                assert not self.is_open
                assert self.last_stop <= at_sample <= onset_sample < position
                self.is_open, self.onset = True, onset_sample
            case SpeculateNow(at_sample, speech_end_sample):
                assert self.is_open and not self.is_on_trial
                assert self.onset < speech_end_sample <= at_sample <= position
                self.is_on_trial = True
            case SpeculationRevoked(at_sample):
                assert self.is_on_trial
                assert self.onset < at_sample < position
                self.is_on_trial = False
            case SpeechStopped(at_sample, decided_at_sample, voiced_samples):
                assert self.is_open
                assert self.onset < at_sample <= decided_at_sample <= position
                assert 0 < voiced_samples <= at_sample - self.onset
                self.is_open = self.is_on_trial = False
                self.last_stop = at_sample

    @invariant()
    def phase_and_turn_agree(self) -> None:
        speaking = self.endpointer.phase in (EndpointPhase.SPEAKING, EndpointPhase.STOPPING)
        assert speaking == self.is_open


TestEndpointing = Endpointing.TestCase
TestEndpointing.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
