"""A server codec for tests, and what it says, judged by the official SDK's types."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any, cast

from tests.protocols.strict import parse_strictly
from voicewire.events import SessionConfig
from voicewire.protocols.codec import Frame
from voicewire.protocols.openai.limits import ServerLimits
from voicewire.protocols.openai.server import OpenAIServerCodec

NOW_S = 1_800_000_000


def server(config: SessionConfig | None = None, limits: ServerLimits | None = None) -> OpenAIServerCodec:
    """A codec whose greeting was taken."""
    numbers = itertools.count(1)
    codec = OpenAIServerCodec(
        config or SessionConfig(),
        ids=lambda prefix: f"{prefix}_{next(numbers)}",
        now_s=NOW_S,
        model="echo",
        limits=limits,
    )
    codec.data_to_send()
    return codec


def judged(frames: Iterable[Frame]) -> list[dict[str, Any]]:
    """The frames as objects; each is what the SDK's types say, with nothing that they do not know."""
    events: list[dict[str, Any]] = []
    for frame in frames:
        assert isinstance(frame, str)
        _, unknown = parse_strictly(frame)
        assert unknown == set()
        events.append(cast("dict[str, Any]", json.loads(frame)))
    return events


def types(events: Iterable[dict[str, Any]]) -> list[str]:
    """The types of events."""
    return [event["type"] for event in events]
