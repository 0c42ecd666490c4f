"""The stages with their real weights, on speech by a voice that is not the engine's, and on its own."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typing_extensions import NotRequired, TypedDict

from voicewire.engine import weights
from voicewire.engine.asr import WhisperRecognizer
from voicewire.engine.endpoint import SilenceEndpointer
from voicewire.engine.hints import SmartTurn, combine_hints, text_hint, tone_hint
from voicewire.engine.stages import (
    FloatArray,
    Observation,
    SpeculateNow,
    SpeechStarted,
    SpeechStopped,
    TurnHint,
)
from voicewire.engine.tts import HibariSynthesizer, LocalSynthesizer
from voicewire.engine.vad import SileroVad
from voicewire.errors import ConfigError, ModelLoadError, UnsupportedError

pytestmark = pytest.mark.engine

SPEECH = Path(__file__).parent.parent / "data" / "speech"


class Sentence(TypedDict):
    file: str
    text: str
    kind: NotRequired[str]


SENTENCES: list[Sentence] = json.loads((SPEECH / "sentences.json").read_text())["sentences"]
PLAIN = [sentence for sentence in SENTENCES if "kind" not in sentence]
HESITATIONS = [sentence for sentence in SENTENCES if sentence.get("kind") == "hesitation"]


def locate(name: str) -> Path:
    try:
        return weights.locate(name)
    except ModelLoadError as error:
        pytest.skip(f"the weights are not set up: {error}")


@pytest.fixture(scope="module")
def detector() -> SileroVad:
    return SileroVad(locate(weights.SILERO_VAD))


@pytest.fixture(scope="module")
def recognizer() -> WhisperRecognizer:
    return WhisperRecognizer(locate(weights.WHISPER))


@pytest.fixture(scope="module")
def turn_model() -> SmartTurn:
    return SmartTurn(locate(weights.SMART_TURN))


@pytest.fixture(scope="module")
def synthesizer() -> LocalSynthesizer:
    return LocalSynthesizer()


def recorded(sentence: Sentence) -> FloatArray:
    samples, rate_hz = soundfile.read(SPEECH / sentence["file"], dtype="float32")
    assert rate_hz == 16_000
    return np.asarray(samples, dtype=np.float32)


def folded(text: str) -> str:
    numbers = {"12": "twelve", "30": "thirty", "9": "nine", "7": "seven", "5": "five", "15": "fifteen"}
    words: list[str] = re.findall(r"[\w']+", text.lower())
    return " ".join(numbers.get(word, word) for word in words if word not in ("um", "uh"))


def listen(
    audio: FloatArray, detector: SileroVad, recognizer: WhisperRecognizer, turn_model: SmartTurn | None
) -> list[tuple[str, int]]:
    """Text and silence wait (ms) of each turn, as a session would find them."""
    audio = np.concatenate((np.zeros(8_000, dtype=np.float32), audio, np.zeros(24_000, dtype=np.float32)))
    endpointer, state = SilenceEndpointer(), detector.new_state()
    turns: list[tuple[str, int]] = []
    start = 0
    for position in range(0, len(audio) - 511, 512):
        probability = detector.probability(state, audio[position : position + 512])
        for decision in endpointer.step(Observation(probability, position + 512)):
            match decision:
                case SpeechStarted(at_sample):
                    start = at_sample
                case SpeculateNow(at_sample):
                    heard = audio[start:at_sample]
                    words = text_hint(recognizer.transcribe(heard, final=True).text)
                    tone = tone_hint(turn_model.probability(heard)) if turn_model is not None else None
                    endpointer.set_hint(combine_hints(words, tone))
                case SpeechStopped(at_sample, decided_at_sample):
                    text = recognizer.transcribe(audio[start:decided_at_sample], final=True).text
                    turns.append((text, (decided_at_sample - at_sample) // 16))
                    state.reset()
                case _:
                    pass
    return turns


@pytest.mark.parametrize("sentence", PLAIN, ids=lambda sentence: sentence["file"])
def test_a_question_is_one_turn_and_is_understood(
    sentence: Sentence, detector: SileroVad, recognizer: WhisperRecognizer, turn_model: SmartTurn
) -> None:
    ((text, waited_ms),) = listen(recorded(sentence), detector, recognizer, turn_model)
    assert folded(text) == folded(sentence["text"])
    assert waited_ms in (320, 480)


@pytest.mark.parametrize("sentence", HESITATIONS, ids=lambda sentence: sentence["file"])
def test_a_hesitation_does_not_end_the_turn(
    sentence: Sentence, detector: SileroVad, recognizer: WhisperRecognizer, turn_model: SmartTurn
) -> None:
    turns = listen(recorded(sentence), detector, recognizer, turn_model)
    assert len(turns) == 1
    assert folded(turns[0][0]).split()[-1] == folded(sentence["text"]).split()[-1]


def test_without_the_tone_no_wait_is_shortened(detector: SileroVad, recognizer: WhisperRecognizer) -> None:
    ((_, waited_ms),) = listen(recorded(PLAIN[0]), detector, recognizer, None)
    assert waited_ms == 480


def test_noise_is_not_speech(detector: SileroVad, recognizer: WhisperRecognizer) -> None:
    noise = (np.random.default_rng(0).standard_normal(32_000) * 0.05).astype(np.float32)
    state = detector.new_state()
    assert max(detector.probability(state, noise[i : i + 512]) for i in range(0, 31_000, 512)) < 0.5
    assert recognizer.transcribe(noise, final=True).text == ""


def test_one_model_serves_many_threads(detector: SileroVad, recognizer: WhisperRecognizer) -> None:
    clips = [recorded(sentence) for sentence in PLAIN[:4]]

    def probabilities(clip: FloatArray) -> list[float]:
        state = detector.new_state()
        return [detector.probability(state, clip[i : i + 512]) for i in range(0, len(clip) - 511, 512)]

    def text(clip: FloatArray) -> str:
        return recognizer.transcribe(clip, final=True).text

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(probabilities, clips)) == [probabilities(clip) for clip in clips]
        assert list(pool.map(text, clips)) == [text(clip) for clip in clips]


def test_a_growing_partial_never_loops(recognizer: WhisperRecognizer) -> None:
    clip = recorded(PLAIN[0])
    partials = [recognizer.transcribe(clip[:end], final=False).text for end in range(6_400, len(clip), 4_800)]
    assert partials[-1].startswith("What is the capital")
    assert all(len(partial.split()) <= 8 for partial in partials)
    assert not any(partial.endswith(".") for partial in partials)


def test_long_speech_is_read_to_the_end(recognizer: WhisperRecognizer) -> None:
    clips = [np.concatenate((recorded(sentence), np.zeros(6_400, dtype=np.float32))) for sentence in PLAIN]
    audio = np.concatenate(clips * 2)
    transcript = recognizer.transcribe(audio, final=True)
    assert transcript.duration_samples == len(audio) > 28 * 16_000
    assert len(transcript.segments) > 1
    expected = folded(" ".join(sentence["text"] for sentence in PLAIN * 2)).split()
    got = folded(transcript.text).split()
    assert abs(len(got) - len(expected)) <= len(expected) * 0.06
    assert got[-5:] == expected[-5:]


def test_smart_turn_tells_a_cut_sentence_from_a_whole_one(turn_model: SmartTurn) -> None:
    clips = [recorded(sentence) for sentence in PLAIN]
    whole = [turn_model.probability(clip) for clip in clips]
    cut = [turn_model.probability(clip[: len(clip) // 2]) for clip in clips]
    assert sum(tone_hint(p) is TurnHint.DONE for p in whole) > len(clips) // 2
    assert sum(whole) / len(whole) > sum(cut) / len(cut) + 0.2


def test_what_is_spoken_is_heard_as_it_was_written(
    synthesizer: LocalSynthesizer, recognizer: WhisperRecognizer
) -> None:
    import soxr

    text = "The capital of France is Paris, and it is a lovely city to visit."
    speech = synthesizer.synthesize(text)
    assert speech.sample_rate_hz == synthesizer.sample_rate_hz == 24_000
    heard = soxr.resample(speech.samples, 24_000, 16_000).astype(np.float32)
    assert folded(recognizer.transcribe(heard, final=True).text) == folded(text)


def test_speech_starts_at_once_at_an_even_level(synthesizer: LocalSynthesizer) -> None:
    for text in ("Sure,", "I can do that for you.", "It is half past three, and the sun is out.", "Stop!"):
        samples = synthesizer.synthesize(text).samples
        sounding = np.flatnonzero(np.abs(samples) > 0.006)
        assert sounding[0] < 24_000 * 0.06, text
        rms = float(np.sqrt(np.mean(samples[sounding[0] : sounding[-1]] ** 2)))
        assert -23 < 20 * np.log10(rms) < -18, text
        assert float(np.abs(samples).max()) < 0.9
        assert abs(float(samples[0])) < 0.01 and abs(float(samples[-1])) < 0.01


def test_words_lie_where_they_are_spoken(
    synthesizer: LocalSynthesizer, recognizer: WhisperRecognizer
) -> None:
    import soxr

    text = "Please count to 1,250 before the green light comes on at 10:30."
    speech = synthesizer.synthesize(text)
    assert [word.word for word in speech.words] == text.split()
    edges = [edge for word in speech.words for edge in (word.start_sample, word.end_sample)]
    assert edges == sorted(edges) and edges[-1] <= len(speech.samples)
    number, green = speech.words[3], speech.words[6]
    assert number.end_sample - number.start_sample > 24_000, "it is read as six words"
    until_green = soxr.resample(speech.samples[: green.start_sample], 24_000, 16_000).astype(np.float32)
    assert folded(recognizer.transcribe(until_green, final=True).text).endswith("before the")


def test_word_times_are_estimated_when_the_model_hides_its_durations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicewire.engine.tts._DURATION_TENSOR", "/no/such/tensor")
    text = "One two three."
    speech = HibariSynthesizer().synthesize(text)
    assert [word.word for word in speech.words] == text.split()
    assert 0 < speech.words[0].end_sample < speech.words[-1].end_sample <= len(speech.samples)


def test_the_same_text_always_sounds_the_same_and_speed_changes_it(synthesizer: LocalSynthesizer) -> None:
    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(lambda _: synthesizer.synthesize("Good morning to you.").samples, range(4))
    assert all((first == other).all() for other in others)
    slow, fast = (
        len(synthesizer.synthesize("Good morning to you.", speed=speed).samples) for speed in (0.7, 1.5)
    )
    assert fast < len(first) < slow


@pytest.mark.parametrize(
    "text",
    ["...", "", "😀", "a" * 300, "word " * 200, "He said “Go.” Then, e.g., left (really) - 3/4!", "[x](/y/)"],
)
def test_odd_texts_keep_one_time_for_each_word(synthesizer: LocalSynthesizer, text: str) -> None:
    speech = synthesizer.synthesize(text)
    assert [word.word for word in speech.words] == text.split()
    assert np.isfinite(speech.samples).all()
    assert bool(len(speech.samples)) == any(character.isalnum() for character in text)


def test_the_synthesizer_refuses_what_it_cannot_say(synthesizer: LocalSynthesizer) -> None:
    assert synthesizer.voices()[0].name == "heart"
    with pytest.raises(UnsupportedError, match="Chinese"):
        synthesizer.synthesize("你好")
    with pytest.raises(UnsupportedError, match="nobody"):
        synthesizer.synthesize("Hello.", voice="nobody")
    with pytest.raises(ConfigError, match="speed"):
        synthesizer.synthesize("Hello.", speed=0)
    with pytest.raises(ModelLoadError, match="emily"):
        HibariSynthesizer("emily")


def test_a_wrong_or_damaged_model_file_is_a_load_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(locate(weights.SILERO_VAD).read_bytes()[:100_000])
    with pytest.raises(ModelLoadError, match="voicewire setup"):
        SileroVad(broken)
    with pytest.raises(ModelLoadError, match="another model"):
        SileroVad(locate(weights.SMART_TURN))
    with pytest.raises(ModelLoadError, match="another model"):
        SmartTurn(locate(weights.SILERO_VAD))
    whisper = tmp_path / "whisper"
    whisper.mkdir()
    (whisper / "model.bin").write_bytes(b"nothing")
    with pytest.raises(ModelLoadError, match="voicewire setup"):
        WhisperRecognizer(whisper)
