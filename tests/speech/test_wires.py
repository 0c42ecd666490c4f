"""The codecs of the speech wires: both sides understand each other; whatever comes, only documented errors go out."""

from __future__ import annotations

import contextlib
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.errors import LocalProtocolError, RemoteProtocolError
from voicewire.protocols.azure_speech.server import RecognitionServerCodec, SynthesisServerCodec
from voicewire.protocols.azure_speech.wire import (
    AudioBegins,
    AudioData,
    AudioEnds,
    OutputFormat,
    Phrase,
    Query,
    RecognitionTurn,
    SpeakTurn,
    TextEnds,
    TextPiece,
    audio_frame,
    parse,
    text_frame,
)
from voicewire.protocols.dashscope_task.client import TaskClientCodec
from voicewire.protocols.dashscope_task.server import TaskServerCodec
from voicewire.protocols.dashscope_task.wire import (
    FinishTask,
    Flush,
    MoreAudio,
    MoreText,
    RunTask,
    Sentence,
    SpokenAudio,
    SpokenWords,
    TaskFailed,
    TaskFinished,
    TaskKind,
    TaskStarted,
    Word,
)

pytestmark = pytest.mark.unit
KINDS: tuple[TaskKind, ...] = ("asr", "translation", "tts", "sambert")
MODELS = {
    "asr": "paraformer-realtime-v2",
    "translation": "gummy-realtime-v1",
    "tts": "cosyvoice-v2",
    "sambert": "sambert-v1",
}
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def begun(kind: TaskKind) -> tuple[TaskClientCodec, TaskServerCodec]:
    """Both sides of a task that was taken."""
    client, server = TaskClientCodec(), TaskServerCodec()
    task = RunTask(
        task_id="t1",
        model=MODELS[kind],
        kind=kind,
        parameters={"p": 1},
        text="say this" if kind == "sambert" else "",
    )
    assert server.receive(client.run(task)) == [task]
    assert told(client, server, TaskStarted()) == [TaskStarted()]
    return client, server


def told(client: TaskClientCodec, server: TaskServerCodec, event: Any) -> list[Any]:
    return [heard for frame in server.encode(event) for heard in client.receive(frame)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_from_its_start_to_its_end(kind: TaskKind) -> None:
    client, server = begun(kind)
    if kind in ("tts", "sambert"):
        if kind == "tts":
            assert server.receive(client.text("hello")) == [MoreText("hello")]
            assert server.receive(client.flush()) == [Flush()]
        assert told(client, server, SpokenAudio(b"12"))[-1] == SpokenAudio(b"12")
        words = SpokenWords((Word(text="hello", begin_ms=0, end_ms=300),))
        assert words in told(client, server, words)
    else:
        assert server.receive(b"1234") == [MoreAudio(b"1234")]
        for is_end in (False, True):
            sentence = Sentence(
                text="hello there", begin_ms=100, end_ms=900, is_end=is_end, index=1,
                words=(Word(text="hello", begin_ms=100, end_ms=500),),
                translations=(("en", "hi"),) if kind == "translation" else (),
                duration_s=1 if is_end else None,
            )  # fmt: skip
            heard = told(client, server, sentence)
            assert [(event.text, event.is_end, event.begin_ms) for event in heard] == [
                ("hello there", is_end, 100)
            ]
            assert heard[0].words == sentence.words
            assert heard[0].translations == sentence.translations
            assert heard[0].end_ms == (900 if is_end or kind == "translation" else None)
    if kind != "sambert":
        assert server.receive(client.finish(is_cancel=True)) == [FinishTask(is_cancel=True)]
    assert told(client, server, TaskFinished()) == [TaskFinished()]
    assert client.is_free
    assert server.task is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_task_says_why_and_ends_the_connection(kind: TaskKind) -> None:
    client, server = begun(kind)
    failed = TaskFailed("Throttling", "too many")
    assert told(client, server, failed) == [failed]
    assert server.is_closing
    assert client.is_free
    assert server.receive(b"more") == []


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        ('{"header":{"action":"run-task","task_id":"t"},"payload":{"task":"asr"}}', "model"),
        ('{"header":{"action":"run-task"},"payload":{"task":"asr","model":"m"}}', "task_id"),
        ('{"header":{"action":"run-task","task_id":"t"},"payload":{"task":"video","model":"m"}}', "video"),
        (
            '{"header":{"action":"run-task","task_id":"t","streaming":"out"},"payload":{"task":"tts","model":"m"}}',
            "text",
        ),
        ('{"header":{"action":"continue-task","task_id":"t"},"payload":{"input":{"text":"x"}}}', "no task"),
        ('{"header":{"action":"finish-task","task_id":"t"}}', "no task"),
        ('{"header":{"action":"dance"}}', "dance"),
        ('{"header":7}', "not a request"),
        (b"audio", "audio came before"),
    ],
)
def test_a_wrong_request_is_refused_with_its_reason(frame: str | bytes, word: str) -> None:
    server = TaskServerCodec()
    assert server.receive(frame) == []
    (refusal,) = server.data_to_send()
    header = json.loads(refusal)["header"]
    assert header["event"] == "task-failed"
    assert word in header["error_message"]
    assert server.is_closing


def test_a_second_task_and_too_much_text_are_refused() -> None:
    client, server = begun("tts")
    with pytest.raises(LocalProtocolError):
        client.run(RunTask(task_id="t2", model="m", kind="tts"))
    assert server.receive(client.text("x" * 20_001)) == []
    assert server.is_closing
    _, server = begun("asr")
    other = TaskClientCodec().run(RunTask(task_id="t2", model="m", kind="asr"))
    assert server.receive(other) == []
    assert "still under way" in str(server.data_to_send())


def test_old_clients_may_send_a_bare_word() -> None:
    server = TaskServerCodec()
    assert server.receive("ping") == []
    assert not server.is_closing


@given(
    st.sampled_from(KINDS),
    st.lists(st.text(max_size=40) | st.binary(max_size=40) | JSON.map(json.dumps), max_size=6),
)
def test_no_frame_breaks_the_task_codecs(kind: TaskKind, frames: list[str | bytes]) -> None:
    client, server = begun(kind)
    for frame in frames:
        server.receive(frame)
        server.data_to_send()
        try:
            client.receive(frame)
        except RemoteProtocolError:
            return


@given(st.sampled_from(KINDS), JSON, JSON, JSON)
def test_no_result_breaks_the_client(kind: TaskKind, output: Any, usage: Any, sentence: Any) -> None:
    client, _ = begun(kind)
    for body in (output, {"sentence": sentence}, {"transcription": sentence, "translations": [sentence]}):
        for words in (body, {**body, "words": sentence} if isinstance(body, dict) else body):
            frame = {
                "header": {"task_id": "t1", "event": "result-generated"},
                "payload": {"output": words, "usage": usage},
            }
            try:
                client.receive(json.dumps(frame))
            except RemoteProtocolError:
                continue


@given(st.sampled_from(["run-task", "continue-task", "finish-task"]), JSON, JSON)
def test_no_request_breaks_the_service(action: str, inner: Any, parameters: Any) -> None:
    for task in ("asr", "tts"):
        server = TaskServerCodec()
        frame = {
            "header": {"action": action, "task_id": "t1", "streaming": "out"},
            "payload": {"model": "m", "task": task, "input": inner, "parameters": parameters},
        }
        server.receive(json.dumps(frame))
        assert server.task is not None or server.is_closing


def context(**body: Any) -> str:
    return f"Path:speech.context\r\nX-RequestId:r1\r\n\r\n{json.dumps(body)}"


def riff(rate_hz: int = 16_000, kind: int = 1, channels: int = 1, bits: int = 16) -> bytes:
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", kind, channels, rate_hz, rate_hz * frame, frame, bits)
    head = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + form + b"data\0\0\0\0"
    return audio_frame("r1", "1", head, "audio/x-wav")


def test_a_turn_of_recognition() -> None:
    codec = RecognitionServerCodec(
        Query(
            "/speech/recognition/interactive/cognitiveservices/v1",
            {"format": "detailed", "initialSilenceTimeoutMs": "900"},
        )
    )
    (turn,) = codec.receive(context(phraseDetection={"language": "de-DE", "trailingSilenceTimeout": 700}))
    assert isinstance(turn, RecognitionTurn)
    assert (turn.mode, turn.language, turn.is_detailed) == ("interactive", "de-DE", True)
    assert (turn.initial_silence_ms, turn.end_silence_ms) == (900, 700)
    assert codec.receive(riff()) == [AudioBegins(sample_rate_hz=16_000, channels=1, encoding="pcm16")]
    assert codec.receive(audio_frame("r1", "1", bytes(3200), "")) == [AudioData(bytes(3200))]
    assert codec.receive(audio_frame("other", "1", bytes(3200), "")) == []
    phrase = Phrase(
        text="Hello.", start_ms=10, end_ms=90, is_final=True, confidence=0.5, words=(("Hello", 10, 90),)
    )
    start, said = (parse(frame) for frame in codec.phrase(phrase))
    assert (start.path, said.path, said.request_id) == ("speech.startDetected", "speech.phrase", "r1")
    best = said.json()["NBest"][0]
    assert (best["Confidence"], best["Words"][0]["Duration"]) == (0.5, 800_000)
    assert codec.receive(audio_frame("r1", "1", b"", "")) == [AudioEnds()]
    ended = [parse(frame) for frame in codec.turn_ended()]
    assert [message.path for message in ended] == ["speech.endDetected", "speech.phrase", "turn.end"]
    assert ended[1].json() == {"RecognitionStatus": "EndOfDictation", "Offset": 1_000_000, "Duration": 0}
    assert codec.turn_ended() == []


def test_audio_that_is_not_recognised_here_is_refused() -> None:
    for header in (
        riff(kind=3, bits=32),
        riff(channels=9),
        riff(rate_hz=10),
        audio_frame("r1", "1", b"RIFF1234", ""),
    ):
        codec = RecognitionServerCodec(Query("/", {}))
        codec.receive(context())
        with pytest.raises(RemoteProtocolError):
            codec.receive(header)
    codec = RecognitionServerCodec(Query("/", {}))
    codec.receive(context())
    assert codec.receive(riff(kind=7, bits=8)) == [
        AudioBegins(sample_rate_hz=16_000, channels=1, encoding="pcmu")
    ]


def test_a_request_of_synthesis_in_pieces_and_as_ssml() -> None:
    codec = SynthesisServerCodec()
    audio = {"outputFormat": "riff-24khz-16bit-mono-pcm", "metadataOptions": {"wordBoundaryEnabled": "true"}}
    assert codec.receive(f"Path:synthesis.context\r\n\r\n{json.dumps({'synthesis': {'audio': audio}})}") == []
    begun_turn, piece = codec.receive("Path:text.piece\r\nX-RequestId:r1\r\n\r\nhello ")
    assert isinstance(begun_turn, SpeakTurn)
    assert (begun_turn.output.format, begun_turn.output.sample_rate_hz, begun_turn.wants_words) == (
        "wav",
        24_000,
        True,
    )
    assert piece == TextPiece("hello ")
    assert codec.receive("Path:text.piece\r\nX-RequestId:r1\r\n\r\nthere") == [TextPiece("there")]
    assert codec.receive("Path:text.end\r\nX-RequestId:r1\r\n\r\n") == [TextEnds()]
    assert [parse(frame).path for frame in codec.turn_ended(120)] == ["audio.metadata", "turn.end"]
    (spoken,) = codec.receive("Path:ssml\r\nX-RequestId:r2\r\n\r\n<speak>hi</speak>")
    assert isinstance(spoken, SpeakTurn)
    assert (spoken.ssml, spoken.is_streaming) == ("<speak>hi</speak>", False)


@pytest.mark.parametrize(
    "name",
    ["", "raw", "raw-7khz-16bit-mono-pcm", "raw-24khz-16bit-stereo-pcm", "webm-24khz-16bit-mono-opus",
     "raw-16khz-8bit-mono-mulaw"],
)  # fmt: skip
def test_output_formats_that_are_not_made_here(name: str) -> None:
    with pytest.raises(RemoteProtocolError, match="not made here"):
        OutputFormat.named(name)


@pytest.mark.parametrize("codec", [RecognitionServerCodec(Query("/", {})), SynthesisServerCodec()])
@given(frame=st.text(max_size=60) | st.binary(max_size=60))
def test_no_frame_breaks_the_azure_codecs(
    codec: RecognitionServerCodec | SynthesisServerCodec, frame: str | bytes
) -> None:
    with contextlib.suppress(RemoteProtocolError):
        codec.receive(frame)


@given(
    JSON, st.dictionaries(st.sampled_from(["language", "format", "endSilenceTimeoutMs"]), st.text(max_size=9))
)
def test_no_context_breaks_the_azure_codecs(value: Any, values: dict[str, str]) -> None:
    for name in ("phraseDetection", "phraseOutput", "dgi", "trailingSilenceTimeout"):
        codec = RecognitionServerCodec(Query("/x", values))
        inner = {
            "mode": value,
            "language": value,
            "trailingSilenceTimeout": value,
            "Groups": value,
            "format": value,
        }
        for body in ({name: value}, {name: inner}):
            assert isinstance(codec.receive(context(**body))[0], RecognitionTurn)
    codec_of_voice = SynthesisServerCodec()
    for body in (value, {"audio": value}, {"audio": {"metadataOptions": value}, "input": value}):
        codec_of_voice.receive(f"Path:synthesis.context\r\n\r\n{json.dumps({'synthesis': body})}")
        assert codec_of_voice.receive("Path:ssml\r\nX-RequestId:r\r\n\r\n<speak/>")


@given(
    st.text(st.characters(exclude_characters="\r\n:", exclude_categories=["Cs"]), min_size=1, max_size=9),
    st.binary(max_size=50),
)
def test_frames_are_taken_apart_as_they_were_made(name: str, data: bytes) -> None:
    text = parse(text_frame(name, "r1", {"a": 1}))
    assert (text.path, text.request_id, text.json()) == (name.strip(), "r1", {"a": 1})
    binary = parse(audio_frame("r1", "S", data, "audio/x-wav"))
    assert (binary.path, binary.body, binary.headers["X-StreamId"]) == ("audio", data, "S")
