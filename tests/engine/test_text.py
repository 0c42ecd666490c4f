from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicewire.engine.text import ClauseSplitter, for_speech, spoken_text

pytestmark = pytest.mark.unit


def split(text: str, size: int = 1, splitter: ClauseSplitter | None = None) -> list[str]:
    splitter = splitter or ClauseSplitter()
    clauses: list[str] = []
    for start in range(0, len(text), size):
        clauses += splitter.push(text[start : start + size])
    return clauses + splitter.flush()


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        (
            "Sure, I can do that, for you. Wait, really? Yes!",
            ["Sure, I can do that, ", "for you. ", "Wait, really? ", "Yes!"],
        ),
        (
            "Pie is 3.14, I think, or 3,141 per thousand.",
            ["Pie is 3.14, ", "I think, or 3,141 per thousand."],
        ),
        ("The train leaves at 10:30 sharp. Hurry.", ["The train leaves at 10:30 sharp. ", "Hurry."]),
        (
            "Some fruits, e.g. apples. Dr. Smith said so.",
            ["Some fruits, ", "e.g. apples. ", "Dr. Smith said so."],
        ),
        ("J. K. Rowling wrote it. I did. You too.", ["J. K. Rowling wrote it. ", "I did. ", "You too."]),
        ("The answer is no. But No. 5 is fine.", ["The answer is no. ", "But No. 5 is fine."]),
        ('He said "Go." Then he left.', ['He said "Go." ', "Then he left."]),
        ("See https://a.com/x.y for more. Bye.", ["See https://a.com/x.y for more. ", "Bye."]),
        ("Two things:\n1. Milk\n2. Eggs\n", ["Two things:\n", "1. Milk\n", "2. Eggs\n"]),
        ("Look at this: ```\na. B\n\nc\n``` Nice.", ["Look at this: ", "```\na. B\n\nc\n``` ", "Nice."]),
        ("Hmm... maybe. Wait... What?", ["Hmm... maybe. ", "Wait... ", "What?"]),
        ("你好。再见。", ["你好。", "再见。"]),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_where_clauses_end(text: str, clauses: list[str], size: int) -> None:
    got = [clause.strip() for clause in split(text, size)]
    assert [clause for clause in got if clause] == [clause.strip() for clause in clauses]


def test_a_clause_comes_as_soon_as_it_is_certain() -> None:
    splitter = ClauseSplitter()
    assert splitter.push("It is three o'clock.") == []
    assert splitter.push(" ") == []
    assert splitter.push("A") == ["It is three o'clock. "]
    assert splitter.push("nd that is late! ") == ["And that is late! "]
    assert splitter.flush() == []


def test_only_the_first_clause_is_cut_early() -> None:
    text = "Well, as you can see, the first is short, the second is not, and so it goes on."
    assert split(text) == [
        "Well, as you can see, ",
        "the first is short, the second is not, and so it goes on.",
    ]


def test_no_clause_is_blank() -> None:
    assert split("\n\nHello there.\n\n\nBye.\n") == ["\n\nHello there.\n", "\n\nBye.\n"]


def test_an_endless_clause_is_cut_at_a_space() -> None:
    clauses = split("word " * 200, 7)
    assert max(map(len, clauses)) <= 241
    assert all(clause.endswith(" ") for clause in clauses)
    assert max(map(len, split("x" * 1000))) == 240


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(alphabet=st.sampled_from(list('ab AB1.,:!?\n`"()…。-—')), max_size=400),
    sizes=st.lists(st.integers(1, 20), min_size=1),
)
def test_nothing_is_lost_added_or_moved(text: str, sizes: list[int]) -> None:
    splitter, clauses, position = ClauseSplitter(), [""], 0
    while position < len(text):
        size = sizes[position % len(sizes)]
        clauses += splitter.push(text[position : position + size])
        position += size
    clauses += splitter.flush()
    assert "".join(clauses) == text
    assert splitter.flush() == []


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("**Bold** and _it_ but snake_case", "Bold and it but snake_case"),
        ("# Title\n- one\n* [ ] two\n> three\n---\n", "Title one two three"),
        ("see [the *docs*](http://x.y/z) and ![a cat](c.png)", "see the docs and a cat"),
        (
            "go to https://www.example.com/a?b=1, or mail bob@x.org.",
            "go to example dot com, or mail bob at x dot org.",
        ),
        ("Nice 😀👍🏽! ❤️ 1️⃣", "Nice ! 1"),
        ("`pip install` <b>now</b> R&D &amp; A & B", "pip install now R&D and A and B"),
        ("3 * 4 = 12, 2 - 1", "3 times 4 = 12, 2 - 1"),
        ("| a | b |\n|---|---|\n", "a b"),
        ("Here:\n```py\nprint(1)\n```", "Here:"),
        ("Don't -- it's $9.99 (50%).", "Don't -- it's $9.99 (50%)."),
        ("", ""),
        ("***", ""),
    ],
)
def test_what_is_spoken(text: str, spoken: str) -> None:
    assert for_speech(text) == spoken


def test_heard_words_are_told_as_they_were_written() -> None:
    spoken = spoken_text("**Go** to https://a.com now 😀")
    assert spoken.text == "Go to a dot com now"
    assert [spoken.heard(count) for count in (0, 1, 2, 5, 6, 99)] == [
        "",
        "**Go**",
        "**Go** to",
        "**Go** to https://a.com",
        "**Go** to https://a.com now 😀",
        "**Go** to https://a.com now 😀",
    ]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("ab 1*_`[]()#-|<>&.:/\\\n😀@$")), max_size=120))
def test_every_spoken_word_has_its_place(text: str) -> None:
    spoken = spoken_text(text)
    assert tuple(spoken.text.split()) == spoken.words
    assert len(spoken.word_ends) == len(spoken.words)
    assert list(spoken.word_ends) == sorted(spoken.word_ends)
    prefixes = [spoken.heard(count) for count in range(len(spoken.words) + 1)]
    assert all(text.startswith(prefix) for prefix in prefixes)
    assert prefixes[-1] == (text if spoken.words else "")
