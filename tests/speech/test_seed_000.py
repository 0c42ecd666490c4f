"""Every example of seed 000 against the gateway: the import root changes, names that it never defined are mended."""

from __future__ import annotations

import io
import os
import re
import sys
import wave
from pathlib import Path

import anyio
import pytest

from tests.conftest import SHARED
from voicewire.compat.agentscope_runtime.engine.schemas.realtime import (
    ModelstudioVoiceChatEvent,
    ModelstudioVoiceChatRequest,
    ModelstudioVoiceChatResponse,
    ModelstudioVoiceChatResponseAudioStoppedPayload,
    ModelstudioVoiceChatResponseTextPayload,
    ModelstudioVoiceChatSessionStartPayload,
    ModelstudioVoiceChatSessionStopPayload,
)
from voicewire.compat.agentscope_runtime.tools import realtime_clients
from voicewire.testing import ServedGateway, serve

pytestmark = pytest.mark.anyio
SAID = "Hello, welcome to the agentscope_runtime framework!"
AZURE_SAID = "Welcome to Azure Speech Service!"


def examples() -> list[str]:
    """The Python blocks of the document."""
    found = sorted((SHARED / "seeds").glob("000_*.txt")) if (SHARED / "seeds").is_dir() else []
    if not found:
        pytest.skip("the seed documents are not beside this checkout (../shared/seeds)")
    blocks = re.findall(r"```python\n(.*?)```", found[0].read_text(encoding="utf-8"), re.DOTALL)
    # The document lost pieces of names: `eze_audio_chunks` is filled as `ze_audio_chunks`, and so on.
    return [re.sub(r"\b(?:ez?e|ze)_(?=audio|asr|tts)", "azure_", block) for block in blocks]


async def run(program: str, folder: Path, gateway: ServedGateway) -> str:
    """Runs an example as its user would, in a folder of its own."""
    path = folder / "example.py"
    path.write_text(program.replace("from agentscope_runtime", "from voicewire.compat.agentscope_runtime"))
    environment = {
        **os.environ,
        "DASHSCOPE_API_KEY": "any",
        "DASHSCOPE_WEBSOCKET_BASE_URL": f"{gateway.ws_url}/api-ws/v1/inference",
        "AZURE_SPEECH_KEY": "any",
        "AZURE_SPEECH_HOST": gateway.ws_url,
    }
    for name in ("TTS_AUDIO_FORMAT", "TTS_VOICE", "AZURE_SPEECH_REGION", "AZURE_SPEECH_ENDPOINT"):
        environment.pop(name, None)
    with anyio.fail_after(60):
        done = await anyio.run_process([sys.executable, path.name], cwd=folder, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout.decode()


@pytest.mark.loopback
async def test_the_recognition_example(tmp_path: Path) -> None:
    async with serve(model="echo") as gateway:
        output = await run(examples()[0], tmp_path, gateway)
    said = [line for line in output.splitlines() if line.startswith("ASR")]
    assert said == ["ASR connection opened", "ASR session complete", "ASR connection closed"]


@pytest.mark.loopback
async def test_the_synthesis_example_writes_a_file_that_plays(tmp_path: Path) -> None:
    async with serve(model="echo") as gateway:
        output = await run(examples()[1], tmp_path, gateway)
    assert "Synthesis finished, saved to output.wav" in output
    assert "TTS synthesis complete: demo_chat" in output
    with wave.open(str(tmp_path / "output.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (22_050, 1, 2)
        # 20 ms for each character, in pieces that end on whole samples
        assert file.getnframes() / 22_050 == pytest.approx(len(SAID) * 0.020, abs=0.001)
        assert len(file.readframes(file.getnframes())) == 2 * file.getnframes()


@pytest.mark.loopback
async def test_the_azure_example_writes_a_file_that_plays(tmp_path: Path) -> None:
    async with serve(model="echo") as gateway:
        output = await run(examples()[2], tmp_path, gateway)
    for line in (
        "Azure ASR started",
        "Azure ASR stopped",
        "Azure TTS started",
        "Azure TTS complete: azure_demo",
    ):
        assert line in output
    with wave.open(str(tmp_path / "azure_output.wav")) as file:
        assert file.getframerate() == 16_000
        assert file.getnframes() == len(AZURE_SAID) * 320


@pytest.mark.engine
async def test_the_files_can_be_recognised(tmp_path: Path) -> None:
    from voicewire.engine import weights
    from voicewire.speech import create_asr

    if missing := [item.weights.name for item in weights.plan().missing]:
        pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")
    async with serve(model="local") as gateway:
        await run(examples()[1], tmp_path, gateway)
        await run(examples()[2], tmp_path, gateway)
    first = await create_asr("local").recognize_file(tmp_path / "output.wav")
    second = await create_asr("local").recognize_file(tmp_path / "azure_output.wav")
    assert re.search("(?i)hello,? welcome", first.text)
    assert re.search("(?i)welcome to .*speech service", second.text)


@pytest.mark.unit
def test_every_name_of_the_package_is_there() -> None:
    for name in realtime_clients.__all__:
        assert getattr(realtime_clients, name) is not None
    with pytest.raises(AttributeError):
        _ = realtime_clients.nonsense


@pytest.mark.unit
def test_samples_stay_bare_when_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from voicewire.speech.config import ModelstudioTtsConfig
    from voicewire.speech.seed_clients import as_file

    assert as_file(ModelstudioTtsConfig(format="pcm")).format == "wav"
    assert as_file(ModelstudioTtsConfig(format="mp3")).format == "mp3"
    monkeypatch.setenv("TTS_AUDIO_FORMAT", "pcm")
    assert as_file(ModelstudioTtsConfig(format="pcm")).format == "pcm"


@pytest.mark.unit
def test_voice_chat_messages_are_what_they_say() -> None:
    start = ModelstudioVoiceChatRequest.model_validate_json('{"directive": "SessionStart"}')
    assert isinstance(start.payload, ModelstudioVoiceChatSessionStartPayload)
    again = ModelstudioVoiceChatRequest.model_validate_json(start.model_dump_json())
    assert again == start
    keyed = {"asr_vendor": "azure", "asr_options": {"region": "r"}}
    request = {"directive": "SessionStart", "payload": {"upstream": keyed}}
    payload = ModelstudioVoiceChatRequest.model_validate(request).model_dump()["payload"]
    assert payload["upstream"]["asr_options"]["region"] == "r"
    stop = ModelstudioVoiceChatRequest.model_validate({"directive": "SessionStop", "payload": {}})
    assert isinstance(stop.payload, ModelstudioVoiceChatSessionStopPayload)
    with pytest.raises(ValueError, match="Unsupported directive: Dance"):
        ModelstudioVoiceChatRequest.model_validate({"directive": "Dance"})
    ended = ModelstudioVoiceChatResponse.model_validate({"event": "ResponseAudioEnded", "payload": {}})
    assert isinstance(ended.payload, ModelstudioVoiceChatResponseAudioStoppedPayload)
    text = ModelstudioVoiceChatResponse(
        event=ModelstudioVoiceChatEvent.RESPONSE_TEXT,
        payload=ModelstudioVoiceChatResponseTextPayload(text="hi", finished=True),
    )
    read = ModelstudioVoiceChatResponse.model_validate_json(text.model_dump_json())
    assert isinstance(read.payload, ModelstudioVoiceChatResponseTextPayload)


@pytest.mark.unit
def test_a_wave_file_made_of_chunks_is_whole() -> None:
    from voicewire.speech.audio_out import wav_header

    with wave.open(io.BytesIO(wav_header(16_000, 4) + bytes(4))) as file:
        assert file.getnframes() == 2
