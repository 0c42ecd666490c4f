"""Conversations that begin while the engine still loads: at once, with what they ask for kept."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any

import anyio
import pytest

from tests.engine.fakes import FakeVad
from voicewire.engine.local import LocalRealtimeModel
from voicewire.engine.runtime import EngineOptions, EngineRuntime
from voicewire.errors import ModelLoadError, SessionClosed, VoicewireError
from voicewire.events import AppendAudio, ModelEvents, SendText, SessionConfig, UpdateSession
from voicewire.events.base import EventBase
from voicewire.events.commands import CreateItem
from voicewire.events.items import ContentPart, Item
from voicewire.models import RealtimeConnection

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

WAIT_S = 10.0


class SlowVad(FakeVad):
    """Loads when it is let, and fails when it is told to."""

    may_load = threading.Event()
    is_missing = False

    def __init__(self) -> None:
        assert self.may_load.wait(WAIT_S)
        if self.is_missing:
            raise ModelLoadError("its file is missing; run `voicewire setup`")


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> Generator[EngineOptions, None, None]:
    """An engine that loads slowly, of stages that cost nothing."""
    stages = {"recognizer": "FakeRecognizer", "synthesizer": "FakeSynthesizer", "brain": "create_brain"}
    defaults = {stage: f"tests.engine.fakes:{name}" for stage, name in stages.items()}
    endpointer = "voicewire.engine.endpoint:SilenceEndpointer"
    monkeypatch.setattr(
        "voicewire.engine.runtime.DEFAULTS",
        {**defaults, "endpointer": endpointer, "vad": f"{__name__}:SlowVad", "turn_model": ""},
    )
    monkeypatch.setattr(SlowVad, "may_load", threading.Event())
    monkeypatch.setattr(SlowVad, "is_missing", False)
    options = EngineOptions(use_turn_model=False, brain="fake")
    yield options
    SlowVad.may_load.set()
    EngineRuntime.forget(options)


def said(text: str) -> Item:
    return Item(id="", role="user", content=(ContentPart(kind="text", text=text),))


async def until(connection: RealtimeConnection, kind: type[EventBase]) -> EventBase:
    with anyio.fail_after(WAIT_S):
        async for event in connection:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"the conversation ended without {kind.__name__}")


async def test_it_begins_at_once_and_is_answered_when_the_engine_is_there(options: EngineOptions) -> None:
    model = LocalRealtimeModel(options=options)
    loading = model.preload()
    assert model.preload() is loading, "it is loaded once"
    with anyio.fail_after(WAIT_S):
        async with model.open(config=SessionConfig(turn_detection=None)) as connection:
            await until(connection, ModelEvents.ModelSessionCreatedEvent)
            await connection.send(CreateItem(item=said("what was said before")))
            await connection.send(UpdateSession(instructions="Be brief."))
            assert connection.config.instructions == "Be brief."
            order: list[str] = []

            async def ask(*commands: Any) -> None:
                for command in commands:
                    await connection.send(command)
                    order.append(type(command).__name__)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask, AppendAudio(bytes(3200), 16000), SendText("hello there"))
                await anyio.wait_all_tasks_blocked()
                assert order == [], "audio waits for the ear"
                assert not loading.done()
                SlowVad.may_load.set()
            assert order == ["AppendAudio", "SendText"]
            done = await until(connection, ModelEvents.ModelResponseDoneEvent)
            assert isinstance(done, ModelEvents.ModelResponseDoneEvent) and done.status == "completed"
    assert loading.result(WAIT_S) is None


async def test_it_ends_by_the_error_of_the_loading(options: EngineOptions) -> None:
    SlowVad.is_missing = True
    model = LocalRealtimeModel(options=options)
    model.preload()
    with anyio.fail_after(WAIT_S), pytest.raises(ModelLoadError, match="voicewire setup"):
        async with model.open() as connection:
            await until(connection, ModelEvents.ModelSessionCreatedEvent)
            SlowVad.may_load.set()
            async for _ in connection:
                pass
    with pytest.raises(ModelLoadError):  # nothing loads any more: who opens next is told at once
        async with model.open():
            pass


async def test_who_leaves_meanwhile_waits_for_nothing(options: EngineOptions) -> None:
    model = LocalRealtimeModel(options=options)
    loading = model.preload()
    refusals: list[VoicewireError] = []
    with anyio.fail_after(WAIT_S):
        async with model.open() as connection:

            async def speak() -> None:
                try:
                    await connection.send(AppendAudio(bytes(3200), 16000))
                except VoicewireError as error:
                    refusals.append(error)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(speak)
                await anyio.wait_all_tasks_blocked()
                await connection.aclose()
    assert not loading.done()
    assert [type(error) for error in refusals] == [SessionClosed]
