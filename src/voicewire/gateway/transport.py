"""uvicorn's WebSocket protocol with the one thing that ASGI cannot say: cut the connection."""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from voicewire.gateway.socket import ABORT_EXTENSION


class AbortableWebSocketProtocol(WebSocketsSansIOProtocol):
    """Offers the application an extension that aborts the transport.

    A provider that drops a call mid-sentence sends no close frame; the ``drop`` order of the ``echo`` model
    shows clients exactly that. A client that reads nothing cannot be reached by a close frame either.
    """

    async def run_asgi(self) -> None:
        """Runs the application with the extension in its scope."""
        extensions = self.scope.get("extensions") or {}
        self.scope["extensions"] = {**extensions, ABORT_EXTENSION: {"abort": self.transport.abort}}
        await super().run_asgi()
