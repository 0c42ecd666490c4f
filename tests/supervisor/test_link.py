"""The state machine of reconnecting and changing over: any order of reports, any time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicewire.errors import ConfigError
from voicewire.transport.policies import NO_RECONNECT, KeepalivePolicy, ReconnectPolicy
from voicewire.transport.supervisor import LinkAction, LinkSupervisor

pytestmark = pytest.mark.unit

S = 1_000_000_000
POLICY = ReconnectPolicy(max_attempts=3, first_delay_s=1, max_delay_s=4, jitter=0.5, stable_after_s=20)


def link(policy: ReconnectPolicy = POLICY, *, max_session_s: float | None = None) -> LinkSupervisor:
    made = LinkSupervisor(policy, max_session_s=max_session_s, chance=lambda: 0.5)
    made.opened(0)
    return made


def test_waits_grow_and_the_attempts_are_counted() -> None:
    made = link()
    now_ns, waits_ns = 0, []
    is_going_on = made.lost(now_ns, is_retryable=True)
    while is_going_on:
        assert made.next_ns is not None
        assert made.poll(made.next_ns - 1, is_quiet=True) is LinkAction.NOTHING
        waits_ns.append(made.next_ns - now_ns)
        now_ns = made.next_ns
        assert made.poll(now_ns, is_quiet=True) is LinkAction.CONNECT
        assert made.poll(now_ns, is_quiet=True) is LinkAction.NOTHING, "an action is given once"
        is_going_on = made.attempt_failed(now_ns, is_retryable=True)
    assert [wait_ns / S for wait_ns in waits_ns] == [0.75, 1.5, 3.0]
    assert made.is_ended


def test_a_good_connection_resets_the_count_and_a_short_one_does_not() -> None:
    made = link()
    for _ in range(3):
        assert made.lost(1 * S, is_retryable=True)
        assert made.poll(9 * S, is_quiet=True) is LinkAction.CONNECT
        made.opened(1 * S)
    assert not made.lost(2 * S, is_retryable=True)
    steady = link()
    for round_s in range(0, 3000, 100):
        assert steady.lost(round_s * S + 50 * S, is_retryable=True)
        assert steady.poll(round_s * S + 60 * S, is_quiet=True) is LinkAction.CONNECT
        steady.opened(round_s * S + 60 * S)
        assert steady.attempts == 1


def test_what_no_other_connection_would_change_is_the_end() -> None:
    made = link()
    assert not made.lost(0, is_retryable=False) and made.is_ended
    refused = link()
    assert refused.lost(0, is_retryable=True)
    assert refused.poll(S, is_quiet=True) is LinkAction.CONNECT
    assert not refused.attempt_failed(S, is_retryable=False)


def test_without_attempts_nothing_is_ever_done() -> None:
    made = link(NO_RECONNECT, max_session_s=60)
    made.going_away(0, 1)
    assert made.next_ns is None and made.poll(10**15, is_quiet=True) is LinkAction.NOTHING
    assert not made.lost(0, is_retryable=True)


def test_the_change_comes_before_a_known_limit_in_a_pause() -> None:
    made = link(max_session_s=600)
    assert made.next_ns == 540 * S
    assert made.poll(540 * S, is_quiet=False) is LinkAction.PREPARE
    made.prepared()
    assert made.poll(541 * S, is_quiet=False) is LinkAction.NOTHING
    assert made.poll(542 * S, is_quiet=True) is LinkAction.SWITCH
    made.opened(542 * S)
    assert made.next_ns == (542 + 540) * S


def test_a_pause_that_never_comes_does_not_hold_the_change_up() -> None:
    made = link(max_session_s=600)
    made.poll(540 * S, is_quiet=False)
    made.prepared()
    assert made.next_ns == 595 * S
    assert made.poll(595 * S - 1, is_quiet=False) is LinkAction.NOTHING
    assert made.poll(595 * S, is_quiet=False) is LinkAction.SWITCH


def test_a_notice_brings_the_change_forward() -> None:
    made = link(max_session_s=3600)
    made.going_away(100 * S, 10)
    assert made.poll(100 * S, is_quiet=True) is LinkAction.PREPARE
    made.prepared()
    assert made.next_ns == 105 * S


def test_a_loss_while_the_next_one_is_ready_changes_over_at_once() -> None:
    made = link(max_session_s=600)
    made.poll(540 * S, is_quiet=False)
    made.prepared()
    assert made.lost(550 * S, is_retryable=True)
    assert made.poll(550 * S, is_quiet=False) is LinkAction.SWITCH


def test_a_next_one_that_cannot_be_opened_leaves_the_present_one_alone() -> None:
    made = link(max_session_s=600)
    made.poll(540 * S, is_quiet=True)
    assert made.attempt_failed(541 * S, is_retryable=True)
    assert made.is_in_service and made.next_ns is not None and made.next_ns > 541 * S


_CALLS = st.sampled_from(
    ["opened", "lost", "lost for good", "failed", "prepared", "away", "poll", "poll", "poll", "end"]
)


@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(st.tuples(_CALLS, st.integers(0, 700), st.booleans()), max_size=60),
    attempts=st.integers(0, 4),
)
def test_whatever_happens_attempts_are_bounded_and_the_end_is_the_end(
    steps: list[tuple[str, int, bool]], attempts: int
) -> None:
    policy = ReconnectPolicy(max_attempts=attempts, first_delay_s=1, max_delay_s=8, stable_after_s=10**6)
    made = link(policy, max_session_s=600)
    now_ns, connects, pending = 0, 0, ""
    for call, wait_s, is_quiet in steps:
        now_ns += wait_s * S
        if call == "end":
            made.end()
        elif call == "away":
            made.going_away(now_ns, 30)
        elif call == "poll":
            was_ended = made.is_ended
            action = made.poll(now_ns, is_quiet=is_quiet)
            assert action is LinkAction.NOTHING or not was_ended
            connects += action is LinkAction.CONNECT
            pending = action.value if action is not LinkAction.NOTHING else pending
        elif call == "opened" and pending in ("connect", "switch"):
            made.opened(now_ns)
            pending = ""
        elif call == "prepared" and pending == "prepare":
            made.prepared()
            pending = ""
        elif call == "failed" and pending:
            made.attempt_failed(now_ns, is_retryable=is_quiet)
            pending = ""
        elif call.startswith("lost") and made.is_in_service and pending != "prepare":
            made.lost(now_ns, is_retryable=call == "lost")
        assert connects <= attempts, "none of these connections lived long enough to count as good"
        if made.is_ended:
            assert made.next_ns is None and not made.is_in_service
        if (due_ns := made.next_ns) is not None and not made.is_in_service:
            assert due_ns <= now_ns + 8 * S


@pytest.mark.parametrize(
    "wrong", [{"max_attempts": -1}, {"factor": 0.5}, {"jitter": 1.5}, {"first_delay_s": -1.0}]
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="out of range"):
        ReconnectPolicy(**wrong)  # type: ignore[arg-type]  # one of the fields, by its name
    with pytest.raises(ConfigError, match="above 0 s"):
        KeepalivePolicy(timeout_s=0)
