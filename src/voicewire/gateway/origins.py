"""Which web pages may use the gateway: those that it serves itself, and those on its list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from voicewire.errors import ConfigError
from voicewire.gateway.auth import headers_of

ANY: Final = "*"
_PORTS: Final = {"http": ":80", "https": ":443"}


class OriginRule:
    """Decides by the ``Origin`` header, which a browser always sends with a WebSocket and a page cannot forge.

    A request without one does not come from a web page of another site. A page of the same origin is let in:
    its ``Origin`` names the host and port that its ``Host`` header names. Behind a proxy that changes ``Host``,
    list the origin.

    Args:
        allowed: Further origins, such as ``https://app.example.org``; ``*`` for all of them.

    Raises:
        ConfigError: An entry is not an origin.
    """

    __slots__ = ("_allowed", "_allows_any")

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        listed = tuple(allowed)
        self._allows_any = ANY in listed
        self._allowed = frozenset(_read(one) for one in listed if one != ANY)

    def allows(self, scope: Mapping[str, Any]) -> bool:
        """Whether the page that sent the request, if one did, may use the gateway."""
        headers = headers_of(scope)
        origin = headers.get("origin")
        if origin is None or self._allows_any:
            return True
        given = _normal(origin)
        if given is None:
            return False
        if given in self._allowed:
            return True
        scheme, _, place = given.partition("://")
        host = headers.get("host", "").lower().removesuffix(_PORTS[scheme])
        return bool(host) and host == place


def _read(entry: str) -> str:
    found = _normal(entry.strip().removesuffix("/"))
    if found is None:
        raise ConfigError(
            f"{entry!r} is not an origin; write scheme, host and port, such as https://app.example.org, or *"
        )
    return found


def _normal(origin: str) -> str | None:
    """An origin in lower case and without a default port; None for what is none (``null`` among them)."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = f"{host}:{port}" if port else host
    return f"{parts.scheme}://{place.removesuffix(_PORTS[parts.scheme])}"
