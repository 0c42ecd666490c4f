"""The official Azure Speech SDK behind a door of our own: imported late, its events brought to the event loop.

Its traps, and what is done: callbacks come on its threads and swallow what they raise, so they only hop over to the
loop; blocking calls run in threads and are left behind when they hang; an object that is dropped may block for 10 s, so
objects are let go of in such a thread, too; a silent service gives no event, so every wait here has a limit.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, Literal

import anyio
import anyio.to_thread

from voicewire.errors import (
    AuthError,
    ConfigError,
    ConnectionLost,
    InvalidRequest,
    ProviderUnavailable,
    RateLimited,
    SessionClosed,
    VoicewireError,
)
from voicewire.settings import get_settings
from voicewire.speech.config import AzureConnection
from voicewire.streams import BoundedStream
from voicewire.transport.scrub import scrubbed

MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
"""Events that may wait for a slow application; more of them end the session with ConsumerTooSlow."""
SILENT: Final = "timeout"
"""Code of the error of a service that says nothing any more."""
_CALL_TIMEOUT_S: Final = 5.0
_STOP_TIMEOUT_S: Final = 0.5
"""A healthy session stops within 0.1 s; one whose service is silent holds the SDK up for 10 s."""
_EXIT_TIMEOUT_S: Final = 2.0


def load_sdk() -> Any:
    """The SDK; untyped.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return import_module("azure.cognitiveservices.speech")
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"the Azure Speech SDK does not load ({error}); run `pip install 'voicewire[azure-speech]'`"
        ) from error


class Bridge:
    """Takes the SDK's events over to the event loop, in order. Holds no SDK object: a cycle would stall its threads.

    Policy when full: the session ends with ``ConsumerTooSlow``.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: BoundedStream[Any] = BoundedStream(
            "azure events", policy="fail", max_weight=MAX_WAITING_BYTES
        )

    def post(self, event: object, weight: int = 256) -> None:
        """From the SDK's threads. Events for a loop that is gone are dropped."""
        try:
            self._loop.call_soon_threadsafe(self._put, event, weight)
        except RuntimeError:  # the loop was closed while the SDK was still at work
            return

    def _put(self, event: object, weight: int) -> None:
        try:
            self._events.put_nowait(event, weight)
        except SessionClosed:
            return
        except VoicewireError as error:
            self._events.close(error)

    async def event(self, is_awaited: Callable[[], bool], limit_s: float, waiting_for: str) -> Any:
        """The next event; while one is awaited, the service may be silent for this long.

        Raises:
            ProviderUnavailable: None came in time.
            ConsumerTooSlow: Too many waited.
        """
        silent_s = 0.0
        while silent_s < limit_s:
            slice_s = min(limit_s - silent_s, 0.5)
            with anyio.move_on_after(slice_s):
                return await self._events.get()
            silent_s = silent_s + slice_s if is_awaited() else 0.0
        raise ProviderUnavailable(
            f"Azure Speech was silent for {limit_s:g} s, {waiting_for}", provider="azure", code=SILENT
        )


async def call(work: Callable[[], object]) -> None:
    """Runs a blocking call of the SDK in a thread; one that hangs is left behind.

    Raises:
        ProviderUnavailable: It did not return in time.
    """
    with anyio.move_on_after(_CALL_TIMEOUT_S) as scope:
        await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    if scope.cancelled_caught:
        raise ProviderUnavailable(
            f"the Azure Speech SDK did not answer for {_CALL_TIMEOUT_S:g} s", provider="azure", code="timeout"
        )


async def let_go(
    held: list[Any], *, stop: Callable[[Any], object] | None, disconnect: Callable[[Any], object]
) -> None:
    """Stops a session and drops its SDK objects in a thread of its own; waits a little for the stop.

    Stopping, letting go of events and dropping may each take 10 s when the service is silent: then nobody waits.

    Args:
        held: The objects, the session's own one last; nobody else may hold any of them, and the list is emptied.
        stop: Ends the session of that one; None when it has ended.
        disconnect: Lets go of its events.
    """
    is_stopped = threading.Event()

    def work() -> None:
        try:
            if stop is not None:
                stop(held[-1])
        finally:
            is_stopped.set()
            disconnect(held[-1])
            while held:
                held.pop()

    thread = threading.Thread(target=work, name="voicewire-azure-release", daemon=True)
    _releasing.add(thread)
    thread.start()
    if stop is not None:
        await anyio.to_thread.run_sync(is_stopped.wait, _STOP_TIMEOUT_S)
    _releasing.intersection_update(threading.enumerate())


_releasing: Final[set[threading.Thread]] = set()


@atexit.register
def _await_releases() -> None:
    """A process that ends while the SDK lets go of a session may be aborted by it."""
    limit = time.monotonic() + _EXIT_TIMEOUT_S
    for thread in list(_releasing):
        thread.join(max(0.0, limit - time.monotonic()))


def speech_config(
    sdk: Any, connection: AzureConnection, service: Literal["asr", "tts"]
) -> tuple[Any, list[str]]:
    """The SDK's configuration for an address and a key, and what may not appear in messages.

    Raises:
        ConfigError: No key, or no address.
    """
    settings = get_settings()
    key = connection.key or (None if connection.auth_token else settings.secret("azure_speech_key"))
    host = connection.host
    endpoint = connection.endpoint
    region = connection.region
    if not (host or endpoint or region):
        host, endpoint, region = (
            settings.azure_speech_host,
            settings.azure_speech_endpoint,
            settings.azure_speech_region,
        )
    if not key and not connection.auth_token and not host:
        raise ConfigError("there is no key for Azure Speech: set AZURE_SPEECH_KEY, or give key")
    arguments = {"subscription": key} if key else {}
    if service == "tts" and not endpoint:
        # Text that is streamed in needs this version, which the SDK does not choose by itself.
        base = host or f"wss://{region}.tts.speech.microsoft.com"
        endpoint = f"{base.rstrip('/')}/cognitiveservices/websocket/v2" if host or region else None
        host = None
    try:
        if host:
            config = sdk.SpeechConfig(host=host, **arguments)
        elif endpoint:
            config = sdk.SpeechConfig(endpoint=endpoint, **arguments)
        elif region:
            config = sdk.SpeechConfig(region=region, **({**arguments, "subscription": key or "none"}))
        else:
            raise ConfigError("there is no address for Azure Speech: set AZURE_SPEECH_REGION, or give region")
    except ValueError as error:
        raise ConfigError(f"the address of Azure Speech is wrong: {error}") from None
    if connection.auth_token:
        config.authorization_token = connection.auth_token
    if connection.endpoint_id:
        config.endpoint_id = connection.endpoint_id
    return config, [secret for secret in (key, connection.auth_token) if secret]


def failure_of(code: str, details: str, secrets: list[str]) -> VoicewireError:
    """The error of a cancelled session; the code counts, the text is for people."""
    text = scrubbed(details, secrets)
    message = f"Azure Speech ended the session ({code}): {text or 'no reason was given'}"
    match code:
        case "AuthenticationFailure" | "Forbidden":
            return AuthError(message, provider="azure", code=code)
        case "BadRequest":
            return InvalidRequest(message, provider="azure", code=code)
        case "TooManyRequests":
            return RateLimited(message, provider="azure", code=code)
        case "ConnectionFailure":
            return ConnectionLost(message)
        case _:
            return ProviderUnavailable(message, provider="azure", code=code)
