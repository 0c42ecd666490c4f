"""Which dialect of the OpenAI wire a client speaks: decided by its handshake, before the first frame goes out."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qs

from voicewire.gateway.auth import headers_of
from voicewire.gateway.socket import Scope
from voicewire.models.model import RealtimeModel
from voicewire.protocols.openai.dialect_beta import BETA, BETA_PREVIEW_VERSION, FIRST_BETA
from voicewire.protocols.openai.dialect_voicelive import VOICE_LIVE
from voicewire.protocols.openai.flat import FlatDialect
from voicewire.protocols.openai.flat_server import FlatServerCodec
from voicewire.protocols.openai.server import OpenAIServerCodec

PREVIEW_PATH = "/openai/realtime"
VOICE_LIVE_PATH = "/voice-live/realtime"
_GA_SUBPROTOCOL = "realtime"
_BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
_BETA_HEADER_VALUE = "realtime=v1"
_EARLY_AGENTS = ("ms-rtclient", "openai-node")
"""How the user agents of clients begin that close the connection at any event of a later time."""


def query_of(scope: Scope) -> dict[str, str]:
    """The first value of every query parameter."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    return {name: values[0] for name, values in query.items()}


def dialect_of(scope: Scope) -> FlatDialect | None:
    """The flat dialect that the handshake asks for; None for GA.

    The path decides first, then the beta marker in header or subprotocol, then the queries of the Azure preview.
    """
    path = str(scope.get("path", "")).rstrip("/")
    if path.endswith(VOICE_LIVE_PATH):
        return VOICE_LIVE
    headers, query = headers_of(scope), query_of(scope)
    offered: Sequence[str] = scope.get("subprotocols", [])
    marks = [mark.strip() for mark in headers.get("openai-beta", "").split(",")]
    is_beta = (
        path.endswith(PREVIEW_PATH)
        or _BETA_HEADER_VALUE in marks
        or _BETA_SUBPROTOCOL in offered
        or "deployment" in query
        or "api-version" in query
    )
    if not is_beta:
        return None
    is_early = headers.get("user-agent", "").startswith(_EARLY_AGENTS)
    return FIRST_BETA if is_early or query.get("api-version") == BETA_PREVIEW_VERSION else BETA


def subprotocol_of(scope: Scope) -> str | None:
    """The subprotocol to answer with; never the one that carries a key."""
    offered: Sequence[str] = scope.get("subprotocols", [])
    return next((name for name in (_GA_SUBPROTOCOL, _BETA_SUBPROTOCOL) if name in offered), None)


def in_dialect(
    codec: OpenAIServerCodec, scope: Scope, model: RealtimeModel
) -> OpenAIServerCodec | FlatServerCodec:
    """The codec as the client's handshake wants it.

    Args:
        codec: The GA codec, new.
        scope: The handshake.
        model: The model to be served.
    """
    dialect = dialect_of(scope)
    if dialect is None:
        return codec
    return FlatServerCodec(codec, dialect, options=model.capabilities.options)
