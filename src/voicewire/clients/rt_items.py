"""What an ``RTClient`` gives: turns of the user, responses, their items and the parts of these, each read as it comes.

Every stream here holds at most ``MAX_PART_BYTES`` of what nobody read; beyond that the oldest goes. Streams do not
depend on each other: audio and words of a part may be read at once, one after the other, or only one of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any, Final, Literal, TypeAlias

import anyio
from typing_extensions import Self

from voicewire.clients import server_models as m
from voicewire.errors import LocalProtocolError, RealtimeException, SessionClosed
from voicewire.events.base import decode_base64
from voicewire.streams import BoundedStream

REQUEST_KEY: Final = "voicewire_request"
"""In the metadata of a response: the request that it answers."""
MAX_PART_BYTES: Final = 64 * 1024 * 1024
_MAX_ITEMS: Final = 10_000


def exception_of(error: m.RealtimeError) -> RealtimeException:
    """The server's error as an exception."""
    return RealtimeException(
        error.message, type=error.type, code=error.code, param=error.param, event_id=error.event_id
    )


def _stream(name: str) -> BoundedStream[str]:
    return BoundedStream(name, policy="drop_oldest", max_weight=MAX_PART_BYTES, weigh=len)


class RTInputAudioItem:
    """A turn of the user. ``await`` it: it is done when the turn is, and its transcript where there is to be one.

    Args:
        id: Its id.
        audio_start_ms: Where it begins in all audio sent; None for a turn ended by hand.
        has_transcript: Whether a transcript will come.
    """

    type: Literal["input_audio"] = "input_audio"

    def __init__(self, id: str, audio_start_ms: int | None, *, has_transcript: bool) -> None:
        self.id = id
        self.audio_start_ms = audio_start_ms
        self.audio_end_ms: int | None = None
        self.transcript: str | None = None
        self._has_transcript = has_transcript
        self._error: Exception | None = None
        self._done = anyio.Event()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._wait().__await__()

    async def _wait(self) -> None:
        await self._done.wait()
        if self._error is not None:
            raise self._error

    def take(self, message: m.ServerMessageBase) -> None:
        """Takes a message about this item."""
        match message:
            case m.InputAudioBufferSpeechStoppedMessage():
                self.audio_end_ms = message.audio_end_ms
                if not self._has_transcript:
                    self._done.set()
            case m.ItemInputAudioTranscriptionCompletedMessage():
                self.transcript = message.transcript
                self._done.set()
            case m.ItemInputAudioTranscriptionFailedMessage():
                self.fail(exception_of(message.error))
            case m.ItemCreatedMessage() | m.InputAudioBufferCommittedMessage():
                if not self._has_transcript:
                    self._done.set()
            case _:
                pass

    def fail(self, error: Exception) -> None:
        """Nothing more will come, because of this."""
        if not self._done.is_set():
            self._error = error
            self._done.set()


class RTAudioContent:
    """Speech: its audio and its words."""

    type: Literal["audio"] = "audio"

    def __init__(self, item_id: str, content_index: int) -> None:
        self.item_id = item_id
        self.content_index = content_index
        self.transcript = ""
        self._audio = _stream("audio of a content part")
        self._words = _stream("words of a content part")

    async def audio_chunks(self) -> AsyncGenerator[bytes, None]:
        """The audio, as it comes: PCM16, or what the session's output format is."""
        async for delta in self._audio:
            yield decode_base64(delta)

    async def transcript_chunks(self) -> AsyncGenerator[str, None]:
        """The words, as they come."""
        async for delta in self._words:
            yield delta

    def hear(self, delta: str) -> None:
        """Takes more audio, in base64."""
        self._audio.put_nowait(delta, len(delta))

    def take(self, message: m.ServerMessageBase) -> None:
        """Takes a message about this part."""
        match message:
            case m.ResponseAudioDeltaMessage():
                self.hear(message.delta)
            case m.ResponseAudioTranscriptDeltaMessage():
                self._words.put_nowait(message.delta)
                self.transcript += message.delta
            case m.ResponseAudioTranscriptDoneMessage():
                self.transcript = message.transcript or self.transcript
            case m.ResponseContentPartDoneMessage():
                self.transcript = message.part.transcript or self.transcript
                self.end()
            case _:
                pass

    def end(self, error: Exception | None = None) -> None:
        """Nothing more will come."""
        self._audio.close(error)
        self._words.close(error)


class RTTextContent:
    """Text."""

    type: Literal["text"] = "text"

    def __init__(self, item_id: str, content_index: int) -> None:
        self.item_id = item_id
        self.content_index = content_index
        self.text = ""
        self._chunks = _stream("text of a content part")

    async def text_chunks(self) -> AsyncGenerator[str, None]:
        """The text, as it comes."""
        async for delta in self._chunks:
            yield delta

    def take(self, message: m.ServerMessageBase) -> None:
        """Takes a message about this part."""
        match message:
            case m.ResponseTextDeltaMessage():
                self._chunks.put_nowait(message.delta)
                self.text += message.delta
            case m.ResponseContentPartDoneMessage():
                self.text = message.part.text or self.text
                self.end()
            case _:
                pass

    def end(self, error: Exception | None = None) -> None:
        """Nothing more will come."""
        self._chunks.close(error)


RTContent: TypeAlias = RTAudioContent | RTTextContent


class RTMessageItem:
    """A message of the model: iterate it for its parts."""

    type: Literal["message"] = "message"

    def __init__(self, response_id: str, id: str) -> None:
        self.response_id = response_id
        self.id = id
        self.previous_id: str | None = None
        self._parts: dict[int, RTContent] = {}
        self._stream: BoundedStream[RTContent] = BoundedStream(
            "parts of an item", policy="drop_oldest", max_items=_MAX_ITEMS
        )

    def part(self, content_index: int) -> RTContent | None:
        """A part that has begun."""
        return self._parts.get(content_index)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RTContent:
        return await self._stream.__anext__()

    def take(self, message: m.ServerMessageBase) -> None:
        """Takes a message about this item."""
        if isinstance(message, m.ResponseContentPartAddedMessage):
            kind = RTAudioContent if message.part.type == "audio" else RTTextContent
            part = kind(self.id, message.content_index)
            self._parts[message.content_index] = part
            self._stream.put_nowait(part)
        elif isinstance(message, m.ResponseOutputItemDoneMessage):
            self.end()
        else:
            index: int = getattr(message, "content_index", 0)
            if index in self._parts:
                self._parts[index].take(message)

    def end(self, error: Exception | None = None) -> None:
        """Nothing more will come."""
        for part in self._parts.values():
            part.end(error)
        self._stream.close(error)


class RTFunctionCallItem:
    """A function call: iterate it for its arguments as they come, or ``await`` it and read ``arguments``."""

    type: Literal["function_call"] = "function_call"

    def __init__(self, response_id: str, id: str, function_name: str, call_id: str) -> None:
        self.response_id = response_id
        self.id = id
        self.previous_id: str | None = None
        self.function_name = function_name
        self.call_id = call_id
        self.arguments = ""
        self._use: Literal["", "iterated", "awaited"] = ""
        self._error: Exception | None = None
        self._done = anyio.Event()
        self._chunks = _stream("arguments of a call")

    def __await__(self) -> Generator[Any, Any, None]:
        return self._wait().__await__()

    async def _wait(self) -> None:
        if self._use == "iterated":
            raise LocalProtocolError("Cannot await after iterating")
        self._use = "awaited"
        await self._done.wait()
        if self._error is not None:
            raise self._error

    def __aiter__(self) -> Self:
        if self._use == "awaited":
            raise LocalProtocolError("Cannot iterate after awaiting")
        self._use = "iterated"
        return self

    async def __anext__(self) -> str:
        return await self._chunks.__anext__()

    def take(self, message: m.ServerMessageBase) -> None:
        """Takes a message about this item."""
        match message:
            case m.ResponseFunctionCallArgumentsDeltaMessage():
                self._chunks.put_nowait(message.delta)
                self.arguments += message.delta
            case m.ResponseFunctionCallArgumentsDoneMessage():
                self.arguments = message.arguments or self.arguments
            case m.ResponseOutputItemDoneMessage(item=m.ResponseFunctionCallItem()):
                self.arguments = message.item.arguments or self.arguments
                self.end()
            case _:
                pass

    def end(self, error: Exception | None = None) -> None:
        """Nothing more will come."""
        self._chunks.close(error)
        if not self._done.is_set():
            self._error = error
            self._done.set()


RTItem: TypeAlias = RTMessageItem | RTFunctionCallItem


class RTResponse:
    """A response: iterate it for its items; after the end it has its status and usage.

    Args:
        response: What is known at the beginning.
        cancel: Cancels it.
    """

    type: Literal["response"] = "response"

    def __init__(self, response: m.Response, cancel: Callable[[str], Awaitable[None]]) -> None:
        self._response = response
        self._cancel = cancel
        self._items: dict[str, RTItem] = {}
        self._hidden: dict[str, RTItem] = {}
        self._done = anyio.Event()
        self._stream: BoundedStream[RTItem] = BoundedStream(
            "items of a response", policy="drop_oldest", max_items=_MAX_ITEMS
        )

    @property
    def id(self) -> str:
        """Its id."""
        return self._response.id

    @property
    def status(self) -> str:
        """``in_progress``, then ``completed``, ``cancelled``, ``incomplete`` or ``failed``."""
        return self._response.status

    @property
    def status_details(self) -> m.ResponseStatusDetails | None:
        """Why it has its status."""
        return self._response.status_details

    @property
    def output(self) -> list[Any]:
        """Its items, whole; empty before the end."""
        return self._response.output

    @property
    def usage(self) -> m.Usage | None:
        """Tokens; None before the end."""
        return self._response.usage

    @property
    def metadata(self) -> dict[str, Any] | None:
        """As it was asked for."""
        given = self._response.metadata or {}
        return {key: value for key, value in given.items() if key != REQUEST_KEY} or None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RTItem:
        return await self._stream.__anext__()

    async def cancel(self) -> None:
        """Cancels it, and waits for its end.

        Cancellation: the request was sent; the response ends all the same.
        """
        if not self._done.is_set():
            await self._cancel(self.id)
        await self._done.wait()

    async def wait(self) -> None:
        """Waits for its end."""
        await self._done.wait()

    def take(self, message: m.ServerMessageBase) -> None:
        """Takes a message about this response."""
        match message:
            case m.ResponseOutputItemAddedMessage():
                self._add(message)
            case m.ItemCreatedMessage():
                item = self._items.get(message.item.id or "")
                if item is not None:
                    item.previous_id = message.previous_item_id
                    self._show(item)
            case m.ResponseDoneMessage():
                self._response = message.response
                self.end()
            case _:
                self._take_of_item(message)

    def _add(self, message: m.ResponseOutputItemAddedMessage) -> None:
        item = message.item
        found: RTItem | None = None
        if isinstance(item, m.ResponseFunctionCallItem):
            found = RTFunctionCallItem(self.id, item.id or "", item.name, item.call_id)
        elif isinstance(item, m.ResponseMessageItem):
            found = RTMessageItem(self.id, item.id or "")
        if found is not None:
            self._items[found.id] = self._hidden[found.id] = found

    def _take_of_item(self, message: m.ServerMessageBase) -> None:
        item_id: str = getattr(message, "item_id", "")
        if isinstance(message, m.ResponseOutputItemDoneMessage):
            item_id = message.item.id or ""
        item = self._items.get(item_id)
        if item is not None:
            # A response outside of the conversation has no message that its items were added to it.
            self._show(item)
            item.take(message)

    def _show(self, item: RTItem) -> None:
        if self._hidden.pop(item.id, None) is not None:
            self._stream.put_nowait(item)

    def audio_part(self, item_id: str, content_index: int) -> RTAudioContent | None:
        """A part that is being read already, where it is speech."""
        item = self._items.get(item_id)
        part = item.part(content_index) if type(item) is RTMessageItem else None
        return part if type(part) is RTAudioContent else None

    def has_item(self, item_id: str) -> bool:
        """Whether an item is one of its."""
        return item_id in self._items

    def end(self, error: Exception | None = None) -> None:
        """Nothing more will come."""
        for item in list(self._hidden.values()):
            self._show(item)
        for item in self._items.values():
            item.end(error)
        self._stream.close(error)
        self._done.set()


def closed_error(error: Exception | None) -> Exception:
    """What waits for more is told this when the connection is over."""
    return error if error is not None else SessionClosed("the connection was closed", code=1000)
