"""Every provider x every state of its protocol x every fault that the shipped injector has.

Each cell: no hang (every wait is bounded), nothing left behind (tasks, threads, descriptors), the documented event or
error, and where the policy reconnects, the conversation goes on and nothing that the user said is missing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from itertools import product

import anyio
import anyio.lowlevel
import pytest

from tests.faults.leaks import ASYNC, SECRET, shown
from tests.supervisor.providers import (
    BOUND_S,
    PROVIDERS,
    SILENCE,
    SPEECH,
    Seen,
    Witness,
    model_of,
    speak,
    watched,
)
from voicewire.errors import (
    AuthError,
    ConnectFailed,
    ConnectTimeout,
    InvalidRequest,
    QuotaExceeded,
    RemoteProtocolError,
    SessionClosed,
    VoicewireError,
)
from voicewire.events import model as m
from voicewire.events.commands import SendText, SendToolResult
from voicewire.events.session import ToolSpec
from voicewire.models.model import RealtimeConnection
from voicewire.testing import ServedGateway, serve
from voicewire.testing.faults import FAULTS, Fault, FaultInjector

pytestmark = [pytest.mark.loopback, *ASYNC]

STATES = (
    "idle",
    "user speaking",
    "response started",
    "audio streaming",
    "tool call out",
    "tool result sent",
)
TOOLS = [ToolSpec(name="add")]
RESTORED: tuple[Fault, ...] = ("cut", "half_open")
ENDED: dict[Fault, tuple[type[Exception], int]] = {
    "garbage": (RemoteProtocolError, 1002),
    "oversize": (RemoteProtocolError, 1009),
    "auth": (AuthError, 1008),
    "quota": (QuotaExceeded, 1008),
}
LONG = "speak 0.2 seconds"
CALL = "call add {}"
LAST = "and now"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for all cells, so that one gateway serves them: starting and stopping one takes longer than a cell."""
    return "asyncio"


@dataclass(frozen=True)
class Place:
    """A gateway and what it was told."""

    gateway: ServedGateway
    witness: Witness


@pytest.fixture(scope="module")
async def shared_place(anyio_backend: str) -> AsyncGenerator[Place, None]:
    """The gateway of all cells."""
    witness = Witness()
    async with anyio.create_task_group() as tasks:
        for _ in range(
            4
        ):  # the loop keeps the threads that look names up; a cell shall not be the one to start them
            tasks.start_soon(anyio.getaddrinfo, "127.0.0.1", 80)
    async with serve(witness) as gateway:
        yield Place(gateway, witness)


@pytest.fixture
async def place(shared_place: Place) -> AsyncGenerator[Place, None]:
    """The gateway, which has no session before a cell and none after it."""
    shared_place.witness.sessions.clear()
    yield shared_place
    with anyio.fail_after(BOUND_S):
        await shared_place.gateway.admission.wait_until_empty()


def named(part: object) -> str:
    """A cell's name, without spaces."""
    return str(part).replace(" ", "_")


class Cell:
    """One session, brought to a state and broken there."""

    def __init__(
        self,
        provider: str,
        state: str,
        fault: Fault,
        faults: FaultInjector,
        connection: RealtimeConnection,
        seen: Seen,
    ) -> None:
        self.row = PROVIDERS[provider]
        self.state = state
        self.fault: Fault = fault
        self.faults = faults
        self.connection = connection
        self.seen = seen
        self.texts: list[str] = []
        """What the user wrote."""

    async def say(self, text: str) -> None:
        """A text of the user's."""
        self.texts.append(text)
        await self.connection.send(SendText(text))

    async def heard(self, words: str) -> None:
        """Waits for an answer with these words, and for its end."""
        await self.seen.until(
            lambda s: (
                any(words in text for text in s.answers)
                and len(s.of(m.ModelResponseDoneEvent)) == len(s.of(m.ModelResponseCreatedEvent))
            )
        )

    async def strike(self) -> None:
        """Brings the session to its state, and breaks it there."""
        state, row = self.state, self.row
        if state == "user speaking":
            await speak(self.connection, SPEECH)
            if row.tells_starts:
                await self.seen.until(lambda s: bool(s.of(m.ModelInputStartedEvent)))
        elif state in ("response started", "audio streaming"):
            self.faults.inject(self.fault, after=row.started if state == "response started" else row.sounding)
            await self.say(LONG)
            with anyio.fail_after(BOUND_S):
                await self.faults.connections[0].wait_struck()
            return
        elif state.startswith("tool"):
            await self.say(CALL)
            await self.seen.until(lambda s: bool(s.of(m.ModelResponseToolUseDoneEvent)))
            await self.seen.until(lambda s: bool(s.of(m.ModelResponseDoneEvent)))
            if state == "tool result sent":
                await self.give_result()
        else:
            await self.say("hello")
            await self.seen.until(lambda s: bool(s.of(m.ModelResponseDoneEvent)))
        self.faults.inject(self.fault)

    async def give_result(self) -> None:
        """The result of the call."""
        use = self.seen.of(m.ModelResponseToolUseDoneEvent)[0]
        assert isinstance(use, m.ModelResponseToolUseDoneEvent)
        await self.connection.send(SendToolResult(use.tool_use["id"], "42"))

    async def go_on(self) -> None:
        """The rest of what the user says and does; everything is answered."""
        if self.state == "user speaking":
            await speak(self.connection, SPEECH + SILENCE)
            await self.heard("of audio")
        elif self.state == "tool call out":
            await self.give_result()
            await self.heard("42")
        elif self.state == "tool result sent":
            await self.heard("42")
        await self.say(LAST)
        await self.heard(LAST)

    def check_words(self, witness: Witness) -> None:
        """The newest session knows all that the user said, once and in order."""
        assert [text for text in witness.texts if "The function add" not in text] == self.texts
        if self.state == "user speaking":
            (final,) = self.seen.of(m.ModelInputTranscriptionDoneEvent)
            assert isinstance(final, m.ModelInputTranscriptionDoneEvent)
            heard_ms = int(final.transcript.removeprefix("[audio ").removesuffix(" ms]"))
            assert 1200 <= heard_ms < 2400, "both halves of what was said, once"


@pytest.mark.parametrize(("provider", "state", "fault"), [*product(PROVIDERS, STATES, FAULTS)], ids=named)
async def test_a_fault_at_any_state(provider: str, state: str, fault: Fault, place: Place) -> None:
    faults = FaultInjector(found_out_s=0.01)
    model = model_of(provider, place.gateway).set_link(wrap=faults.wrap)
    async with (
        model.open(instructions="Be brief.", tools=TOOLS) as connection,
        watched(connection) as seen,
    ):
        cell = Cell(provider, state, fault, faults, connection, seen)
        await cell.strike()
        if fault in ENDED:
            await seen.until_over()
            with pytest.raises(SessionClosed):
                await connection.send(SendText("late"))
        elif fault != "silence":
            if fault in RESTORED:  # and the user does not wait for the next connection
                await seen.until(lambda s: bool(s.of(m.WebsocketDisconnectEvent)))
            elif fault == "slow_reader":
                await is_held_up(connection)
                faults.connections[0].resume()
            await cell.go_on()
            cell.check_words(place.witness)
            assert connection.config.instructions == "Be brief."
            assert [tool.name for tool in connection.config.tools] == ["add"]
        with anyio.fail_after(5):
            await connection.aclose()
        await seen.until_over()
    check_end(fault, seen, faults)
    check_told(fault, provider, seen)
    if fault in RESTORED:
        check_loss(state, provider, seen)


@pytest.mark.parametrize(("provider", "fault"), [*product(PROVIDERS, FAULTS)], ids=named)
async def test_a_fault_while_it_closes(provider: str, fault: Fault, place: Place) -> None:
    faults = FaultInjector(found_out_s=0.01)
    model = model_of(provider, place.gateway).set_link(wrap=faults.wrap)
    async with model.open() as connection, watched(connection) as seen:
        await connection.send(SendText("hello"))
        await seen.until(lambda s: bool(s.of(m.ModelResponseDoneEvent)))
        with anyio.fail_after(BOUND_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(connection.aclose)
                await anyio.lowlevel.checkpoint()
                faults.inject(fault)
        await seen.until_over()
    (end,) = seen.of(m.ModelSessionEndedEvent)
    assert isinstance(end, m.ModelSessionEndedEvent) and end is seen.events[-1]
    assert end.is_expected and seen.error is None, "who wanted the end gets no error of it"
    assert faults.attempts == 1


FIRST: dict[Fault, type[VoicewireError] | None] = {
    "cut": ConnectFailed,
    "half_open": ConnectFailed,
    "silence": ConnectTimeout,
    "garbage": RemoteProtocolError,
    "oversize": RemoteProtocolError,
    "duplicate": None,
    "reorder": None,
    "unknown_event": None,
    "error_event": InvalidRequest,
    "auth": AuthError,
    "quota": QuotaExceeded,
    "slow_reader": None,
}
"""What a fault before the first event of a session comes to; None: it is opened all the same."""
SHORT_S = 0.7
"""How long an opening may take that is meant to fail by taking too long."""


@pytest.mark.parametrize(("provider", "fault"), [*product(PROVIDERS, FAULTS)], ids=named)
async def test_a_fault_before_the_first_event(provider: str, fault: Fault, place: Place) -> None:
    faults = FaultInjector(found_out_s=0.01)
    timeout_s = SHORT_S if fault == "silence" else BOUND_S
    model = model_of(provider, place.gateway, setup_timeout_s=timeout_s).set_link(wrap=faults.wrap)
    faults.fail_next(fault)
    kind = FIRST[fault]
    if kind is not None:
        with anyio.fail_after(BOUND_S), pytest.raises(VoicewireError) as refused:
            async with model.open():
                pytest.fail("it must not open")
        assert type(refused.value) is kind
        assert SECRET not in shown(refused.value)
        return
    async with model.open() as connection, watched(connection) as seen:
        faults.connections[0].resume()
        await connection.send(SendText(LAST))
        await seen.until(lambda s: any(LAST in text for text in s.answers))


@pytest.mark.parametrize(("provider", "fault"), [*product(PROVIDERS, FAULTS)], ids=named)
async def test_a_fault_before_the_first_event_of_the_next_connection(
    provider: str, fault: Fault, place: Place
) -> None:
    faults = FaultInjector(found_out_s=0.01)
    timeout_s = SHORT_S if fault == "silence" else BOUND_S
    model = model_of(provider, place.gateway, setup_timeout_s=timeout_s).set_link(wrap=faults.wrap)
    kind = FIRST[fault]
    async with model.open() as connection, watched(connection) as seen:
        await connection.send(SendText("hello"))
        await seen.until(lambda s: bool(s.of(m.ModelResponseDoneEvent)))
        faults.fail_next(fault)
        faults.inject("cut")
        if kind is None or kind.retryable:
            if fault == "slow_reader":
                with anyio.fail_after(BOUND_S):
                    while faults.attempts < 2:
                        await anyio.lowlevel.checkpoint()
                faults.connections[-1].resume()
            await seen.until(lambda s: bool(s.of(m.WebsocketConnectEvent)))
            await connection.send(SendText(LAST))
            await seen.until(lambda s: any(LAST in text for text in s.answers))
            assert place.witness.texts == ["hello", LAST]
            assert faults.attempts >= (2 if kind is None else 3)
        else:
            await seen.until_over()
            assert type(seen.error) is kind
    assert len(seen.of(m.ModelSessionEndedEvent)) == (kind is not None and not kind.retryable)


SAID: dict[Fault, str] = {
    "error_event": "invalid_value",
    "auth": "invalid_api_key",
    "quota": "insufficient_quota",
}
"""The code that the provider gives."""


def check_told(fault: Fault, provider: str, seen: Seen) -> None:
    """What the provider said of it reached the application, once."""
    errors = [e.code for e in seen.events if isinstance(e, m.ModelErrorEvent)]
    if provider == "gemini":  # on its wire an error is that of the response under way, if there is one
        done = [e for e in seen.events if isinstance(e, m.ModelResponseDoneEvent)]
        errors += [e.reason for e in done if e.status == "failed" and e.reason != "connection_lost"]
    assert errors == ([SAID[fault]] if fault in SAID else [])
    unknown = [e for e in seen.events if isinstance(e, m.ModelProviderEvent) and not e.is_known]
    assert any("voicewire.unheard_of" in str(e.raw) for e in unknown) == (fault == "unknown_event")


def check_loss(state: str, provider: str, seen: Seen) -> None:
    """What was open when the connection was lost got its end, and the application was told of both connections."""
    (lost,), (restored,) = seen.of(m.WebsocketDisconnectEvent), seen.of(m.WebsocketConnectEvent)
    assert isinstance(lost, m.WebsocketDisconnectEvent) and lost.code == 1006 and lost.reason
    assert isinstance(restored, m.WebsocketConnectEvent) and not restored.is_planned
    if state in ("response started", "audio streaming"):
        cut = seen.of(m.ModelResponseDoneEvent)[0]
        assert isinstance(cut, m.ModelResponseDoneEvent)
        assert (cut.status, cut.reason) == ("failed", "connection_lost")
    turns = 1 + PROVIDERS[provider].tells_starts if state == "user speaking" else 0
    assert len(seen.of(m.ModelInputStartedEvent)) == len(seen.of(m.ModelInputDoneEvent)) == turns


async def is_held_up(connection: RealtimeConnection) -> None:
    """A command waits for room, and is not sent when it is given up."""
    with anyio.move_on_after(0) as scope:
        await connection.send(SendText("stuck"))
    assert scope.cancelled_caught


def check_end(fault: Fault, seen: Seen, faults: FaultInjector) -> None:
    """One end event, the last of all; the error and the events that the fault is documented to bring."""
    (end,) = seen.of(m.ModelSessionEndedEvent)
    assert isinstance(end, m.ModelSessionEndedEvent) and end is seen.events[-1]
    assert faults.attempts == 1 + (fault in RESTORED)
    assert (
        len(seen.of(m.WebsocketDisconnectEvent))
        == len(seen.of(m.WebsocketConnectEvent))
        == (fault in RESTORED)
    )
    assert not seen.of(m.ModelAudioDroppedEvent)
    if fault in ENDED:
        kind, code = ENDED[fault]
        assert type(seen.error) is kind and end.code == code and end.reason and not end.is_expected
    else:
        assert seen.error is None and end.is_expected
    created = [e.response_id for e in seen.events if isinstance(e, m.ModelResponseCreatedEvent)]
    done = [e.response_id for e in seen.events if isinstance(e, m.ModelResponseDoneEvent)]
    assert sorted(created) == sorted(done), "every answer has its one end"
