"""``rtclient.low_level_client`` (seed 001), with the exceptions by their names there."""

from __future__ import annotations

from voicewire.clients.low_level import ClientState, RTLowLevelClient
from voicewire.errors import AuthError as AuthenticationError
from voicewire.errors import ConnectionLost as ConnectionClosedException
from voicewire.errors import RemoteProtocolError as InvalidMessageFormatError
from voicewire.errors import TransportError as ConnectionError

__all__ = [
    "AuthenticationError",
    "ClientState",
    "ConnectionClosedException",
    "ConnectionError",
    "InvalidMessageFormatError",
    "RTLowLevelClient",
]
