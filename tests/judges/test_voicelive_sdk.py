"""The ``azure-ai-voicelive`` SDK judges the gateway's Voice Live door."""

from __future__ import annotations

import pytest

from .voicelive_sdk import SCENARIOS

pytestmark = [pytest.mark.judge, pytest.mark.anyio]


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_echo_satisfies_the_sdk(echo_url: str, scenario: str) -> None:
    await SCENARIOS[scenario](echo_url, "echo")
