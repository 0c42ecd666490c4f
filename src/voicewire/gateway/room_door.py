"""``WS /ws/room/{room_id}/{user_id}``: several people and several agents in one conversation (ADR 0024)."""

from __future__ import annotations

import re
from typing import Any, Final

import anyio
import anyio.abc

from voicewire.agent.wording import Voice
from voicewire.errors import InvalidEventError, LocalProtocolError
from voicewire.events.base import EventBase
from voicewire.events.client import (
    ClientAudioAppendEvent,
    ClientEvents,
    ClientSessionCreateEvent,
    ClientSessionEndEvent,
)
from voicewire.gateway.agent_door import accepted, ids_in
from voicewire.gateway.agent_link import AgentLink, read_json
from voicewire.gateway.doors import Door, House, refuse
from voicewire.gateway.line import NORMAL, POLICY, SessionEnd
from voicewire.gateway.resume import REFUSED, ResumeRequest
from voicewire.gateway.room_table import RoomTable
from voicewire.gateway.served_room import Seat, ServedRoom
from voicewire.gateway.socket import ClientSocket, Scope
from voicewire.protocols.codec import Frame

ROOM_PATH: Final = "/ws/room/{room_id}/{user_id}"
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f\u2028\u2029]{1,40}")


class RoomDoor(Door):
    """Lets people into rooms; the first who comes opens one, and the last who leaves ends it.

    Args:
        house: What all doors share.
    """

    name = "room"

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.rooms = RoomTable(house)

    async def serve(self, socket: ClientSocket, scope: Scope) -> None:
        """Serves one person."""
        ids = await ids_in(socket, scope, ("room_id", "user_id"))
        if ids is None:
            return
        if self._is_bound_elsewhere(socket):
            message = (
                "this client secret is bound to a model that is not the one of the agents in these rooms"
            )
            await refuse(socket, 403, "forbidden", message)
            return
        if socket.tape is not None:
            # What it would take down is said by people who were not asked.
            socket.tape.refuse()
        socket.visit.user_id, socket.visit.session_id = ids["user_id"], ids["room_id"]
        most = self.house.settings.max_sessions_per_user
        with self.house.admission.share_of(f"user {ids['user_id']}", most):
            if await accepted(socket, scope):
                await Guest(self.house, socket, self.rooms, ids["room_id"], ids["user_id"]).run()

    def _is_bound_elsewhere(self, socket: ClientSocket) -> bool:
        house = self.house
        bound = (socket.visit.session or {}).get("model")
        if not bound:
            return False
        served = {house.model_named(agent.model).name for agent in house.room_plan.agents}
        return served != {house.model_named(str(bound)).name}


class Guest(AgentLink):
    """One person's connection.

    Args:
        house: What all doors share.
        socket: An accepted WebSocket.
        rooms: Where the room is, or will be.
        room_id: The room in the address.
        user_id: The person in the address; events name them by it, whatever an event of theirs says.
    """

    def __init__(
        self, house: House, socket: ClientSocket, rooms: RoomTable, room_id: str, user_id: str
    ) -> None:
        super().__init__(house, socket)
        self._rooms = rooms
        self._room_id = room_id
        self._user_id = user_id
        self._place: tuple[ServedRoom, Seat] | None = None
        self._is_lost = False
        self._is_in = anyio.Event()
        self._is_out = anyio.Event()

    async def begin(self, tasks: anyio.abc.TaskGroup) -> None:
        """Ends a connection of somebody who does not come in."""
        limit_s = self.house.settings.create_timeout_s
        while True:
            with anyio.move_on_after(limit_s) as limit:
                await self._is_in.wait()
            if limit.cancelled_caught:
                reason = f"nobody came into the room within {limit_s:g} s; send client_session_create"
                self.refuse("no_session", reason)
                self.line.finish(SessionEnd(POLICY, reason, cause="no_session"))
                return
            await self._is_out.wait()

    async def take(self, frame: Frame, tasks: anyio.abc.TaskGroup) -> None:
        """Takes one client event.

        Raises:
            InvalidEventError: Not an event; the message names the field at fault.
            LocalProtocolError: Nobody came in.
            ConfigError: Somebody of this name or id is in the room.
        """
        data = read_json(frame)
        if data is None:
            return
        event = ClientEvents.from_json({**data, "session_id": self._user_id})
        place = self._place
        if isinstance(event, ClientSessionCreateEvent):
            if place is None:
                await self._come(event.config)
                return
            event = ClientSessionCreateEvent(config={"session_id": self._user_id})
        if place is None:
            raise LocalProtocolError("you are not in the room; send client_session_create first")
        if isinstance(event, ClientSessionEndEvent):
            await self._leave(0.0)
            return
        if isinstance(event, ClientAudioAppendEvent):
            self.heard_audio(event)
        await place[0].take(event)

    def frames_of(self, event: EventBase) -> list[Frame]:
        """An event as its JSON."""
        return [event.model_dump_json()]

    def refuse(self, code: str, message: str) -> None:
        """Reports trouble with this person's own frames."""
        self.put_nowait(Voice("", "").error("invalid_request_error", code, message))

    def lose(self) -> None:
        """Another connection has taken the seat."""
        self._place = None
        reason = "you go on in another connection"
        self.line.finish(SessionEnd(NORMAL, reason, cause="resumed_elsewhere"))

    async def _come(self, config: dict[str, Any]) -> None:
        asked = ResumeRequest.read(config)
        name = config.get("user_name", self._user_id)
        if not isinstance(name, str) or not (name := name.strip()) or _NAME.fullmatch(name) is None:
            raise InvalidEventError("config field 'user_name' is a string of 1 to 40 characters on one line")
        seat = Seat(self._user_id, name, self.visit.key_id, self)
        wants_token = asked.wants_token and self.house.settings.resume_grace_s > 0
        place = await self._rooms.enter(self._room_id, seat, token=asked.token, wants_token=wants_token)
        if place is None:
            self.refuse("resume_refused", REFUSED)
            return
        self._place = place
        self._is_out = anyio.Event()
        self._is_in.set()

    async def _leave(self, grace_s: float) -> None:
        place, self._place = self._place, None
        self._is_in = anyio.Event()
        self._is_out.set()
        if place is not None:
            await place[0].leave(place[1], grace_s)

    def _ends(self, end: SessionEnd) -> None:
        self._is_lost = end.cause == "client_left" and not end.client_code
        super()._ends(end)

    async def _talk(self) -> SessionEnd:
        try:
            return await super()._talk()
        finally:
            grace_s = self.house.settings.resume_grace_s
            if not self._is_lost:
                # A closed tab says goodbye, as a reload does, and only a reload is back in a moment.
                grace_s = min(self.house.settings.closed_grace_s, grace_s)
            with anyio.CancelScope(shield=True):
                await self._leave(grace_s)
