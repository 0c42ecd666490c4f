"""``agentscope.realtime._openai_realtime_model`` (seed 002)."""

from __future__ import annotations

from voicewire import models
from voicewire.compat.agentscope.realtime._flat_messages import FlatMessages
from voicewire.compat.agentscope.realtime._single_messages import Block, Json, data_of
from voicewire.compat.agentscope.realtime._single_messages import (
    get_bytes_from_web_url as _get_bytes_from_web_url,
)


class OpenAIRealtimeModel(FlatMessages, models.OpenAIRealtimeModel):
    """`voicewire.models.OpenAIRealtimeModel`, with what AgentScope has below it."""

    async def _frame_of(self, kind: str, block: Block) -> Json:
        if kind == "audio":
            data = await data_of(block, _get_bytes_from_web_url)
            return {"type": "input_audio_buffer.append", "audio": data}
        if kind == "text":
            content = [{"type": "input_text", "text": block.get("text", "")}]
            item: Json = {"type": "message", "role": "user", "content": content}
        else:
            item = {"type": "function_call_output", "call_id": block.get("id"), "output": block.get("output")}
        return {"type": "conversation.item.create", "item": item}
