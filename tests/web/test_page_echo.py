"""Acceptance: a real Chromium talks through the page with the echo model; what counts is what was heard."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser
from pydantic import SecretStr

from voicewire.gateway import GatewaySettings
from voicewire.testing import serve

from .browser import DEMO_SPEECH, SPEECH, SpiedEcho, browser, microphone, needs_chromium, visitor

pytestmark = [pytest.mark.judge, pytest.mark.anyio, needs_chromium]

SILENCE_AFTER_ONSET_MS = 250
LEDGER_ERROR_MS = 40


async def test_a_typed_message_is_answered_with_sound_and_captions_without_a_microphone(
    chromium: Browser,
) -> None:
    async with serve("echo") as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        text = "the quick brown fox jumps over the lazy dog, and the dog, as lazy as ever, only opens one of its eyes"
        await user.type(text)
        await user.phase("speaking")
        words = await user.value("document.querySelector('.said-assistant .heard').textContent")
        assert f"You said: {text}".startswith(words.strip())
        assert len(words) < len(text), "the words wait for their playing"
        assert await user.caption("assistant", "eyes") == f"You said: {text}"
        assert await user.caption("user", "eyes") == text
        await user.phase("idle")
        recording = await user.recording()
        expected_ms = 20 * len(f"You said: {text}")
        assert abs(recording.audible_ms() - expected_ms) <= 20
        assert abs(recording.pitch_hz() - 440) < 3
        (ledger,) = await user.value("[...app.ledger.values()].map(each => each.heard * 1000 / each.rate)")
        assert ledger == expected_ms
        assert not await user.value("app.isMicOn")


async def test_a_voice_is_answered_in_kind_and_a_second_one_interrupts(tmp_path: Path) -> None:
    model = SpiedEcho()
    long, over = SPEECH / "capital-of-japan.flac", SPEECH / "man-on-the-moon.flac"
    mic = microphone(tmp_path / "mic.wav", [1.0, long, 1.2, over, 4.0])
    async with serve(model) as gateway, browser(mic) as opened, visitor(opened) as user:
        await user.visit(gateway.http_url)
        await user.page.click("#talk")
        await user.caption("user", "audio")
        await user.page.wait_for_selector(".said-assistant .note:not(:empty)")
        await user.until("app.turns.all.filter(turn => turn.isDone).length === 2")
        await user.phase("listening")
        recording = await user.recording()
    onset_ms = recording.stretches_ms("user")[1][0]
    assert recording.audible_ms(until_ms=onset_ms) > 100, "the agent was speaking when the user began"
    silent_ms, _ = recording.silence_ms(onset_ms, lasting_ms=400)
    assert silent_ms - onset_ms <= SILENCE_AFTER_ONSET_MS
    assert len(model.cuts_ms) == 1


async def test_an_interruption_of_a_long_speech_is_silence_and_truth(tmp_path: Path) -> None:
    model = SpiedEcho()
    mic = microphone(tmp_path / "mic.wav", [2.0, DEMO_SPEECH / "06-interruption.flac", 3.0])
    async with serve(model) as gateway, browser(mic) as opened, visitor(opened) as user:
        await user.visit(gateway.http_url)
        await user.type("speak 20 seconds")
        await user.phase("speaking")
        await user.page.click("#talk")
        await user.until("app.playbackLog.some(news => news.type === 'flushed')")
        await user.until("[...app.ledger.values()].length === 1")
        await user.until("app.turns.all.filter(turn => turn.isDone).length === 2")
        recording = await user.recording()
        heard_ms = await user.value("[...app.ledger.values()].map(each => each.heard * 1000 / each.rate)[0]")
    onset_ms = recording.stretches_ms("user")[0][0]
    silent_ms, _ = recording.silence_ms(onset_ms, lasting_ms=1000)
    rendered_ms = recording.audible_ms(until_ms=silent_ms, above_dbfs=-55)
    print(f"silence {silent_ms - onset_ms} ms after the onset; ledger {heard_ms - rendered_ms:+.0f} ms")
    assert 0 < silent_ms - onset_ms <= SILENCE_AFTER_ONSET_MS
    assert abs(heard_ms - rendered_ms) <= LEDGER_ERROR_MS
    assert abs(model.cuts_ms[0] - rendered_ms) <= LEDGER_ERROR_MS


async def test_a_voice_pauses_the_agent_before_the_server_knows_and_nothing_is_lost_by_it(
    tmp_path: Path,
) -> None:
    model = SpiedEcho()
    mic = microphone(tmp_path / "mic.wav", [1.0, SPEECH / "what-can-you-do.flac", 20.0])
    async with serve(model) as gateway, browser(mic) as opened, visitor(opened) as user:
        await user.visit(gateway.http_url)
        await user.type("speak 5 seconds")
        await user.phase("speaking")
        # The server hears nothing, as on a line that is slow or with a detector that is not sure.
        await user.page.evaluate(
            """() => {
              const link = globalThis.voicewire.app.link;
              const send = link.send.bind(link);
              link.send = event => event.type === 'client_audio_append' || send(event);
            }"""
        )
        await user.page.click("#talk")
        await user.until("[...app.ledger.values()].some(each => each.heard === 5 * each.rate)")
        recording = await user.recording()
    onset_ms = recording.stretches_ms("user")[0][0]
    silent_ms, until_ms = recording.silence_ms(onset_ms, lasting_ms=800)
    assert 0 < silent_ms - onset_ms <= SILENCE_AFTER_ONSET_MS
    assert recording.audible_ms(until_ms=until_ms) < recording.audible_ms(), "it went on"
    assert abs(recording.audible_ms(above_dbfs=-55) - 5000) <= LEDGER_ERROR_MS
    assert model.cuts_ms == []


async def test_the_stop_button_empties_the_buffer_and_the_model_learns_what_was_heard(
    chromium: Browser,
) -> None:
    model = SpiedEcho()
    async with serve(model) as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        await user.type("speak 30 seconds")
        await user.until("app.ledger.size === 1 && [...app.ledger.values()][0].heard > 6000")
        await user.page.click("#stop")
        await user.phase("idle")
        rendered_ms = (await user.recording()).audible_ms(above_dbfs=-55)
        await user.type("are you there")
        await user.caption("assistant", "are you there")
    assert abs(model.cuts_ms[0] - rendered_ms) <= LEDGER_ERROR_MS


async def test_push_to_talk_with_the_space_bar_and_with_the_button(tmp_path: Path) -> None:
    mic = microphone(tmp_path / "mic.wav", [0.2, SPEECH / "capital-of-japan.flac", 20.0])
    async with serve("echo") as gateway, browser(mic) as opened, visitor(opened) as user:
        keys, mouse = user.page.keyboard, user.page.mouse
        await user.visit(gateway.http_url)
        await user.choose_turns("none")
        await user.page.hover("#talk")
        before_ms = 0
        for is_by_key in (True, False):
            await (keys.down("Space") if is_by_key else mouse.down())
            await user.until(f"app.sent.totalMs >= {before_ms + 1000}")
            await (keys.up("Space") if is_by_key else mouse.up())
            sent_ms = await user.value("app.sent.totalMs")
            turn_ms = sent_ms - before_ms
            assert await user.caption("user", f"{turn_ms} ms") == f"[audio {turn_ms} ms]"
            assert await user.caption("assistant", f"{turn_ms} ms") == f"You sent {turn_ms} ms of audio"
            await user.phase("idle")
            before_ms = await user.value("app.sent.totalMs")
            assert before_ms == sent_ms, "nothing is sent while nobody holds the button"
        order = await user.value("[...app.captions.entries.values()].map(entry => entry.role)")
        assert order == ["user", "assistant", "user", "assistant"]


async def test_a_refused_microphone_is_said_and_typing_goes_on(chromium: Browser) -> None:
    async with serve("echo") as gateway, visitor(chromium, allows_mic=False) as user:
        await user.visit(gateway.http_url)
        await user.page.click("#talk")
        await (
            user.page.get_by_role("alert").get_by_text("does not let this page use the microphone").wait_for()
        )
        await user.type("hello")
        assert await user.caption("assistant", "hello") == "You said: hello"


async def test_why_there_is_no_microphone_is_said(chromium: Browser) -> None:
    reasons = {
        "NotFoundError": "There is no microphone",
        "NotReadableError": "Another program has the microphone",
        "AbortError": "The microphone cannot be opened",
    }
    async with serve("echo") as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        for error, words in reasons.items():
            await user.page.evaluate(
                """name => {
                  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', name));
                }""",
                error,
            )
            await user.page.click("#talk")
            await user.page.get_by_role("alert").get_by_text(words).wait_for()
            assert not await user.value("app.isMicOn")
            assert await user.value("app.phase") == "idle"


async def test_a_muted_microphone_is_told(tmp_path: Path) -> None:
    mic = microphone(tmp_path / "mic.wav", [30.0])
    async with serve("echo") as gateway, browser(mic) as opened, visitor(opened) as user:
        await user.visit(gateway.http_url)
        await user.page.click("#talk")
        await user.page.get_by_role("alert").get_by_text("Nothing comes from the microphone").wait_for()


async def test_a_reload_resumes_the_same_session_with_its_captions(chromium: Browser) -> None:
    model = SpiedEcho()
    shown = "[...document.querySelectorAll('.said')].map(each => each.textContent)"
    async with serve(model) as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        await user.type("remember this")
        await user.caption("assistant", "remember this")
        await user.type('call get_weather {"city": "Oslo"}')
        await user.page.locator(".tool-card summary").click()
        await user.page.get_by_label("Result of get_weather").fill("4 degrees")
        await user.page.get_by_role("button", name="Return it").click()
        await user.caption("assistant", "degrees")
        await user.type("a long story that will be interrupted before it comes to its very end")
        await user.until("[...app.captions.entries.values()].at(-1).heard.split(' ').length > 4")
        await user.page.click("#stop")
        await user.page.wait_for_selector(".note:not(:empty)")
        await user.phase("idle")
        before: list[str] = await user.value(shown)
        await user.page.reload()
        await user.phase("idle")
        # Names, the call's card and what was not heard are there again, too.
        assert await user.value(shown) == before
        assert len(before) == 7
        await user.type("and this")
        assert await user.caption("assistant", "and this") == "You said: and this"
        assert model.openings == 1


async def test_a_lost_network_is_told_and_the_same_session_goes_on(chromium: Browser) -> None:
    model = SpiedEcho()
    async with serve(model) as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        await user.type("speak 30 seconds")
        await user.phase("speaking")
        await user.value("app.link.drop()")
        await user.phase("waiting", "connecting")
        await user.phase("idle")
        await user.type("and now")
        assert await user.caption("assistant", "and now") == "You said: and now"
        assert model.openings == 1


async def test_a_second_tab_does_not_take_the_session_of_the_first(chromium: Browser) -> None:
    async with serve("echo") as gateway, visitor(chromium) as one, visitor(chromium) as two:
        for user, text in ((one, "I am one"), (two, "I am two")):
            await user.visit(gateway.http_url)
            await user.type(text)
        for user, text in ((one, "I am one"), (two, "I am two")):
            await user.caption("assistant", text)
            assert await user.value("app.captions.entries.size") == 2


async def test_a_call_is_a_card_and_its_result_can_be_given_by_hand(chromium: Browser) -> None:
    async with serve("echo") as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        await user.type('call get_weather {"city": "Oslo"}')
        card = user.page.locator(".tool-card", has_text="get_weather")
        await card.locator("summary").click()
        assert '"city": "Oslo"' in (await card.text_content() or "")
        await user.phase("thinking")
        await card.get_by_label("Result of get_weather").fill("4 degrees")
        await card.get_by_role("button", name="Return it").click()
        assert await user.caption("assistant", "degrees") == "get_weather returned: 4 degrees"
        assert await card.locator(".tool-status").text_content() == "done"


async def test_what_the_server_says_is_text_and_never_markup(chromium: Browser) -> None:
    evil = "<img src=x onerror=alert(1)><b>bold</b>"
    async with serve("echo") as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        await user.type(evil)
        assert await user.caption("assistant", "bold") == f"You said: {evil}"
        await user.type(f'call x{{"a": "{evil}"}}')
        await user.page.wait_for_selector(".said-user >> nth=1")
        assert await user.page.locator("#captions img, #captions b, #live img, #live b").count() == 0


async def test_a_key_is_asked_for_and_never_in_an_address(chromium: Browser) -> None:
    settings = GatewaySettings(api_keys=(SecretStr("good-key"),), drain_s=0.0)
    async with serve("echo", settings=settings) as gateway, visitor(chromium) as user:
        await user.page.goto(f"{gateway.http_url}/")
        await user.page.get_by_label("API key").fill("wrong")
        await user.page.get_by_role("button", name="Connect").click()
        await user.page.get_by_text("was not accepted").wait_for()
        await user.page.get_by_label("API key").fill("good-key")
        await user.page.get_by_role("button", name="Connect").click()
        await user.page.wait_for_selector("#model option", state="attached")
        await user.type("hello")
        assert await user.caption("assistant", "hello") == "You said: hello"
        assert any(url.startswith("ws:") for url in user.urls)
        assert not any("good-key" in url for url in user.urls)
        # The browser itself reports the two refusals that this test made.
        user.complaints[:] = [text for text in user.complaints if "401" not in text]


async def test_what_is_kept_can_be_saved(tmp_path: Path, chromium: Browser) -> None:
    import json

    async with serve("echo") as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        await user.type("save me")
        await user.caption("assistant", "save me")
        saved: dict[str, Path] = {}
        for button in ("Transcript, text", "Transcript, JSON", "Recording, WAV"):
            async with user.page.expect_download() as waiting:
                await user.page.get_by_role("button", name=button).click()
            download = await waiting.value
            saved[download.suggested_filename] = tmp_path / download.suggested_filename
            await download.save_as(saved[download.suggested_filename])
        assert "Friday: You said: save me" in saved["conversation.txt"].read_text()
        whole = json.loads(saved["conversation.json"].read_text())
        assert [entry["role"] for entry in whole["transcript"]] == ["user", "assistant"]
        assert whole["turns"][0]["stages_ms"]["first sound"] > 0
        assert saved["conversation.wav"].read_bytes()[:4] == b"RIFF"
        await user.page.get_by_role("button", name="Forget everything").click()
        await user.phase("off")
        assert await user.page.evaluate("sessionStorage.getItem('voicewire.captions')") == "[]"
        assert await user.page.locator(".said").count() == 0
