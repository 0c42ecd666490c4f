"""Codecs of the flat dialects for tests, and what they say."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from voicewire.events import SessionConfig, UpdateSession
from voicewire.events import model as events
from voicewire.protocols.codec import Frame
from voicewire.protocols.openai.dialect_beta import BETA, FIRST_BETA
from voicewire.protocols.openai.dialect_voicelive import VOICE_LIVE
from voicewire.protocols.openai.flat import FlatDialect
from voicewire.protocols.openai.flat_client import FlatClientCodec
from voicewire.protocols.openai.flat_server import FlatServerCodec
from voicewire.protocols.openai.server import OpenAIServerCodec

DIALECTS = (BETA, FIRST_BETA, VOICE_LIVE)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


def client(dialect: FlatDialect, config: SessionConfig | None = None) -> FlatClientCodec:
    return FlatClientCodec(config or SessionConfig(), dialect, transcription_model="whisper-1")


def server(
    dialect: FlatDialect, config: SessionConfig | None = None, options: frozenset[str] = frozenset()
) -> FlatServerCodec:
    numbers = itertools.count(1)
    codec = OpenAIServerCodec(
        config or SessionConfig(), ids=lambda prefix: f"{prefix}_{next(numbers)}", now_s=1, model="echo"
    )
    return FlatServerCodec(codec, dialect, options=options)


def objects(frames: list[Frame]) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in frames]


def types(frames: list[Frame]) -> list[str]:
    return [event["type"] for event in objects(frames)]


def updated(codec: FlatServerCodec, session: dict[str, Any], event_id: str = "u1") -> UpdateSession:
    frame = json.dumps({"type": "session.update", "event_id": event_id, "session": session})
    (command,) = codec.receive(frame)
    assert not codec.data_to_send()
    assert isinstance(command, UpdateSession)
    return command


def confirmed(codec: FlatServerCodec, config: SessionConfig) -> list[dict[str, Any]]:
    return objects(codec.encode(events.ModelSessionUpdatedEvent(session_id="s", config=config)))
