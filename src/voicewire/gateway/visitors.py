"""Who may pass: keys, client secrets, the origin of a web page, and this machine where there are no keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from voicewire.errors import AuthError
from voicewire.gateway.auth import KeyRing, is_from_this_machine, presented_keys
from voicewire.gateway.client_secrets import PREFIX, ClientSecret, SecretMint, looks_like_one
from voicewire.gateway.origins import OriginRule
from voicewire.gateway.socket import Scope

Refusal: TypeAlias = tuple[int, str, str]
"""Why a request may not pass: HTTP status, code, message."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who may pass."""

    key_id: str = ""
    """Names the key that was shown, or that its client secret was made with; empty where there are no keys."""
    secret: ClientSecret | None = None
    """The client secret that was shown, if one was."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Decides who may pass.

    Args:
        keys: The API keys; without any, only this machine may pass.
        origins: Which web pages may.
        mint: Reads client secrets.
    """

    keys: KeyRing
    origins: OriginRule = field(default_factory=OriginRule)
    mint: SecretMint = field(default_factory=SecretMint)

    def visitor(self, scope: Scope) -> Visitor | Refusal:
        """Who sends this request, or why it may not pass."""
        if not self.origins.allows(scope):
            return 403, "forbidden", "web pages of this origin may not use this server; list it to allow it"
        if not self.keys and not is_from_this_machine(scope):
            return 403, "forbidden", "this server has no API keys, so it serves its own machine only"
        presented = presented_keys(scope)
        if (key_id := self.keys.key_id_of(presented)) is not None:
            return Visitor(key_id)
        refused: Refusal = (
            401,
            "invalid_api_key",
            "no valid API key was presented; send one as a bearer token",
        )
        is_refused = bool(self.keys)
        for secret in presented:
            # Without keys any key will do, and those of other programs may begin like a secret of ours.
            if not (secret.startswith(PREFIX) if self.keys else looks_like_one(secret)):
                continue
            try:
                found = self.mint.read(secret)
            except AuthError as error:
                refused, is_refused = (401, error.code, str(error)), True
                continue
            if found.key_id in (self.keys.key_ids or {""}):
                return Visitor(found.key_id, found)
            message = "the key that this client secret was made with is not valid any more"
            refused, is_refused = (401, "invalid_api_key", message), True
        return refused if is_refused else Visitor()
