"""The first message of a client, where it decides what the session is to be."""

from __future__ import annotations

import anyio

from voicewire.gateway.doors import House
from voicewire.gateway.limits import json_fault
from voicewire.gateway.line import GOING_AWAY
from voicewire.gateway.socket import ClientGone, ClientSocket
from voicewire.protocols.codec import Frame


async def first_frame(socket: ClientSocket, house: House, timeout_s: float) -> Frame | None:
    """The first message; None when none came in time.

    Args:
        socket: An accepted WebSocket; there is no line yet that reads it.
        house: Tells when the gateway is about to stop.
        timeout_s: How long the client may take.

    Raises:
        ClientGone: The client left, or was sent away because the server stops.
    """
    frame: Frame | None = None
    gone: ClientGone | None = None
    async with anyio.create_task_group() as tasks:

        async def leave() -> None:
            await house.admission.draining.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(leave)
        with anyio.move_on_after(timeout_s):
            try:
                frame = await socket.receive()
            except ClientGone as error:
                gone = error
        tasks.cancel_scope.cancel()
    if gone is not None:
        raise gone
    if frame is None and house.admission.is_draining:
        await dismiss(socket, house, GOING_AWAY, "the server is shutting down", cause="drain")
        raise ClientGone(GOING_AWAY)
    return frame


def fault_of(frame: Frame, house: House) -> str:
    """Why a first message is not to be read; empty when it may be."""
    limits = house.settings
    if len(frame) > limits.max_message_bytes:
        return f"the message has {len(frame)} bytes; at most {limits.max_message_bytes} are allowed"
    return json_fault(frame, limits)


async def dismiss(socket: ClientSocket, house: House, code: int, reason: str, *, cause: str) -> None:
    """Closes a connection that never became a session; cuts a client that does not accept the close in time."""
    socket.visit.code, socket.visit.cause, socket.visit.reason = code, cause, reason
    with anyio.move_on_after(house.settings.close_grace_s) as grace:
        try:
            await socket.close(code, reason)
        except ClientGone:
            return
    if grace.cancelled_caught:
        socket.abort()
