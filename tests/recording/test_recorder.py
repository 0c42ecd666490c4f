"""What a session leaves behind is whole, also when the session was killed in the middle of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.recording.samples import ORIGIN_NS, conversation
from voicewire.audio.files import read_audio
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.errors import ConfigError
from voicewire.events.items import ContentPart, Item
from voicewire.events.model import ModelItemAddedEvent
from voicewire.recording.recorder import RATE_HZ, SessionRecorder

pytestmark = pytest.mark.unit


def _stereo(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    frame = read_audio(path, mono=False)
    assert (frame.format.sample_rate_hz, frame.format.channels) == (RATE_HZ, 2)
    return np.frombuffer(frame.data, "<i2").reshape(-1, 2)


def _user(recorder: SessionRecorder, start_ms: int, value: int, rate_hz: int = RATE_HZ) -> None:
    data = np.full(rate_hz // 50, value, "<i2").tobytes()
    start = start_ms * rate_hz // 1000
    recorder.on_user_audio(start_ms, AudioFrame(AudioFormat(rate_hz), data, start))


def test_both_channels_stand_at_their_time(tmp_path: Path) -> None:
    with SessionRecorder(tmp_path) as recorder:
        recorder.on_start(0)
        for step in range(50):
            _user(recorder, step * 20, 1000)
            recorder.on_agent_position(step * 20.0)
        recorder.on_agent_audio(500.0, np.full(2400, -2000, "<i2").tobytes(), RATE_HZ)
        recorder.on_agent_audio(1100.0, np.full(240, -3000, "<i2").tobytes(), RATE_HZ)
    stereo = _stereo(tmp_path / "conversation.wav")
    assert len(stereo) == RATE_HZ * 1110 // 1000
    # The position was known as silent up to 980 ms, so the audio at 500 ms came too late to be true.
    assert np.flatnonzero(stereo[:, 1]).min() == RATE_HZ * 1100 // 1000
    assert (stereo[:RATE_HZ, 0] == 1000).all()


def test_sixteen_kilohertz_is_converted_without_a_seam(tmp_path: Path) -> None:
    with SessionRecorder(tmp_path) as recorder:
        recorder.on_start(0)
        for step in range(100):
            _user(recorder, step * 20, 8000, 16_000)
    user = _stereo(tmp_path / "conversation.wav")[:, 0]
    assert abs(len(user) - 2 * RATE_HZ) <= 40
    assert (np.abs(user[200:-200].astype(int) - 8000) <= 2).all()


def test_events_are_lines_with_their_time_and_without_media(tmp_path: Path) -> None:
    audio = ContentPart(kind="audio", text="hi", audio="A" * 4000)
    image = ContentPart(kind="image", image_url="data:image/png;base64,AAAA")
    item = Item(id="i", role="user", content=(audio, image))
    with SessionRecorder(tmp_path) as recorder:
        recorder.on_start(ORIGIN_NS)
        for at_ms, what in conversation():
            recorder.on_event(at_ms, what)
        recorder.on_event(9000, ModelItemAddedEvent(item=item))
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["t_ms"] for line in lines] == [*(at_ms for at_ms, _ in conversation()), 9000]
    deltas = [line for line in lines if line["type"] == "model_response_audio_delta"]
    assert deltas[0]["audio_bytes"] == 96_000 and "delta" not in deltas[0]
    parts = lines[-1]["item"]["content"]
    assert (parts[0]["audio"], parts[1]["image_url"]) == ("<3000 bytes>", "<19 bytes>")
    assert recorder.timeline is not None and len(recorder.timeline.turns) == 2
    assert {path.name for path in tmp_path.iterdir()} == {
        "conversation.wav", "events.jsonl", "timeline.html", "timeline.png",
    }  # fmt: skip


def test_pictures_of_an_earlier_run_do_not_stay(tmp_path: Path) -> None:
    (tmp_path / "timeline.html").write_text("old")
    recorder = SessionRecorder(tmp_path)
    recorder.open()
    assert not (tmp_path / "timeline.html").exists()
    recorder.close()
    recorder.close()
    assert (tmp_path / "timeline.html").exists()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="choose another folder"):
        SessionRecorder(tmp_path / "file" / "out").open()


_CHILD = """
import sys, pathlib
import numpy as np
from voicewire.recording.recorder import SessionRecorder
from voicewire.recording.marks import StateChanged
from voicewire.audio.format import AudioFormat, AudioFrame
recorder = SessionRecorder(pathlib.Path(sys.argv[1]))
recorder.open()
recorder.on_start(0)
data = np.full(480, 1234, "<i2").tobytes()
step = 0
while True:
    recorder.on_user_audio(step * 20.0, AudioFrame(AudioFormat(24000), data, step * 480))
    recorder.on_agent_position(step * 20.0 + 20)
    recorder.on_event(step * 20.0, StateChanged(state="idle"))
    step += 1
    if step == 200:
        print("running", flush=True)
"""


def test_a_killed_program_leaves_a_valid_recording(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(tmp_path)], stdout=subprocess.PIPE, env={**os.environ}
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"running\n"
        while (tmp_path / "conversation.wav").stat().st_size < 100_000:
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
    stereo = _stereo(tmp_path / "conversation.wav")
    assert len(stereo) >= RATE_HZ
    assert (stereo[:, 0] == 1234).all() and not stereo[:, 1].any()
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    assert all(json.loads(line)["type"] == "voicewire.state_changed" for line in lines[:-1])
    # Every frame of audio had its event before it.
    assert len(lines) >= len(stereo) // 480 - 1
