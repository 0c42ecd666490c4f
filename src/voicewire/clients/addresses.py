"""Where a client connects to and what it shows there: Azure OpenAI, OpenAI, or a gateway."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from voicewire._version import __version__
from voicewire.errors import ConfigError
from voicewire.models.addresses import openai_url, websocket_url
from voicewire.settings import get_settings

Wire = Literal["ga", "beta"]
"""``ga``: today's wire; messages are translated. ``beta``: the wire of 2024, for servers that still speak it."""

TOKEN_SCOPE: Final = "https://cognitiveservices.azure.com/.default"
OPENAI_URL: Final = "https://api.openai.com/v1"
PREVIEW_VERSION: Final = "2024-10-01-preview"


@dataclass(frozen=True, slots=True)
class AzureKeyCredential:
    """A key, of Azure OpenAI or OpenAI; the class of ``azure.core.credentials`` does as well."""

    key: str = field(repr=False)


class KeyCredential(Protocol):
    """Anything with a ``key``."""

    @property
    def key(self) -> str:
        """The key."""
        ...


class AsyncTokenCredential(Protocol):
    """Anything that gives tokens, such as ``azure.identity.aio.DefaultAzureCredential``."""

    def get_token(self, *scopes: str) -> Any:
        """A token for the scopes, or something to await for one; it has the text in ``token``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to connect.

    Raises:
        ConfigError: Something is missing; the message says what to give.
    """

    url: str | None = None
    """Azure resource, or base address of another server; when None ``OPENAI_BASE_URL``, else OpenAI."""
    model: str | None = None
    azure_deployment: str | None = None
    key_credential: KeyCredential | None = field(default=None, repr=False)
    token_credential: AsyncTokenCredential | None = field(default=None, repr=False)
    wire: Wire = "ga"
    api_version: str = PREVIEW_VERSION
    """Of the beta wire on Azure; today's wire has none."""
    api_path: str = "/openai/realtime"
    key_in_query: bool = False
    """Whether the key goes into the address, where proxies and logs can see it."""

    def __post_init__(self) -> None:
        if self.is_azure:
            if self.key_credential is None and self.token_credential is None:
                raise ConfigError("Azure needs a credential: give key_credential= or token_credential=")
            if not self.azure_deployment:
                raise ConfigError("Azure needs a deployment: give azure_deployment=")
            return
        if self.key_credential is None:
            raise ConfigError("OpenAI needs a key: give key_credential=AzureKeyCredential(key)")
        if not self.model:
            raise ConfigError("OpenAI needs a model: give model=, such as 'gpt-realtime'")

    @property
    def is_azure(self) -> bool:
        """Whether it is a resource of Azure, or a server with Azure's paths."""
        return self.url is not None and (self.azure_deployment is not None or not self.model)

    @property
    def provider(self) -> str:
        """Short name, for errors."""
        return "azure" if self.is_azure else "openai"

    def websocket(self) -> str:
        """The address of the WebSocket.

        Raises:
            ConfigError: ``url`` is not an address.
        """
        if not self.is_azure:
            base = self.url or get_settings().openai_base_url or OPENAI_URL
            return openai_url(base, self.model or "")
        base = _without_path(self.url or "")
        query = {"model": self.azure_deployment or ""}
        if self.key_in_query and self.key_credential is not None:
            query["api-key"] = self.key_credential.key
        if self.wire == "ga":
            return websocket_url(base, "/realtime", query, root="/openai/v1")
        query = {"api-version": self.api_version, "deployment": query.pop("model"), **query}
        return websocket_url(base, self.api_path, query)

    async def headers(self, request_id: UUID) -> Mapping[str, str]:
        """The headers of one handshake; a token is asked for each time."""
        found = {"User-Agent": f"voicewire/{__version__}", "x-ms-client-request-id": str(request_id)}
        if self.wire == "beta" and not self.is_azure:
            found["OpenAI-Beta"] = "realtime=v1"
        if self.token_credential is not None:
            token: Any = self.token_credential.get_token(TOKEN_SCOPE)
            if inspect.isawaitable(token):
                token = await token
            found["Authorization"] = f"Bearer {token.token}"
        elif self.key_credential is not None and not self.key_in_query:
            key = self.key_credential.key.strip()
            found |= {"api-key": key} if self.is_azure else {"Authorization": f"Bearer {key}"}
        return found


def new_request_id() -> UUID:
    """An id for one handshake."""
    return uuid4()


def _without_path(url: str) -> str:
    """The host of an address; a bare host is taken to speak TLS."""
    address = url.strip()
    if "://" not in address:
        address = f"https://{address}"
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
