"""The client's side: requests become frames, the service's frames become events. Pure."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from voicewire.errors import LocalProtocolError, RemoteProtocolError
from voicewire.protocols.codec import Frame
from voicewire.protocols.dashscope_task.wire import (
    RawEvent,
    RunTask,
    Sentence,
    ServerFrame,
    SpokenAudio,
    SpokenWords,
    TaskEvent,
    TaskFailed,
    TaskFinished,
    TaskStarted,
    Word,
)


class TaskClientCodec:
    """One connection; tasks follow each other on it, one at a time."""

    def __init__(self) -> None:
        self._task: RunTask | None = None
        self._is_started = False

    @property
    def is_free(self) -> bool:
        """Whether another task may be run on this connection."""
        return self._task is None

    def run(self, task: RunTask, *, resources: tuple[dict[str, Any], ...] = ()) -> str:
        """The frame that asks for a task.

        Raises:
            LocalProtocolError: One is under way.
        """
        if self._task is not None:
            raise LocalProtocolError("a task is under way on this connection; finish it first")
        self._task = task
        self._is_started = False
        is_tts = task.kind in ("tts", "sambert")
        payload: dict[str, Any] = {
            "model": task.model,
            "task_group": "audio",
            "task": "tts" if is_tts else "asr",
            "function": "SpeechSynthesizer" if is_tts else "recognition",
            "parameters": task.parameters,
            "input": {"text": task.text} if task.kind == "sambert" else {},
        }
        if resources:
            payload["resources"] = list(resources)
        return self._request("run-task", payload)

    def text(self, text: str) -> str:
        """The frame of a piece of text."""
        return self._request("continue-task", {**self._tts_head(), "input": {"text": text}})

    def flush(self) -> str:
        """The frame that has everything said that came so far."""
        return self._request("continue-task", {**self._tts_head(), "input": {"flush": True}})

    def finish(self, *, is_cancel: bool = False) -> str:
        """The frame after the last input."""
        return self._request("finish-task", {"input": {"directive": "cancel"} if is_cancel else {}})

    def receive(self, frame: Frame | memoryview) -> list[TaskEvent]:
        """The events of one frame; those of other tasks and heartbeats give none.

        Raises:
            RemoteProtocolError: The frame is not of this wire.
        """
        if isinstance(frame, bytes):
            return [SpokenAudio(frame)] if frame and self._task is not None else []
        try:
            message = msgspec.json.decode(frame, type=ServerFrame)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RemoteProtocolError(f"DashScope sent a frame that cannot be read: {error}") from error
        task = self._task
        header = message.header
        if task is None or (header.task_id and header.task_id != task.task_id):
            return []
        match header.event:
            case "task-started":
                self._is_started = True
                return [TaskStarted()]
            case "result-generated":
                return self._result(task, message.payload or {}, frame)
            case "task-finished":
                self._task = None
                return [TaskFinished()]
            case "task-failed":
                self._task = None
                return [TaskFailed(header.error_code, header.error_message)]
            case _:
                return [RawEvent(_as_text(frame))]

    def _result(self, task: RunTask, payload: dict[str, Any], frame: str | memoryview) -> list[TaskEvent]:
        output = _object(payload.get("output"))
        try:
            match task.kind:
                case "asr":
                    return _sentence(_object(output.get("sentence")), payload)
                case "translation":
                    return _gummy(output, payload)
                case _:
                    return _spoken(output, _as_text(frame))
        except (TypeError, ValueError) as error:
            raise RemoteProtocolError(f"DashScope sent a result that cannot be read: {error}") from error

    def _tts_head(self) -> dict[str, Any]:
        task = self._task
        model = task.model if task is not None else ""
        return {"model": model, "task_group": "audio", "task": "tts", "function": "SpeechSynthesizer"}

    def _request(self, action: str, payload: dict[str, Any]) -> str:
        task = self._task
        if task is None:
            raise LocalProtocolError(f"{action} needs a task; run one first")
        streaming = "out" if task.kind == "sambert" else "duplex"
        header = {"action": action, "task_id": task.task_id, "streaming": streaming}
        return msgspec.json.encode({"header": header, "payload": payload}).decode()


def _sentence(data: dict[str, Any], payload: dict[str, Any]) -> list[TaskEvent]:
    if not data or data.get("heartbeat"):
        return []
    # The service's own client goes by the end time, a page of the manual by the flag.
    is_end = data.get("end_time") is not None or bool(data.get("sentence_end"))
    return [_sentence_of(data, is_end=is_end, payload=payload)]


def _gummy(output: dict[str, Any], payload: dict[str, Any]) -> list[TaskEvent]:
    data = _object(output.get("transcription"))
    translations = tuple(
        (str(entry.get("lang", "")), str(entry.get("text", "")))
        for entry in _objects(output.get("translations"))
    )
    if not data:
        if not translations:
            return []
        data = {**_objects(output.get("translations"))[0], "text": ""}
    stash = _object(data.get("stash")).get("text")
    if isinstance(stash, str):
        data = {**data, "text": f"{data.get('text', '')}{stash}"}
    is_end = bool(data.get("sentence_end"))
    return [_sentence_of(data, is_end=is_end, payload=payload, translations=translations)]


def _sentence_of(
    data: dict[str, Any],
    *,
    is_end: bool,
    payload: dict[str, Any],
    translations: tuple[tuple[str, str], ...] = (),
) -> Sentence:
    end = data.get("end_time", data.get("current_time"))
    duration = _object(payload.get("usage")).get("duration")
    return Sentence(
        text=str(data.get("text") or ""),
        begin_ms=int(data.get("begin_time") or 0),
        end_ms=None if end is None else int(end),
        is_end=is_end,
        words=tuple(_word(word) for word in _objects(data.get("words"))),
        index=int(data.get("sentence_id") or 0),
        translations=translations,
        duration_s=None if duration is None else int(duration),
    )


def _spoken(output: dict[str, Any], raw: str) -> list[TaskEvent]:
    words = tuple(_word(word) for word in _objects(_object(output.get("sentence")).get("words")))
    events: list[TaskEvent] = [RawEvent(raw)]
    return [*events, SpokenWords(words)] if words else events


def _word(data: dict[str, Any]) -> Word:
    begin = int(data.get("begin_time") or 0)
    return Word(
        text=str(data.get("text") or ""),
        begin_ms=begin,
        end_ms=int(data.get("end_time") or begin),
        punctuation=str(data.get("punctuation") or ""),
        speaker=str(data.get("speaker_id", "") if data.get("speaker_id") is not None else ""),
    )


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    entries = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict)]


def _as_text(frame: str | memoryview) -> str:
    return frame if isinstance(frame, str) else bytes(frame).decode()
