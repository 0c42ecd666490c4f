"""``ai_infra``, as far as its realtime voice goes (seed 003)."""

from __future__ import annotations

from voicewire.voice import RealtimeConfig, RealtimeVoice, VADMode, realtime_voice

__all__ = ["RealtimeConfig", "RealtimeVoice", "VADMode", "realtime_voice"]
