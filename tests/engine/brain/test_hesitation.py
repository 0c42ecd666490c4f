"""People think aloud: the sounds of it must not change what they are answered."""

import pytest

from voicewire.engine.brain.base import BrainDelta, BrainTurn
from voicewire.engine.brain.layered import LayeredBrain
from voicewire.engine.brain.text import without_hesitation

from .asking import NOW, user

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("I want to um, hear a joke.", "I want to hear a joke."),
        ("Um, what time is it?", "what time is it?"),
        ("What is, uh... the capital of, er, Italy?", "What is the capital of Italy?"),
        ("My name is Ada, um.", "My name is Ada."),
        ("Hmm... Uhm", "Hmm... Uhm"),
        ("Where is the ER?", "Where is the ER?"),
        ("A 5 mm screw and an umbrella", "A 5 mm screw and an umbrella"),
        ("", ""),
    ],
)
def test_sounds_of_thinking_are_left_out(said: str, meant: str) -> None:
    assert without_hesitation(said) == meant


def test_a_hesitant_request_gets_the_answer_of_a_fluent_one() -> None:
    def answer(text: str) -> str:
        turn = BrainTurn(history=(user(text),), now=NOW)
        return "".join(
            out.text for out in LayeredBrain().respond(turn, lambda: False) if isinstance(out, BrainDelta)
        )

    assert answer("I want to um, hear a joke.") == answer("I want to hear a joke.")
    assert "language model" not in answer("I want to um, hear a joke.")
