"""Every provider's first connection, refused or broken before it is one: a typed error, no key in it, nothing left."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path

import anyio
import anyio.abc
import pytest

from tests.faults.leaks import ASYNC, SECRET, shown
from tests.supervisor.providers import BOUND_S, PROVIDERS, model_at
from voicewire.errors import (
    AuthError,
    ConnectFailed,
    ConnectTimeout,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    RemoteProtocolError,
    VoicewireError,
)
from voicewire.gateway.tls import self_signed

pytestmark = [pytest.mark.loopback, *ASYNC]

ACCEPT = "{accept}"
"""Where the answer to the handshake's key stands."""
UPGRADE = "\r\n".join(
    (
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {ACCEPT}",
        "",
        "",
    )
)
TLS_HELLO = b"\x16\x03"
SHORT_S = 0.3


def http(status: str, body: object = None) -> str:
    """An HTTP answer."""
    content = json.dumps(body) if body is not None else ""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n{content}"


def refused(code: str) -> dict[str, object]:
    """A body that repeats the key, as some providers' do."""
    return {"error": {"message": f"Incorrect API key provided: {SECRET}.", "code": code}}


HANDSHAKES: dict[str, tuple[str | None, type[VoicewireError], str]] = {
    "401": (http("401 Unauthorized", refused("invalid_api_key")), AuthError, "check the key"),
    "403": (http("403 Forbidden", refused("forbidden")), AuthError, "check the key"),
    "429": (http("429 Too Many Requests", refused("rate_limit_exceeded")), RateLimited, "try again later"),
    "429 quota": (http("429 Too Many Requests", refused("insufficient_quota")), QuotaExceeded, "the account"),
    "402": (http("402 Payment Required"), QuotaExceeded, "the account"),
    "500": (http("500 Internal Server Error", refused("oops")), ProviderUnavailable, "try again later"),
    "503": (http("503 Service Unavailable"), ProviderUnavailable, "try again later"),
    "404": (http("404 Not Found"), ConnectFailed, "check the address and the model"),
    "error event": (http("400 Bad Request", refused("bad")), ConnectFailed, "HTTP 400"),
    "unknown event": (http("299 Novelty"), ConnectFailed, "does not speak WebSocket"),
    "cut": ("", ConnectFailed, ""),
    "garbage": ("\x01\x02 no HTTP\r\n\r\n", ConnectFailed, "does not speak WebSocket"),
    "cut in the answer": ("HTTP/1.1 101 Switching Pro", ConnectFailed, ""),
    "oversize": ("HTTP/1.1 101 Switching Protocols\r\nX: " + "x" * 2_000_000, ConnectFailed, ""),
    "wrong key": (UPGRADE.replace(ACCEPT, "x"), ConnectFailed, "does not speak WebSocket"),
    "duplicate": (UPGRADE + UPGRADE, RemoteProtocolError, ""),
    "reorder": ("\x01\x02{}" + UPGRADE, ConnectFailed, "does not speak WebSocket"),
    "silence": (None, ConnectTimeout, f"{SHORT_S} s"),
}
"""What a server says to a handshake (None: nothing, and it waits), what comes of it, and a word of the message."""


@asynccontextmanager
async def answering(answer: str | None) -> AsyncGenerator[str, None]:
    """A server that says this to every handshake and hangs up; gives its address."""

    async def serve_one(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            head = b""
            try:
                while b"\r\n\r\n" not in head and not head.startswith(TLS_HELLO):
                    head += await stream.receive()
                if answer is None:
                    await stream.receive()
                else:
                    await stream.send(answer.replace(ACCEPT, accept_of(head)).encode("latin-1"))
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve_one)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        yield f"ws://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


def accept_of(head: bytes) -> str:
    """The proof that a handshake was read."""
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
    proof = (key[1] if key is not None else b"") + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1(proof).digest()).decode()


async def failure_of(provider: str, url: str, *, connect_timeout_s: float = BOUND_S) -> VoicewireError:
    """What opening a session comes to."""
    model = model_at(provider, url, connect_timeout_s=connect_timeout_s)
    with anyio.fail_after(BOUND_S), pytest.raises(VoicewireError) as failed:
        async with model.open():
            pytest.fail("it must not open")
    assert SECRET not in shown(failed.value)
    assert "\n" not in str(failed.value)
    return failed.value


@pytest.mark.parametrize(("provider", "handshake"), [*product(PROVIDERS, HANDSHAKES)])
async def test_a_handshake_that_goes_wrong(provider: str, handshake: str) -> None:
    answer, kind, advice = HANDSHAKES[handshake]
    async with answering(answer) as url:
        timeout_s = SHORT_S if answer is None else BOUND_S
        error = await failure_of(provider, url, connect_timeout_s=timeout_s)
    assert type(error) is kind, error
    assert advice in str(error)
    if isinstance(error, ProviderError):
        assert error.provider == provider.partition(" ")[0]
        assert error.http_status == int(handshake[:3])


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_host_that_nobody_knows(provider: str) -> None:
    error = await failure_of(provider, "ws://nowhere.invalid")
    assert type(error) is ConnectFailed
    assert "nowhere.invalid" in str(error)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_port_where_nobody_listens(provider: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        error = await failure_of(provider, f"ws://127.0.0.1:{free.getsockname()[1]}")
    assert type(error) is ConnectFailed


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_tls_to_a_server_that_has_none(provider: str) -> None:
    async with answering(http("400 Bad Request")) as url:
        error = await failure_of(provider, url.replace("ws:", "wss:"))
    assert type(error) is ConnectFailed


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_certificate_that_nobody_trusts(provider: str, tmp_path: Path) -> None:
    files = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        error = await failure_of(provider, f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert type(error) is ConnectFailed
    assert "certificate is not trusted" in str(error)
