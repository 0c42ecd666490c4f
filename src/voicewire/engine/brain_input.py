"""From the conversation's history to what a brain reads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from voicewire.engine.brain.base import BrainTurn, ToolCall, Turn
from voicewire.events.commands import CreateResponse
from voicewire.events.items import Item
from voicewire.events.session import SessionConfig

DEFAULT_MAX_TOKENS = 400
"""About three minutes of speech; a session's own limit takes its place."""


def brain_turns(history: Iterable[Item]) -> tuple[Turn, ...]:
    """The history as a brain's turns: messages and calls in order, nothing that was not heard."""
    turns: list[Turn] = []
    names: dict[str, str] = {}
    for item in history:
        match item.kind:
            case "message" if item.text and item.role is not None:
                turns.append(Turn(item.role, item.text))
            case "function_call":
                call = ToolCall(
                    call_id=item.call_id or "", name=item.name or "", arguments_json=item.arguments or "{}"
                )
                names[call.call_id] = call.name
                turns.append(Turn("assistant", "", tool_calls=(call,)))
            case "function_call_output":
                call_id = item.call_id or ""
                turns.append(Turn("tool", item.output or "", name=names.get(call_id), call_id=call_id))
            case _:
                pass  # images and MCP items mean nothing to the engine's brains
    return tuple(turns)


def brain_turn(
    history: Iterable[Item], config: SessionConfig, params: CreateResponse, now: datetime
) -> BrainTurn:
    """What the brain is asked, with the session's settings and the response's own."""
    tools = config.tools if params.tools is None else params.tools
    tool_choice = params.tool_choice or config.tool_choice
    limit = params.max_output_tokens or config.max_output_tokens
    return BrainTurn(
        history=brain_turns(history),
        now=now,
        instructions=config.instructions if params.instructions is None else params.instructions,
        tools=tools,
        tool_choice=tool_choice.removeprefix("function:"),
        max_tokens=limit or DEFAULT_MAX_TOKENS,
    )
