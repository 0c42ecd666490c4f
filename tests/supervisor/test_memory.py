"""What a new connection is told: what was heard, every call with its result, and all audio that is not settled."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicewire.events import commands as c
from voicewire.events import model as m
from voicewire.events.base import MediaFormat
from voicewire.events.items import ContentPart, Item
from voicewire.events.session import SessionConfig
from voicewire.models.microphone import MicrophoneLog
from voicewire.models.session_memory import SessionMemory
from voicewire.models.told_items import WORDS_NOT_KNOWN

pytestmark = pytest.mark.unit

MS = 1_000_000
PCM = MediaFormat("audio/pcm", 24000)


def memory(*, max_audio_s: float = 30, takes_calls: bool = True, **fields: object) -> SessionMemory:
    config = SessionConfig(**fields)  # type: ignore[arg-type]  # fields by their names
    return SessionMemory(
        config, max_audio_s=max_audio_s, idle_audio_s=1, max_items=50, takes_calls=takes_calls
    )


def said(memory: SessionMemory, ms: int, rate_hz: int = 24000) -> None:
    """The user's microphone, 20 ms at a time."""
    for _ in range(ms // 20):
        memory.sent(c.AppendAudio(bytes(rate_hz // 50 * 2), rate_hz))


def answered(memory: SessionMemory, words: str, *, audio_ms: int, is_done: bool = True) -> None:
    memory.received(m.ModelResponseCreatedEvent(response_id="r"))
    item = Item(id="a", role="assistant", status="in_progress")
    memory.received(m.ModelItemAddedEvent(item=item, response_id="r"))
    for word in words.split(" "):
        delta = m.ModelResponseAudioTranscriptDeltaEvent(response_id="r", item_id="a", delta=word + " ")
        memory.received(delta)
    memory.spoke(
        m.ModelResponseAudioDeltaEvent(response_id="r", item_id="a", format=PCM, pcm=bytes(audio_ms * 48))
    )
    if is_done:
        part = ContentPart(kind="audio", text=words)
        done = Item(id="a", role="assistant", content=(part,))
        memory.received(m.ModelItemDoneEvent(item=done, response_id="r"))
        memory.received(m.ModelResponseDoneEvent(response_id="r", input_tokens=1, output_tokens=1))


def told_texts(memory: SessionMemory) -> list[str]:
    return [
        command.item.text
        for command in memory.items.told(is_resumed=False)
        if isinstance(command, c.CreateItem)
    ]


def test_an_answer_is_told_as_far_as_its_audio_came() -> None:
    whole, part = memory(), memory()
    answered(whole, "one two three four five six", audio_ms=2000)
    answered(part, "one two three four five six", audio_ms=900, is_done=False)
    assert told_texts(whole) == ["one two three four five six"]
    assert told_texts(part) == ["one two three"]


def test_an_answer_that_was_cut_is_told_as_far_as_it_was_heard() -> None:
    made = memory()
    answered(made, "one two three four", audio_ms=2000)
    made.sent(c.TruncateItem("a", 1000))
    assert told_texts(made) == ["one two"]
    made.sent(c.TruncateItem("a", 0))
    assert told_texts(made) == []


def called(made: SessionMemory) -> None:
    use: m.ToolUseBlock = {"type": "tool_use", "id": "c1", "name": "f", "input": {}, "raw_input": "{}"}
    made.received(m.ModelResponseToolUseDoneEvent(response_id="r", item_id="i1", tool_use=use))


def test_a_call_is_told_with_its_result_and_waits_for_one_that_is_still_to_come() -> None:
    made = memory()
    called(made)
    assert not made.is_quiet
    for outputs in ([], ["42"]):
        told = [x.item for x in made.items.told(is_resumed=False) if isinstance(x, c.CreateItem)]
        assert (told[0].name, told[0].call_id) == ("f", "c1")
        assert [item.output for item in told[1:]] == outputs
        made.sent(c.SendToolResult("c1", "42"))


def test_a_wire_that_takes_no_calls_of_the_past_is_told_in_words() -> None:
    made = memory(takes_calls=False)
    called(made)
    assert told_texts(made) == ["[The function f was called with {} and has not returned yet.]"]
    assert made.items.open_in_words == {"c1": "f"}
    made.sent(c.SendToolResult("c1", "42"))
    assert told_texts(made) == ["[The function f was called with {} and returned: 42]"]


def test_a_text_without_an_answer_is_asked_again_and_one_with_words_of_its_answer_is_not() -> None:
    made = memory()
    made.sent(c.SendText("hello"))
    made.lost()
    assert made.request_to_repeat() is not None
    made.begin_again()
    answered(made, "some words", audio_ms=20, is_done=False)
    assert made.request_to_repeat() is None


@pytest.mark.parametrize("is_told_first", [True, False])
def test_an_item_that_the_provider_showed_is_told_once(is_told_first: bool) -> None:
    made = memory()
    shown = Item(id="u1", role="user", content=(ContentPart(kind="text", text="hello"),))
    if is_told_first:
        made.received(m.ModelItemAddedEvent(item=shown))
    made.sent(c.SendText("hello"))
    if not is_told_first:
        made.received(m.ModelItemAddedEvent(item=shown))
    assert told_texts(made) == ["hello"] and made.items.ids == {"u1"}


def test_the_audio_of_an_open_utterance_is_said_again_from_before_its_onset() -> None:
    made = memory()
    said(made, 3000)
    made.received(m.ModelInputStartedEvent(item_id="u", audio_start_ms=2500))
    said(made, 5000)
    made.lost()
    assert made.open_utterances == [("u", 8000)]
    assert made.begin_again() == 0
    assert made.audio.start_ns == 2200 * MS
    assert made.on_timeline_ms(100) == 2300


def test_words_that_are_known_are_told_and_their_audio_is_not_said_again() -> None:
    made = memory()
    said(made, 1000)
    made.received(m.ModelInputStartedEvent(item_id="u", audio_start_ms=0))
    made.received(m.ModelInputDoneEvent(item_id="u", audio_end_ms=900))
    made.received(m.ModelInputCommittedEvent(item_id="u"))
    made.received(m.ModelInputTranscriptionDoneEvent(item_id="u", transcript="what I said"))
    made.lost()
    assert made.request_to_repeat() is not None, "the turn is over, and nobody has answered it"
    made.begin_again()
    assert told_texts(made) == ["what I said"]
    assert made.audio.start_ns >= 900 * MS


def test_a_turn_committed_by_hand_is_said_again_with_its_commit_and_not_asked_twice() -> None:
    made = memory(turn_detection=None)
    said(made, 500)
    made.sent(c.CommitAudio())
    made.lost()
    assert made.request_to_repeat() is None
    made.begin_again()
    kinds = [type(piece).__name__ for _, piece in made.audio.since(0)]
    assert kinds == ["AppendAudio"] * 25 + ["CommitAudio"]


def test_audio_beyond_the_bound_is_declared() -> None:
    made = memory(max_audio_s=1, turn_detection=None)
    said(made, 4000)
    made.lost()
    assert made.begin_again() == 3000 * MS
    assert made.begin_again() == 0, "once"


def test_nothing_is_trimmed_while_there_is_no_connection() -> None:
    made = memory()
    made.lost()
    said(made, 10_000)
    made.begin_again()
    assert made.audio.end_ns - made.audio.start_ns == 10_000 * MS
    made.restored()
    said(made, 1000)
    assert made.audio.start_ns == 0, "the new connection has not judged it yet"
    said(made, 1000)
    assert made.audio.start_ns > 0


@settings(max_examples=150, deadline=None)
@given(
    chunks=st.lists(
        st.tuples(st.integers(0, 4000), st.sampled_from([8000, 16000, 24000, 44100])), max_size=40
    ),
    acknowledged_ms=st.lists(st.integers(0, 3000), max_size=10),
    max_s=st.floats(0.1, 5),
)
def test_what_is_kept_acknowledged_and_lost_adds_up(
    chunks: list[tuple[int, int]], acknowledged_ms: list[int], max_s: float
) -> None:
    log = MicrophoneLog(max_s)
    whole_ns = 0
    acks = iter(acknowledged_ms)
    for samples, rate_hz in chunks:
        log.append(c.AppendAudio(bytes(samples * 2), rate_hz))
        whole_ns += samples * 10**9 // rate_hz
        log.acknowledge(next(acks, 0) * MS)
        kept_ns = sum(
            piece.size_bytes // 2 * 10**9 // piece.sample_rate_hz
            for _, piece in log.since(0)
            if isinstance(piece, c.AppendAudio)
        )
        assert log.end_ns == whole_ns
        assert kept_ns == log.end_ns - log.start_ns
        assert log.lost_ns <= log.end_ns - kept_ns, "only what is gone can be lost"
        assert log.start_ns <= max(log.acknowledged_ns, log.start_ns)
        numbers = [number for number, _ in log.since(0)]
        assert numbers == sorted(set(numbers))


def committed(made: SessionMemory, item_id: str, *, start_ms: int, end_ms: int) -> None:
    """A spoken turn that is over and not transcribed."""
    made.received(m.ModelInputStartedEvent(item_id=item_id, audio_start_ms=start_ms))
    made.received(m.ModelInputDoneEvent(item_id=item_id, audio_end_ms=end_ms))
    made.received(m.ModelInputCommittedEvent(item_id=item_id))


def replayed_ms(made: SessionMemory) -> tuple[int, int]:
    """What a new connection is given of the audio, from and to."""
    made.lost()
    made.begin_again()
    return made.audio.start_ns // MS, made.audio.end_ns // MS


@pytest.mark.parametrize("is_done", [True, False])
def test_a_turn_that_was_answered_and_not_transcribed_is_not_said_again(is_done: bool) -> None:
    made = memory()
    said(made, 2000)
    committed(made, "u", start_ms=1500, end_ms=1900)
    answered(made, "one two three", audio_ms=900, is_done=is_done)
    assert not made.is_quiet, "its words may still come"
    assert made.unheard_turns == ["u"], "and the application is told that they do not"
    assert replayed_ms(made) == (1900, 2000)
    assert made.request_to_repeat() is None
    assert told_texts(made)[0] == WORDS_NOT_KNOWN


def test_a_turn_whose_answer_had_only_begun_is_said_again() -> None:
    made = memory()
    said(made, 2000)
    committed(made, "u", start_ms=1500, end_ms=1900)
    made.received(m.ModelResponseCreatedEvent(response_id="r"))
    assert replayed_ms(made) == (1200, 2000)
    assert made.request_to_repeat() is None, "the audio brings it about"
    assert told_texts(made) == []


def test_what_is_said_into_an_answer_is_said_again_and_what_was_answered_is_not() -> None:
    made = memory()
    said(made, 2000)
    committed(made, "u1", start_ms=1500, end_ms=1900)
    answered(made, "one two three", audio_ms=900, is_done=False)
    said(made, 1000)
    made.received(m.ModelInputStartedEvent(item_id="u2", audio_start_ms=2000))
    assert replayed_ms(made) == (1900, 3000)
    assert told_texts(made)[0] == WORDS_NOT_KNOWN


def test_a_turn_that_the_user_went_on_with_before_its_answer_came_is_said_again() -> None:
    made = memory(transcription=None)
    said(made, 3000)
    committed(made, "u1", start_ms=2500, end_ms=2700)
    made.received(m.ModelResponseCreatedEvent(response_id="r"))
    made.received(m.ModelInputStartedEvent(item_id="u2", audio_start_ms=2800))
    made.received(
        m.ModelResponseDoneEvent(response_id="r", status="cancelled", input_tokens=1, output_tokens=0)
    )
    assert replayed_ms(made) == (2200, 3000)


def test_the_words_of_an_answered_turn_may_come_late() -> None:
    made = memory()
    said(made, 2000)
    committed(made, "u", start_ms=1500, end_ms=1900)
    answered(made, "one two three", audio_ms=900)
    made.received(m.ModelInputTranscriptionDoneEvent(item_id="u", transcript="what I said"))
    assert made.is_quiet
    assert told_texts(made) == ["what I said", "one two three"]


def test_an_answer_that_the_application_cancelled_is_not_brought_about_again() -> None:
    made = memory()
    said(made, 2000)
    committed(made, "u", start_ms=1500, end_ms=1900)
    made.received(m.ModelResponseCreatedEvent(response_id="r"))
    made.sent(c.CancelResponse())
    assert replayed_ms(made) == (1900, 2000)


def test_a_manual_turn_that_was_answered_is_not_committed_again() -> None:
    made = memory(turn_detection=None)
    said(made, 500)
    made.sent(c.CommitAudio())
    made.received(m.ModelInputCommittedEvent(item_id="u"))
    answered(made, "one two three", audio_ms=900, is_done=False)
    assert replayed_ms(made) == (500, 500)
    assert made.audio.since(0) == [] and made.request_to_repeat() is None
