"""The server side of the Gemini Live wire: what clients send becomes commands, what models do becomes messages."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.genai import types

from voicewire.conversation.tools import CANCELLED_OUTPUT
from voicewire.errors import RemoteProtocolError
from voicewire.events import model as m
from voicewire.events.base import EventBase, MediaFormat
from voicewire.events.commands import (
    AppendAudio,
    CancelResponse,
    Command,
    CommitAudio,
    CreateItem,
    CreateResponse,
    SendImage,
    SendText,
    SendToolResult,
    UpdateSession,
)
from voicewire.events.items import ContentPart, Item
from voicewire.events.model import TokenUsage
from voicewire.protocols.gemini.server import STREAM_END_SILENCE_MS, GeminiServerCodec
from voicewire.protocols.gemini.server_requests import read_first

pytestmark = [pytest.mark.unit, pytest.mark.filterwarnings("ignore::DeprecationWarning:google")]

PCM = MediaFormat("audio/pcm", 24000)
SPOKEN: dict[str, Any] = {"inputAudioTranscription": {}, "outputAudioTranscription": {}}
MANUAL: dict[str, Any] = {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}


def server(*, is_set_up: bool = True, **setup: Any) -> GeminiServerCodec:
    codec = GeminiServerCodec(read_first(json.dumps({"setup": {"model": "models/echo", **SPOKEN, **setup}})))
    if is_set_up:
        codec.encode(m.ModelSessionCreatedEvent(session_id="s"))
    return codec


def ask(codec: GeminiServerCodec, *messages: dict[str, Any]) -> list[Command]:
    return [command for message in messages for command in codec.receive(json.dumps(message))]


def told(codec: GeminiServerCodec, *events: EventBase) -> list[dict[str, Any]]:
    """The messages for the events; each is one that the official client knows."""
    found: list[dict[str, Any]] = []
    for event in events:
        for frame in codec.encode(event):
            message = json.loads(frame)
            # An error is outside of the class, and of the detector's word the class spells one key otherwise.
            if "code" not in message and "voiceActivity" not in message:
                types.LiveServerMessage.model_validate(message)
            found.append(message)
    return found


def refusals(codec: GeminiServerCodec) -> list[str]:
    return [json.loads(frame)["message"] for frame in codec.data_to_send()]


def begin(codec: GeminiServerCodec, response_id: str = "r1") -> None:
    assert told(codec, m.ModelResponseCreatedEvent(response_id=response_id)) == []


def done(status: Any = "completed", **fields: Any) -> m.ModelResponseDoneEvent:
    usage = TokenUsage(input_text_tokens=3, output_audio_tokens=2)
    return m.ModelResponseDoneEvent(
        response_id="r1", input_tokens=3, output_tokens=2, status=status, usage=usage, **fields
    )


def audio_delta(pcm: bytes = b"\1\2") -> m.ModelResponseAudioDeltaEvent:
    return m.ModelResponseAudioDeltaEvent(response_id="r1", item_id="i", format=PCM, pcm=pcm)


# ---------------------------------------------------------------------- from the client


@pytest.mark.parametrize("outer", ["realtimeInput", "realtime_input"])
@pytest.mark.parametrize("inner", ["mimeType", "mime_type"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("is_binary", [False, True])
def test_audio_in_every_spelling(outer: str, inner: str, encode: Any, is_binary: bool) -> None:
    data = encode(b"\xfb\xff\xfe\x01").decode()
    text = json.dumps({outer: {"audio": {"data": data, inner: "audio/pcm;rate=24000"}}})
    (command,) = server().receive(text.encode() if is_binary else text)
    assert command == AppendAudio(b"\xfb\xff\xfe\x01", 24000)


def test_audio_of_older_clients() -> None:
    image = {"mimeType": "image/jpeg", "data": "AA=="}
    chunks = [{"mimeType": "audio/pcm", "data": "AQI="}, image]
    commands = ask(
        server(), {"realtime_input": {"media_chunks": chunks}}, {"realtimeInput": {"video": image}}
    )
    assert commands == [AppendAudio(b"\1\2", 16000), SendImage("AA=="), SendImage("AA==")]


def test_audio_outside_a_turn_by_hand_is_not_heard() -> None:
    codec = server(**MANUAL)
    audio = {"realtimeInput": {"audio": {"data": "AQI=", "mimeType": "audio/pcm;rate=16000"}}}
    assert ask(codec, audio) == []
    commands = ask(
        codec, {"realtimeInput": {"activityStart": {}}}, audio, {"realtimeInput": {"activityEnd": {}}}, audio
    )
    assert commands == [AppendAudio(b"\1\2", 16000), CommitAudio()]
    empty = ask(codec, {"realtimeInput": {"activityStart": {}}}, {"realtimeInput": {"activityEnd": {}}})
    assert [type(command) for command in empty] == [CancelResponse], (
        "an answer was asked for; nothing was said"
    )


def test_a_turn_by_hand_ends_once() -> None:
    codec = server(**MANUAL)
    assert ask(codec, {"realtimeInput": {"activityEnd": {}}}) == []
    assert "activityStart before it" in refusals(codec)[0]


def test_the_end_of_the_stream_is_silence() -> None:
    (command,) = ask(server(), {"realtimeInput": {"audioStreamEnd": True}})
    assert isinstance(command, AppendAudio)
    assert command.pcm == bytes(STREAM_END_SILENCE_MS * 32)
    assert ask(server(**MANUAL), {"realtimeInput": {"audioStreamEnd": True}}) == []


def test_content() -> None:
    codec = server()
    history = [
        {"role": "user", "parts": [{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "AA"}}]},
        {
            "role": "model",
            "parts": [
                {"text": "b"},
                {"text": "never mind", "thought": True},
                {"functionCall": {"id": "c", "name": "f", "args": {"my_key": 1}}},
            ],
        },
        {
            "role": "user",
            "parts": [{"functionResponse": {"id": "c", "name": "f", "response": {"output": "x"}}}],
        },
    ]
    commands = ask(codec, {"client_content": {"turns": history}})
    assert commands == [
        CreateItem(
            item=Item(
                id="",
                role="user",
                content=(
                    ContentPart(kind="text", text="a"),
                    ContentPart(kind="image", image_url="data:image/png;base64,AA=="),
                ),
            )
        ),
        CreateItem(item=Item(id="", role="assistant", content=(ContentPart(kind="text", text="b"),))),
        CreateItem(item=Item(id="", kind="function_call", call_id="c", name="f", arguments='{"my_key":1}')),
        CreateItem(item=Item(id="", kind="function_call_output", call_id="c", output="x")),
    ]
    last = {"role": "user", "parts": [{"text": "now"}]}
    assert ask(codec, {"clientContent": {"turns": [last], "turnComplete": True}}) == [SendText("now")]
    begin(codec)
    assert ask(codec, {"clientContent": {"turnComplete": True}}) == [
        CancelResponse(command_id="gemini_wire_cancel"),
        CreateResponse(),
    ]


def test_results() -> None:
    codec = server(tools=[{"functionDeclarations": [{"name": "f"}]}])
    begin(codec)
    use: Any = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}
    told(codec, m.ModelResponseToolUseDoneEvent(response_id="r1", item_id="i", tool_use=use), done())

    def result(**fields: Any) -> dict[str, Any]:
        return {"toolResponse": {"functionResponses": [{"name": "f", **fields}]}}

    assert ask(codec, result(response={"a": 1}, willContinue=True)) == []
    assert ask(codec, result(response={"result": "b"})) == [SendToolResult("c1", '{"a":1}\nb')]
    assert ask(codec, result(id="c2", response={"output": "x"}, scheduling="SILENT")) == [
        SendToolResult("c2", "x", False)
    ]
    begin(codec, "r2")
    interrupting = ask(codec, result(id="c3", response={"output": "x"}, scheduling="INTERRUPT"))
    assert [type(command) for command in interrupting] == [CancelResponse, SendToolResult]
    assert ask(codec, result(response={})) == []
    assert "needs the id" in refusals(codec)[0]


def test_a_change_of_the_context() -> None:
    update = {
        "contextUpdate": {
            "systemInstruction": {"parts": [{"text": "Be kind."}]},
            "tools": {"tools": [{"functionDeclarations": [{"name": "f", "behavior": "NON_BLOCKING"}]}]},
        }
    }
    (command,) = ask(server(), update)
    assert isinstance(command, UpdateSession)
    assert command.instructions == "Be kind."
    assert isinstance(command.tools, tuple)
    assert [tool.name for tool in command.tools] == ["f"]
    assert command.extra == {"toolBehaviors": {"f": "NON_BLOCKING"}}


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "JSON object"),
        (b"\xff\xfe", "not JSON"),
        ("{}", "exactly one"),
        ('{"clientContent": {}, "realtimeInput": {}}', "exactly one"),
        ('{"hello": 1}', "exactly one"),
        ('{"setup": {"model": "m"}}', "set up already"),
        ('{"realtimeInput": {"audio": {"data": "!!", "mimeType": "audio/pcm"}}}', "base64"),
        ('{"realtimeInput": {"audio": {"data": "AQ==", "mimeType": "audio/pcm"}}}', "whole number"),
        ('{"realtimeInput": {"audio": {"data": "AQI=", "mimeType": "audio/ogg"}}}', "audio/ogg"),
        ('{"realtimeInput": {"audio": {"data": "AQI=", "mimeType": "audio/pcm;rate=0"}}}', "0 Hz"),
        ('{"realtimeInput": {"video": {"data": "AQI=", "mimeType": "video/mp4"}}}', "video/mp4"),
        ('{"realtimeInput": {"activityStart": {}}}', "disabled"),
        ('{"clientContent": {"turns": 5}}', "malformed"),
        ("[" * 100_000, "nested"),
    ],
)
def test_mistakes_are_answered(frame: str | bytes, said: str) -> None:
    codec = server()
    assert codec.receive(frame) == []
    (message,) = refusals(codec)
    assert said in message
    assert ask(codec, {"realtimeInput": {"text": "still there"}}) == [SendText("still there")]


def test_text_that_is_no_json_is_ignored() -> None:
    codec = server()
    assert codec.receive("ping") == []
    assert codec.data_to_send() == []


@pytest.mark.parametrize("frame", ["ping", "{}", '{"setup": 1}', '{"realtimeInput": {}}', "\x00"])
def test_a_session_begins_with_its_setup(frame: str) -> None:
    with pytest.raises(RemoteProtocolError):
        read_first(frame)


# ---------------------------------------------------------------------- to the client


def test_nothing_is_said_before_the_set_up() -> None:
    codec = server(is_set_up=False)
    assert told(codec, m.ModelErrorEvent(error_type="server_error", code="x", message="y")) == []
    created = m.ModelSessionCreatedEvent(session_id="abc")
    assert told(codec, created, created) == [{"setupComplete": {"sessionId": "abc"}}]


def test_a_whole_reply() -> None:
    codec = server()
    begin(codec)
    names: dict[str, Any] = {"response_id": "r1", "item_id": "i"}
    messages = told(
        codec,
        m.ModelResponseAudioTranscriptDeltaEvent(**names, delta="Hi"),
        audio_delta(),
        m.ModelResponseAudioDoneEvent(**names),
        done(),
    )
    assert messages == [
        {"serverContent": {"outputTranscription": {"text": "Hi"}}},
        {
            "serverContent": {
                "modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AQI="}}]}
            }
        },
        {"serverContent": {"generationComplete": True}},
        {
            "serverContent": {"turnComplete": True},
            "usageMetadata": {
                "promptTokenCount": 3,
                "responseTokenCount": 2,
                "totalTokenCount": 5,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}],
                "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 2}],
            },
        },
    ]


def test_no_message_is_larger_than_clients_take() -> None:
    pcm = bytes(range(256)) * 8192
    frames = server().encode(audio_delta(pcm))
    assert len(frames) > 1
    assert max(map(len, frames)) < 1 << 20
    parts = [
        json.loads(frame)["serverContent"]["modelTurn"]["parts"][0]["inlineData"]["data"] for frame in frames
    ]
    assert b"".join(map(base64.b64decode, parts)) == pcm


def test_words_only_for_those_who_asked() -> None:
    codec = GeminiServerCodec(read_first('{"setup": {"model": "m"}}'))
    told(codec, m.ModelSessionCreatedEvent(session_id="s"))
    begin(codec)
    assert (
        told(codec, m.ModelResponseAudioTranscriptDeltaEvent(response_id="r1", item_id="i", delta="x")) == []
    )


def test_an_interrupted_and_a_failed_reply() -> None:
    codec = server()
    begin(codec)
    interrupted, end = told(codec, done("cancelled", reason="turn_detected"))
    assert interrupted == {"serverContent": {"interrupted": True}}
    assert end["serverContent"] == {"turnComplete": True}
    begin(codec)
    error, end = told(codec, done("failed", reason="rate_limit_exceeded", message="slow down"))
    assert error == {"code": 429, "status": "rate_limit_exceeded", "message": "slow down"}
    assert end["serverContent"] == {"turnComplete": True}
    begin(codec)
    assert told(codec, done("failed", reason="connection_lost")) == []
    begin(codec)
    (end,) = told(codec, done("incomplete", reason="content_filter"))
    assert end["serverContent"] == {"turnComplete": True, "turnCompleteReason": "RESPONSE_REJECTED"}


@pytest.mark.parametrize("behavior", ["BLOCKING", "NON_BLOCKING"])
def test_calls_go_out_together(behavior: str) -> None:
    names = ("f", "g")
    declared = [{"name": name, "behavior": behavior} for name in names]
    codec = server(tools=[{"functionDeclarations": declared}])
    begin(codec)
    for name in names:
        use: Any = {"type": "tool_use", "id": f"c_{name}", "name": name, "input": {"a": 1}}
        assert told(codec, m.ModelResponseToolUseDoneEvent(response_id="r1", item_id="i", tool_use=use)) == []
    messages = told(codec, done())
    assert messages[0]["toolCall"]["functionCalls"] == [
        {"id": f"c_{name}", "name": name, "args": {"a": 1}} for name in names
    ]
    assert messages[0]["usageMetadata"]["totalTokenCount"] == 5
    rest = [{"serverContent": {"turnComplete": True}}] if behavior == "NON_BLOCKING" else []
    assert messages[1:] == rest, "a turn that waits for results goes on"


def test_a_call_that_was_taken_back() -> None:
    item = Item(id="x", kind="function_call_output", call_id="c", output=CANCELLED_OUTPUT)
    assert told(server(), m.ModelItemAddedEvent(item=item)) == [{"toolCallCancellation": {"ids": ["c"]}}]


@pytest.mark.parametrize(
    ("partials", "final", "certain", "guesses"),
    [
        ([("[audio", False)], "[audio 9 ms]", ["[audio", " 9 ms]"], ["[audio"]),
        ([("a", False), (" b", False), (" c", False)], "a b c d", ["a", " b", " c", " d"], ["a", " b", " c"]),
        ([("a", False), (" b", False)], "a b", ["a", " b"], ["a", " b"]),
        (
            [("What?", False), ("What is", True), (" 12?", False)],
            "What is 12.",
            ["What is 12."],
            ["What?", "What is", "What is 12?"],
        ),
        ([("a", False), (" b", False), ("a x", True)], "y z", ["a", "y z"], ["a", " b", " x"]),
        ([], "a", ["a"], []),
        ([("a", False)], "", [""], ["a"]),
    ],
)
def test_what_the_user_said(
    partials: list[tuple[str, bool]], final: str, certain: list[str], guesses: list[str]
) -> None:
    codec = server()
    events: list[EventBase] = [
        m.ModelInputTranscriptionDeltaEvent(item_id="i", delta=delta, is_revision=is_revision)
        for delta, is_revision in partials
    ]
    messages = told(codec, *events, m.ModelInputTranscriptionDoneEvent(item_id="i", transcript=final))
    contents = [message["serverContent"] for message in messages]
    heard = [content["inputTranscription"] for content in contents if "inputTranscription" in content]
    assert [piece["text"] for piece in heard] == certain
    assert [piece.get("finished", False) for piece in heard] == [False] * (len(heard) - 1) + [True]
    guessed = [content.get("interimInputTranscription", {}).get("text") for content in contents]
    assert [text for text in guessed if text is not None] == guesses


def test_who_revised_once_is_not_believed_again() -> None:
    codec = server()
    delta = m.ModelInputTranscriptionDeltaEvent
    told(codec, delta(item_id="i", delta="a"), delta(item_id="i", delta="b", is_revision=True))
    messages = told(codec, *(delta(item_id="j", delta=word) for word in ("x", "y", "z")))
    assert [list(message["serverContent"]) for message in messages] == [["interimInputTranscription"]] * 3


def test_barge_in_while_the_finished_reply_is_still_heard() -> None:
    def started(at_ms: int) -> m.ModelInputStartedEvent:
        return m.ModelInputStartedEvent(item_id="i", audio_start_ms=at_ms)

    interrupted = [{"serverContent": {"interrupted": True}}]
    for at_ms, expected in ((500, interrupted), (1500, [])):
        codec = server()
        begin(codec)
        told(codec, audio_delta(bytes(48000)), done())
        assert told(codec, started(at_ms)) == expected, at_ms
    codec = server(realtimeInputConfig={"activityHandling": "NO_INTERRUPTION"})
    begin(codec)
    told(codec, audio_delta(bytes(48000)), done())
    assert told(codec, started(500)) == []


def test_the_detector_for_those_who_asked() -> None:
    codec = server(explicitVadSignal=True)
    messages = told(
        codec,
        m.ModelInputStartedEvent(item_id="i", audio_start_ms=250),
        m.ModelInputDoneEvent(item_id="i", audio_end_ms=1250),
    )
    assert [message["voiceActivity"] for message in messages] == [
        {"type": "ACTIVITY_START", "audioOffset": "0.250s"},
        {"type": "ACTIVITY_END", "audioOffset": "1.250s"},
    ]


def test_errors() -> None:
    codec = server()

    def error(**fields: Any) -> m.ModelErrorEvent:
        return m.ModelErrorEvent(error_type="invalid_request_error", code="bad", message="no", **fields)

    assert told(codec, error()) == [{"code": 400, "status": "bad", "message": "no"}]
    assert told(codec, error(command_id="gemini_wire_cancel")) == []


def test_what_a_provider_of_this_wire_says_is_passed_on() -> None:
    codec = server()
    raw = {"goAway": {"timeLeft": "50s"}}
    assert told(codec, m.ModelProviderEvent(name="goAway", raw=raw)) == [raw]
    assert told(codec, m.ModelProviderEvent(name="rate_limits.updated", raw={})) == []
