"""One frame of every event of the OpenAI wire, as a server or client sends it."""

from __future__ import annotations

from typing import Any

PLACE: dict[str, Any] = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
CALL: dict[str, Any] = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0}
MESSAGE: dict[str, Any] = {
    "id": "item_1",
    "object": "realtime.item",
    "type": "message",
    "status": "in_progress",
    "role": "assistant",
    "content": [],
}
USER: dict[str, Any] = {
    "id": "item_u",
    "type": "message",
    "status": "completed",
    "role": "user",
    "content": [{"type": "input_text", "text": "Hello"}],
}
SAID: dict[str, Any] = {
    **MESSAGE,
    "status": "completed",
    "content": [{"type": "output_audio", "transcript": "Hi there"}],
}
SESSION: dict[str, Any] = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "sess_1",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "instructions": "Be brief.",
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "tracing": None,
    "truncation": "auto",
    "prompt": None,
    "expires_at": 1785217648,
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "idle_timeout_ms": None,
                "create_response": True,
                "interrupt_response": True,
            },
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy", "speed": 1.0},
    },
    "include": None,
}
RESPONSE: dict[str, Any] = {
    "object": "realtime.response",
    "id": "resp_1",
    "status": "in_progress",
    "status_details": None,
    "output": [],
    "conversation_id": "conv_1",
    "output_modalities": ["audio"],
    "max_output_tokens": "inf",
    "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"}},
    "usage": None,
    "metadata": None,
}
USAGE: dict[str, Any] = {
    "total_tokens": 40,
    "input_tokens": 16,
    "output_tokens": 24,
    "input_token_details": {
        "text_tokens": 10,
        "audio_tokens": 5,
        "image_tokens": 1,
        "cached_tokens": 4,
        "cached_tokens_details": {"text_tokens": 4, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 9, "audio_tokens": 15},
}
_TRANSCRIPTION = "conversation.item.input_audio_transcription"

SERVER_SAMPLES: dict[str, dict[str, Any]] = {
    "error": {
        "error": {
            "type": "invalid_request_error",
            "code": None,
            "message": "No.",
            "param": None,
            "event_id": "my_event",
        }
    },
    "session.created": {"session": SESSION},
    "session.updated": {"session": SESSION},
    "conversation.created": {"conversation": {"id": "conv_1", "object": "realtime.conversation"}},
    "conversation.item.added": {"previous_item_id": None, "item": USER},
    "conversation.item.done": {"previous_item_id": None, "item": USER},
    "conversation.item.created": {"previous_item_id": None, "item": USER},
    "conversation.item.retrieved": {
        "item": {**USER, "content": [{"type": "input_audio", "audio": "AAAA", "transcript": None}]}
    },
    "conversation.item.truncated": {"item_id": "item_1", "content_index": 0, "audio_end_ms": 250},
    "conversation.item.deleted": {"item_id": "item_1"},
    f"{_TRANSCRIPTION}.delta": {"item_id": "item_u", "content_index": 0, "delta": " Hello"},
    f"{_TRANSCRIPTION}.completed": {
        "item_id": "item_u",
        "content_index": 0,
        "transcript": "Hello",
        "usage": {"type": "duration", "seconds": 3},
    },
    f"{_TRANSCRIPTION}.segment": {
        "item_id": "item_u",
        "content_index": 0,
        "id": "seg_1",
        "text": "Hello",
        "speaker": "A",
        "start": 0.0,
        "end": 0.5,
    },
    f"{_TRANSCRIPTION}.failed": {
        "item_id": "item_u",
        "content_index": 0,
        "error": {"type": "server_error", "code": "audio_unintelligible", "message": "What?", "param": None},
    },
    "input_audio_buffer.committed": {"previous_item_id": None, "item_id": "item_u"},
    "input_audio_buffer.cleared": {},
    "input_audio_buffer.speech_started": {"audio_start_ms": 1460, "item_id": "item_u"},
    "input_audio_buffer.speech_stopped": {"audio_end_ms": 4256, "item_id": "item_u"},
    "input_audio_buffer.timeout_triggered": {
        "audio_start_ms": 1000,
        "audio_end_ms": 6000,
        "item_id": "item_u",
    },
    "input_audio_buffer.dtmf_event_received": {"event": "9", "received_at": 1763605109},
    "response.created": {"response": RESPONSE},
    "response.done": {
        "response": {**RESPONSE, "status": "completed", "output": [SAID], "usage": USAGE},
    },
    "response.output_item.added": {"response_id": "resp_1", "output_index": 0, "item": MESSAGE},
    "response.output_item.done": {"response_id": "resp_1", "output_index": 0, "item": SAID},
    "response.content_part.added": {**PLACE, "part": {"type": "audio", "transcript": ""}},
    "response.content_part.done": {**PLACE, "part": {"type": "audio", "transcript": "Hi there"}},
    "response.output_text.delta": {**PLACE, "delta": "Hi"},
    "response.output_text.done": {**PLACE, "text": "Hi there"},
    "response.output_audio.delta": {**PLACE, "delta": "AAAAAA=="},
    "response.output_audio.done": {**PLACE},
    "response.output_audio_transcript.delta": {**PLACE, "delta": "Hi"},
    "response.output_audio_transcript.done": {**PLACE, "transcript": "Hi there"},
    "response.function_call_arguments.delta": {**CALL, "call_id": "call_1", "delta": '{"city":'},
    "response.function_call_arguments.done": {
        **CALL,
        "call_id": "call_1",
        "name": "get_weather",
        "arguments": '{"city":"Rome"}',
    },
    "response.mcp_call_arguments.delta": {**CALL, "delta": "{"},
    "response.mcp_call_arguments.done": {**CALL, "arguments": "{}"},
    "response.mcp_call.in_progress": {"item_id": "item_1", "output_index": 0},
    "response.mcp_call.completed": {"item_id": "item_1", "output_index": 0},
    "response.mcp_call.failed": {"item_id": "item_1", "output_index": 0},
    "mcp_list_tools.in_progress": {"item_id": "item_1"},
    "mcp_list_tools.completed": {"item_id": "item_1"},
    "mcp_list_tools.failed": {"item_id": "item_1"},
    "rate_limits.updated": {
        "rate_limits": [{"name": "tokens", "limit": 40000, "remaining": 39000, "reset_seconds": 1.5}]
    },
    "output_audio_buffer.started": {"response_id": "resp_1"},
    "output_audio_buffer.stopped": {"response_id": "resp_1"},
    "output_audio_buffer.cleared": {"response_id": "resp_1"},
}
"""The fields of one event of every type; ``type`` and ``event_id`` are put in by `server_sample`."""

CLIENT_SAMPLES: dict[str, dict[str, Any]] = {
    "session.update": {"session": {"type": "realtime", "instructions": "Be brief."}},
    "input_audio_buffer.append": {"audio": "AAAAAA=="},
    "input_audio_buffer.commit": {},
    "input_audio_buffer.clear": {},
    "conversation.item.create": {
        "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        "previous_item_id": "root",
    },
    "conversation.item.retrieve": {"item_id": "item_1"},
    "conversation.item.truncate": {"item_id": "item_1", "content_index": 0, "audio_end_ms": 250},
    "conversation.item.delete": {"item_id": "item_1"},
    "response.create": {"response": {"instructions": "Now.", "metadata": {"topic": "x"}}},
    "response.cancel": {},
    "output_audio_buffer.clear": {},
}


def server_sample(event_type: str, **changes: Any) -> dict[str, Any]:
    """One whole server event."""
    return {"type": event_type, "event_id": "event_1", **SERVER_SAMPLES[event_type], **changes}


def client_sample(event_type: str, **changes: Any) -> dict[str, Any]:
    """One whole client event."""
    return {"type": event_type, "event_id": "client_1", **CLIENT_SAMPLES[event_type], **changes}
