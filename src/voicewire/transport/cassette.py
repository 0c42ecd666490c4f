"""The cassette: what passed over the wires of a session, one JSON object a line. Pure.

The first line says what was recorded, every other line what happened. A program that is killed leaves at most its
last line broken off, which reading tolerates.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from voicewire.errors import ConfigError
from voicewire.transport.frames import Frame

FORMAT_VERSION: Final = 1
MARK: Final = "voicewire_cassette"
"""Key of the first line that makes a file a cassette; its value is the format's version."""

Audio = Literal["kept", "cut", "foreign"]
"""``kept``; ``cut``: only lengths are left; ``foreign``: cut by another program, without the lengths."""
EndedBy = Literal["client", "server", "lost", "refused"]
"""Who ended a connection: a closing side, nobody (it died), or a handshake that did not succeed."""

NO_JSON: Final = msgspec.Raw()
_CUT_AUDIO = re.compile(r'"<(\d{1,9}) bytes of audio>"')
_MAX_SILENCE_BYTES = 64 * 1024 * 1024


class CassetteHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded."""

    version: int = msgspec.field(default=FORMAT_VERSION, name=MARK)
    provider: str = ""
    """Short name, such as ``openai``."""
    dialect: str = ""
    """Of the provider's wire, such as ``ga`` or ``beta``; empty where there is only one."""
    model: str = ""
    """Full name, such as ``openai:gpt-realtime``."""
    started: str = ""
    """When, in ISO 8601; empty when unknown."""
    audio: Audio = "kept"
    software: str = ""
    """What wrote it."""
    has_times: bool = True
    """Whether the moments are real; recordings of other programs may have none."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="way"):
    at_ms: float
    """Since the recording began."""
    connection: int = 1
    """Which of the session's connections, from 1."""


class Opened(_Entry, frozen=True, kw_only=True, tag="opened"):
    """A connection was opened."""

    url: str = ""
    """Its address, without secrets."""


class Framed(_Entry, frozen=True, kw_only=True):
    """One frame, in one of four spellings."""

    data: msgspec.Raw = NO_JSON
    """The JSON of a frame that is JSON; empty for one that is not."""
    is_binary: bool = False
    """Whether ``data`` came in a binary frame."""
    text: str | None = None
    """A text frame that is not JSON."""
    binary: str | None = None
    """A binary frame that is not JSON, as base64."""
    binary_bytes: int | None = None
    """The length of a binary frame that was cut."""

    @property
    def frame(self) -> Frame:
        """The frame as it went over the wire; audio that was cut is silence of the same length."""
        if bytes(self.data):
            text = _CUT_AUDIO.sub(_silence, bytes(self.data).decode())
            return text.encode() if self.is_binary else text
        if self.binary is not None:
            return base64.b64decode(self.binary)
        if self.binary_bytes is not None:
            return bytes(min(self.binary_bytes, _MAX_SILENCE_BYTES))
        return self.text or ""


class Sent(Framed, frozen=True, kw_only=True, tag="sent"):
    """A frame of the client."""


class Received(Framed, frozen=True, kw_only=True, tag="received"):
    """A frame of the provider."""


class Closed(_Entry, frozen=True, kw_only=True, tag="closed"):
    """A connection ended."""

    by: EndedBy = "client"
    code: int = 1000
    reason: str = ""


class Gap(_Entry, frozen=True, kw_only=True, tag="gap"):
    """Frames that were not recorded, because the disk was slower than the session."""

    frames: int = 0
    frames_bytes: int = 0


Entry = Opened | Sent | Received | Closed | Gap

_HEADER = msgspec.json.Decoder(CassetteHeader)
_ENTRY: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Cassette:
    """A whole recording."""

    header: CassetteHeader
    entries: tuple[Entry, ...]
    is_broken_off: bool = False
    """Whether the last line was incomplete, as a program leaves it that was killed."""

    @property
    def connections(self) -> tuple[int, ...]:
        """The numbers of the connections that were opened, in order."""
        return tuple(dict.fromkeys(entry.connection for entry in self.entries))

    @property
    def is_unfinished(self) -> bool:
        """Whether a connection was opened whose end is not here."""
        opened = {entry.connection for entry in self.entries if isinstance(entry, Opened)}
        return bool(opened - {entry.connection for entry in self.entries if isinstance(entry, Closed)})

    def of(self, connection: int) -> tuple[Entry, ...]:
        """What happened on one connection."""
        return tuple(entry for entry in self.entries if entry.connection == connection)


def header_line(header: CassetteHeader) -> bytes:
    """The first line of a file, its line feed included."""
    return _ENCODER.encode(header) + b"\n"


def entry_line(entry: Entry) -> bytes:
    """A further line, its line feed included."""
    return _ENCODER.encode(entry) + b"\n"


def is_cassette(first_line: bytes) -> bool:
    """Whether a file that begins so is a cassette, of whatever version."""
    return f'"{MARK}"'.encode() in first_line[:4096]


def parse_cassette(lines: Iterable[bytes], name: str) -> Cassette:
    """Reads a recording.

    Args:
        lines: The file's lines, with or without their line feeds.
        name: What the file is called, for errors.

    Raises:
        ConfigError: It is not a cassette, one of a newer version, or a line in its middle is damaged.
    """
    rest = iter(lines)
    header = _parse_header(next(rest, b""), name)
    entries: list[Entry] = []
    damage: tuple[int, str] | None = None
    for number, line in enumerate(rest, start=2):
        if not line.strip():
            continue
        if damage is not None:
            raise ConfigError(
                f"line {damage[0]} of the cassette {name!r} is damaged ({damage[1]}); record it again, "
                "or delete that line"
            )
        try:
            entries.append(_ENTRY.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            damage = number, str(error)
    return Cassette(header, tuple(entries), is_broken_off=damage is not None)


def _parse_header(line: bytes, name: str) -> CassetteHeader:
    if not is_cassette(line):
        raise ConfigError(
            f"{name!r} is not a cassette: its first line has no {MARK!r}; make one with `voicewire talk --record FILE`"
        )
    try:
        header = _HEADER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        found = _version_of(line)
        if found is None or found <= FORMAT_VERSION:
            raise ConfigError(
                f"the first line of the cassette {name!r} is damaged ({error}); record it again"
            ) from None
        header = CassetteHeader(version=found)
    if header.version > FORMAT_VERSION:
        raise ConfigError(
            f"the cassette {name!r} is of version {header.version}, newer than this program's {FORMAT_VERSION}; "
            "update voicewire"
        )
    return header


class _Version(msgspec.Struct):
    version: int = msgspec.field(name=MARK)


def _version_of(line: bytes) -> int | None:
    try:
        return msgspec.json.decode(line, type=_Version).version
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def cut_audio(length_bytes: int) -> str:
    """What stands in a cassette in place of audio that was not kept."""
    return f"<{length_bytes} bytes of audio>"


def _silence(match: re.Match[str]) -> str:
    length_bytes = min(int(match[1]), _MAX_SILENCE_BYTES)
    return f'"{base64.b64encode(bytes(length_bytes)).decode()}"'
