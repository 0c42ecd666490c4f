"""``agentscope.tool`` (seed 002)."""

from __future__ import annotations

from voicewire.agent import Toolkit

__all__ = ["Toolkit"]
