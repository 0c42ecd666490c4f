"""When a client's ``response.create`` and ``response.cancel`` may go out.

The wire allows one response at a time in a conversation, refuses a second ``response.create`` and loses a
``response.cancel`` that overtakes ``response.created``. So requests wait here, merged into one, and a cancel
is held until there is something to cancel. The rule for which ``CreateResponse`` is absorbed is that of
``voicewire.conversation.responses.AskRule``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from voicewire.events.commands import (
    Command,
    CommitAudio,
    CreateResponse,
    SendImage,
    SendText,
    SendToolResult,
)
from voicewire.protocols.openai.codes import CONVERSATION_ALREADY_HAS_ACTIVE_RESPONSE


def is_plain(command: CreateResponse) -> bool:
    """Whether nothing is set but the command's id."""
    return command == CreateResponse(command_id=command.command_id)


class Absorption:
    """Recognises the plain ``CreateResponse`` that means a response which was asked for already."""

    def __init__(self) -> None:
        self.ask = 0
        """Number of the latest asking command; 0 before the first."""
        self._is_open = False

    def absorbs(self, command: Command) -> bool:
        """Notes one command, in the order of sending; True when it is to be left out.

        Not for ``AppendAudio``, which may come between an ask and the request that means the same.
        """
        if isinstance(command, CreateResponse) and self._is_open and is_plain(command):
            self._is_open = False
            return True
        asks = isinstance(command, (SendText, SendImage, CommitAudio, SendToolResult)) and command.respond
        self._is_open = asks
        self.ask += asks
        return False

    def answered(self, ask: int) -> None:
        """The response to this ask, and to all before it, was reported done."""
        if ask >= self.ask:
            self._is_open = False


@dataclass(slots=True)
class Request:
    """One ``response.create``."""

    command: CreateResponse
    event_id: str
    ask: int = 0
    """The latest asking command that it answers."""


def merged(first: Request, second: Request) -> Request:
    """One request that does for both: what the later one sets wins."""
    one, two = first.command, second.command
    command = CreateResponse(
        instructions=one.instructions if two.instructions is None else two.instructions,
        modality=two.modality or one.modality,
        voice=two.voice or one.voice,
        tools=one.tools if two.tools is None else two.tools,
        tool_choice=two.tool_choice or one.tool_choice,
        max_output_tokens=two.max_output_tokens or one.max_output_tokens,
        metadata={**one.metadata, **two.metadata},
        input_items=one.input_items if two.input_items is None else two.input_items,
        extra={**one.extra, **two.extra},
        command_id=two.command_id or one.command_id,
    )
    return Request(command, second.event_id if two.command_id else first.event_id, max(first.ask, second.ask))


@dataclass(slots=True, frozen=True)
class Refusal:
    """What an ``error`` means for the requests that were sent."""

    is_absorbed: bool = False
    """The error is dealt with and not worth reporting."""
    command_id: str | None = None
    """The command that the error belongs to; None when it is none of ours."""


class ResponseSequencer:
    """Keeps at most one response of the conversation asked for or active; out-of-band ones go beside it."""

    def __init__(self) -> None:
        self.active_id: str | None = None
        """The conversation's response that was created and is not done."""
        self._out_of_band: set[str] = set()
        self._out_of_band_requests = 0
        self._unanswered: Request | None = None
        self._answering: Request | None = None
        self._waiting: Request | None = None
        self._cancelled: set[str] = set()
        self._is_cancel_held = False

    @property
    def is_free(self) -> bool:
        """Whether a request would be sent at once."""
        return self.active_id is None and self._unanswered is None

    @property
    def may_be_out_of_band(self) -> bool:
        """Whether a new response that names no conversation can be outside of it.

        Some providers never name the conversation; their answer to a plain request is not out of band.
        """
        return self._out_of_band_requests > 0 or self._unanswered is None

    @property
    def awaited(self) -> Request | None:
        """The request that was sent and that no response answers yet."""
        return self._unanswered

    def request(self, request: Request) -> Request | None:
        """A response is wanted; gives what is to be sent now, if anything."""
        if request.command.is_out_of_band:
            self._out_of_band_requests += 1
            return request
        self._waiting = request if self._waiting is None else merged(self._waiting, request)
        return self.next_request()

    def cancel(self, response_id: str | None) -> str | None:
        """A response is to be cancelled; gives the id to cancel now, if any."""
        if response_id is None:
            if self.active_id is None:
                self._is_cancel_held = self._unanswered is not None
                return None
            response_id = self.active_id
        elif response_id != self.active_id and response_id not in self._out_of_band:
            return None
        if response_id in self._cancelled:
            return None
        self._cancelled.add(response_id)
        return response_id

    def created(self, response_id: str, *, is_out_of_band: bool) -> str | None:
        """A response began; gives the id to cancel now, if a cancel was held for it."""
        if is_out_of_band:
            self._out_of_band.add(response_id)
            self._out_of_band_requests = max(0, self._out_of_band_requests - 1)
            return None
        self.active_id = response_id
        self._answering, self._unanswered = self._unanswered, None
        if not self._is_cancel_held:
            return None
        self._is_cancel_held = False
        return self.cancel(response_id)

    def done(self, response_id: str) -> int:
        """A response ended; gives the ask that it answered, 0 for none. ``next_request`` follows."""
        self._cancelled.discard(response_id)
        self._out_of_band.discard(response_id)
        if response_id != self.active_id:
            return 0
        self.active_id = None
        answered, self._answering = self._answering, None
        return 0 if answered is None else answered.ask

    def next_request(self) -> Request | None:
        """The waiting request, if it is to be sent now."""
        if self._waiting is None or not self.is_free:
            return None
        self._unanswered, self._waiting = self._waiting, None
        return self._unanswered

    def refused(self, event_id: str | None, code: str | None) -> Refusal:
        """The provider sent an error. ``next_request`` follows.

        A request refused because a response is active (the provider started one by itself meanwhile) waits
        for the end of that one.
        """
        is_race = code == CONVERSATION_ALREADY_HAS_ACTIVE_RESPONSE
        request = self._refused_request(event_id, is_race)
        if request is None:
            if event_id is None and self.active_id is None:
                # An error that names no event may be the only answer to the request; without this the
                # sequencer would wait for another one for ever.
                self._release()
            return Refusal()
        if request is self._unanswered:
            self._release()
        else:
            self._answering = None
        if is_race and self.active_id is not None:
            self._waiting = request if self._waiting is None else merged(request, self._waiting)
            return Refusal(is_absorbed=True, command_id=request.command.command_id)
        return Refusal(command_id=request.command.command_id)

    def _refused_request(self, event_id: str | None, is_race: bool) -> Request | None:
        for request in (self._unanswered, self._answering):
            if request is not None and (request.event_id == event_id or (event_id is None and is_race)):
                return request
        return None

    def _release(self) -> None:
        self._unanswered = None
        self._is_cancel_held = False


@dataclass(slots=True)
class _Round:
    open_calls: set[str] = field(default_factory=set[str])
    is_done: bool = False
    is_wanted: bool = False
    ask: int = 0


class ToolRounds:
    """Which function calls wait for their result, by the response that made them.

    The response to the results is due when the calling response is done and all its calls are answered.
    """

    def __init__(self) -> None:
        self._rounds: dict[str, _Round] = {}
        self._response_of: dict[str, str] = {}

    def called(self, response_id: str, call_id: str) -> None:
        """A call was made."""
        if call_id not in self._response_of:
            self._response_of[call_id] = response_id
            self._rounds.setdefault(response_id, _Round()).open_calls.add(call_id)

    def answered(self, call_id: str, *, respond: bool, ask: int) -> Request | None:
        """A result is sent; gives the request that is due now, if any. Unknown calls are nobody's concern."""
        response_id = self._response_of.pop(call_id, None)
        if response_id is None:
            return _tool_request(ask) if respond else None
        round_ = self._rounds[response_id]
        round_.open_calls.discard(call_id)
        if respond:
            round_.is_wanted = True
            round_.ask = ask
        return self._due(response_id)

    def response_done(self, response_id: str) -> Request | None:
        """The calling response ended; gives the request that is due now, if any."""
        round_ = self._rounds.get(response_id)
        if round_ is None:
            return None
        round_.is_done = True
        return self._due(response_id)

    def _due(self, response_id: str) -> Request | None:
        round_ = self._rounds[response_id]
        if round_.open_calls or not round_.is_done:
            return None
        del self._rounds[response_id]
        return _tool_request(round_.ask) if round_.is_wanted else None


def _tool_request(ask: int) -> Request:
    return Request(CreateResponse(), "", ask)
