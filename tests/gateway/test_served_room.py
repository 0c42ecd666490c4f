"""A room of the gateway without its sockets: who is kept, who is recorded, what is heard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from voicewire.audio.pcm import tone
from voicewire.cli.serving import room_plan
from voicewire.errors import ConfigError
from voicewire.events.base import EventBase
from voicewire.gateway import GatewaySettings, RoomAgent, RoomPlan
from voicewire.gateway.admission import Admission
from voicewire.gateway.auth import KeyRing
from voicewire.gateway.cassettes import Cassettes
from voicewire.gateway.doors import House
from voicewire.gateway.observe import GatewayObserver, SessionFacts, SessionWatch
from voicewire.gateway.room_table import RoomTable
from voicewire.gateway.served_room import RoomSound, Seat, ServedRoom
from voicewire.models import create_model
from voicewire.models.model import Capabilities, RealtimeModel
from voicewire.testing import serve

from .fakes import FakeModel
from .test_rooms import guest

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]


class Lost:
    """A connection of nobody."""

    def __init__(self) -> None:
        self.told: list[EventBase] = []

    def put_nowait(self, item: EventBase, /) -> None:
        self.told.append(item)

    def lose(self) -> None:
        self.told.clear()


def house_of(model: RealtimeModel, observer: GatewayObserver | None = None) -> House:
    """What the doors of a gateway with this model share."""
    settings = GatewaySettings()
    return House((model,), settings, KeyRing(()), Admission(4), observer or GatewayObserver())


def files_in(folder: Path) -> list[str]:
    """The names of all files."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_a_room_that_nobody_could_enter_is_not_kept() -> None:
    rooms = RoomTable(house_of(create_model("echo")))
    connection = Lost()
    for name in ("Ada", "Bob"):
        with pytest.raises(ConfigError, match="another name"):
            await rooms.enter("kitchen", Seat("u1", name, "", connection), token="", wants_token=False)
        assert len(rooms) == 0
    assert connection.told == []
    broken = RoomTable(house_of(FakeModel(failure=ConfigError("this model has no key"))))
    with pytest.raises(ConfigError, match="no key"):
        await broken.enter("kitchen", Seat("u1", "Ann", "", connection), token="", wants_token=False)
    assert len(broken) == 0


async def test_nobody_in_a_room_is_recorded(tmp_path: Path) -> None:
    facts: list[SessionFacts] = []

    class Spy(GatewayObserver):
        def session_opened(self, told: SessionFacts, /) -> SessionWatch:
            facts.append(told)
            return super().session_opened(told)

    room = ServedRoom("kitchen", house_of(create_model("echo"), Spy()), lambda: None)
    await room.open()
    await room.end()
    assert [(one.door, one.user_id, one.wants_recording) for one in facts] == [("room", "kitchen", False)] * 2
    with Cassettes(tmp_path) as cassettes:
        async with serve("echo", cassettes=cassettes) as gateway, guest(gateway, "u1") as ann:
            await ann.come("Ann")
    assert files_in(tmp_path) == ["+lock"]


async def test_agents_of_one_model_speak_with_different_voices() -> None:
    opened: list[str] = []

    class Voiced(FakeModel):
        capabilities = Capabilities(voices=("low", "high"))

        def open(self, **options: Any) -> Any:
            opened.append(options["config"].voice)
            return super().open(**options)

    house = house_of(Voiced(failure=ConfigError("no")))
    plan = RoomPlan(agents=(RoomAgent(name="A"), RoomAgent(name="B"), RoomAgent(name="C", voice="own")))
    room = ServedRoom("kitchen", replace(house, room_plan=plan), lambda: None)
    with pytest.raises(ConfigError):
        await room.open()
    await room.end()
    assert sorted(opened) == ["high", "low", "own"]


def test_sound_is_sent_while_there_is_any_and_each_stretch_has_an_end() -> None:
    sound, quiet, loud = RoomSound(), bytes(960), tone(440, 480, 24_000)
    told = [event for piece in (quiet, loud, quiet, loud, *[quiet] * 40, loud) for event in sound.take(piece)]
    names = [(type(event).__name__, event.model_dump()["item_id"]) for event in told]
    delta, done = "AgentResponseAudioDeltaEvent", "AgentResponseAudioDoneEvent"
    first = [(delta, "sound_0001")] * (3 + 24)
    assert names == [*first, (done, "sound_0001"), (delta, "sound_0002")]
    assert RoomSound().take(b"") == []


def test_an_agent_is_read_from_the_command_line() -> None:
    assert RoomAgent.parsed("Ada=You are Ada = Lovelace.") == RoomAgent(
        name="Ada", instructions="You are Ada = Lovelace."
    )
    assert RoomAgent.parsed("Ada").prompt.startswith("You are Ada.")
    with pytest.raises(ConfigError, match="NAME=INSTRUCTIONS"):
        RoomAgent.parsed("=You are nobody.")
    given = room_plan(["Ada=You are Ada.", "Bob"])
    assert given is not None
    assert [agent.name for agent in given.agents] == ["Ada", "Bob"]
    assert room_plan([]) is None, "the gateway's own"
    with pytest.raises(ConfigError, match="turn_limit"):
        RoomPlan(turn_limit=0)
    with pytest.raises(ConfigError, match="names of their own"):
        RoomPlan(agents=(RoomAgent(name="Ada"), RoomAgent(name="Ada")))
