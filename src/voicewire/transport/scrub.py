"""Addresses and messages without their secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, urlsplit, urlunsplit

HIDDEN = "***"
_MIN_SECRET_CHARS = 6
_SECRET_NAME = re.compile(r"key|token|secret|password|passwd|sig|auth|credential|bearer|code", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"\b(sk|ek|pk|rk|xai|AIza)[-_][A-Za-z0-9_\-*.]{4,}|\bAIza[A-Za-z0-9_\-]{6,}")
_BEARER = re.compile(r"(?i)\b(bearer)[\s=:]+[^\s\"',;&]+")


def is_secret_name(name: str) -> bool:
    """Whether what goes by this name, a header or a parameter, is likely to be a secret."""
    return _SECRET_NAME.search(name) is not None


def safe_url(url: str) -> str:
    """The address as it may be printed: without user and password, without the values of secret parameters.

    A parameter is secret when its name says so (``api-key``, ``key``, ``access_token``, ``sig``, ...) or when
    its value looks like a key. Anything unreadable gives ``***``.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return HIDDEN
    if ":" in host:
        host = f"[{host}]"
    query = "&".join(_safe_parameter(parameter) for parameter in parts.query.split("&") if parameter)
    return urlunsplit((parts.scheme, host + port, parts.path, query, ""))


def _safe_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    if equals and (_SECRET_NAME.search(name) or _SECRET_VALUE.search(value) or _BEARER.search(value)):
        return f"{name}={HIDDEN}"
    return parameter


def scrubbed(text: str, secrets: Iterable[str] = ()) -> str:
    """A message as it may be printed.

    Args:
        text: Any text, such as a provider's error message.
        secrets: Values that must not appear in it, besides everything that looks like a key by itself.
    """
    for secret in secrets:
        value = secret.removeprefix("Bearer ")
        for spelling in (value, quote(value, safe="")):
            if len(spelling) >= _MIN_SECRET_CHARS:
                text = text.replace(spelling, HIDDEN)
    return _BEARER.sub(rf"\1 {HIDDEN}", _SECRET_VALUE.sub(HIDDEN, text))
