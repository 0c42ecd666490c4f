"""A client that truncates, as official clients do at every interruption, and a model that cannot be told of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from voicewire.events import model as m
from voicewire.events.base import EventBase, MediaFormat
from voicewire.events.commands import Command, DeleteItem, RetrieveItem, SendText, TruncateItem
from voicewire.events.items import ContentPart, Item
from voicewire.gateway.cuts import MAX_ITEMS, ShadowConversation
from voicewire.models import create_model
from voicewire.models.model import RealtimeConnection
from voicewire.testing import serve

PCM = MediaFormat("audio/pcm", 24_000)
UNABLE = ("gemini:echo", "dashscope:qwen3.5-omni-plus-realtime", "xai:echo")
"""Targets without a truncation; the provider is a gateway of ours."""


class Talker:
    """A conversation, and what came of it."""

    def __init__(self, connection: RealtimeConnection) -> None:
        self.connection = connection
        self.errors: list[str] = []
        self._events = connection.__aiter__()

    async def after(self, command: Command, *kinds: type[EventBase]) -> EventBase:
        """Sends it and gives the first event of one of the kinds."""
        await self.connection.send(command)
        with anyio.fail_after(20):
            while True:
                event = await self._events.__anext__()
                if isinstance(event, m.ModelErrorEvent):
                    self.errors.append(event.code)
                if isinstance(event, kinds):
                    return event


@asynccontextmanager
async def talking_through(name: str) -> AsyncGenerator[Talker, None]:
    """An OpenAI client at a gateway that serves this model."""
    async with serve(model="echo") as provider:
        base_url = f"{provider.ws_url}/v1" if name.startswith("xai") else provider.ws_url
        async with serve(create_model(name, api_key="k", base_url=base_url)) as gateway:
            client = create_model("openai:echo", api_key="k", base_url=f"{gateway.ws_url}/v1")
            async with client.open() as connection:
                yield Talker(connection)


@pytest.mark.loopback
@pytest.mark.anyio
@pytest.mark.parametrize("name", UNABLE)
async def test_a_client_that_truncates_gets_its_answer_and_no_error(name: str) -> None:
    async with talking_through(name) as talker:
        done = await talker.after(SendText("one two three"), m.ModelResponseDoneEvent)
        assert isinstance(done, m.ModelResponseDoneEvent)
        item_id = done.output[0].id
        kinds = (m.ModelItemTruncatedEvent, m.ModelErrorEvent)
        cut = await talker.after(TruncateItem(item_id, 100), *kinds)
        assert isinstance(cut, m.ModelItemTruncatedEvent)
        assert (cut.item_id, cut.audio_end_ms) == (item_id, 100)
        shown = await talker.after(RetrieveItem(item_id), m.ModelItemRetrievedEvent, m.ModelErrorEvent)
        assert isinstance(shown, m.ModelItemRetrievedEvent)
        assert "You said: one two three".startswith(shown.item.text)
        assert len(shown.item.text) < len("You said: one two three")
        assert talker.errors == []


@pytest.mark.loopback
@pytest.mark.anyio
async def test_what_is_no_truncation_is_refused_as_before() -> None:
    async with talking_through("gemini:echo") as talker:
        await talker.after(DeleteItem("item_1"), m.ModelErrorEvent)
        await talker.after(TruncateItem("nope", 10), m.ModelErrorEvent)
        await talker.after(RetrieveItem("nope"), m.ModelErrorEvent)
    assert talker.errors == ["unsupported", "item_truncate_invalid_item_id", "unsupported"]


def spoken(shadow: ShadowConversation, item_id: str, ms: int = 1000, words: str = "one two") -> None:
    """An item of the assistant, from its first sound to its end."""
    shadow.note(m.ModelItemAddedEvent(item=Item(id=item_id, role="assistant", status="in_progress")))
    shadow.note(
        m.ModelResponseAudioDeltaEvent(response_id="r", item_id=item_id, format=PCM, pcm=bytes(ms * 48))
    )
    part = ContentPart(kind="audio", text=words)
    shadow.note(m.ModelItemDoneEvent(item=Item(id=item_id, role="assistant", content=(part,))))


@pytest.mark.unit
@pytest.mark.parametrize(
    ("ms", "answer"),
    [(500, 500), (1000, 1000), (1020, 1000), (1021, "invalid_value"), (-1, "invalid_value")],
)
def test_a_cut_is_judged_as_by_the_models_of_this_machine(ms: int, answer: int | str) -> None:
    shadow = ShadowConversation()
    spoken(shadow, "a")
    found = shadow.answer(TruncateItem("a", ms, command_id="cut"))
    if isinstance(answer, int):
        assert isinstance(found, m.ModelItemTruncatedEvent)
        assert found.audio_end_ms == answer
    else:
        assert isinstance(found, m.ModelErrorEvent)
        assert (found.code, found.command_id) == (answer, "cut")


@pytest.mark.unit
def test_an_item_is_shown_as_it_was_heard_and_empty_when_nothing_was() -> None:
    shadow = ShadowConversation()
    spoken(shadow, "a", words="one two three four")
    shadow.answer(TruncateItem("a", 500))
    shown = shadow.answer(RetrieveItem("a"))
    assert isinstance(shown, m.ModelItemRetrievedEvent)
    assert (shown.item.text, shown.item.status) == ("one two", "incomplete")
    assert shadow.answer(TruncateItem("a", 0)) == m.ModelItemTruncatedEvent(item_id="a", audio_end_ms=0)
    shown = shadow.answer(RetrieveItem("a"))
    assert isinstance(shown, m.ModelItemRetrievedEvent)
    assert (shown.item.text, shown.item.status) == ("", "incomplete")


@pytest.mark.unit
def test_a_second_cut_may_not_be_longer_than_the_first() -> None:
    shadow = ShadowConversation()
    spoken(shadow, "a")
    shadow.answer(TruncateItem("a", 300))
    assert isinstance(shadow.answer(TruncateItem("a", 600)), m.ModelErrorEvent)


@pytest.mark.unit
def test_an_item_that_is_being_said_keeps_its_place_until_it_is_done() -> None:
    shadow = ShadowConversation()
    shadow.note(m.ModelItemAddedEvent(item=Item(id="a", role="assistant", status="in_progress")))
    shadow.note(m.ModelResponseAudioDeltaEvent(response_id="r", item_id="a", format=PCM, pcm=bytes(480)))
    cut = shadow.answer(TruncateItem("a", 0))
    assert isinstance(cut, m.ModelItemTruncatedEvent)
    part = ContentPart(kind="audio", text="one two")
    shadow.note(m.ModelItemDoneEvent(item=Item(id="a", role="assistant", content=(part,))))
    shown = shadow.answer(RetrieveItem("a"))
    assert isinstance(shown, m.ModelItemRetrievedEvent)
    assert shown.item.text == ""


@pytest.mark.unit
def test_only_the_end_of_a_conversation_is_remembered() -> None:
    shadow = ShadowConversation()
    for number in range(MAX_ITEMS + 1):
        spoken(shadow, f"a{number}", ms=20)
    assert shadow.answer(RetrieveItem("a0")) is None
    assert isinstance(shadow.answer(TruncateItem("a0", 10)), m.ModelErrorEvent)
    assert isinstance(shadow.answer(TruncateItem("a1", 10)), m.ModelItemTruncatedEvent)
