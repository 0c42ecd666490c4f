"""The DashScope task door: Paraformer's, Gummy's, CosyVoice's and Sambert's clients talk to any served model."""

from __future__ import annotations

import math
from typing import Any, Final, cast

import anyio
import anyio.to_thread

from voicewire.errors import AudioError, ProviderError
from voicewire.events.model import ResponseStatus
from voicewire.gateway.compressed import CompressedAudio
from voicewire.gateway.doors import Door
from voicewire.gateway.line import NORMAL
from voicewire.gateway.observe import new_session_id
from voicewire.gateway.socket import ClientGone, ClientSocket, Scope
from voicewire.gateway.speech_line import SpeechLine, SpeechTurn, Trouble
from voicewire.protocols.codec import Frame
from voicewire.protocols.dashscope_task.server import TaskServerCodec
from voicewire.protocols.dashscope_task.wire import (
    IDLE_ASR_S,
    IDLE_TTS_S,
    FinishTask,
    Flush,
    MoreAudio,
    MoreText,
    Request,
    RunTask,
    Sentence,
    SpokenAudio,
    SpokenWords,
    TaskFinished,
    TaskStarted,
    Word,
)
from voicewire.speech.asr import AsrClient
from voicewire.speech.results import RecognitionEvent, SynthesizedAudio, WordBoundary
from voicewire.speech.served import recogniser_of, voice_of
from voicewire.speech.ssml import read_ssml
from voicewire.speech.tts import TtsClient

TASK_PATHS: Final = ("/api-ws/v1/inference", "/api-ws/v1/inference/")
RECOGNISE_RATE_HZ: Final = 16_000
_RAW: Final = frozenset({"pcm", "wav"})
_DECODED: Final = frozenset({"mp3", "opus", "ogg", "flac"})
_BETWEEN_TASKS_S: Final = 60.0
_DEFAULT_RATE_HZ: Final = 22_050
MAX_COMPRESSED_BYTES: Final = 32 * 1024 * 1024
"""Compressed audio of one task; it is decoded when it is whole."""
_MEDIA_TYPES: Final = {"pcm": "audio/pcm", "wav": "audio/wav", "mp3": "audio/mpeg"}
_INVALID: Final = "InvalidParameter"
_CODES: Final = {
    "rate_limit_exceeded": "Throttling.RateQuota",
    "session_expired": "RequestTimeOut",
    "idle_timeout": "RequestTimeOut",
    "message_too_large": _INVALID,
    "invalid_json": _INVALID,
    "server_shutting_down": "SystemError",
    "internal_error": "InternalError",
}
"""The gateway's codes in the words of this wire; ``insufficient_quota`` is one of its own."""


class DashScopeTaskDoor(Door):
    """``WS /api-ws/v1/inference``: recognition and synthesis tasks, one after the other."""

    name = "dashscope-task"

    async def serve(self, socket: ClientSocket, scope: Scope) -> None:
        """Serves one client of this wire."""
        socket.visit.session_id = new_session_id()
        try:
            await socket.accept(None)
        except ClientGone:
            return
        caller = TaskCaller(self, socket)
        await caller.line.serve(caller.talk)


class TaskCaller:
    """One client's tasks.

    Args:
        door: The door.
        socket: An accepted WebSocket.
    """

    def __init__(self, door: Door, socket: ClientSocket) -> None:
        self.line = SpeechLine(door, socket, self)
        self._door = door
        self._socket = socket
        self._codec = TaskServerCodec()
        self._asr: AsrClient[Any] | None = None
        self._tts: TtsClient[Any] | None = None
        self._turn: SpeechTurn | None = None
        self._rate_hz = RECOGNISE_RATE_HZ
        self._compressed: bytearray | None = None
        self._first_audio_s = 0.0
        self._is_finishing = False
        self._outcome: tuple[ResponseStatus, str] = ("completed", "")
        self._ssml = ""

    async def talk(self) -> None:
        """Takes frames until the client leaves or a task fails."""
        while not self._codec.is_closing:
            frame = await self.line.receive(self._patience_s())
            if frame is None:
                self._time_is_up()
                return
            for request in self._codec.receive(frame):
                await self._obey(request)
            await self.line.send(self._codec.data_to_send())
        message = "the task was refused"  # the client has been told why
        self.line.fail(Trouble(code=_INVALID, message=message, close_code=NORMAL, cause="task_failed"))

    def farewell(self, trouble: Trouble) -> tuple[list[Frame], int]:
        """A failed task, as this wire says it: its clients wait for that, not for the end of the connection."""
        if self._turn is not None and self._codec.task is not None:
            self._turn.done("failed", trouble.cause)
        if trouble.error is not None:
            code = str(getattr(trouble.error, "code", "") or _INVALID)
            return self._codec.refuse(code, trouble.message), NORMAL
        if trouble.cause == "drain" and self._codec.task is None:
            return [], trouble.close_code
        return self._codec.refuse(_CODES.get(trouble.code, trouble.code), trouble.message), trouble.close_code

    def _patience_s(self) -> float | None:
        """How long the next frame may take."""
        task = self._codec.task
        if task is None:
            return _BETWEEN_TASKS_S
        if self._is_finishing or task.kind == "sambert" or task.parameters.get("heartbeat"):
            return None
        return IDLE_TTS_S if task.kind == "tts" else IDLE_ASR_S

    def _time_is_up(self) -> None:
        task = self._codec.task
        if task is None:
            return
        message = (
            f"request timeout after {IDLE_TTS_S:.0f} seconds" if task.kind == "tts" else "Response timeout!"
        )
        self.line.fail(Trouble(code="idle_timeout", message=message, close_code=NORMAL))

    async def _obey(self, request: Request) -> None:
        match request:
            case RunTask():
                await self._begin(request)
            case MoreAudio(data):
                await self._take_audio(data)
            case MoreText(text):
                await self._take_text(text)
            case Flush():
                if self._tts is not None:
                    await self._tts.flush()
            case FinishTask(is_cancel=True):
                await self._cancel()
            case FinishTask():
                await self._finish()

    async def _begin(self, task: RunTask) -> None:
        self._asr = self._tts = self._compressed = None
        self._outcome = ("completed", "")
        self._is_finishing, self._ssml = False, ""
        model = self._door.model_for(self._socket, task.model)
        self.line.use(model)
        self._turn = turn = self.line.turn()
        parameters = task.parameters
        if task.kind in ("tts", "sambert"):
            self._tts = await self.line.opened(
                voice_of(
                    model,
                    sample_rate_hz=_integer(parameters.get("sample_rate")) or _DEFAULT_RATE_HZ,
                    format=_format(parameters.get("format")),
                    voice=_string(parameters.get("voice")),
                    speech_rate=_number(parameters.get("rate"), 1.0),
                    volume=round(_number(parameters.get("volume"), 50)),
                )
            )
        else:
            self._asr = await self._recogniser(task, model)
        await self.line.send(self._codec.encode(TaskStarted()))
        self.line.run(lambda: self._relay(task, turn))
        if task.kind == "sambert":
            await self._take_text(task.text)
            await self._finish()

    async def _recogniser(self, task: RunTask, model: Any) -> AsrClient[Any]:
        parameters = task.parameters
        kind = str(parameters.get("format") or "pcm").lower()
        if kind not in _RAW | _DECODED:
            raise ProviderError(f"the format {kind[:20]!r} is not decoded here", code="UNSUPPORTED_FORMAT")
        rate_hz = _integer(parameters.get("sample_rate")) or RECOGNISE_RATE_HZ
        if kind in _DECODED:
            self._compressed, rate_hz = bytearray(), RECOGNISE_RATE_HZ
        self._rate_hz = rate_hz
        client = recogniser_of(
            model,
            sample_rate_hz=rate_hz,
            language=_first_string(parameters.get("language_hints"))
            or _string(parameters.get("source_language")),
            silence_ms=_integer(parameters.get("max_sentence_silence") or parameters.get("max_end_silence")),
        )
        return await self.line.opened(client)

    async def _take_audio(self, data: bytes) -> None:
        if self._asr is None or self._is_finishing:
            return
        if self._compressed is None:
            self.line.heard_audio(len(data) / 2 / self._rate_hz)
            await self._asr.send(data)
            return
        if not self._compressed:
            self._first_audio_s = anyio.current_time()
        if len(self._compressed) + len(data) > MAX_COMPRESSED_BYTES:
            raise AudioError(
                f"more than {MAX_COMPRESSED_BYTES} bytes of compressed audio came; send PCM instead"
            )
        self._compressed += data

    async def _take_text(self, text: str) -> None:
        task = self._codec.task
        if self._tts is None or task is None or self._is_finishing:
            return
        if self._ssml or text.lstrip().startswith("<speak"):
            self._ssml += text  # it is read when it is whole
        else:
            await self._say(self._tts, text)

    async def _say(self, voice: TtsClient[Any], text: str) -> None:
        if self._turn is not None:
            self._turn.asked(text)
        await voice.send(text)

    async def _finish(self) -> None:
        self._is_finishing = True
        if self._asr is not None:
            if self._compressed:
                await self._send_decoded(self._asr, bytes(self._compressed))
            if self._turn is not None:
                self._turn.all_heard()
            await self._asr.finish()
        if self._tts is not None:
            if self._ssml:
                await self._say(self._tts, read_ssml(self._ssml).text)
            await self._tts.finish()

    async def _send_decoded(self, client: AsrClient[Any], data: bytes) -> None:
        audio = await anyio.to_thread.run_sync(CompressedAudio, data, RECOGNISE_RATE_HZ)
        self.line.heard_recording(audio.duration_s, anyio.current_time() - self._first_audio_s)
        pieces = audio.pieces()
        while (pcm16 := await anyio.to_thread.run_sync(next, pieces, None)) is not None:
            await client.send(pcm16)

    async def _cancel(self) -> None:
        """The client wants nothing any more; the task ends normally all the same."""
        self._outcome = ("cancelled", "client_cancelled")
        for tool in (self._asr, self._tts):
            if tool is not None:
                await self.line.close(tool)

    async def _relay(self, task: RunTask, turn: SpeechTurn) -> None:
        """Reports the results of one task to its end."""
        tool = self._asr or self._tts
        assert tool is not None
        try:
            if self._asr is not None:
                await self._relay_words(self._asr, turn)
            elif self._tts is not None:
                await self._relay_audio(self._tts, task, turn)
            turn.done(*self._outcome)
            if self._codec.task is not None:  # else the task was one too many for its budget
                await self.line.send(self._codec.encode(TaskFinished()))
        finally:
            turn.settle()
        await self.line.close(tool)

    async def _relay_words(self, client: AsrClient[Any], turn: SpeechTurn) -> None:
        index = 1
        async for event in client:
            if not isinstance(event, RecognitionEvent) or not event.text:
                continue
            words = tuple(
                Word(text=word.text, begin_ms=word.start_ms, end_ms=word.end_ms, punctuation=word.punctuation)
                for word in event.words
            ) or (Word(text=event.text, begin_ms=event.start_ms, end_ms=event.end_ms),)
            sentence = Sentence(
                text=event.text,
                begin_ms=event.start_ms,
                end_ms=event.end_ms,
                is_end=event.is_final,
                words=words,
                index=index,
                duration_s=-(-event.end_ms // 1000) if event.is_final else None,
            )
            if event.is_final:
                turn.recognised(event.text)
            await self.line.send(self._codec.encode(sentence))
            index += event.is_final

    async def _relay_audio(self, client: TtsClient[Any], task: RunTask, turn: SpeechTurn) -> None:
        with_words = bool(task.parameters.get("word_timestamp_enabled"))
        media_type = _MEDIA_TYPES.get(client.config.format, "audio/ogg")
        rate_hz = client.config.sample_rate or _DEFAULT_RATE_HZ
        async for event in client:
            match event:
                case SynthesizedAudio():
                    await self.line.send(self._codec.encode(SpokenAudio(event.data)))
                    turn.said(event.data, media_type, rate_hz, client.spoken_s)
                case WordBoundary() if with_words:
                    word = Word(text=event.text, begin_ms=event.start_ms, end_ms=event.end_ms)
                    await self.line.send(self._codec.encode(SpokenWords((word,))))
                case _:
                    continue


def _format(name: object) -> str:
    """The format of a voice; nothing chosen (``Default``) is MP3."""
    wanted = str(name or "mp3").lower()
    return "mp3" if wanted == "default" else wanted


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _number(value: object, default: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(cast("float", value)) if is_number else default


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _first_string(value: object) -> str | None:
    """Of a client's list, which may be anything else."""
    return _string(cast("list[object]", value)[0]) if isinstance(value, list) and value else None
