"""Running a conversation: the session driver, its edges, agents and rooms."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicewire.agent.agent import RealtimeAgent
    from voicewire.agent.toolkit import Toolkit

_HOME = {"RealtimeAgent": "agent", "Toolkit": "toolkit"}

__all__ = ["RealtimeAgent", "Toolkit"]


def __getattr__(name: str) -> object:
    """Loads a public name on first use: importing the package loads no model and no schema library."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
