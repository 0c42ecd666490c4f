"""uvicorn's WebSocket protocol with the one thing that ASGI cannot say: cut the connection."""

from __future__ import annotations

import logging
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from voicewire.gateway.socket import ABORT_EXTENSION

_LOG = logging.getLogger("voicewire.gateway.socket")
# Below a warning are uvicorn's lines with whole URLs, and some clients put their key into the query.
_LOG.setLevel(logging.WARNING)


def _without_traceback_of_bad_text(record: logging.LogRecord) -> bool:
    """What a client sends is no fault of the server's: one line, or any client could fill the log."""
    if record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError):
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


_LOG.addFilter(_without_traceback_of_bad_text)


class AbortableWebSocketProtocol(WebSocketsSansIOProtocol):
    """Offers the application an extension that aborts the transport.

    A provider that drops a call mid-sentence sends no close frame; the ``drop`` order of the ``echo`` model
    shows clients exactly that. A client that reads nothing cannot be reached by a close frame either.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _LOG

    async def run_asgi(self) -> None:
        """Runs the application with the extension in its scope."""
        extensions = self.scope.get("extensions") or {}
        self.scope["extensions"] = {**extensions, ABORT_EXTENSION: {"abort": self.transport.abort}}
        await super().run_asgi()
