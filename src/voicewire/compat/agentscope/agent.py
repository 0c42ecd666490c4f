"""``agentscope.agent`` (seed 002)."""

from __future__ import annotations

from voicewire.agent import RealtimeAgent

__all__ = ["RealtimeAgent"]
