"""What can be chosen in the settings, in the middle of a conversation: model, voice, and who ends a turn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser

from voicewire.events.commands import CreateItem, UpdateSession
from voicewire.testing import serve

from .browser import SpiedEcho, browser, microphone, needs_chromium, visitor

pytestmark = [pytest.mark.loopback, pytest.mark.anyio, needs_chromium]


async def test_model_voice_and_turn_taking_are_chosen_while_one_talks(tmp_path: Path) -> None:
    first, second = SpiedEcho(), SpiedEcho()
    second.name = "second"
    second.capabilities = replace(second.capabilities, voices=("alba", "jean"))
    mic = microphone(tmp_path / "mic.wav", [30.0])
    async with serve([first, second]) as gateway, browser(mic) as opened, visitor(opened) as user:
        await user.visit(gateway.http_url)
        await user.page.click("#talk")
        await user.type("remember the boat")
        await user.caption("assistant", "the boat")
        await user.page.get_by_role("button", name="Settings").click()
        await user.page.get_by_label("Model").select_option("second")
        await user.phase("listening")
        assert await user.value("app.isMicOn"), "another model goes on with an open microphone"
        await user.page.get_by_label("Voice").select_option("jean")
        await user.page.get_by_label("Turn-taking").select_option("none")
        await user.page.get_by_label("Instructions").fill("You are a sailor.")
        await user.page.keyboard.press("Escape")
        await user.page.get_by_text("Hold the button, or the space bar, to talk").wait_for()
        await user.type("and now")
        await user.caption("assistant", "and now")
        texts = await user.value("app.captions.history().map(entry => entry.text)")
    assert texts == ["remember the boat", "You said: remember the boat", "and now", "You said: and now"]
    assert (first.openings, second.openings) == (1, 1)
    told = [
        part.text for each in second.commands if isinstance(each, CreateItem) for part in each.item.content
    ]
    assert told == texts[:2]
    last = [each for each in second.commands if isinstance(each, UpdateSession)][-1]
    assert (last.voice, last.turn_detection, last.instructions) == ("jean", None, "You are a sailor.")


async def test_push_to_talk_can_be_chosen_in_the_middle_of_a_turn(chromium: Browser) -> None:
    async with serve("echo") as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        await user.type("hello")
        await user.caption("assistant", "hello")
        await user.phase("idle")
        await user.value(
            """app.take({type: 'agent_input_started', agent_id: 'a', agent_name: 'Friday', item_id: 'i',
                         audio_start_ms: 0})"""
        )
        await user.phase("listening")
        await user.choose_turns("none")
        await user.phase("idle")
        assert await user.page.locator(".is-waiting").count() == 0
