"""The service's side: a client's frames become requests, results become frames. Pure.

The traps of the official clients (their finish frames differ by task, a partial sentence has no end) are handled here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from voicewire.errors import LocalProtocolError
from voicewire.protocols.codec import Frame
from voicewire.protocols.dashscope_task.wire import (
    MAX_TEXT_CHARS,
    ClientFrame,
    ClientPayload,
    FinishTask,
    Flush,
    Header,
    MoreAudio,
    MoreText,
    Request,
    RunTask,
    Sentence,
    SpokenAudio,
    SpokenWords,
    TaskEvent,
    TaskFailed,
    TaskFinished,
    TaskKind,
    TaskStarted,
    Word,
)

INVALID = "InvalidParameter"


class TaskServerCodec:
    """One connection; tasks follow each other on it, one at a time."""

    def __init__(self) -> None:
        self._task: RunTask | None = None
        self._spoken_chars = 0
        self._out: list[Frame] = []
        self.is_closing = False
        """A task failed: the connection ends when everything is sent."""

    @property
    def task(self) -> RunTask | None:
        """The task under way."""
        return self._task

    def receive(self, frame: Frame) -> list[Request]:
        """The requests of one frame; a refusal is queued for ``data_to_send``."""
        if self.is_closing:
            return []
        if isinstance(frame, bytes):
            return self._audio(frame)
        try:
            message = msgspec.json.decode(frame, type=ClientFrame)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if not frame.lstrip().startswith("{"):
                return []  # old clients send a bare ``ping``
            self._fail(INVALID, f"the frame is not a request of this service: {error}")
            return []
        payload = message.payload or ClientPayload()
        match message.header.action:
            case "run-task":
                return self._run(message.header, payload)
            case "continue-task":
                return self._continue(message.header, payload)
            case "finish-task":
                return self._finish(message.header, payload)
            case action:
                self._fail(INVALID, f"there is no action {action[:40]!r}")
                return []

    def data_to_send(self) -> list[Frame]:
        """Frames that receiving made necessary."""
        out, self._out = self._out, []
        return out

    def encode(self, event: TaskEvent) -> list[Frame]:
        """The frames of one event of the task under way.

        Raises:
            LocalProtocolError: There is no task, or this side never sends such an event.
        """
        task = self._task
        if task is None:
            raise LocalProtocolError("there is no task under way")
        match event:
            case TaskStarted():
                return [_frame(task.task_id, "task-started", {})]
            case Sentence():
                output = _gummy(event) if task.kind == "translation" else _sentence(event)
                usage = None if event.duration_s is None else {"duration": event.duration_s}
                return [_result(task.task_id, output, usage)]
            case SpokenAudio():
                return self._audio_frames(task, event)
            case SpokenWords():
                return [self._words_frame(task, event)]
            case TaskFinished():
                self._task = None
                return [_frame(task.task_id, "task-finished", self._finish_payload(task))]
            case TaskFailed():
                self._fail(event.code, event.message)
                return self.data_to_send()
            case _:
                raise LocalProtocolError(f"a service sends no {type(event).__name__}")

    def refuse(self, code: str, message: str) -> list[Frame]:
        """Fails the task under way, and ends the connection; there may be no task. Nothing when that has happened."""
        if self.is_closing:
            return []
        self._fail(code, message)
        return self.data_to_send()

    def _run(self, header: Header, payload: ClientPayload) -> list[Request]:
        if self._task is not None:
            self._fail(INVALID, f"task {self._task.task_id!r} is still under way on this connection")
            return []
        kind = _kind(header, payload)
        text = payload.input.get("text", "")
        self._task = task = RunTask(
            task_id=header.task_id,
            model=payload.model,
            kind=kind or "asr",
            parameters=payload.parameters,
            text=text if isinstance(text, str) else "",
        )
        self._spoken_chars = len(task.text)
        if kind is None:
            self._fail(INVALID, f"task {payload.task[:40]!r} is none of asr, tts")
        elif not header.task_id:
            self._fail(INVALID, "header.task_id is missing")
        elif not payload.model:
            self._fail(INVALID, "payload.model is missing")
        elif kind == "sambert" and not task.text.strip():
            self._fail(INVALID, "text is null")
        return [] if self.is_closing else [task]

    def _continue(self, header: Header, payload: ClientPayload) -> list[Request]:
        if not self._is_mine(header):
            return []
        if payload.input.get("flush"):
            return [Flush()]
        text = payload.input.get("text")
        if not isinstance(text, str):
            return []  # an update of the recognition context
        if len(text) > MAX_TEXT_CHARS:
            self._fail(
                INVALID, f"text has {len(text)} characters; at most {MAX_TEXT_CHARS} go into one piece"
            )
            return []
        self._spoken_chars += len(text)
        return [MoreText(text)]

    def _finish(self, header: Header, payload: ClientPayload) -> list[Request]:
        if not self._is_mine(header):
            return []
        return [FinishTask(payload.input.get("directive") == "cancel")]

    def _audio(self, data: bytes) -> list[Request]:
        if self._task is None or self._task.kind not in ("asr", "translation"):
            self._fail(INVALID, "audio came before a recognition task was started")
            return []
        return [MoreAudio(data)] if data else []

    def _is_mine(self, header: Header) -> bool:
        if self._task is None or header.task_id != self._task.task_id:
            self._fail(INVALID, f"there is no task {header.task_id[:40]!r} on this connection")
            return False
        return True

    def _fail(self, code: str, message: str) -> None:
        task_id = self._task.task_id if self._task is not None else ""
        header: dict[str, Any] = {
            "task_id": task_id,
            "event": "task-failed",
            "error_code": code,
            "error_message": message,
            "attributes": {},
        }
        self._out.append(_text({"header": header, "payload": {}}))
        self._task = None
        self.is_closing = True

    def _audio_frames(self, task: RunTask, event: SpokenAudio) -> list[Frame]:
        if task.kind == "sambert":
            return [event.data]
        # The announcement belongs to the one binary frame behind it.
        output: dict[str, Any] = {"type": "sentence-synthesis", "sentence": {"index": 0, "words": []}}
        return [_result(task.task_id, output, None), event.data]

    def _words_frame(self, task: RunTask, event: SpokenWords) -> Frame:
        words = [_word(word) for word in event.words]
        if task.kind == "sambert":
            begin, end = event.words[0].begin_ms, event.words[-1].end_ms
            sentence: dict[str, Any] = {"begin_time": begin, "end_time": end, "words": words}
            return _result(task.task_id, {"sentence": sentence}, None)
        output = {"type": "sentence-end", "sentence": {"index": 0, "words": words}}
        return _result(task.task_id, output, {"characters": self._spoken_chars})

    def _finish_payload(self, task: RunTask) -> dict[str, Any]:
        match task.kind:
            case "sambert":
                return {}  # with an output, its client looks for a sentence in it
            case "tts":
                return {"output": {"sentence": {"words": []}}, "usage": {"characters": self._spoken_chars}}
            case _:
                return {
                    "output": {},
                    "usage": {"duration": 0},
                }  # without an output, its client never completes


def _kind(header: Header, payload: ClientPayload) -> TaskKind | None:
    if payload.task == "tts":
        return "sambert" if header.streaming == "out" or payload.model.startswith("sambert") else "tts"
    if payload.task != "asr":
        return None
    is_translation = payload.model.startswith("gummy") or "transcription_enabled" in payload.parameters
    return "translation" if is_translation else "asr"


def _sentence(event: Sentence) -> dict[str, Any]:
    sentence = {
        "sentence_id": event.index,
        "begin_time": event.begin_ms,
        "end_time": event.end_ms if event.is_end else None,  # clients take any end for that of the sentence
        "text": event.text,
        "heartbeat": False,
        "sentence_end": event.is_end,
        "words": [_word(word) for word in event.words],
    }
    return {"sentence": sentence}


def _gummy(event: Sentence) -> dict[str, Any]:
    end = event.end_ms if event.end_ms is not None else event.begin_ms
    common: dict[str, Any] = {
        "sentence_id": event.index,
        "begin_time": event.begin_ms,
        "end_time": end,
        "sentence_end": event.is_end,
    }
    words = [{**_word(word), "fixed": event.is_end} for word in event.words]
    output: dict[str, Any] = {"transcription": {**common, "text": event.text, "words": words}}
    output["translations"] = [
        {**common, "lang": language, "text": text, "words": []} for language, text in event.translations
    ]
    if not output["translations"]:
        del output["translations"]
    return output


def _word(word: Word) -> dict[str, Any]:
    data: dict[str, Any] = {
        "text": word.text,
        "begin_time": word.begin_ms,
        "end_time": word.end_ms,
        "punctuation": word.punctuation,
        "begin_index": 0,
        "end_index": len(word.text),
    }
    if word.speaker:
        data["speaker_id"] = word.speaker
    return data


def _result(task_id: str, output: dict[str, Any], usage: dict[str, Any] | None) -> str:
    return _frame(task_id, "result-generated", {"output": output, "usage": usage})


def _frame(task_id: str, event: str, payload: dict[str, Any]) -> str:
    return _text({"header": {"task_id": task_id, "event": event, "attributes": {}}, "payload": payload})


def _text(data: dict[str, Any]) -> str:
    return msgspec.json.encode(data).decode()
