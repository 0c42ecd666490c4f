"""What the user told, read back from the history alone."""

from __future__ import annotations

import pytest

from voicewire.engine.brain import memory
from voicewire.engine.brain.text import core

from .asking import assistant, told, user

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("My name is Anna.", "Anna"),
        ("my name is john", "John"),
        ("I'm Bob.", "Bob"),
        ("Hello, I'm Sam.", "Sam"),
        ("Hi. My name is Peter Parker.", "Peter Parker"),
        ("Call me Al.", "Al"),
        ("This is Sarah speaking.", "Sarah"),
        ("Hi, I'm Bob and I live in Paris.", "Bob"),
    ],
)
def test_names(said: str, name: str) -> None:
    assert memory.recall(told(said)).name == name
    assert memory.answer(core("What's my name?"), told(said, "What's my name?")) == f"Your name is {name}."


@pytest.mark.parametrize(
    "said", ["I'm tired.", "I'm American.", "I am here.", "My name is not important.", "What's my name?"]
)
def test_no_names(said: str) -> None:
    assert memory.recall(told(said)).name is None


FACTS = [
    ("I live in Berlin.", "Where do I live?", "You live in Berlin."),
    ("I'm from New York.", "Where am I from?", "You are from New York."),
    ("My favourite colour is blue.", "What is my favorite color?", "Your favorite color is blue."),
    ("My dog is called Rex.", "What's my dog's name?", "Your dog's name is Rex."),
    ("I have a cat named Tom.", "What is my cat called?", "Your cat's name is Tom."),
    ("I am 42 years old.", "How old am I?", "You are 42 years old."),
    ("I like pizza and wine.", "What do I like?", "You like pizza and wine."),
    (
        "Remember that my keys are on the table.",
        "What did I ask you to remember?",
        "You told me that your keys are on the table.",
    ),
    (
        "Please remember that my lucky number is seven.",
        "What's my lucky number?",
        "Your lucky number is seven.",
    ),
    ("I work at a bakery.", "Where do I work?", "You work at a bakery."),
]


@pytest.mark.parametrize(("said", "asked", "expected"), FACTS)
def test_facts_are_recalled(said: str, asked: str, expected: str) -> None:
    assert memory.acknowledge(said) is not None
    assert memory.answer(core(asked), (user(said), assistant("Got it."), user(asked))) == expected


@pytest.mark.parametrize(("said", "asked", "expected"), FACTS)
def test_nothing_is_recalled_from_an_empty_history(said: str, asked: str, expected: str) -> None:
    answer = memory.answer(core(asked), told(asked))
    assert answer is not None
    assert answer.startswith(("You haven't", "That was"))
    assert answer != expected


def test_the_newest_statement_wins() -> None:
    history = told("My name is Anna.", "Actually, my name is Eve.", "What is my name?")
    assert memory.answer("what is my name", history) == "Your name is Eve."


def test_a_deleted_item_is_forgotten() -> None:
    history = told("My name is Anna.", "What is my name?")
    assert memory.answer("what is my name", history[1:]) == "You haven't told me your name yet."


def test_only_the_user_is_believed() -> None:
    assert memory.recall((assistant("My name is Anna."),)).name is None


def test_everything_known() -> None:
    history = told("My name is Anna and I live in Rome.", "What do you know about me?")
    assert (
        memory.answer("what do you know about me", history)
        == "I know that your name is Anna and you live in Rome."
    )


def test_the_talk_itself() -> None:
    history = told("Is water wet?", "Tell me a joke.", "What did I just say?")
    assert memory.answer("what did i just say", history) == 'You said: "Tell me a joke."'
    assert memory.answer("what did i say first", history) == 'First you said: "Is water wet?"'


@pytest.mark.parametrize(
    "said",
    [
        "My dog is sick.",
        "My computer is broken, what should I do?",
        "I remember that day.",
        "I like it when it rains.",
        "I love your voice.",
        "Do you remember the movie?",
        "I live for music.",
    ],
)
def test_other_statements_are_not_acknowledged(said: str) -> None:
    assert memory.acknowledge(said) is None
