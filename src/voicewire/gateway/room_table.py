"""The rooms of a gateway, by their names in the address."""

from __future__ import annotations

import anyio

from voicewire.gateway.doors import House
from voicewire.gateway.served_room import Seat, ServedRoom


class RoomTable:
    """The rooms that run or wait. Bounded: people and waiting rooms are admitted.

    Args:
        house: What all doors share.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._rooms: dict[str, ServedRoom] = {}

    def __len__(self) -> int:
        return len(self._rooms)

    async def enter(
        self, room_id: str, seat: Seat, *, token: str, wants_token: bool
    ) -> tuple[ServedRoom, Seat] | None:
        """Lets somebody into a room, which is opened when it is not there.

        Args:
            room_id: Which.
            seat: Of whoever comes.
            token: Of the seat that they have from an earlier connection; empty when they come anew.
            wants_token: Whether they want to be able to come back to their seat.

        Returns:
            The room and their seat; None when the token is not the one of the seat that is taken.

        Raises:
            ConfigError: Somebody of their id or name is there.
            VoicewireError: No agent of the room could be started.

        Cancellation: safe; a room that nobody has entered does not stay open.
        """
        while True:
            room = self._rooms.get(room_id) or self._opened_for(room_id)
            async with room.opening:
                if room.is_over:
                    continue
                try:
                    if not room.is_open:
                        await room.open()
                    return self._seated(room, seat, token, wants_token=wants_token)
                finally:
                    if room.is_deserted:
                        with anyio.CancelScope(shield=True):
                            await room.end()

    def _seated(
        self, room: ServedRoom, seat: Seat, token: str, *, wants_token: bool
    ) -> tuple[ServedRoom, Seat] | None:
        taken = room.seat_of(seat.person_id)
        if taken is None or not token:
            room.sit(seat, wants_token=wants_token)
            return room, seat
        if not taken.is_opened_by(token, seat.key_id):
            return None
        room.move(taken, seat.connection)
        return room, taken

    def _opened_for(self, room_id: str) -> ServedRoom:
        made = ServedRoom(room_id, self._house, lambda: self._forget(room_id))
        self._rooms[room_id] = made
        return made

    def _forget(self, room_id: str) -> None:
        self._rooms.pop(room_id, None)
