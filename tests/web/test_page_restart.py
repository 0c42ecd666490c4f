"""Acceptance: the server's process is killed and started again under the page's feet."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from .browser import needs_chromium, visitor
from .served import free_port, server

pytestmark = [pytest.mark.judge, pytest.mark.anyio, needs_chromium]


async def test_the_conversation_goes_on_after_the_server_was_killed_and_started_again(
    chromium: Browser,
) -> None:
    port = free_port()
    async with visitor(chromium) as user:
        async with server(port) as process:
            await user.visit(f"http://127.0.0.1:{port}")
            await user.type("before the end")
            await user.caption("assistant", "before the end")
            await user.phase("idle")
            process.kill()
            await user.phase("waiting")
            await user.page.get_by_role("alert").get_by_text("Reconnecting").wait_for()
            assert await user.page.locator("#link-state").text_content() == "reconnecting"
        async with server(port):
            await user.phase("idle")
            assert not await user.page.get_by_role("alert").is_visible()
            await user.type("after it")
            await user.caption("assistant", "after it")
            said = ["before the end", "You said: before the end", "after it", "You said: after it"]
            assert await user.value("app.captions.history().map(entry => entry.text)") == said
            # The new process was told what had been said: a page that is loaded again hears it from there.
            await user.phase("idle")
            await user.value("app.captions.clear()")
            await user.page.reload()
            await user.phase("idle")
            assert await user.value("app.captions.history().map(entry => entry.text)") == said
        # The browser reports every attempt that found nobody.
        user.complaints[:] = [text for text in user.complaints if "ERR_CONNECTION" not in text]


async def test_a_server_that_is_not_there_yet_is_waited_for(chromium: Browser) -> None:
    port = free_port()
    async with visitor(chromium) as user:
        async with server(port):
            await user.visit(f"http://127.0.0.1:{port}")
        await user.page.fill("#compose-text", "anybody")
        await user.page.press("#compose-text", "Enter")
        await user.phase("waiting")
        async with server(port):
            assert await user.caption("assistant", "anybody") == "You said: anybody"
        user.complaints[:] = [text for text in user.complaints if "ERR_CONNECTION" not in text]
