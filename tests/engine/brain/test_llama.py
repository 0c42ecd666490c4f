"""SmolLM2 on llama.cpp, with the real weights."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from voicewire.engine.brain import LayeredBrain, LlamaBrain, never_cancelled
from voicewire.engine.brain.base import BrainDelta, BrainOutput
from voicewire.engine.brain.factory import find_smollm2
from voicewire.engine.brain.llama import End, LlamaServer, Piece
from voicewire.engine.brain.tools import plan
from voicewire.errors import InferenceError, ModelLoadError

from .asking import TEXT, heard, tool, turn

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def smol() -> Iterator[LlamaBrain]:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    try:
        find_smollm2()
    except ModelLoadError as error:
        pytest.skip(f"SmolLM2 is not on this machine: {error}")
    brain = LlamaBrain(find_smollm2, name="smollm2", style="tiny", context_tokens=1280)
    brain.warm_up()
    yield brain
    brain.close()


@pytest.mark.parametrize(
    "said", ["What is love?", "How do airplanes fly?", "I went to the zoo yesterday.", "Is water wet?"]
)
def test_answers_are_short_and_whole(smol: LlamaBrain, said: str) -> None:
    answer = heard(smol.respond(turn(said), never_cancelled))
    assert 1 <= len(answer.text.split()) <= 60
    assert len(answer.done) == 1
    assert answer.done[0].input_tokens > 100
    assert answer.done[0].output_tokens >= 1
    assert "\n" not in answer.text


def test_answers_are_the_same_each_time(smol: LlamaBrain) -> None:
    texts = {heard(smol.respond(turn("What is love?"), never_cancelled)).text for _ in range(3)}
    assert len(texts) == 1


def test_cancelling_stops_within_a_token(smol: LlamaBrain) -> None:
    got: list[BrainOutput] = []
    for output in smol.respond(turn("Tell me how airplanes work."), lambda: len(got) >= 2):
        got.append(output)  # noqa: PERF402 - the list decides when to cancel
    assert len(got) == 2
    assert all(isinstance(output, BrainDelta) for output in got)


def test_leaving_the_iterator_stops_the_model(smol: LlamaBrain) -> None:
    asked = threading.Event()

    def cancelled() -> bool:
        asked.set()
        return False

    outputs = smol.respond(turn("Tell me how airplanes work."), cancelled)
    next(outputs)
    outputs.close()  # type: ignore[attr-defined]  # respond is a generator
    assert asked.is_set()
    assert heard(smol.respond(turn("What is love?"), never_cancelled)).done


def test_sessions_share_the_model(smol: LlamaBrain) -> None:
    questions = ["What is love?", "How do birds fly?", "Why do people sing?", "What do plants need?"]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda said: heard(smol.respond(turn(said), never_cancelled)), questions))
    assert all(answer.text and answer.done for answer in answers)


def test_the_model_chooses_under_the_grammar(smol: LlamaBrain) -> None:
    indoor = tool("get_indoor_temperature", "Temperature of a room", ["room"], room=TEXT)
    outdoor = tool("get_outdoor_temperature", "Temperature of a place", ["place"], place=TEXT)
    asked = turn("What is the temperature in Rome?", tools=(indoor, outdoor))
    call = smol.decide(asked, plan(asked).rivals, never_cancelled)
    assert call is None or "Rome" in call.arguments.values()
    forced = turn("What is the temperature in Rome?", tools=(indoor, outdoor), tool_choice="required")
    answer = heard(LayeredBrain(smol).respond(forced, never_cancelled))
    assert [name for name, _ in answer.calls][0] in ("get_indoor_temperature", "get_outdoor_temperature")


def test_long_histories_and_instructions_fit(smol: LlamaBrain) -> None:
    asked = turn("What is love? " * 200, instructions="Be kind and brief. " * 400)
    assert heard(smol.respond(asked, never_cancelled)).done


def test_a_prompt_that_does_not_fit_is_an_error(smol: LlamaBrain) -> None:
    too_long = [{"role": "user", "content": "word " * 4000}]
    with pytest.raises(InferenceError, match="context size"):
        list(smol.server().chat(too_long, max_tokens=4, cancelled=never_cancelled))


def test_the_server_counts(smol: LlamaBrain) -> None:
    found = list(
        smol.server().chat([{"role": "user", "content": "Hi"}], max_tokens=5, cancelled=never_cancelled)
    )
    end = found[-1]
    assert isinstance(end, End)
    assert end.output_tokens == 5
    assert end.is_cut
    assert all(isinstance(piece, Piece) for piece in found[:-1])


def test_no_port_is_opened(smol: LlamaBrain) -> None:
    smol.server().load()
    psutil = pytest.importorskip("psutil", reason="psutil is not installed")
    listening = [
        each for each in psutil.Process().net_connections("inet") if each.status == psutil.CONN_LISTEN
    ]
    assert listening == []


def test_a_closed_brain_refuses() -> None:
    brain = LlamaBrain(find_smollm2, name="smollm2")
    brain.close()
    with pytest.raises(ModelLoadError, match="closed"):
        list(brain.respond(turn("Hi."), never_cancelled))


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"not a model")
    server = LlamaServer(path)
    with pytest.raises(ModelLoadError, match="could not be loaded"):
        server.load()
    server.close()
