"""The Azure Speech SDK, unmodified, judges the Azure Speech doors."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
import soundfile
from pydantic import SecretStr
from websockets.asyncio.client import connect

from voicewire.audio.pcm import silence, tone
from voicewire.gateway.settings import GatewaySettings
from voicewire.speech import create_asr
from voicewire.testing import serve

from .subjects import LOCAL, contains

pytestmark = pytest.mark.anyio
TURN = silence(4800) + tone(300, 16_000, 16_000) + silence(16_000)
QUESTION = Path(__file__).resolve().parent.parent / "data" / "speech" / "twelve-plus-thirty.flac"
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
async def url() -> AsyncGenerator[str, None]:
    async with serve(model="echo") as gateway:
        yield gateway.ws_url


@pytest.fixture
def turns(tmp_path: Path) -> Path:
    path = tmp_path / "turns.wav"
    soundfile.write(path, np.frombuffer(TURN + TURN, "<i2"), 16_000)
    return path


async def judged(scenario: str, url: str, path: Path | None = None) -> Any:
    command = [sys.executable, "-m", "tests.judges.azure_speech_sdk", scenario, url, str(path or "")]
    with anyio.fail_after(60):
        done = await anyio.run_process(command, cwd=ROOT, check=False)
    lines = done.stdout.decode().splitlines()
    answers = [line for line in lines if line.startswith("{")]
    assert answers, done.stderr.decode()[-2000:]
    return json.loads(answers[-1])


@pytest.mark.judge
async def test_continuous_recognition(url: str, turns: Path) -> None:
    found = await judged("continuous", url, turns)
    assert found["is_done"]
    assert [contains(r"^\[audio \d+ ms\]$", final["text"]) for final in found["finals"]] == [True, True]
    assert [final["best"]["Display"] for final in found["finals"]] == [
        final["text"] for final in found["finals"]
    ]
    assert found["finals"][0]["offset_ms"] < found["finals"][1]["offset_ms"]
    assert found["partials"]
    assert found["marks"] == ["start", "end"]
    assert found["ends"] == ["CancellationReason.EndOfStream"]


@pytest.mark.judge
async def test_a_single_utterance(url: str, turns: Path) -> None:
    found = await judged("once", url, turns)
    assert found["reason"] == "ResultReason.RecognizedSpeech"
    assert contains(r"^\[audio \d+ ms\]$", found["text"])


@pytest.mark.judge
async def test_stopping_an_open_stream(url: str, turns: Path) -> None:
    assert await judged("stopped", url, turns) == {"came": True, "ended": True}


@pytest.mark.judge
async def test_the_conversation_transcriber(url: str, turns: Path) -> None:
    found = await judged("transcriber", url, turns)
    assert found["is_done"]
    assert [final["speaker"] for final in found["finals"]] == ["Unknown", "Unknown"]
    assert found["partials"]


@pytest.mark.judge
async def test_speaking_text_and_ssml_with_word_boundaries(url: str) -> None:
    found = await judged("speak", url)
    assert found["reasons"] == ["ResultReason.SynthesizingAudioCompleted"] * 2
    assert found["bytes"] == [len("hello there") * 960, len("hello again") * 960]
    assert found["words"] == [["hello", 0], ["there", 120], ["hello", 0], ["again", 120]]


@pytest.mark.judge
async def test_output_formats(url: str) -> None:
    found = await judged("formats", url)
    done = "ResultReason.SynthesizingAudioCompleted"
    assert found["Riff16Khz16BitMonoPcm"] == [done, 46 + 5 * 640, b"RIFF".hex()]
    assert found["Raw8Khz8BitMonoMULaw"][:2] == [done, 5 * 160]
    assert found["Audio24Khz48KBitRateMonoMp3"][0] == done
    assert found["Ogg24Khz16BitMonoOpus"][2] == b"OggS".hex()
    assert found["Webm24Khz16BitMonoOpus"][0] == "ResultReason.Canceled"


@pytest.mark.judge
async def test_streaming_text(url: str) -> None:
    found = await judged("streaming_text", url)
    assert found == {"reason": "ResultReason.SynthesizingAudioCompleted", "bytes": len("hello there") * 960}


@pytest.mark.judge
async def test_the_list_of_voices(url: str) -> None:
    found = await judged("voices", url)
    assert found == {"reason": "ResultReason.VoicesListRetrieved", "names": ["echo"]}


@pytest.mark.judge
async def test_a_wrong_key(turns: Path) -> None:
    settings = GatewaySettings(api_keys=(SecretStr("right"),), drain_s=0, close_grace_s=1)
    async with serve(model="echo", settings=settings) as gateway:
        found = await judged("refused", gateway.ws_url, turns)
    assert found["reason"] == "ResultReason.Canceled"
    assert found["code"] == "CancellationErrorCode.AuthenticationFailure"


@pytest.mark.judge
@pytest.mark.parametrize(
    ("scenario", "limit", "code", "words"),
    [
        ("cut_short", {"audio_burst_s": 1.0}, "TooManyRequests", "audio comes faster than real time"),
        ("cut_short", {"max_session_audio_s": 1.0}, "TooManyRequests", "budget of 1 s of audio"),
        ("cut_short", {"max_session_s": 0.1}, "ConnectionFailure", "session_expired"),
        ("cut_short", {"idle_timeout_s": 0.05}, "ConnectionFailure", "idle_timeout"),
        ("cut_short_voice", {"max_session_tokens": 10}, "TooManyRequests", "budget of 10 tokens"),
        ("cut_short_voice", {"max_session_audio_s": 0.1}, "TooManyRequests", "budget of 0.1 s of audio"),
    ],
)
async def test_a_limit_is_told_to_the_program_at_once(
    scenario: str, limit: dict[str, float], code: str, words: str, turns: Path
) -> None:
    settings = GatewaySettings.model_validate({"drain_s": 0.0, "close_grace_s": 1.0, **limit})
    async with serve(model="echo", settings=settings) as gateway:
        (told,) = (await judged(scenario, gateway.ws_url, turns))["told"]
    assert told["code"] == f"CancellationErrorCode.{code}"
    assert words in told["text"]


@pytest.mark.judge
async def test_a_full_house(turns: Path) -> None:
    settings = GatewaySettings(max_sessions=1, drain_s=0, close_grace_s=1)
    async with serve(model="echo", settings=settings) as gateway, connect(gateway.ws_url + "/voice"):
        found = await judged("refused", gateway.ws_url, turns)
    assert found["code"] == "CancellationErrorCode.ServiceUnavailable"


@pytest.fixture
async def local_url() -> AsyncGenerator[str, None]:
    from voicewire.engine import weights

    if missing := [item.weights.name for item in weights.plan().missing]:
        pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")
    async with serve(model="local") as gateway:
        yield gateway.ws_url


@pytest.fixture
def question(tmp_path: Path) -> Path:
    samples, rate_hz = soundfile.read(QUESTION, dtype="int16")
    path = tmp_path / "question.wav"
    soundfile.write(path, np.concatenate((samples, np.zeros(rate_hz, np.int16))), rate_hz)
    return path


@pytest.mark.engine
@pytest.mark.parametrize("scenario", ["continuous", "once", "transcriber"])
async def test_the_embedded_engine_recognises(local_url: str, scenario: str, question: Path) -> None:
    found = await judged(scenario, local_url, question)
    if scenario == "once":
        assert found["reason"] == "ResultReason.RecognizedSpeech"
        assert contains(LOCAL.transcript, found["text"])
        return
    assert found["is_done"]
    assert contains(LOCAL.transcript, " ".join(final["text"] for final in found["finals"]))
    if scenario == "continuous":
        assert found["ends"] == ["CancellationReason.EndOfStream"]
        assert 0.3 < found["finals"][0]["best"]["Confidence"] <= 1


@pytest.mark.engine
async def test_the_embedded_engine_speaks_text_ssml_and_streamed_text(local_url: str, tmp_path: Path) -> None:
    found = await judged("say", local_url, tmp_path / "said")
    assert found["reasons"] == ["ResultReason.SynthesizingAudioCompleted"] * 3
    assert [word.rstrip("?") for word, _ in found["words"]] == ["What", "is", "twelve", "plus", "thirty"]
    times = [at_ms for _, at_ms in found["words"]]
    assert times == sorted(set(times))
    for kind in ("text", "ssml", "stream"):
        heard = await create_asr("local").recognize_file(tmp_path / f"said-{kind}.wav")
        assert contains(LOCAL.transcript, heard.text), kind
