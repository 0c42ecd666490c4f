"""Events and marks become a conversation: who, when, what was heard, how fast."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recording.samples import STORY, TAIL, conversation, timeline
from voicewire.events.model import ModelInputStartedEvent
from voicewire.recording.marks import InputStarted
from voicewire.recording.timeline import Span, SpokenPiece, TimelineBuilder, words_heard

pytestmark = pytest.mark.unit


def test_turns_have_their_words_their_reply_and_their_tools() -> None:
    first, second = timeline().turns
    assert first.utterance is not None and second.utterance is not None
    assert (first.utterance.text, first.reply_text) == ("Tell me a story.", STORY + TAIL)
    assert (second.utterance.text, second.reply_text) == ("Stop, the weather?", "Rain.")
    assert [(call.name, call.output) for call in second.tools] == [("get_weather", "rain")]
    assert first.tools == ()


def test_partials_grow_and_are_revised() -> None:
    utterance = timeline().utterances[0]
    assert [(p.at_ms, p.text) for p in utterance.partials] == [(800, "Tell"), (1100, "Tell me a stork")]
    assert (utterance.start_ms, utterance.end_ms, utterance.end_detected_ms) == (400, 1500, 1900)


def test_stretches_that_touch_are_one_and_the_cut_is_known() -> None:
    speech = timeline().speeches[0]
    assert speech.spans == [Span(1925, 2925)]
    assert (speech.cut_ms, speech.heard_ms, speech.generated_ms) == (2925, 1000, 4000)
    assert speech.is_interrupted
    assert speech.heard_text == "Once upon a time"


def test_the_waterfall_uses_what_the_engine_reported() -> None:
    waterfall = timeline().turns[0].waterfall
    assert waterfall is not None
    assert {bar.name: bar.end_ms for bar in waterfall.bars} == {
        "endpoint": 400, "ASR final": 250, "first token": 300, "first clause": 350, "audio sent": 420,
        "audible": 425,
    }  # fmt: skip


def test_without_a_report_the_waterfall_is_derived_from_the_events() -> None:
    waterfall = timeline().turns[1].waterfall
    assert waterfall is not None
    assert {bar.name: bar.end_ms for bar in waterfall.bars} == {
        "endpoint": 400, "ASR final": 401, "first token": 450, "audio sent": 460, "audible": 465,
    }  # fmt: skip


@pytest.mark.parametrize("until", range(len(conversation()) + 1))
def test_a_conversation_that_was_stopped_anywhere_has_a_timeline(until: int) -> None:
    found = timeline(until)
    assert found.duration_ms == max([at for at, _ in conversation()[:until]], default=0)
    assert sum(len(turn.speeches) for turn in found.turns) == len(found.speeches)


def test_positions_of_late_microphones_are_moved_to_session_time() -> None:
    builder = TimelineBuilder()
    builder.add(50, InputStarted(offset_ms=30))
    builder.add(400, ModelInputStartedEvent(item_id="u", audio_start_ms=100))
    assert builder.build().utterances[0].start_ms == 130


WORDS = st.text(st.sampled_from("abc "), min_size=1, max_size=30)


@given(st.lists(WORDS, max_size=5), st.floats(0, 5000), st.floats(0, 5000))
def test_words_heard_grow_with_what_was_heard(texts: list[str], one_ms: float, other_ms: float) -> None:
    pieces = [SpokenPiece(text) for text in texts]
    less, more = (words_heard(pieces, ms, 4000) for ms in sorted((one_ms, other_ms)))
    whole = "".join(texts)
    assert more.startswith(less)
    assert whole.strip().startswith(less)


def test_words_heard_knows_all_nothing_and_the_start_of_a_piece() -> None:
    pieces = [SpokenPiece("one two ", 0), SpokenPiece("three", 3000)]
    assert words_heard(pieces, 0, 4000) == ""
    assert words_heard(pieces, 4000, 4000) == "one two three"
    assert words_heard(pieces, 2999, 4000) == "one two"
    assert words_heard(pieces, 1400, 4000) == "one"
