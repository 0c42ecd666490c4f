"""Base addresses, in any spelling, made into WebSocket addresses."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from voicewire.errors import ConfigError
from voicewire.transport.scrub import safe_url

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def openai_url(base_url: str, model: str) -> str:
    """The address of a model where OpenAI's paths are: below ``/v1``, unless the base has a path of its own.

    Args:
        base_url: As for `websocket_url`.
        model: The model.

    Raises:
        ConfigError: The base is not such an address.
    """
    root = "" if urlsplit(base_url.strip()).path.strip("/") else "/v1"
    return websocket_url(base_url, "/realtime", {"model": model}, root=root)


def websocket_url(base_url: str, path: str, query: Mapping[str, str], *, root: str = "") -> str:
    """The address of a WebSocket below a base address.

    Args:
        base_url: ``http``, ``https``, ``ws`` or ``wss``, with or without a slash at the end; it may have a
            query of its own, which is kept, and may end with ``path`` already.
        path: Path of the WebSocket below the base, such as ``/realtime``.
        query: Parameters to set.
        root: Path that comes before ``path`` when the base does not hold it, such as ``/v1``.

    Raises:
        ConfigError: The base is not such an address.
    """
    base = base_url.strip()
    try:
        parts = urlsplit(base)
        has_host = bool(parts.hostname)
    except ValueError:
        parts, has_host = urlsplit(""), False
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not has_host:
        raise ConfigError(
            f"{safe_url(base)!r} is not a base address; give one like https://host/v1 or ws://host/v1"
        )
    place = parts.path.rstrip("/")
    if not place.endswith(path):
        if f"{root}/".startswith(f"{place}/"):
            place = root
        elif root and not place.endswith(root):
            place += root
        place += path
    parameters = {**dict(parse_qsl(parts.query, keep_blank_values=True)), **query}
    return urlunsplit((scheme, parts.netloc, place, urlencode(parameters), ""))
