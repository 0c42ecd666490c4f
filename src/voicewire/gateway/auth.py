"""Who may come in: API keys wherever a wire's own clients put theirs, or this machine only."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from voicewire.errors import ConfigError

KEY_SUBPROTOCOL = "openai-insecure-api-key."
_KEY_HEADERS = ("api-key", "x-goog-api-key", "ocp-apim-subscription-key")
_KEY_QUERIES = ("key", "api-key")


class KeyRing:
    """The accepted keys, kept as digests."""

    __slots__ = ("_digests",)

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = tuple(_digest(key) for key in keys)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accepts(self, presented: Iterable[str]) -> bool:
        """Whether one of the presented keys is ours; takes the same time wherever they differ."""
        return self.key_id_of(presented) is not None

    def key_id_of(self, presented: Iterable[str]) -> str | None:
        """Names the presented key that is ours, for logs and for what is bound to it; None when none is.

        Takes the same time wherever they differ. The name is the beginning of a digest: it opens nothing.
        """
        found: bytes | None = None
        for key in presented:
            digest = _digest(key)
            for known in self._digests:
                if hmac.compare_digest(digest, known):
                    found = known
        return None if found is None else _key_id(found)

    @property
    def key_ids(self) -> frozenset[str]:
        """The names of all keys."""
        return frozenset(map(_key_id, self._digests))


def read_api_keys(path: str | Path) -> tuple[str, ...]:
    """Reads a file of keys, one a line; empty lines and lines that begin with ``#`` are left out.

    Raises:
        ConfigError: The file cannot be read, or holds no key.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the API keys in {str(path)!r}: {error}") from error
    keys = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    if not keys:
        raise ConfigError(f"{str(path)!r} holds no API key; write one key a line")
    return keys


def presented_keys(scope: Mapping[str, Any]) -> list[str]:
    """Every key that a request shows, in headers, subprotocols and query."""
    headers = headers_of(scope)
    keys = [headers[name] for name in _KEY_HEADERS if name in headers]
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    keys += [value for name in _KEY_QUERIES for value in query.get(name, [])]
    for authorization in [headers.get("authorization", ""), *query.get("Authorization", [])]:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer":
            keys.append(token.strip())
    keys += [
        offered.removeprefix(KEY_SUBPROTOCOL)
        for offered in scope.get("subprotocols", [])
        if offered.startswith(KEY_SUBPROTOCOL)
    ]
    return keys


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """The request's headers by lower-case name."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_from_this_machine(scope: Mapping[str, Any]) -> bool:
    """Whether a request comes from this machine and is meant for it.

    Without keys, the loopback address is the only fence, and a browser on this machine stands inside it:
    a rebound DNS name shows itself by its ``Host``, a page of another site by its ``Origin`` (``origins.py``).
    """
    headers = headers_of(scope)
    client = scope.get("client")
    if client is not None and not is_loopback(client[0]):
        return False
    return "host" not in headers or is_loopback(_host_of(f"//{headers['host']}"))


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _digest(key: str) -> bytes:
    # A header may hold any byte; one that is no UTF-8 comes as a lone surrogate.
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()


def _key_id(digest: bytes) -> str:
    return digest.hex()[:12]
