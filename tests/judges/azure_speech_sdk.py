"""The official Azure Speech SDK in a process of its own: it lives on threads, which an event loop would hold up.

Run as ``python -m tests.judges.azure_speech_sdk SCENARIO WS_URL [WAV]``; prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import wave
from collections.abc import Callable
from importlib import import_module
from typing import Any

sdk: Any = import_module("azure.cognitiveservices.speech")  # it has no types

WAIT_S = 30
SAID = "What is twelve plus thirty?"


def config(url: str) -> Any:
    found = sdk.SpeechConfig(host=url, subscription="any")
    found.set_property_by_name("SPEECH-TransmitLengthBeforThrottleMs", "60000")
    return found


def pushed(path: str, *, is_closed: bool = True) -> tuple[Any, Any]:
    with wave.open(path) as file:
        kind = sdk.audio.AudioStreamFormat(file.getframerate(), 16, file.getnchannels())
        stream = sdk.audio.PushAudioInputStream(kind)
        stream.write(file.readframes(file.getnframes()))
    if is_closed:
        stream.close()
    return stream, sdk.audio.AudioConfig(stream=stream)


def continuous(url: str, path: str) -> dict[str, Any]:
    speech = config(url)
    speech.output_format = sdk.OutputFormat.Detailed
    _, audio = pushed(path)
    recognizer = sdk.SpeechRecognizer(speech, audio_config=audio, language="en-US")
    return heard(recognizer, recognizer.recognizing, recognizer.recognized)


def transcriber(url: str, path: str) -> dict[str, Any]:
    _, audio = pushed(path)
    it = sdk.transcription.ConversationTranscriber(config(url), audio_config=audio, language="en-US")
    done = threading.Event()
    partials: list[str] = []
    finals: list[dict[str, Any]] = []
    it.transcribing.connect(lambda event: partials.append(event.result.text))
    it.transcribed.connect(
        lambda event: finals.append(
            {"text": event.result.text, "speaker": event.result.speaker_id, "offset": event.result.offset}
        )
    )
    it.session_stopped.connect(lambda _: done.set())
    it.canceled.connect(lambda _: done.set())
    it.start_transcribing_async().get()
    is_done = done.wait(WAIT_S)
    it.stop_transcribing_async().get()
    return {"is_done": is_done, "partials": partials, "finals": [final for final in finals if final["text"]]}


def heard(recognizer: Any, recognizing: Any, recognized: Any) -> dict[str, Any]:
    done = threading.Event()
    partials: list[str] = []
    finals: list[dict[str, Any]] = []
    ends: list[str] = []
    marks: list[str] = []

    def take(event: Any) -> None:
        result = event.result
        finals.append(
            {
                "text": result.text,
                "offset_ms": result.offset // 10_000,
                "duration_ms": result.duration // 10_000,
                "best": json.loads(result.json).get("NBest", [{}])[0],
            }
        )

    recognizing.connect(lambda event: partials.append(event.result.text))
    recognized.connect(take)
    recognizer.speech_start_detected.connect(lambda _: marks.append("start"))
    recognizer.speech_end_detected.connect(lambda _: marks.append("end"))
    recognizer.canceled.connect(lambda event: ends.append(str(event.cancellation_details.reason)))
    recognizer.session_stopped.connect(lambda _: done.set())
    recognizer.start_continuous_recognition_async().get()
    is_done = done.wait(WAIT_S)
    recognizer.stop_continuous_recognition_async().get()
    return {
        "is_done": is_done,
        "partials": partials,
        "finals": [final for final in finals if final["text"]],
        "ends": ends,
        "marks": marks,
    }


def once(url: str, path: str) -> dict[str, Any]:
    _, audio = pushed(path, is_closed=False)
    result = sdk.SpeechRecognizer(config(url), audio_config=audio).recognize_once()
    return {"reason": str(result.reason), "text": result.text}


def stopped(url: str, path: str) -> dict[str, Any]:
    """Stops in the middle of an open stream."""
    _, audio = pushed(path, is_closed=False)
    recognizer = sdk.SpeechRecognizer(config(url), audio_config=audio)
    first = threading.Event()
    recognizer.recognized.connect(lambda _: first.set())
    recognizer.start_continuous_recognition_async().get()
    came = first.wait(WAIT_S)
    ended = threading.Event()
    recognizer.session_stopped.connect(lambda _: ended.set())
    recognizer.stop_continuous_recognition_async().get()
    return {"came": came, "ended": ended.wait(5)}


def speak(url: str, _: str) -> dict[str, Any]:
    speech = config(url)
    speech.set_speech_synthesis_output_format(sdk.SpeechSynthesisOutputFormat.Raw24Khz16BitMonoPcm)
    synthesizer = sdk.SpeechSynthesizer(speech, audio_config=None)
    words: list[tuple[str, int]] = []
    synthesizer.synthesis_word_boundary.connect(
        lambda event: words.append((event.text, event.audio_offset // 10_000))
    )
    first = synthesizer.speak_text_async("hello there").get()
    second = synthesizer.speak_ssml_async(
        "<speak version='1.0' xmlns='http://www.w3.org/2001/10/synthesis' xml:lang='en-US'>"
        "<voice name='en-US-AvaMultilingualNeural'>hello <break time='1s'/> again</voice></speak>"
    ).get()
    # Metadata come on another thread, and may come late.
    wait_for(lambda: len(words) >= 4)
    return {
        "reasons": [str(first.reason), str(second.reason)],
        "bytes": [len(first.audio_data), len(second.audio_data)],
        "words": words,
    }


def formats(url: str, _: str) -> dict[str, Any]:
    kinds = sdk.SpeechSynthesisOutputFormat
    found: dict[str, Any] = {}
    kept: list[Any] = []
    for kind in (
        kinds.Riff16Khz16BitMonoPcm,
        kinds.Audio24Khz48KBitRateMonoMp3,
        kinds.Ogg24Khz16BitMonoOpus,
        kinds.Raw8Khz8BitMonoMULaw,
        kinds.Webm24Khz16BitMonoOpus,
    ):
        speech = config(url)
        speech.set_speech_synthesis_output_format(kind)
        synthesizer = sdk.SpeechSynthesizer(speech, audio_config=None)
        kept.append(synthesizer)
        result = synthesizer.speak_text_async("hello").get()
        found[str(kind).split(".")[-1]] = [
            str(result.reason),
            len(result.audio_data),
            result.audio_data[:4].hex(),
        ]
    return found


def streaming_text(url: str, _: str) -> dict[str, Any]:
    speech = config(url)
    speech.set_speech_synthesis_output_format(sdk.SpeechSynthesisOutputFormat.Raw24Khz16BitMonoPcm)
    synthesizer = sdk.SpeechSynthesizer(speech, audio_config=None)
    request = sdk.SpeechSynthesisRequest(input_type=sdk.SpeechSynthesisRequestInputType.TextStream)
    task = synthesizer.speak_async(request)
    for piece in ("hello ", "there"):
        request.input_stream.write(piece)
    request.input_stream.close()
    result = task.get()
    return {"reason": str(result.reason), "bytes": len(result.audio_data)}


def voices(url: str, _: str) -> dict[str, Any]:
    speech = sdk.SpeechConfig(host=url.replace("ws://", "http://"), subscription="any")
    result = sdk.SpeechSynthesizer(speech, audio_config=None).get_voices_async().get()
    return {"reason": str(result.reason), "names": [voice.short_name for voice in result.voices]}


def wait_for(is_there: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(500):
        if is_there():
            return
        waited.wait(0.01)


def say(url: str, path: str) -> dict[str, Any]:
    """Speaks a sentence in all three ways, each into a WAV file."""
    speech = config(url)
    speech.set_speech_synthesis_output_format(sdk.SpeechSynthesisOutputFormat.Riff16Khz16BitMonoPcm)
    synthesizer = sdk.SpeechSynthesizer(speech, audio_config=None)
    words: list[tuple[str, int]] = []
    synthesizer.synthesis_word_boundary.connect(
        lambda event: words.append((event.text, event.audio_offset // 10_000))
    )
    results = [synthesizer.speak_text_async(SAID).get()]
    wait_for(lambda: len(words) >= len(SAID.split()))
    text_words = list(words)
    results.append(
        synthesizer.speak_ssml_async(
            "<speak version='1.0' xmlns='http://www.w3.org/2001/10/synthesis' xml:lang='en-US'>"
            f"<voice name='en-US-AvaMultilingualNeural'>{SAID}</voice></speak>"
        ).get()
    )
    request = sdk.SpeechSynthesisRequest(input_type=sdk.SpeechSynthesisRequestInputType.TextStream)
    task = synthesizer.speak_async(request)
    for piece in (SAID[:13], SAID[13:]):
        request.input_stream.write(piece)
    request.input_stream.close()
    results.append(task.get())
    for kind, result in zip(("text", "ssml", "stream"), results, strict=True):
        with open(f"{path}-{kind}.wav", "wb") as file:
            file.write(result.audio_data)
    return {"reasons": [str(result.reason) for result in results], "words": text_words[: len(SAID.split())]}


def refused(url: str, path: str) -> dict[str, Any]:
    _, audio = pushed(path)
    recognizer = sdk.SpeechRecognizer(config(url), audio_config=audio)
    result = recognizer.recognize_once()
    details = result.cancellation_details
    return {"reason": str(result.reason), "code": str(details.code), "text": details.error_details}


def cut_short(url: str, path: str) -> dict[str, Any]:
    """What a program is told whose continuous recognition is ended by the service."""
    stream, audio = pushed(path, is_closed=False)
    recognizer = sdk.SpeechRecognizer(config(url), audio_config=audio)
    told: list[dict[str, Any]] = []
    over = threading.Event()

    def canceled(event: Any) -> None:
        details = event.cancellation_details
        told.append({"code": str(details.code), "text": details.error_details})
        over.set()

    recognizer.canceled.connect(canceled)
    recognizer.start_continuous_recognition_async().get()
    over.wait(WAIT_S)
    stream.close()
    return {"told": told}


def cut_short_voice(url: str, _: str) -> dict[str, Any]:
    """The same of a synthesizer."""
    synthesizer = sdk.SpeechSynthesizer(config(url), audio_config=None)
    result = synthesizer.speak_text_async("one two three four five six seven").get()
    details = result.cancellation_details
    return {"told": [{"code": str(details.error_code), "text": details.error_details}] if details else []}


SCENARIOS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    scenario.__name__: scenario
    for scenario in (
        continuous, transcriber, once, stopped, speak, formats, streaming_text, voices, refused, say, cut_short,
        cut_short_voice,
    )
}  # fmt: skip


if __name__ == "__main__":
    name, address, *rest = sys.argv[1:]
    print(json.dumps(SCENARIOS[name](address, rest[0] if rest else "")), flush=True)
    os._exit(0)  # letting go of the SDK's objects may take 10 s each
