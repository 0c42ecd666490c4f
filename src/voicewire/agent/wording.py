"""A conversation's events in the words of one agent."""

from __future__ import annotations

from voicewire.agent.progress import ProgressReport
from voicewire.conversation.heard import Stretch
from voicewire.events import server as s
from voicewire.events.base import Event, EventBase, type_name
from voicewire.events.model import (
    ModelAudioDroppedEvent,
    ModelErrorEvent,
    ModelInputTranscriptionFailedEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseTextDeltaEvent,
    ModelResponseTextDoneEvent,
    WebsocketDisconnectEvent,
)


class Voice:
    """Says events as one agent.

    Args:
        agent_id: Its id.
        agent_name: Its name; may change.
    """

    def __init__(self, agent_id: str, agent_name: str) -> None:
        self.agent_id = agent_id
        self.agent_name = agent_name

    def ready(self) -> s.AgentReadyEvent:
        """The agent takes input."""
        return s.AgentReadyEvent(agent_id=self.agent_id, agent_name=self.agent_name)

    def ended(self, reason: str, code: int) -> s.AgentEndedEvent:
        """The agent has ended."""
        return s.AgentEndedEvent(agent_id=self.agent_id, agent_name=self.agent_name, reason=reason, code=code)

    def error(self, error_type: str, code: str, message: str) -> s.AgentErrorEvent:
        """Something went wrong."""
        return s.AgentErrorEvent(
            agent_id=self.agent_id,
            agent_name=self.agent_name,
            error_type=error_type,
            code=code,
            message=message,
        )

    def audio(self, event: ModelResponseAudioDeltaEvent) -> s.AgentResponseAudioDeltaEvent:
        """A piece of speech."""
        return s.AgentResponseAudioDeltaEvent.of(event, self.agent_id, self.agent_name)

    def flush(self, generation: int) -> s.AgentPlayoutFlushEvent:
        """What was said and is not played yet must not be."""
        return s.AgentPlayoutFlushEvent(
            agent_id=self.agent_id, agent_name=self.agent_name, generation=generation
        )

    def heard(self, stretch: Stretch, heard_text: str) -> s.AgentPlayoutHeardEvent:
        """How much of a stretch of speech was heard."""
        return s.AgentPlayoutHeardEvent(
            agent_id=self.agent_id,
            agent_name=self.agent_name,
            item_id=stretch.item_id,
            content_index=stretch.content_index,
            heard_samples=stretch.heard,
            generated_samples=stretch.generated,
            rate=stretch.rate_hz,
            heard_text=heard_text,
            is_final=stretch.is_whole or stretch.cut is not None,
            is_cut=stretch.cut is not None,
        )

    def tool_progress(
        self, call_id: str, name: str, report: ProgressReport
    ) -> s.AgentResponseToolProgressEvent:
        """How far a call has come."""
        return s.AgentResponseToolProgressEvent(
            agent_id=self.agent_id,
            agent_name=self.agent_name,
            id=call_id,
            name=name,
            message=report.message,
            progress=report.progress,
            total=report.total,
        )

    def tool_result(self, call_id: str, name: str, output: str) -> s.AgentResponseToolResultEvent:
        """A call has its result."""
        return s.AgentResponseToolResultEvent(
            agent_id=self.agent_id,
            agent_name=self.agent_name,
            tool_result={"type": "tool_result", "id": call_id, "name": name, "output": output},
        )

    def events(self, event: EventBase) -> list[Event]:
        """The agent's form of any other model event; none where nobody in front needs to know of it."""
        match event:
            case ModelErrorEvent(code="response_cancel_not_active"):
                return []
            case ModelInputTranscriptionFailedEvent():
                return [self.error("transcription_error", event.code or "failed", event.message)]
            case WebsocketDisconnectEvent():
                lost = "the connection to the model was lost; it is being restored"
                return [self.error("connection_error", "reconnecting", lost)]
            case ModelAudioDroppedEvent(direction="input"):
                dropped = f"{event.samples} samples of the user's audio were dropped: {event.reason}"
                return [self.error("audio_dropped", "input_audio_dropped", dropped)]
            case ModelResponseTextDeltaEvent():
                return [
                    s.AgentResponseAudioTranscriptDeltaEvent(
                        agent_id=self.agent_id,
                        agent_name=self.agent_name,
                        response_id=event.response_id,
                        item_id=event.item_id,
                        delta=event.delta,
                    )
                ]
            case ModelResponseTextDoneEvent():
                return [
                    s.AgentResponseAudioTranscriptDoneEvent(
                        agent_id=self.agent_id,
                        agent_name=self.agent_name,
                        response_id=event.response_id,
                        item_id=event.item_id,
                        transcript=event.text,
                    )
                ]
            case _:
                return self._mapped(event)

    def _mapped(self, event: EventBase) -> list[Event]:
        if type_name(event).replace("model_", "agent_", 1) not in s.BY_TYPE:
            return []
        return [s.ServerEvents.from_model_event(event, self.agent_id, self.agent_name)]
