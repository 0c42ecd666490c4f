"""The ``openai`` Python SDK judges the gateway."""

from __future__ import annotations

import pytest

from .openai_sdk import SCENARIOS

pytestmark = [pytest.mark.judge, pytest.mark.anyio]


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_echo_satisfies_the_sdk(echo_url: str, scenario: str) -> None:
    await SCENARIOS[scenario](echo_url, "echo")
