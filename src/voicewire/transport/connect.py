"""From an address to an open WebSocket, or to the error that says why not."""

from __future__ import annotations

import logging
import ssl
from urllib.parse import urlsplit

import anyio
import picows
from picows.url import WSParsedURL

from voicewire._version import __version__
from voicewire.errors import ConfigError, ConnectFailed, ConnectTimeout, VoicewireError
from voicewire.transport.cassette_scrub import secrets_of
from voicewire.transport.dial import Dialler, default_tls
from voicewire.transport.frames import FrameReceiver, FrameTransport
from voicewire.transport.options import Connect, WebSocketOptions
from voicewire.transport.refusal import refusal_error
from voicewire.transport.scrub import safe_url, scrubbed
from voicewire.transport.websocket import WebSocketTransport

_READ_BUFFER_BYTES = 4096
"""First size of a connection's read buffer: three 20 ms deltas. It doubles whenever a read fills it."""

_silent = logging.Logger("voicewire.transport.picows", logging.CRITICAL + 1)
"""picows logs whole handshakes, keys included, at its debug level; and everything it logs is reported as
an error or a close of ours anyway. So it gets a logger of its own that drops all."""


async def connect_websocket(
    url: str, receiver: FrameReceiver, options: WebSocketOptions | None = None
) -> FrameTransport:
    """Opens a WebSocket, with ``options.wrap`` and then ``options.recorder`` around it.

    See `dial_websocket`, which raises what this raises.
    """
    settled = options or WebSocketOptions()

    async def dial(inner: FrameReceiver) -> FrameTransport:
        return await dial_websocket(url, inner, settled)

    connect: Connect = dial if settled.wrap is None else settled.wrap(dial)
    if settled.recorder is not None:
        secrets = secrets_of(url, settled.headers, settled.subprotocols)
        connect = settled.recorder.around(connect, url=url, secrets=secrets)
    return await connect(receiver)


async def dial_websocket(
    url: str, receiver: FrameReceiver, options: WebSocketOptions | None = None
) -> WebSocketTransport:
    """Opens a WebSocket. ``receiver.on_open`` ran when it returns; messages may have come already.

    Args:
        url: ``ws://`` or ``wss://`` address.
        receiver: Takes the messages and the end.
        options: How to connect; the defaults suit a provider on the internet.

    Raises:
        ConfigError: The address or a header is not usable.
        AuthError, RateLimited, ProviderUnavailable: The handshake was refused (401 and 403, 429, 5xx).
        ConnectFailed: Refused otherwise, unknown host, nothing listening, TLS failure; has ``http_status``.
        ConnectTimeout: It took longer than ``connect_timeout_s``.

    Cancellation: safe; nothing stays open.
    """
    options = options or WebSocketOptions()
    shown = safe_url(url)
    _check_address(url, shown)
    headers = _handshake_headers(options)
    link = WebSocketTransport(receiver, options, shown)
    dialler = Dialler()

    async def dial(parsed: WSParsedURL) -> object:
        return await dialler.dial(parsed.host, parsed.port)

    is_connected = False
    try:
        with anyio.fail_after(options.connect_timeout_s):
            context = options.ssl_context
            if context is None and url.startswith("wss:"):
                context = await default_tls()
            await picows.ws_connect(  # pyright: ignore[reportUnknownMemberType]  # its **kwargs has no type
                link._accept,
                url,
                ssl_context=context,
                websocket_handshake_timeout=None,
                logger_name=_silent,
                max_frame_size=options.max_message_bytes,
                extra_headers=headers,
                read_buffer_init_size=_READ_BUFFER_BYTES,
                max_redirects=0,  # a redirect would carry the key to another host
                socket_factory=dial,  # type: ignore[arg-type]  # may be a coroutine function, as documented
                use_aiofastnet=False,
            )
        if not link.is_opened:
            raise ConnectFailed(f"{shown} closed the connection in the middle of the handshake")
        is_connected = True
    except picows.WSHandshakeError as error:
        raise _handshake_error(error, shown, options) from None  # the original holds the whole answer
    except TimeoutError as error:
        raise ConnectTimeout(f"{shown} did not answer within {options.connect_timeout_s:g} s") from error
    except (OSError, ssl.SSLError, UnicodeError) as error:
        raise ConnectFailed(f"cannot connect to {shown}: {_reason_of(error)}") from error
    finally:
        if not is_connected:
            await dialler.hang_up()
    return link


def _check_address(url: str, shown: str) -> None:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("ws", "wss") and bool(parts.hostname) and not parts.fragment
        has_user = parts.username is not None
        _ = parts.port
    except ValueError:
        is_usable = has_user = False
    if not is_usable:
        raise ConfigError(f"{shown!r} is not a WebSocket address; give ws://host/path or wss://host/path")
    if has_user:
        raise ConfigError(
            f"{shown!r} holds a user name; put credentials in a header or in the api_key argument"
        )


def _handshake_headers(options: WebSocketOptions) -> list[tuple[str, str]]:
    headers = [(name, value) for name, value in options.headers.items()]
    if options.subprotocols:
        headers.append(("Sec-WebSocket-Protocol", ", ".join(options.subprotocols)))
    if not any(name.lower() == "user-agent" for name, _ in headers):
        headers.append(("User-Agent", f"voicewire/{__version__}"))
    for name, value in headers:
        if not value.isprintable() or not name.isprintable() or ":" in name:
            # The value stays out of the message: it may be a key that was read with its line end.
            raise ConfigError(
                f"header {name!r} holds a line break or another control character; strip its value"
            )
    return headers


def _handshake_error(error: picows.WSHandshakeError, shown: str, options: WebSocketOptions) -> VoicewireError:
    secrets = [*options.headers.values(), *options.subprotocols]
    response = error.response
    if response is None or int(response.status) == 101:
        what = scrubbed(str(error), secrets)[:200]
        return ConnectFailed(f"{shown} does not speak WebSocket: {what}", http_status=101 if response else 0)
    return refusal_error(
        int(response.status),
        error.raw_body or b"",
        dict(response.headers.items()),
        url=shown,
        provider=options.provider,
        secrets=secrets,
    )


def _reason_of(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
