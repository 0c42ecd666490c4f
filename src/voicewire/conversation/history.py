"""History as valid input for the next request: only what was heard, every tool call with its result."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from voicewire.conversation.heard import HeardLedger
from voicewire.conversation.tools import cancelled_result
from voicewire.events.items import ContentPart, Item


def valid_history(items: Iterable[Item], ledger: HeardLedger, *, with_open: bool = False) -> tuple[Item, ...]:
    """The items that a model can be given.

    * An assistant message holds the words that were heard; one of which none was heard is left out.
    * The result of a call directly follows it; a call without one gets an explicit cancelled result; a result
      without a call, and a call whose arguments never became complete, are left out.
    * Items still being made are left out.

    Args:
        items: The conversation, in order.
        ledger: What was heard of the agent's speech.
        with_open: Whether items still being made come too, as far as they were heard.
    """
    items = list(items)
    outputs = {item.call_id: item for item in items if item.kind == "function_call_output"}
    history: list[Item] = []
    for item in items:
        if item.kind == "function_call_output":
            continue
        if item.kind == "function_call":
            if item.status == "completed":
                history += [item, outputs.get(item.call_id) or cancelled_result(item)]
        elif item.role != "assistant":
            if item.status != "in_progress":
                history.append(item)
        elif item.status != "in_progress" or with_open:
            heard = heard_item(item, ledger)
            if heard is not None:
                history.append(heard)
    return tuple(history)


def heard_item(item: Item, ledger: HeardLedger) -> Item | None:
    """An assistant message as it was heard; None when nothing of it was."""
    content: list[ContentPart] = []
    is_cut = item.status != "completed"
    for index, part in enumerate(item.content):
        stretch = ledger.get(item.id, index)
        if stretch is None:
            if part.text or part.audio or part.image_url:
                content.append(part)
            continue
        text = ledger.heard_text(stretch)
        is_cut = is_cut or stretch.cut is not None
        if stretch.cut == 0 or not text:
            continue
        content.append(part if text == part.text else msgspec.structs.replace(part, text=text, audio=None))
    if not content:
        return None
    if content == list(item.content) and not is_cut:
        return item
    return msgspec.structs.replace(
        item, content=tuple(content), status="incomplete" if is_cut else item.status
    )
