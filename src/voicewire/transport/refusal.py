"""A refused WebSocket handshake as one of our errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from voicewire.errors import (
    AuthError,
    ConnectFailed,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    VoicewireError,
)
from voicewire.transport.scrub import scrubbed

_MAX_TEXT_CHARS = 300
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "arrearage"})
"""Codes of a budget that is used up, which comes with the status of a rate limit or of a refused key; waiting does not
help. Words are not looked at: some providers call their rate limits quotas."""
_REQUEST_ID_HEADERS = ("x-request-id", "apim-request-id", "x-ms-request-id", "x-dashscope-request-id")


class _Body(msgspec.Struct):
    error: _Detail | str | None = None
    message: str | None = None
    code: str | int | None = None


class _Detail(msgspec.Struct):
    message: str | None = None
    code: str | int | None = None


def refusal_error(
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    *,
    url: str,
    provider: str = "",
    secrets: Iterable[str] = (),
) -> VoicewireError:
    """The error for an HTTP answer that is not 101.

    Args:
        status: HTTP status of the answer.
        body: What arrived of its body.
        headers: Its headers, by lower-case or original name.
        url: The address as it may be printed.
        provider: Short provider name for the error.
        secrets: Values that may not appear in the message.
    """
    text, code = _what_it_says(body)
    text = scrubbed(text, secrets)[:_MAX_TEXT_CHARS]
    said = f": {text}" if text else ""
    lowered = {name.lower(): value for name, value in headers.items()}
    request_id = next((lowered[name] for name in _REQUEST_ID_HEADERS if name in lowered), "")
    wait = lowered.get("retry-after")
    if (known := _known_refusal(status, code, wait)) is not None:
        kind, happened, advice = known
        return kind(
            f"{url} {happened}{said}; {advice}",
            provider=provider,
            code=code,
            http_status=status,
            request_id=request_id,
        )
    hint = (
        "it points elsewhere; use that address itself"
        if 300 <= status < 400
        else "check the address and the model"
    )
    return ConnectFailed(f"{url} refused the WebSocket (HTTP {status}){said}; {hint}", http_status=status)


def _known_refusal(status: int, code: str, wait: str | None) -> tuple[type[ProviderError], str, str] | None:
    """What kind of refusal it is, what happened and what to do; None for one that says nothing of the kind."""
    if status == 402 or code.lower() in _QUOTA_CODES:
        return (
            QuotaExceeded,
            f"takes no session because the budget is used up (HTTP {status})",
            "see to the account",
        )
    if status in (401, 403):
        return AuthError, f"refused the key (HTTP {status})", "check the key and what it may be used for"
    if status == 429:
        when = f"it says to try again after {wait}" if wait else "try again later"
        return RateLimited, "takes no more sessions now (HTTP 429)", when
    if status >= 500:
        return ProviderUnavailable, f"failed on its side (HTTP {status})", "try again later"
    return None


def _what_it_says(body: bytes) -> tuple[str, str]:
    """The message and the code in a refusal's body, JSON or plain text."""
    try:
        parsed = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = " ".join(body[: 4 * _MAX_TEXT_CHARS].decode("utf-8", "replace").split())
        return ("" if text.startswith("<") else text), ""
    if isinstance(parsed.error, _Detail):
        code = parsed.error.code if parsed.error.code is not None else parsed.code
        return parsed.error.message or parsed.message or "", "" if code is None else str(code)
    return parsed.error or parsed.message or "", "" if parsed.code is None else str(parsed.code)
