"""Acceptance 3 of the gateway, line by line: refused in the right words, one line in the log, nobody else notices."""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.faults.clients import RawClient, masked, raw_client
from tests.speech.door_frames import AZURE_ASR, AZURE_TTS, TASK, WAV_16K, action, context, run_task, ssml
from voicewire.gateway.auth import KeyRing
from voicewire.gateway.client_secrets import SecretMint
from voicewire.protocols.azure_speech.wire import audio_frame
from voicewire.testing import ServedGateway

from .victim import KEY, OTHER_KEY, SIGNING_KEY, WAIT_S, Bystander, Victim, bearer, bystander, victim

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

OPENAI, AGENT, VOICE = "/v1/realtime?model=echo", "/ws/user1/session1", "/voice"
VOICE_LIVE, DASHSCOPE = "/voice-live/realtime?model=echo", "/api-ws/v1/realtime?model=echo"
TASKS, AZURE_SPEECH, AZURE_VOICE = TASK, AZURE_ASR, AZURE_TTS
GEMINI = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
SPEECH_DOORS = (TASKS, AZURE_SPEECH)
EVERY_DOOR = (OPENAI, "/openai/realtime", VOICE_LIVE, DASHSCOPE, GEMINI, TASKS, AZURE_SPEECH, AGENT, VOICE)
LIMITS = (
    "audio_burst_s=10",
    "handshake_timeout_s=0.5",
    "max_sessions=6",
    "send_budget_bytes=500000",
    "stall_timeout_s=0.5",
    "frame_burst=2000",
    "max_frames_per_s=200",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[Victim, None, None]:
    limits = [argument for limit in LIMITS for argument in ("--limit", limit)]
    with victim(tmp_path_factory.mktemp("victim"), *limits) as running:
        yield running


@pytest.fixture
async def witness(house: Victim) -> AsyncGenerator[Bystander, None]:
    """A bystander whose session lasts as long as the attack."""
    house.read = len(house.lines())
    async with bystander(house) as talking:
        yield talking


async def refused(house: Victim, path: str, **options: Any) -> tuple[int, str]:
    """Status and code of a refused handshake."""
    with anyio.fail_after(WAIT_S), pytest.raises(InvalidStatus) as told:
        async with connect(house.ws_url + path, **options):
            pass
    body = told.value.response.body or b""
    assert told.value.response.headers["content-type"] == "application/json"
    return told.value.response.status_code, json.loads(body)["error"]["code"]


async def closed(socket: ClientConnection) -> tuple[int, list[dict[str, Any]]]:
    """Close code, and the events before it."""
    seen: list[dict[str, Any]] = []
    with anyio.fail_after(WAIT_S), pytest.raises(ConnectionClosed) as told:
        while True:
            frame = await socket.recv()
            seen += [json.loads(frame)] if isinstance(frame, str) and frame.startswith("{") else []
    return (told.value.rcvd.code if told.value.rcvd is not None else 1006), seen


async def one_line(house: Victim) -> dict[str, Any]:
    """The one line that an attack left in the log."""
    (line,) = await house.news()
    return line


def secret(*, lifetime_s: int = 600, now_s: float | None = None, signing_key: str = SIGNING_KEY) -> str:
    key_id = KeyRing([KEY]).key_id_of([KEY])
    assert key_id is not None
    mint = SecretMint(signing_key) if now_s is None else SecretMint(signing_key, now_s=lambda: now_s)
    return mint.make({"type": "realtime"}, key_id=key_id, lifetime_s=lifetime_s)[0]


BAD_KEYS: dict[str, dict[str, Any]] = {
    "no key": {},
    "wrong key": {"additional_headers": bearer("sk-wrong")},
    "wrong key in a subprotocol": {
        "subprotocols": [Subprotocol("realtime"), Subprotocol("openai-insecure-api-key.x")]
    },
    "expired client secret": {"additional_headers": bearer(secret(now_s=0.0))},
    "forged client secret": {"additional_headers": bearer(secret(signing_key="x" * 32))},
    "half a client secret": {"additional_headers": bearer(secret()[:-5])},
    "a key that is no text": {"additional_headers": {"Authorization": "Bearer \x80\xff"}},
}


@pytest.mark.parametrize("path", EVERY_DOOR)
@pytest.mark.parametrize("bad", BAD_KEYS)
async def test_without_a_valid_key_there_is_no_handshake(
    house: Victim, witness: Bystander, bad: str, path: str
) -> None:
    assert await refused(house, path, **BAD_KEYS[bad]) == (401, "invalid_api_key")
    line = await one_line(house)
    assert (line["message"], line["status"], line["cause"]) == ("connection refused", 401, "invalid_api_key")


async def test_a_valid_secret_opens_sessions_until_it_expires(house: Victim, witness: Bystander) -> None:
    for _ in range(3):
        async with bystander(house, secret()):
            pass
    soon_over = secret(lifetime_s=10, now_s=time.time() - 8.5)
    opened = 0
    async with AsyncExitStack() as stack:
        earlier = await stack.enter_async_context(
            connect(house.ws_url + VOICE, additional_headers=bearer(soon_over))
        )
        with anyio.fail_after(WAIT_S), pytest.raises(InvalidStatus) as told:
            while True:
                async with connect(house.ws_url + OPENAI, additional_headers=bearer(soon_over)):
                    opened += 1
        assert (opened > 0, told.value.response.status_code) == (True, 401)
        assert "has expired" in json.loads(told.value.response.body or b"")["error"]["message"]
        await say(earlier, text="hello")
        with anyio.fail_after(WAIT_S):
            while "hello" not in str(await earlier.recv()):
                pass
    lines = await house.news(at_least=opened + 2)
    causes = Counter(line["cause"] for line in lines)
    assert causes == {"client_left": opened + 1, "invalid_api_key": 1}


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:1"]
)
@pytest.mark.parametrize("path", EVERY_DOOR)
async def test_a_foreign_page_does_not_pass_even_with_the_key(
    house: Victim, witness: Bystander, path: str, origin: str
) -> None:
    headers = {**bearer(KEY), "Origin": origin}
    assert await refused(house, path, additional_headers=headers) == (403, "forbidden")
    assert (await one_line(house))["cause"] == "forbidden"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ws/user1/..", 400), ("/ws/../session1", 400), ("/ws/user1/%2e%2e", 400), ("/ws/user1/...", 400),
        ("/ws/user1/a%2Fb", 404), ("/ws/user1/..%2F..%2Fetc%2Fpasswd", 404), ("/ws/user1/a%252Fb", 400),
        ("/ws/user1/a%5Cb", 400), ("/ws/u%00/s", 400), ("/ws/user1/s%0d%0aX-Injected:%201", 400),
        ("/ws/user1/" + "x" * 65, 400), ("/ws/user1/" + "x" * 4000, 400), ("/ws/user1/%F0%9F%98%80", 400),
        ("/ws/user1/%C3%A9", 400), ("/ws/user1/%E2%80%AE", 400), ("/ws/user1/%FF%FE", 400),
        ("/ws/user1/session%C2%A01", 400), ("/ws/%3Cscript%3E/s", 400), ("/ws/user1/s%3Fa", 400),
        ("/ws/user1/", 404), ("/ws//session1", 404), ("/nothing/here", 404),
    ],
)  # fmt: skip
async def test_path_tricks(house: Victim, witness: Bystander, path: str, status: int) -> None:
    found, code = await refused(house, path, additional_headers=bearer(KEY))
    assert (found, code) == (status, "invalid_id" if status == 400 else "not_found")
    line = await one_line(house)
    assert (line["status"], line["message"]) == (status, "connection refused")
    assert "user_id" not in line, "an id that is none is not written down"


async def say(socket: ClientConnection, **event: Any) -> None:
    await socket.send(json.dumps(event))


async def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    with anyio.fail_after(WAIT_S):
        while True:
            event: dict[str, Any] = json.loads(await socket.recv())
            if event["type"] == kind:
                return event


@asynccontextmanager
async def front_end(
    house: Victim, path: str, key: str, **config: Any
) -> AsyncGenerator[ClientConnection, None]:
    async with connect(house.ws_url + path, additional_headers=bearer(key)) as socket:
        await say(socket, type="client_session_create", config=config)
        yield socket


@pytest.mark.parametrize(
    ("path", "key"),
    [("/ws/user2/session1", KEY), ("/ws/user1/session2", KEY), (AGENT, OTHER_KEY)],
    ids=["another user", "another session", "another key"],
)
async def test_a_stolen_resume_token_resumes_nothing(
    house: Victim, witness: Bystander, path: str, key: str
) -> None:
    async with front_end(house, AGENT, KEY, resume=True) as owner:
        token = (await until(owner, "server_resume_token"))["token"]
        async with front_end(house, path, key, resume_token=token) as thief:
            assert (await until(thief, "agent_error"))["code"] == "resume_refused"
        refusal, left = await house.news(at_least=2)
        assert (refusal["message"], left["cause"]) == ("resume refused", "client_left")
        assert token not in house.log_file.read_text(encoding="utf-8")
        await say(owner, type="client_text_append", session_id="session1", text="still mine")
        done = await until(owner, "agent_response_audio_transcript_done")
        assert done["transcript"] == "You said: still mine"
        await say(owner, type="client_session_end", session_id="session1")
        await until(owner, "server_session_ended")
    assert (await one_line(house))["cause"] == "client_left"


async def test_the_same_session_id_of_another_user_is_another_session(
    house: Victim, witness: Bystander
) -> None:
    async with front_end(house, AGENT, KEY) as mine, front_end(house, "/ws/user2/session1", KEY) as theirs:
        await until(mine, "server_session_created")
        await until(theirs, "server_session_created")
        await say(theirs, type="client_session_end", session_id="session1")
        await until(theirs, "server_session_ended")
        await say(mine, type="client_text_append", session_id="session1", text="hello")
        await until(mine, "agent_response_done")
    assert [line["cause"] for line in await house.news(at_least=2)] == ["client_left"] * 2


def gateway_of(house: Victim) -> ServedGateway:
    """The house for clients that are no more than a TCP connection."""
    return ServedGateway(house.url, house.ws_url, None)  # type: ignore[arg-type]  # nobody asks it


def with_key(path: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}key={KEY}"


@asynccontextmanager
async def raw_session(house: Victim, path: str = OPENAI) -> AsyncGenerator[RawClient, None]:
    async with raw_client(gateway_of(house)) as client:
        await client.shake_hands(with_key(path))
        yield client


def frame_head(length: int, first_byte: int = 0x81) -> bytes:
    """The head of a masked frame of this length."""
    return bytes([first_byte, 0xFF]) + length.to_bytes(8, "big") + bytes(4)


@pytest.mark.parametrize("path", [OPENAI, *SPEECH_DOORS])
@pytest.mark.parametrize("length", [64_000_000, 2**62], ids=["64 MB", "4 EB"])
async def test_a_frame_beyond_all_measure_costs_the_connection(
    house: Victim, witness: Bystander, length: int, path: str
) -> None:
    async with raw_session(house, path) as client:
        await client.say(frame_head(length))
        try:
            for _ in range(64):
                await client.say(b"A" * 1_000_000)
        except OSError:
            pass  # the server does not wait for the rest
        received = await client.read_to_the_end()
    line = await one_line(house)
    assert (line["code"], line["cause"]) == (1009, "protocol_error")
    assert b"\x03\xf1" in received or not received.endswith(b"}"), (
        "1009 is told unless the connection was reset"
    )


@pytest.mark.parametrize("path", [OPENAI, *SPEECH_DOORS])
async def test_64_mb_in_many_pieces(house: Victim, witness: Bystander, path: str) -> None:
    async with raw_session(house, path) as client:
        try:
            await client.say(b"\x01\xff" + (1_000_000).to_bytes(8, "big") + bytes(4) + b"A" * 1_000_000)
            for _ in range(63):
                await client.say(frame_head(1_000_000, 0x00) + b"A" * 1_000_000)
        except OSError:
            pass
        await client.read_to_the_end()
    line = await one_line(house)
    assert (line["code"], line["cause"]) == (1009, "protocol_error")


async def test_compression_is_not_spoken_so_there_is_no_bomb(house: Victim, witness: Bystander) -> None:
    async with connect(
        house.ws_url + OPENAI, additional_headers=bearer(KEY), compression="deflate"
    ) as socket:
        assert socket.response is not None
        assert "sec-websocket-extensions" not in socket.response.headers
        assert not socket.protocol.extensions
    assert (await one_line(house))["cause"] == "client_left"
    bomb = zlib.compressobj(9, wbits=-15)
    packed = bomb.compress(b" " * 50_000_000) + bomb.flush()
    async with raw_session(house) as client:
        await client.say(frame_head(len(packed), 0xC1) + packed)
        assert b"\x03\xea" in await client.read_to_the_end(), "1002"
    line = await one_line(house)
    assert (line["code"], line["cause"]) == (1002, "protocol_error")


JSON_BOMBS = {
    "deep arrays": "[" * 1_000_000,
    "deep objects": '{"a":' * 1_000_000,
    "deep in a field": '{"type":"session.update","session":' + '{"a":' * 900 + "1" + "}" * 902,
    "wide": "[" + "[]," * 3_000_000 + "[]]",
    "wide numbers": '{"type":"x","a":[' + "1," * 5_000_000 + "1]}",
    "quotes": '"' * 10_000_000 + "[" * 100,
    "backslashes": '{"a":"' + "\\" * 10_000_000 + '"' + "[" * 100,
}


@pytest.mark.parametrize("bomb", JSON_BOMBS)
@pytest.mark.parametrize("path", [OPENAI, AGENT])
async def test_json_bombs_are_refused_unread_and_the_session_goes_on(
    house: Victim, witness: Bystander, path: str, bomb: str
) -> None:
    async with connect(house.ws_url + path, additional_headers=bearer(KEY)) as socket:
        await socket.send(JSON_BOMBS[bomb])
        error = await until(socket, "error" if path == OPENAI else "agent_error")
        assert error.get("code", error.get("error", {}).get("code")) == "invalid_json"
        await socket.send('{"type": "no.such.event"}')
        await until(socket, "error" if path == OPENAI else "agent_error")
    assert (await one_line(house))["cause"] == "client_left"


@pytest.mark.parametrize("bomb", JSON_BOMBS)
async def test_json_bombs_as_a_first_message(house: Victim, witness: Bystander, bomb: str) -> None:
    async with connect(house.ws_url + GEMINI, additional_headers=bearer(KEY)) as socket:
        await socket.send("{" + JSON_BOMBS[bomb])  # what is no JSON at all is passed over
        assert await closed(socket) == (1007, [])
    assert (await one_line(house))["cause"] == "invalid_setup"
    async with connect(house.ws_url + DASHSCOPE, additional_headers=bearer(KEY)) as socket:
        await until(socket, "session.created")
        await socket.send(JSON_BOMBS[bomb])
        assert (await until(socket, "error"))["error"]["code"] == "invalid_json"
    assert (await one_line(house))["cause"] == "client_left"


@pytest.mark.parametrize("bomb", JSON_BOMBS)
@pytest.mark.parametrize("path", SPEECH_DOORS)
async def test_json_bombs_end_a_speech_task_unread(
    house: Victim, witness: Bystander, path: str, bomb: str
) -> None:
    async with connect(house.ws_url + path, additional_headers=bearer(KEY)) as socket:
        await socket.send(JSON_BOMBS[bomb])
        code, seen = await closed(socket)
        assert code == (1000 if path == TASKS else 1007)
        assert [event["header"]["error_code"] for event in seen] == ["InvalidParameter"] * (path == TASKS)
    assert (await one_line(house))["cause"] == "invalid_json"


@pytest.mark.parametrize("path", [OPENAI, *SPEECH_DOORS])
async def test_half_handshakes_by_the_hundred(house: Victim, witness: Bystander, path: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ".encode()

    async def hang() -> None:
        async with raw_client(gateway_of(house)) as client:
            await client.say(head)
            for _ in range(3):
                await client.say(b"a")
                await witness_turn()
            assert (await client.read_to_the_end()).startswith(b"HTTP/1.1 408 ")

    lock = anyio.Lock()

    async def witness_turn() -> None:
        if lock.locked():
            await anyio.lowlevel.checkpoint()
            return
        async with lock:
            await witness.turn()

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(hang)
    lines = await house.news(at_least=100)
    assert [line["cause"] for line in lines] == ["handshake_timeout"] * 100


def error_code(event: dict[str, Any]) -> str:
    """Of an event of any wire; empty for one that is no error."""
    found: str = event.get("header", {}).get("error_code", "")
    if "error" in event.get("type", ""):
        found = event.get("code") or event.get("error", {}).get("code")
    return found


@pytest.mark.parametrize("path", [OPENAI, AGENT, VOICE, *SPEECH_DOORS])
async def test_audio_at_ten_times_real_time(house: Victim, witness: Bystander, path: str) -> None:
    second = base64.b64encode(bytes(48_000)).decode()
    pcm: dict[str, Any] = {"type": "audio/pcm", "rate": 24000}
    frames: dict[str, str | bytes] = {
        OPENAI: json.dumps({"type": "input_audio_buffer.append", "audio": second}),
        AGENT: json.dumps({"type": "client_audio_append", "session_id": "s", "audio": second, "format": pcm}),
        VOICE: bytes(48_000),
        TASKS: bytes(32_000),
        AZURE_SPEECH: audio_frame("r1", "1", bytes(32_000), ""),
    }
    begin: dict[str, list[str | bytes]] = {
        AGENT: ['{"type": "client_session_create", "config": {}}'],
        TASKS: [run_task()],
        AZURE_SPEECH: [context(), audio_frame("r1", "1", WAV_16K, "")],
    }

    ends: list[tuple[int, list[dict[str, Any]]]] = []

    async def read(socket: ClientConnection) -> None:
        ends.append(await closed(socket))

    async with connect(house.ws_url + path, additional_headers=bearer(KEY), max_size=None) as socket:
        for frame in begin.get(path, []):
            await socket.send(frame)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, socket)
            with suppress(ConnectionClosed):
                while True:
                    await socket.send(frames[path])
                    await anyio.lowlevel.checkpoint()
            await witness.turn()
    ((code, seen),) = ends
    told = {TASKS: (1008, ["Throttling.RateQuota"]), AZURE_SPEECH: (4429, [])}
    codes = [found for event in seen if (found := error_code(event))]
    assert (code, codes) == told.get(path, (1008, ["rate_limit_exceeded"]))
    assert (await one_line(house))["cause"] == "audio_rate"


@pytest.mark.parametrize(
    ("path", "message", "code"),
    [(OPENAI, b"{}", 1008), (TASKS, b"ping", 1008), (AZURE_SPEECH, b"Path:telemetry\r\n\r\n{}", 4429)],
)
async def test_a_flood_of_messages(
    house: Victim, witness: Bystander, path: str, message: bytes, code: int
) -> None:
    async with raw_session(house, path) as client:
        try:
            for _ in range(100):
                await client.say(masked(1, message) * 100)
        except OSError:
            pass
        await client.read_until(code.to_bytes(2, "big"))
        await witness.turn()
    line = await one_line(house)
    assert (line["code"], line["cause"]) == (code, "frame_rate")


@pytest.mark.parametrize("path", [OPENAI, *SPEECH_DOORS])
async def test_a_flood_of_sessions(house: Victim, witness: Bystander, path: str) -> None:
    statuses: list[int] = []
    all_told, go_home = anyio.Event(), anyio.Event()

    def told(status: int) -> None:
        statuses.append(status)
        if len(statuses) == 60:
            all_told.set()

    async def enter() -> None:
        try:
            async with connect(house.ws_url + path, additional_headers=bearer(KEY)):
                told(101)
                await go_home.wait()
        except InvalidStatus as full:
            assert full.response.headers["retry-after"]
            told(full.response.status_code)

    with anyio.fail_after(WAIT_S):
        async with anyio.create_task_group() as tasks:
            for _ in range(60):
                tasks.start_soon(enter)
            await all_told.wait()
            await witness.turn()
            go_home.set()
    assert (statuses.count(101), statuses.count(503)) == (5, 55), (
        "five places are left beside the bystander's"
    )
    causes = [line["cause"] for line in await house.news(at_least=60)]
    assert (causes.count("out_of_capacity"), causes.count("client_left"), len(causes)) == (55, 5, 60)


HTML = "<img src=x onerror=alert(1)><script>alert(2)</script>"


async def test_html_in_names_and_words_is_data_and_nothing_else(house: Victim, witness: Bystander) -> None:
    async with front_end(house, AGENT, KEY, agent_name=HTML, user_name=HTML, instructions=HTML) as socket:
        assert (await until(socket, "agent_ready"))["agent_name"] == HTML
        await say(socket, type="client_text_append", session_id="s", text=HTML)
        done = await until(socket, "agent_response_audio_transcript_done")
        assert done["transcript"] == f"You said: {HTML}"
    await one_line(house)
    async with httpx.AsyncClient() as client:
        for path in ("/v1/models", "/", "/nothing", "/metrics"):
            answer = await client.get(f"{house.url}{path}", params={"q": HTML}, headers=bearer(KEY))
            assert "<script>alert" not in answer.text
        refused = await client.get(f"{house.url}/v1/models", params={"key": HTML})
        assert (refused.status_code, refused.headers["content-type"]) == (401, "application/json")
        assert HTML not in refused.text
    assert (await one_line(house))["cause"] == "invalid_api_key"
    assert "script" not in house.log_file.read_text(encoding="utf-8")


# Every item comes back twice, and a letter is said in 20 ms; what the kernel holds for a client is some megabytes.
ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 200_000}]}
MUCH = {
    OPENAI: [json.dumps({"type": "conversation.item.create", "item": ITEM})] * 100,
    TASKS: [run_task("tts", format="pcm"), *[action("continue-task", text="word " * 3900)] * 8],
    AZURE_VOICE: [ssml(f"<speak>{'word ' * 30_000}</speak>")],
}


@pytest.mark.parametrize("path", MUCH)
async def test_a_client_that_reads_nothing_is_cut(house: Victim, witness: Bystander, path: str) -> None:
    async with raw_client(gateway_of(house), receive_buffer_bytes=4096) as client:
        await client.shake_hands(with_key(path))
        try:
            for frame in MUCH[path]:
                await client.say(masked(1, frame.encode()))
        except OSError:
            pass  # cut while it was still sending
        await witness.turn()
        line = await one_line(house)
    assert (line["code"], line["cause"]) == (1008, "too_slow")
