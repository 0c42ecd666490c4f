"""The recogniser around a scripted model: windows, loops, languages, errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicewire.engine import asr
from voicewire.engine.asr import WhisperRecognizer, plan_windows, text_of_tokens
from voicewire.engine.stages import FloatArray
from voicewire.errors import InferenceError, ModelLoadError, UnsupportedError

pytestmark = pytest.mark.unit

RATE = 16_000
VOCABULARY = ["<|startoftranscript|>", "<|en|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>", "Ġhi"]


@dataclass
class Reading:
    sequences: list[list[str]]
    scores: list[float] = field(default_factory=lambda: [-0.2])
    no_speech_prob: float = 0.01


@dataclass
class ScriptedWhisper:
    """Answers each decode with the next text; notes window lengths, prompts and limits."""

    answers: list[Reading]
    is_multilingual: bool = False
    n_mels: int = 80
    window_frames: list[int] = field(default_factory=list)
    prompts: list[list[int]] = field(default_factory=list)
    limits: list[object] = field(default_factory=list)

    def generate(self, features: FloatArray, prompts: list[list[int]], **options: object) -> list[Reading]:
        self.window_frames.append(features.shape[2])
        self.prompts += prompts
        self.limits.append(options["max_length"])
        if not self.answers:
            raise RuntimeError("no answer is left")
        return [self.answers.pop(0)]

    def detect_language(self, features: FloatArray) -> list[list[tuple[str, float]]]:
        assert features.shape == (1, 80, 3000)
        return [[("<|de|>", 0.9), ("<|en|>", 0.1)]]


Make = Callable[[ScriptedWhisper], WhisperRecognizer]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    (tmp_path / "vocabulary.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")

    def build(model: ScriptedWhisper) -> WhisperRecognizer:
        monkeypatch.setattr(asr, "_load", lambda folder, threads: (model, lambda features: features))
        return WhisperRecognizer(tmp_path)

    return build


def said(text: str, **facts: object) -> Reading:
    tokens = ["Ġ" + word for word in text.split()]
    return Reading([tokens], **facts)  # type: ignore[arg-type]  # field by name


def tone(seconds: float, level: float = 0.3) -> FloatArray:
    wave: FloatArray = (level * np.sin(np.arange(int(seconds * RATE)) * 0.3)).astype(np.float32)
    return wave


def test_windows_are_short_but_not_too_short(make: Make) -> None:
    model = ScriptedWhisper([said("Hi."), said("Hi."), said("Hi."), said("Hi.")])
    recognizer = make(model)
    recognizer.transcribe(tone(2), final=False)
    recognizer.transcribe(tone(2), final=True)
    recognizer.transcribe(tone(12), final=True)
    recognizer.transcribe(tone(27.9), final=True)
    assert model.window_frames == [400, 1000, 1400, 2990]
    assert model.prompts[0] == [0, 4]
    assert model.limits[:2] == [2 * 8 + 12 + 2] * 2


def test_a_final_that_loops_is_read_again_in_the_full_window(make: Make) -> None:
    loop = said("What is it? What is it? What is it? What is")
    model = ScriptedWhisper([loop, said("What is it?")])
    transcript = make(model).transcribe(tone(1), final=True)
    assert transcript.text == "What is it?"
    assert model.window_frames == [1000, 3000]


def test_a_partial_that_loops_is_only_cut(make: Make) -> None:
    model = ScriptedWhisper([said("What is it? What is it? What is it? What is")])
    transcript = make(model).transcribe(tone(1), final=False)
    assert (transcript.text, transcript.is_final) == ("What is it?", False)
    assert model.window_frames == [400]


@pytest.mark.parametrize(
    "samples",
    [np.zeros(RATE, dtype=np.float32), tone(0.05), tone(1, level=1e-4), np.zeros(0, dtype=np.float32)],
)
def test_silence_and_scraps_never_reach_the_model(make: Make, samples: FloatArray) -> None:
    model = ScriptedWhisper([])
    transcript = make(model).transcribe(samples, final=True)
    assert (transcript.text, transcript.no_speech_prob, transcript.duration_samples) == (
        "",
        1.0,
        len(samples),
    )
    assert not transcript.is_reliable


def test_words_invented_on_noise_are_dropped(make: Make) -> None:
    invented = said("Thank you.", scores=[-1.9], no_speech_prob=0.9)
    unsure = said("Thank you.", scores=[-0.5], no_speech_prob=0.9)
    recognizer = make(ScriptedWhisper([invented, unsure]))
    assert recognizer.transcribe(tone(1), final=True).text == ""
    assert recognizer.transcribe(tone(1), final=True).text == "Thank you."


def test_an_english_model_refuses_other_languages(make: Make) -> None:
    recognizer = make(ScriptedWhisper([said("Hi."), said("Hi.")]))
    assert recognizer.languages == ("en",)
    assert recognizer.transcribe(tone(1), final=True, language="en-US").language == "en"
    assert recognizer.transcribe(tone(1), final=True, language="EN_gb").language == "en"
    with pytest.raises(UnsupportedError, match=r"English only, not 'de'.*VOICEWIRE_WHISPER_PATH"):
        recognizer.transcribe(tone(1), final=True, language="de")


def test_a_multilingual_model_is_told_or_finds_out(make: Make) -> None:
    model = ScriptedWhisper([said("Hi."), said("Hallo.")], is_multilingual=True)
    recognizer = make(model)
    assert recognizer.languages == ("en", "de")
    assert recognizer.transcribe(tone(1), final=True, language="en").language == "en"
    assert recognizer.transcribe(tone(1), final=True).language == "de"
    assert model.prompts == [[0, 1, 3, 4], [0, 2, 3, 4]]
    with pytest.raises(UnsupportedError, match="it knows en, de"):
        recognizer.transcribe(tone(1), final=True, language="fr")


def test_long_audio_is_read_in_windows_with_times(make: Make) -> None:
    audio = np.concatenate((tone(20), np.zeros(RATE, dtype=np.float32), tone(14)))
    recognizer = make(ScriptedWhisper([said("One two."), said("Three four.", scores=[-1.0])]))
    transcript = recognizer.transcribe(audio, final=True)
    assert transcript.text == "One two. Three four."
    first, second = transcript.segments
    assert first.start_sample == 0
    assert 20 * RATE <= first.end_sample <= second.start_sample <= 21 * RATE
    assert second.end_sample == len(audio)
    assert first.confidence > second.confidence


def test_a_recording_is_read_pause_by_pause_and_a_turn_as_a_whole() -> None:
    quiet = np.zeros(4 * RATE, dtype=np.float32)
    recording = np.concatenate((tone(2), quiet, tone(3), quiet, tone(2)))
    readings = asr.plan_readings(recording)
    edges = [(0, 2), (6, 9), (13, 15)]
    assert len(readings) == 3
    for (start, end), (first, last) in zip(readings, edges, strict=True):
        assert first - 0.4 <= start / RATE <= first
        assert last <= end / RATE <= last + 0.4
    turn = np.concatenate((tone(2), quiet, tone(3)))
    assert asr.plan_readings(turn) == [(0, len(turn))]


def test_a_breath_does_not_cut_a_sentence() -> None:
    breath = np.zeros(RATE // 2, dtype=np.float32)
    recording = np.concatenate([part for _ in range(8) for part in (tone(2), breath)])
    assert all((end - start) / RATE > 4 for start, end in asr.plan_readings(recording)[:-1])


def test_failures_are_ours(make: Make) -> None:
    recognizer = make(ScriptedWhisper([]))
    with pytest.raises(InferenceError, match="no answer is left"):
        recognizer.transcribe(tone(1), final=True)
    with pytest.raises(InferenceError, match="finite"):
        recognizer.transcribe(np.full(RATE, np.nan, dtype=np.float32), final=True)
    with pytest.raises(InferenceError, match="mono"):
        recognizer.transcribe(np.zeros((2, RATE), dtype=np.float32), final=True)


def test_a_folder_without_a_vocabulary_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asr, "_load", lambda folder, threads: (ScriptedWhisper([]), None))
    with pytest.raises(ModelLoadError, match="cannot be read"):
        WhisperRecognizer(tmp_path)
    (tmp_path / "vocabulary.json").write_text('["a", "b"]')
    with pytest.raises(ModelLoadError, match="not Whisper's"):
        WhisperRecognizer(tmp_path)


def test_tokens_become_text() -> None:
    assert (
        text_of_tokens(["<|startoftranscript|>", "Ġna", "Ã¯", "ve", "Ġcaf", "Ã©", "<|endoftext|>"])
        == "naïve café"
    )
    assert text_of_tokens(["Ġ", "Ã"]) == "\ufffd"
    assert text_of_tokens([]) == ""


@settings(max_examples=40, deadline=None)
@given(
    parts=st.lists(st.tuples(st.booleans(), st.floats(0.1, 25)), max_size=8),
)
def test_windows_cover_everything_and_fit(parts: list[tuple[bool, float]]) -> None:
    audio = np.concatenate([np.zeros(0, np.float32), *(tone(s, 0.3 if loud else 0.0) for loud, s in parts)])
    windows = plan_windows(audio)
    assert windows[0][0] == 0 and windows[-1][1] == len(audio)
    assert all(end - start <= 28 * RATE for start, end in windows)
    for (_, end), (start, _) in zip(windows, windows[1:], strict=False):
        assert end - RATE <= start <= end
