"""Where a stream is cut into frames makes no difference to what it says, on every wire that has streams."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocols.dashscope_wire import client as dashscope_client
from tests.protocols.dashscope_wire import server as dashscope_server
from tests.protocols.gemini_wire import client as gemini_client
from tests.protocols.openai_flat import DIALECTS
from tests.protocols.openai_flat import client as flat_client
from tests.protocols.openai_flat import server as flat_server
from tests.protocols.openai_server import server as openai_server
from voicewire.events import model as m
from voicewire.events.commands import AppendAudio
from voicewire.events.session import SessionConfig
from voicewire.protocols.azure_speech.server import RecognitionServerCodec, SynthesisServerCodec
from voicewire.protocols.azure_speech.wire import (
    AudioBegins,
    AudioData,
    AudioEnds,
    Query,
    TextPiece,
    audio_frame,
    text_frame,
)
from voicewire.protocols.codec import ClientCodec, ServerCodec
from voicewire.protocols.dashscope_task.client import TaskClientCodec
from voicewire.protocols.dashscope_task.server import TaskServerCodec
from voicewire.protocols.dashscope_task.wire import MoreAudio, MoreText, RunTask, SpokenAudio
from voicewire.protocols.gemini.server import GeminiServerCodec
from voicewire.protocols.gemini.server_requests import read_first
from voicewire.protocols.openai.client import OpenAIClientCodec

pytestmark = pytest.mark.unit

CUTS = st.lists(st.integers(0, 60), max_size=6)
PCM = st.integers(1, 60).map(lambda samples: bytes(range(256))[: 2 * samples])
TEXT = st.text(min_size=1, max_size=60).filter(lambda text: bool(text.strip()))


def pieces(whole: bytes, cuts: list[int], *, of: int = 1) -> list[bytes]:
    """The whole in pieces, each a multiple of ``of`` bytes and none empty."""
    edges = sorted({0, len(whole), *(cut // of * of for cut in cuts if cut < len(whole))})
    return [whole[start:end] for start, end in pairwise(edges)]


def text_pieces(whole: str, cuts: list[int]) -> list[str]:
    """The same of a text."""
    edges = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    return [whole[start:end] for start, end in pairwise(edges)]


# ------------------------------------------------------------------ an answer's audio and words, to a client

_PLACE = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
_BEGIN = (
    {"type": "response.created", "response": {"id": "r1", "status": "in_progress", "output": []}},
    {
        "type": "response.output_item.added",
        "response_id": "r1",
        "output_index": 0,
        "item": {"id": "i1", "type": "message", "role": "assistant", "status": "in_progress", "content": []},
    },
)


def _openai_frames(prefix: str) -> Callable[[str, str], dict[str, object]]:
    def frame(kind: str, delta: str) -> dict[str, object]:
        return {"type": f"response.{prefix}{kind}.delta", **_PLACE, "delta": delta}

    return frame


def _gemini_frame(kind: str, delta: str) -> dict[str, object]:
    if kind == "audio":
        part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": delta}}
        return {"serverContent": {"modelTurn": {"parts": [part]}}}
    return {"serverContent": {"outputTranscription": {"text": delta}}}


def _openai() -> ClientCodec:
    return OpenAIClientCodec(SessionConfig())


CLIENTS: dict[str, tuple[Callable[[], ClientCodec], Callable[[str, str], dict[str, object]]]] = {
    "openai": (_openai, _openai_frames("output_")),
    **{d.name: (partial(flat_client, d), _openai_frames("")) for d in DIALECTS},
    "gemini": (gemini_client, _gemini_frame),
    "dashscope": (dashscope_client, _openai_frames("")),
}


def answering(name: str) -> tuple[ClientCodec, Callable[[str, str], dict[str, object]]]:
    """A client whose provider has begun to answer."""
    make, frame = CLIENTS[name]
    codec = make()
    if name != "gemini":
        codec.opening()
        for event in _BEGIN:
            codec.receive(json.dumps(event))
    return codec, frame


@pytest.mark.parametrize("name", CLIENTS)
@settings(max_examples=40, deadline=None)
@given(pcm=PCM, cuts=CUTS)
def test_an_answers_audio(name: str, pcm: bytes, cuts: list[int]) -> None:
    codec, frame = answering(name)
    heard = b""
    for piece in pieces(pcm, cuts, of=2):
        for event in codec.receive(json.dumps(frame("audio", base64.b64encode(piece).decode()))):
            if isinstance(event, m.ModelResponseAudioDeltaEvent):
                heard += event.pcm
    assert heard == pcm


@pytest.mark.parametrize("name", CLIENTS)
@settings(max_examples=40, deadline=None)
@given(text=TEXT, cuts=CUTS)
def test_an_answers_words(name: str, text: str, cuts: list[int]) -> None:
    codec, frame = answering(name)
    said = ""
    for piece in text_pieces(text, cuts):
        for event in codec.receive(json.dumps(frame("audio_transcript", piece))):
            if isinstance(event, m.ModelResponseAudioTranscriptDeltaEvent):
                said += event.delta
    # Gemini's answers begin with a blank that is none of their words.
    assert said == (text.lstrip() if name == "gemini" else text)
    done = [
        e
        for e in codec.connection_lost(1000, "", is_expected=True)
        if isinstance(e, m.ModelResponseDoneEvent)
    ]
    assert [item.text.strip() for item in done[0].output] == [text.strip()]


# ------------------------------------------------------------------ a user's audio, to a server


def _openai_append(data: str) -> dict[str, object]:
    return {"type": "input_audio_buffer.append", "audio": data}


def _gemini_append(data: str) -> dict[str, object]:
    return {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": data}}}


def _gemini_server() -> ServerCodec:
    codec = GeminiServerCodec(read_first('{"setup": {"model": "m"}}'))
    codec.encode(m.ModelSessionCreatedEvent(session_id="s"))
    return codec


SERVERS: dict[str, tuple[Callable[[], ServerCodec], Callable[[str], dict[str, object]]]] = {
    "openai": (openai_server, _openai_append),
    **{d.name: (partial(flat_server, d), _openai_append) for d in DIALECTS},
    "gemini": (_gemini_server, _gemini_append),
    "dashscope": (dashscope_server, _openai_append),
}


@pytest.mark.parametrize("name", SERVERS)
@settings(max_examples=40, deadline=None)
@given(pcm=PCM, cuts=CUTS)
def test_a_users_audio(name: str, pcm: bytes, cuts: list[int]) -> None:
    make, frame = SERVERS[name]
    codec, heard = make(), b""
    for piece in pieces(pcm, cuts, of=2):
        for command in codec.receive(json.dumps(frame(base64.b64encode(piece).decode()))):
            assert isinstance(command, AppendAudio)
            heard += command.pcm
    assert heard == pcm


# ------------------------------------------------------------------ the wires of speech


@given(data=PCM, cuts=CUTS)
def test_a_tasks_audio_both_ways(data: bytes, cuts: list[int]) -> None:
    server, client = TaskServerCodec(), TaskClientCodec()
    for task in server.receive(client.run(RunTask(task_id="t", model="m", kind="asr"))):
        assert isinstance(task, RunTask)
    requests = [r for piece in pieces(data, cuts) for r in server.receive(piece)]
    assert b"".join(r.data for r in requests if isinstance(r, MoreAudio)) == data
    speaking = TaskClientCodec()
    speaking.run(RunTask(task_id="t", model="m", kind="tts"))
    events = [e for piece in pieces(data, cuts) for e in speaking.receive(piece)]
    assert b"".join(e.data for e in events if isinstance(e, SpokenAudio)) == data


@given(text=TEXT, cuts=CUTS)
def test_a_tasks_text(text: str, cuts: list[int]) -> None:
    server, client = TaskServerCodec(), TaskClientCodec()
    server.receive(client.run(RunTask(task_id="t", model="m", kind="tts")))
    requests = [r for piece in text_pieces(text, cuts) for r in server.receive(client.text(piece))]
    assert "".join(r.text for r in requests if isinstance(r, MoreText)) == text


_FORM = b"WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80>\x00\x00\x00}\x00\x00\x02\x00\x10\x00"
_WAV = b"RIFF\x00\x00\x00\x00" + _FORM + b"data\x00\x00\x00\x00"


@given(pcm=PCM, cuts=CUTS)
def test_audio_to_azures_recogniser(pcm: bytes, cuts: list[int]) -> None:
    codec = RecognitionServerCodec(Query("/"))
    codec.receive(text_frame("speech.context", "r", {}))
    first, *rest = pieces(_WAV + pcm, [44 + cut for cut in cuts])
    requests = [
        r for piece in (first, *rest, b"") for r in codec.receive(audio_frame("r", "", piece, "audio/x-wav"))
    ]
    assert requests[0] == AudioBegins(sample_rate_hz=16000, channels=1, encoding="pcm16")
    assert b"".join(r.data for r in requests if isinstance(r, AudioData)) == pcm
    assert requests[-1] == AudioEnds()
    (last, _) = codec.turn_ended()
    assert isinstance(last, str)
    end = json.loads(last.partition("\r\n\r\n")[2])
    assert end["Offset"] == -(-len(pcm) * 10_000_000 // 32_000)


@given(text=TEXT, cuts=CUTS)
def test_text_to_azures_synthesizer(text: str, cuts: list[int]) -> None:
    codec = SynthesisServerCodec()
    frames = (f"X-RequestId:r\r\nPath:text.piece\r\n\r\n{piece}" for piece in text_pieces(text, cuts))
    requests = [r for frame in frames for r in codec.receive(frame)]
    assert "".join(r.text for r in requests if isinstance(r, TextPiece)) == text
    assert sum(not isinstance(r, TextPiece) for r in requests) == 1, "one turn"
