"""Scenarios for the ``dashscope`` SDK, unmodified, against any server of the DashScope realtime wire.

The SDK is made of threads and callbacks, so the scenarios are plain functions for a thread of their own. Every event
is checked before it is looked at; the SDK's own thread is joined at the end of each session.
"""

from __future__ import annotations

import base64
import contextlib
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import dashscope
from dashscope.audio.qwen_omni import (
    MultiModality,
    OmniRealtimeCallback,
    OmniRealtimeConversation,
)
from dashscope.audio.qwen_omni.omni_realtime import TranscriptionParams
from dashscope.audio.qwen_tts_realtime import QwenTtsRealtime, QwenTtsRealtimeCallback

from .subjects import CHUNK_MS, SUBJECTS, WEATHER_RESULT, WEATHER_TOOL, Subject, contains

INPUT_RATE_HZ = 16_000
OUTPUT_RATE_HZ = 24_000
TIMEOUT_S = 60.0
BOTH = [MultiModality.TEXT, MultiModality.AUDIO]
EVENTS = frozenset(
    """error session.created session.updated session.finished input_audio_buffer.speech_started
    input_audio_buffer.speech_stopped input_audio_buffer.committed input_audio_buffer.cleared
    conversation.item.created conversation.item.retrieved conversation.item.deleted
    conversation.item.input_audio_transcription.text conversation.item.input_audio_transcription.completed
    conversation.item.input_audio_transcription.failed response.created response.output_item.added
    response.output_item.done response.content_part.added response.content_part.done response.text.delta
    response.text.done response.audio.delta response.audio.done response.audio_transcript.delta
    response.audio_transcript.done response.function_call_arguments.delta response.function_call_arguments.done
    response.done input_text_buffer.committed input_text_buffer.cleared""".split()
)
"""What the documents of the wire know (the specification, section 4)."""
SPEECH_EVENTS = frozenset(
    """error session.created session.updated session.finished input_text_buffer.committed input_text_buffer.cleared
    response.created response.output_item.added response.content_part.added response.audio.delta response.audio.done
    response.content_part.done response.output_item.done response.done""".split()
)
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(64) + b"\xff\xd9").decode()

Event = dict[str, Any]


class Judge(OmniRealtimeCallback, QwenTtsRealtimeCallback):
    """What the callbacks of one session saw."""

    def __init__(self, known: frozenset[str]) -> None:
        self.known = known
        self.seen: list[Event] = []
        self.faults: list[str] = []
        self.closed: tuple[Any, Any] | None = None
        self.events: queue.Queue[Event | None] = queue.Queue()
        self.raw_socket: socket.socket | None = None

    def on_open(self) -> None:
        return

    def on_close(self, close_status_code: Any, close_msg: Any) -> None:
        self.closed = (close_status_code, close_msg)
        self.events.put(None)

    def on_event(self, message: Any) -> None:
        if message["type"] not in self.known:
            self.faults.append(f"unknown event {message['type']}")
        if not message.get("event_id"):
            self.faults.append(f"no event_id in {message['type']}")
        self.seen.append(message)
        self.events.put(message)

    def until(self, *kinds: str) -> Event:
        """The next event of one of these types; fails at the end of the connection, or of time."""
        deadline = time.monotonic() + TIMEOUT_S
        while (event := self.events.get(timeout=max(0.1, deadline - time.monotonic()))) is not None:
            if event["type"] in kinds:
                return event
            assert event["type"] != "error", event
        raise AssertionError(
            f"closed with {self.closed} before {kinds}; saw {[e['type'] for e in self.seen]}"
        )

    def until_closed(self) -> tuple[Any, Any]:
        """The close code and message."""
        while self.events.get(timeout=TIMEOUT_S) is not None:
            pass
        assert self.closed is not None
        return self.closed

    def of(self, *kinds: str) -> list[Event]:
        """Everything seen of these types."""
        return [event for event in self.seen if event["type"] in kinds]

    @property
    def words(self) -> str:
        """What the model said in its last response."""
        said = self.of("response.audio_transcript.done", "response.text.done")[-1]
        return str(said.get("transcript", said.get("text")))

    @property
    def audio(self) -> bytes:
        """All audio that came."""
        return b"".join(base64.b64decode(event["delta"]) for event in self.of("response.audio.delta"))


class Omni(Judge):
    """A conversation of the SDK."""

    def __init__(self, url: str, subject: Subject) -> None:
        super().__init__(EVENTS)
        self.subject = subject
        self.sdk: Any = OmniRealtimeConversation(
            model=subject.model, callback=self, url=f"{url}/api-ws/v1/realtime", api_key="judge"
        )

    def configure(self, **settings: Any) -> Event:
        """Updates the session; gives what is then in force."""
        self.sdk.update_session(**{"output_modalities": BOTH, "voice": "Cherry", **settings})
        session: Event = self.until("session.updated")["session"]
        return session

    def say(self, text: str) -> None:
        """A message of text; the caller asks for the answer."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        self.sdk.create_item(item)

    def speak(self, pcm: bytes | None = None) -> None:
        """Streams audio at the wire's own rate."""
        pcm = at_16khz(self.subject.speech()) if pcm is None else pcm
        chunk_bytes = INPUT_RATE_HZ * CHUNK_MS // 1000 * 2
        began = time.monotonic()
        for index, offset in enumerate(range(0, len(pcm), chunk_bytes)):
            if self.subject.pace:
                time.sleep(max(0.0, began + index * CHUNK_MS / 1000 / self.subject.pace - time.monotonic()))
            self.sdk.append_audio(base64.b64encode(pcm[offset : offset + chunk_bytes]).decode())


def at_16khz(pcm_24khz: bytes) -> bytes:
    """The judges' speech at the rate of this wire's input."""
    import numpy as np

    samples = np.frombuffer(pcm_24khz, "<i2").astype(np.float32)
    positions = np.arange(len(samples) * 2 // 3) * 1.5
    found: bytes = np.interp(positions, np.arange(len(samples)), samples).astype("<i2").tobytes()
    return found


@contextmanager
def conversing(url: str, model: str, **settings: Any) -> Generator[Omni, None, None]:
    """A configured conversation; afterwards its thread has ended."""
    judge = Omni(url, SUBJECTS[model])
    enter(judge)
    try:
        created = judge.until("session.created")["session"]
        assert created["id"]
        judge.configure(**settings)
        yield judge
    finally:
        leave(judge)
    assert not judge.faults, judge.faults
    assert created["id"] == judge.sdk.get_session_id()


def enter(judge: Any) -> None:
    """Connects."""
    judge.sdk.connect()
    judge.raw_socket = judge.sdk.ws.sock.sock


def leave(judge: Any) -> None:
    """Ends the session in order, closes, and joins the SDK's thread.

    The thread notices a close of our own only when its wait for data of ten seconds is over, one of the server at once.
    """
    thread: threading.Thread = judge.sdk.thread
    if judge.closed is None:
        with contextlib.suppress(ConnectionError):
            judge.sdk.send_raw('{"type": "session.finish"}')
        thread.join(TIMEOUT_S / 2)
    judge.sdk.close()
    thread.join(TIMEOUT_S)
    judge.raw_socket.close()  # the SDK forgets it when the server closes first
    assert not thread.is_alive()


def check_response(judge: Omni, done: Event) -> None:
    """The response is whole, and told in the order of the documents."""
    response = done["response"]
    assert response["status"] == "completed", response
    usage = response["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    assert usage["output_tokens_details"]["text_tokens"] > 0
    assert response["output"]
    begin = next(i for i, e in enumerate(judge.seen) if e.get("response", {}).get("id") == response["id"])
    # The words of the user may come while the answer is being made.
    told = [event["type"] for event in judge.seen[begin:] if "input_audio" not in event["type"]]
    expected = ["response.created", "response.output_item.added", "conversation.item.created"]
    assert told[:3] == expected, told[:5]
    assert told[told.index("response.done") - 1] == "response.output_item.done"


def text_turn(url: str, model: str) -> None:
    """Text in, speech and its words out; then written words alone."""
    with conversing(url, model, instructions="Be brief.") as judge:
        for _ in range(2):
            judge.say(judge.subject.text_prompt)
            judge.sdk.create_response()
            done = judge.until("response.done")
            assert contains(judge.subject.text_answer, judge.words), judge.words
            check_response(judge, done)
        assert len(judge.audio) >= OUTPUT_RATE_HZ // 10 * 2
        assert judge.sdk.get_last_first_audio_delay() is not None
        heard = len(judge.audio)
        judge.say(judge.subject.text_prompt)
        judge.sdk.create_response(output_modalities=[MultiModality.TEXT])
        judge.until("response.done")
        assert contains(judge.subject.text_answer, judge.words), judge.words
        assert len(judge.audio) == heard


def spoken_turn(url: str, model: str) -> None:
    """Speech in, its end found by the server; whole partial texts, then the final one, then speech out."""
    with conversing(url, model, turn_detection_silence_duration_ms=500) as judge:
        judge.speak()
        done = judge.until("response.done")
        check_response(judge, done)
        heard = judge.of("conversation.item.input_audio_transcription.completed")[-1]["transcript"]
        assert contains(judge.subject.transcript, heard), heard
        partial = judge.of("conversation.item.input_audio_transcription.text")[0]
        assert heard.startswith((partial["text"] + partial["stash"])[:3])
        assert contains(judge.subject.spoken_answer, judge.words), judge.words
        started = judge.of("input_audio_buffer.speech_started")[0]
        stopped = judge.of("input_audio_buffer.speech_stopped")[0]
        assert started["audio_start_ms"] < stopped["audio_end_ms"]
        assert started["item_id"] == stopped["item_id"]


def manual_turn(url: str, model: str) -> None:
    """Turns that the client ends; the server answers nothing by itself."""
    with conversing(url, model, enable_turn_detection=False) as judge:
        judge.speak(bytes(INPUT_RATE_HZ))
        judge.sdk.clear_appended_audio()
        judge.until("input_audio_buffer.cleared")
        for _ in range(2):
            judge.speak()
            judge.sdk.commit()
            judge.until("input_audio_buffer.committed")
            judge.sdk.create_response()
            done = judge.until("response.done")
            check_response(judge, done)
            assert contains(judge.subject.spoken_answer, judge.words), judge.words
        assert not judge.of("input_audio_buffer.speech_started")


def image_in_a_turn(url: str, model: str) -> None:
    """A frame of video beside the audio."""
    with conversing(url, model, enable_turn_detection=False) as judge:
        judge.speak()
        judge.sdk.append_video(JPEG)
        judge.sdk.commit()
        judge.sdk.create_response()
        done = judge.until("response.done")
        check_response(judge, done)
        parts = [
            p["type"] for e in judge.of("conversation.item.created") for p in e["item"].get("content") or ()
        ]
        assert "input_image" in parts, parts
        assert done["response"]["usage"]["input_tokens_details"]["image_tokens"] > 0


def tool_call(url: str, model: str) -> None:
    """A function call, its result, and the answer that uses it. Tools are nested on this wire."""
    tool = {"type": "function", "function": {key: WEATHER_TOOL[key] for key in WEATHER_TOOL if key != "type"}}
    with conversing(url, model, tools=[tool]) as judge:
        judge.say(judge.subject.tool_prompt)
        judge.sdk.create_response()
        done = judge.until("response.done")
        call = judge.of("response.function_call_arguments.done")[-1]
        assert call["name"] == "get_weather"
        assert "paris" in json.loads(call["arguments"])["city"].lower()
        assert [item["type"] for item in done["response"]["output"]] == ["function_call"]
        judge.sdk.create_item(
            {"type": "function_call_output", "call_id": call["call_id"], "output": WEATHER_RESULT}
        )
        judge.sdk.create_response()
        judge.until("response.done")
        assert contains(judge.subject.tool_answer, judge.words), judge.words


def interrupted_turn(url: str, model: str) -> None:
    """The client cancels what the model says; then the user interrupts it by speaking."""
    with conversing(url, model, turn_detection_silence_duration_ms=500) as judge:
        judge.say(judge.subject.long_prompt)
        judge.sdk.create_response()
        judge.until("response.audio.delta")
        judge.sdk.cancel_response()
        assert judge.until("response.done")["response"]["status"] == "cancelled"
        judge.say(judge.subject.long_prompt)
        judge.sdk.create_response()
        judge.until("response.audio.delta")
        judge.speak()
        assert judge.until("response.done")["response"]["status"] == "cancelled"
        answered = judge.until("response.done")
        check_response(judge, answered)
        assert contains(judge.subject.spoken_answer, judge.words), judge.words


def refused_events(url: str, model: str) -> None:
    """What a client does wrong is an error that names the event, and the session goes on."""
    with conversing(url, model) as judge:
        judge.sdk.update_session(output_modalities=[MultiModality.AUDIO])
        error = judge.until("error")["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_value")
        assert error["param"] == "session.modalities"
        judge.sdk.send_raw('{"type": "no.such.event", "event_id": "mine"}')
        assert judge.until("error")["error"]["event_id"] == "mine"
        judge.sdk.cancel_response()
        assert "none active response" in judge.until("error")["error"]["message"]
        judge.sdk.send_raw("ping")
        judge.sdk.send_raw('{"type": ')
        assert judge.until("error")["error"]["code"] == "invalid_json"
        judge.say(judge.subject.text_prompt)
        judge.sdk.create_response()
        judge.until("response.done")
        assert contains(judge.subject.text_answer, judge.words)


def ended_session(url: str, model: str) -> None:
    """``end_session`` returns when everything is done, and the server closes."""
    with conversing(url, model, enable_turn_detection=False) as judge:
        judge.say(judge.subject.text_prompt)
        judge.sdk.create_response()
        judge.until("response.created")
        judge.sdk.end_session(timeout=30)
        code, _ = judge.until_closed()
        assert code == 1000
        order = [event["type"] for event in judge.seen]
        assert order.index("response.done") < order.index("session.finished") == len(order) - 1


def transcribed_speech(url: str, model: str) -> None:
    """Qwen-ASR: a session that only transcribes, with turns found by the server and turns by hand."""
    params = TranscriptionParams(language="en", sample_rate=INPUT_RATE_HZ, input_audio_format="pcm")
    for is_manual in (False, True):
        judge = Omni(url, SUBJECTS[model])
        enter(judge)
        try:
            session = judge.configure(
                output_modalities=[MultiModality.TEXT],
                voice=None,
                transcription_params=params,
                enable_turn_detection=not is_manual,
            )
            assert session["sample_rate"] == INPUT_RATE_HZ
            assert session["input_audio_transcription"]["language"] == "en"
            judge.speak()
            if is_manual:
                judge.sdk.commit()
            final = judge.until("conversation.item.input_audio_transcription.completed")
            assert contains(judge.subject.transcript, final["transcript"]), final
            judge.sdk.end_session(timeout=30)
            assert not judge.of("response.created")
            assert not judge.faults, judge.faults
        finally:
            leave(judge)


class Speech(Judge):
    """A Qwen-TTS session of the SDK."""

    def __init__(self, url: str, model: str) -> None:
        super().__init__(SPEECH_EVENTS)
        dashscope.api_key = "judge"
        self.sdk: Any = QwenTtsRealtime(model=model, callback=self, url=f"{url}/api-ws/v1/realtime")


@contextmanager
def speaking(url: str, model: str, **settings: Any) -> Generator[Speech, None, None]:
    """A configured Qwen-TTS session; afterwards its thread has ended."""
    judge = Speech(url, model)
    enter(judge)
    try:
        judge.sdk.update_session(**{"voice": "Cherry", **settings})
        session = judge.until("session.updated")["session"]
        assert session["mode"] == settings.get("mode", "server_commit")
        assert (session["response_format"], session["sample_rate"]) == (
            "pcm",
            settings.get("sample_rate", 24000),
        )
        yield judge
    finally:
        leave(judge)
    assert not judge.faults, judge.faults


def spoken_text(url: str, model: str) -> None:
    """``server_commit``: text comes in pieces, is spoken as it becomes whole, and the rest at the end."""
    with speaking(url, model, mode="server_commit") as judge:
        for piece in ("Good mor", "ning. How are", " you? I am", " fine"):
            judge.sdk.append_text(piece)
        judge.until("response.done")
        judge.sdk.finish()
        judge.until("session.finished")
        assert judge.until_closed()[0] == 1000
        done = judge.of("response.done")
        assert all(event["response"]["status"] == "completed" for event in done)
        characters = sum(event["response"]["usage"]["characters"] for event in done)
        assert characters >= len("Good morning. How are you? I am fine") - 2
        assert len(judge.audio) > OUTPUT_RATE_HZ // 2
        assert judge.sdk.get_first_audio_delay() is not None


def committed_text(url: str, model: str) -> None:
    """``commit``: nothing is spoken before the client says so; cleared text never is; a cancel ends it."""
    with speaking(url, model, mode="commit", sample_rate=16000) as judge:
        judge.sdk.append_text("This is never heard.")
        judge.sdk.clear_appended_text()
        judge.until("input_text_buffer.cleared")
        judge.sdk.append_text("First. ")
        judge.sdk.append_text("Second.")
        assert not judge.of("response.created")
        judge.sdk.commit()
        judge.until("input_text_buffer.committed")
        first = judge.until("response.done")["response"]
        assert (first["status"], first["usage"]["characters"]) == ("completed", len("First. Second."))
        judge.sdk.append_text("And a third one.")
        judge.sdk.commit()
        judge.until("response.done")
        judge.sdk.finish()
        judge.until("session.finished")
        order = [event["type"] for event in judge.seen if event["type"] != "response.audio.delta"]
        begin = order.index("response.created")
        assert order[begin : begin + 7] == [
            "response.created",
            "response.output_item.added",
            "response.content_part.added",
            "response.audio.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.done",
        ]


Scenario = Callable[[str, str], None]
SCENARIOS: dict[str, Scenario] = {
    "text": text_turn,
    "audio with server VAD": spoken_turn,
    "audio with manual turns": manual_turn,
    "image": image_in_a_turn,
    "tool round trip": tool_call,
    "interruption": interrupted_turn,
    "error": refused_events,
    "end of session": ended_session,
    "ASR": transcribed_speech,
    "TTS server_commit": spoken_text,
    "TTS commit": committed_text,
}
