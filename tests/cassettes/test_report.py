"""A recording told as a conversation: moments and latencies, by hand."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from voicewire.testing.cassette_model import model_of
from voicewire.testing.cassette_report import Report, report_of
from voicewire.transport.cassette import Cassette, CassetteHeader, Closed, Entry, Gap, Opened, Received, Sent

pytestmark = pytest.mark.unit

HEADER = CassetteHeader(provider="openai", dialect="ga", model="openai:gpt-realtime")
_FORMAT = {"type": "audio/pcm", "rate": 24000}


def sent(at_ms: float, **frame: Any) -> Sent:
    return Sent(at_ms=at_ms, data=msgspec.Raw(msgspec.json.encode(frame)))


def received(at_ms: float, **frame: Any) -> Received:
    return Received(at_ms=at_ms, data=msgspec.Raw(msgspec.json.encode({"event_id": "e", **frame})))


def reported(*entries: Entry) -> Report:
    return report_of(Cassette(HEADER, entries), model_of(HEADER, "x").codec)


def updated(at_ms: float) -> Received:
    session = {
        "type": "realtime",
        "model": "m",
        "audio": {"input": {"format": _FORMAT}, "output": {"voice": "marin"}},
    }
    return received(at_ms, type="session.updated", session=session)


def microphone(from_ms: int, until_ms: int) -> list[Sent]:
    """A tenth of a second every tenth of a second."""
    audio = base64.b64encode(bytes(4800)).decode()
    return [
        sent(at_ms, type="input_audio_buffer.append", audio=audio) for at_ms in range(from_ms, until_ms, 100)
    ]


def response(at_ms: float, *, words: str = "Hello", status: str = "completed") -> list[Received]:
    """An answer of half a second of audio."""
    of = {"response_id": "r1", "item_id": "i2", "output_index": 0, "content_index": 0}
    item = {"id": "i2", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    audio = base64.b64encode(bytes(24_000)).decode()
    usage = {"input_tokens": 7, "output_tokens": 9}
    details = {"type": status, "reason": "turn_detected"} if status == "cancelled" else None
    end: dict[str, Any] = {
        "id": "r1",
        "status": status,
        "status_details": details,
        "output": [],
        "usage": usage,
    }
    return [
        received(
            at_ms, type="response.created", response={"id": "r1", "status": "in_progress", "output": []}
        ),
        received(at_ms + 1, type="response.output_item.added", response_id="r1", output_index=0, item=item),
        received(at_ms + 20, type="response.output_audio_transcript.delta", delta=words, **of),
        received(at_ms + 30, type="response.output_audio.delta", delta=audio, **of),
        received(at_ms + 90, type="response.done", response=end),
    ]


def test_speech_begins_and_ends_where_its_audio_was_sent() -> None:
    report = reported(
        Opened(at_ms=0, url="wss://h/v1/realtime"),
        updated(5),
        *microphone(1000, 2000),
        received(1500, type="input_audio_buffer.speech_started", audio_start_ms=200, item_id="i1"),
        received(2200, type="input_audio_buffer.speech_stopped", audio_end_ms=650, item_id="i1"),
        received(2200, type="input_audio_buffer.committed", item_id="i1"),
        received(
            2210,
            type="conversation.item.input_audio_transcription.completed",
            item_id="i1",
            content_index=0,
            transcript="Hi there",
        ),
        *response(2300),
        Closed(at_ms=3000),
    )
    (answer,) = report.answers
    assert (answer.cause, answer.cause_ms) == ("speech", 1600.0)
    moments = (answer.created_ms, answer.first_text_ms, answer.first_audio_ms, answer.done_ms)
    assert [answer.after_cause_ms(at_ms) for at_ms in moments] == [700, 720, 730, 790]
    assert (answer.audio_s, answer.status, answer.input_tokens, answer.output_tokens) == (
        0.5,
        "completed",
        7,
        9,
    )
    told = [(line.at_ms, line.until_ms, line.who, line.text) for line in report.lines]
    assert told == [
        (0, None, "link", "connection 1 to wss://h/v1/realtime"),
        (5, None, "link", "configured: m, voice marin"),
        (1000, 1900, "you", "sends audio"),
        (1100, 1600, "you", "Hi there"),
        (2300, 2390, "agent", "Hello"),
        (3000, None, "link", "connection 1 ended by the client (1000)"),
    ]
    assert report.sent_audio_bytes == 48_000


def test_text_is_the_cause_even_when_the_request_comes_later() -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    report = reported(
        updated(0),
        sent(10, type="conversation.item.create", item=item),
        sent(15, type="response.create"),
        *response(100),
    )
    (answer,) = report.answers
    assert (answer.cause, answer.after_cause_ms(answer.created_ms)) == ("text", 90)
    again = reported(updated(0), sent(15, type="response.create"), *response(100))
    assert again.answers[0].cause == "request"


def test_what_went_wrong_is_told() -> None:
    report = reported(
        updated(0),
        *response(100, words="Hel", status="cancelled"),
        received(300, type="error", error={"type": "invalid_request_error", "code": "bad", "message": "No."}),
        received(310, type="response.hologram", x=1),
        Gap(at_ms=320, frames=4, frames_bytes=100),
        Closed(at_ms=400, by="lost", code=1006, reason="no answer"),
    )
    told = [(line.who, line.text) for line in report.lines]
    assert ("agent", "Hel  [cancelled turn_detected]") in told
    assert ("error", "bad: No.") in told
    assert ("error", "4 frames were not recorded") in told
    assert ("error", "connection 1 ended by nobody: it was lost (1006): no answer") in told
    assert report.unknown == {"response.hologram": 1}
    assert report.lost_frames == 4


def test_a_broken_frame_ends_the_reading_of_its_connection_only() -> None:
    text = Received(at_ms=5, text='{"type":"response.')
    report = reported(
        updated(0), text, *response(100), *[replaced(entry, 2) for entry in [updated(200), *response(300)]]
    )
    assert len(report.faults) == 1
    assert len(report.answers) == 1
    assert report.answers[0].created_ms == 300


def replaced(entry: Received, connection: int) -> Received:
    return msgspec.structs.replace(entry, connection=connection)
