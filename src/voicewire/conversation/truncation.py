"""What a truncation may cut: one rule for everybody who keeps a ledger. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from voicewire.conversation.heard import Stretch
from voicewire.events.commands import TruncateItem
from voicewire.events.items import Item
from voicewire.events.model import ModelErrorEvent

TRUNCATION_SLACK_MS: Final = 20
"""By so much a truncation may lie beyond the audio: one packet of a client that rounds up."""


class Cut(NamedTuple):
    """What is left of a stretch."""

    item: Item
    stretch: Stretch
    samples: int
    ms: int


def judged(command: TruncateItem, item: Item | None, stretch: Stretch | None) -> Cut | ModelErrorEvent:
    """What a truncation leaves, or why it is refused.

    Args:
        command: The truncation.
        item: The item that it names; None when there is none.
        stretch: The speech that it names; None when there is none.
    """
    if item is None:
        message = f"Error truncating item: the item with id '{command.item_id}' does not exist."
        return _refusal(command, "item_truncate_invalid_item_id", message, "item_id")
    if stretch is None or not stretch.generated:
        message = "Only model output audio messages can be truncated"
        return _refusal(command, "unsupported_content_type", message, None)
    available = stretch.generated if stretch.cut is None or stretch.is_estimated else stretch.cut
    available_ms = stretch.ms_of(available)
    if not 0 <= command.audio_end_ms <= available_ms + TRUNCATION_SLACK_MS:
        message = f"Audio content of {available_ms}ms is already shorter than {command.audio_end_ms}ms"
        return _refusal(command, "invalid_value", message, "audio_end_ms")
    kept_ms = min(command.audio_end_ms, available_ms)
    is_all = 0 < kept_ms == available_ms
    return Cut(item, stretch, available if is_all else stretch.samples_of_ms(kept_ms), kept_ms)


def _refusal(command: TruncateItem, code: str, message: str, param: str | None) -> ModelErrorEvent:
    return ModelErrorEvent(
        error_type="invalid_request_error",
        code=code,
        message=message,
        param=param,
        command_id=command.command_id,
    )
