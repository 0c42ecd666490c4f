"""Opening: what is refused, how it is told, what stays out of the message, and that nothing stays open."""

from __future__ import annotations

import asyncio
import datetime
import gc
import ssl
from http import HTTPStatus
from pathlib import Path

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from tests.transport.servers import Inbox, serving, serving_raw, shake_hands
from tests.transport.test_websocket import echo
from voicewire.errors import (
    AuthError,
    ConfigError,
    ConnectFailed,
    ConnectTimeout,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    TransportError,
    VoicewireError,
)
from voicewire.transport.connect import dial_websocket
from voicewire.transport.options import WebSocketOptions

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

KEY = "like-no-key-of-anybody-0123456789"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ConnectFailed),
        (401, AuthError),
        (403, AuthError),
        (404, ConnectFailed),
        (429, RateLimited),
        (500, ProviderUnavailable),
        (503, ProviderUnavailable),
    ],
)
async def test_a_refused_handshake_is_a_typed_error(status: int, kind: type[VoicewireError]) -> None:
    def refuse(ws: ServerConnection, request: Request) -> Response:
        body = f'{{"error": {{"message": "no entry with {KEY}", "code": "the_code"}}}}'
        response = ws.respond(HTTPStatus(status), body)
        response.headers["x-request-id"] = "req_7"
        return response

    options = WebSocketOptions(headers={"Authorization": f"Bearer {KEY}"}, provider="openai")
    async with serving(echo, process_request=refuse) as url:
        with pytest.raises(kind) as refused:
            await dial_websocket(f"{url}/v1/realtime?model=m&api-key={KEY}", Inbox(), options)
    error = refused.value
    assert type(error) is kind
    assert isinstance(error, ProviderError | ConnectFailed)
    assert error.http_status == status
    assert "no entry" in str(error) and "model=m" in str(error)
    assert KEY not in str(error) and KEY not in repr(error) and KEY not in repr(options)
    assert error.retryable is (status in (400, 404, 429, 500, 503))
    if isinstance(error, ProviderError):
        assert (error.provider, error.code, error.request_id) == ("openai", "the_code", "req_7")


async def test_a_redirect_is_not_followed() -> None:
    asked: list[str] = []

    def redirect(ws: ServerConnection, request: Request) -> Response:
        asked.append(request.path)
        response = ws.respond(HTTPStatus.FOUND, "")
        response.headers["Location"] = "/elsewhere"
        return response

    async with serving(echo, process_request=redirect) as url:
        with pytest.raises(ConnectFailed) as refused:
            await dial_websocket(f"{url}/here", Inbox())
    assert refused.value.http_status == 302
    assert asked == ["/here"]


async def test_headers_and_subprotocols_arrive_and_the_chosen_one_is_known() -> None:
    seen: list[Request] = []

    async def handler(ws: ServerConnection) -> None:
        assert ws.request is not None
        seen.append(ws.request)
        await ws.wait_closed()

    options = WebSocketOptions(headers={"X-Test": "yes"}, subprotocols=("realtime", "key.abc"))
    async with serving(handler, subprotocols=["realtime"]) as url:
        link = await dial_websocket(f"{url}/path?x=1", Inbox(), options)
        assert link.subprotocol == "realtime"
        assert "upgrade" in link.response_headers["Connection"].lower()
        await link.aclose()
    headers = seen[0].headers
    assert (seen[0].path, headers["X-Test"]) == ("/path?x=1", "yes")
    assert headers["Sec-WebSocket-Protocol"] == "realtime, key.abc"
    assert headers["User-Agent"].startswith("voicewire/")
    assert "Sec-WebSocket-Extensions" not in headers


@pytest.mark.parametrize(
    "extra",
    ["Sec-WebSocket-Protocol: surprise\r\n", "Sec-WebSocket-Extensions: permessage-deflate\r\n"],
)
async def test_a_server_that_chooses_what_was_not_offered_is_refused(extra: str) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer, extra)
        await reader.read()

    inbox = Inbox()
    async with serving_raw(handler) as url:
        with pytest.raises(ConnectFailed, match="not offered"):
            await dial_websocket(url, inbox)
    assert inbox.opened == 0


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\n\r\nhello", b"220 mail ready\r\n\r\n", b"\x00" * 20000]
)
async def test_a_server_that_does_not_speak_websocket(answer: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with serving_raw(handler) as url:
        with pytest.raises(ConnectFailed):
            await dial_websocket(url, Inbox())


async def test_nobody_listens() -> None:
    async with serving(echo) as url:
        pass
    with pytest.raises(ConnectFailed, match="cannot connect to") as failed:
        await dial_websocket(url, Inbox())
    assert (failed.value.http_status, failed.value.retryable) == (0, True)


async def test_an_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConnectFailed, match=r"cannot connect to ws://nowhere\.invalid"):
        await dial_websocket("ws://nowhere.invalid/", Inbox())


async def test_a_server_that_never_answers_is_a_timeout() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving_raw(handler) as url:
        with pytest.raises(ConnectTimeout, match=r"within 0\.02 s"):
            await dial_websocket(url, Inbox(), WebSocketOptions(connect_timeout_s=0.02))


@pytest.mark.parametrize(
    ("is_accepted", "delay_rounds"),
    [*((False, rounds) for rounds in range(8)), *((True, rounds) for rounds in range(6))],
)
async def test_cancelled_anywhere_nothing_stays_open(is_accepted: bool, delay_rounds: int) -> None:
    """Cancels after N turns of the loop, counted from the start or from the server's first sight of the client:
    in the name look-up, the connect, the handshake, or after it."""
    ended = anyio.Event()
    begun = anyio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await reader.read()  # ends when the client's socket does
        ended.set()

    async with serving_raw(handler) as url:
        async with anyio.create_task_group() as tasks:

            async def connect() -> None:
                await dial_websocket(url, Inbox())

            tasks.start_soon(connect)
            if is_accepted:
                with anyio.fail_after(5):
                    await begun.wait()
            for _ in range(delay_rounds):
                await asyncio.sleep(0)
            tasks.cancel_scope.cancel()
        if begun.is_set():
            with anyio.fail_after(5):
                await ended.wait()
    gc.collect()  # an unclosed socket or transport would warn, and warnings are errors
    assert [task.get_name() for task in asyncio.all_tasks() if "voicewire" in task.get_name()] == []


@pytest.mark.parametrize(
    "url", ["", "host/path", "http://host", "ws://", "ws://host#x", "ws://h:99999/", "ws://[::1"]
)
async def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError):
        await dial_websocket(url, Inbox())


async def test_credentials_in_the_address_are_refused_and_not_printed() -> None:
    with pytest.raises(ConfigError) as refused:
        await dial_websocket("ws://user:hunter22@host/", Inbox())
    assert "hunter22" not in str(refused.value)


async def test_a_key_with_a_line_end_is_refused_and_not_printed() -> None:
    options = WebSocketOptions(headers={"Authorization": f"Bearer {KEY}\r\nX-Injected: 1"})
    with pytest.raises(ConfigError, match="Authorization") as refused:
        await dial_websocket("ws://127.0.0.1:9/", Inbox(), options)
    assert KEY not in str(refused.value)


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "cert.pem", folder / "key.pem"


async def test_tls_works_with_a_trusted_certificate_and_fails_without(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(cert, key)
    trusting = ssl.create_default_context(cafile=str(cert))
    inbox = Inbox()
    async with serving(echo, ssl=server_tls) as plain:
        url = plain.replace("ws://127.0.0.1", "wss://localhost")
        link = await dial_websocket(url, inbox, WebSocketOptions(ssl_context=trusting))
        link.write("over tls")
        assert await inbox.next_count(1) == ["over tls"]
        await link.aclose()
        assert inbox.closed[0].is_clean
        with pytest.raises(ConnectFailed, match="certificate is not trusted"):
            await dial_websocket(url, Inbox())
        with pytest.raises(TransportError):
            await dial_websocket(plain, Inbox(), WebSocketOptions(connect_timeout_s=1))
