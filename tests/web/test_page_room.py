"""The view of a room in a real Chromium: two people and two agents, who read and hear the same."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser
from pydantic import SecretStr

from voicewire.gateway import GatewaySettings
from voicewire.testing import serve

from .browser import PHONE, Visitor, needs_chromium, visitor
from .test_page_looks import looks_well, violations

pytestmark = [pytest.mark.judge, pytest.mark.anyio, needs_chromium]

SETTINGS = GatewaySettings(drain_s=0.0, close_grace_s=1.0, closed_grace_s=0.0)


async def join(user: Visitor, url: str, name: str) -> None:
    """Comes into the kitchen."""
    await user.page.goto(f"{url}/room?id=kitchen")
    await user.page.get_by_text("The agents Ada and Bob are there").wait_for()
    await user.page.get_by_label("Your name").fill(name)
    await user.page.get_by_role("button", name="Join").click()
    await user.page.wait_for_selector("#room:not([hidden])")
    await seat(user, name).wait_for()


def seat(user: Visitor, name: str) -> Any:
    """Somebody's seat, as this user sees it."""
    return user.page.locator(".seat", has=user.page.get_by_role("heading", name=name, exact=True))


@asynccontextmanager
async def two_people(opened: Browser, **options: Any) -> AsyncGenerator[tuple[Visitor, Visitor]]:
    """Ann, and Eve with these options, in one room."""
    async with serve("echo", settings=SETTINGS) as gateway, visitor(opened) as ann:
        async with visitor(opened, bypass_csp=True, **options) as eve:
            await join(ann, gateway.http_url, "Ann")
            await join(eve, gateway.http_url, "Eve")
            await seat(ann, "Eve").wait_for()
            yield ann, eve


async def test_two_people_in_one_room_see_each_others_captions_and_the_floor(chromium: Browser) -> None:
    async with two_people(chromium) as (ann, eve):
        assert await eve.page.locator(".seat-name").all_text_contents() == ["Ann", "Eve", "Ada", "Bob"]
        question = "Bob, what do you think of the long way round the lake, and of the weather up there?"
        await ann.type(question)
        for user in (ann, eve):
            assert await seat(user, "Ann").locator(".seat-words").text_content() == question
            await seat(user, "Bob").get_by_text("has the floor").wait_for()
            assert "Bob has the floor" in await user.page.get_by_role("status").all_text_contents()
            words = seat(user, "Bob").locator(".heard")
            await words.get_by_text("long way").wait_for()
            assert "weather" not in (await words.text_content() or ""), "the words wait for their playing"
            await user.phase("speaking")
        await looks_well(eve, "room")
        for user in (ann, eve):
            await seat(user, "Bob").locator(".seat-words:not(.is-open)").wait_for()
            await seat(user, "Ada").get_by_text("of audio").wait_for()
            assert await seat(user, "Bob").locator(".heard").text_content() == f"You said: Ann: {question}"
            await user.phase("idle")
        read_aloud = await eve.page.locator("#live p").all_text_contents()
        assert read_aloud[0] == f"Ann: {question}"
        assert [line.partition(":")[0] for line in read_aloud] == ["Ann", "Bob", "Ada"]

        # A voice: the fake microphone beeps, and whoever else is there hears it.
        await ann.page.get_by_role("button", name="Talk").click()
        await seat(eve, "Ann").get_by_text("has the floor").wait_for()
        await eve.phase("speaking")
        await ann.page.get_by_role("button", name="Talk").click()
        await seat(eve, "Ann").get_by_text("[audio").first.wait_for()

        await ann.type("speak 30 seconds")
        await eve.page.wait_for_selector(".seat-agent.has-floor .heard:not(:empty)")
        await eve.page.keyboard.press("Escape")
        for user in (ann, eve):
            await user.page.locator(".unheard:not(:empty)").first.wait_for()
            await user.phase("idle")
        await ann.page.get_by_role("button", name="Leave").click()
        await ann.page.get_by_role("button", name="Join").wait_for()
        await seat(eve, "Ann").wait_for(state="detached")
        assert await eve.page.locator(".seat-name").all_text_contents() == ["Eve", "Ada", "Bob"]
        await ann.page.get_by_label("Your name").fill("Bob")
        await ann.page.get_by_role("button", name="Join").click()
        await ann.page.get_by_role("alert").get_by_text("give another name").wait_for()
        assert await ann.page.get_by_role("button", name="Join").is_visible()


async def test_a_phone_shows_the_room_and_the_way_in(chromium: Browser) -> None:
    options: dict[str, Any] = {"viewport": PHONE, "device_scale_factor": 2, "has_touch": True}
    async with serve("echo") as gateway:
        async with visitor(chromium, bypass_csp=True, **options) as user:
            await user.visit(gateway.http_url)
            await user.page.get_by_role("link", name="Room").click()
            await user.page.get_by_text("The agents Ada and Bob are there").wait_for()
            await user.picture("phone-room-door")
            assert await violations(user) == []
            await user.page.get_by_label("Your name").fill("Ann")
            await user.page.get_by_label("Your name").press("Enter")
            await seat(user, "Bob").wait_for()
            assert await user.page.evaluate("document.activeElement.id") == "compose-text"
            await user.type("Bob, is there room for a long sentence on a telephone?")
            await seat(user, "Bob").locator(".heard").get_by_text("sentence").wait_for()
            await user.picture("phone-room")
            assert await violations(user) == []
            assert await user.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            # Lost, and back: the captions are there once.
            before = await user.page.locator(".seat-words").all_text_contents()
            await user.page.evaluate("globalThis.voicewire.room.link.drop()")
            await user.phase("waiting", "connecting")
            await user.phase("idle", "speaking")
            said = seat(user, "Ann").locator(".seat-words")
            assert await said.all_text_contents() == before[:1]


async def test_a_room_of_a_gateway_with_keys_asks_for_one(chromium: Browser) -> None:
    settings = GatewaySettings(api_keys=(SecretStr("good-key"),), drain_s=0.0, closed_grace_s=0.0)
    async with serve("echo", settings=settings) as gateway, visitor(chromium) as user:
        await user.page.goto(f"{gateway.http_url}/room")
        await user.page.get_by_label("API key").fill("good-key")
        await user.page.get_by_role("button", name="Connect").click()
        await user.page.get_by_text("The agents Ada and Bob are there").wait_for()
        await user.page.get_by_label("Your name").fill("Ann")
        await user.page.get_by_role("button", name="Join").click()
        await seat(user, "Ann").wait_for()
        assert not any("good-key" in url for url in user.urls)
        user.complaints[:] = [text for text in user.complaints if "401" not in text]
