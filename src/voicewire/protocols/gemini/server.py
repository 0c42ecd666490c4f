"""The server side of the Gemini Live wire, as gateway and tests speak it to clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from voicewire.conversation.tools import CANCELLED_OUTPUT
from voicewire.errors import RemoteProtocolError
from voicewire.events.base import EventBase
from voicewire.events.commands import (
    AppendAudio,
    CancelResponse,
    Command,
    CommitAudio,
    CreateResponse,
    SendText,
    SendToolResult,
    UpdateSession,
)
from voicewire.events.model import (
    ModelErrorEvent,
    ModelInputDoneEvent,
    ModelInputStartedEvent,
    ModelInputTranscriptionDeltaEvent,
    ModelInputTranscriptionDoneEvent,
    ModelItemAddedEvent,
    ModelProviderEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseAudioTranscriptDeltaEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
    ModelResponseTextDeltaEvent,
    ModelResponseToolUseDoneEvent,
    ModelSessionCreatedEvent,
)
from voicewire.protocols.codec import Frame
from voicewire.protocols.gemini import server_frames as frames
from voicewire.protocols.gemini import server_requests as requests
from voicewire.protocols.gemini import wire_client as wire
from voicewire.protocols.gemini.codes import CONNECTION_LOST
from voicewire.protocols.gemini.server_words import InputWords
from voicewire.protocols.gemini.setup import (
    TURN_COVERAGE,
    ClientSetup,
    content_text,
    is_non_blocking,
    read_tools,
)

STREAM_END_SILENCE_MS: Final = 2000
"""Silence that stands for a microphone that was switched off, so that any detector ends the turn."""
PASSED_EVENTS: Final = frozenset(
    {
        "goAway",
        "sessionResumptionUpdate",
        "serverContent.groundingMetadata",
        "serverContent.urlContextMetadata",
        "serverContent.waitingForInput",
        "serverContent.modelTurn.thought",
        "serverContent.modelTurn.executableCode",
        "serverContent.modelTurn.codeExecutionResult",
        "serverContent.modelTurn.inlineData",
    }
)
"""Provider events that are part of this wire and go to the client as they came."""
_OWN_COMMANDS: Final = "gemini_wire_"
"""Ids of commands that the codec itself thought of; what they do wrong is no business of the client."""


class GeminiServerCodec:
    """Client frames to commands, model events to frames. Implements `ServerCodec`.

    A client's mistakes are answered with an error message and do not end the session. Function calls of one response go
    out together when it ends; the turn goes on until their results were answered.

    Args:
        setup: What the client asked for with its first message (`server_requests.read_first`).
        passes_settings: Whether the served model knows the settings that only this wire has.

    Concurrency: one caller at a time.
    """

    def __init__(self, setup: ClientSetup, *, passes_settings: bool = True) -> None:
        self._config = setup.config
        self._passes_settings = passes_settings
        self._wants_words = setup.wants_words
        self._extra: dict[str, Any] = setup.config.extra
        self._outbox: list[Frame] = []
        self._is_set_up = False
        self._active: dict[str, list[frames.Json]] = {}
        """Function calls of each open response."""
        self._asked = 0
        self._is_activity_open = False
        self._activity_from_ms = 0.0
        self._call_ids: dict[str, str] = {}
        """Ids of calls that wait for their result, by the function's name: some clients name no id."""
        self._partial_results: dict[str, list[str]] = {}
        self._words_in = InputWords()
        self._audio = frames.AudioWriter()
        self._appended_ms = 0.0
        self._reply_start_ms: float | None = None
        self._reply_ms = 0.0
        self._tellers: dict[type, Callable[[Any], list[Frame]]] = {
            ModelSessionCreatedEvent: self._session_created,
            ModelResponseCreatedEvent: self._response_created,
            ModelResponseDoneEvent: self._response_done,
            ModelResponseAudioTranscriptDeltaEvent: self._words,
            ModelResponseTextDeltaEvent: lambda event: [frames.text(event.delta)],
            ModelResponseToolUseDoneEvent: self._call,
            ModelInputTranscriptionDeltaEvent: self._words_in.partial,
            ModelInputTranscriptionDoneEvent: self._words_in.final,
            ModelInputStartedEvent: self._speech_started,
            ModelInputDoneEvent: self._speech_stopped,
            ModelItemAddedEvent: self._item_added,
            ModelErrorEvent: self._error,
            ModelProviderEvent: self._provider_event,
        }

    # ------------------------------------------------------------------ from the client

    def receive(self, frame: Frame) -> list[Command]:
        """The commands of one client frame, text or binary; errors are queued for ``data_to_send``."""
        try:
            try:
                blob = wire.decode_only_audio(frame).blob()
            except (msgspec.DecodeError, RecursionError, UnicodeError):
                blob = None
            if blob is not None:
                return self._append(*blob)
            if requests.is_noise(frame):
                return []
            return self._commands(requests.read_message(frame))
        except RemoteProtocolError as error:
            self._refuse(str(error))
            return []

    def data_to_send(self) -> list[Frame]:
        """Frames that receiving made necessary; taking them clears them."""
        queued, self._outbox = self._outbox, []
        return queued

    def _refuse(self, message: str) -> None:
        self._outbox.append(frames.error(400, "INVALID_ARGUMENT", message))

    def _commands(self, message: wire.ClientMessage) -> list[Command]:
        if message.realtime_input is not None:
            return self._realtime(message.realtime_input)
        if message.client_content is not None:
            return self._content(message.client_content)
        if message.tool_response is not None:
            return [c for result in message.tool_response.function_responses for c in self._result(result)]
        if message.context_update is not None:
            return self._context(message.context_update)
        raise RemoteProtocolError("the session is set up already; a setup comes once, as the first message")

    def _append(self, mime_type: str, data: str) -> list[Command]:
        is_manual = self._config.turn_detection is None
        if (
            is_manual
            and not self._is_activity_open
            and self._extra.get(TURN_COVERAGE) != "TURN_INCLUDES_ALL_INPUT"
        ):
            return []
        command = requests.append_command(mime_type, data)
        self._appended_ms += len(command.pcm) * 500 / command.sample_rate_hz
        return [command] if command.pcm else []

    def _realtime(self, realtime: wire.RealtimeInput) -> list[Command]:
        commands: list[Command] = []
        if realtime.activity_start is not None:
            commands += self._activity(starts=True)
        for blob in (realtime.audio, *realtime.media_chunks, realtime.video):
            if blob is None:
                continue
            if blob is realtime.video or blob.mime_type.startswith("image/"):
                commands.append(requests.image_command(blob))
            else:
                commands += self._append(blob.mime_type, blob.data)
        if realtime.text:
            commands += [*self._interrupting(), SendText(realtime.text)]
            self._asked += 1
        if realtime.activity_end is not None:
            commands += self._activity(starts=False)
        if realtime.audio_stream_end and self._config.turn_detection is not None:
            # Silence, not a commit: whether there is a turn to end is the detector's to say.
            silence = bytes(STREAM_END_SILENCE_MS * 32)
            self._appended_ms += STREAM_END_SILENCE_MS
            commands.append(AppendAudio(silence, 16000))
        return commands

    def _activity(self, *, starts: bool) -> list[Command]:
        if self._config.turn_detection is not None:
            raise RemoteProtocolError(
                "activityStart and activityEnd are for sessions whose automatic activity detection is disabled"
            )
        if starts:
            self._is_activity_open, self._activity_from_ms = True, self._appended_ms
            is_quiet = self._extra.get("activityHandling") == "NO_INTERRUPTION"
            return [] if is_quiet else self._interrupting()
        if not self._is_activity_open:
            raise RemoteProtocolError("an activityEnd needs an activityStart before it")
        self._is_activity_open = False
        if self._appended_ms <= self._activity_from_ms:
            return []
        self._asked += 1
        return [CommitAudio()]

    def _interrupting(self) -> list[Command]:
        """What stops the answer that is running; nothing when none is."""
        if not self._active and not self._asked:
            return []
        return [CancelResponse(command_id=f"{_OWN_COMMANDS}cancel")]

    def _content(self, content: wire.ClientContent) -> list[Command]:
        items = [item for turn in content.turns for item in requests.turn_items(turn)]
        if not content.turn_complete:
            return requests.item_commands(items)
        commands = self._interrupting()
        self._asked += 1
        last = items[-1] if items else None
        if last is not None and last.kind == "message" and all(part.kind == "text" for part in last.content):
            # One command: the model then asks for a response by its own rule, which never refuses.
            text = "".join(part.text for part in last.content)
            before = requests.item_commands(items[:-1])
            return [*commands, *before, SendText(text, last.role or "user")]
        return [*commands, *requests.item_commands(items), CreateResponse()]

    def _result(self, result: wire.FunctionResponse) -> list[Command]:
        call_id = result.id or self._call_ids.get(result.name, "")
        if not call_id:
            raise RemoteProtocolError(f"a result for {result.name[:100]!r} needs the id of its call")
        output = requests.output_text(result.response)
        if result.will_continue:
            self._partial_results.setdefault(call_id, []).append(output)
            return []
        if parts := self._partial_results.pop(call_id, None):
            output = "\n".join([*parts, output])
        self._call_ids = {name: known for name, known in self._call_ids.items() if known != call_id}
        respond = result.scheduling != "SILENT"
        commands = self._interrupting() if result.scheduling == "INTERRUPT" else []
        return [*commands, SendToolResult(call_id, output, respond)]

    def _context(self, update: wire.ContextUpdate) -> list[Command]:
        values: dict[str, Any] = {}
        if update.system_instruction is not None:
            values["instructions"] = content_text(update.system_instruction)
        if update.tools is not None:
            extra = dict(self._extra)
            try:
                values["tools"] = read_tools(update.tools.tools, extra)
            except (msgspec.ValidationError, RecursionError) as error:
                raise RemoteProtocolError(f"malformed contextUpdate: {error}") from error
            if extra != self._extra:
                self._extra = extra
                if self._passes_settings:
                    values["extra"] = extra
        return [UpdateSession(**values)] if values else []

    # ------------------------------------------------------------------ to the client

    def encode(self, event: EventBase) -> list[Frame]:
        """The frames that tell the client of one model event; none before the session is set up."""
        if type(event) is ModelResponseAudioDeltaEvent:
            return self._audio_delta(event)
        teller = self._tellers.get(type(event))
        if teller is None or not (self._is_set_up or isinstance(event, ModelSessionCreatedEvent)):
            return []
        return teller(event)

    def _session_created(self, event: ModelSessionCreatedEvent) -> list[Frame]:
        if self._is_set_up:
            return []
        self._is_set_up = True
        return [frames.message({"setupComplete": {"sessionId": event.session_id}})]

    def _audio_delta(self, event: ModelResponseAudioDeltaEvent) -> list[Frame]:
        rate_hz = event.format.rate
        if self._reply_start_ms is None:
            self._reply_start_ms = self._appended_ms
        self._reply_ms += event.payload.size_bytes * 500 / rate_hz
        return self._audio.frames(event.delta, rate_hz)

    def _words(self, event: ModelResponseAudioTranscriptDeltaEvent) -> list[Frame]:
        if not self._wants_words or not event.delta:
            return []
        return [frames.content({"outputTranscription": {"text": event.delta}})]

    def _call(self, event: ModelResponseToolUseDoneEvent) -> list[Frame]:
        use = event.tool_use
        call = {"id": use["id"], "name": use["name"], "args": use["input"]}
        self._active.setdefault(event.response_id, []).append(call)
        return []

    def _response_created(self, event: ModelResponseCreatedEvent) -> list[Frame]:
        self._asked = 0
        self._active.setdefault(event.response_id, [])
        self._reply_start_ms, self._reply_ms = None, 0.0
        return []

    def _response_done(self, event: ModelResponseDoneEvent) -> list[Frame]:
        calls = self._active.pop(event.response_id, [])
        usage = frames.usage(event)
        end = frames.message({"serverContent": {"turnComplete": True}, "usageMetadata": usage})
        if event.status == "cancelled":
            return [frames.content({"interrupted": True}), end]
        if event.status == "failed" and event.reason == CONNECTION_LOST:
            return []  # the close says why, and clients know what to make of it
        if event.status == "failed":
            message = event.message or event.reason or "the response failed"
            return [frames.error(frames.http_status(event.reason), event.reason or "INTERNAL", message), end]
        if calls:
            for call in calls:
                self._call_ids[call["name"]] = call["id"]
            told: list[Frame] = [
                frames.message({"toolCall": {"functionCalls": calls}, "usageMetadata": usage})
            ]
            goes_on = not all(is_non_blocking(self._config, c["name"], by_default=False) for c in calls)
            return told if goes_on else [*told, frames.content({"turnComplete": True})]
        if event.status == "incomplete" and event.reason == "content_filter":
            turn = {"turnComplete": True, "turnCompleteReason": "RESPONSE_REJECTED"}
            return [frames.message({"serverContent": turn, "usageMetadata": usage})]
        return [frames.content({"generationComplete": True}), end]

    # ------------------------------------------------------------------ the user's turn

    def _speech_started(self, event: ModelInputStartedEvent) -> list[Frame]:
        told = self._signal("ACTIVITY_START", event.audio_start_ms)
        turns = self._config.turn_detection
        if not self._active and turns is not None and turns.interrupt_response and self._is_audible(event):
            told.append(frames.content({"interrupted": True}))
        self._reply_start_ms = None
        return told

    def _is_audible(self, event: ModelInputStartedEvent) -> bool:
        """Whether the last reply can still be playing: the user's own audio is the clock."""
        start_ms = self._reply_start_ms
        return start_ms is not None and event.audio_start_ms < start_ms + self._reply_ms

    def _speech_stopped(self, event: ModelInputDoneEvent) -> list[Frame]:
        return self._signal("ACTIVITY_END", event.audio_end_ms)

    def _signal(self, kind: str, at_ms: int) -> list[Frame]:
        if not self._extra.get("explicitVadSignal"):
            return []
        return [frames.message({"voiceActivity": {"type": kind, "audioOffset": f"{at_ms / 1000:.3f}s"}})]

    # ------------------------------------------------------------------ the rest

    def _item_added(self, event: ModelItemAddedEvent) -> list[Frame]:
        item = event.item
        if item.kind != "function_call_output" or item.output != CANCELLED_OUTPUT:
            return []
        return [frames.message({"toolCallCancellation": {"ids": [item.call_id]}})]

    def _error(self, event: ModelErrorEvent) -> list[Frame]:
        if event.command_id.startswith(_OWN_COMMANDS):
            return []
        return [
            frames.error(
                frames.http_status(event.error_type, event.code),
                event.code or event.error_type,
                event.message,
            )
        ]

    def _provider_event(self, event: ModelProviderEvent) -> list[Frame]:
        return [frames.message(event.raw)] if event.name in PASSED_EVENTS else []
