"""``/ws/room/{room_id}/{user_id}``: several people and several agents, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from voicewire.audio.level import rms_dbfs
from voicewire.audio.pcm import pcm16_to_int16, tone
from voicewire.errors import ConfigError
from voicewire.events.model import ModelSessionEndedEvent
from voicewire.gateway import GatewaySettings, RoomAgent, RoomPlan
from voicewire.models import create_model
from voicewire.models.model import RealtimeModel
from voicewire.testing import ServedGateway, serve

from .fakes import FakeConnection, FakeModel

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

NOBODY = RoomPlan(agents=())
RATE_HZ = 24_000
Event = dict[str, Any]


class Guest:
    """Somebody at the door of a room, and everything that they were told."""

    def __init__(self, socket: ClientConnection, user_id: str) -> None:
        self.socket = socket
        self.user_id = user_id
        self.told: list[Event] = []

    async def say(self, kind: str, **fields: Any) -> None:
        # Whose it is says the address, not the event.
        await self.socket.send(json.dumps({"type": kind, "session_id": "somebody else", **fields}))

    async def type(self, text: str) -> None:
        await self.say("client_text_append", text=text)

    async def speak(self, pcm16: bytes) -> None:
        audio = base64.b64encode(pcm16).decode()
        await self.say("client_audio_append", audio=audio, format={"type": "audio/pcm", "rate": RATE_HZ})

    async def come(self, name: str, **config: Any) -> Event:
        """Comes in; gives the state of the room then."""
        await self.say("client_session_create", config={"user_name": name, **config})
        await self.until("server_session_created", session_id=self.user_id)
        return await self.until("server_room_updated")

    async def until(self, kind: str, **fields: Any) -> Event:
        """The next event of this type with these fields."""
        return await self.when(
            lambda event: event["type"] == kind and fields.items() <= event.items(), f"{kind} {fields}"
        )

    async def when(self, is_it: Callable[[Event], bool], what: str = "") -> Event:
        """The next event of this kind."""
        with anyio.move_on_after(10):
            while True:
                event: Event = json.loads(await self.socket.recv())
                self.told.append(event)
                if is_it(event):
                    return event
        raise AssertionError(f"never came: {what}; the last were {[each['type'] for each in self.told[-9:]]}")

    def of(self, kind: str) -> list[Event]:
        """What was told of one kind."""
        return [event for event in self.told if event["type"] == kind]

    @property
    def sound(self) -> bytes:
        """What was heard."""
        return b"".join(base64.b64decode(event["delta"]) for event in self.of("agent_response_audio_delta"))


@asynccontextmanager
async def gateway_with(
    model: RealtimeModel | list[RealtimeModel] | str = "echo", rooms: RoomPlan | None = None, **limits: Any
) -> AsyncGenerator[ServedGateway]:
    """A gateway that leaves no task behind."""
    before = len(asyncio.all_tasks())
    limits.setdefault("closed_grace_s", 0.0)
    settings = GatewaySettings(drain_s=0.0, close_grace_s=1.0, **limits)
    async with serve(model, settings=settings, rooms=rooms) as gateway:
        yield gateway
    assert len(asyncio.all_tasks()) == before


@asynccontextmanager
async def guest(
    gateway: ServedGateway, user_id: str, room_id: str = "kitchen", **options: Any
) -> AsyncGenerator[Guest]:
    url = f"{gateway.ws_url}/ws/room/{room_id}/{user_id}"
    async with connect(url, max_size=None, **options) as socket:
        yield Guest(socket, user_id)


@asynccontextmanager
async def ann_and_eve(**options: Any) -> AsyncGenerator[tuple[Guest, Guest]]:
    """Two people in one room."""
    async with gateway_with(**options) as gateway:
        async with guest(gateway, "u1") as ann, guest(gateway, "u2") as eve:
            await ann.come("Ann")
            await eve.come("Eve")
            yield ann, eve
        with anyio.fail_after(5):
            await gateway.admission.wait_until_empty()


def loud_samples(pcm16: bytes) -> int:
    """From the first sample that is not silence to the last."""
    samples = pcm16_to_int16(pcm16).nonzero()[0]
    return int(samples[-1] - samples[0] + 1) if len(samples) else 0


async def test_two_people_and_two_agents_hear_and_read_the_same() -> None:
    async with ann_and_eve() as (ann, eve):
        (bob,) = [one for one in eve.of("server_room_updated")[-1]["agents"] if one["name"] == "Bob"]
        await ann.type("Bob, hello?")
        for one in (ann, eve):
            typed = await one.until("agent_input_transcription_done")
            assert (typed["agent_id"], typed["agent_name"]) == ("u1", "Ann")
            await one.until("server_room_updated", floor=bob["id"])
            whole = await one.until("agent_playout_heard", is_final=True)
            assert (whole["agent_name"], whole["is_cut"]) == ("Bob", False)
            assert whole["heard_text"] == "You said: Ann: Bob, hello?"
            first = one.of("agent_playout_heard")[0]
            assert len(first["heard_text"]) < len(whole["heard_text"]), "the words wait for their playing"
            await one.until("agent_response_audio_done")
            # Bob, and Ada after him: what is heard is one stream, whoever says it.
            assert {event["agent_id"] for event in one.of("agent_response_audio_delta")} == {"room"}
            heard = [event for event in one.of("agent_playout_heard") if event["is_final"]]
            assert [event["agent_name"] for event in heard] == ["Bob", "Ada"]
            assert loud_samples(one.sound) >= sum(event["heard_samples"] for event in heard)
        assert ann.sound.strip(b"\0") == eve.sound.strip(b"\0")


async def test_people_hear_each_other_and_not_themselves() -> None:
    voice = tone(1000, RATE_HZ // 2, RATE_HZ)
    async with ann_and_eve(rooms=NOBODY) as (ann, eve):
        await ann.speak(voice)
        began = await eve.until("agent_input_started")
        assert began["agent_name"] == "Ann"
        await eve.until("server_room_updated", floor="u1")
        await ann.speak(bytes(2 * RATE_HZ))
        await eve.until("server_room_updated", floor="")
        await eve.until("agent_response_audio_done")
        assert abs(loud_samples(eve.sound) - RATE_HZ // 2) < 240
        assert rms_dbfs(eve.sound.strip(b"\0")) > -20
        await eve.say("client_session_end")
        await ann.until("server_session_ended", session_id="u2", reason="left")
        assert (await ann.until("server_room_updated"))["people"] == [{"id": "u1", "name": "Ann"}]
        assert ann.sound == b""


async def test_whoever_interrupts_everybody_has_heard_what_the_room_says_was_heard() -> None:
    async with ann_and_eve() as (ann, eve):
        await ann.type("speak 20 seconds")
        await eve.when(lambda event: event.get("heard_samples", 0) > RATE_HZ // 2)
        await eve.say("client_response_cancel")
        for one in (ann, eve):
            cut = await one.until("agent_playout_heard", is_final=True)
            assert cut["is_cut"]
            assert cut["heard_samples"] < 20 * RATE_HZ
            assert await one.until("server_room_updated", floor="")
            await one.until("agent_response_audio_done")
            # Exact, but for the sine's own zeros at the beginning and at the end.
            assert abs(loud_samples(one.sound) - cut["heard_samples"]) <= 2


async def test_whoever_comes_later_is_told_what_was_said() -> None:
    async with gateway_with() as gateway, guest(gateway, "u1") as ann:
        await ann.come("Ann")
        await ann.type("Ada, hello")
        for name in ("Ada", "Bob"):
            await ann.until("agent_playout_heard", agent_name=name, is_final=True)
        async with guest(gateway, "u2") as eve:
            state = await eve.come("Eve")
            assert [one["name"] for one in state["people"]] == ["Ann", "Eve"]
            said = await eve.until("agent_input_transcription_done")
            assert (said["agent_id"], said["transcript"]) == ("u1", "Ada, hello")
            answer = await eve.until("agent_response_audio_transcript_done")
            assert (answer["agent_name"], answer["transcript"]) == ("Ada", "You said: Ada, hello")
            assert answer["agent_id"] in [one["id"] for one in state["agents"]]


async def test_another_room_is_another_conversation() -> None:
    async with gateway_with() as gateway:
        async with guest(gateway, "u1") as ann, guest(gateway, "u1", "garden") as eve:
            await ann.come("Ann")
            state = await eve.come("Ann")
            assert (state["room_id"], len(state["people"])) == ("garden", 1)
            await ann.type("Ada, hello")
            await ann.until("agent_playout_heard", is_final=True)
            await eve.type("Bob, hello")
            assert (await eve.until("agent_response_created"))["agent_name"] == "Bob"


async def test_a_name_that_is_taken_is_refused_and_another_one_is_not() -> None:
    async with gateway_with() as gateway, guest(gateway, "u1") as ann, guest(gateway, "u2") as eve:
        await ann.come("Ann")
        for name, words in (
            ("Ann", "another name"),
            ("Ada", "another name"),
            ("  ", "user_name"),
            ("a\nb", "user_name"),
            (7, "user_name"),
        ):
            await eve.say("client_session_create", config={"user_name": name})
            assert words in (await eve.until("agent_error"))["message"]
        await eve.type("hello")
        assert "client_session_create" in (await eve.until("agent_error"))["message"]
        await eve.come("Eve")
        await eve.say("client_session_create", config={"user_name": "Other"})
        await eve.until("server_session_updated")


async def test_a_seat_is_its_owners_and_their_next_connection_takes_it() -> None:
    async with gateway_with(rooms=NOBODY) as gateway, guest(gateway, "u1") as old:
        await old.come("Ann", resume=True)
        token = (await old.until("server_resume_token"))["token"]
        async with guest(gateway, "u1") as thief:
            await thief.say("client_session_create", config={"user_name": "Eve"})
            assert "user id" in (await thief.until("agent_error"))["message"]
            await thief.say("client_session_create", config={"user_name": "Eve", "resume_token": "guessed"})
            assert (await thief.until("agent_error"))["code"] == "resume_refused"
        async with guest(gateway, "u1") as new:
            await new.say("client_session_create", config={"user_name": "Ann", "resume_token": token})
            await new.until("server_session_resumed", session_id="u1")
            assert (await new.until("server_room_updated"))["people"] == [{"id": "u1", "name": "Ann"}]
            assert (await new.until("server_resume_token"))["token"] != token
            with pytest.raises(ConnectionClosed) as closed:
                await old.until("what never comes")
            assert closed.value.rcvd is not None
            assert "another connection" in closed.value.rcvd.reason
            await new.type("still here")
            await new.until("agent_input_transcription_done", agent_name="Ann")


async def test_an_agent_that_cannot_start_is_told_of_and_the_others_answer() -> None:
    broken = FakeModel(failure=ConfigError("this model has no key"), name="broken")
    plan = RoomPlan(agents=(RoomAgent(name="Ada"), RoomAgent(name="Bob", model="broken")))
    async with gateway_with([create_model("echo"), broken], plan) as gateway, guest(gateway, "u1") as ann:
        state = await ann.come("Ann")
        assert [one["name"] for one in state["agents"]] == ["Ada"]
        error = await ann.until("agent_error", agent_name="Bob")
        assert (error["code"], error["message"]) == ("not_started", "this model has no key")
        await ann.type("hello")
        assert (await ann.until("agent_playout_heard", is_final=True))["agent_name"] == "Ada"


async def test_an_agent_whose_model_goes_leaves_the_room_and_the_next_one_speaks() -> None:
    leaving = FakeConnection()
    models = [create_model("echo"), FakeModel(leaving, name="leaving")]
    plan = RoomPlan(agents=(RoomAgent(name="Ada", model="leaving"), RoomAgent(name="Bob")))
    async with gateway_with(models, plan) as gateway, guest(gateway, "u1") as ann:
        state = await ann.come("Ann")
        assert len(state["agents"]) == 2
        await ann.type("Ada, hello")
        await ann.until("server_room_updated", floor=state["agents"][0]["id"])
        leaving.happen(ModelSessionEndedEvent(session_id="s", code=1006, reason="the network is gone"))
        assert (await ann.until("agent_ended"))["agent_name"] == "Ada"
        left = await ann.until("server_room_updated")
        assert left["agents"] == state["agents"][1:]
        assert (await ann.until("agent_playout_heard", is_final=True))["agent_name"] == "Bob"


async def test_a_room_whose_agents_all_fail_is_not_kept() -> None:
    broken = FakeModel(failure=ConfigError("this model has no key"), name="broken")
    async with gateway_with(broken) as gateway, guest(gateway, "u1") as ann:
        for _ in range(2):
            await ann.say("client_session_create", config={"user_name": "Ann"})
            assert (await ann.until("agent_error"))["message"] == "this model has no key"


async def test_somebody_who_vanishes_leaves_and_the_others_are_told() -> None:
    async with ann_and_eve() as (ann, eve):
        await ann.speak(tone(440, RATE_HZ // 2, RATE_HZ))
        await eve.until("agent_input_started")
        ann.socket.transport.abort()
        # What they had said is a turn, and is answered.
        await eve.until("agent_input_done", agent_id="u1")
        await eve.until("server_session_ended", session_id="u1")
        await eve.until("agent_response_created")


async def test_the_room_waits_for_the_last_person_and_says_nothing_meanwhile() -> None:
    async with gateway_with(closed_grace_s=60.0) as gateway:
        async with guest(gateway, "u1") as ann:
            await ann.come("Ann")
            await ann.type("speak 20 seconds")
            await ann.when(lambda event: event.get("heard_samples", 0) > 0)
        with anyio.fail_after(5):
            while gateway.admission.session_count or not gateway.admission.waiting_count:
                await anyio.lowlevel.checkpoint()
        async with guest(gateway, "u2") as eve:
            state = await eve.come("Eve")
            assert (state["floor"], len(state["agents"])) == ("", 2)
            assert (await eve.until("agent_input_transcription_done"))["transcript"] == "speak 20 seconds"
            with anyio.fail_after(5):
                while gateway.admission.waiting_count:
                    await anyio.lowlevel.checkpoint()
            await eve.type("Bob, hello")
            await eve.until("agent_playout_heard", agent_name="Bob", is_final=True)


async def test_a_room_that_nobody_comes_back_to_ends() -> None:
    async with gateway_with(closed_grace_s=0.05) as gateway:
        for _ in range(2):
            async with guest(gateway, "u1") as ann:
                await ann.come("Ann")
                await ann.type("Ada, hello")
                await ann.until("agent_response_created")
                # The one before has ended, with all that was said in it.
                assert len(ann.of("agent_input_transcription_done")) == 1
            with anyio.fail_after(5):
                await gateway.admission.wait_until_empty()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer good-key", "Origin": "https://elsewhere.example"}, 403),
    ],
)
async def test_who_may_not_pass_is_refused_before_the_handshake(headers: dict[str, str], status: int) -> None:
    async with gateway_with(api_keys=(SecretStr("good-key"),)) as gateway:
        with pytest.raises(InvalidStatus) as refused:
            async with guest(gateway, "u1", additional_headers=headers):
                pass
        assert refused.value.response.status_code == status
        async with guest(gateway, "u1", additional_headers={"Authorization": "Bearer good-key"}) as ann:
            await ann.come("Ann")


async def test_a_client_secret_for_one_model_opens_no_room_of_another() -> None:
    models = [create_model("echo"), FakeModel(name="other")]
    key = {"Authorization": "Bearer good-key"}
    async with gateway_with(models, api_keys=(SecretStr("good-key"),)) as gateway:
        async with httpx.AsyncClient(base_url=gateway.http_url, headers=key) as client:
            secrets: dict[str, str] = {}
            for name in ("echo", "other"):
                asked = {"session": {"type": "realtime", "model": name}}
                answer = await client.post("/v1/realtime/client_secrets", json=asked)
                secrets[name] = answer.json()["value"]
        with pytest.raises(InvalidStatus) as refused:
            async with guest(
                gateway, "u1", additional_headers={"Authorization": f"Bearer {secrets['other']}"}
            ):
                pass
        assert refused.value.response.status_code == 403
        async with guest(
            gateway, "u1", additional_headers={"Authorization": f"Bearer {secrets['echo']}"}
        ) as ann:
            await ann.come("Ann")


async def test_one_who_goes_beyond_the_limits_ends_alone() -> None:
    limits = {"max_message_bytes": 64 * 1024, "audio_burst_s": 1.0}
    async with ann_and_eve(rooms=NOBODY, **limits) as (ann, eve):
        await ann.type("x" * 70_000)
        assert (await ann.until("agent_error"))["code"] == "message_too_large"
        for _ in range(4):
            await ann.speak(bytes(RATE_HZ))
        with pytest.raises(ConnectionClosed) as closed:
            await ann.until("what never comes")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        await eve.until("server_session_ended", session_id="u1")
        await eve.type("I am still here")
        await eve.until("agent_input_transcription_done", agent_id="u2")


async def test_places_are_counted_and_whoever_does_not_come_in_goes() -> None:
    async with gateway_with(max_sessions=1, create_timeout_s=0.2) as gateway:
        async with guest(gateway, "u1") as ann:
            with pytest.raises(InvalidStatus) as refused:
                async with guest(gateway, "u2"):
                    pass
            assert refused.value.response.status_code == 503
            assert (await ann.until("agent_error"))["code"] == "no_session"


async def test_an_address_that_names_no_room_is_refused() -> None:
    async with gateway_with() as gateway:
        for room_id, user_id in (("a b", "u1"), ("..", "u1"), ("kitchen", "x" * 65)):
            with pytest.raises(InvalidStatus) as refused:
                async with guest(gateway, user_id, room_id):
                    pass
            assert refused.value.response.status_code in (400, 404)
