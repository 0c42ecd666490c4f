"""One connection from its handshake to its end, as the log tells of it: ids and outcome, nothing that was said."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicewire.gateway.client_secrets import ClientSecret

_LOG = logging.getLogger("voicewire.gateway")


@dataclass(slots=True)
class Visit:
    """What is known of a connection; filled in by whoever learns it, logged once at its end."""

    door: str = ""
    model: str = ""
    asked_model: str = ""
    """The model that the client asked for, else the served one."""
    session_id: str = ""
    user_id: str = ""
    key_id: str = ""
    """Names the key that let it in; empty where there are no keys."""
    secret_id: str = ""
    """Names the client secret that let it in, if one did."""
    status: int = 0
    """HTTP status of a refused handshake; 0 when it was accepted."""
    code: int = 0
    """Close code, or 0 for a refused handshake."""
    cause: str = ""
    """Why: a code of the gateway's own, such as ``invalid_api_key``, ``client_left`` or ``audio_rate``."""
    reason: str = ""
    """The same in words."""
    session: dict[str, Any] | None = field(default=None, repr=False)
    """The session object that the client secret configures; not for the log."""
    started_s: float = field(default_factory=time.monotonic)

    def came_as(self, key_id: str, secret: ClientSecret | None) -> None:
        """Notes who was let in."""
        self.key_id = key_id
        if secret is not None:
            self.secret_id, self.session = secret.secret_id, secret.session

    def log(self) -> None:
        """Writes the connection's one line."""
        fields: dict[str, object] = {
            "door": self.door,
            "model": self.model,
            "session_id": self.session_id,
            "user_id": self.user_id,
            "key_id": self.key_id,
            "secret_id": self.secret_id,
            "cause": self.cause,
            "reason": self.reason,
        }
        shown = {name: value for name, value in fields.items() if value}
        if self.status:
            _LOG.warning("connection refused", extra={**shown, "status": self.status})
            return
        level = logging.INFO if self.cause in _REGULAR else logging.WARNING
        duration_s = round(time.monotonic() - self.started_s, 3)
        _LOG.log(level, "session ended", extra={**shown, "code": self.code, "duration_s": duration_s})


_REGULAR = frozenset({"client_left", "ended", "drain", "resumed_elsewhere"})
"""Causes that nobody needs to be called for."""
