"""``McpServer``: the tools of an MCP server, over its standard input and output or over HTTP.

The ``mcp`` package is an extra (``voicewire[mcp]``) and is loaded by the first connection. What comes from it is read
as the JSON that the MCP specification describes, so that its classes end in this module.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio
from typing_extensions import Self

from voicewire.agent.progress import current_progress
from voicewire.agent.tools import Tool
from voicewire.errors import (
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    LocalProtocolError,
    ProviderError,
    VoicewireError,
)
from voicewire.events.session import ToolSpec
from voicewire.ownership import TaskOwner

if TYPE_CHECKING:
    from mcp import Client

DEFAULT_CONNECT_TIMEOUT_S: Final = 30.0
_STOP_S: Final = 10.0
"""How long a server's process may take to end by itself; the package kills it after four seconds."""
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")
_MAX_NAME_LETTERS: Final = 64
_ADDRESS: Final = re.compile(r"\b[a-z]+://[^\s'\"]+")
"""May hold a key, as user or in the query."""

_Opened = Callable[[], AbstractAsyncContextManager["Client"]]


class OnProgress(Protocol):
    """Takes what a server reports while a tool runs."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        """How much is done, how much there is to do, and what it does."""
        ...


class McpServer:
    """A connection to one MCP server, whose tools a `Toolkit` takes in.

    ::

        async with McpServer.stdio("python", "weather_server.py") as server:
            toolkit.add_mcp(server)
            agent = RealtimeAgent("Friday", "You are helpful.", model, toolkit)

    What goes wrong in a call is an answer that tells the model so. A connection that was lost is made anew by the next
    call. Resources, prompts, sampling and changes of the list of tools while it is connected are not used.

    Args:
        name: What it is called in errors.
        opened: Opens the connection.
        connect_timeout_s: How long that may take, in seconds.

    Concurrency: one event loop; any task may enter, leave and call.
    """

    def __init__(self, name: str, opened: _Opened, *, connect_timeout_s: float) -> None:
        self.name = name
        self._opened = opened
        self._connect_timeout_s = connect_timeout_s
        self._owner = TaskOwner(f"MCP server {name}")
        self._link: _Link | None = None
        self._lock = anyio.Lock()
        self._is_open = False

    @classmethod
    def stdio(
        cls,
        command: str,
        *args: str,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        connect_timeout_s: float = DEFAULT_CONNECT_TIMEOUT_S,
    ) -> McpServer:
        """A server that is a program: it is started, and ended with the context.

        Args:
            command: The program.
            args: Its arguments.
            env: Variables of its environment, besides the few that every program needs (such as ``PATH``).
            cwd: Its working folder.
            connect_timeout_s: How long its start may take, in seconds.
        """

        @asynccontextmanager
        async def opened() -> AsyncGenerator[Client, None]:
            from mcp import Client, StdioServerParameters

            parameters = StdioServerParameters(
                command=command, args=list(args), env=dict(env) if env is not None else None, cwd=cwd
            )
            async with Client(parameters, cache=None) as client:
                yield client

        return cls(Path(command).name, opened, connect_timeout_s=connect_timeout_s)

    @classmethod
    def http(
        cls,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        connect_timeout_s: float = DEFAULT_CONNECT_TIMEOUT_S,
    ) -> McpServer:
        """A server at an address (streamable HTTP).

        Args:
            url: Its address, such as ``https://tools.example.com/mcp``.
            headers: Sent with every request, such as ``Authorization``; they appear in no error and no log.
            connect_timeout_s: How long the connection may take, in seconds.
        """

        @asynccontextmanager
        async def opened() -> AsyncGenerator[Client, None]:
            import httpx2
            from mcp import Client
            from mcp.client.streamable_http import streamable_http_client

            # A server may be silent for long on an open stream; each call has its own limit.
            timeout = httpx2.Timeout(connect_timeout_s, read=None)
            http = httpx2.AsyncClient(headers=dict(headers or {}), timeout=timeout)
            async with http, Client(streamable_http_client(url, http_client=http), cache=None) as client:
                yield client

        return cls(_host_of(url), opened, connect_timeout_s=connect_timeout_s)

    def __repr__(self) -> str:
        return f"<McpServer {self.name!r} {'connected' if self._link is not None else 'not connected'}>"

    async def __aenter__(self) -> Self:
        """Connects, and learns the tools.

        Raises:
            ConfigError: The ``mcp`` package is not installed.
            ConnectFailed, ConnectTimeout: The server could not be started, or does not answer.
            LocalProtocolError: It is connected already.
        """
        if self._is_open:
            raise LocalProtocolError(f"MCP server {self.name!r} is connected already")
        self._is_open = True
        try:
            await self._connected()
        except BaseException:
            self._is_open = False
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends the connection, and the program with it."""
        self._is_open = False
        if self._link is not None:
            self._link.close()
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(_STOP_S):
                await self._owner.join()
            await self._owner.aclose()
        self._link = None

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        """What it offers, under its own names; empty while it is not connected."""
        return () if self._link is None else self._link.specs

    def tool(self, spec: ToolSpec, *, prefix: str = "", timeout_s: float) -> Tool:
        """One of its tools as an agent runs it.

        Args:
            spec: One of ``tools``.
            prefix: Goes before its name.
            timeout_s: How long a call may take, in seconds.
        """
        own_name = spec.name

        async def call(**arguments: Any) -> str:
            heard = current_progress()

            async def told(progress: float, total: float | None, message: str | None) -> None:
                heard.report(progress, total=total, message=message or "")

            return await self.call(own_name, arguments, on_progress=told if heard.is_heard else None)

        name = _NOT_IN_NAMES.sub("_", prefix + own_name)[:_MAX_NAME_LETTERS]
        renamed = ToolSpec(name=name, description=spec.description, parameters=spec.parameters)
        return Tool(renamed, call, timeout_s)

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, on_progress: OnProgress | None = None
    ) -> str:
        """Runs one of its tools.

        Args:
            name: The server's own name of it.
            arguments: As its schema has them.
            on_progress: Takes what the server reports meanwhile.

        Returns:
            The result as text.

        Raises:
            ProviderError: The tool failed, or there is none of this name.
            TransportError: The connection was lost, or could not be made anew.
            LocalProtocolError: The context was left.

        Cancellation: the server is told that nobody waits for the result.
        """
        if not self._is_open:
            raise LocalProtocolError(
                f"MCP server {self.name!r} is not connected; call it inside `async with`"
            )
        link = await self._connected()
        return await link.call(name, dict(arguments), on_progress)

    async def _connected(self) -> _Link:
        async with self._lock:
            if self._link is not None and self._link.is_open:
                return self._link
            link = self._link = _Link(self.name)
            self._owner.start(link.run(self._opened), name="connection")
            with anyio.move_on_after(self._connect_timeout_s) as scope:
                await link.ready.wait()
            if scope.cancelled_caught:
                link.close()
                await self._owner.aclose()
                raise ConnectTimeout(
                    f"MCP server {self.name!r} did not answer within {self._connect_timeout_s:g} s"
                )
            if link.failure is not None:
                raise link.failure
            return link


class _Link:
    """One connection, in a task of its own: the package wants it opened and closed by the same task."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._client: Client | None = None
        self._closing = anyio.Event()
        self.specs: tuple[ToolSpec, ...] = ()
        self.failure: VoicewireError | None = None
        self.ready = anyio.Event()

    @property
    def is_open(self) -> bool:
        return self._client is not None and not self._closing.is_set()

    def close(self) -> None:
        self._closing.set()

    async def run(self, opened: _Opened) -> None:
        try:
            async with opened() as client:
                self.specs = await _listed(client)
                self._client = client
                self.ready.set()
                await self._closing.wait()
        except ImportError as error:
            self.failure = ConfigError(
                f"MCP servers need the package 'mcp', version 2 or newer; install voicewire[mcp] ({error})"
            )
        # A boundary to the package: whatever it raises is why the connection could not be made, or ended.
        except Exception as error:
            self.failure = ConnectFailed(f"cannot reach MCP server {self._name!r}: {_cause(error)}")
        finally:
            self._client = None
            self.ready.set()

    async def call(self, name: str, arguments: dict[str, Any], on_progress: OnProgress | None) -> str:
        client = self._client
        if client is None:
            raise ConnectionLost(
                f"the connection to MCP server {self._name!r} was lost; the next call restores it"
            )
        from mcp import MCPError
        from mcp_types import CONNECTION_CLOSED

        try:
            result = await client.call_tool(name, arguments, progress_callback=on_progress)
        except MCPError as error:
            if error.code != CONNECTION_CLOSED:
                raise ProviderError(f"MCP server {self._name!r}: {error}", provider=self._name) from error
            raise self._lost() from error
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError) as error:
            raise self._lost() from error
        fields = result.model_dump(by_alias=True, mode="json")
        text = _text_of(fields)
        if fields.get("isError"):
            raise ProviderError(text or f"{name} failed without saying why", provider=self._name)
        return text

    def _lost(self) -> ConnectionLost:
        self.close()
        return ConnectionLost(
            f"the connection to MCP server {self._name!r} was lost; the next call restores it"
        )


async def _listed(client: Client) -> tuple[ToolSpec, ...]:
    """All tools, page by page."""
    specs: list[ToolSpec] = []
    cursor: str | None = None
    while True:
        page = (await client.list_tools(cursor=cursor)).model_dump(by_alias=True, mode="json")
        specs += [
            ToolSpec(
                name=tool["name"], description=tool.get("description") or "", parameters=tool["inputSchema"]
            )
            for tool in page["tools"]
        ]
        cursor = page.get("nextCursor")
        if not cursor:
            return tuple(specs)


def _text_of(result: Mapping[str, Any]) -> str:
    """A result as the model reads it: its texts, else its structured form, else what it consists of."""
    blocks: list[Mapping[str, Any]] = result.get("content") or []
    texts = [block["text"] for block in blocks if block.get("type") == "text"]
    if texts:
        return "\n".join(texts)
    if result.get("structuredContent") is not None:
        return json.dumps(result["structuredContent"], ensure_ascii=False)
    return "\n".join(f"[{block.get('type')} {block.get('mimeType') or ''}".rstrip() + "]" for block in blocks)


def _cause(error: BaseException) -> str:
    """The innermost reason, without addresses; the package wraps what went wrong in groups."""
    nested: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return (
        _cause(nested[0]) if nested else f"{type(error).__name__}: {_ADDRESS.sub('its address', str(error))}"
    )


def _host_of(url: str) -> str:
    """What names a server without what is secret in its address."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
