"""Scenarios for the ``google-genai`` SDK, unmodified, against any server of the Gemini Live wire that speaks TLS.

The SDK ignores what it does not know; here every message is also validated strictly with the SDK's own classes.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest
from google import genai
from google.genai import errors, live, types
from pydantic import BaseModel

from .subjects import (
    SAMPLE_RATE_HZ,
    SUBJECTS,
    WEATHER_RESULT,
    WEATHER_TOOL,
    Subject,
    contains,
    paced,
)

_TIMEOUT_S = 60.0
_ERROR_KEYS = {"code", "status", "message"}
_AUDIO_TYPE = f"audio/pcm;rate={SAMPLE_RATE_HZ}"


class Strict:
    """The SDK's socket, with every message of the server checked before the SDK sees it."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.raw: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    async def recv(self, *arguments: Any, **options: Any) -> Any:
        data = await self._socket.recv(*arguments, **options)
        message = json.loads(data)
        if set(message) != _ERROR_KEYS:
            unknown = list(unknown_fields(types.LiveServerMessage.model_validate(message), message))
            assert not unknown, f"the SDK does not know {unknown} of {message}"
        assert len(data) < 1 << 20
        self.raw.append(message)
        return data


def unknown_fields(value: object, raw: object) -> Iterator[str]:
    """Keys of the JSON that left no trace in the SDK's object."""
    if isinstance(value, BaseModel) and isinstance(raw, dict):
        fields = {info.alias or name: name for name, info in type(value).model_fields.items()}
        for key, inner in cast("dict[str, object]", raw).items():
            if key not in fields:
                yield key
            else:
                yield from unknown_fields(getattr(value, fields[key]), inner)
    elif isinstance(value, list) and isinstance(raw, list):
        for one, other in zip(cast("list[object]", value), cast("list[object]", raw), strict=True):
            yield from unknown_fields(one, other)


class Judge:
    """One session of the SDK and everything it yielded."""

    def __init__(self, session: live.AsyncSession, subject: Subject) -> None:
        self.sdk = session
        self.subject = subject
        self.wire = Strict(session._ws)
        session._ws = cast("Any", self.wire)
        self.seen: list[types.LiveServerMessage] = []

    async def turn(self) -> list[types.LiveServerMessage]:
        """Messages up to the end of the model's turn, as ``receive`` gives them."""
        with anyio.fail_after(_TIMEOUT_S):
            messages = [message async for message in self.sdk.receive()]
        self.seen += messages
        return messages

    async def say(self, text: str) -> None:
        """Sends a turn of text and asks for the answer."""
        await self.sdk.send_client_content(
            turns=types.Content(role="user", parts=[types.Part(text=text)]), turn_complete=True
        )

    async def speak(self, pcm: bytes | None = None) -> None:
        """Streams audio."""
        async for chunk in paced(self.subject.speech() if pcm is None else pcm, self.subject.pace):
            await self.sdk.send_realtime_input(audio=types.Blob(data=chunk, mime_type=_AUDIO_TYPE))


@asynccontextmanager
async def judging(
    url: str, trust: ssl.SSLContext | None, model: str, **config: Any
) -> AsyncGenerator[Judge, None]:
    """A session of the unmodified SDK.

    Args:
        url: Root of the server, such as ``https://127.0.0.1:8443``.
        trust: Trusts the server's certificate; None leaves that to the environment.
        model: The model to ask for.
        config: Fields of ``LiveConnectConfig``.
    """
    options = types.HttpOptions(base_url=url, async_client_args={"ssl": trust} if trust else None)
    client = genai.Client(api_key="judge", vertexai=False, http_options=options)
    config = {
        "response_modalities": ["AUDIO"],
        "input_audio_transcription": {},
        "output_audio_transcription": {},
        **config,
    }
    async with client.aio.live.connect(model=model, config=types.LiveConnectConfig(**config)) as session:
        assert session.setup_complete is not None
        assert session.session_id
        yield Judge(session, SUBJECTS[model])
    await client.aio.aclose()


def contents(messages: list[types.LiveServerMessage]) -> list[types.LiveServerContent]:
    """The contents among the messages."""
    return [message.server_content for message in messages if message.server_content is not None]


def words_of(messages: list[types.LiveServerMessage]) -> str:
    """What the model said, by its transcript."""
    heard = [content.output_transcription for content in contents(messages)]
    return "".join(words.text or "" for words in heard if words is not None)


def heard_of(messages: list[types.LiveServerMessage]) -> str:
    """What the user said, by its transcript."""
    heard = [content.input_transcription for content in contents(messages)]
    return "".join(words.text or "" for words in heard if words is not None).strip()


def audio_of(messages: list[types.LiveServerMessage]) -> bytes:
    """The audio of a turn."""
    return b"".join(message.data or b"" for message in messages)


def check_complete(messages: list[types.LiveServerMessage]) -> None:
    """The turn ended as a whole one does: generation, then turn, with usage."""
    assert [content.generation_complete for content in contents(messages)].count(True) == 1
    assert [content.turn_complete for content in contents(messages)].count(True) == 1
    assert not any(content.interrupted for content in contents(messages))
    usage = messages[-1].usage_metadata
    assert usage is not None
    assert (usage.total_token_count or 0) == (usage.prompt_token_count or 0) + (
        usage.response_token_count or 0
    )
    assert (usage.response_token_count or 0) > 0


async def text_turn(url: str, trust: ssl.SSLContext | None, model: str) -> None:
    """Text in, speech and its words out; then the same with written words out."""
    async with judging(url, trust, model, system_instruction="Be brief.") as judge:
        for _ in range(2):
            await judge.say(judge.subject.text_prompt)
            messages = await judge.turn()
            assert contains(judge.subject.text_answer, words_of(messages)), words_of(messages)
            assert len(audio_of(messages)) >= SAMPLE_RATE_HZ // 10 * 2
            assert len(audio_of(messages)) % 2 == 0
            check_complete(messages)
    async with judging(url, trust, model, response_modalities=["TEXT"]) as judge:
        await judge.say(judge.subject.text_prompt)
        messages = await judge.turn()
        text = "".join(message.text or "" for message in messages)
        assert contains(judge.subject.text_answer, text), text
        assert not audio_of(messages)


async def spoken_turn(url: str, trust: ssl.SSLContext | None, model: str) -> None:
    """Speech in, its end found by the server; transcripts of both sides and speech out."""
    detection = {"automatic_activity_detection": {"silence_duration_ms": 500, "prefix_padding_ms": 300}}
    async with judging(url, trust, model, realtime_input_config=detection) as judge:
        messages: list[types.LiveServerMessage] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(judge.speak)
            messages += await judge.turn()
        assert contains(judge.subject.transcript, heard_of(messages)), heard_of(messages)
        assert contains(judge.subject.spoken_answer, words_of(messages)), words_of(messages)
        heard = [c.input_transcription for c in contents(messages) if c.input_transcription is not None]
        assert heard[-1].finished
        assert audio_of(messages)
        if model == "echo":
            assert audio_of(messages).strip(b"\0") in judge.subject.speech()
        check_complete(messages)


async def switched_off_microphone(url: str, trust: ssl.SSLContext | None, model: str) -> None:
    """The microphone is switched off in the middle of silence-free speech: the turn ends all the same."""
    async with judging(url, trust, model) as judge:
        await judge.speak(judge.subject.speech().rstrip(b"\0"))
        await judge.sdk.send_realtime_input(audio_stream_end=True)
        messages = await judge.turn()
        assert contains(judge.subject.spoken_answer, words_of(messages)), words_of(messages)


async def manual_turn(url: str, trust: ssl.SSLContext | None, model: str) -> None:
    """Turns that the client begins and ends; what lies outside of them is not heard."""
    detection = {"automatic_activity_detection": {"disabled": True}}
    async with judging(url, trust, model, realtime_input_config=detection) as judge:
        for _ in range(2):
            await judge.speak(bytes(SAMPLE_RATE_HZ))
            await judge.sdk.send_realtime_input(activity_start=types.ActivityStart())
            await judge.speak()
            await judge.sdk.send_realtime_input(activity_end=types.ActivityEnd())
            messages = await judge.turn()
            assert contains(judge.subject.transcript, heard_of(messages)), heard_of(messages)
            assert contains(judge.subject.spoken_answer, words_of(messages)), words_of(messages)
            if model == "echo":
                spoken_ms = len(judge.subject.speech()) * 1000 // (SAMPLE_RATE_HZ * 2)
                assert str(spoken_ms) in words_of(messages)
            check_complete(messages)


async def tool_call(url: str, trust: ssl.SSLContext | None, model: str) -> None:
    """A function call, its result, and the answer that uses it: one turn of the SDK."""
    declaration = {
        "name": "get_weather",
        "description": WEATHER_TOOL["description"],
        "parameters_json_schema": WEATHER_TOOL["parameters"],
    }
    tools = [{"function_declarations": [declaration]}]
    async with judging(url, trust, model, tools=tools) as judge:
        await judge.say(judge.subject.tool_prompt)
        messages: list[types.LiveServerMessage] = []
        with anyio.fail_after(_TIMEOUT_S):
            async for message in judge.sdk.receive():
                messages.append(message)
                if message.tool_call is None:
                    continue
                (call,) = message.tool_call.function_calls or []
                assert call.name == "get_weather"
                assert "paris" in str((call.args or {})["city"]).lower()
                answer = types.FunctionResponse(
                    id=call.id, name=call.name, response={"output": WEATHER_RESULT}
                )
                await judge.sdk.send_tool_response(function_responses=[answer])
        assert sum(message.tool_call is not None for message in messages) == 1
        assert contains(judge.subject.tool_answer, words_of(messages)), words_of(messages)
        check_complete(messages)


async def interrupted_turn(url: str, trust: ssl.SSLContext | None, model: str) -> None:
    """The user speaks while the model speaks: the turn ends as interrupted, and what was said is answered."""
    detection = {"automatic_activity_detection": {"silence_duration_ms": 500}}
    async with judging(url, trust, model, realtime_input_config=detection) as judge:
        await judge.say(judge.subject.long_prompt)
        first: list[types.LiveServerMessage] = []
        second: list[types.LiveServerMessage] = []
        async with anyio.create_task_group() as tasks:
            with anyio.fail_after(_TIMEOUT_S):
                async for message in judge.sdk.receive():
                    if message.data and not audio_of(first):
                        tasks.start_soon(judge.speak)
                    first.append(message)
            assert [content.interrupted for content in contents(first)].count(True) == 1
            assert not any(content.generation_complete for content in contents(first))
            second += await judge.turn()
        assert contains(judge.subject.spoken_answer, words_of(second)), words_of(second)


async def stopped_by_the_client(url: str, trust: ssl.SSLContext | None, model: str) -> None:
    """New content while the model speaks stops it; so does an activity begun by hand."""
    detection = {"automatic_activity_detection": {"disabled": True}}
    async with judging(url, trust, model, realtime_input_config=detection) as judge:
        for _ in range(2):
            await judge.say(judge.subject.long_prompt)
            stopped = False
            with anyio.fail_after(_TIMEOUT_S):
                async for message in judge.sdk.receive():
                    if message.data and not stopped:
                        stopped = True
                        await judge.sdk.send_realtime_input(activity_start=types.ActivityStart())
                        await judge.sdk.send_realtime_input(activity_end=types.ActivityEnd())
                    judge.seen.append(message)
            assert judge.seen[-2].server_content is not None
            assert judge.seen[-2].server_content.interrupted
        await judge.say(judge.subject.long_prompt)
        await judge.say(judge.subject.text_prompt)
        messages = await judge.turn()
        if any(content.interrupted for content in contents(messages)):
            messages = await judge.turn()
        assert contains(judge.subject.text_answer, words_of(messages)), words_of(messages)


async def refused_frames(url: str, trust: ssl.SSLContext | None, model: str) -> None:
    """What a client does wrong is an error of the SDK, and the session goes on."""
    async with judging(url, trust, model) as judge:
        await judge.sdk.send_realtime_input(activity_start=types.ActivityStart())
        with pytest.raises(errors.ClientError) as refused:
            await judge.turn()
        assert refused.value.code == 400
        await judge.wire.send("ping")
        await judge.say(judge.subject.text_prompt)
        assert contains(judge.subject.text_answer, words_of(await judge.turn()))


async def refused_setup(url: str, trust: ssl.SSLContext | None, model: str) -> None:
    """A setup that cannot be is refused with a reason, before the session exists."""
    with pytest.raises(errors.APIError, match="responseModalities") as refused:
        async with judging(url, trust, model, response_modalities=["VIDEO"]):
            pass
    assert refused.value.code == 1007


Scenario = Callable[[str, "ssl.SSLContext | None", str], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {
    "text": text_turn,
    "audio with server VAD": spoken_turn,
    "microphone switched off": switched_off_microphone,
    "audio with manual turns": manual_turn,
    "tool round trip": tool_call,
    "interruption": interrupted_turn,
    "stopped by the client": stopped_by_the_client,
    "error": refused_frames,
    "refused setup": refused_setup,
}
