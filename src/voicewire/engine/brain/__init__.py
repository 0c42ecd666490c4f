"""The brain of the embedded engine: what to say next.

``base`` has the contract, ``factory.create_brain`` makes a brain from one line, ``layered`` is the default
one. Names load lazily, so that importing the contract costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from voicewire.engine.brain.base import (
    DEMO_NOTICE,
    Brain,
    BrainDelta,
    BrainDone,
    BrainOutput,
    BrainTimer,
    BrainToolCall,
    BrainTurn,
    ToolCall,
    ToolSpec,
    Turn,
    never_cancelled,
)

if TYPE_CHECKING:
    from voicewire.engine.brain.factory import create_brain
    from voicewire.engine.brain.layered import LayeredBrain
    from voicewire.engine.brain.llm import LlamaBrain
    from voicewire.engine.brain.remote import RemoteBrain

__all__ = [
    "DEMO_NOTICE",
    "Brain",
    "BrainDelta",
    "BrainDone",
    "BrainOutput",
    "BrainTimer",
    "BrainToolCall",
    "BrainTurn",
    "LayeredBrain",
    "LlamaBrain",
    "RemoteBrain",
    "ToolCall",
    "ToolSpec",
    "Turn",
    "create_brain",
    "never_cancelled",
]

_LAZY = {"LayeredBrain": "layered", "LlamaBrain": "llm", "RemoteBrain": "remote", "create_brain": "factory"}


def __getattr__(name: str) -> object:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
