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
    stall_timeout_s: float = Field(default=30.0, gt=0)
    """How long a client may read nothing while a voice waits for room in its send budget; then it is cut off.
    Speech doors only: what a text is to be said as can wait, a conversation cannot."""
    drain_s: float = Field(default=10.0, ge=0)
    """How long responses under way may go on when the server is told to stop."""
    close_grace_s: float = Field(default=2.0, gt=0)
    """How long a client may take to accept its last frames and the close."""
    create_timeout_s: float = Field(default=60.0, gt=0)
    """How long a client of the agent door may stay connected without a session, or outside of its room."""
    signing_key: SecretStr | None = None
    """Signs client secrets, so that several processes accept each other's; without one, each signs its own."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of web pages that may use the gateway besides its own, such as ``https://app.example.org``."""
    max_sessions_per_key: int = Field(default=0, ge=0)
    """Sessions at a time with one key, those of its client secrets included; 0 for any number."""
    max_sessions_per_user: int = Field(default=0, ge=0)
    """Sessions at a time of one ``user_id`` of the agent door and of rooms; 0 for any number."""
    handshake_timeout_s: float = Field(default=10.0, gt=0)
    """How long a client may take to send a request, from its connection to the last byte; then it is cut."""
    max_session_s: float = Field(default=3600.0, ge=0)
    """Longest session; 0 for no limit. It ends with ``session_expired`` and close code 1001."""
    idle_timeout_s: float = Field(default=600.0, ge=0)
    """How long nothing may pass in either direction; 0 for no limit. Then close code 1001."""
    audio_burst_s: float = Field(default=600.0, ge=0)
    """Audio that a client may send ahead of real time, in seconds of it; 0 for no limit. A single message may
    go beyond it; the next one then ends the session with ``rate_limit_exceeded`` and close code 1008."""
    max_session_audio_s: float = Field(default=0.0, ge=0)
    """Audio of one session, in and out together; 0 for no limit. Then ``insufficient_quota`` and 1008."""
    max_session_tokens: int = Field(default=0, ge=0)
    """Tokens of one session, in and out together; 0 for no limit. Then ``insufficient_quota`` and 1008."""
    max_frames_per_s: float = Field(default=1000.0, ge=0)
    """Messages of a client in a second, in the long run; 0 for no limit."""
    frame_burst: int = Field(default=60_000, ge=1)
    """Messages of a client at once: ten minutes of audio in pieces of 10 ms. Then close code 1008."""
    max_json_depth: int = Field(default=64, ge=8)
    """Deepest nesting of a client's JSON; deeper is refused before it is read."""
    max_json_values: int = Field(default=50_000, ge=1000)
    """Objects, arrays and commas in one JSON message; more is refused before it is read."""
    resume_grace_s: float = Field(default=30.0, ge=0)
    """How long a session of the agent door that asked for it waits for a client that was lost; 0 never waits."""
    closed_grace_s: float = Field(default=4.0, ge=0)
    """The same for a client that closed its connection, which a closed tab does, and a reload; 0 never waits."""
    max_waiting_sessions: int = Field(default=64, ge=0)
    """Sessions, and rooms, that may wait for their clients at a time; one more ends at once."""


def limit_names() -> tuple[str, ...]:
    """The settings that are numbers, in their order: all that ``--limit`` can set."""
    fields = GatewaySettings.model_fields.items()
    return tuple(name for name, field in fields if isinstance(field.default, (int, float)))
