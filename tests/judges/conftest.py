"""A gateway for the judges: ours with ``echo``, or any server that the environment names."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator

import pytest

from voicewire.testing import serve


@pytest.fixture
async def echo_url() -> AsyncGenerator[str, None]:
    """Root of a server whose model is ``echo``, such as ``ws://127.0.0.1:8080``."""
    if named := os.environ.get("VOICEWIRE_JUDGED_URL"):
        yield named
        return
    async with serve(model="echo") as gateway:
        yield gateway.ws_url
