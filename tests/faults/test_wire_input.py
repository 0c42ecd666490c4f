"""What a client of the gateway may send that is not right: one clear error each, and the session goes on."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.faults.clients import append, client_of, masked, raw_client, text_item
from tests.faults.leaks import ASYNC
from voicewire.testing import serve

pytestmark = [pytest.mark.loopback, *ASYNC]

DEPTH = 100_000


def _event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "mine", **fields})


def _with_audio(text: str) -> str:
    return _event("input_audio_buffer.append", audio=text)


def _with_format(**fields: Any) -> str:
    audio = {"input": {"format": {"type": "audio/pcm", "rate": 24000, **fields}}}
    return _event("session.update", session={"type": "realtime", "audio": audio})


BASE64 = "invalid_value", "audio", "base64"
DEEP_OBJECT = '{"a":' * DEPTH + "1" + "}" * DEPTH

FAULTS: dict[str, tuple[str | bytes, tuple[str, str | None, str]]] = {
    "json cut short": ('{"type": "response.create"', ("invalid_json", None, "JSON")),
    "json with a comment": ('{"type": "response.create"} // now', ("invalid_json", None, "JSON")),
    "json with NaN": ('{"type": "x", "a": NaN}', ("invalid_json", None, "JSON")),
    "no object": ("[]", ("invalid_event", None, "object")),
    "no type": ("{}", ("missing_required_parameter", "type", "type")),
    "a type that is a number": ('{"type": 1}', ("invalid_type", "type", "string")),
    "unknown event": (_event("response.sing"), ("invalid_value", "type", "response.sing")),
    "binary where text is due": (b"\x00\x01\x02", ("invalid_event", None, "text frames")),
    "text in a binary frame": (_event("response.create").encode(), ("invalid_event", None, "text frames")),
    "deep array": ("[" * DEPTH + "]" * DEPTH, ("invalid_json", None, "")),
    "deep object": (DEEP_OBJECT, ("invalid_json", None, "")),
    "deep object in a field": (
        '{"type":"session.update","session":{"type":"realtime","x":' + DEEP_OBJECT + "}}",
        ("invalid_json", None, ""),
    ),
    "deep array that never ends": (
        '{"type":"response.create","x":' + "[" * DEPTH,
        ("invalid_json", None, ""),
    ),
    "url-safe base64": (_with_audio("A-_A"), (*BASE64[:2], "URL-safe")),
    "base64 without padding": (_with_audio("AAAAAAA"), BASE64),
    "base64 with spaces": (_with_audio("AA AA"), BASE64),
    "base64 in other letters": (_with_audio("ÄÖÜß"), BASE64),
    "base64 with data after padding": (_with_audio("AA==AA=="), BASE64),
    "half a sample": (_with_audio("AAAA"), ("invalid_value", "audio", "16-bit")),
    "no audio": (_with_audio(""), ("invalid_value", "audio", "empty")),
    "audio that is a number": (
        _event("input_audio_buffer.append", audio=5),
        ("invalid_type", "audio", "string"),
    ),
    "audio left out": (_event("input_audio_buffer.append"), ("missing_required_parameter", "audio", "audio")),
    "rate of 0 Hz": (_with_format(rate=0), ("invalid_value", "session.audio.input.format.rate", "0")),
    "rate below 0": (
        _with_format(rate=-24000),
        ("invalid_value", "session.audio.input.format.rate", "-24000"),
    ),
    "rate of 99 MHz": (
        _with_format(rate=99_000_000),
        ("invalid_value", "session.audio.input.format.rate", "99000000"),
    ),
    "rate that is text": (
        _with_format(rate="24000"),
        ("invalid_type", "session.audio.input.format.rate", "integer"),
    ),
    "format nobody has": (
        _with_format(type="audio/mp3"),
        ("invalid_value", "session.audio.input.format.type", "audio/mp3"),
    ),
    "20 MB of audio": (
        json.dumps({**append(bytes(20_000_000)), "event_id": "mine"}),
        ("message_too_large", None, "at most"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_one_error_and_the_session_goes_on(fault: str) -> None:
    frame, (code, param, word) = FAULTS[fault]
    async with serve("echo") as gateway, client_of(gateway) as client:
        error = await client.error_of(frame)
        assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
        assert word in error["message"] and 10 < len(error["message"]) < 600
        after = (await client.until("error"))["error"]
        assert after["event_id"] == "after", "one fault is answered once"
        await client.is_served()


async def test_text_that_is_no_json_at_all_is_passed_over() -> None:
    async with serve("echo") as gateway, client_of(gateway) as client:
        error = await client.error_of("ping")
        assert error["event_id"] == "after"
        await client.is_served()


async def test_a_text_frame_that_is_no_utf8_costs_the_connection_and_no_traceback(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with serve("echo") as gateway, raw_client(gateway) as client:
        await client.shake_hands()
        await client.say(masked(1, b"\xff\xfe\xfd"))
        assert b"\x03\xef" in await client.read_to_the_end(), "the close code is 1007"
        await gateway.admission.wait_until_empty()
    assert "Traceback" not in "".join(capfd.readouterr())
    assert not [record for record in caplog.records if record.exc_info]


async def test_audio_in_an_item_is_checked_as_well() -> None:
    part = {"type": "input_audio", "audio": base64.urlsafe_b64encode(b"\xfb\xff" * 6).decode()}
    item = {**text_item("")}
    item["item"] = {**item["item"], "content": [part]}
    async with serve("echo") as gateway, client_of(gateway) as client:
        error = await client.error_of(item)
        assert (error["code"], error["param"]) == ("invalid_value", "item.content[0].audio")


async def test_a_model_name_nobody_serves_gets_the_first() -> None:
    async with serve("echo") as gateway, client_of(gateway, "no-such-model") as client:
        await client.is_served()
