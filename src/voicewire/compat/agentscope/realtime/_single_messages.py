"""Reading and sending single messages, as programs do that reach below AgentScope's models.

The original's own tests give a model a WebSocket (``_websocket``) and hand it one message at a time
(``parse_api_message``). A session of Voicewire knows nothing of this: its codecs follow a whole conversation. So the
original's table of messages is here, one event for a message, and only for such programs.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

import anyio.to_thread
import msgspec

from voicewire.errors import InvalidEventError, SessionClosed, UnsupportedError
from voicewire.events.base import EventBase
from voicewire.events.model import ModelErrorEvent
from voicewire.models.blocks import fetch, kind_of
from voicewire.models.queue_door import RealtimeModelBase

Json = dict[str, Any]
Block = Mapping[str, Any]


class Socket(Protocol):
    """A WebSocket of the ``websockets`` package."""

    @property
    def state(self) -> object:
        """``State.OPEN`` while messages can be sent."""
        ...

    def send(self, message: str, /) -> Awaitable[object]:
        """Sends one text message."""
        ...


class SingleMessages(RealtimeModelBase):
    """What a model of AgentScope has below ``connect``, ``send`` and ``disconnect``."""

    _websocket: Socket | None = None
    """A connection that was put here by hand; blocks go to it instead of the model's own."""
    _response_id: str | None = ""

    async def parse_api_message(self, message: str) -> EventBase | list[EventBase] | None:
        """The event of one message of the provider; None where the original has none for it."""
        try:
            fields: object = msgspec.json.decode(message)
        except msgspec.DecodeError:
            return None
        return self._event_of(cast("Json", fields)) if isinstance(fields, dict) else None

    async def send(self, data: Block) -> None:
        """Sends one block: over the connection of ``connect``, or over ``_websocket`` where there is one."""
        socket = self._websocket
        if socket is None:
            await super().send(data)
            return
        if getattr(socket.state, "name", "") != "OPEN":
            raise SessionClosed(f"the WebSocket of {self.model_name} is not open; connect it first")
        kind = kind_of(data)
        if kind not in self.support_input_modalities:
            raise UnsupportedError(
                f"{self.name} does not take {kind} blocks; it takes {self.support_input_modalities}"
            )
        await socket.send(msgspec.json.encode(await self._frame_of(kind, data)).decode())

    def _event_of(self, fields: Json) -> EventBase | list[EventBase] | None:
        """The event of one message; each provider has its own table."""
        raise UnsupportedError(f"{self.name} reads no single messages")

    async def _frame_of(self, kind: str, block: Block) -> Json:
        """The message that says a block; each provider has its own."""
        raise UnsupportedError(f"{self.name} sends no single messages")


def object_in(fields: Block, name: str) -> Json:
    """A field that is an object; empty where it is none."""
    value: object = fields.get(name)
    return dict(cast("Block", value)) if isinstance(value, Mapping) else {}


def text_in(fields: Block, name: str) -> str:
    """A field as text; empty where it is missing."""
    value: object = fields.get(name)
    return "" if value is None else str(value)


def get_bytes_from_web_url(url: str) -> str:
    """The content of an address, in base64.

    Raises:
        InvalidEventError: It could not be fetched.
    """
    return base64.b64encode(fetch(url)[0]).decode()


async def data_of(block: Block, get: Callable[[str], str]) -> str:
    """The data of a block's source, in base64.

    Args:
        block: An audio or image block.
        get: Fetches the content of an address.
    """
    fields = object_in(block, "source")
    data, url = fields.get("data"), fields.get("url")
    if fields.get("type") == "base64" and isinstance(data, str):
        return data
    if fields.get("type") == "url" and isinstance(url, str):
        return await anyio.to_thread.run_sync(get, url, abandon_on_cancel=True)
    raise InvalidEventError(f"a {block.get('type')} block needs a 'source' of type base64 (with data) or url")


def error_event(fields: Json, kind: str) -> EventBase:
    """The event of an error message; ``kind`` is the name of the field with its type."""
    error = object_in(fields, "error")
    return ModelErrorEvent(
        error_type=text_in(error, kind) or "unknown",
        code=text_in(error, "code") or "unknown",
        message=text_in(error, "message") or "An unknown error occurred.",
    )
