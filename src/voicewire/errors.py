"""Every error that Voicewire raises, on one page.

::

    VoicewireError
    |-- ConfigError                 a setting, name, key or file is missing or wrong (fix and start again)
    |   `-- UnknownModelError       a model name that nobody registered
    |-- UnsupportedError            the chosen model or voice cannot do this (refused before the wire)
    |-- AudioError (ValueError)     bytes, rates or files that are not the audio they claim to be
    |   `-- AudioDeviceError        no microphone or speaker, or the audio library is not there
    |-- InvalidEventError (ValueError)  a command or event with a missing, unknown or ill-typed field
    |-- SessionClosed               the session is over; carries code and reason
    |-- TransportError
    |   |-- ConnectFailed           nothing answered, or the handshake was refused
    |   |-- ConnectTimeout          the handshake took too long
    |   `-- ConnectionLost          an open connection died; carries code and reason
    |-- ProtocolError
    |   |-- LocalProtocolError      we (or the application) tried what the protocol forbids
    |   |   `-- CassetteMismatch    a replayed recording expected another frame; carries expected and got
    |   `-- RemoteProtocolError     the peer sent what the protocol forbids
    |-- ProviderError               the provider refused; carries provider, code, http_status, request_id
    |   |-- AuthError
    |   |-- RateLimited
    |   |-- QuotaExceeded
    |   |-- InvalidRequest
    |   |-- ProviderUnavailable
    |   `-- RealtimeException       what an `RTClient` request was refused with; carries the server's error
    |-- RealtimeError               what `RealtimeVoice` reports; carries message and code
    |   `-- RealtimeConnectionError (TransportError)  its connection could not be made, or was lost
    |-- BackpressureError
    |   |-- ConsumerTooSlow         the application did not take its events in time
    |   `-- OutOfCapacity           admission refused; carries retry_after_s
    `-- EngineError                 the embedded engine
        |-- ModelLoadError          a weight file is missing, damaged or unreadable
        `-- InferenceError          a stage failed on valid input

Recoverable trouble inside a live call is an event (``ModelErrorEvent``); the end of the call is a
``SessionEnded`` event, and an exception from the iterator when it was not asked for.
"""

from __future__ import annotations


class VoicewireError(Exception):
    """Root of the tree. ``retryable`` says whether the same call may succeed later unchanged."""

    retryable: bool = False


class ConfigError(VoicewireError):
    """A setting, name, key or file is missing or wrong."""


class UnknownModelError(ConfigError):
    """A model name that is not one of ours."""


class UnsupportedError(VoicewireError):
    """The chosen model cannot do this; refused before anything reached the wire."""


class AudioError(VoicewireError, ValueError):
    """Bytes, rates or files that are not the audio they claim to be."""


class AudioDeviceError(AudioError):
    """No usable microphone or speaker, or the audio library is not installed."""


class InvalidEventError(VoicewireError, ValueError):
    """A command or event with a missing, unknown or ill-typed field; the message names the field."""


class SessionClosed(VoicewireError):
    """The session is over.

    Args:
        message: What happened, for a person.
        code: The close code of the wire (1000 normal, 1006 cut, ...), or 0 when there is none.
        reason: The reason the peer gave, possibly empty.
    """

    def __init__(self, message: str, *, code: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class TransportError(VoicewireError):
    """The connection could not be made or did not hold."""

    retryable = True


class ConnectFailed(TransportError):
    """Nothing answered at the address, or the WebSocket handshake was refused.

    Args:
        message: What happened, for a person.
        http_status: The status of the refused handshake, 0 when there was no answer.
    """

    def __init__(self, message: str, *, http_status: int = 0) -> None:
        super().__init__(message)
        self.http_status = http_status


class ConnectTimeout(TransportError):
    """The handshake or the session set-up took longer than allowed."""


class ConnectionLost(TransportError):
    """An open connection ended without being asked to.

    Args:
        message: What happened, for a person.
        code: WebSocket close code, 1006 when there was no closing handshake.
        reason: The reason the peer gave, possibly empty.
    """

    def __init__(self, message: str, *, code: int = 1006, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class ProtocolError(VoicewireError):
    """A rule of the wire was broken."""


class LocalProtocolError(ProtocolError):
    """Our side, or the application through it, tried what the protocol forbids."""


class CassetteMismatch(LocalProtocolError):
    """The session took another course than the recording that is played to it.

    Args:
        message: What was expected and what came, for a person.
        expected: Kind of the frame that the recorded client sent, empty when it sent no more.
        got: Kind of the frame that came.
    """

    def __init__(self, message: str, *, expected: str = "", got: str = "") -> None:
        super().__init__(message)
        self.expected = expected
        self.got = got


class RemoteProtocolError(ProtocolError):
    """The peer sent what the protocol forbids; the codec is closed for good after it.

    Args:
        message: What was wrong, for a person.
        code: The error code of the wire for it (``invalid_json``, ``missing_required_parameter``, ...).
        param: The field at fault, when one can be named.
    """

    def __init__(self, message: str, *, code: str = "", param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class ProviderError(VoicewireError):
    """The provider answered with a refusal.

    Args:
        message: The provider's message, cleaned of secrets.
        provider: Short provider name, such as ``openai``.
        code: The provider's own code.
        http_status: HTTP status, 0 when the refusal came inside the session.
        request_id: The provider's id for the request, when it gave one.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        code: str = "",
        http_status: int = 0,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.code = code
        self.http_status = http_status
        self.request_id = request_id


class AuthError(ProviderError):
    """The key or token was refused."""


class RateLimited(ProviderError):
    """Too many requests; the same call may succeed later."""

    retryable = True


class QuotaExceeded(ProviderError):
    """The account has no budget left."""


class InvalidRequest(ProviderError):
    """The provider understood the request and will not do it."""


class ProviderUnavailable(ProviderError):
    """The provider failed on its side."""

    retryable = True


class RealtimeException(ProviderError):
    """A request of an `RTClient` was refused (seed 001).

    Args:
        message: The server's message.
        type: Its kind of error.
        code: Its code.
        param: The field at fault.
        event_id: The message that caused it.
    """

    def __init__(
        self,
        message: str,
        *,
        type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
    ) -> None:
        super().__init__(message, code=code or "")
        self.message = message
        self.type = type
        self.param = param
        self.event_id = event_id

    @property
    def error(self) -> RealtimeException:
        """The error itself, by the name that clients of that time use."""
        return self


class RealtimeError(VoicewireError):
    """What `RealtimeVoice` raises and reports (seed 003).

    Args:
        message: What happened, for a person.
        code: A short code for programs, None when there is none.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        return f"[{self.code}] {self.message}" if self.code else self.message


class RealtimeConnectionError(RealtimeError, TransportError):
    """The connection of a `RealtimeVoice` could not be made, or was lost."""


class BackpressureError(VoicewireError):
    """A bounded place is full."""

    retryable = True


class ConsumerTooSlow(BackpressureError):
    """The application did not take its events in time, so the session was ended."""


class OutOfCapacity(BackpressureError):
    """No room for another session.

    Args:
        message: What is full.
        retry_after_s: When to try again, in seconds.
    """

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EngineError(VoicewireError):
    """The embedded engine failed."""


class ModelLoadError(EngineError):
    """A weight file is missing, damaged or unreadable; the message prints the command that repairs it."""


class InferenceError(EngineError):
    """A stage failed on valid input."""
