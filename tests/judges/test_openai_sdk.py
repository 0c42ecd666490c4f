"""The ``openai`` Python SDK judges the gateway."""

from __future__ import annotations

import pytest

from .openai_sdk import ECHO_SCENARIOS

pytestmark = [pytest.mark.judge, pytest.mark.anyio]


@pytest.mark.parametrize("scenario", ECHO_SCENARIOS)
async def test_echo_satisfies_the_sdk(echo_url: str, scenario: str) -> None:
    await ECHO_SCENARIOS[scenario](echo_url, "echo")
