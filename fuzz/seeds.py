"""The first inputs of each target: conversations as the wire has them, to be bent from there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.protocols.openai_samples import CLIENT_SAMPLES, SERVER_SAMPLES

from fuzz.targets import joined

if TYPE_CHECKING:
    from voicewire.protocols.codec import Frame

_IDS = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
_ITEM: dict[str, Any] = {
    "id": "i1",
    "type": "message",
    "role": "assistant",
    "status": "in_progress",
    "content": [],
}
_USAGE = {"total_tokens": 3, "input_tokens": 1, "output_tokens": 2}
_AUDIO = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AQID"}}
_SPEECH = "input_audio_buffer."
_WORDS = "conversation.item.input_audio_transcription."


def _typed(samples: dict[str, dict[str, Any]]) -> list[Frame]:
    return [json.dumps({"type": kind, "event_id": "e1", **fields}) for kind, fields in samples.items()]


def _flat(audio: str, words: str) -> list[Frame]:
    """A conversation of the flat wires, from the greeting to the end of an answer with a call."""
    call = {"id": "i2", "type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    done = {**_ITEM, "status": "completed"}
    events: list[dict[str, Any]] = [
        {"type": "session.created", "session": {"id": "s", "voice": "alloy"}},
        {"type": "session.updated", "session": {"id": "s", "voice": "alloy", "input_audio_format": "pcm16"}},
        {"type": f"{_SPEECH}speech_started", "item_id": "u1", "audio_start_ms": 10},
        {"type": f"{_SPEECH}speech_stopped", "item_id": "u1", "audio_end_ms": 900},
        {"type": f"{_SPEECH}committed", "item_id": "u1", "previous_item_id": None},
        {
            "type": f"{_WORDS}delta",
            "item_id": "u1",
            "content_index": 0,
            "delta": "he",
            "text": "he",
            "stash": "l",
        },
        {"type": f"{_WORDS}completed", "item_id": "u1", "content_index": 0, "transcript": "hello"},
        {"type": "response.created", "response": {"id": "r1", "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "response_id": "r1", "output_index": 0, "item": _ITEM},
        {"type": "conversation.item.created", "previous_item_id": "u1", "item": _ITEM},
        {"type": "response.content_part.added", **_IDS, "part": {"type": "audio", "transcript": ""}},
        {"type": words, **_IDS, "delta": "Hi"},
        {"type": audio, **_IDS, "delta": "AQIDBA=="},
        {"type": audio.replace("delta", "done"), **_IDS},
        {"type": words.replace("delta", "done"), **_IDS, "transcript": "Hi"},
        {"type": "response.output_item.done", "response_id": "r1", "output_index": 0, "item": done},
        {"type": "response.output_item.added", "response_id": "r1", "output_index": 1, "item": call},
        {
            "type": "response.function_call_arguments.done",
            **_IDS,
            "item_id": "i2",
            "call_id": "c1",
            "name": "f",
            "arguments": "{}",
        },
        {"type": "response.output_item.done", "response_id": "r1", "output_index": 1, "item": call},
        {
            "type": "response.done",
            "response": {"id": "r1", "status": "completed", "output": [], "usage": _USAGE},
        },
        {"type": "error", "error": {"type": "invalid_request_error", "code": "x", "message": "no"}},
        {"type": "session.finished"},
    ]
    return [json.dumps(event) for event in events]


def _gemini_server_says() -> list[Frame]:
    messages: list[dict[str, Any]] = [
        {"setupComplete": {"sessionId": "s"}},
        {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}},
        {"serverContent": {"interimInputTranscription": {"text": "he"}}},
        {"serverContent": {"inputTranscription": {"text": "hello", "finished": True}}},
        {"serverContent": {"modelTurn": {"parts": [{"text": "x", "thought": True}, _AUDIO]}}},
        {"serverContent": {"modelTurn": {"parts": [_AUDIO]}}},
        {"serverContent": {"outputTranscription": {"text": "Hi"}, "groundingMetadata": {"a": 1}}},
        {"serverContent": {"interrupted": True}},
        {"serverContent": {"modelTurn": {"parts": [{"executableCode": {"code": "1"}}]}}},
        {"toolCall": {"functionCalls": [{"id": "c1", "name": "f", "args": {"a": 1}}]}},
        {"toolCallCancellation": {"ids": ["c1"]}},
        {"serverContent": {"generationComplete": True}},
        {
            "serverContent": {"turnComplete": True, "turnCompleteReason": "NEED_MORE_INPUT"},
            "usageMetadata": {
                "totalTokenCount": 3,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}],
            },
        },
        {"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "1.5s"}},
        {"goAway": {"timeLeft": "50s"}},
        {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down"}},
    ]
    return [json.dumps(message) for message in messages]


def _gemini_client_says() -> list[Frame]:
    blob = {"mimeType": "audio/pcm;rate=16000", "data": "AQID"}
    tool = {
        "functionDeclarations": [{"name": "f", "behavior": "NON_BLOCKING", "parameters": {"type": "OBJECT"}}]
    }
    messages: list[dict[str, Any]] = [
        {
            "setup": {
                "model": "m",
                "generationConfig": {
                    "responseModalities": ["AUDIO"],
                    "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}},
                },
                "systemInstruction": {"parts": [{"text": "Be brief."}]},
                "tools": [tool],
                "realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": 100}},
                "inputAudioTranscription": {},
                "sessionResumption": {"handle": "h"},
            }
        },
        {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "hi"}]}], "turnComplete": True}},
        {
            "clientContent": {
                "turns": [{"role": "model", "parts": [{"functionCall": {"id": "c", "name": "f"}}]}]
            }
        },
        {"realtimeInput": {"audio": blob}},
        {"realtimeInput": {"mediaChunks": [blob]}},
        {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "AQID"}}},
        {"realtimeInput": {"activityStart": {}}},
        {"realtimeInput": {"activityEnd": {}}},
        {"realtimeInput": {"audioStreamEnd": True}},
        {"realtimeInput": {"text": "hi"}},
        {"toolResponse": {"functionResponses": [{"id": "c", "name": "f", "response": {"output": "x"}}]}},
        {"contextUpdate": {"tools": [tool]}},
    ]
    return [json.dumps(message) for message in messages]


def _task(event: str, payload: dict[str, Any], **header: str) -> str:
    return json.dumps({"header": {"task_id": "t", "event": event, **header}, "payload": payload})


def _task_service_says() -> list[Frame]:
    word = {"begin_time": 0, "end_time": 90, "text": "hi", "punctuation": ".", "speaker_id": 1}
    sentence = {
        "sentence_id": 1,
        "begin_time": 0,
        "end_time": 90,
        "text": "hi",
        "words": [word],
        "sentence_end": True,
    }
    partial = {
        **sentence,
        "end_time": None,
        "stash": {"text": "x"},
        "current_time": 40,
        "sentence_end": False,
    }
    translations = [{**sentence, "lang": "en"}]
    return [
        _task("task-started", {}),
        _task("result-generated", {"output": {"sentence": partial}, "usage": None}),
        _task("result-generated", {"output": {"sentence": sentence}, "usage": {"duration": 1}}),
        _task("result-generated", {"output": {"transcription": partial, "translations": translations}}),
        _task("result-generated", {"output": {"sentence": {"heartbeat": True}}}),
        b"\x01\x02" * 8,
        _task("task-finished", {"output": {}, "usage": {"characters": 2}}),
        _task("task-failed", {}, error_code="x", error_message="no"),
    ]


def _task_client_says() -> list[Frame]:
    def request(action: str, **payload: Any) -> str:
        header = {"task_id": "t", "action": action, "streaming": "duplex"}
        return json.dumps({"header": header, "payload": payload})

    return [
        request(
            "run-task", model="gummy", task_group="audio", task="asr", parameters={"format": "pcm"}, input={}
        ),
        b"\x01\x02" * 8,
        request("continue-task", input={"text": "hi"}),
        request("continue-task", input={"flush": True}),
        request("finish-task", input={"directive": "cancel"}),
        request("run-task", model="sambert-x", task="tts", input={"text": "hi"}),
    ]


def _recogniser_says() -> list[Frame]:
    from voicewire.protocols.azure_speech.wire import audio_frame, text_frame

    form = b"WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80>\x00\x00\x00}\x00\x00\x02\x00\x10\x00"
    header = b"RIFF\x00\x00\x00\x00" + form + b"data"
    context = {
        "phraseDetection": {"mode": "Conversation", "language": "en-US", "initialSilenceTimeout": 5000},
        "phraseOutput": {"format": "Detailed"},
        "dgi": {"Groups": [{"Type": "Generic", "Items": [{"Text": "Voicewire"}]}]},
    }
    return [
        text_frame("speech.config", "r", {"context": {}}),
        text_frame("speech.context", "r", context),
        audio_frame("r", "", header + b"\xff\xff\xff\xff" + b"\x01\x00" * 8, "audio/x-wav"),
        audio_frame("r", "", b"\x01\x00" * 8, "audio/x-wav"),
        audio_frame("r", "", b"", "audio/x-wav"),
        text_frame("telemetry", "r", {}),
    ]


def _synthesizer_says() -> list[Frame]:
    from voicewire.protocols.azure_speech.wire import text_frame

    audio = {
        "outputFormat": "audio-24khz-48kbitrate-mono-mp3",
        "metadataOptions": {"wordBoundaryEnabled": True},
    }
    return [
        text_frame("synthesis.context", "r", {"synthesis": {"audio": audio, "input": {"voiceName": "x"}}}),
        "X-RequestId:r\r\nContent-Type:application/ssml+xml\r\nPath:ssml\r\n\r\n<speak>hi</speak>",
        "X-RequestId:r2\r\nContent-Type:text/plain\r\nPath:text.piece\r\n\r\nhi",
        "X-RequestId:r2\r\nContent-Type:text/plain\r\nPath:text.end\r\n\r\n",
    ]


def _of(name: str) -> list[list[Frame]]:
    ga = [
        _flat("response.output_audio.delta", "response.output_audio_transcript.delta"),
        _typed(SERVER_SAMPLES),
    ]
    flat = [_flat("response.audio.delta", "response.audio_transcript.delta")]
    client_says = [_typed(CLIENT_SAMPLES)]
    match name.split("-"):
        case ["openai" | "xai", "client"]:
            return ga
        case ["gemini", "client"]:
            return [_gemini_server_says()]
        case ["gemini", "server"]:
            return [_gemini_client_says()]
        case ["task", "server"]:
            return [_task_client_says()]
        case ["task", _, "client"]:
            return [_task_service_says()]
        case ["azure", "speech", "recognition"]:
            return [_recogniser_says()]
        case ["azure", "speech", "synthesis"]:
            return [_synthesizer_says()]
        case [*_, "client"]:
            return [*flat, *ga]
        case _:
            return client_says


def seeds_of(name: str) -> list[bytes]:
    """The first inputs of a target, by its name."""
    return [joined(frames) for frames in _of(name)]
