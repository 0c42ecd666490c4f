"""The ``dashscope`` SDK, unmodified, judges the task door: Recognition, translation, CosyVoice, Sambert."""

from __future__ import annotations

import gc
import io
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio.to_thread
import dashscope
import numpy as np
import pytest
import soundfile
from dashscope.audio.asr import (
    Recognition,
    RecognitionCallback,
    RecognitionResult,
    TranslationRecognizerCallback,
    TranslationRecognizerRealtime,
)
from dashscope.audio.tts import SpeechSynthesizer as Sambert
from dashscope.audio.tts_v2 import AudioFormat, ResultCallback, SpeechSynthesizer
from dashscope.common.error import InvalidParameter

from voicewire.audio.pcm import float32_to_pcm16, silence, tone
from voicewire.audio.resample import resample_whole_float32
from voicewire.gateway.settings import GatewaySettings
from voicewire.speech import create_asr
from voicewire.testing import serve

from .subjects import LOCAL, contains

pytestmark = [
    pytest.mark.anyio,
    # The SDK's own sessions are closed by the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
QUESTION = Path(__file__).resolve().parent.parent / "data" / "speech" / "twelve-plus-thirty.flac"
TURN = silence(4800) + tone(300, 16_000, 16_000) + silence(16_000)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What the SDK leaves to the collector is collected while its warnings are passed over."""
    yield
    gc.collect()


@pytest.fixture
async def door(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[str, None]:
    async with serve(model="echo") as gateway:
        yield pointed(gateway.ws_url, monkeypatch)


def pointed(ws_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Points the SDK at a gateway."""
    url = f"{ws_url}/api-ws/v1/inference"
    monkeypatch.setattr(dashscope, "api_key", "any")
    monkeypatch.setattr(dashscope, "base_websocket_api_url", url)
    return url


class Hears(RecognitionCallback):
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.finals: list[dict[str, Any]] = []
        self.partials: list[str] = []

    def on_open(self) -> None:
        self.calls.append("open")

    def on_event(self, result: RecognitionResult) -> None:
        sentence: Any = result.get_sentence()
        if RecognitionResult.is_sentence_end(sentence):
            self.finals.append(sentence)
        else:
            self.partials.append(sentence["text"])

    def on_complete(self) -> None:
        self.calls.append("complete")

    def on_error(self, result: RecognitionResult) -> None:
        self.calls.append(f"error {result.message}")

    def on_close(self) -> None:
        self.calls.append("close")


def pcm_of(samples: Any, rate_hz: int) -> bytes:
    """At 16 kHz."""
    return float32_to_pcm16(resample_whole_float32(samples[:, None], rate_hz, 16_000))


async def in_thread(work: Callable[[], Any]) -> Any:
    return await anyio.to_thread.run_sync(work)


def stream(pcm16: bytes, hears: Hears, model: str = "paraformer-realtime-v2") -> None:
    recognition: Any = Recognition(model=model, callback=hears, format="pcm", sample_rate=16_000)
    recognition.start()
    for at in range(0, len(pcm16), 3200):
        recognition.send_audio_frame(pcm16[at : at + 3200])
    recognition.stop()


@pytest.mark.judge
async def test_recognition_of_a_stream(door: str) -> None:
    hears = Hears()
    await in_thread(lambda: stream(TURN + TURN, hears))
    assert hears.calls == ["open", "complete", "close"]
    assert [contains(r"^\[audio \d+ ms\]$", final["text"]) for final in hears.finals] == [True, True]
    assert hears.partials
    assert hears.finals[0]["end_time"] <= hears.finals[1]["begin_time"]


def file_text(path: Path, kind: str) -> str:
    recognition = Recognition(
        model="paraformer-realtime-v2", callback=Hears(), format=kind, sample_rate=16_000
    )
    result: Any = recognition.call(str(path))
    assert result.status_code == 200
    return " ".join(sentence["text"] for sentence in result.get_sentence())


@pytest.mark.judge
@pytest.mark.parametrize("kind", ["wav", "mp3", "opus"])
async def test_recognition_of_a_file(door: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{'ogg' if kind == 'opus' else kind}"
    subtype = {"opus": "OPUS", "mp3": "MPEG_LAYER_III", "wav": "PCM_16"}[kind]
    soundfile.write(path, np.frombuffer(TURN, "<i2"), 16_000, subtype=subtype)
    assert contains(r"^\[audio \d+ ms\]$", await in_thread(lambda: file_text(path, kind)))


class Translates(TranslationRecognizerCallback):
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.texts: list[tuple[bool, str]] = []

    def on_open(self) -> None:
        self.calls.append("open")

    def on_event(
        self, request_id: str, transcription_result: Any, translation_result: Any, usage: Any
    ) -> None:
        self.texts.append((transcription_result.is_sentence_end, transcription_result.text))

    def on_complete(self) -> None:
        self.calls.append("complete")

    def on_error(self, message: Any) -> None:
        self.calls.append(f"error {message}")

    def on_close(self) -> None:
        self.calls.append("close")


def translate(pcm16: bytes, hears: Translates) -> None:
    recognizer: Any = TranslationRecognizerRealtime(
        model="gummy-realtime-v1", format="pcm", sample_rate=16_000, callback=hears,
        transcription_enabled=True, translation_enabled=False,
    )  # fmt: skip
    recognizer.start()
    for at in range(0, len(pcm16), 3200):
        recognizer.send_audio_frame(pcm16[at : at + 3200])
    recognizer.stop()


@pytest.mark.judge
async def test_the_translating_recogniser(door: str) -> None:
    hears = Translates()
    await in_thread(lambda: translate(TURN, hears))
    assert hears.calls == ["open", "complete", "close"]
    assert hears.texts[-1][0] is True
    assert contains(r"^\[audio \d+ ms\]$", hears.texts[-1][1])
    assert (False, "[audio") in hears.texts


@pytest.mark.judge
async def test_synthesis_in_one_call(door: str) -> None:
    synthesizer = SpeechSynthesizer(
        model="cosyvoice-v2", voice="longwan_v2", format=AudioFormat.WAV_24000HZ_MONO_16BIT
    )
    audio = await in_thread(lambda: synthesizer.call("hello"))
    samples, rate_hz = soundfile.read(io.BytesIO(audio))
    assert (rate_hz, len(samples)) == (24_000, 5 * 480)


@pytest.mark.judge
async def test_the_default_format_is_mp3(door: str) -> None:
    synthesizer = SpeechSynthesizer(model="cosyvoice-v2", voice="longwan_v2")
    audio = await in_thread(lambda: synthesizer.call("hello there, this is a tone"))
    assert soundfile.info(io.BytesIO(audio)).format == "MP3"


class Speaks(ResultCallback):
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.audio = bytearray()
        self.done = threading.Event()

    def on_open(self) -> None:
        self.calls.append("open")

    def on_data(self, data: bytes) -> None:
        self.audio += data

    def on_event(self, message: str) -> None:
        pass

    def on_complete(self) -> None:
        self.calls.append("complete")

    def on_error(self, message: str) -> None:
        self.calls.append("error")

    def on_close(self) -> None:
        self.calls.append("close")
        self.done.set()


def speak_pieces(speaks: Speaks, pieces: list[str], *, flushes: bool = False) -> None:
    synthesizer: Any = SpeechSynthesizer(
        model="cosyvoice-v2", voice="longwan_v2", format=AudioFormat.PCM_16000HZ_MONO_16BIT, callback=speaks
    )
    for piece in pieces:
        synthesizer.streaming_call(piece)
        if flushes:
            synthesizer.streaming_flush()
    synthesizer.streaming_complete(10_000)
    speaks.done.wait(10)


@pytest.mark.judge
async def test_synthesis_of_a_stream(door: str) -> None:
    speaks = Speaks()
    await in_thread(lambda: speak_pieces(speaks, ["hello ", "there"], flushes=True))
    assert speaks.calls == ["open", "complete", "close"]
    assert len(speaks.audio) == 2 * 11 * 320


@pytest.mark.judge
async def test_synthesis_is_cancelled(door: str) -> None:
    speaks = Speaks()
    synthesizer: Any = SpeechSynthesizer(
        model="cosyvoice-v2", voice="longwan_v2", format=AudioFormat.PCM_16000HZ_MONO_16BIT, callback=speaks
    )

    def work() -> None:
        synthesizer.streaming_call("hello")
        synthesizer.streaming_cancel(10_000)
        speaks.done.wait(10)

    await in_thread(work)
    assert speaks.calls[-1] == "close"
    assert "error" not in speaks.calls


@pytest.mark.judge
async def test_sambert(door: str) -> None:
    result = await in_thread(
        lambda: Sambert.call(model="sambert-zhichu-v1", text="hello", sample_rate=16_000, format="wav")
    )
    samples, rate_hz = soundfile.read(io.BytesIO(result.get_audio_data()))
    assert (rate_hz, len(samples)) == (16_000, 5 * 320)


@pytest.mark.judge
async def test_a_format_that_is_not_decoded_is_an_error(door: str) -> None:
    hears = Hears()

    def work() -> None:
        recognition = Recognition(
            model="paraformer-realtime-v2", callback=hears, format="amr", sample_rate=16_000
        )
        recognition.start()
        while not any(call.startswith("error") for call in hears.calls):
            threading.Event().wait(0.02)

    await in_thread(work)
    assert "amr" in next(call for call in hears.calls if call.startswith("error"))


@pytest.mark.judge
@pytest.mark.parametrize(
    ("limit", "code", "words"),
    [
        ({"audio_burst_s": 1.0}, "Throttling.RateQuota", "audio comes faster than real time"),
        ({"max_session_audio_s": 1.0}, "insufficient_quota", "budget of 1 s of audio"),
        ({"max_session_s": 0.2}, "RequestTimeOut", "maximum duration"),
    ],
)
async def test_a_limit_is_told_to_the_recogniser(
    limit: dict[str, float], code: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str]] = []
    is_over = threading.Event()

    class Fails(Hears):
        def on_error(self, result: RecognitionResult) -> None:
            told.append((str(result.code), str(result.message)))

        def on_close(self) -> None:
            is_over.set()

    def work() -> None:
        recognition: Any = Recognition(
            model="paraformer-realtime-v2", callback=Fails(), format="pcm", sample_rate=16_000
        )
        recognition.start()
        for _ in range(200):  # the SDK looks for news between two pieces of audio, and only there
            with suppress(InvalidParameter):
                recognition.send_audio_frame(bytes(32_000))
            if is_over.wait(0.05):
                return

    settings = GatewaySettings.model_validate({"drain_s": 0.0, "close_grace_s": 1.0, **limit})
    async with serve(model="echo", settings=settings) as gateway:
        pointed(gateway.ws_url, monkeypatch)
        await in_thread(work)
    ((found, message),) = told
    assert (found, words in message) == (code, True)


@pytest.mark.judge
async def test_a_limit_is_told_to_the_synthesizer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fails(Speaks):
        def on_error(self, message: str) -> None:
            self.calls.append(message)

    speaks = Fails()
    settings = GatewaySettings(max_session_tokens=10, drain_s=0, close_grace_s=1)
    async with serve(model="echo", settings=settings) as gateway:
        pointed(gateway.ws_url, monkeypatch)
        await in_thread(lambda: speak_pieces(speaks, ["a text of more than ten characters"]))
    (error,) = [call for call in speaks.calls if call.startswith("{")]
    assert "insufficient_quota" in error
    assert "budget of 10 tokens" in error


@pytest.fixture
async def local_door(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[str, None]:
    from voicewire.engine import weights

    if missing := [item.weights.name for item in weights.plan().missing]:
        pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")
    async with serve(model="local") as gateway:
        yield pointed(gateway.ws_url, monkeypatch)


@pytest.mark.engine
@pytest.mark.parametrize("call", ["stream", "wav file", "mp3 file", "opus file", "translating recogniser"])
async def test_the_embedded_engine_recognises(local_door: str, call: str, tmp_path: Path) -> None:
    samples, rate_hz = soundfile.read(QUESTION, dtype="float32")
    path = tmp_path / ("a.ogg" if call == "opus file" else f"a.{call[:3]}")
    pcm16 = pcm_of(samples, rate_hz)
    if call == "stream":
        hears = Hears()
        await in_thread(lambda: stream(pcm16 + silence(16_000), hears))
        assert hears.calls == ["open", "complete", "close"]
        text = " ".join(final["text"] for final in hears.finals)
    elif call == "translating recogniser":
        translates = Translates()
        await in_thread(lambda: translate(pcm16 + silence(16_000), translates))
        assert translates.calls == ["open", "complete", "close"]
        text = " ".join(text for is_final, text in translates.texts if is_final)
    else:
        kind = call.removesuffix(" file")
        subtype = {"opus": "OPUS", "mp3": "MPEG_LAYER_III", "wav": "PCM_16"}[kind]
        soundfile.write(path, np.frombuffer(pcm16, "<i2"), 16_000, subtype=subtype)
        text = await in_thread(lambda: file_text(path, kind))
    assert contains(LOCAL.transcript, text)


@pytest.mark.engine
@pytest.mark.parametrize("call", ["one call", "stream", "sambert"])
async def test_the_embedded_engine_speaks(local_door: str, call: str, tmp_path: Path) -> None:
    said = "What is twelve plus thirty?"
    path = tmp_path / "said.wav"
    if call == "sambert":
        result = await in_thread(
            lambda: Sambert.call(model="sambert-zhichu-v1", text=said, sample_rate=16_000, format="wav")
        )
        path.write_bytes(result.get_audio_data())
    elif call == "one call":
        synthesizer = SpeechSynthesizer(
            model="cosyvoice-v2", voice="longwan_v2", format=AudioFormat.WAV_24000HZ_MONO_16BIT
        )
        path.write_bytes(await in_thread(lambda: synthesizer.call(said)))
    else:
        speaks = Speaks()
        await in_thread(lambda: speak_pieces(speaks, ["What is twelve ", "plus thirty?"]))
        assert speaks.calls == ["open", "complete", "close"]
        soundfile.write(path, np.frombuffer(speaks.audio, "<i2"), 16_000)
    assert contains(LOCAL.transcript, (await create_asr("local").recognize_file(path)).text)
