"""Acceptance: a closed tab ends its agent; a real browser says goodbye, so that it need not be waited for."""

from __future__ import annotations

import anyio
import pytest
from playwright.async_api import Browser

from voicewire.gateway import GatewaySettings
from voicewire.testing import serve

from .browser import needs_chromium, visitor

pytestmark = [pytest.mark.judge, pytest.mark.anyio, needs_chromium]


@pytest.mark.parametrize("is_speaking", [False, True], ids=["idle", "while it speaks"])
async def test_a_closed_tab_ends_its_agent(chromium: Browser, is_speaking: bool) -> None:
    # A client that is only lost would be waited for, far longer than this test may take.
    settings = GatewaySettings(closed_grace_s=0.0, resume_grace_s=600.0, drain_s=0.0)
    async with serve("echo", settings=settings) as gateway:
        async with visitor(chromium) as user:
            await user.visit(gateway.http_url)
            await user.type("speak 60 seconds" if is_speaking else "hello")
            await user.phase("speaking" if is_speaking else "idle")
            assert gateway.admission.session_count == 1
            await user.page.close()
            with anyio.fail_after(10):
                await gateway.admission.wait_until_empty()
