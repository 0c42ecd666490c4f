"""Who answers first: tools, skills, the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from voicewire.engine.brain import Brain, BrainDelta, BrainDone, create_brain, never_cancelled, talk
from voicewire.engine.brain.base import BrainOutput, BrainTurn, ToolCall, Turn
from voicewire.engine.brain.layered import NO_MODEL, LayeredBrain
from voicewire.engine.brain.llm import LlamaBrain, choice_format, choice_prompt, read_choice
from voicewire.engine.brain.slots import fill
from voicewire.engine.brain.tools import Call, Match, plan
from voicewire.errors import ConfigError, ModelLoadError

from .asking import (
    ALL_TOOLS,
    LIGHT,
    NOW,
    SEARCH,
    TEXT,
    TIME,
    WEATHER,
    Heard,
    assistant,
    heard,
    tool,
    turn,
    user,
)

pytestmark = pytest.mark.unit

INDOOR = tool("get_indoor_temperature", "Temperature of a room", ["room"], room=TEXT)
OUTDOOR = tool("get_outdoor_temperature", "Temperature of a place", ["place"], place=TEXT)


class FakeServer:
    def load(self) -> None:
        pass


class FakeLlama(LlamaBrain):
    """Says one sentence, chooses what it is told to."""

    def __init__(self, choice: Call | None = None) -> None:
        super().__init__(Path("none.gguf"), name="fake", style="tiny")
        self.choice = choice
        self.asked: list[str] = []
        self.rivals: list[str] = []

    def server(self) -> FakeServer:  # type: ignore[override]  # only load() is used before respond and decide
        return FakeServer()

    def respond(self, turn: BrainTurn, cancelled: Callable[[], bool]) -> Iterator[BrainOutput]:
        del cancelled
        self.asked.append(turn.utterance)
        yield BrainDelta("The model speaks.")
        yield BrainDone(3, 3)

    def decide(
        self, turn: BrainTurn, rivals: tuple[Match, ...], cancelled: Callable[[], bool]
    ) -> Call | None:
        del turn, cancelled
        self.rivals = [match.tool.name for match in rivals]
        return self.choice


def ask(brain: Brain, asked: BrainTurn) -> Heard:
    return heard(brain.respond(asked, never_cancelled))


def test_skills_answer_before_the_model() -> None:
    llama = FakeLlama()
    answer = ask(LayeredBrain(llama), turn("What time is it?"))
    assert answer.text == "It's 3:05 PM."
    assert (answer.done[0].finish, llama.asked) == ("stop", [])


def test_the_model_answers_the_rest() -> None:
    llama = FakeLlama()
    assert ask(LayeredBrain(llama), turn("What is love?")).text == "The model speaks."
    assert llama.asked == ["What is love?"]


def test_a_users_tool_outranks_a_skill() -> None:
    answer = ask(LayeredBrain(FakeLlama()), turn("What time is it?", tools=(TIME,)))
    assert (answer.text, answer.calls, answer.done[0].finish) == ("", [("get_time", {})], "tool")


def test_a_tool_outranks_what_cannot_be_done() -> None:
    answer = ask(LayeredBrain(None), turn("Will it rain in Paris tomorrow?", tools=ALL_TOOLS))
    assert answer.calls == [("get_weather", {"city": "Paris"})]


def test_a_skill_outranks_a_tool_that_hardly_fits() -> None:
    answer = ask(LayeredBrain(FakeLlama()), turn("What's 15% of 80?", tools=ALL_TOOLS))
    assert (answer.text, answer.calls) == ("15 percent of 80 is 12.", [])


def test_the_model_chooses_between_rivals() -> None:
    llama = FakeLlama(Call("get_outdoor_temperature", {"place": "Rome"}))
    answer = ask(LayeredBrain(llama), turn("What is the temperature in Rome?", tools=(INDOOR, OUTDOOR)))
    assert answer.calls == [("get_outdoor_temperature", {"place": "Rome"})]
    assert sorted(llama.rivals) == ["get_indoor_temperature", "get_outdoor_temperature"]


def test_the_model_may_choose_no_tool() -> None:
    answer = ask(LayeredBrain(FakeLlama()), turn("What is the temperature in Rome?", tools=(INDOOR, OUTDOOR)))
    assert (answer.calls, answer.text) == (
        [],
        "I can't check the weather by myself, but your program can give me a tool for it.",
    )
    asked = turn("Give me the temperature of Rome.", tools=(INDOOR, OUTDOOR))
    assert ask(LayeredBrain(FakeLlama()), asked).text == "The model speaks."


def test_two_calls_in_one_turn() -> None:
    answer = ask(
        LayeredBrain(None), turn("What's the weather in London and what time is it?", tools=ALL_TOOLS)
    )
    assert answer.calls == [("get_weather", {"city": "London"}), ("get_time", {})]
    assert len(answer.done) == 1


def test_a_missing_argument_is_asked_for() -> None:
    answer = ask(LayeredBrain(None), turn("How's the weather?", tools=(WEATHER,)))
    assert (answer.text, answer.calls) == ("Which city should I use?", [])


def after_results(*results: str) -> BrainTurn:
    calls = tuple(
        ToolCall(call_id=f"c{n}", name="get_weather", arguments_json="{}") for n in range(len(results))
    )
    outputs = tuple(Turn("tool", text, name="get_weather", call_id=f"c{n}") for n, text in enumerate(results))
    history = (user("What's the weather?"), Turn("assistant", "", tool_calls=calls), *outputs)
    return BrainTurn(history=history, now=NOW, tools=(WEATHER,), tool_choice="required")


def test_a_result_is_said_and_calls_nothing_again() -> None:
    answer = ask(
        LayeredBrain(FakeLlama()), after_results('{"temperature": 20, "city": "Rome"}', "It is wet in Oslo.")
    )
    assert answer.text == "It's 20 degrees in Rome. It is wet in Oslo."
    assert answer.calls == []


def test_forced_tools_are_called_without_a_model() -> None:
    answer = ask(LayeredBrain(None), turn("Hello.", tools=(SEARCH, LIGHT), tool_choice="required"))
    assert len(answer.calls) == 1
    named = ask(LayeredBrain(None), turn("Hello.", tools=(SEARCH, LIGHT), tool_choice="search_web"))
    assert named.calls == [("search_web", {"query": "Hello"})]


def test_a_story_comes_in_sentences_and_can_be_stopped() -> None:
    brain = LayeredBrain(None)
    whole = ask(brain, turn("Tell me a story."))
    assert whole.text == talk.STORIES[0][1]
    assert len(whole.deltas) >= 6
    got: list[BrainOutput] = []
    for output in brain.respond(turn("Tell me a story."), lambda: len(got) >= 2):
        got.append(output)  # noqa: PERF402 - the list decides when to cancel
    assert len(got) == 2
    assert all(isinstance(output, BrainDelta) for output in got)


def test_the_limit_of_tokens_holds() -> None:
    answer = ask(LayeredBrain(None), turn("Tell me a story.", max_tokens=10))
    assert len(answer.text.split()) == 10
    assert (answer.done[0].finish, answer.done[0].output_tokens) == ("length", 10)


def test_timers_go_to_those_who_keep_them() -> None:
    kept = ask(LayeredBrain(None), turn("Set a timer for five minutes.", supports_timers=True))
    assert [(timer.duration_s, timer.label) for timer in kept.timers] == [(300, "")]
    assert not ask(LayeredBrain(None), turn("Set a timer for five minutes.")).timers


def test_the_language_notice_comes_once() -> None:
    brain = LayeredBrain(FakeLlama())
    instructions = "Always answer in French."
    assert ask(brain, turn("What is love?", instructions=instructions)).text == (
        "I can only speak English here. The model speaks."
    )
    before = (user("Hello."), assistant("Hello!"))
    assert (
        ask(brain, turn("What is love?", before=before, instructions=instructions)).text
        == "The model speaks."
    )


def test_without_weights_the_rules_go_on(caplog: pytest.LogCaptureFixture) -> None:
    def nowhere() -> Path:
        raise ModelLoadError("no weights; run: voicewire setup")

    brain = LayeredBrain(LlamaBrain(nowhere, name="smollm2", style="tiny"))
    brain.warm_up()
    for _ in range(2):
        assert ask(brain, turn("What is love?")).text == NO_MODEL
    assert ask(brain, turn("What time is it?")).text == "It's 3:05 PM."
    assert not brain.has_model
    assert len(caplog.records) == 1


def test_a_users_own_model_must_load(tmp_path: Path) -> None:
    broken = tmp_path / "gone.gguf"
    broken.write_bytes(b"")
    brain = create_brain(broken)
    broken.unlink()
    with pytest.raises(ModelLoadError, match="no GGUF file"):
        brain.warm_up()


def test_closing_twice_is_fine() -> None:
    brain = create_brain("default")
    brain.close()
    brain.close()


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        (None, "layered:smollm2"),
        ("default", "layered:smollm2"),
        ("rules", "rules"),
        ("http://127.0.0.1:1/v1#tiny", "remote:tiny"),
    ],
)
def test_a_brain_by_name(spec: str | None, name: str) -> None:
    brain = create_brain(spec)
    assert brain.name == name
    assert isinstance(brain, Brain)
    brain.close()


@pytest.mark.parametrize(
    "spec", ["nonsense", "/no/such/model.gguf", "http://127.0.0.1:1/v1", "https://u:p@host/v1#m"]
)
def test_a_wrong_name_is_told(spec: str) -> None:
    with pytest.raises(ConfigError):
        create_brain(spec)


def rivals_of(asked: BrainTurn) -> tuple[Match, ...]:
    return plan(asked).rivals


def test_a_choice_is_grounded() -> None:
    asked = turn("What is the temperature in Rome?", tools=(INDOOR, OUTDOOR))
    rivals = rivals_of(asked)
    chosen = read_choice('{"tool": "get_outdoor_temperature", "place": "Paris"}', asked, rivals)
    assert chosen == Call("get_outdoor_temperature", {"place": "Rome"})
    assert read_choice('{"tool": "none"}', asked, rivals) is None
    assert read_choice("not json", asked, rivals) is None


def test_a_choice_with_invented_arguments_is_none() -> None:
    dial = tool("get_channel", "Channel by code", ["code"], code={"type": "string", "enum": ["a1", "b2"]})
    asked = turn("Which channel is it?", tools=(dial,))
    rivals = (Match(dial, 2.0, fill(dial, asked.utterance)),)
    assert read_choice('{"tool": "get_channel", "code": "a1"}', asked, rivals) is None


def test_the_grammar_allows_each_tool_and_none() -> None:
    asked = turn("What is the temperature in Rome?", tools=(INDOOR, OUTDOOR))
    rivals = rivals_of(asked)
    for with_none, expected in ((True, 3), (False, 2)):
        found = choice_format(rivals, with_none=with_none)
        schema = found["json_schema"]
        assert isinstance(schema, dict)
        assert len(schema["schema"]["anyOf"]) == expected
    messages = choice_prompt(asked, rivals)
    assert messages[-1] == {"role": "user", "content": "What is the temperature in Rome?"}
    assert "get_indoor_temperature" in messages[0]["content"]
