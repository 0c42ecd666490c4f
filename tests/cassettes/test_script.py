"""A recorded connection as a provider: answers wait for their causes, matched by kind and amount."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from voicewire.errors import CassetteMismatch
from voicewire.testing.cassette_script import Pace, ReplayScript
from voicewire.transport.cassette import Closed, Entry, Received, Sent
from voicewire.transport.frame_kinds import facts_of

pytestmark = pytest.mark.unit


def raw(frame: dict[str, Any]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(frame))


def sent(at_ms: float, **frame: Any) -> Sent:
    return Sent(at_ms=at_ms, data=raw(frame))


def received(at_ms: float, **frame: Any) -> Received:
    return Received(at_ms=at_ms, data=raw(frame))


def append(length_bytes: int) -> str:
    audio = base64.b64encode(bytes(length_bytes)).decode()
    return f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}'


def appended(at_ms: float, length_bytes: int) -> Sent:
    return Sent(at_ms=at_ms, data=msgspec.Raw(append(length_bytes).encode()))


def played(script: ReplayScript, now_ms: float = 0.0) -> list[str]:
    """Kinds of what the provider does now."""
    done: list[str] = []
    while (step := script.poll(now_ms)[0]) is not None:
        done.append(
            f"closed {step.code}" if isinstance(step, Closed) else facts_of(script.frame_of(step)).kind
        )
    return done


def a_script(*entries: Entry, pace: Pace = "fast", counts_frames: bool = False) -> ReplayScript:
    return ReplayScript(entries, name="x.jsonl", pace=pace, counts_frames=counts_frames)


TURN = (
    received(0, type="session.created"),
    sent(1, type="session.update"),
    received(2, type="session.updated"),
    appended(100, 960),
    appended(120, 960),
    received(130, type="input_audio_buffer.speech_started"),
    appended(140, 960),
    sent(150, type="input_audio_buffer.commit"),
    received(160, type="response.done"),
    Closed(at_ms=170, by="server", code=1001, reason="over"),
)


def test_answers_come_after_their_causes() -> None:
    script = a_script(*TURN)
    assert played(script) == ["session.created"]
    script.received('{"type":"session.update","other":"content"}')
    assert played(script) == ["session.updated"]
    script.received(append(100))
    assert played(script) == []
    script.received(append(1000))
    assert played(script) == ["input_audio_buffer.speech_started"]
    assert not script.is_over
    script.received('{"type":"input_audio_buffer.commit"}')
    assert played(script) == ["response.done", "closed 1001"]
    assert script.is_over


def test_audio_counts_from_the_last_command() -> None:
    script = a_script(
        appended(0, 960),
        sent(1, type="commit"),
        received(2, type="done"),
        appended(3, 960),
        received(4, type="noticed"),
    )
    script.received(append(50_000))
    script.received('{"type":"commit"}')
    assert played(script) == ["done"]
    script.received(append(1))
    assert played(script) == ["noticed"]


def test_a_command_may_not_be_left_out() -> None:
    script = a_script(sent(0, type="a"), sent(1, type="b"))
    with pytest.raises(CassetteMismatch, match="'a' here, this one 'b'"):
        script.received('{"type":"b"}')


def test_less_audio_than_recorded_is_made_up_for_by_going_on() -> None:
    script = a_script(*TURN)
    script.received('{"type":"session.update"}')
    script.received('{"type":"input_audio_buffer.commit"}')
    assert played(script)[-2:] == ["response.done", "closed 1001"]


def test_audio_without_lengths_is_counted_in_frames() -> None:
    script = a_script(*TURN, counts_frames=True)
    script.received('{"type":"session.update"}')
    script.received(append(100_000))
    assert played(script) == ["session.created", "session.updated"]
    script.received(append(1))
    assert played(script) == ["input_audio_buffer.speech_started"]


def test_real_time_waits_as_long_as_then_and_counts_from_the_cause() -> None:
    script = a_script(*TURN, pace="real-time")
    assert played(script, 1000) == ["session.created"]
    script.received('{"type":"session.update"}')
    assert script.poll(5000) == (None, 1.0)
    assert script.poll(5000.5) == (None, 0.5)
    assert played(script, 5001) == ["session.updated"]
    script.received(append(1920))
    assert script.poll(9000) == (None, 10.0)
    assert played(script, 9010) == ["input_audio_buffer.speech_started"]


def test_another_frame_is_refused_with_what_was_expected() -> None:
    script = a_script(*TURN)
    with pytest.raises(
        CassetteMismatch, match=r"'x\.jsonl'.*'session\.update' here.*'response\.create'"
    ) as caught:
        script.received('{"type":"response.create"}')
    assert (caught.value.expected, caught.value.got) == ("session.update", "response.create")


def test_a_frame_after_the_last_one_is_refused() -> None:
    script = a_script(sent(0, type="response.create"))
    script.received('{"type":"response.create"}')
    with pytest.raises(CassetteMismatch, match="nothing more") as caught:
        script.received('{"type":"response.create"}')
    assert (caught.value.expected, caught.value.got) == ("", "response.create")


def test_configuring_more_often_is_confirmed_again() -> None:
    script = a_script(*TURN)
    script.received('{"type":"session.update"}')
    assert played(script) == ["session.created", "session.updated"]
    for _ in range(2):
        script.received('{"type":"session.update"}')
        assert played(script) == ["session.updated"]
    script.received('{"type":"input_audio_buffer.commit"}')
    assert played(script)[-1] == "closed 1001"
    assert script.extra == {"session.update": 2}


def test_what_depends_on_playout_is_neither_demanded_nor_refused() -> None:
    entries = (
        sent(0, type="conversation.item.truncate"),
        received(1, type="conversation.item.truncated"),
        sent(2, type="response.create"),
        received(3, type="response.done"),
    )
    script = a_script(*entries)
    assert played(script) == ["conversation.item.truncated"]
    script.received('{"type":"response.cancel"}')
    script.received("ping")
    script.received('{"type":"response.create"}')
    assert played(script) == ["response.done"]
    assert script.extra == {"response.cancel": 1, "text": 1}


def test_ids_of_the_client_come_back_as_its_own() -> None:
    script = a_script(
        sent(0, type="conversation.item.create", event_id="old1", item={"id": "old2", "type": "message"}),
        received(1, type="conversation.item.added", item={"id": "old2"}, about="old1", text='say "old2" x'),
    )
    script.received('{"type":"conversation.item.create","event_id":"e1","item":{"id":"i1","type":"message"}}')
    step = script.poll(0)[0]
    assert isinstance(step, Received)
    assert msgspec.json.decode(script.frame_of(step)) == {
        "type": "conversation.item.added",
        "item": {"id": "i1"},
        "about": "e1",
        "text": 'say "old2" x',
    }


@pytest.mark.parametrize(
    ("frame", "kind", "audio_bytes"),
    [
        (append(480), "input_audio_buffer.append", 480),
        (
            '{"type":"conversation.item.create","item":{"type":"message"}}',
            "conversation.item.create:message",
            0,
        ),
        ('{"setup":{"model":"m"}}', "setup", 0),
        ('{"realtime_input":{"audio":{"data":"AAAA","mime_type":"audio/pcm"}}}', "realtimeInput.audio", 3),
        (
            '{"realtimeInput":{"mediaChunks":[{"data":"AAAA","mimeType":"audio/pcm"}]}}',
            "realtimeInput.audio",
            3,
        ),
        ('{"realtimeInput":{"activityStart":{}}}', "realtimeInput.activityStart", 0),
        ('{"client_content":{"turns":[]}}', "clientContent", 0),
        (b'{"tool_response":{}}', "toolResponse", 0),
        ('{"header":{"action":"run-task","task_id":"t"},"payload":{}}', "run-task", 0),
        ('{"usageMetadata":{},"serverContent":{}}', "serverContent+usageMetadata", 0),
        (b"\x00\x01", "binary", 2),
        ("ping", "text", 0),
        ("[1]", "text", 0),
        ("{}", "{}", 0),
    ],
)
def test_kinds_of_frames(frame: str | bytes, kind: str, audio_bytes: int) -> None:
    facts = facts_of(frame)
    assert (facts.kind, facts.audio_bytes) == (kind, audio_bytes)
