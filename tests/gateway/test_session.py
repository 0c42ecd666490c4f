"""One session: both directions, and every way it can end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest

from voicewire.errors import (
    AuthError,
    ConfigError,
    ConnectionLost,
    OutOfCapacity,
    SessionClosed,
    UnsupportedError,
)
from voicewire.events.commands import SendText
from voicewire.events.model import (
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
    ModelSessionEndedEvent,
)
from voicewire.events.session import SessionConfig
from voicewire.gateway.admission import Admission
from voicewire.gateway.session import GatewaySession
from voicewire.gateway.settings import GatewaySettings

from .fakes import FakeClient, FakeCodec, FakeConnection, FakeModel

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

CREATED = ModelResponseCreatedEvent(response_id="r1")
BIG = ModelResponseDoneEvent(response_id="r", input_tokens=0, output_tokens=0, message="x" * 40_000)
DONE = ModelResponseDoneEvent(response_id="r1", input_tokens=1, output_tokens=1)


@dataclass
class Scene:
    client: FakeClient
    connection: FakeConnection
    admission: Admission


def ended(code: int, reason: str) -> ModelSessionEndedEvent:
    return ModelSessionEndedEvent(session_id="s", reason=reason, code=code)


@asynccontextmanager
async def session(
    *,
    reads: bool = True,
    failure: Exception | None = None,
    refusal: SessionClosed | UnsupportedError | None = None,
    settings: GatewaySettings | None = None,
) -> AsyncGenerator[Scene, None]:
    """A running session; leaving waits, at most five seconds, until it has ended by itself."""
    scene = Scene(FakeClient(reads=reads), FakeConnection(refusal), Admission(1))
    limits = settings or GatewaySettings(close_grace_s=0.05)
    gateway = GatewaySession(scene.client.socket, FakeCodec(), limits, scene.admission)
    try:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(gateway.run, FakeModel(scene.connection, failure), SessionConfig())
                yield scene
    finally:
        scene.client.close_streams()


async def test_frames_become_commands_and_events_become_frames() -> None:
    async with session() as scene:
        scene.client.say("hello")
        await scene.connection.got_command.wait()
        scene.connection.happen(CREATED, DONE, ended(1000, "bye"))
    assert scene.connection.commands == [SendText("hello")]
    kinds = [frame["type"] for frame in scene.client.frames()]
    assert kinds == ["model_response_created", "model_response_done", "model_session_ended"]


@pytest.mark.parametrize(
    ("code", "sent"), [(1000, 1000), (1001, 1001), (4000, 4000), (1005, 1000), (0, 1000), (1015, 1011)]
)
async def test_the_end_of_the_model_closes_the_client_with_its_code(code: int, sent: int) -> None:
    async with session() as scene:
        scene.connection.happen(CREATED, ended(code, "the reason"))
    assert scene.client.closes() == [(sent, "the reason")]
    assert scene.connection.is_closed
    assert not scene.client.is_cut


async def test_an_abnormal_end_of_the_model_cuts_the_client_without_a_close() -> None:
    async with session() as scene:
        scene.connection.happen(CREATED, ended(1006, "dropped"))
    assert scene.client.is_cut
    assert scene.client.closes() == []
    assert scene.client.frames()[0]["type"] == "model_response_created"


async def test_an_end_without_an_event_is_reported_with_the_error() -> None:
    async with session() as scene:
        scene.connection.happen(ConnectionLost("the provider is gone"))
    assert scene.client.closes() == [(1011, "the provider is gone")]
    assert scene.client.frames()[-1]["code"] == "model_failed"


async def test_a_client_that_vanishes_ends_the_model_at_once() -> None:
    async with session() as scene:
        scene.connection.happen(CREATED)
        scene.client.vanish()
    assert scene.connection.is_closed
    assert scene.client.closes() == []


async def test_a_client_that_never_reads_is_cut_when_the_budget_is_used_up() -> None:
    settings = GatewaySettings(send_budget_bytes=64 * 1024, close_grace_s=0.05)
    async with session(reads=False, settings=settings) as scene:
        scene.connection.happen(BIG, BIG)
    assert scene.client.is_cut
    assert scene.client.sent == []
    assert scene.connection.is_closed


async def test_a_slow_client_that_reads_again_is_told_why() -> None:
    settings = GatewaySettings(send_budget_bytes=64 * 1024, close_grace_s=5)
    async with session(reads=False, settings=settings) as scene:
        scene.connection.happen(BIG, BIG)
        await anyio.wait_all_tasks_blocked()
        scene.client.read_on()
    (close,) = scene.client.closes()
    assert close[0] == 1008
    assert "too slow" in close[1]
    assert not scene.client.is_cut


@pytest.mark.parametrize(
    ("failure", "code", "close_code"),
    [
        (OutOfCapacity("all engines are busy"), "out_of_capacity", 1013),
        (ConfigError("no key; set OPENAI_API_KEY"), "model_misconfigured", 1011),
        (AuthError("refused", code="invalid_api_key"), "invalid_api_key", 1011),
        (RuntimeError("a bug"), "internal_error", 1011),
    ],
)
async def test_a_model_that_does_not_open_is_reported(failure: Exception, code: str, close_code: int) -> None:
    async with session(failure=failure) as scene:
        pass
    (error,) = scene.client.frames()
    assert (error["type"], error["code"]) == ("model_error", code)
    assert scene.client.closes()[0][0] == close_code
    assert "a bug" not in str(scene.client.sent)


async def test_a_fault_in_the_middle_reaches_the_client_as_1011() -> None:
    async with session() as scene:
        scene.connection.happen(CREATED, RuntimeError("a bug"))
    assert scene.client.closes() == [(1011, "internal error")]
    assert scene.client.frames()[-1]["code"] == "internal_error"
    assert scene.connection.is_closed


async def test_what_the_model_cannot_do_is_refused_and_the_session_goes_on() -> None:
    async with session(refusal=UnsupportedError("no images")) as scene:
        scene.client.say("an image")
        await scene.connection.got_command.wait()
        await anyio.wait_all_tasks_blocked()
        scene.connection.happen(ended(1000, "bye"))
    first = scene.client.frames()[0]
    assert (first["type"], first["error_type"], first["message"]) == (
        "model_error",
        "invalid_request_error",
        "no images",
    )


async def test_a_command_after_the_end_waits_for_the_end_event() -> None:
    async with session(refusal=SessionClosed("over")) as scene:
        scene.client.say("too late")
        await scene.connection.got_command.wait()
        scene.connection.happen(ended(1001, "expired"))
    assert [frame["type"] for frame in scene.client.frames()] == ["model_session_ended"]
    assert scene.client.closes() == [(1001, "expired")]


async def test_a_message_above_the_limit_is_refused_in_the_words_of_the_wire() -> None:
    settings = GatewaySettings(max_message_bytes=64 * 1024, close_grace_s=0.05)
    async with session(settings=settings) as scene:
        scene.client.say("x" * (64 * 1024 + 1))
        scene.client.say("small")
        await scene.connection.got_command.wait()
        scene.connection.happen(ended(1000, "bye"))
    assert scene.client.frames()[0]["code"] == "message_too_large"
    assert scene.connection.commands == [SendText("small")]


async def test_a_drain_lets_the_response_under_way_end() -> None:
    async with session() as scene:
        scene.connection.happen(CREATED)
        await anyio.wait_all_tasks_blocked()
        scene.admission.draining.set()
        await anyio.wait_all_tasks_blocked()
        assert scene.client.closes() == []
        scene.connection.happen(DONE)
    assert scene.client.closes() == [(1001, "the server is shutting down")]
    assert scene.client.frames()[-1]["type"] == "model_response_done"


async def test_a_drain_waits_no_longer_than_it_may() -> None:
    async with session(settings=GatewaySettings(drain_s=0.0, close_grace_s=0.05)) as scene:
        scene.connection.happen(CREATED)
        await anyio.wait_all_tasks_blocked()
        scene.admission.draining.set()
    assert scene.client.closes() == [(1001, "the server is shutting down")]
