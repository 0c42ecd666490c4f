"""``rt-client`` (npm) judges the gateway's beta dialect, by both of its constructors."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import rt_client

pytestmark = [pytest.mark.judge, pytest.mark.anyio]


@pytest.mark.parametrize("scenario", rt_client.SCENARIOS)
async def test_echo_satisfies_azure(echo_url: str, tmp_path: Path, scenario: str) -> None:
    await rt_client.SCENARIOS[scenario](echo_url, "echo", "azure", tmp_path)


@pytest.mark.parametrize("scenario", rt_client.SCENARIOS)
async def test_echo_satisfies_openai(echo_url: str, tmp_path: Path, scenario: str) -> None:
    await rt_client.SCENARIOS[scenario](echo_url, "echo", "openai", tmp_path)
