"""What clients of the speech doors send, spelt out."""

from __future__ import annotations

import json
from typing import Any, Final

TASK: Final = "/api-ws/v1/inference"
AZURE_ASR: Final = "/speech/universal/v2"
AZURE_TTS: Final = "/cognitiveservices/websocket/v1"
WAV_16K: Final = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\0\0\0"
"""The header before 16-bit mono audio of 16 kHz."""


def run_task(
    task: str = "asr", model: str = "m", streaming: str = "duplex", text: str = "", **parameters: Any
) -> str:
    header = {"action": "run-task", "task_id": "t1", "streaming": streaming}
    payload = {
        "model": model,
        "task_group": "audio",
        "task": task,
        "parameters": parameters,
        "input": {"text": text},
    }
    return json.dumps({"header": header, "payload": payload})


def action(name: str, **inner: Any) -> str:
    return json.dumps({"header": {"action": name, "task_id": "t1"}, "payload": {"input": inner}})


def context(**body: Any) -> str:
    return f"Path:speech.context\r\nX-RequestId:r1\r\n\r\n{json.dumps(body)}"


def ssml(text: str) -> str:
    return f"Path:ssml\r\nX-RequestId:r1\r\n\r\n{text}"
