"""Frames as a cassette keeps them: without secrets and, by choice, without audio. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Final, cast
from urllib.parse import parse_qsl, urlsplit

import msgspec

from voicewire.transport.cassette import NO_JSON, cut_audio
from voicewire.transport.scrub import HIDDEN, is_secret_name, safe_url, scrubbed

_SECRET_KEYS: Final = frozenset({
    "accesskey", "accesstoken", "apikey", "authorization", "authtoken", "bearer", "bearertoken", "clientsecret",
    "credential", "credentials", "ephemeralkey", "headers", "idtoken", "password", "refreshtoken", "resumetoken",
    "secret", "secretkey", "sessiontoken", "subscriptionkey", "token", "xapikey", "xgoogapikey",
})  # fmt: skip
"""Keys of JSON objects, in lower case and without ``-`` and ``_``, under which every string is a secret."""
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
_GEMINI_TOKEN = re.compile(r"\bauth_tokens/[A-Za-z0-9_.-]+")
_ADDRESS = re.compile(r"(?:https?|wss?)://[^\s\"'<>]+", re.IGNORECASE)
_BLOB = re.compile(r"[A-Za-z0-9+/_=-]{512,}")
"""Base64 of something: what looks like a key inside of it is chance."""


class FrameBody(msgspec.Struct, frozen=True, kw_only=True):
    """A frame without what must not be kept: the fields of ``cassette.Framed``."""

    data: msgspec.Raw = NO_JSON
    is_binary: bool = False
    text: str | None = None
    binary: str | None = None
    binary_bytes: int | None = None


class FrameScrubber:
    """Takes secrets, and audio by choice, out of frames.

    Args:
        secrets: Values that must not stay, besides all that looks like a key or stands where keys stand.
        keeps_audio: Whether audio stays; else only its length does.
    """

    def __init__(self, secrets: Iterable[str] = (), *, keeps_audio: bool = True) -> None:
        self._secrets = tuple(dict.fromkeys(secret for secret in secrets if secret))
        self._keeps_audio = keeps_audio

    def body(self, frame: str | bytes, *, is_text: bool) -> FrameBody:
        """The frame as it is kept.

        Args:
            frame: The frame; a text frame may be given as its UTF-8.
            is_text: Whether it went over the wire as text.
        """
        try:
            value: object = msgspec.json.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._not_json(frame, is_text=is_text)
        if not isinstance(value, (dict, list)):
            return self._not_json(frame, is_text=is_text)
        # Encoded anew even when nothing was found: what is written is what was looked at, double keys included.
        cleaned = msgspec.json.encode(self._clean(cast("object", value), None, {}))
        return FrameBody(data=msgspec.Raw(cleaned), is_binary=not is_text)

    def text(self, text: str) -> str:
        """Any words, such as the reason of a close, without secrets."""
        text = _ADDRESS.sub(lambda match: safe_url(match[0]), text)
        return _GEMINI_TOKEN.sub(HIDDEN, _JWT.sub(HIDDEN, scrubbed(text, self._secrets)))

    def _not_json(self, frame: str | bytes, *, is_text: bool) -> FrameBody:
        if is_text:
            text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
            if not self._keeps_audio:
                text = _BLOB.sub(lambda match: f"<{len(match[0])} characters>", text)
            return FrameBody(text=self.text(text))
        raw = frame.encode() if isinstance(frame, str) else frame
        if not self._keeps_audio:
            return FrameBody(binary_bytes=len(raw))
        for secret in self._secrets:
            raw = raw.replace(secret.encode(), HIDDEN.encode())
        return FrameBody(binary=base64.b64encode(raw).decode())

    def _clean(self, value: object, key: str | None, parent: Mapping[str, object]) -> object:
        if isinstance(value, str):
            if key is not None and is_audio(key, parent):
                return value if self._keeps_audio else cut_audio(base64_bytes(value))
            return self._string(value)
        if isinstance(value, dict):
            members = cast("dict[str, object]", value)
            return {name: self._member(name, member, members) for name, member in members.items()}
        if isinstance(value, list):
            return [self._clean(member, None, {}) for member in cast("list[object]", value)]
        return value

    def _member(self, name: str, member: object, parent: Mapping[str, object]) -> object:
        if name.lower().replace("-", "").replace("_", "") in _SECRET_KEYS and "logprob" not in parent:
            return _hidden(member)
        return self._clean(member, name, parent)

    def _string(self, value: str) -> str:
        if value.startswith("data:") or _BLOB.fullmatch(value):
            for secret in self._secrets:
                value = value.replace(secret, HIDDEN)
            return value
        return self.text(value)


def is_audio(key: str, parent: Mapping[str, object]) -> bool:
    """Whether a member of a JSON object holds audio as base64, on whatever wire.

    Args:
        key: Its name.
        parent: The object.
    """
    if key == "audio":
        return True
    if key == "delta":
        return str(parent.get("type", "")).endswith("audio.delta")
    if key == "data":
        return str(parent.get("mimeType", parent.get("mime_type", ""))).startswith("audio/")
    return False


def base64_bytes(text: str) -> int:
    """How many bytes a piece of base64 stands for."""
    return len(text.rstrip("=")) * 3 // 4


def secrets_of(url: str, headers: Mapping[str, str], subprotocols: Iterable[str]) -> tuple[str, ...]:
    """The secrets that a handshake holds.

    Args:
        url: The address.
        headers: Its headers.
        subprotocols: What is offered besides; some clients put their key there.
    """
    found = [value for name, value in headers.items() if is_secret_name(name)]
    found += [value for value in found for value in value.split()[1:]]
    found += [name.rpartition(".")[2] for name in subprotocols if is_secret_name(name)]
    found += [value for name, value in parse_qsl(urlsplit(url).query) if is_secret_name(name)]
    return tuple(dict.fromkeys(found))


def _hidden(value: object) -> object:
    if isinstance(value, str):
        return HIDDEN if value else value
    if isinstance(value, dict):
        return {name: _hidden(member) for name, member in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_hidden(member) for member in cast("list[object]", value)]
    return value
