"""The gateway: one ASGI application that official clients of the providers can talk to.

``create_app`` makes the application (mount it where you like), ``serve`` runs it until it is told to stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicewire.gateway.app import create_app
    from voicewire.gateway.auth import read_api_keys
    from voicewire.gateway.room_plan import RoomAgent, RoomPlan
    from voicewire.gateway.server import serve
    from voicewire.gateway.settings import GatewaySettings

__all__ = ["GatewaySettings", "RoomAgent", "RoomPlan", "create_app", "read_api_keys", "serve"]

_HOMES = {
    "GatewaySettings": "settings",
    "RoomAgent": "room_plan",
    "RoomPlan": "room_plan",
    "create_app": "app",
    "read_api_keys": "auth",
    "serve": "server",
}


def __getattr__(name: str) -> object:
    """Loads a public name on first use; importing this package must not load the web framework."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
