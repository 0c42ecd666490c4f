"""The ModelStudio clients against a service that cuts, keeps silent, refuses and talks nonsense."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicewire.errors import (
    AuthError,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    ProviderUnavailable,
    RateLimited,
    RemoteProtocolError,
    UnsupportedError,
    VoicewireError,
)
from voicewire.speech import (
    ModelstudioAsrCallbacks,
    ModelstudioAsrClient,
    ModelstudioAsrConfig,
    ModelstudioTtsClient,
    ModelstudioTtsConfig,
    RecognitionEvent,
    Reconnected,
    SynthesizedAudio,
)
from voicewire.speech.replay import ReplayBuffer

from .task_service import Service, spelled, task_service

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]
KEY = "sk-verysecretkey0123456789"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicewire.speech.backoff._FIRST_S", 0.01)


def asr(service: Service, **options: object) -> ModelstudioAsrClient:
    fields = {"model": "paraformer-realtime-v2", "finish_timeout_s": 0.3, "start_timeout_s": 0.5, **options}
    return ModelstudioAsrClient(
        ModelstudioAsrConfig.model_validate({"base_url": service.url, "api_key": KEY, **fields})
    )


def tts(service: Service, **options: object) -> ModelstudioTtsClient:
    fields = {"format": "pcm", "finish_timeout_s": 0.3, "start_timeout_s": 0.5, **options}
    return ModelstudioTtsClient(
        ModelstudioTtsConfig.model_validate({"base_url": service.url, "api_key": KEY, **fields})
    )


async def recognised(client: ModelstudioAsrClient, words: int) -> list[object]:
    events: list[object] = []
    async with client:
        for word in range(words):
            await client.send(spelled(word, 1))
        await client.finish()
        events.extend([event async for event in client])
    return events


def finals(events: list[object]) -> list[RecognitionEvent]:
    return [event for event in events if isinstance(event, RecognitionEvent) and event.is_final]


def words_of(events: list[object]) -> list[int]:
    return [int(word) for event in finals(events) for word in event.text.split()]


async def test_a_plain_session() -> None:
    async with task_service(Service()) as service:
        events = await recognised(asr(service, language="zh-CN", vocabulary_id="v1", heartbeat=True), 12)
    assert words_of(events) == list(range(12))
    assert [event.start_ms for event in finals(events)] == [0, 500, 1000]
    assert all(event.confidence is None for event in finals(events))
    assert any(isinstance(event, RecognitionEvent) and not event.is_final for event in events)
    parameters = service.tasks[0].parameters
    assert parameters == {
        "format": "pcm",
        "sample_rate": 16000,
        "vocabulary_id": "v1",
        "language_hints": ["zh"],
        "max_sentence_silence": 700,
        "heartbeat": True,
    }
    assert service.headers["Authorization"] == f"Bearer {KEY}"


async def test_every_field_of_the_connection_reaches_the_service() -> None:
    async with task_service(Service()) as service:
        client = asr(
            service, model="gummy-realtime-v1", workspace_id="w", user_agent="ua", data_inspection="enable",
            max_end_silence=900, fast_vad_min_duration=250, translation_target_languages=["en"], language="zh",
        )  # fmt: skip
        await recognised(client, 3)
    assert {
        name: service.headers[name] for name in ("X-DashScope-WorkSpace", "X-DashScope-DataInspection")
    } == {
        "X-DashScope-WorkSpace": "w",
        "X-DashScope-DataInspection": "enable",
    }
    assert service.headers["User-Agent"] == "ua"
    parameters = service.tasks[0].parameters
    assert parameters["max_end_silence"] == 900
    assert parameters["fast_vad_min_duration"] == 250
    assert parameters["source_language"] == "zh"
    assert parameters["translation_target_languages"] == ["en"]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(min_value=1, max_value=60_000), max_size=3))
async def test_no_word_is_lost_or_doubled_wherever_the_connection_is_cut(cuts: list[int]) -> None:
    async with task_service(Service(cut_after_bytes=list(cuts))) as service:
        events = await recognised(asr(service), 23)
    assert words_of(events) == list(range(23))
    starts = [event.start_ms for event in finals(events)]
    assert starts == sorted(starts)
    assert sum(isinstance(event, Reconnected) for event in events) == service.connections - 1


async def test_it_gives_up_after_its_attempts() -> None:
    async with task_service(Service(cut_after_bytes=[1] * 9)) as service:
        with pytest.raises(ConnectionLost):
            await recognised(asr(service, max_reconnects=1), 3)
    assert service.connections == 2


async def test_progress_starts_the_count_of_attempts_again() -> None:
    async with task_service(Service(cut_after_bytes=[16_000] * 3)) as service:
        events = await recognised(asr(service, max_reconnects=1), 22)
    assert words_of(events) == list(range(22))


@pytest.mark.parametrize(
    ("service", "error"),
    [
        (Service(refuse_with=[401]), AuthError),
        (Service(refuse_with=[403]), AuthError),
        (Service(refuse_with=[404]), ConnectFailed),
        (Service(fail_with=("Throttling", "Requests rate limit exceeded, try later.")), RateLimited),
        (Service(fail_with=("AccessDenied", "no")), AuthError),
        (Service(fail_with=("InternalError", "oops")), ProviderUnavailable),
        (Service(is_mute=True), ProviderUnavailable),
        (Service(mute_at_end=True), ProviderUnavailable),
        (Service(garbage="{not json"), RemoteProtocolError),
    ],
    ids=["401", "403", "404", "throttled", "denied", "internal", "mute", "mute at the end", "garbage"],
)
async def test_every_failure_is_one_error_and_nothing_hangs(
    service: Service, error: type[VoicewireError]
) -> None:
    async with task_service(service):
        told: list[str] = []
        client = asr(service, max_reconnects=0)
        client.callbacks = ModelstudioAsrCallbacks(
            on_open=lambda: told.append("open"),
            on_error=lambda message: told.append("error"),
            on_complete=lambda: told.append("complete"),
            on_close=lambda: told.append("close"),
        )
        client.start()
        with pytest.raises(error):
            await client.stop()
        assert [line for line in told if line != "open"] == ["error", "close"]
        client.close()


async def test_a_busy_service_is_asked_again() -> None:
    async with task_service(Service(refuse_with=[503, 429])) as service:
        assert words_of(await recognised(asr(service), 2)) == [0, 1]


async def test_a_connection_is_used_again() -> None:
    async with task_service(Service()) as service:
        client = asr(service)
        for _ in range(3):
            client.start()
            client.send_audio_data(spelled(0, 1))
            await client.stop()
        assert (service.connections, len(service.tasks)) == (1, 3)
        assert len({task.task_id for task in service.tasks}) == 3
        await client.aclose()


async def test_speech_with_every_parameter() -> None:
    async with task_service(Service()) as service:
        client = tts(
            service, voice="v", sample_rate=24000, speech_rate=1.5, pitch_rate=0.8, volume=70, seed=3,
            instruction="calm", language_hints=["en"], word_timestamps=True, bit_rate=64, format="ogg",
        )  # fmt: skip
        assert await client.synthesize("hello") == bytes(320 * 5)
        await client.aclose()
    assert service.tasks[0].parameters == {
        "voice": "v", "volume": 70, "text_type": "PlainText", "sample_rate": 24000, "rate": 1.5, "format": "opus",
        "pitch": 0.8, "seed": 3, "type": 0, "bit_rate": 64, "instruction": "calm", "language_hints": ["en"],
        "word_timestamp_enabled": True,
    }  # fmt: skip


async def test_a_wav_has_a_header_of_ours() -> None:
    async with task_service(Service()) as service:
        client = tts(service, format="wav")
        data = await client.synthesize("hello")
        await client.aclose()
    assert (data[:4], len(data)) == (b"RIFF", 44 + 1600)
    assert int.from_bytes(data[40:44], "little") == 1600


async def test_ssml_goes_out_in_one_piece_and_sambert_in_its_first_frame() -> None:
    async with task_service(Service()) as service:
        client = tts(service, ssml=True)
        async with client:
            await client.send("<speak>a")
            await client.send("b</speak>")
            await client.finish()
            assert [event async for event in client if isinstance(event, SynthesizedAudio)]
        assert service.texts == ["<speak>ab</speak>"]
        assert service.tasks[0].parameters["enable_ssml"] is True


async def test_text_is_sent_again_when_nothing_was_heard_yet() -> None:
    async with task_service(Service(cut_text_once=True)) as service:
        client = tts(service)
        assert len(await client.synthesize("hello")) == 1600
        await client.aclose()
    assert (service.connections, service.texts) == (2, ["hello"])


async def test_a_closed_port_is_an_error() -> None:
    client = ModelstudioTtsClient(
        ModelstudioTtsConfig(base_url="ws://127.0.0.1:1/api-ws/v1/inference", api_key=KEY, max_reconnects=0)
    )
    with pytest.raises(ConnectFailed):
        await client.synthesize("hello")


async def test_no_credential_is_logged_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with task_service(Service(refuse_with=[401])) as service:
        client = asr(service, max_reconnects=0)
        with pytest.raises(AuthError) as refused:
            await recognised(client, 1)
        await recognised(asr(service), 2)
    # The handshake that the service of this test logs is the service's own business.
    ours = [record for record in caplog.records if not record.name.startswith("websockets.server")]
    text = " ".join(record.getMessage() + str(record.exc_text) for record in ours)
    shown = text + repr(client) + repr(client.config) + str(refused.value)
    records = "".join(str(vars(record)) for record in ours)
    assert KEY not in shown + records


def test_what_the_service_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="DASHSCOPE_API_KEY"):
        ModelstudioAsrClient()
    for options, word in (
        ({"initial_silence_timeout": 100}, "initial_silence"),
        ({"model": "paraformer-realtime-v2", "max_end_silence": 50}, "200 to 6000"),
        ({"model": "paraformer-realtime-v2", "translation_target_languages": ["en"]}, "Gummy"),
        ({"heartbeat": True}, "Gummy"),
        ({"bits_per_sample": 8}, "bits_per_sample"),
        ({"format": "midi"}, "midi"),
    ):
        with pytest.raises(UnsupportedError, match=word):
            ModelstudioAsrClient(ModelstudioAsrConfig.model_validate({"api_key": KEY, **options}))
    with pytest.raises(UnsupportedError, match="11025"):
        ModelstudioTtsClient(ModelstudioTtsConfig(api_key=KEY, sample_rate=11025))


def test_importing_needs_no_sdk() -> None:
    program = (
        "import sys; sys.modules['dashscope'] = sys.modules['azure'] = None\n"
        "import voicewire.speech as s; s.ModelstudioAsrClient; s.ModelstudioTtsClient; s.create_asr\n"
        "s.AzureAsrClient; s.AzureTtsClient\n"
        "try: s.create_asr('azure', key='k', region='r')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout.startswith("ConfigError")
    assert "voicewire[azure-speech]" in done.stdout


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 300)), max_size=20))
def test_the_replay_holds_exactly_what_was_not_acknowledged(steps: list[tuple[int, int]]) -> None:
    replay = ReplayBuffer(1000, max_s=10)
    total = acknowledged = 0
    for added_ms, acked_ms in steps:
        replay.append(bytes(2 * added_ms))
        total += added_ms
        acknowledged = min(total, acknowledged + acked_ms)
        replay.acknowledge(acknowledged)
        assert replay.start_ms == acknowledged
        assert len(replay.audio()) == 2 * (total - acknowledged)


def test_a_replay_that_is_full_counts_what_it_forgets() -> None:
    replay = ReplayBuffer(1000, max_s=1)
    replay.append(bytes(3000))
    assert (replay.take_forgotten(), replay.take_forgotten(), replay.start_ms) == (1000, 0, 500)
