"""The history of a session as a new connection is told it: what was heard, every call with its result."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec

from voicewire.conversation.heard import Stretch
from voicewire.events.commands import Command, CreateItem, SendImage
from voicewire.events.items import ContentPart, Item
from voicewire.events.model import ModelResponseAudioDeltaEvent

_MAX_UNCLAIMED = 16
WORDS_NOT_KNOWN = "[The user said something here that was answered and not transcribed.]"
"""Stands for a turn of which a new connection is told, and whose words are not known."""
_PASSED_ON = frozenset({"message", "function_call", "function_call_output"})


@dataclass(slots=True)
class _Entry:
    item: Item
    image: SendImage | None = None
    is_covered: bool = False
    """The provider's own record of the session, by which it can be resumed, has it."""
    is_done: bool = True
    speech: dict[int, Stretch] = field(default_factory=dict[int, Stretch])


class ToldItems:
    """Items in order, each as far as it was heard.

    Args:
        max_items: The most items to keep; older ones are forgotten and counted.
        takes_calls: Whether calls and their results can be told as such, a call without its result too; else in words.
    """

    def __init__(self, max_items: int, *, takes_calls: bool) -> None:
        self._max_items = max_items
        self._takes_calls = takes_calls
        self._entries: list[_Entry] = []
        self._by_id: dict[str, _Entry] = {}
        self._unclaimed: deque[_Entry] = deque(maxlen=_MAX_UNCLAIMED)
        self._open_calls: set[str] = set()
        # What was spoken of last, since audio comes many pieces in a row.
        self._speaking: Stretch | None = None
        self._speaking_id, self._speaking_index, self._sample_bytes = "", 0, 2
        self.forgotten = 0
        """Items that were forgotten for want of room."""
        self.open_in_words: dict[str, str] = {}
        """Names of calls, by their ids, that were told in words and whose results have to be, too."""

    @property
    def has_open_calls(self) -> bool:
        """Whether a call waits for its result."""
        return bool(self._open_calls)

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all items that have one."""
        return frozenset(self._by_id)

    # ------------------------------------------------------------------ what happens

    def add(self, item: Item, *, after: str | None = None) -> None:
        """An item of the user's side, or a call's result; one that is known already is left as it is."""
        if item.id in self._by_id or item.kind not in _PASSED_ON or (not item.id and self._claims(item)):
            return
        self._insert(_Entry(item), after)
        if item.kind == "function_call_output":
            self._open_calls.discard(item.call_id or "")

    def add_image(self, command: SendImage) -> None:
        """An image of the user's."""
        self._insert(_Entry(Item(id="", role="user"), image=command))

    def seen(self, item: Item, response_id: str | None) -> None:
        """The provider added an item."""
        if item.id in self._by_id:
            return
        if response_id is None:
            if (mine := self._unnamed(item)) is not None:
                mine.item = msgspec.structs.replace(mine.item, id=item.id)
                self._by_id[item.id] = mine
            elif item.kind in _PASSED_ON:
                # Told before the command that made it was noted, or made by the provider.
                entry = _Entry(item)
                self._unclaimed.append(entry)
                self._insert(entry)
        elif item.kind == "message":
            self._insert(_Entry(item, is_done=False))

    def done(self, item: Item, response_id: str | None) -> None:
        """The provider finished an item."""
        entry = self._by_id.get(item.id)
        if entry is None or entry.item.role != "assistant" or response_id is None:
            return
        entry.item = item
        entry.is_done = item.status == "completed"
        for stretch in entry.speech.values():
            stretch.end(is_complete=entry.is_done)

    def called(self, item: Item) -> None:
        """The model made a call."""
        if item.id not in self._by_id:
            self._insert(_Entry(item))
            self._open_calls.add(item.call_id or "")

    def said(self, item_id: str, content_index: int, words: str) -> None:
        """Words of the assistant."""
        if (stretch := self._stretch(item_id, content_index)) is not None:
            stretch.add_text(words)

    def spoke(self, event: ModelResponseAudioDeltaEvent) -> None:
        """Audio of the assistant; the hot path, so what it belongs to is looked up once."""
        if event.item_id != self._speaking_id or event.content_index != self._speaking_index:
            self._speaking_id, self._speaking_index = event.item_id, event.content_index
            self._speaking = self._stretch(event.item_id, event.content_index)
            if self._speaking is not None:
                self._speaking.rate_hz = event.format.rate
            self._sample_bytes = 2 if event.format.type == "audio/pcm" else 1
        if (stretch := self._speaking) is not None:
            stretch.generated += event.size_bytes // self._sample_bytes

    def heard_user(self, item_id: str, transcript: str) -> None:
        """The words of a spoken turn."""
        part = ContentPart(kind="text", text=transcript)
        entry = self._by_id.get(item_id)
        if entry is None:
            self._insert(_Entry(Item(id=item_id, role="user", content=(part,))))
        else:
            entry.item = msgspec.structs.replace(entry.item, content=(part,))

    def cut(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """The listener heard an item only to here."""
        entry = self._by_id.get(item_id)
        if entry is None:
            return
        if audio_end_ms <= 0:
            self.remove(item_id)
        elif (stretch := entry.speech.get(content_index)) is not None:
            stretch.cut = min(stretch.samples_of_ms(audio_end_ms), stretch.generated)

    def remove(self, item_id: str) -> None:
        """An item is gone."""
        entry = self._by_id.pop(item_id, None)
        self._speaking_id = ""
        if entry is not None:
            self._entries.remove(entry)
            if entry.item.kind == "function_call":
                self._open_calls.discard(entry.item.call_id or "")

    def cover(self) -> None:
        """The provider can resume the session with all that was said so far."""
        for entry in self._entries:
            entry.is_covered = entry.is_done

    # ------------------------------------------------------------------ for a new connection

    def told(self, *, is_resumed: bool) -> list[Command]:
        """The commands that tell a new connection of the conversation so far.

        Args:
            is_resumed: Whether the provider has what it was said to cover.
        """
        outputs = {e.item.call_id: e.item for e in self._entries if e.item.kind == "function_call_output"}
        commands: list[Command] = []
        for entry in self._entries:
            item = entry.item
            if (is_resumed and entry.is_covered) or item.kind == "function_call_output":
                continue
            if entry.image is not None:
                commands.append(msgspec.structs.replace(entry.image, respond=False))
            elif item.kind == "function_call":
                commands += self._told_call(item, outputs.get(item.call_id))
            elif (heard := _heard(entry)) is not None:
                commands.append(CreateItem(item=heard))
        return commands

    def _told_call(self, call: Item, result: Item | None) -> list[Command]:
        if self._takes_calls:
            return [CreateItem(item=item) for item in (call, result) if item is not None]
        # The wire only takes the results of calls that it made itself, so this one is told in words.
        said = f"[The function {call.name} was called with {call.arguments or '{}'}"
        if result is None:
            self.open_in_words[call.call_id or ""] = call.name or ""
            said += " and has not returned yet.]"
        else:
            said += f" and returned: {result.output}]"
        part = ContentPart(kind="text", text=said)
        return [CreateItem(item=Item(id=call.id, role="user", content=(part,)))]

    # ------------------------------------------------------------------ inside

    def _insert(self, entry: _Entry, after: str | None = None) -> None:
        place = len(self._entries)
        if after == "root":
            place = 0
        elif after is not None and after in self._by_id:
            place = self._entries.index(self._by_id[after]) + 1
        self._entries.insert(place, entry)
        self._speaking_id = ""
        if entry.item.id:
            self._by_id[entry.item.id] = entry
        while len(self._entries) > self._max_items:
            oldest = self._entries.pop(0)
            self._by_id.pop(oldest.item.id, None)
            self.forgotten += 1

    def _stretch(self, item_id: str, content_index: int) -> Stretch | None:
        entry = self._by_id.get(item_id)
        if entry is None:
            return None
        stretch = entry.speech.get(content_index)
        if stretch is None:
            stretch = Stretch(item_id, content_index, generation=0, rate_hz=24000, first_ms=0)
            entry.speech[content_index] = stretch
        return stretch

    def _claims(self, item: Item) -> bool:
        """Whether the provider has shown this item already."""
        for entry in self._unclaimed:
            if _is_same(item, entry.item):
                self._unclaimed.remove(entry)
                if item.kind == "function_call_output":
                    self._open_calls.discard(item.call_id or "")
                return True
        return False

    def _unnamed(self, item: Item) -> _Entry | None:
        """The oldest item that the application sent, as the provider would show it, and that has no id yet."""
        for entry in self._entries:
            mine = entry.item
            is_image = entry.image is not None and item.kind == "message" and item.role == "user"
            if not mine.id and (_is_same(mine, item) or is_image):
                return entry
        return None


def _is_same(one: Item, other: Item) -> bool:
    if one.kind == "function_call_output":
        return other.kind == one.kind and other.call_id == one.call_id
    return (one.kind, one.role, one.text) == (other.kind, other.role, other.text)


def _heard(entry: _Entry) -> Item | None:
    """A message as it was heard; None when there is nothing of it."""
    item = entry.item
    if item.role != "assistant":
        parts = tuple(part for part in item.content if part.text or part.image_url or part.audio)
        if not parts and any(part.kind == "audio" and not part.is_transcribed for part in item.content):
            parts = (ContentPart(kind="text", text=WORDS_NOT_KNOWN),)
        return msgspec.structs.replace(item, content=parts, status="completed") if parts else None
    texts = {index: part.text for index, part in enumerate(item.content)}
    for index, stretch in entry.speech.items():
        if stretch.cut is not None:
            texts[index] = stretch.text_at(stretch.cut)
        elif not entry.is_done and stretch.generated:
            texts[index] = stretch.text_at(stretch.generated)
        elif not texts.get(index):
            texts[index] = stretch.text
    content = tuple(ContentPart(kind="text", text=texts[index]) for index in sorted(texts) if texts[index])
    return msgspec.structs.replace(item, content=content, status="completed") if content else None
