"""``voicewire transcribe``: times, progress, Ctrl-C and going on, as a user meets them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
import soundfile
from benchmarks.speech import make_file, time_errors

from tests.engine.fakes import FakeRecognizer, FakeVad
from voicewire.audio.pcm import silence, tone
from voicewire.cli import transcribe as command
from voicewire.cli.transcribe import TranscriptFormat
from voicewire.speech import RecognitionEvent, RecognitionResult, SpokenWord, local_stages
from voicewire.speech.asr import AsrSession

from .fakes import ScriptedAsr, Work

RATE_HZ = 16_000


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Twelve utterances of 1 s, a second of silence around each."""
    path = tmp_path / "talk.wav"
    pcm16 = (silence(RATE_HZ) + tone(300, RATE_HZ, RATE_HZ)) * 12 + silence(RATE_HZ)
    soundfile.write(path, np.frombuffer(pcm16, "<i2"), RATE_HZ)
    return path


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeRecognizer]:
    recognizer = FakeRecognizer()
    monkeypatch.setattr(FakeRecognizer, "script", [f"sentence {number}" for number in range(12)])
    monkeypatch.setattr(FakeRecognizer, "heard_samples", [])
    monkeypatch.setattr(local_stages, "vad", FakeVad)
    monkeypatch.setattr(local_stages, "recognizer", lambda: recognizer)
    monkeypatch.setenv("VOICEWIRE_HOME", str(tmp_path / "home"))
    yield recognizer


def run(path: Path, output: Path, **options: Any) -> None:
    command._transcribe_locally(
        path,
        None,
        command._writer(path, output, TranscriptFormat.TEXT, is_one=True, tidy=lambda result: result),
        **{"resume": True, "shows_progress": False, **options},
    )


@pytest.mark.unit
@pytest.mark.parametrize("stop_at", [1, 5, 11])
def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(
    recording: Path, stages: FakeRecognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    output = tmp_path / "talk.txt"
    transcribe = FakeRecognizer.transcribe
    said = iter(range(100))

    def stopped(self: FakeRecognizer, *args: Any, **options: Any) -> Any:
        if next(said) == stop_at:
            raise KeyboardInterrupt
        return transcribe(self, *args, **options)

    monkeypatch.setattr(FakeRecognizer, "transcribe", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(recording, output)
    assert output.read_text().count("sentence") == stop_at
    monkeypatch.setattr(FakeRecognizer, "transcribe", transcribe)
    before = len(FakeRecognizer.heard_samples)
    run(recording, output)
    assert output.read_text().count("sentence") == 12
    assert len(FakeRecognizer.heard_samples) - before == 12 - stop_at  # nothing is recognised twice
    before = len(FakeRecognizer.heard_samples)
    run(recording, output)  # the first two runs are over: this one begins anew
    assert len(FakeRecognizer.heard_samples) - before == 12


@pytest.mark.unit
def test_without_resume_it_begins_anew(
    recording: Path, stages: FakeRecognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcribe = FakeRecognizer.transcribe

    def stopped(self: FakeRecognizer, *args: Any, **options: Any) -> Any:
        if len(FakeRecognizer.heard_samples) == 6:
            raise KeyboardInterrupt
        return transcribe(self, *args, **options)

    monkeypatch.setattr(FakeRecognizer, "transcribe", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(recording, tmp_path / "talk.txt")
    monkeypatch.setattr(FakeRecognizer, "transcribe", transcribe)
    run(recording, tmp_path / "talk.txt", resume=False)
    assert len(FakeRecognizer.heard_samples) == 6 + 12


@pytest.mark.unit
def test_progress_is_a_line_for_each_tenth_where_there_is_no_terminal(
    recording: Path, stages: FakeRecognizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from voicewire.cli.common import error_console

    error_console.cache_clear()
    run(recording, tmp_path / "talk.txt", shows_progress=True)
    error_console.cache_clear()
    assert capsys.readouterr().err.splitlines() == [f"talk.wav: {share} %" for share in range(10, 101, 10)]


@pytest.mark.unit
def test_a_provider_that_is_stopped_leaves_what_it_recognised_and_the_next_run_goes_on(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEWIRE_HOME", str(tmp_path / "home"))
    whole_bytes = 25 * 2 * RATE_HZ
    word = SpokenWord(text="so", start_ms=200, end_ms=400)
    heard: list[int] = []

    async def speaks_and_waits(client: ScriptedAsr, session: AsrSession) -> None:
        await client._opened(session)
        await session.receive()
        await client._tell(session, RecognitionEvent(text="so far", is_final=True, end_ms=1000))
        await anyio.lowlevel.checkpoint()
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep_forever()

    async def goes_on(client: ScriptedAsr, session: AsrSession) -> None:
        await client._opened(session)
        heard.append(0)
        while (data := await session.receive()) is not None:
            heard[-1] += len(data)
        event = RecognitionEvent(text="so good", is_final=True, start_ms=200, end_ms=500, words=(word,))
        await client._tell(session, event)

    def run_remotely(work: Work, *, resume: bool = True) -> RecognitionResult:
        written: list[RecognitionResult] = []
        with suppress(KeyboardInterrupt):
            command._transcribe_remotely(
                recording, ScriptedAsr(work), written.append, key="k", resume=resume, shows_progress=False
            )
        (result,) = written
        return result

    assert run_remotely(speaks_and_waits).text == "so far"
    result = run_remotely(goes_on)
    assert result.text == "so far so good"
    assert [(segment.start_ms, segment.end_ms) for segment in result.segments] == [(0, 1000), (1200, 1500)]
    assert result.segments[1].words[0].start_ms == 1200
    assert run_remotely(goes_on).text == "so good"  # it was whole: the next run begins anew
    run_remotely(speaks_and_waits)
    assert run_remotely(goes_on, resume=False).text == "so good"
    tail_bytes = 32_000
    assert [size - tail_bytes for size in heard] == [whole_bytes - 32_000, whole_bytes, whole_bytes]


@pytest.mark.engine
def test_half_a_minute_of_speech_stopped_and_gone_on_with(tmp_path: Path) -> None:
    from voicewire.engine import weights

    if missing := [item.weights.name for item in weights.plan().missing]:
        pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")
    path = tmp_path / "speech.flac"
    spans = make_file(path, 0.5)
    program = [sys.executable, "-m", "voicewire.cli", "transcribe", str(path), "-f", "json", "--progress"]
    with subprocess.Popen(
        [*program, "-o", str(tmp_path / "part.json")], stderr=subprocess.PIPE, text=True
    ) as first:
        assert first.stderr is not None
        shares = [first.stderr.readline()]
        while not shares[-1].startswith("speech.flac: 4"):
            assert shares[-1], shares
            shares.append(first.stderr.readline())
        first.send_signal(signal.SIGINT)
        told = first.stderr.read()
    assert first.returncode == 130
    assert "the same command goes on from there" in told
    part = json.loads((tmp_path / "part.json").read_text())["segments"]
    assert 0 < len(part) < len(spans)
    done = subprocess.run(
        [*program, "-o", str(tmp_path / "whole.json")], stderr=subprocess.PIPE, text=True, check=True
    )
    assert "10 %" not in done.stderr
    whole = json.loads((tmp_path / "whole.json").read_text())["segments"]
    assert [segment["text"] for segment in whole[: len(part)]] == [segment["text"] for segment in part]
    assert len(whole) == len(spans)
    assert max(time_errors(spans, whole)) <= 200
