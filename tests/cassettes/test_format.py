"""The cassette's file format: what is written is what is read, whatever ended the writing."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.errors import ConfigError
from voicewire.transport.cassette import (
    Cassette,
    CassetteHeader,
    Closed,
    Entry,
    Gap,
    Opened,
    Received,
    Sent,
    cut_audio,
    entry_line,
    header_line,
    parse_cassette,
)

pytestmark = pytest.mark.unit

_HEADER = CassetteHeader(
    provider="openai", dialect="ga", model="openai:gpt-realtime", started="2026-11-21T12:00:00+00:00"
)


def frame(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def lines_of(*entries: Entry) -> list[bytes]:
    return [header_line(_HEADER), *(entry_line(entry) for entry in entries)]


ENTRIES: tuple[Entry, ...] = (
    Opened(at_ms=0.5, url="ws://127.0.0.1/v1/realtime?model=m"),
    Sent(at_ms=1.25, data=frame('{"type":"session.update","n":1.5}')),
    Received(at_ms=2.0, data=frame('{"setupComplete":{}}'), is_binary=True),
    Sent(at_ms=3.0, text="ping"),
    Received(at_ms=4.0, binary=base64.b64encode(b"\x00\x01").decode()),
    Gap(at_ms=5.0, frames=3, frames_bytes=4000),
    Opened(at_ms=6.0, connection=2, url="ws://127.0.0.1/v1/realtime?model=m"),
    Closed(at_ms=7.0, connection=2, by="lost", code=1006, reason="cut"),
)


def test_what_is_written_is_read() -> None:
    cassette = parse_cassette(lines_of(*ENTRIES), "x")
    assert cassette == Cassette(_HEADER, ENTRIES)
    assert cassette.connections == (1, 2)
    assert [entry.at_ms for entry in cassette.of(2)] == [6.0, 7.0]


def test_frames_come_back_as_they_went_over_the_wire() -> None:
    frames = [entry.frame for entry in ENTRIES if isinstance(entry, (Sent, Received))]
    assert frames == ['{"type":"session.update","n":1.5}', b'{"setupComplete":{}}', "ping", b"\x00\x01"]


def test_cut_audio_comes_back_as_silence_of_the_same_length() -> None:
    entry = Received(
        at_ms=0, data=frame(f'{{"delta":"{cut_audio(480)}","said":"<480 bytes of audio> indeed"}}')
    )
    text = entry.frame
    assert isinstance(text, str)
    found = msgspec.json.decode(text)
    assert base64.b64decode(found["delta"]) == bytes(480)
    assert found["said"] == "<480 bytes of audio> indeed"
    assert Sent(at_ms=0, binary_bytes=6).frame == bytes(6)


@given(st.integers(0, 4000))
def test_a_file_that_ends_anywhere_is_read_up_to_its_last_whole_line(kept_bytes: int) -> None:
    whole = b"".join(lines_of(*ENTRIES))
    first = len(header_line(_HEADER))
    kept = whole[: min(first + kept_bytes, len(whole))]
    cassette = parse_cassette(kept.splitlines(keepends=True), "x")
    assert cassette.entries == ENTRIES[: len(cassette.entries)]
    # Only the line feed itself may be missing without the line counting as broken off.
    assert cassette.is_broken_off == (
        kept[first:].count(b"\n") == len(cassette.entries) and not kept.endswith(b"\n")
    )


def test_damage_in_the_middle_is_refused_with_its_line() -> None:
    lines = lines_of(*ENTRIES)
    lines[3] = b'{"way":"received","at_\n'
    with pytest.raises(ConfigError, match=r"line 4 of the cassette 'x\.jsonl' is damaged"):
        parse_cassette(lines, "x.jsonl")


@pytest.mark.parametrize(
    ("first", "says"),
    [
        (b"", "is not a cassette"),
        (b"RIFF\x00\x00", "is not a cassette"),
        (b'{"type":"session.created"}\n', "is not a cassette"),
        (
            b'{"voicewire_cassette":2,"audio":["in","new","ways"]}\n',
            "version 2, newer than this program's 1; update",
        ),
        (b'{"voicewire_cassette":2}\n', "version 2, newer"),
        (b'{"voicewire_cassette":1,"provider":"ope', "first line of the cassette 'x' is damaged"),
        (b'{"voicewire_cassette":1,"audio":"loud"}\n', "first line of the cassette 'x' is damaged"),
    ],
)
def test_other_files_are_refused_in_words(first: bytes, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_cassette([first], "x")
