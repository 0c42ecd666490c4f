"""The beta API of the ``openai`` Python SDK judges the gateway's beta dialect."""

from __future__ import annotations

import pytest

from .openai_beta_sdk import SCENARIOS

pytestmark = [pytest.mark.judge, pytest.mark.anyio]


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_echo_satisfies_openai(echo_url: str, scenario: str) -> None:
    await SCENARIOS[scenario](echo_url, "echo", "openai")


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_echo_satisfies_azure(echo_url: str, scenario: str) -> None:
    await SCENARIOS[scenario](echo_url, "echo", "azure")
