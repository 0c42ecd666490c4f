"""``agentscope.pipeline`` (seed 002)."""

from __future__ import annotations

from voicewire.agent import ChatRoom

__all__ = ["ChatRoom"]
