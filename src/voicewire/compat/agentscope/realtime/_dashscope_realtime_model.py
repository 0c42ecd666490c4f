"""``agentscope.realtime._dashscope_realtime_model`` (seed 002)."""

from __future__ import annotations

from voicewire import models
from voicewire.compat.agentscope.realtime._flat_messages import FlatMessages
from voicewire.compat.agentscope.realtime._single_messages import Block, Json, data_of, object_in
from voicewire.compat.agentscope.realtime._single_messages import (
    get_bytes_from_web_url as _get_bytes_from_web_url,
)


class DashScopeRealtimeModel(FlatMessages, models.DashScopeRealtimeModel):
    """`voicewire.models.DashScopeRealtimeModel`, with what AgentScope has below it."""

    async def _frame_of(self, kind: str, block: Block) -> Json:
        if kind == "text":
            return {"type": "response.create", "response": {"instructions": block.get("text", "")}}
        data = await data_of(block, _get_bytes_from_web_url)
        if kind == "audio":
            return {"type": "input_audio_buffer.append", "audio": data}
        if object_in(block, "source").get("type") == "url":
            return {"type": "input_image_url.append", "image_url": data}
        return {"type": "input_image_buffer.append", "image": data}
