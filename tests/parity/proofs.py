"""What must be so after a scenario, besides the order of events."""

from __future__ import annotations

import re

from tests.judges.subjects import contains, is_paris
from voicewire.events import model as m
from voicewire.events.model import TokenUsage
from voicewire.models.model import Capabilities

from .talk import Talk, peak

MS_PER_CHARACTER = 20
"""How long ``echo`` speaks for a character."""
_TOLERANCE_MS = 60.0


USED_BY_TEXT = [TokenUsage(input_text_tokens=11, output_text_tokens=21, output_audio_tokens=5)]
"""What ``echo`` counts for its answer to the text prompt."""


def used(talk: Talk) -> list[TokenUsage]:
    """The usage of each response."""
    return [event.usage for event in talk.events if isinstance(event, m.ModelResponseDoneEvent)]


def nothing(talk: Talk, capabilities: Capabilities) -> None:
    """Nothing else."""


def spoken_answer(talk: Talk, capabilities: Capabilities) -> None:
    """The right words, and as much sound at the rate that the model claims."""
    (words,) = talk.said
    assert contains(talk.subject.text_answer, words)
    assert {event.format.rate for event in talk.sound} == {capabilities.output_rate_hz}
    if talk.witness is not None:
        assert abs(talk.sound_ms - len(words) * MS_PER_CHARACTER) < _TOLERANCE_MS
    assert max(peak(event.pcm) for event in talk.sound) > 1000
    if talk.witness is not None:
        assert used(talk) == USED_BY_TEXT


def sound(talk: Talk, capabilities: Capabilities) -> None:
    """Sound at the rate that the model claims."""
    assert {event.format.rate for event in talk.sound} == {capabilities.output_rate_hz}
    assert talk.sound_ms > 500 and max(peak(event.pcm) for event in talk.sound) > 1000


def written_answer(talk: Talk, capabilities: Capabilities) -> None:
    """The right words and no sound."""
    (words,) = talk.said
    assert contains(talk.subject.text_answer, words)
    assert not talk.sound
    if talk.witness is not None:
        assert used(talk) == [TokenUsage(input_text_tokens=11, output_text_tokens=21)]


def heard_and_answered(talk: Talk, capabilities: Capabilities) -> None:
    """The right words on both sides, in a turn that ends after it began."""
    (heard,), (said,) = talk.heard, talk.said
    assert contains(talk.subject.transcript, heard)
    assert contains(talk.subject.spoken_answer, said)
    if talk.witness is not None:
        (usage,) = used(talk)
        n_tokens = -(-int(re.sub(r"\D", "", heard)) // 100)
        assert (usage.input_text_tokens, usage.output_text_tokens) == (0, len(said))
        assert usage.input_audio_tokens == usage.output_audio_tokens == n_tokens
    began = [e.audio_start_ms for e in talk.events if isinstance(e, m.ModelInputStartedEvent)]
    ended = [e.audio_end_ms for e in talk.events if isinstance(e, m.ModelInputDoneEvent)]
    assert all(start_ms < end_ms for start_ms, end_ms in zip(began, ended, strict=True))


def heard(talk: Talk, capabilities: Capabilities) -> None:
    """The right words of the user."""
    (words,) = talk.heard
    assert contains(talk.subject.transcript, words)


def options_arrived(talk: Talk, capabilities: Capabilities) -> None:
    """The setting is in force on both sides of the wire; a kind of detection on this one."""
    assert talk.witness is not None
    here, there = talk.connection.config, talk.witness.in_force
    assert here.extra.items() <= there.extra.items()
    assert here.turn_detection is not None and there.turn_detection is not None
    assert here.extra or here.turn_detection.kind in capabilities.options


def heard_all(talk: Talk, capabilities: Capabilities) -> None:
    """All of the audio arrived, whatever its rate."""
    heard_and_answered(talk, capabilities)
    if talk.witness is not None:
        found = re.search(r"\d+", talk.heard[0])
        assert found is not None
        assert abs(int(found[0]) - 1000) <= _TOLERANCE_MS


def turn_kind(talk: Talk, capabilities: Capabilities) -> None:
    """The kind of detection is in force, on both sides of the wire."""
    heard_and_answered(talk, capabilities)
    asked = talk.connection.config.turn_detection
    assert asked is not None and asked.kind == "semantic_vad"
    if talk.witness is not None:
        told = talk.witness.in_force.turn_detection
        assert told is not None and told.kind == asked.kind


def saw_an_image(talk: Talk, capabilities: Capabilities) -> None:
    """The image reached the model."""
    (done,) = talk.of(m.ModelResponseDoneEvent)
    assert isinstance(done, m.ModelResponseDoneEvent)
    assert done.usage.input_image_tokens > 0


def called_for_paris(talk: Talk, capabilities: Capabilities) -> None:
    """The call names the city, and the answer knows the result."""
    (call,) = talk.of(m.ModelResponseToolUseDoneEvent)
    assert isinstance(call, m.ModelResponseToolUseDoneEvent)
    assert call.tool_use["name"] == "get_weather" and call.tool_use["input"].keys() == {"city"}
    assert is_paris(call.tool_use.get("raw_input", ""))
    assert contains(talk.subject.tool_answer, talk.said[-1])


def metadata_came_back(talk: Talk, capabilities: Capabilities) -> None:
    """The response can be told from others."""
    for kind in (m.ModelResponseCreatedEvent, m.ModelResponseDoneEvent):
        (event,) = talk.of(kind)
        assert isinstance(event, (m.ModelResponseCreatedEvent, m.ModelResponseDoneEvent))
        assert event.metadata == {"topic": "aside"}


def items_in_place(talk: Talk, capabilities: Capabilities) -> None:
    """The items have their ids, places and words."""
    added = [event for event in talk.events if isinstance(event, m.ModelItemAddedEvent)]
    assert [event.item.id for event in added] == ["item_first", "item_zero"]
    (retrieved,) = talk.of(m.ModelItemRetrievedEvent)
    assert isinstance(retrieved, m.ModelItemRetrievedEvent)
    assert (retrieved.item.id, retrieved.item.text) == ("item_first", "one")
    (deleted,) = talk.of(m.ModelItemDeletedEvent)
    assert isinstance(deleted, m.ModelItemDeletedEvent) and deleted.item_id == "item_first"


def idle_timeout(talk: Talk, capabilities: Capabilities) -> None:
    """The timeout reached the model."""
    assert talk.witness is not None
    told = talk.witness.in_force.turn_detection
    assert told is not None and told.idle_timeout_ms == 6000


def voice(talk: Talk, capabilities: Capabilities) -> None:
    """The voice is in force, on both sides of the wire."""
    assert talk.connection.config.voice in capabilities.voices
    if talk.witness is not None:
        assert talk.witness.in_force.voice == talk.connection.config.voice


def exact_answer(talk: Talk, capabilities: Capabilities) -> None:
    """Word for word, sample for sample."""
    assert talk.said == ["You said: Hello there"]
    assert talk.sound_ms == 420


def planned_change(talk: Talk, capabilities: Capabilities) -> None:
    """The next connection took over in time and knows what was said."""
    (changed,) = talk.of(m.WebsocketConnectEvent)
    assert isinstance(changed, m.WebsocketConnectEvent)
    assert changed.is_planned and changed.items_told == 2
    assert not talk.of(m.WebsocketDisconnectEvent)
