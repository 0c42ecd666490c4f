"""Time, dates and timers by the caller's clock."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.engine.brain import calendar_skills
from voicewire.engine.brain.text import core

from .asking import NOW

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "said",
    [
        "What time is it?",
        "What's the time, please?",
        "Can you tell me what time it is?",
        "Do you have the time?",
        "Hey, what time is it now?",
        "Tell me the time.",
    ],
)
def test_time(said: str) -> None:
    assert calendar_skills.tell_time(core(said), NOW) == "It's 3:05 PM."


def test_time_elsewhere_needs_a_zone() -> None:
    asked = core("What time is it in Tokyo?")
    assert calendar_skills.tell_time(asked, NOW) == "It's 12:05 AM in Tokyo."
    naive = calendar_skills.tell_time(asked, datetime(2026, 11, 21, 15, 5))  # noqa: DTZ001 - a clock without zone
    assert naive == "I only know the time here, which is 3:05 PM; I don't know it for Tokyo."


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("What day is it today?", "Today is Saturday, November 21, 2026."),
        ("What's today's date?", "Today is Saturday, November 21, 2026."),
        ("What is the date?", "Today is Saturday, November 21, 2026."),
        ("What day of the week is it?", "Today is Saturday, November 21, 2026."),
        ("What day is tomorrow?", "Tomorrow is Sunday, November 22, 2026."),
        ("What day was yesterday?", "Yesterday was Friday, November 20, 2026."),
        ("What year is it?", "It's 2026."),
        ("What month is it?", "It's November."),
        ("How many days until Christmas?", "It's 34 days until Christmas."),
        ("How many days until Saturday?", "It's 7 days until Saturday."),
        ("How many days until Sunday?", "It's 1 day until Sunday."),
        ("How many days until the 3rd of December?", "It's 12 days until the 3rd of December."),
        ("How many days until November 20th?", "It's 364 days until November 20th."),
        ("What day is Christmas this year?", "December 25, 2026 is a Friday."),
    ],
)
def test_dates(said: str, expected: str) -> None:
    assert calendar_skills.tell_date(core(said), NOW) == expected


@pytest.mark.parametrize(
    "said", ["What time does the train leave?", "I had a great time.", "What day does it open?"]
)
def test_other_talk_of_time(said: str) -> None:
    assert calendar_skills.tell_time(core(said), NOW) is None
    assert calendar_skills.tell_date(core(said), NOW) is None


def test_a_leap_day_is_found_years_ahead() -> None:
    assert calendar_skills.named_date("february 29", date(2026, 11, 21)) == date(2028, 2, 29)
    assert calendar_skills.named_date("february 30", date(2026, 11, 21)) is None


@pytest.mark.parametrize(
    ("said", "seconds", "label"),
    [
        ("Set a timer for five minutes.", 300, ""),
        ("Set a timer for 1 hour and 30 minutes", 5400, ""),
        ("Start a 10-minute timer.", 600, ""),
        ("Set a timer for an hour and a half", 5400, ""),
        ("Could you please set a timer for 90 seconds?", 90, ""),
        ("set a timer for half an hour", 1800, ""),
        ("set a timer for two and a half minutes", 150, ""),
        ("Wake me up in a quarter of an hour", 900, ""),
        ("Remind me in ten minutes to call mom.", 600, "call mom"),
        ("Remind me to call mom in 2 hours", 7200, "call mom"),
        ("Set a five minute timer for eggs.", 300, "eggs"),
    ],
)
def test_timers(said: str, seconds: int, label: str) -> None:
    assert calendar_skills.timer_request(core(said)) == (seconds, label)


@pytest.mark.parametrize("said", ["Set a timer for five.", "A timer is useful.", "How long is a timer?"])
def test_no_timer_without_a_duration(said: str) -> None:
    assert calendar_skills.timer_request(core(said)) is None


@given(st.integers(1, calendar_skills.LONGEST_TIMER_S))
def test_durations_come_back(seconds: int) -> None:
    words = calendar_skills.duration_words(seconds).replace(",", " and")
    assert calendar_skills.duration_s(words) == seconds
