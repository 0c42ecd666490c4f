"""A provider's refusal of a session, at its beginning or later, as one of our errors."""

from __future__ import annotations

from voicewire.errors import (
    AuthError,
    ConnectFailed,
    InvalidRequest,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    VoicewireError,
)
from voicewire.events.model import ModelErrorEvent
from voicewire.transport.frames import CloseInfo
from voicewire.transport.scrub import scrubbed

_SIGNS: tuple[tuple[type[ProviderError], tuple[str, ...]], ...] = (
    (QuotaExceeded, ("insufficient_quota", "quota", "arrearage", "billing")),
    (RateLimited, ("rate_limit", "ratelimit", "rate limit", "too_many_requests", "throttling", "429")),
    (
        AuthError,
        ("invalid_api_key", "api key", "api_key", "apikey", "auth", "permission", "forbidden", "401", "403"),
    ),
    (
        ProviderUnavailable,
        ("server_error", "internal", "unavailable", "overloaded", "try again", "503", "500"),
    ),
)
"""Words of codes, types and reasons that tell what kind of refusal it is; the first match counts."""

_OF_ACCOUNT = (AuthError, QuotaExceeded)
_PLAIN_CODES = (1000, 1001)
_REFUSAL_CODES = frozenset({1003, 1007, 1008, 3000})


def _kind(*texts: str) -> type[ProviderError] | None:
    for text in texts:
        lowered = text.lower()
        for kind, signs in _SIGNS:
            if any(sign in lowered for sign in signs):
                return kind
    return None


def provider_error(event: ModelErrorEvent, *, provider: str) -> ProviderError:
    """The error for an error event that came before the session was ready.

    Args:
        event: What the provider said.
        provider: Its short name.
    """
    kind = _kind(event.code, event.error_type) or InvalidRequest
    where = f" ({event.param})" if event.param else ""
    said = scrubbed(event.message) or event.code or event.error_type
    return kind(
        f"{provider or 'the provider'} refused the session{where}: {said}", provider=provider, code=event.code
    )


def tells_of_account(event: ModelErrorEvent) -> bool:
    """Whether an error event says that the key or the quota is not good any more."""
    return _kind(event.code, event.error_type) in _OF_ACCOUNT


def session_close_error(
    info: CloseInfo, refusal: ModelErrorEvent | None, *, provider: str
) -> ProviderError | None:
    """The error for an open session that the provider ended for the account's sake; None for any other end.

    Args:
        info: How the transport ended.
        refusal: What the provider said of the account, if it did.
        provider: Its short name.
    """
    if not info.is_clean or info.code in _PLAIN_CODES:
        return None
    reason, code = scrubbed(info.reason), str(info.code)
    kind: type[ProviderError] | None = _kind(reason)
    if refusal is not None:
        kind, code = _kind(refusal.code, refusal.error_type), refusal.code
        reason = scrubbed(refusal.message) or refusal.code
    if kind is None or kind not in _OF_ACCOUNT:
        return None
    return kind(f"{provider or 'the provider'} ended the session: {reason}", provider=provider, code=code)


def setup_close_error(info: CloseInfo, *, provider: str) -> VoicewireError:
    """The error for a connection that ended before the session was ready.

    Args:
        info: How the transport ended.
        provider: Short name of the provider.
    """
    who = provider or "the provider"
    reason = scrubbed(info.reason)
    if info.is_clean:
        kind = _kind(reason)
        if kind is None and (info.code in _REFUSAL_CODES or 4000 <= info.code < 5000):
            kind = InvalidRequest
        if kind is not None:
            return kind(
                f"{who} closed the session before it was ready: {reason or info.code}",
                provider=provider,
                code=reason.rpartition(".")[2] if " " not in reason else str(info.code),
            )
    if info.error is not None and not info.error.retryable:
        return info.error
    return ConnectFailed(
        f"{who} ended the connection before the session was ready ({info.code} {reason})".rstrip()
    )
