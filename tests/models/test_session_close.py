"""How an open session ends of which the provider says that the key or the quota is not good any more."""

from __future__ import annotations

import pytest

from voicewire.errors import AuthError, ProviderError, QuotaExceeded
from voicewire.events.model import ModelErrorEvent
from voicewire.models.failures import session_close_error, tells_of_account
from voicewire.transport.frames import CloseInfo

pytestmark = pytest.mark.unit

KEY = ModelErrorEvent(error_type="invalid_request_error", code="invalid_api_key", message="no such key")
QUOTA = ModelErrorEvent(error_type="insufficient_quota", code="", message="all is used up")
HARMLESS = ModelErrorEvent(
    error_type="invalid_request_error", code="invalid_value", message="the key x is odd"
)


@pytest.mark.parametrize(
    ("event", "tells"),
    [
        (KEY, True),
        (QUOTA, True),
        (HARMLESS, False),
        (ModelErrorEvent(error_type="server_error", code="rate_limit_exceeded", message="slower"), False),
    ],
)
def test_only_codes_and_types_tell_of_the_account(event: ModelErrorEvent, tells: bool) -> None:
    assert tells_of_account(event) is tells


@pytest.mark.parametrize(
    ("info", "refusal", "kind"),
    [
        # An error event first, as OpenAI, Azure, Voice Live, xAI and DashScope do it.
        (CloseInfo(code=1008, reason="policy"), KEY, AuthError),
        (CloseInfo(code=4001, reason=""), QUOTA, QuotaExceeded),
        # The reason of the close alone, as Gemini does it, whose quota comes with the code of its own trouble.
        (CloseInfo(code=1008, reason="API key expired. Please renew the API key."), None, AuthError),
        (CloseInfo(code=1011, reason="You exceeded your current quota, please check"), None, QuotaExceeded),
        # Other ends.
        (CloseInfo(code=1000, reason="bye"), KEY, None),
        (CloseInfo(code=1001, reason="quota of the day: going away"), None, None),
        (CloseInfo(code=1011, reason="internal error"), None, None),
        (CloseInfo(code=1008, reason="you were impolite"), None, None),
        (CloseInfo(code=1006, reason="", is_clean=False), KEY, None),
    ],
)
def test_the_wire_s_own_word_makes_the_error(
    info: CloseInfo, refusal: ModelErrorEvent | None, kind: type[ProviderError] | None
) -> None:
    error = session_close_error(info, refusal, provider="acme")
    assert (None if error is None else type(error)) is kind
    if error is not None:
        assert not error.retryable
        assert str(error).startswith("acme ended the session: ")


def test_a_key_in_the_reason_is_not_repeated() -> None:
    error = session_close_error(
        CloseInfo(code=1008, reason="API key sk-abcdef123456 expired"), None, provider=""
    )
    assert error is not None
    assert "abcdef" not in str(error)
