"""A tool of the back end on the page: how far it is, in words and as a bar, while it runs."""

from __future__ import annotations

from functools import partial

import anyio
import pytest
from playwright.async_api import Browser, expect

from voicewire.agent import RealtimeAgent, Toolkit, ToolProgress
from voicewire.gateway import agent_door
from voicewire.testing import serve

from .browser import needs_chromium, visitor
from .test_page_looks import violations

pytestmark = [pytest.mark.judge, pytest.mark.anyio, needs_chromium]


async def test_the_card_of_a_call_shows_how_far_it_is(
    chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = anyio.Event()

    async def search(progress: ToolProgress) -> str:
        progress.report(1, total=4, message="<b>page 1</b>")
        progress.report(3, total=4, message="<b>page 3</b>")
        await go_on.wait()
        return "found it"

    monkeypatch.setattr(agent_door, "RealtimeAgent", partial(RealtimeAgent, toolkit=Toolkit([search])))
    async with serve("echo") as gateway, visitor(chromium, bypass_csp=True) as user:
        await user.visit(gateway.http_url)
        await user.type("call search {}")
        call = user.page.locator(".said.tool")
        words, bar = call.locator(".tool-words"), call.get_by_role("progressbar", name="Progress of search")
        await expect(words).to_have_text("<b>page 3</b>")
        await expect(words).to_have_attribute("aria-live", "polite")
        assert await bar.evaluate("bar => [bar.value, bar.max]") == [3, 4]
        await call.locator("summary").click()
        # Nobody has to type the result of a function that runs in the back end.
        assert not await call.locator(".tool-form").is_visible()
        assert await call.locator("b").count() == 0
        assert await violations(user) == []
        await user.picture("tool-progress")
        go_on.set()
        assert await user.caption("assistant", "found") == "search returned: found it"
        assert await call.locator(".tool-status").text_content() == "done"
        assert not await call.locator(".tool-progress").is_visible()


async def test_words_come_at_most_once_a_second_and_the_last_always(chromium: Browser) -> None:
    async with serve("echo") as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        await user.type("call search {}")
        words = user.page.locator(".tool-words")
        await words.wait_for(state="attached")
        shown = """async () => {
            const {app} = globalThis.voicewire;
            const seen = [], words = document.querySelector(".tool-words");
            new MutationObserver(() => seen.push(words.textContent)).observe(words, {childList: true});
            const {id} = [...app.captions.entries.values()].find(entry => entry.role === "tool");
            for (let at = 1; at <= 40; at += 1) {
                app.captions.showProgress(id, {message: "", progress: at, total: null});
                await new Promise(resolve => setTimeout(resolve, 10));
            }
            while (words.textContent !== "40") {
                await new Promise(resolve => setTimeout(resolve, 10));
            }
            return seen;
        }"""
        assert await user.page.evaluate(shown) == ["1", "40"]
        assert not await user.page.locator(".tool-bar").is_visible()
