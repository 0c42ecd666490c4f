"""One target for each side of each wire: bytes are frames, and only what is documented may escape.

The frames of an input stand between ``FRAME_END``; one that begins with ``BINARY`` is binary, any other is text.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from voicewire.errors import RemoteProtocolError, UnsupportedError
from voicewire.events import model as m
from voicewire.events.base import EventBase
from voicewire.events.commands import Command, SendText, UpdateSession
from voicewire.events.session import SessionConfig

if TYPE_CHECKING:
    # Loaded when a target runs first, so that atheris can see into it.
    from voicewire.protocols.codec import ClientCodec, Frame
    from voicewire.protocols.dashscope.traits import Family
    from voicewire.protocols.dashscope_task.wire import TaskKind
    from voicewire.protocols.openai.flat import FlatDialect

FRAME_END = b"\xff\xff"
"""Between frames; in no UTF-8 text."""
BINARY = b"\xfe"
"""Before the content of a binary frame."""


@dataclass(frozen=True)
class Target:
    """One side of one wire.

    Raises AssertionError, or whatever escaped, when an input breaks it.
    """

    name: str
    run: Callable[[list[Frame]], None]

    def __call__(self, data: bytes) -> None:
        """Runs one input."""
        self.run(frames_of(data))


def frames_of(data: bytes) -> list[Frame]:
    """The frames of an input. Transports let no text pass that is not UTF-8, so there is none here."""
    return [
        part[1:] if part.startswith(BINARY) else part.decode("utf-8", "replace")
        for part in data.split(FRAME_END)
    ]


def joined(frames: Iterable[Frame]) -> bytes:
    """An input with these frames."""
    return FRAME_END.join(BINARY + frame if isinstance(frame, bytes) else frame.encode() for frame in frames)


def _refused(receive: Callable[[Frame], object], frame: Frame) -> None:
    """Feeds one frame to a codec that goes on after one that it refuses."""
    try:
        receive(frame)
    except RemoteProtocolError as error:
        assert str(error)


# ------------------------------------------------------------------ clients


class _Told:
    """What holds of a client's events on every wire, whatever the provider sends."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.ended: list[str] = []
        self.is_over = False

    def note(self, events: Iterable[EventBase]) -> None:
        for event in events:
            assert isinstance(event, EventBase)
            assert not self.is_over, "nothing follows the end"
            assert event.model_dump_json()
            match event:
                case m.ModelResponseCreatedEvent():
                    assert event.response_id not in self.created, "a response begins once"
                    self.created.append(event.response_id)
                case m.ModelResponseDoneEvent():
                    assert event.response_id in self.created, "what ends has begun"
                    assert event.response_id not in self.ended, "a response ends once"
                    self.ended.append(event.response_id)
                case m.ModelResponseAudioDeltaEvent():
                    assert event.response_id not in self.ended, "nothing of a response follows its end"
                case m.ModelSessionEndedEvent():
                    self.is_over = True
                case _:
                    pass


def drive_client(codec: ClientCodec, frames: list[Frame]) -> None:
    """Feeds a client; its events keep the rules, its own frames are JSON, its end is the end."""
    told = _Told()
    for frame in codec.opening():
        json.loads(frame)
    is_asked = False
    for number, frame in enumerate(frames):
        try:
            is_viewed = number % 2 and isinstance(frame, str)
            told.note(codec.receive(memoryview(frame.encode()) if is_viewed else frame))  # type: ignore[union-attr]  # a str, as was asked
        except RemoteProtocolError as error:
            assert str(error)
            _stays_closed(codec)
            break
        if codec.is_ready and not is_asked:
            is_asked = True
            with suppress(UnsupportedError):  # of a session that only transcribes
                for sent in codec.encode(SendText("hello")):
                    json.loads(sent)
        for sent in codec.data_to_send():
            json.loads(sent)
    told.note(codec.connection_lost(1006, "lost", is_expected=False))
    assert told.is_over and sorted(told.created) == sorted(told.ended)
    assert codec.connection_lost(1006, "lost", is_expected=False) == []


def _stays_closed(codec: ClientCodec) -> None:
    try:
        codec.receive("{}")
    except RemoteProtocolError:
        return
    raise AssertionError("a codec that met a broken frame is closed for good")


def _openai_client(frames: list[Frame]) -> None:
    from voicewire.protocols.openai.client import OpenAIClientCodec

    drive_client(OpenAIClientCodec(SessionConfig()), frames)


def _xai_client(frames: list[Frame]) -> None:
    from voicewire.protocols.openai.client import OpenAIClientCodec
    from voicewire.protocols.openai.dialect_xai import xai_session

    codec = OpenAIClientCodec(SessionConfig(), shape_session=xai_session, passed_events=frozenset({"ping"}))
    drive_client(codec, frames)


def _dialect(name: str) -> FlatDialect:
    from voicewire.protocols.openai.dialect_beta import BETA, FIRST_BETA
    from voicewire.protocols.openai.dialect_voicelive import VOICE_LIVE

    return {"beta": BETA, "beta-2024": FIRST_BETA, "voicelive": VOICE_LIVE}[name]


def _flat_client(name: str) -> Callable[[list[Frame]], None]:
    def run(frames: list[Frame]) -> None:
        from voicewire.protocols.openai.flat_client import FlatClientCodec

        codec = FlatClientCodec(SessionConfig(), _dialect(name), transcription_model="whisper-1")
        drive_client(codec, frames)

    return run


def _gemini_client(frames: list[Frame]) -> None:
    from voicewire.protocols.gemini.client import GeminiClientCodec

    drive_client(GeminiClientCodec(SessionConfig(), can_reopen=True), frames)


def _dashscope_client(family: Family) -> Callable[[list[Frame]], None]:
    def run(frames: list[Frame]) -> None:
        from voicewire.protocols.dashscope.client import DashScopeClientCodec
        from voicewire.protocols.dashscope.traits import WireTraits

        turns = {"tts": {"turn_detection": None, "transcription": None}}.get(family, {})
        config = SessionConfig(model="m", voice="Cherry", is_transcription_only=family == "asr", **turns)  # type: ignore[arg-type]  # fields by their names
        drive_client(DashScopeClientCodec(config, traits=WireTraits(family=family)), frames)

    return run


def _task_client(kind: TaskKind) -> Callable[[list[Frame]], None]:
    def run(frames: list[Frame]) -> None:
        from voicewire.protocols.dashscope_task.client import TaskClientCodec
        from voicewire.protocols.dashscope_task.wire import RunTask

        codec = TaskClientCodec()
        codec.run(RunTask(task_id="t", model="m", kind=kind, text="hello"))
        for frame in frames:
            _refused(codec.receive, frame)
        if codec.is_free:
            codec.run(RunTask(task_id="t2", model="m", kind=kind, text="hello"))

    return run


# ------------------------------------------------------------------ servers


class _Server(Protocol):
    """What the server sides of the conversational wires have in common."""

    def receive(self, frame: Frame) -> list[Command]: ...

    def encode(self, event: EventBase) -> list[Frame]: ...

    def data_to_send(self) -> list[Frame]: ...


def drive_server(codec: _Server, frames: list[Frame], config: SessionConfig) -> None:
    """Feeds a server: nothing escapes, its answers are JSON, and what it takes for a configuration can be told."""
    for frame in frames:
        for command in codec.receive(frame):
            if isinstance(command, UpdateSession):
                config = config.updated(command)
                event = m.ModelSessionUpdatedEvent(session_id="s", config=config)
                for told in codec.encode(event):
                    json.loads(told)
        for told in codec.data_to_send():
            json.loads(told)


def _ids() -> Callable[[str], str]:
    numbers = itertools.count(1)
    return lambda prefix: f"{prefix}_{next(numbers)}"


def _openai_server(frames: list[Frame]) -> None:
    from voicewire.protocols.openai.server import OpenAIServerCodec

    config = SessionConfig()
    drive_server(OpenAIServerCodec(config, ids=_ids(), now_s=1, model="m"), frames, config)


def _flat_server(name: str) -> Callable[[list[Frame]], None]:
    def run(frames: list[Frame]) -> None:
        from voicewire.protocols.openai.flat_server import FlatServerCodec
        from voicewire.protocols.openai.server import OpenAIServerCodec

        config = SessionConfig()
        inner = OpenAIServerCodec(config, ids=_ids(), now_s=1, model="m")
        drive_server(FlatServerCodec(inner, _dialect(name)), frames, config)

    return run


def _gemini_server(frames: list[Frame]) -> None:
    from voicewire.protocols.gemini.server import GeminiServerCodec
    from voicewire.protocols.gemini.server_requests import read_first

    first, *rest = frames
    try:
        setup = read_first(first)
    except RemoteProtocolError as error:
        assert str(error)
        setup = read_first('{"setup": {"model": "m"}}')
    codec = GeminiServerCodec(setup)
    codec.encode(m.ModelSessionCreatedEvent(session_id="s"))
    drive_server(codec, rest, setup.config)


def _dashscope_server(family: Family) -> Callable[[list[Frame]], None]:
    def run(frames: list[Frame]) -> None:
        from voicewire.protocols.dashscope.server import DashScopeServerCodec

        codec = DashScopeServerCodec(ids=_ids(), model="m", family=family)
        drive_server(codec, frames, codec.config)

    return run


def _task_server(frames: list[Frame]) -> None:
    from voicewire.protocols.dashscope_task.server import TaskServerCodec

    codec = TaskServerCodec()
    for frame in frames:
        codec.receive(frame)
        for told in codec.data_to_send():
            json.loads(told)
        if codec.is_closing:
            assert codec.receive(frame) == []


def _speech_recognition(frames: list[Frame]) -> None:
    from voicewire.protocols.azure_speech.server import RecognitionServerCodec
    from voicewire.protocols.azure_speech.wire import Query

    codec = RecognitionServerCodec(Query("/speech/recognition/conversation/cognitiveservices/v1"))
    for frame in frames:
        _refused(codec.receive, frame)
        assert codec.heard_ms >= 0
    codec.turn_started()
    codec.turn_ended()


def _speech_synthesis(frames: list[Frame]) -> None:
    from voicewire.protocols.azure_speech.server import SynthesisServerCodec

    codec = SynthesisServerCodec()
    for frame in frames:
        _refused(codec.receive, frame)
    codec.turn_started()
    codec.audio(b"\x00\x00")
    codec.turn_ended(10)


def _all() -> Iterable[Target]:
    families: tuple[Family, ...] = ("omni", "asr", "tts")
    kinds: tuple[TaskKind, ...] = ("asr", "translation", "tts", "sambert")
    yield Target("openai-client", _openai_client)
    yield Target("openai-server", _openai_server)
    yield Target("xai-client", _xai_client)
    for name in ("beta", "beta-2024", "voicelive"):
        yield Target(f"{name}-client", _flat_client(name))
        yield Target(f"{name}-server", _flat_server(name))
    yield Target("gemini-client", _gemini_client)
    yield Target("gemini-server", _gemini_server)
    for family in families:
        yield Target(f"dashscope-{family}-client", _dashscope_client(family))
        yield Target(f"dashscope-{family}-server", _dashscope_server(family))
    for kind in kinds:
        yield Target(f"task-{kind}-client", _task_client(kind))
    yield Target("task-server", _task_server)
    yield Target("azure-speech-recognition", _speech_recognition)
    yield Target("azure-speech-synthesis", _speech_synthesis)


TARGETS = {target.name: target for target in _all()}
"""Every target by its name."""
