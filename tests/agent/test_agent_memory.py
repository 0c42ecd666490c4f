"""Editing what an agent remembers while it runs."""

from __future__ import annotations

import anyio
import pytest

from voicewire.events import ServerEvents
from voicewire.events.commands import CreateItem, DeleteItem
from voicewire.events.items import ContentPart, Item

from .test_agent import no_task_is_left, running, text

__all__ = ["no_task_is_left"]

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


async def test_the_history_is_edited_while_the_agent_runs() -> None:
    async with running() as (agent, ears):
        await agent.handle_input(text("My PIN is 1234"))
        await ears.until(ServerEvents.AgentResponseDoneEvent)
        for item in agent.history():
            agent.send(DeleteItem(item.id))
        note = ContentPart(kind="text", text="My PIN is secret")
        agent.send(CreateItem(item=Item(id="", role="user", content=(note,))))
        await anyio.wait_all_tasks_blocked()
        assert [item.text for item in agent.history()] == ["My PIN is secret"]
        assert "1234" not in agent.export_history()
