"""What a cassette keeps of a frame: no secret, wherever it stands, and audio by choice."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.transport.cassette_scrub import FrameScrubber, secrets_of

pytestmark = pytest.mark.unit

AZURE_KEY = "0123456789abcdef0123456789abcdef"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"


def kept(frame: object, scrubber: FrameScrubber | None = None) -> Any:
    body = (scrubber or FrameScrubber()).body(msgspec.json.encode(frame), is_text=True)
    return msgspec.json.decode(bytes(body.data))


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "error", "error": {"message": "Incorrect API key provided: sk-proj-abcdef123456."}},
        {"session": {"client_secret": {"value": "secretvalue123", "expires_at": 5}}},
        {"session": {"client_secret": {"value": "ek_68af296e8e40"}}},
        {"value": "ek_68af296e8e408191a1120ab6383263c2", "expires_at": 1},
        {"session": {"tools": [{"type": "mcp", "server_url": "https://u:pw123456@h/x?token=t123456&a=1"}]}},
        {"tools": [{"type": "mcp", "authorization": "Bearer verysecret", "headers": {"X-Any": "mine12345"}}]},
        {"text": f"my token is {JWT}, keep it"},
        {"setup": {"model": "m", "token": "auth_tokens/abcdef-123"}},
        {"text": "use auth_tokens/abcdef-123 please"},
        {"text": f"the key {AZURE_KEY} is mine"},
        {"text": "Authorization: Bearer abc.def-ghi"},
        {"api-key": "plain", "x_api_key": ["plain"], "Api_Key": {"of": "plain"}},
        {"text": "AIzaSyD-abcdefghijk"},
    ],
)  # fmt: skip
def test_no_secret_stays(frame: dict[str, Any]) -> None:
    scrubber = FrameScrubber([AZURE_KEY])
    text = msgspec.json.encode(kept(frame, scrubber)).decode()
    for secret in ("abcdef", "secretvalue", "ek_68", "pw123456", "t123456", "verysecret", "mine12345", "dozjg", "plain",
                   "abc.def", AZURE_KEY):  # fmt: skip
        assert secret not in text
    assert "***" in text


def test_what_is_no_secret_stays() -> None:
    frame = {
        "type": "response.done",
        "response": {"usage": {"input_tokens": 5, "token_details": None}, "code": "key_error"},
        "logprobs": [{"token": "hello", "logprob": -0.5, "bytes": [104]}],
        "url": "https://example.org/?a=1",
        "float": 0.1,
        "words": "müde \u2028 \U0001f600",
    }
    assert kept(frame) == frame


def test_a_key_given_twice_in_one_object_cannot_hide_a_secret() -> None:
    body = FrameScrubber([AZURE_KEY]).body(f'{{"a":"{AZURE_KEY}","a":"x"}}', is_text=True)
    assert bytes(body.data) == b'{"a":"x"}'


def test_text_that_is_no_json_and_binary_are_searched_too() -> None:
    scrubber = FrameScrubber([AZURE_KEY])
    assert scrubber.body(f'{{"half": "{AZURE_KEY}', is_text=True).text == '{"half": "***'
    binary = scrubber.body(b"\xff" + AZURE_KEY.encode(), is_text=False).binary
    assert binary is not None
    assert base64.b64decode(binary) == b"\xff***"


AUDIO = base64.b64encode(bytes(range(100))).decode()


@pytest.mark.parametrize(
    ("frame", "where"),
    [
        ({"type": "input_audio_buffer.append", "audio": AUDIO}, ("audio",)),
        ({"type": "response.output_audio.delta", "delta": AUDIO}, ("delta",)),
        ({"type": "response.audio.delta", "delta": AUDIO}, ("delta",)),
        (
            {"realtimeInput": {"audio": {"data": AUDIO, "mimeType": "audio/pcm"}}},
            ("realtimeInput", "audio", "data"),
        ),
        (
            {"realtime_input": {"audio": {"data": AUDIO, "mime_type": "audio/pcm"}}},
            ("realtime_input", "audio", "data"),
        ),
        ({"item": {"content": {"type": "input_audio", "audio": AUDIO}}}, ("item", "content", "audio")),
    ],
)
def test_audio_is_cut_to_its_length_or_kept(frame: dict[str, Any], where: tuple[str, ...]) -> None:
    assert kept(frame) == frame
    found: Any = kept(frame, FrameScrubber(keeps_audio=False))
    for key in where:
        found = found[key]
    assert found == "<100 bytes of audio>"


def test_what_is_no_audio_is_not_cut() -> None:
    scrubber = FrameScrubber(keeps_audio=False)
    frames: list[dict[str, Any]] = [
        {"type": "response.output_audio_transcript.delta", "delta": "Hello"},
        {"type": "response.text.delta", "delta": "Hello"},
        {"inlineData": {"mimeType": "image/png", "data": AUDIO}},
    ]
    assert [kept(frame, scrubber) for frame in frames] == frames
    assert scrubber.body(b"\x00\x01\x02", is_text=False).binary_bytes == 3


@given(st.binary(min_size=1, max_size=3000))
def test_audio_is_never_mistaken_for_a_key(pcm: bytes) -> None:
    audio = base64.urlsafe_b64encode(b"\xb2\x4f\xfb" + pcm).decode()  # begins like a key: "sk-7..."
    frame = {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": audio}}}
    assert kept(frame) == frame


def test_the_secrets_of_a_handshake() -> None:
    found = secrets_of(
        "wss://h/x?model=m&api-key=inquery1&key=inquery2",
        {"Authorization": "Bearer inheader1", "x-goog-api-key": "inheader2", "User-Agent": "voicewire/1"},
        ("realtime", "openai-insecure-api-key.insubprotocol"),
    )
    assert set(found) == {
        "Bearer inheader1",
        "inheader1",
        "inheader2",
        "insubprotocol",
        "inquery1",
        "inquery2",
    }
