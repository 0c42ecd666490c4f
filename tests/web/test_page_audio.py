"""The page's own arithmetic on audio, run in the browser that it is meant for."""

from __future__ import annotations

import base64
from typing import Literal

import numpy as np
import pytest
from playwright.async_api import Browser

from voicewire.audio import g711
from voicewire.testing import serve

from .browser import Samples, Visitor, needs_chromium, visitor

pytestmark = [pytest.mark.loopback, pytest.mark.anyio, needs_chromium]

RESAMPLE = """async ({from, to, hz, pieces}) => {
  const { Resampler } = await import(new URL('page/resample.js', document.baseURI));
  const { toBase64 } = await import(new URL('page/pcm.js', document.baseURI));
  const resampler = new Resampler(from, to);
  const input = Float32Array.from({length: from / 4}, (_, i) => 0.5 * Math.sin(2 * Math.PI * hz * i / from));
  const output = [];
  for (let at = 0, turn = 0; at < input.length; turn += 1) {
    const size = pieces[turn % pieces.length];
    output.push(...resampler.process(input.slice(at, at + size)));
    at += size;
  }
  output.push(...resampler.flush());
  return toBase64(Float32Array.from(output).buffer);
}"""


async def resampled(user: Visitor, source_hz: int, target_hz: int, hz: int, pieces: list[int]) -> Samples:
    """A quarter of a second of a tone from one rate to another, fed in pieces of these sizes."""
    given = {"from": source_hz, "to": target_hz, "hz": hz, "pieces": pieces}
    encoded: str = await user.page.evaluate(RESAMPLE, given)
    return np.frombuffer(base64.b64decode(encoded), dtype="<f4").astype(np.float64)


async def test_the_resampler_keeps_place_length_and_tone_however_it_is_fed(chromium: Browser) -> None:
    rates_hz = (24000, 48000), (24000, 44100), (48000, 24000), (44100, 24000), (16000, 44100)
    async with serve("echo") as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        for source, target in rates_hz:
            for hz in (300, 3000):
                whole = await resampled(user, source, target, hz, [480])
                split = await resampled(user, source, target, hz, [128, 1, 997])
                assert np.array_equal(whole, split)
                assert abs(len(whole) - target / 4) <= 2
                wanted = 0.5 * np.sin(2 * np.pi * hz * np.arange(len(whole)) / target)
                error = (whole - wanted)[200:-200]
                noise_db = 20 * np.log10(np.sqrt(np.mean(error**2)) / (0.5 / np.sqrt(2)))
                assert noise_db < -55, (source, target, hz, noise_db)


async def test_what_lies_above_the_new_band_is_not_mirrored_into_it(chromium: Browser) -> None:
    async with serve("echo") as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        out = await resampled(user, 48000, 16000, 12000, [480])
        assert 20 * np.log10(np.sqrt(np.mean(out[200:-200] ** 2)) / (0.5 / np.sqrt(2))) < -60


async def test_telephone_audio_is_decoded_as_the_server_does(chromium: Browser) -> None:
    codes = bytes(range(256))
    encodings: tuple[Literal["pcmu", "pcma"], ...] = ("pcmu", "pcma")
    async with serve("echo") as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        for encoding in encodings:
            decoded = await user.page.evaluate(
                """async ([base64, type]) => {
                  const { decodeAudio } = await import(new URL('page/pcm.js', document.baseURI));
                  return [...decodeAudio(base64, type)];
                }""",
                [base64.b64encode(codes).decode(), f"audio/{encoding}"],
            )
            assert decoded == np.frombuffer(g711.decode(codes, encoding), dtype="<i2").tolist()


async def test_after_the_page_interrupts_late_audio_is_refused_until_the_server_knows(
    chromium: Browser,
) -> None:
    async with serve("echo") as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        taken = await user.page.evaluate(
            """async () => {
              const { Playout } = await import(new URL('page/playout.js', document.baseURI));
              const said = {agent_id: 'a', agent_name: 'Friday', response_id: 'r', item_id: 'i', content_index: 0,
                            delta: 'AAAA', format: {type: 'audio/pcm', rate: 24000}};
              const reports = [];
              const playout = new Playout((positions, generation) => { reports.push(generation); return true; });
              const found = [playout.play(said)];
              playout.sound = {play() {}, endItem() {}, flush() {}};
              found.push(playout.play(said));
              playout.interrupt();
              found.push(playout.play(said));
              playout.flush('a', 1);
              found.push(playout.play(said));
              playout.interrupt();
              found.push(playout.play(said));
              playout.accept();
              found.push(playout.play(said));
              playout.sound = null;
              playout.flush('a', 2);
              return [found, reports];
            }"""
        )
    assert taken == [[False, True, False, True, False, True], [2]]


async def test_audio_that_came_too_late_is_told_and_all_of_it_is_played(chromium: Browser) -> None:
    async with serve("echo") as gateway, visitor(chromium) as user:
        await user.visit(gateway.http_url)
        late, played, total = await user.page.evaluate(
            """async () => {
              const { Sound } = await import(new URL('page/sound.js', document.baseURI));
              const news = [];
              let look = () => undefined;
              const until = condition => new Promise(resolve => {
                look = () => condition() && resolve();
                look();
              });
              const played = () => Math.max(0, ...news.flatMap(each => each.positions ?? []).map(each => each.samples));
              const sound = await Sound.open(each => { news.push(each); look(); });
              const play = (length) => sound.play({
                agentId: 'a', itemId: 'i', contentIndex: 0, rate: 24000, pcm: new Int16Array(length).fill(3000).buffer,
              });
              play(4800);
              // All but what the resampler keeps until more comes: nothing is left to play, and the item is not over.
              await until(() => played() >= 4784);
              play(4800);
              await until(() => played() >= 9584);
              sound.endItem('i');
              await until(() => played() === 9600);
              await sound.context.close();
              return [news.filter(each => each.type === 'late').length, played(), 9600];
            }"""
        )
    assert late == 1, "its end, which also came after everything was played, is no gap"
    assert played == total
