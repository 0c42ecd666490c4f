"""One browser for all tests of a module that need no microphone of their own; each test has its own tab."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Browser

from .browser import browser


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """As everywhere, but for a whole module: the browser outlives a test, so its event loop does."""
    return "asyncio"


@pytest.fixture(scope="module")
async def chromium(anyio_backend: str) -> AsyncGenerator[Browser]:
    """A browser whose microphone beeps."""
    async with browser() as opened:
        yield opened
