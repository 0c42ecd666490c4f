"""Acceptance on the embedded engine: real speech in, real speech out, and a voice that interrupts it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from voicewire.models import create_model
from voicewire.testing import ServedGateway, serve

from .browser import DEMO_SPEECH, SPEECH, browser, microphone, needs_chromium, visitor
from .served import free_port, server

pytestmark = [pytest.mark.engine, pytest.mark.anyio, needs_chromium]

SILENCE_AFTER_ONSET_MS = 250
LEDGER_ERROR_MS = 40


@pytest.fixture(scope="module")
def complete() -> None:
    """The embedded engine has all its models; the test skips otherwise."""
    from voicewire.engine import weights

    if missing := [item.weights.name for item in weights.plan().missing]:
        pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")


@pytest.fixture(scope="module")
async def local(complete: None) -> AsyncGenerator[ServedGateway]:
    """A gateway that serves the embedded engine, its models loaded."""
    model = create_model("local")
    async with model.open():
        pass
    async with serve(model) as gateway:
        yield gateway


async def test_a_spoken_question_is_answered_audibly_with_captions_of_both_sides(
    local: ServedGateway, tmp_path: Path
) -> None:
    mic = microphone(tmp_path / "mic.wav", [1.0, SPEECH / "capital-of-japan.flac", 30.0])
    async with browser(mic) as opened, visitor(opened) as user:
        await user.visit(local.http_url)
        await user.page.click("#talk")
        # While it is being spoken, a part of it is there already.
        await user.page.wait_for_selector(".said-user.is-open .heard:not(:empty)")
        assert "capital of Japan" in await user.caption("user", "Japan")
        said = await user.caption("assistant", "Tokyo")
        await user.phase("listening")
        recording = await user.recording()
        ((heard_ms, text),) = await user.value(
            """[...app.captions.entries.values()].filter(entry => entry.role === 'assistant').map(entry => {
              const ledger = app.ledger.get(entry.id);
              return [ledger.heard * 1000 / ledger.rate, entry.text];
            })"""
        )
        stages = await user.value("app.turns.export().at(-1).stages_ms")
    assert said == text
    question, answer = recording.stretches_ms("user"), recording.stretches_ms("agent", gap_ms=1500)
    assert len(answer) == 1
    assert answer[0][0] > question[-1][1] - 200
    # Speech has pauses at its ends, so what was audible is a little shorter than what was played.
    assert 0 <= heard_ms - (answer[0][1] - answer[0][0]) < 700
    print(f"voice to voice {stages}; audible {recording.audible_ms()} ms of {heard_ms:.0f} ms")


async def test_a_voice_silences_a_story_at_once_and_the_ledger_knows_where(
    local: ServedGateway, tmp_path: Path
) -> None:
    parts: list[float | Path] = [
        1.0,
        DEMO_SPEECH / "05-story.flac",
        3.5,
        DEMO_SPEECH / "06-interruption.flac",
        30.0,
    ]
    async with browser(microphone(tmp_path / "mic.wav", parts)) as opened, visitor(opened) as user:
        await user.visit(local.http_url)
        await user.page.click("#talk")
        await user.page.wait_for_selector(".said-assistant .note:not(:empty)", timeout=30_000)
        await user.caption("user", "time")
        await user.until("app.turns.all.filter(turn => turn.isDone).length === 2")
        await user.page.wait_for_selector(".said-assistant:last-child .heard:not(:empty)")
        await user.picture("desktop-local")
        recording = await user.recording()
        heard_ms = await user.value("[...app.ledger.values()].map(each => each.heard * 1000 / each.rate)[0]")
        played = await user.value("app.playbackLog.find(news => news.type === 'flushed').positions[0]")
        words = await user.value("document.querySelector('.said-assistant .heard').textContent.trim()")
        missed = await user.value("document.querySelector('.said-assistant .unheard').textContent")
    onset_ms = recording.stretches_ms("user", gap_ms=700)[1][0]
    silent_ms, _ = recording.silence_ms(onset_ms, lasting_ms=800)
    earliest_ms, latest_ms = recording.position_ms(user.generated(played["item_id"]), silent_ms)
    print(f"silence {silent_ms - onset_ms} ms after the onset; heard: {words!r}")
    print(f"ledger {heard_ms:.0f} ms, rendered {earliest_ms} to {latest_ms} ms")
    assert silent_ms - onset_ms <= SILENCE_AFTER_ONSET_MS
    assert earliest_ms - LEDGER_ERROR_MS <= heard_ms <= latest_ms + LEDGER_ERROR_MS
    assert abs(heard_ms - played["samples"] * 1000 / played["rate"]) <= LEDGER_ERROR_MS
    assert words
    assert missed


@pytest.mark.usefixtures("complete")
async def test_a_reload_and_a_killed_server_do_not_end_the_conversation(chromium: Browser) -> None:
    port = free_port()
    async with visitor(chromium) as user:
        async with server(port, "local") as process:
            await user.visit(f"http://127.0.0.1:{port}")
            await user.type("What is the capital of Japan?")
            await user.caption("assistant", "Tokyo")
            await user.phase("idle")
            said = await user.value("app.captions.history().map(entry => entry.text)")
            # What the page has after this comes from the session on the server.
            await user.value("app.captions.clear()")
            await user.page.reload()
            await user.phase("idle")
            assert await user.value("app.captions.history().map(entry => entry.text)") == said
            process.kill()
            await user.phase("waiting")
            await user.page.get_by_role("alert").get_by_text("Reconnecting").wait_for()
        async with server(port, "local"):
            await user.phase("idle")
            assert not await user.page.get_by_role("alert").is_visible()
            await user.type("And of France?")
            await user.caption("assistant", "Paris")
            assert (await user.value("app.captions.history().map(entry => entry.text)"))[:2] == said
            assert (await user.recording()).audible_ms() > 300
        # The browser reports every attempt that found nobody.
        user.complaints[:] = [text for text in user.complaints if "ERR_CONNECTION" not in text]
