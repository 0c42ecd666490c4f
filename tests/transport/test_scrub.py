"""Secrets do not survive being printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.transport.scrub import safe_url, scrubbed

pytestmark = pytest.mark.unit

SECRET_NAMES = ["api-key", "api_key", "key", "token", "access_token", "sig", "Authorization", "client_secret"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://h/v1/realtime?model=gpt-realtime", "wss://h/v1/realtime?model=gpt-realtime"),
        ("wss://u:p@h:8080/x?key=abc&alt=ws", "wss://h:8080/x?key=***&alt=ws"),
        ("ws://[::1]:80/?Authorization=Bearer%20abc", "ws://[::1]:80/?Authorization=***"),
        ("wss://h/?q=sk-abcdef123", "wss://h/?q=***"),
        ("wss://h/?q=AIzaSyAbCdEfGhIj", "wss://h/?q=***"),
        ("wss://[broken", "***"),
    ],
)
def test_addresses(url: str, shown: str) -> None:
    assert safe_url(url) == shown


@given(name=st.sampled_from(SECRET_NAMES), value=st.text("abcdefghij0123456789", min_size=12, max_size=40))
def test_no_secret_parameter_is_shown(name: str, value: str) -> None:
    assert value not in safe_url(f"wss://host/path?model=m&{name}={value}&last=1")


@given(secret=st.text("abcdefghijXYZ0123456789+/=", min_size=6, max_size=40), around=st.text(max_size=20))
def test_a_known_secret_is_not_in_a_message(secret: str, around: str) -> None:
    assert secret not in scrubbed(f"({around}) {secret} [{around}]", [f"Bearer {secret}"])


def test_keys_are_recognised_without_being_known() -> None:
    text = scrubbed("Incorrect API key provided: sk-proj-abc***def; header was Bearer eyJhbGciOi.x.y")
    assert text == "Incorrect API key provided: ***; header was Bearer ***"


def test_other_words_stay() -> None:
    text = "task-force said ask-me about the skeleton"
    assert scrubbed(text) == text
