"""Frames of the server side of the Gemini Live wire; always camelCase, always below what clients take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from voicewire.events.model import ModelResponseDoneEvent
from voicewire.protocols.codec import Frame

MAX_AUDIO_CHARS: Final = 1 << 19
"""Base64 in one message: official clients close the connection above 1 MiB. A multiple of 8 characters (6 bytes) never
splits a sample."""

Json = dict[str, Any]
_encoder = msgspec.json.Encoder()


def message(body: Mapping[str, Any]) -> str:
    """One message as a frame."""
    return _encoder.encode(body).decode()


def content(body: Mapping[str, Any]) -> str:
    """A ``serverContent``."""
    return message({"serverContent": body})


def text(delta: str) -> str:
    """More of a text answer."""
    return content({"modelTurn": {"role": "model", "parts": [{"text": delta}]}})


def error(code: int, status: str, said: str) -> str:
    """Trouble that does not end the session. Official clients raise it from ``receive`` and can go on."""
    return message({"code": code, "status": status, "message": said})


def http_status(reason: str, code: str = "") -> int:
    """The number that goes with an error, by its kind and its code."""
    lowered = reason.lower()
    if code in ("rate_limit_exceeded", "insufficient_quota"):
        return 429
    if "rate_limit" in lowered or "quota" in lowered:
        return 429
    if "auth" in lowered or "api_key" in lowered:
        return 401
    return 400 if "invalid" in lowered or "unsupported" in lowered else 500


def usage(event: ModelResponseDoneEvent) -> Json:
    """Token counts of a response."""
    counts = event.usage
    body: Json = {
        "promptTokenCount": event.input_tokens,
        "responseTokenCount": event.output_tokens,
        "totalTokenCount": event.input_tokens + event.output_tokens,
    }
    if counts.cached_tokens:
        body["cachedContentTokenCount"] = counts.cached_tokens
    prompt = _details(counts.input_text_tokens, counts.input_audio_tokens, counts.input_image_tokens)
    reply = _details(counts.output_text_tokens, counts.output_audio_tokens, 0)
    if prompt:
        body["promptTokensDetails"] = prompt
    if reply:
        body["responseTokensDetails"] = reply
    return body


def _details(written: int, spoken: int, seen: int) -> list[Json]:
    counts = (("TEXT", written), ("AUDIO", spoken), ("IMAGE", seen))
    return [{"modality": kind, "tokenCount": number} for kind, number in counts if number]


class AudioWriter:
    """The short way for audio: the base64 is copied once, nothing else of the message is built anew."""

    def __init__(self) -> None:
        self._rate_hz = 0
        self._prefix = ""

    def frames(self, base64: str, rate_hz: int) -> list[Frame]:
        """The messages of one piece of audio."""
        if rate_hz != self._rate_hz:
            self._rate_hz = rate_hz
            self._prefix = (
                '{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate='
                f'{rate_hz}","data":"'
            )
        if len(base64) <= MAX_AUDIO_CHARS:
            return [f'{self._prefix}{base64}"}}}}]}}}}}}'] if base64 else []
        return [
            f'{self._prefix}{base64[start : start + MAX_AUDIO_CHARS]}"}}}}]}}}}}}'
            for start in range(0, len(base64), MAX_AUDIO_CHARS)
        ]
