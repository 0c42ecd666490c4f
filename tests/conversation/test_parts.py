"""The parts of the core, each by itself: items, responses, turns, the heard ledger, tools, history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.conversation.heard import HeardLedger, Stretch, Word
from voicewire.conversation.history import valid_history
from voicewire.conversation.items import ItemLog
from voicewire.conversation.responses import AskRule, Response, ResponseSequencer
from voicewire.conversation.tools import CANCELLED_OUTPUT, ToolCall, ToolLedger
from voicewire.conversation.turns import TurnTracker
from voicewire.errors import LocalProtocolError
from voicewire.events.commands import CreateResponse
from voicewire.events.items import ContentPart, Item
from voicewire.events.session import SessionConfig

pytestmark = pytest.mark.unit

RATE_HZ = 1000


def _stretch(text: str, ms: int, *, complete: bool = True) -> Stretch:
    stretch = Stretch("item", 0, generation=1, rate_hz=RATE_HZ, first_ms=0)
    stretch.add_text(text)
    stretch.generated = ms
    if complete:
        stretch.end(is_complete=True)
    return stretch


# ---------------------------------------------------------------- items


def test_the_log_keeps_one_order_and_unique_ids() -> None:
    log = ItemLog()
    assert log.add(Item(id="b")) is None
    assert log.add(Item(id="c")) == "b"
    assert log.add(Item(id="a"), after="root") is None
    assert log.add(Item(id="ab"), after="a") == "a"
    assert [item.id for item in log] == ["a", "ab", "b", "c"]
    for bad in (Item(id="a"), Item(id="")):
        with pytest.raises(LocalProtocolError):
            log.add(bad)
    with pytest.raises(LocalProtocolError):
        log.add(Item(id="z"), after="nowhere")
    with pytest.raises(LocalProtocolError):
        log.replace(Item(id="z"))
    assert log.previous_id("b") == "ab"
    assert log.remove("ab") == Item(id="ab")
    assert log.remove("ab") is None
    assert (log.previous_id("b"), log.last_id, len(log)) == ("a", "c", 3)


# ---------------------------------------------------------------- responses


def test_the_sequencer_lets_one_be_active_and_others_run_aside() -> None:
    sequencer: ResponseSequencer[Response] = ResponseSequencer()
    sequencer.begin(Response("a", 1))
    sequencer.begin(Response("aside", 2, is_out_of_band=True))
    with pytest.raises(LocalProtocolError):
        sequencer.begin(Response("b", 3))
    with pytest.raises(LocalProtocolError):
        sequencer.begin(Response("aside", 4, is_out_of_band=True))
    assert sequencer.finish("a") is not None
    assert sequencer.finish("a") is None
    assert sequencer.active is None
    assert [response.response_id for response in sequencer.open] == ["aside"]


def test_the_rule_absorbs_only_plain_creates() -> None:
    rule = AskRule()
    assert not rule.absorb(CreateResponse())
    rule.asked()
    assert not rule.absorb(CreateResponse(is_out_of_band=True))
    assert rule.absorb(CreateResponse(command_id="x"))
    assert rule.is_owed
    assert not rule.absorb(CreateResponse())
    rule.started("r")
    assert not rule.is_owed


# ---------------------------------------------------------------- turns


def test_speech_alternates_and_positions_never_go_back() -> None:
    turns, config = TurnTracker(), SessionConfig()
    assert turns.stop(5) is None
    turn = turns.start("i", 100, config)
    assert turn is not None
    assert turns.start("j", 200, config) is None
    assert turns.stop(50) is turn
    assert turn.end_sample == 100
    assert turns.take(300) is turn
    later = turns.start("k", 10, config)
    assert later is not None
    assert later.start_sample == 300


# ---------------------------------------------------------------- heard


def test_words_without_positions_are_spread_over_the_audio() -> None:
    stretch = _stretch("aaaa bbbb cccc dddd", 1900)
    assert stretch.text_at(0) == ""
    assert stretch.text_at(399) == ""
    assert stretch.text_at(400) == "aaaa"
    assert stretch.text_at(1399) == "aaaa bbbb"
    assert stretch.text_at(1400) == "aaaa bbbb cccc"
    assert stretch.text_at(1900) == "aaaa bbbb cccc dddd"


def test_words_with_positions_are_heard_when_they_are_over() -> None:
    stretch = _stretch("Hello, wide world", 3000)
    stretch.words += [Word("hello", 0, 500), Word("wide", 2000, 2400), Word("world", 2500, 3000)]
    assert stretch.text_at(499) == ""
    assert stretch.text_at(500) == "Hello,"
    assert stretch.text_at(2399) == "Hello,"
    assert stretch.text_at(2400) == "Hello, wide"


def test_words_that_are_spoken_otherwise_lie_between_those_that_match() -> None:
    stretch = _stretch("It is 42 degrees", 4000)
    stretch.words += [
        Word("it", 0, 200),
        Word("is", 200, 400),
        Word("forty", 400, 900),
        Word("two", 900, 1400),
    ]
    stretch.words += [Word("degrees", 3000, 3900)]
    assert stretch.text_at(2999) == "It is 42"


def test_words_whose_audio_is_not_there_yet_are_not_heard() -> None:
    stretch = _stretch("one two three four five six seven", 200, complete=False)
    assert stretch.text_at(200) == "one"


def test_scripts_without_spaces_are_cut_by_character() -> None:
    assert _stretch("今日は晴れです", 700).text_at(300) == "今日は"


@given(
    text=st.text(alphabet="ab ,日", max_size=40),
    ms=st.integers(0, 3000),
    marks=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 4000)), max_size=4),
    spoken=st.lists(st.tuples(st.sampled_from(["a", "ab", "日"]), st.integers(0, 3000)), max_size=4),
    positions=st.lists(st.integers(-10, 3500), min_size=2, max_size=8),
    complete=st.booleans(),
)
def test_a_later_position_never_hears_less(
    text: str,
    ms: int,
    marks: list[tuple[int, int]],
    spoken: list[tuple[str, int]],
    positions: list[int],
    complete: bool,
) -> None:
    stretch = _stretch(text, ms, complete=complete)
    stretch.marks += marks
    stretch.words += [Word(word, at, at + 100) for word, at in spoken]
    heard = [stretch.text_at(position) for position in sorted(positions)]
    assert all(text.startswith(words) for words in heard)
    assert all(later.startswith(earlier) for earlier, later in zip(heard, heard[1:], strict=False))


def test_the_estimate_plays_one_stretch_after_the_other() -> None:
    ledger = HeardLedger(has_playout=False)
    first = ledger.begin("a", 0, generation=1, rate_hz=RATE_HZ, now_ms=0)
    first.generated = 1000
    first.end(is_complete=True)
    second = ledger.begin("b", 0, generation=2, rate_hz=RATE_HZ, now_ms=100)
    second.generated = 1000
    assert ledger.interrupt(1300) == [second]
    assert (first.heard, second.heard, second.is_estimated) == (1000, 300, True)
    assert ledger.cut(second, 500, is_estimated=False) == 500
    assert ledger.cut(second, 100, is_estimated=True) == 500
    assert ledger.cut(second, 9999, is_estimated=False) == 1000
    ledger.verify()


def test_playout_facts_are_clamped_and_only_grow() -> None:
    ledger = HeardLedger(has_playout=True)
    stretch = ledger.begin("a", 0, generation=1, rate_hz=RATE_HZ, now_ms=0)
    stretch.generated = 500
    stretch.sent = 500
    for samples, heard in ((200, 200), (100, 200), (900, 500)):
        ledger.played(stretch, samples)
        assert stretch.heard == heard
    ledger.forget("a")
    assert ledger.get("a", 0) is None
    assert not ledger.current


# ---------------------------------------------------------------- tools, history


def test_a_call_is_answered_once() -> None:
    tools = ToolLedger()
    assert tools.opened(ToolCall("c", "f", "r"))
    assert not tools.opened(ToolCall("c", "g", "r"))
    assert tools.open_of("r") == (ToolCall("c", "f", "r"),)
    assert tools.answered("c") == ToolCall("c", "f", "r")
    assert tools.answered("c") is None
    assert tools.is_answered("c")
    tools.reopened("c")
    assert [call.call_id for call in tools.open_calls] == ["c"]
    tools.forget("c")
    assert not tools.open_calls


def test_history_pairs_calls_with_results_and_leaves_out_what_is_not_valid() -> None:
    said = Item(id="s", role="assistant", content=(ContentPart(kind="text", text="Hi"),))
    items = [
        Item(id="o0", kind="function_call_output", call_id="nobody", output="x"),
        Item(id="c1", kind="function_call", call_id="1", name="f", arguments="{}"),
        said,
        Item(id="o1", kind="function_call_output", call_id="1", output="one"),
        Item(id="c2", kind="function_call", call_id="2", name="f", arguments="{}"),
        Item(id="c3", kind="function_call", call_id="3", status="incomplete", name="f", arguments='{"a'),
        Item(id="m", role="assistant", status="in_progress"),
        Item(id="e", role="assistant"),
    ]
    history = valid_history(items, HeardLedger(has_playout=False))
    assert [item.id for item in history] == ["c1", "o1", "s", "c2", "c2.cancelled"]
    assert history[-1].output == CANCELLED_OUTPUT
