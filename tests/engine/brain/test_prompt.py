"""The prompt, and the guard over a small model's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.engine.brain.base import Turn
from voicewire.engine.brain.prompt import SHOTS, StreamGuard, build, prefix, tokens_in

from .asking import assistant, turn, user

pytestmark = pytest.mark.unit


def guarded(text: str, size: int = 3) -> str:
    guard = StreamGuard(is_guarding=True)
    passed = ""
    for start in range(0, len(text), size):
        passed += guard.push(text[start : start + size])
        if guard.is_finished:
            break
    return passed + guard.close()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Bees make honey.", "Bees make honey."),
        ("Bees make honey", "Bees make honey."),
        ("**Bees** make `honey`.\n\n1. First", "Bees make honey."),
        ("Bees make honey. They live in hives. They sting.", "Bees make honey. They live in hives."),
        ("I am not sure. I am not sure. I am not sure.", "I am not sure."),
        (
            "One two three four five six seven eight nine ten eleven twelve. More.",
            "One two three four five six seven eight nine ten eleven twelve.",
        ),
        ("It costs 3.50 in most places.", "It costs 3.50 in most places."),
        ("Bees make honey. They also", "Bees make honey."),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5, 400])
def test_one_or_two_whole_sentences_pass(written: str, said: str, size: int) -> None:
    assert guarded(written, size) == said


def test_a_loop_is_cut() -> None:
    assert guarded("Aye, aye, aye, aye, aye, aye, aye, aye, aye") == "Aye, aye,"
    assert (
        guarded("the cat sat on the mat and the cat sat on the mat and the cat", 1).count("cat sat on") <= 2
    )


def test_without_a_guard_everything_passes() -> None:
    guard = StreamGuard(is_guarding=False)
    assert guard.push("A.\n") + guard.push("B. C. D.") + guard.close() == "A.\nB. C. D."
    assert not guard.is_finished


@given(st.text(alphabet="ab .!?\n", max_size=120), st.integers(1, 9))
def test_the_guard_only_ever_cuts(written: str, size: int) -> None:
    said = guarded(written, size)
    start = written.lstrip()
    assert start.startswith(said) or start.startswith(said.removesuffix("."))


def test_instructions_come_after_the_shared_prefix() -> None:
    common = prefix("tiny")
    messages = build(turn("Hello.", instructions="You are a pirate."), "tiny", 1280)
    assert messages[: len(common)] == common
    assert len(common) == 1 + 2 * len(SHOTS)
    assert messages[len(common)] == {"role": "system", "content": "You are a pirate."}
    assert messages[-1] == {"role": "user", "content": "Hello."}


def test_a_tiny_model_is_not_told_to_speak_another_language() -> None:
    messages = build(turn("Hi.", instructions="You are kind. Always answer in French."), "tiny", 1280)
    assert {"role": "system", "content": "You are kind."} in messages


def test_the_users_name_is_told() -> None:
    messages = build(turn("Who was he?", before=(user("My name is Anna."),)), "tiny", 1280)
    assert any("The user's name is Anna." in message["content"] for message in messages)


def test_tools_and_empty_turns_are_left_out() -> None:
    before = (user("Hi."), assistant(""), Turn("tool", "42", call_id="c"))
    contents = [message["content"] for message in build(turn("So?", before=before), "plain", 4096)]
    assert contents[1:] == ["Hi.", "So?"]


def test_the_last_word_is_the_users() -> None:
    assert build(turn("", before=(user("Hi."), assistant("Hello!"))), "plain", 4096)[-1]["role"] == "user"


@given(
    history=st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text(max_size=400)), max_size=30),
    instructions=st.text(max_size=8000),
    said=st.text(max_size=6000),
)
def test_the_prompt_always_fits(history: list[tuple[str, str]], instructions: str, said: str) -> None:
    before = tuple(Turn("user" if role == "user" else "assistant", text) for role, text in history)
    messages = build(turn(said, before=before, instructions=instructions), "tiny", 1280)
    assert sum(tokens_in(message["content"]) for message in messages) <= 1280
    assert messages[-1]["role"] in ("user", "system")
