"""The limits and keys of a gateway, in one place."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr

_MIB = 1024 * 1024


class GatewaySettings(BaseModel):
    """What a gateway allows. Every limit refuses or ends a session; none queues silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_keys: tuple[SecretStr, ...] = ()
    """Keys of which a client must present one; empty lets everybody on this machine in, and nobody else."""
    max_sessions: int = Field(default=64, ge=1)
    """Sessions at a time; one more is refused with HTTP 503 before the handshake."""
    max_message_bytes: int = Field(default=24 * _MIB, ge=64 * 1024)
    """Largest message of a client: the 15 MiB of audio that one event may hold are 20 MiB of base64."""
    send_budget_bytes: int = Field(default=8 * _MIB, ge=64 * 1024)
    """Bytes that may wait for a client: two minutes of speech. One that falls back further is cut off."""
    receive_budget_bytes: int = Field(default=4 * _MIB, ge=64 * 1024)
    """Bytes of a client that may wait for a slow model: a minute of speech. Then nothing more is read."""
    drain_s: float = Field(default=10.0, ge=0)
    """How long responses under way may go on when the server is told to stop."""
    close_grace_s: float = Field(default=2.0, gt=0)
    """How long a client may take to accept its last frames and the close."""
    create_timeout_s: float = Field(default=60.0, gt=0)
    """How long a client of the agent door may stay connected without a session."""
