"""How the page looks and whether everybody can use it: pictures kept in web-out/, and axe-core as the judge."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
from playwright.async_api import Browser

from voicewire.testing import serve

from .browser import AXE, PHONE, SPEECH, Visitor, browser, microphone, needs_chromium, visitor

pytestmark = [pytest.mark.judge, pytest.mark.anyio, needs_chromium]

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def violations(user: Visitor, *, colours_only: bool = False) -> list[str]:
    """What axe-core finds wrong with the page as it is now."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed; run `make node`")
    if not await user.page.evaluate("'axe' in globalThis"):
        await user.page.add_script_tag(path=AXE)
    rules = (
        {"type": "rule", "values": ["color-contrast"]} if colours_only else {"type": "tag", "values": RULES}
    )
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    found: dict[str, Any] = await user.page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{each['id']}: {each['help']}: {[node['html'] for node in each['nodes']][:3]}"
        for each in found["violations"]
    ]


async def looks_well(user: Visitor, name: str) -> None:
    """Clean for axe and pictured, in light and in dark."""
    for scheme in SCHEMES:
        await user.page.emulate_media(color_scheme=scheme)
        await user.picture(f"{name}-{scheme}")
        # The other theme has the same elements, and other colours.
        assert await violations(user, colours_only=scheme == "dark") == []


@pytest.fixture(scope="module")
async def chromium(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Browser]:
    """A browser whose microphone hears one question, and then nothing."""
    path = tmp_path_factory.mktemp("looks") / "mic.wav"
    async with browser(microphone(path, [0.5, SPEECH / "what-time.flac", 30.0])) as opened:
        yield opened


@asynccontextmanager
async def a_conversation(opened: Browser, **options: Any) -> AsyncGenerator[Visitor]:
    """A page with something of everything: both sides, a call, an interruption, a running speech."""
    async with serve("echo") as gateway, visitor(opened, bypass_csp=True, **options) as user:
        await user.visit(gateway.http_url)
        yield user


async def converse(user: Visitor) -> None:
    await user.page.click("#talk")
    await user.caption("assistant", "of audio")
    await user.type('call get_weather {"city": "Oslo"}')
    await user.page.locator(".tool-card summary").click()
    await user.page.get_by_label("Result of get_weather").fill("4 degrees and rain")
    await user.page.get_by_role("button", name="Return it").click()
    await user.page.wait_for_selector(".tool-card:has-text('done')")
    await user.page.locator(".tool-card summary").click()
    await user.caption("assistant", "degrees")
    await user.type("Tell me a long story about a very small boat that went out to sea and came home again")
    await user.until("[...app.captions.entries.values()].at(-1).heard.split(' ').length > 9")
    await user.page.click("#stop")
    await user.page.wait_for_selector(".note:not(:empty)")
    await user.type("What is the name of the longest river in the world, and where does it reach the sea?")
    await user.until(
        "app.phase === 'speaking' && [...app.captions.entries.values()].at(-1).heard.split(' ').length > 7"
    )


async def test_the_page_is_clean_for_axe_and_its_pictures_are_kept(chromium: Browser) -> None:
    async with a_conversation(chromium) as user:
        await looks_well(user, "desktop-empty")
        await converse(user)
        await looks_well(user, "desktop")
        await user.page.click("#camera")
        await user.until("app.camera.taken.length > 0")
        await looks_well(user, "desktop-camera")
        await user.page.click("#settings-toggle")
        await looks_well(user, "desktop-settings")
        await user.page.keyboard.press("Escape")
        await user.value("app.view.onTrouble('The server is gone. Reconnecting \\u2026')")
        await user.value("app.view.onLocked('')")
        await looks_well(user, "desktop-key")


async def test_a_phone_shows_everything_without_scrolling_sideways(chromium: Browser) -> None:
    options = {"viewport": PHONE, "device_scale_factor": 2, "has_touch": True}
    async with a_conversation(chromium, **options) as user:
        await user.picture("phone-empty")
        for words in ("not connected", "reconnecting"):
            await user.page.evaluate(
                "words => { document.querySelector('#link-state').textContent = words; }", words
            )
            assert await user.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        await converse(user)
        await user.picture("phone")
        assert await user.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        small = await user.page.evaluate(
            """() => [...document.querySelectorAll('button, input, select, summary')]
                 .filter(each => each.offsetParent && each.getBoundingClientRect().height < 24)
                 .map(each => each.id)"""
        )
        assert small == []
        assert await violations(user) == []
        await user.page.locator("#save-wav").scroll_into_view_if_needed()
        await user.picture("phone-below")
        await user.page.click("#settings-toggle")
        await user.picture("phone-settings")
        assert await violations(user) == []


async def test_everything_can_be_reached_and_done_with_the_keyboard(chromium: Browser) -> None:
    async with a_conversation(chromium) as user:
        reached: list[str] = []
        for _ in range(30):
            await user.page.keyboard.press("Tab")
            reached.append(
                await user.page.evaluate("document.activeElement.id || document.activeElement.tagName")
            )
            if reached[-1] == "save-wav":
                break
        wanted = ["settings-toggle", "talk", "compose-text", "save-text", "save-json", "save-wav"]
        assert [name for name in reached if name in wanted] == wanted
        await user.type("speak 30 seconds")
        await user.phase("speaking")
        await user.page.keyboard.press("Escape")
        await user.phase("idle")
        await user.page.focus("#settings-toggle")
        await user.page.keyboard.press("Enter")
        await user.type("speak 20 seconds")
        await user.phase("speaking")
        assert await user.page.locator("#settings").is_visible()
        await user.page.keyboard.press("Escape")
        assert not await user.page.locator("#settings").is_visible()
        assert await user.value("app.phase") == "speaking", "Escape closed the settings and did nothing else"
        live = user.page.get_by_role("log").get_by_text("You: speak 30 seconds")
        await live.wait_for(state="attached")


async def test_with_reduced_motion_nothing_moves(chromium: Browser) -> None:
    async with a_conversation(chromium, reduced_motion="reduce") as user:
        await user.type("speak 30 seconds")
        await user.phase("speaking")
        moving = await user.page.evaluate(
            "document.getAnimations().filter(each => each.playState === 'running').length"
        )
        assert moving == 0
