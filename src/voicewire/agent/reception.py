"""What a front end and other agents ask of a running agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from voicewire.agent.calls import Calls
from voicewire.agent.incoming import Incoming, SessionRequest, image_command
from voicewire.agent.outgoing import DEFAULT_SLOW_CONSUMER_S, Outgoing
from voicewire.agent.toolkit import Toolkit
from voicewire.agent.tools import DEFAULT_TIMEOUT_S
from voicewire.agent.wording import Voice
from voicewire.clock import Clock, MonotonicClock
from voicewire.errors import InvalidEventError
from voicewire.events.base import EventBase
from voicewire.events.client import (
    ClientAudioAppendEvent,
    ClientAudioCommitEvent,
    ClientImageAppendEvent,
    ClientPlayoutReportEvent,
    ClientResponseCancelEvent,
    ClientResponseCreateEvent,
    ClientSessionCreateEvent,
    ClientTextAppendEvent,
    ClientToolResultEvent,
)
from voicewire.events.commands import Command, CommitAudio, CreateResponse, SendText, UpdateSession
from voicewire.events.items import Item
from voicewire.events.server import (
    ServerSessionCreatedEvent,
    ServerSessionEndedEvent,
    ServerSessionUpdatedEvent,
)
from voicewire.events.session import SessionConfig, ToolSpec, tool_specs
from voicewire.models.blocks import command_of
from voicewire.models.model import RealtimeModel


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """What an agent is, as it holds for one run."""

    model: RealtimeModel
    instructions: str = ""
    config: SessionConfig | None = None
    toolkit: Toolkit | None = None
    client_tools: tuple[ToolSpec, ...] = ()
    history: tuple[Item, ...] = ()
    """Said before; the model is given it first."""
    cancels_tools: bool = False
    client_tool_timeout_s: float = DEFAULT_TIMEOUT_S
    slow_consumer_s: float = DEFAULT_SLOW_CONSUMER_S
    on_interruption: Callable[[], None] | None = None
    reports_playout: bool = False
    """Whether the front end tells what it has played."""
    clock: Clock = field(default_factory=MonotonicClock)


class Conversation(Protocol):
    """What the reception does to the conversation."""

    def command(self, command: Command) -> None:
        """Takes one command."""
        ...

    def interrupt(self) -> None:
        """Stops the response under way."""
        ...

    def played(self, report: ClientPlayoutReportEvent) -> None:
        """Takes what the front end has played."""
        ...


class Reception:
    """Takes events for one run and keeps the front end's session.

    Args:
        voice: Words events as the agent's.
        settings: What the agent is.
        calls: The calls under way.
        conversation: Gets the commands.
        outgoing: Gets the events of the front end's session.
        session_id: Id of that session, where it is known from the start.
    """

    def __init__(
        self,
        voice: Voice,
        settings: AgentSettings,
        calls: Calls,
        conversation: Conversation,
        outgoing: Outgoing,
        session_id: str | None,
    ) -> None:
        self._voice = voice
        self._settings = settings
        self._calls = calls
        self._conversation = conversation
        self._outgoing = outgoing
        self._incoming = Incoming(voice.agent_id)
        self._session_id = session_id
        self._model_session_id = ""
        self.updates = 0
        """Changes of the session that the model has not confirmed yet."""

    def tool_specs(self, client_tools: tuple[ToolSpec, ...]) -> tuple[ToolSpec, ...]:
        """What the model is told of the tools, here and, from now on, in the front end.

        Raises:
            ConfigError: Two of them have one name; nothing changed.
        """
        own = self._settings.toolkit.specs if self._settings.toolkit is not None else ()
        specs = tool_specs((*own, *client_tools))
        self._calls.declare(spec.name for spec in client_tools)
        return specs

    def opened(self, model_session_id: str) -> None:
        """The agent takes input."""
        self._model_session_id = model_session_id
        if self._session_id is not None:
            self._outgoing.emit(ServerSessionCreatedEvent(session_id=self._session_id))

    def closed(self, reason: str, code: int) -> None:
        """The agent has ended."""
        if self._session_id is not None:
            ended = ServerSessionEndedEvent(session_id=self._session_id, reason=reason, code=code)
            self._outgoing.emit(ended)

    def confirm_update(self) -> None:
        """The model reports its configuration; told in front when somebody asked for a change."""
        if self.updates > 0:
            self.updates -= 1
            if self._session_id is not None:
                self._outgoing.emit(ServerSessionUpdatedEvent(session_id=self._session_id))

    async def take(self, event: EventBase, config: SessionConfig) -> None:
        """Takes one event.

        Args:
            event: Of the front end or another agent; one that says nothing to an agent is left alone.
            config: The conversation's configuration.

        Raises:
            VoicewireError: The event is wrong, or beyond the model; nothing happened.
        """
        command = self._conversation.command
        match event:
            case ClientAudioAppendEvent():
                for append in self._incoming.client_audio(event):
                    command(append)
            case ClientTextAppendEvent():
                command(SendText(event.text))
            case ClientImageAppendEvent():
                command(image_command(event))
            case ClientAudioCommitEvent():
                command(CommitAudio())
            case ClientResponseCreateEvent():
                command(CreateResponse())
            case ClientResponseCancelEvent():
                self._conversation.interrupt()
            case ClientPlayoutReportEvent():
                if not self._settings.reports_playout:
                    raise InvalidEventError(
                        "this session does not take playout reports; create it with config 'reports_playout': true"
                    )
                self._conversation.played(event)
            case ClientToolResultEvent():
                await self._take_result(event)
            case ClientSessionCreateEvent():
                self._configure(event)
            case _:
                for append in self._incoming.other_agent(event, config):
                    command(append)

    async def _take_result(self, event: ClientToolResultEvent) -> None:
        # The one place that knows how blocks become the text of a result.
        block: Mapping[str, Any] = {"type": "tool_result", "id": event.id, "output": event.output}
        result = await command_of(block, sample_rate_hz=1)
        output: str = getattr(result, "output", "")
        if not self._calls.answer(event.id, output):
            raise InvalidEventError(
                f"field 'id': no call {event.id!r} waits for a result of the front end"
                " (it was never made, has its result, or runs in the back end)"
            )

    def _configure(self, event: ClientSessionCreateEvent) -> None:
        """Creates the front end's session, or changes the one there is."""
        request = SessionRequest.read(event.config)
        changes: dict[str, Any] = {}
        if request.instructions is not None or request.user_name:
            changes["instructions"] = request.instructions_after(self._settings.instructions)
        if request.voice:
            changes["voice"] = request.voice
        if request.turn_detection is not msgspec.UNSET:
            changes["turn_detection"] = request.turn_detection
        if request.tools is not None:
            changes["tools"] = self.tool_specs(request.tools)
        if request.agent_name:
            self._voice.agent_name = request.agent_name
        is_new = self._session_id is None
        if self._session_id is None:
            named: object = event.config.get("session_id")
            self._session_id = named if isinstance(named, str) else self._model_session_id
            self._outgoing.emit(ServerSessionCreatedEvent(session_id=self._session_id))
        if changes:
            self._conversation.command(UpdateSession(**changes))
        elif not is_new:
            self._outgoing.emit(ServerSessionUpdatedEvent(session_id=self._session_id))
