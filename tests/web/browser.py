"""The page in a real Chromium, with a WAV file as its microphone; and what its own recording says was heard."""

from __future__ import annotations

import base64
import io
import json
import shutil
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf
import soxr
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, WebSocket, async_playwright

from voicewire.events.commands import Command, TruncateItem
from voicewire.models.echo import EchoRealtimeModel
from voicewire.models.model import RealtimeConnection

ROOT = Path(__file__).resolve().parent.parent.parent
SPEECH = ROOT / "tests" / "data" / "speech"
DEMO_SPEECH = ROOT / "demo" / "speech"
OUT = ROOT / "web-out"
AXE = ROOT / "tools" / "node" / "node_modules" / "axe-core" / "axe.min.js"

RATE_HZ = 24000
"""Rate of the page's recording."""
WAIT_MS = 20_000
_MIC_RATE_HZ = 48000
_WINDOW_SAMPLES: Final = 60
"""2.5 ms: longer than a period of the echo model's tone, and shorter than any pause that counts."""
_DESKTOP = {"width": 1280, "height": 832}
PHONE = {"width": 360, "height": 780}

Samples = npt.NDArray[np.float64]


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium; run `make browser`")
"""For every module whose tests open a browser."""


def microphone(path: Path, parts: Sequence[float | Path]) -> Path:
    """Writes a WAV of silences, in seconds, and of speech files."""
    pieces: list[Samples] = []
    for part in parts:
        if isinstance(part, Path):
            samples, rate_hz = sf.read(part, dtype="float64")
            pieces.append(soxr.resample(samples, rate_hz, _MIC_RATE_HZ))
        else:
            pieces.append(np.zeros(round(part * _MIC_RATE_HZ)))
    sf.write(path, np.concatenate(pieces), _MIC_RATE_HZ, subtype="PCM_16")
    return path


@asynccontextmanager
async def browser(mic: Path | None = None) -> AsyncGenerator[Browser]:
    """A headless Chromium.

    Args:
        mic: What the microphone hears, once; a beep every second without it.
    """
    arguments = ["--headless=new", "--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    arguments.append("--use-fake-device-for-media-stream")
    if mic is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={mic}%noloop")
    with tempfile.TemporaryDirectory(prefix="voicewire-web-") as home:
        async with async_playwright() as playwright:
            found = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=arguments, env={"HOME": home, "XDG_CONFIG_HOME": home}
            )
            try:
                yield found
            finally:
                await found.close()


class SpiedEcho(EchoRealtimeModel):
    """The echo model, and what its sessions were told."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: list[Command] = []
        self.openings = 0

    def open(self, **options: Any) -> AbstractAsyncContextManager[RealtimeConnection]:
        return self._spied(super().open(**options))

    @asynccontextmanager
    async def _spied(
        self, opening: AbstractAsyncContextManager[RealtimeConnection]
    ) -> AsyncGenerator[RealtimeConnection]:
        self.openings += 1
        async with opening as connection:
            send = connection.send

            async def spied(command: Command) -> None:
                self.commands.append(command)
                await send(command)

            connection.send = spied  # type: ignore[method-assign]  # this one connection is watched
            yield connection

    @property
    def cuts_ms(self) -> list[int]:
        """Where items were truncated."""
        return [command.audio_end_ms for command in self.commands if isinstance(command, TruncateItem)]


class Visitor:
    """One tab with the page, and what its console complained of.

    Args:
        page: The tab.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.urls: list[str] = []
        self._audio: dict[str, tuple[int, bytearray]] = {}
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._listen)
        page.on("request", lambda request: self.urls.append(request.url))
        page.on("websocket", self._watch)

    def _watch(self, socket: WebSocket) -> None:
        self.urls.append(socket.url)
        socket.on("framereceived", self._take)

    def _take(self, frame: str | bytes) -> None:
        event: dict[str, Any] = json.loads(frame)
        if event["type"] == "agent_response_audio_delta":
            rate_hz: int = event["format"]["rate"]
            pcm16 = base64.b64decode(event["delta"])
            self._audio.setdefault(event["item_id"], (rate_hz, bytearray()))[1].extend(pcm16)

    def generated(self, item_id: str) -> Samples:
        """All audio of an item that came from the server, at the recording's rate."""
        rate_hz, pcm16 = self._audio[item_id]
        samples = np.frombuffer(bytes(pcm16), dtype="<i2") / 32768
        resampled: Samples = soxr.resample(samples, rate_hz, RATE_HZ)
        return resampled

    def _listen(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.complaints.append(said.text)

    async def visit(self, url: str) -> None:
        """Opens the page and waits until it knows the gateway's models."""
        await self.page.goto(f"{url}/")
        await self.page.wait_for_selector("#model option", state="attached")

    async def type(self, text: str) -> None:
        """Types a message and sends it."""
        await self.page.fill("#compose-text", text)
        await self.page.press("#compose-text", "Enter")

    async def choose_turns(self, kind: str) -> None:
        """Chooses who says that a turn is over."""
        await self.page.evaluate(
            """kind => {
              const turns = document.querySelector('#turns');
              turns.value = kind;
              turns.dispatchEvent(new Event('change'));
            }""",
            kind,
        )

    async def phase(self, *phases: str) -> None:
        """Waits until the conversation is in one of these states."""
        await self.page.wait_for_selector(",".join(f"body[data-phase={phase}]" for phase in phases))

    async def caption(self, role: str, words: str) -> str:
        """Waits for a finished caption with these words and gives all of it."""
        found = self.page.locator(f".said-{role}:not(.is-open)", has_text=words).first
        await found.wait_for()
        return ((await found.locator(".heard").text_content()) or "").strip()

    async def picture(self, name: str) -> None:
        """Keeps what the page shows, once no colour is on its way any more."""
        OUT.mkdir(exist_ok=True)
        await self.page.wait_for_function(
            "() => !document.getAnimations().some(each => /color/.test(each.transitionProperty))"
        )
        await self.page.screenshot(path=OUT / f"{name}.png")

    async def until(self, condition: str) -> None:
        """Waits for a JavaScript condition in which ``app`` is the page's conversation."""
        await self.page.wait_for_function(
            f"() => {{ const app = globalThis.voicewire.app; return {condition}; }}"
        )

    async def value(self, expression: str) -> Any:
        """A JavaScript value in which ``app`` is the page's conversation."""
        return await self.page.evaluate(
            f"() => {{ const app = globalThis.voicewire.app; return {expression}; }}"
        )

    async def recording(self) -> Recording:
        """What was heard so far: the user on the left, the agent on the right."""
        encoded: str = await self.page.evaluate(
            """async () => {
              const file = await globalThis.voicewire.recording();
              const bytes = new Uint8Array(await file.arrayBuffer());
              let text = '';
              for (let at = 0; at < bytes.length; at += 8192) {
                text += String.fromCharCode(...bytes.subarray(at, at + 8192));
              }
              return btoa(text);
            }"""
        )
        read, rate_hz = sf.read(io.BytesIO(base64.b64decode(encoded)), dtype="float64")
        assert rate_hz == RATE_HZ
        samples: Samples = np.asarray(read, dtype=np.float64)
        return Recording(samples[:, 0], samples[:, 1])


@asynccontextmanager
async def visitor(opened: Browser, *, allows_mic: bool = True, **options: Any) -> AsyncGenerator[Visitor]:
    """A tab of its own, as a new user has it; at the end its console must not have complained.

    Args:
        opened: The browser.
        allows_mic: Whether the user lets the page use the microphone.
        options: More of the browser's options for the tab, such as its size.
    """
    options.setdefault("viewport", _DESKTOP)
    options["permissions"] = ["microphone", "camera"] if allows_mic else []
    context: BrowserContext = await opened.new_context(**options)
    try:
        found = Visitor(await context.new_page())
        yield found
        assert found.complaints == []
    finally:
        await context.close()


@dataclass(frozen=True)
class Recording:
    """Both sides of a conversation, on one clock."""

    user: Samples
    agent: Samples

    def stretches_ms(
        self, who: Literal["user", "agent"], *, above_dbfs: float = -45.0, gap_ms: int = 300
    ) -> list[tuple[int, int]]:
        """From when to when one side was audible; pauses up to ``gap_ms`` do not end a stretch."""
        side = self.user if who == "user" else self.agent
        found: list[tuple[int, int]] = []
        for window in np.flatnonzero(_loud(side, above_dbfs)).tolist():
            start, end = _ms(window), _ms(window + 1)
            if found and start - found[-1][1] <= gap_ms:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
        return found

    def silence_ms(self, after_ms: int, *, lasting_ms: int, above_dbfs: float = -55.0) -> tuple[int, int]:
        """From when to when the agent was silent for so long, the first time from a moment on.

        What is longer than ``lasting_ms`` is a silence that was meant; a shorter one may be audio that came late.
        """
        edge = after_ms
        for start, end in self.stretches_ms("agent", above_dbfs=above_dbfs, gap_ms=0):
            if start - edge >= lasting_ms:
                return edge, start
            edge = max(edge, end)
        return edge, _ms(len(self.agent) // _WINDOW_SAMPLES)

    def audible_ms(self, *, above_dbfs: float = -45.0, until_ms: int | None = None) -> int:
        """How long the agent was audible in all, up to a moment; audio that came late is no part of it."""
        loud = _loud(self.agent, above_dbfs)
        windows = len(loud) if until_ms is None else until_ms * RATE_HZ // 1000 // _WINDOW_SAMPLES
        return _ms(int(np.count_nonzero(loud[:windows])))

    def position_ms(self, generated: Samples, silent_ms: int) -> tuple[int, int]:
        """How far into what was generated the agent had come when it fell silent.

        Returns:
            The earliest and the latest place; they differ where what was generated is itself silent there.
        """
        end = silent_ms * RATE_HZ // 1000
        piece = self.agent[max(0, end - 2 * RATE_HZ // 5) : end]
        size = len(generated) + len(piece)
        product = np.fft.irfft(np.fft.rfft(generated, size) * np.fft.rfft(piece, size).conj(), size)
        power = np.concatenate(([0.0], np.cumsum(np.square(generated))))
        energy = power[len(piece) :] - power[: len(power) - len(piece)]
        likeness = product[: len(energy)] / np.sqrt(np.maximum(energy, 1e-3) * np.sum(np.square(piece)))
        best = int(np.argmax(likeness))
        assert likeness[best] > 0.9, "what sounded is a part of what was generated"
        come = best + len(piece)
        louder = np.flatnonzero(_loud(generated[come:], -55.0))
        pause = int(louder[0]) if len(louder) else len(generated[come:]) // _WINDOW_SAMPLES
        return round(come * 1000 / RATE_HZ), round(come * 1000 / RATE_HZ) + _ms(pause)

    def pitch_hz(self) -> float:
        """The strongest frequency of what the agent said."""
        loud = self.agent[np.repeat(_loud(self.agent, -45.0), _WINDOW_SAMPLES).nonzero()[0]]
        spectrum = np.abs(np.fft.rfft(loud * np.hanning(len(loud))))
        return float(np.argmax(spectrum) * RATE_HZ / len(loud))


def _ms(windows: int) -> int:
    return round(windows * _WINDOW_SAMPLES * 1000 / RATE_HZ)


def _loud(samples: Samples, above_dbfs: float) -> npt.NDArray[np.bool_]:
    whole = len(samples) // _WINDOW_SAMPLES * _WINDOW_SAMPLES
    rms = np.sqrt(np.mean(np.square(samples[:whole].reshape(-1, _WINDOW_SAMPLES)), axis=1))
    return np.asarray(rms > 10 ** (above_dbfs / 20))
