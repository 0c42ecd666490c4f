"""What people do in a room: they come, speak, write, and leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from voicewire.agent.room_floor import RoomFloor, RoomParts
from voicewire.agent.room_member import Member
from voicewire.agent.room_people import Person
from voicewire.audio.g711 import decode as decode_g711
from voicewire.errors import AudioError, ConfigError, InvalidEventError
from voicewire.events import client as c
from voicewire.events import server as s
from voicewire.events.base import EventBase, decode_base64


class RoomReception:
    """Takes the events of people for one run.

    Args:
        parts: The room.
        floor: Learns who speaks.
        calls: Calls that may wait for a front end's result, by their id.
        emit: Takes the events of the front end.
    """

    def __init__(
        self, parts: RoomParts, floor: RoomFloor, calls: dict[str, Member], emit: Callable[[EventBase], None]
    ) -> None:
        self._people = parts.people
        self._roster = parts.roster
        self._clock = parts.clock
        self._floor = floor
        self._calls = calls
        self._emit = emit

    async def take(self, event: EventBase) -> None:
        """Takes an event of a person; see ``ChatRoom.handle_input``."""
        match event:
            case c.ClientTextAppendEvent():
                self._floor.person_writes(self._person(event.session_id), event.text)
            case c.ClientAudioAppendEvent():
                self._hear(self._person(event.session_id), event)
            case c.ClientAudioCommitEvent():
                self._floor.people_end()
            case c.ClientResponseCreateEvent():
                self._floor.ask(self._person(event.session_id).name)
            case c.ClientResponseCancelEvent():
                self._floor.silence()
            case c.ClientSessionEndEvent():
                self.remove_person(event.session_id)
            case c.ClientToolResultEvent():
                member = self._calls.pop(event.id, None)
                if member is None:
                    raise InvalidEventError(f"field 'id': no agent waits for a result of call {event.id!r}")
                await member.agent.handle_input(event)
            case c.ClientImageAppendEvent():
                for member in self._roster:
                    await member.see(event)
            case c.ClientPlayoutReportEvent():
                # A room plays by its own clock, the same for everybody.
                pass
            case c.ClientSessionCreateEvent():
                self._create_session(event.config)
            case _:
                raise InvalidEventError(f"a room takes client events; got {type(event).__name__}")

    def remove_person(self, session_id: str) -> None:
        """Somebody leaves; what they were saying is a turn that ends here."""
        person = self._people.get(session_id)
        if person is None:
            return
        if person.is_speaking:
            person.is_speaking = False
            if not self._people.is_anybody_speaking:
                self._floor.people_end()
        self._people.remove(session_id)
        self._emit(s.ServerSessionEndedEvent(session_id=session_id, reason="left", code=1000))

    def add_person(self, session_id: str, name: str) -> Person:
        """Somebody comes; see ``ChatRoom.add_person``."""
        if self._people.get(session_id) is not None:
            raise ConfigError(f"somebody with the session id {session_id!r} is in the room")
        self.check_name(name)
        person = self._people.add(session_id, name)
        self._emit(s.ServerSessionCreatedEvent(session_id=session_id))
        return person

    def check_name(self, name: str) -> None:
        """Raises ConfigError when somebody of this name is there."""
        if name in self._people.names or name in self._roster.names:
            raise ConfigError(f"somebody named {name!r} is in the room; give another name")

    def _person(self, session_id: str) -> Person:
        return self._people.get(session_id) or self.add_person(session_id, session_id)

    def _create_session(self, config: dict[str, Any]) -> None:
        name = str(config.get("user_name") or config.get("session_id") or "user")
        session_id = str(config.get("session_id") or name)
        if self._people.get(session_id) is None:
            self.add_person(session_id, name)
        else:
            self._emit(s.ServerSessionUpdatedEvent(session_id=session_id))

    def _hear(self, person: Person, event: c.ClientAudioAppendEvent) -> None:
        person.active_ns = self._clock.now_ns()
        began, ended = self._people.hear(person, _pcm16_of(event), event.format.rate)
        if began:
            self._floor.person_begins(person)
        if ended:
            self._floor.people_end()
        elif self._people.is_turn_full:
            self._floor.people_end(is_answered=False)


def _pcm16_of(event: c.ClientAudioAppendEvent) -> bytes:
    kind = event.format.type.partition(";")[0].strip().lower()
    data = decode_base64(event.audio)
    if kind in ("audio/pcmu", "audio/pcma"):
        return decode_g711(data, "pcmu" if kind == "audio/pcmu" else "pcma")
    if kind not in ("audio/pcm", "audio/l16"):
        raise AudioError(f"audio format type {event.format.type!r} is not raw audio; use 'audio/pcm'")
    return data
