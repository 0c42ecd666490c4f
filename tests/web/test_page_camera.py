"""The camera: a still a second for a model that takes images, and no button for one that does not."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from playwright.async_api import Browser

from voicewire.events.commands import SendImage
from voicewire.models.echo import EchoRealtimeModel
from voicewire.testing import serve

from .browser import SpiedEcho, needs_chromium, visitor

pytestmark = [pytest.mark.loopback, pytest.mark.anyio, needs_chromium]


async def test_a_picture_a_second_reaches_the_model_while_the_camera_is_on(chromium: Browser) -> None:
    model = SpiedEcho()
    async with serve(model) as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        await user.page.get_by_role("button", name="Camera").click()
        await user.page.get_by_text("2 pictures sent").wait_for()
        times_ms: list[float] = await user.value("app.camera.taken")
        await user.page.get_by_role("button", name="Camera").click()
        assert not await user.page.locator("#camera-view").is_visible()
        await user.type("what did you see")
        await user.caption("assistant", "what did you see")
    pictures = [command for command in model.commands if isinstance(command, SendImage)]
    assert times_ms[1] - times_ms[0] > 800
    assert len(pictures) >= 2
    assert pictures[0].media_type == "image/jpeg"
    assert base64.b64decode(pictures[0].data)[:3] == b"\xff\xd8\xff"


async def test_without_a_camera_the_conversation_goes_on(chromium: Browser) -> None:
    async with serve("echo") as gateway, visitor(chromium, allows_mic=False) as user:
        await user.visit(gateway.http_url)
        await user.page.get_by_role("button", name="Camera").click()
        await user.page.get_by_role("alert").get_by_text("does not let this page use the camera").wait_for()
        await user.type("hello")
        await user.caption("assistant", "hello")


async def test_a_model_that_takes_no_images_is_shown_none(chromium: Browser) -> None:
    blind = EchoRealtimeModel()
    blind.capabilities = replace(blind.capabilities, input_modalities=frozenset({"text", "audio"}))
    async with serve(blind) as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        assert not await user.page.locator("#camera").is_visible()
