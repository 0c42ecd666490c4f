"""Client secrets: short-lived keys for a browser, each bound to the session that it opens (ADR 0011)."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
import msgspec

from voicewire.errors import AuthError, ConfigError, InvalidEventError

PREFIX: Final = "ek_"
DEFAULT_LIFETIME_S: Final = 600
MIN_LIFETIME_S: Final = 10
MAX_LIFETIME_S: Final = 7200
MAX_SECRET_CHARS: Final = 6_000
"""Servers refuse header lines above 8 KiB, and a secret travels in one."""
MIN_SIGNING_KEY_CHARS: Final = 32
_ALGORITHM: Final = "HS256"
_AUDIENCE: Final = "voicewire.realtime"
_ISSUER: Final = "voicewire"
_CLAIMS: Final = ("exp", "iat", "aud", "iss", "jti")
_MAX_SESSION_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """What a valid secret says."""

    secret_id: str
    """Names it in logs; opens nothing."""
    key_id: str
    """Names the key that it was made with; empty where there are no keys."""
    expires_at: int
    """In seconds since 1970."""
    session: dict[str, Any] = field(repr=False)
    """The session object of the wire that it configures, as far as its maker said."""


def looks_like_one(token: str) -> bool:
    """Whether a key has the form of a client secret of ours (other programs' keys may begin with ``ek_``)."""
    return token.startswith(PREFIX) and token.count(".") == 2


class SecretMint:
    """Makes client secrets and reads them; keeps none.

    A secret is a signed token that holds all it says, so that any process with the same signing key reads it.

    Args:
        signing_key: Shared by all processes that are to accept the secrets; None for one of this object's own.
        now_s: The time, in seconds since 1970.

    Raises:
        ConfigError: The signing key is too short to be safe.
    """

    __slots__ = ("_key", "_now_s")

    def __init__(self, signing_key: str | None = None, *, now_s: Callable[[], float] = time.time) -> None:
        if signing_key is not None and len(signing_key) < MIN_SIGNING_KEY_CHARS:
            raise ConfigError(
                f"the signing key of client secrets has {len(signing_key)} characters; set VOICEWIRE_SECRET_KEY "
                f"to at least {MIN_SIGNING_KEY_CHARS} random ones"
            )
        known = secrets.token_bytes(32) if signing_key is None else signing_key.encode()
        self._key = hashlib.sha256(b"voicewire client secrets\0" + known).digest()
        self._now_s = now_s

    def make(self, session: Mapping[str, Any], *, key_id: str, lifetime_s: int) -> tuple[str, int]:
        """Makes a secret.

        Args:
            session: The session object that it configures.
            key_id: Names the key that its maker showed; empty where there are no keys.
            lifetime_s: From 10 to 7200.

        Returns:
            The secret, and when it expires in seconds since 1970.

        Raises:
            InvalidEventError: The session object is too large to travel in a secret.
        """
        now_s = int(self._now_s())
        expires_at = now_s + lifetime_s
        packed = base64.b64encode(zlib.compress(msgspec.json.encode(session), 9)).decode()
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "iat": now_s,
            "exp": expires_at,
            "jti": secrets.token_hex(8),
            "key": key_id,
            "session": packed,
        }
        secret = PREFIX + jwt.encode(claims, self._key, algorithm=_ALGORITHM)
        if len(secret) > MAX_SECRET_CHARS:
            raise InvalidEventError(
                f"the session object is too large for a client secret ({len(secret)} characters, at most "
                f"{MAX_SECRET_CHARS}); leave instructions or tools to the client's session.update"
            )
        return secret, expires_at

    def read(self, secret: str) -> ClientSecret:
        """Reads a secret.

        Raises:
            AuthError: It is forged, expired, meant for something else, or not a secret at all; the message
                shows nothing of it.
        """
        try:
            claims: dict[str, Any] = jwt.decode(
                secret.removeprefix(PREFIX),
                self._key,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                issuer=_ISSUER,
                # The time is checked below, by the clock that made it.
                options={"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False},
            )
            found = ClientSecret(
                secret_id=str(claims["jti"]),
                key_id=str(claims["key"]),
                expires_at=int(claims["exp"]),
                session=_unpacked(claims["session"]),
            )
        except (jwt.PyJWTError, LookupError, ValueError, TypeError, zlib.error) as error:
            raise _refused("the client secret is not one of this server's; make a new one") from error
        if found.expires_at <= self._now_s():
            raise _refused("the client secret has expired; make a new one")
        return found


def _refused(message: str) -> AuthError:
    return AuthError(message, provider="voicewire", code="invalid_api_key", http_status=401)


def _unpacked(packed: str) -> dict[str, Any]:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(packed), _MAX_SESSION_BYTES)
    return msgspec.json.decode(data, type=dict[str, Any])
