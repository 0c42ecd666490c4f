"""The clients of this machine on stages that cost nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.engine.fakes import WORD_SAMPLES, FakeRecognizer, FakeVad
from voicewire.audio.pcm import silence, tone
from voicewire.errors import AudioError, ConfigError, InvalidRequest, UnsupportedError
from voicewire.speech import (
    HighPass,
    LocalAsrClient,
    LocalAsrConfig,
    LocalTtsClient,
    LocalTtsConfig,
    RecognitionEvent,
    SynthesizedAudio,
    TtsCallbacks,
    WordBoundary,
    create_asr,
    create_tts,
)
from voicewire.speech.journal import Journal
from voicewire.speech.local_files import read_file

from .fakes import STAGES

pytestmark = [pytest.mark.unit, pytest.mark.anyio]
RATE_HZ = 16_000


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRecognizer, "script", ["hello there"])
    monkeypatch.setattr(FakeRecognizer, "heard_samples", [])


def speech(*parts_s: float) -> bytes:
    """Silence and tones in turn, silence first."""
    pieces = [
        silence(int(part * RATE_HZ)) if index % 2 == 0 else tone(300, int(part * RATE_HZ), RATE_HZ)
        for index, part in enumerate(parts_s)
    ]
    return b"".join(pieces)


def wav(path: Path, *parts_s: float) -> Path:
    soundfile.write(path, np.frombuffer(speech(*parts_s), "<i2"), RATE_HZ)
    return path


async def test_each_utterance_is_a_final_with_its_times() -> None:
    client = LocalAsrClient(LocalAsrConfig(max_end_silence=320), stages=STAGES)
    async with client:
        await client.send(speech(0.5, 1.0, 0.8, 0.6, 0.8))
        await client.finish()
        events = [event async for event in client if isinstance(event, RecognitionEvent)]
    finals = [event for event in events if event.is_final]
    assert [event.text for event in finals] == ["hello there"] * 2
    for event, (start_ms, end_ms) in zip(finals, [(500, 1500), (2300, 2900)], strict=True):
        assert abs(event.start_ms - start_ms) <= 64
        assert abs(event.end_ms - end_ms) <= 64


async def test_partials_come_while_somebody_speaks_and_can_be_switched_off() -> None:
    for wanted in (True, False):
        async with LocalAsrClient(LocalAsrConfig(partials=wanted), stages=STAGES) as client:
            for _ in range(30):
                await client.send(tone(300, RATE_HZ // 10, RATE_HZ))
                await client._required()._input.put(b"")  # lets the session take what came
            await client.finish()
            events = [event async for event in client if isinstance(event, RecognitionEvent)]
        assert any(not event.is_final for event in events) is wanted
        assert events[-1].is_final


async def test_silence_from_the_start_ends_the_session_when_asked() -> None:
    async with LocalAsrClient(LocalAsrConfig(initial_silence_timeout=1000), stages=STAGES) as client:
        await client.send(speech(3.0))
        await client.finish()
        with pytest.raises(InvalidRequest, match="initial_silence_timeout"):
            await client.result()


async def test_files_are_recognised_with_progress(tmp_path: Path) -> None:
    client = create_asr("local", preprocess=[])
    assert isinstance(client, LocalAsrClient)
    client._stages = STAGES
    seen: list[int] = []
    result = await client.recognize_file(
        wav(tmp_path / "a.wav", 0.5, 1.0, 1.0), progress=lambda done, _: seen.append(done)
    )
    assert result.text == "hello there"
    assert [abs(segment.start_ms - 500) <= 64 for segment in result.segments] == [True]
    assert result.duration_ms == 2500
    assert seen == sorted(seen) and seen[-1] == 2500


async def test_a_preprocessed_file_goes_through_a_session(tmp_path: Path) -> None:
    client = LocalAsrClient(preprocess=[HighPass(80)], stages=STAGES)
    result = await client.recognize_file(wav(tmp_path / "a.wav", 0.5, 1.0, 1.0))
    assert result.text == "hello there"


async def test_a_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"nothing")
    with pytest.raises(AudioError):
        await LocalAsrClient(stages=STAGES).recognize_file(tmp_path / "a.wav")


def test_long_speech_is_read_in_windows_that_overlap(tmp_path: Path) -> None:
    steps = list(read_file(wav(tmp_path / "a.wav", 0.2, 60.0, 1.0), FakeVad(), FakeRecognizer()))
    segments = [segment for step in steps for segment in step.segments]
    assert max(FakeRecognizer.heard_samples) <= 27 * RATE_HZ
    assert len(FakeRecognizer.heard_samples) >= 3
    assert segments[0].start_ms <= 264 and segments[-1].end_ms >= 60_000
    assert [segment.text for segment in segments[:-1]] == [""] * (len(segments) - 1)  # said again by the next


def test_recognition_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    whole = list(read_file(path, FakeVad(), FakeRecognizer()))
    all_segments = [segment for step in whole for segment in step.segments]
    for cut in range(1, len(whole)):
        first = [segment for step in whole[:cut] for segment in step.segments]
        rest = read_file(path, FakeVad(), FakeRecognizer(), from_ms=whole[cut - 1].settled_ms)
        joined = first + [segment for step in rest for segment in step.segments]
        assert [segment.text for segment in joined] == [segment.text for segment in all_segments]
        pairs = zip(joined, all_segments, strict=True)
        assert all(abs(ours.start_ms - theirs.start_ms) <= 40 for ours, theirs in pairs)


def test_a_journal_survives_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", 0.5, 1.0)
    journal = Journal(tmp_path / "journals", path, "{}")
    steps = list(read_file(path, FakeVad(), FakeRecognizer()))
    journal.add(700, steps[-1].segments)
    with journal.path.open("ab") as file:
        file.write(json.dumps({"settled_ms": 900}).encode()[:-3])
    assert journal.read() == (700, list(steps[-1].segments))
    assert Journal(tmp_path / "journals", path, "{other}").read() == (0, [])
    journal.forget()
    assert journal.read() == (0, [])


async def test_text_is_spoken_clause_by_clause_with_word_times() -> None:
    async with LocalTtsClient(LocalTtsConfig(format="pcm", chat_id="c"), stages=STAGES) as client:
        await client.send("One two. ")
        await client.send("Three")
        await client.finish()
        events = [event async for event in client]
    audio = [event for event in events if isinstance(event, SynthesizedAudio)]
    assert sum(len(event.data) for event in audio) == 2 * 3 * WORD_SAMPLES
    assert [event.index for event in audio] == list(range(len(audio)))
    assert {event.chat_id for event in audio} == {"c"}
    words = [event for event in events if isinstance(event, WordBoundary)]
    assert [(word.text, word.start_ms) for word in words] == [("One", 0), ("two.", 200), ("Three", 400)]


async def test_the_chat_id_is_that_of_the_start_of_the_session() -> None:
    seen: list[str | None] = []
    client = LocalTtsClient(
        LocalTtsConfig(chat_id="first"),
        TtsCallbacks(on_data=lambda data, chat_id, index: seen.append(chat_id), on_complete=seen.append),
        stages=STAGES,
    )
    client.start()
    client.set_chat_id("second")
    client.send_text_data("Hello.")
    await client.stop()
    assert set(seen) == {"first"}
    client.start()
    await client.stop()
    assert seen[-1] == "second"


@pytest.mark.parametrize("text", ["你好", "...", "🙂"])
async def test_what_cannot_be_said_is_refused_never_silent(text: str) -> None:
    with pytest.raises(UnsupportedError):
        await LocalTtsClient(stages=STAGES).synthesize(text)


async def test_rates_volume_and_files(tmp_path: Path) -> None:
    client = create_tts("local", sample_rate=16_000, volume=100)
    assert isinstance(client, LocalTtsClient)
    client._stages = STAGES
    data, rate_hz = soundfile.read(io.BytesIO(await client.synthesize("One two.")), dtype="float32")
    assert rate_hz == 16_000
    assert len(data) == pytest.approx(2 * 3200, abs=16)
    assert float(np.median(data)) == pytest.approx(0.5, abs=0.01)
    for suffix in ("wav", "mp3", "ogg", "flac"):
        assert await client.synthesize_file("One two.", tmp_path / f"a.{suffix}") == pytest.approx(400, abs=2)


def test_names_and_options_that_do_not_exist() -> None:
    with pytest.raises(ConfigError, match="nosuch"):
        create_asr("nosuch")
    with pytest.raises(ConfigError, match="pitch"):
        create_tts("local", pitch=2)
    with pytest.raises(UnsupportedError, match="mono"):
        create_tts("local", nb_channels=2)
