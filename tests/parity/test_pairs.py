"""Every client wire to every kind of model: a spoken turn with a function call, the same on all of them."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.judges.subjects import SAMPLE_RATE_HZ, WEATHER_RESULT, WEATHER_TOOL, contains, is_paris
from voicewire.clients import AzureKeyCredential, RTClient
from voicewire.clients.models import InputTextContentPart, ResponseCreateParams, UserMessageItem
from voicewire.events import model as m
from voicewire.events.commands import SendToolResult
from voicewire.events.session import SessionConfig, TurnDetection, tool_specs
from voicewire.models import create_model
from voicewire.models.linked import LinkedModel
from voicewire.models.voices import KNOWN_VOICES
from voicewire.testing import serve
from voicewire.transport.frames import Frame

from .links import with_change
from .models import ROWS, Row
from .normal import check_rules, normal_form
from .pairs import SPOKEN_TARGETS, TARGETS, WIRES, Target, client_of, script, served
from .scenarios import CALL, DONE, RESULT, SPOKEN_REPLY, SPOKEN_TURN, TEXT_ITEM
from .table import Cell
from .talk import BOUND_S, Say, Send, Speak, Talk, Until, run_steps
from .witness import ScriptedWitness

pytestmark = pytest.mark.anyio

_CALLS = "a spoken turn with a function call"
_SPEAKS = "a spoken turn; the wire has no function calls"
ROWS_BY_NAME = {row.name: row for row in ROWS}
_CHUNK_BYTES = SAMPLE_RATE_HZ * 40 // 1000 * 2


def cells(*wires: Row | str) -> list[Any]:
    """Every wire with every target."""
    found: list[Any] = []
    for wire in wires:
        name = wire if isinstance(wire, str) else wire.name
        for target in SPOKEN_TARGETS if name == "/voice" else TARGETS:
            mark = pytest.mark.engine if target.name == "local" else pytest.mark.loopback
            shown = f"`{name}`" if name.startswith("/") else name
            cell = Cell("parity-pairs", (shown, _SPEAKS if name == "/voice" else _CALLS), target.title)
            parameters = (cell, target) if isinstance(wire, str) else (cell, wire, target)
            found.append(pytest.param(*parameters, id=f"{name}-{target.title}", marks=mark))
    return found


@dataclass(frozen=True)
class Front:
    """The gateway that clients come to, and the model of the one behind it."""

    url: str
    witness: ScriptedWitness


@pytest.fixture(scope="module")
async def front(anyio_backend: str) -> AsyncGenerator[Front, None]:
    """A gateway that serves every target; three of them live behind a second gateway."""
    witness = ScriptedWitness(script())
    async with serve([witness, create_model("echo")]) as back, serve(served(back.ws_url)) as gateway:
        yield Front(gateway.ws_url, witness)


@pytest.mark.parametrize(("cell", "wire", "target"), cells(*WIRES))
async def test_a_spoken_turn_with_a_function_call(
    cell: Cell, wire: Row, target: Target, front: Front
) -> None:
    need_engine(target)
    model = client_of(wire, front.url, target)
    detection = TurnDetection(silence_duration_ms=600)
    config = SessionConfig(tools=tool_specs([WEATHER_TOOL]), turn_detection=detection)
    async with model.open(config=config) as connection:
        talk = Talk(connection, target.subject)
        before = (
            (Until(DONE), Say("tool_prompt"), Until(DONE, 2)) if target.is_text_needed else (Until(DONE),)
        )
        result = Send(lambda talk: SendToolResult(talk.call_id, WEATHER_RESULT))
        await run_steps(talk, (Speak(), *before, result, Until(DONE, 3 if target.is_text_needed else 2)))
    check_rules(talk.events)
    asked = (SPOKEN_TURN, SPOKEN_REPLY, TEXT_ITEM) if target.is_text_needed else (SPOKEN_TURN,)
    assert normal_form(talk.events) == (*asked, CALL, RESULT, SPOKEN_REPLY)
    assert contains(target.subject.transcript, talk.heard[0])
    (call,) = talk.of(m.ModelResponseToolUseDoneEvent)
    assert isinstance(call, m.ModelResponseToolUseDoneEvent)
    assert is_paris(call.tool_use.get("raw_input", ""))
    assert contains(target.subject.tool_answer, talk.said[-1])
    assert talk.sound_ms > 300
    told = connection.config.turn_detection
    assert told is not None and told.silence_duration_ms == 600
    if target.is_behind:
        in_force = front.witness.in_force.turn_detection
        assert in_force is not None and in_force.silence_duration_ms == 600
        # Each client names a voice of its own provider; the one behind the gateway is asked for one of its own.
        assert front.witness.in_force.voice in KNOWN_VOICES[target.name.partition(":")[0]]


@pytest.mark.loopback
async def test_a_client_that_asks_for_the_sense_is_served_by_a_model_without(front: Front) -> None:
    """An official client asks for semantic turn detection unless it is told otherwise."""
    wire = next(wire for wire in WIRES if wire.name == "OpenAI GA")
    target = next(target for target in TARGETS if target.name.startswith("gemini:"))
    config = SessionConfig(turn_detection=TurnDetection(kind="semantic_vad", eagerness="low"))
    with anyio.fail_after(BOUND_S):
        async with client_of(wire, front.url, target).open(config=config) as connection:
            told = connection.config.turn_detection
    assert told is not None and told.kind == "server_vad"


@pytest.mark.loopback
@pytest.mark.parametrize("provider", ["openai", "gemini", "dashscope"])
async def test_the_metadata_of_a_request_come_back_whatever_wire_the_model_has(
    provider: str, front: Front
) -> None:
    """``RTClient`` knows by them which response it asked for; two of these wires have none."""
    key, asked = AzureKeyCredential("parity"), ResponseCreateParams(metadata={"topic": "parity"})
    with anyio.fail_after(BOUND_S):
        async with RTClient(f"{front.url}/v1", key_credential=key, model=f"{provider}:echo") as client:
            for words in ("Hello", "Hello again"):
                await client.send_item(UserMessageItem(content=[InputTextContentPart(text=words)]))
                response = await client.generate_response(asked)
                assert response.metadata == {"topic": "parity"}
                said = [item async for item in response]
                assert [item.type for item in said] == ["message"]
                assert response.status == "completed"


@pytest.mark.loopback
@pytest.mark.parametrize("name", ["openai beta", "azure preview", "voicelive", "xai"])
async def test_settings_of_ga_stay_there(name: str, front: Front) -> None:
    """Official GA clients send some of them to whatever model the gateway serves."""
    row = ROWS_BY_NAME[name]
    written: list[Frame] = []

    def note(frame: Frame) -> Frame:
        written.append(frame)
        return frame

    model = row.make(front.url)
    assert isinstance(model, LinkedModel)
    model.set_link(wrap=with_change(note))
    foreign = {"tracing": "auto", "truncation": "disabled", "parallel_tool_calls": False}
    with anyio.fail_after(BOUND_S):
        async with model.open(config=SessionConfig(extra=foreign)):
            pass
    assert any('"session.update"' in str(frame) for frame in written)
    assert not any(f'"{key}"' in str(frame) for frame in written for key in foreign)


# ---------------------------------------------------------------------- wires that no model speaks


@dataclass
class Heard:
    """What a client of ``/ws`` or ``/voice`` got."""

    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    audio_bytes: int = 0

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a type."""
        return [event for event in self.events if event.get("type") == kind]


async def until(socket: ClientConnection, heard: Heard, kind: str, count: int = 1) -> None:
    """Takes events of ``/ws`` until so many of a type came."""
    while len(heard.of(kind)) < count:
        heard.events.append(json.loads(await socket.recv()))
        assert heard.events[-1]["type"] != "agent_error", heard.events[-1]


async def tell(socket: ClientConnection, kind: str, **fields: Any) -> None:
    """Sends an event of ``/ws``."""
    await socket.send(json.dumps({"type": kind, "session_id": "s", **fields}))


@pytest.mark.parametrize(("cell", "target"), cells("/ws"))
async def test_a_front_end_runs_the_function(cell: Cell, target: Target, front: Front) -> None:
    need_engine(target)
    heard = Heard()
    with anyio.fail_after(BOUND_S):
        async with connect(f"{front.url}/ws/user/s", max_size=None) as socket:
            await tell(
                socket, "client_session_create", config={"model": target.name, "tools": [WEATHER_TOOL]}
            )
            await until(socket, heard, "server_session_created")
            await speak_events(socket, target)
            if target.is_text_needed:
                await until(socket, heard, "agent_response_done")
                await tell(socket, "client_text_append", text=target.subject.tool_prompt)
            await until(socket, heard, "agent_response_tool_use_done")
            use = heard.of("agent_response_tool_use_done")[0]["tool_use"]
            await tell(socket, "client_tool_result", id=use["id"], name=use["name"], output=WEATHER_RESULT)
            await until(socket, heard, "agent_response_done", 3 if target.is_text_needed else 2)
    assert use["name"] == "get_weather" and is_paris(json.dumps(use["input"]))
    kinds = [event["type"] for event in heard.events]
    user = ("input_started", "input_transcription_delta", "input_transcription_done")
    assert [kind for kind in dict.fromkeys(kinds) if kind.removeprefix("agent_") in user] == [
        f"agent_{kind}" for kind in user
    ]
    assert kinds.index("agent_input_started") < kinds.index("agent_input_done")
    assert contains(target.subject.transcript, heard.of("agent_input_transcription_done")[0]["transcript"])
    answer = heard.of("agent_response_audio_transcript_done")[-1]["transcript"]
    assert contains(target.subject.tool_answer, answer)
    assert heard.of("agent_response_audio_delta") and heard.of("agent_response_audio_done")
    done = heard.of("agent_response_done")[-1]
    assert done["status"] == "completed" and done["output_tokens"] > 0


async def speak_events(socket: ClientConnection, target: Target) -> None:
    """The spoken turn in the events of ``/ws``."""
    pcm16 = target.subject.speech()
    for start in range(0, len(pcm16), _CHUNK_BYTES):
        audio = base64.b64encode(pcm16[start : start + _CHUNK_BYTES]).decode()
        await tell(
            socket, "client_audio_append", audio=audio, format={"type": "audio/pcm", "rate": SAMPLE_RATE_HZ}
        )


@pytest.mark.parametrize(("cell", "target"), cells("/voice"))
async def test_a_voice_client_is_answered(cell: Cell, target: Target, front: Front) -> None:
    need_engine(target)
    heard = Heard()
    with anyio.fail_after(BOUND_S):
        async with connect(f"{front.url}/voice?model={target.name}", max_size=None) as socket:
            pcm16 = target.subject.speech()
            for start in range(0, len(pcm16), _CHUNK_BYTES):
                await socket.send(pcm16[start : start + _CHUNK_BYTES])
            while not any(event.get("role") == "assistant" and event["final"] for event in heard.events):
                frame = await socket.recv()
                if isinstance(frame, bytes):
                    heard.audio_bytes += len(frame)
                else:
                    heard.events.append(json.loads(frame))
                    assert heard.events[-1].get("type") != "error", heard.events[-1]
    finals = {event["role"]: event["text"] for event in heard.events if event.get("final")}
    assert contains(target.subject.transcript, finals["user"])
    assert any(event["role"] == "user" and not event["final"] for event in heard.events)
    assert finals["assistant"]
    assert heard.audio_bytes > SAMPLE_RATE_HZ * 2 // 3


def need_engine(target: Target) -> None:
    """Skips where the embedded engine's files are missing."""
    if target.name == "local":
        from voicewire.engine import weights

        if missing := [item.weights.name for item in weights.plan().missing]:
            pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")
