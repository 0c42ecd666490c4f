"""Which dialect a handshake asks for."""

from __future__ import annotations

from typing import Any

import pytest

from voicewire.gateway.dialects import dialect_of, subprotocol_of
from voicewire.protocols.openai.dialect_beta import BETA, FIRST_BETA
from voicewire.protocols.openai.dialect_voicelive import VOICE_LIVE
from voicewire.protocols.openai.flat import FlatDialect

pytestmark = pytest.mark.unit


def handshake(
    path: str, query: str = "", *, headers: dict[str, str] | None = None, offered: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
        "subprotocols": list(offered),
    }


KEY = "openai-insecure-api-key.k"


@pytest.mark.parametrize(
    ("scope", "dialect"),
    [
        (handshake("/v1/realtime", "model=m"), None),
        (handshake("/openai/v1/realtime", "model=m"), None),
        (handshake("/v1/realtime", headers={"openai-beta": "assistants=v2"}), None),
        (handshake("/v1/realtime", headers={"openai-beta": "realtime=v1"}), BETA),
        (handshake("/v1/realtime", headers={"openai-beta": "a=b, realtime=v1"}), BETA),
        (handshake("/v1/realtime", offered=("realtime", KEY, "openai-beta.realtime-v1")), BETA),
        (handshake("/v1/realtime", offered=("realtime", KEY)), None),
        (handshake("/openai/realtime", "api-version=2025-04-01-preview&deployment=d"), BETA),
        (handshake("/openai/realtime/", "api-version=2024-10-01-preview&deployment=d"), FIRST_BETA),
        (handshake("/openai/realtime"), BETA),
        (
            handshake(
                "/v1/realtime", headers={"openai-beta": "realtime=v1", "user-agent": "ms-rtclient/0.5"}
            ),
            FIRST_BETA,
        ),
        (handshake("/voice-live/realtime", "api-version=2025-10-01&model=m"), VOICE_LIVE),
    ],
)
def test_the_dialect(scope: dict[str, Any], dialect: FlatDialect | None) -> None:
    assert dialect_of(scope) is dialect


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((), None),
        (("realtime", KEY, "openai-beta.realtime-v1"), "realtime"),
        ((KEY, "openai-beta.realtime-v1"), "openai-beta.realtime-v1"),
        ((KEY,), None),
    ],
)
def test_the_subprotocol_never_holds_the_key(offered: tuple[str, ...], chosen: str | None) -> None:
    assert subprotocol_of(handshake("/v1/realtime", offered=offered)) == chosen
