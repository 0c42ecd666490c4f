"""The half of a Gemini Live client that reads: one message may say several things, all of them count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from voicewire.conversation.tools import cancelled_result
from voicewire.events.model import (
    ModelErrorEvent,
    ModelProviderEvent,
    ModelSessionCreatedEvent,
    ModelSessionUpdatedEvent,
    ResponseStatus,
)
from voicewire.protocols.codec import Frame
from voicewire.protocols.gemini import client_requests as requests
from voicewire.protocols.gemini import codes
from voicewire.protocols.gemini import wire_server as wire
from voicewire.protocols.gemini.client_calls import refuse_call
from voicewire.protocols.gemini.client_responses import OpenResponse, ResponseReader
from voicewire.protocols.gemini.client_sending import Sender
from voicewire.protocols.gemini.client_state import ClientState
from voicewire.protocols.gemini.client_turns import Cause, UserTurns


class MessageReader:
    """Maps messages of the server; every method reports into the shared state."""

    def __init__(
        self, state: ClientState, turns: UserTurns, responses: ResponseReader, sender: Sender
    ) -> None:
        self._state = state
        self._turns = turns
        self._responses = responses
        self._sender = sender
        self._usage: wire.UsageMetadata | None = None

    def read(self, frame: Frame | memoryview) -> None:
        """Any message.

        Raises:
            RemoteProtocolError: It breaks the protocol.
        """
        message, data, unknown = wire.read_server_message(frame)
        self._usage = message.usage_metadata
        if self._usage is not None and self._responses.open is not None:
            self._responses.open.usage, self._usage = self._usage, None
        if message.setup_complete is not None:
            self._set_up(message.setup_complete)
        self._note_connection(message, data)
        self._note_voice(message)
        if message.tool_call_cancellation is not None:
            self._calls_cancelled(message.tool_call_cancellation, data)
        if message.server_content is not None:
            self._content(message.server_content, data["serverContent"])
        if message.tool_call is not None:
            self._calls(message.tool_call)
        if message.error is not None or message.code is not None:
            self._error(message)
        for thing in unknown:
            self._pass(thing.name, thing.raw, is_known=False)
        if self._usage is not None:
            self._pass("usageMetadata", {"usageMetadata": data["usageMetadata"]})
            self._usage = None

    def _set_up(self, body: wire.SetupComplete) -> None:
        state = self._state
        is_first = not state.session_id
        state.session_id = body.session_id or state.session_id or state.ids("sess")
        state.is_ready = True
        if is_first:
            state.events.append(ModelSessionCreatedEvent(session_id=state.session_id, config=state.config))
        else:
            if not state.resumption_handle and state.history:
                state.outbox.append(requests.content_frame(state.history, is_complete=False))
            command_id, state.update_id = state.update_id or "", None
            state.events.append(
                ModelSessionUpdatedEvent(
                    session_id=state.session_id, config=state.config, command_id=command_id
                )
            )
        state.outbox += self._sender.release()

    def _note_connection(self, message: wire.ServerMessage, data: dict[str, object]) -> None:
        if message.go_away is not None:
            self._state.time_left = message.go_away.time_left
            self._pass("goAway", {"goAway": data["goAway"]})
        if (update := message.session_resumption_update) is not None:
            if update.resumable and update.new_handle:
                self._state.resumption_handle = update.new_handle
            self._pass(
                "sessionResumptionUpdate", {"sessionResumptionUpdate": data["sessionResumptionUpdate"]}
            )

    def _note_voice(self, message: wire.ServerMessage) -> None:
        signal, at_ms = "", None
        if message.voice_activity_detection_signal is not None:
            signal = message.voice_activity_detection_signal.vad_signal_type
        if (activity := message.voice_activity) is not None:
            signal = activity.type or activity.voice_activity_type or signal
            at_ms = codes.duration_ms(activity.audio_offset)
        if self._state.config.turn_detection is None:
            return
        if signal in codes.START_OF_SPEECH:
            self._turns.started(at_ms)
        elif signal in codes.END_OF_SPEECH:
            self._turns.stopped(at_ms)

    def _pass(self, name: str, raw: dict[str, object], *, is_known: bool = True) -> None:
        self._state.events.append(ModelProviderEvent(name=name, raw=raw, is_known=is_known))

    # ------------------------------------------------------------------ what the model says

    def _response(self) -> OpenResponse | None:
        """The open response, begun here when none is; None while what comes is of no use."""
        state, responses = self._state, self._responses
        if state.discards:
            return None
        if responses.open is not None:
            return responses.open
        cause: Cause = "continuation" if state.continues or state.asked == "tool" else "speech"
        self._turns.answered("ask" if state.asked == "text" else cause)
        response = responses.begin()
        response.usage, self._usage = self._usage, None
        state.asked, state.continues, state.owes_turn_end = "", False, False
        state.absorbs_interruption = False
        if state.cancels_next:
            state.cancels_next = False
            responses.end("cancelled", codes.CLIENT_CANCELLED)
            state.discards = True
            return None
        return response

    def inline(self, mime_type: str, data: str) -> None:
        """A piece of audio, or of something else that comes as bytes: the hot path."""
        response = self._responses.open
        if response is None or self._state.discards:
            response = self._response()
        if response is not None and not self._responses.audio(response, mime_type, data):
            part = {"inlineData": {"mimeType": mime_type, "data": data}}
            self._pass("serverContent.modelTurn.inlineData", _turn_of(part))

    def _content(self, content: wire.ServerContent, raw: dict[str, object]) -> None:
        if not content.interrupted:
            self._user_words(content)
        if content.model_turn is not None:
            for part in content.model_turn.parts:
                self._part(part)
        spoken = content.output_transcription
        if spoken is not None and spoken.text and (response := self._response()) is not None:
            self._responses.words(response, spoken.text)
        for name in ("groundingMetadata", "urlContextMetadata", "waitingForInput", "interactionStatus"):
            if raw.get(name):
                self._pass(f"serverContent.{name}", {"serverContent": {name: raw[name]}})
        if content.interrupted:
            self._interrupted()
            self._user_words(content)
        if content.generation_complete and self._responses.open is not None:
            self._responses.generated(self._responses.open)
            self._turns.final()
        if content.turn_complete or content.interaction_status == "IDLE":
            self._turn_complete(content)

    def _user_words(self, content: wire.ServerContent) -> None:
        is_answering = self._responses.open is not None
        if (guess := content.interim_input_transcription) is not None:
            self._turns.guessed(guess.text, is_answering=is_answering)
        if (said := content.input_transcription) is not None:
            self._turns.transcribed(said.text, is_finished=said.finished, is_answering=is_answering)

    def _part(self, part: wire.Part) -> None:
        if part.inline_data is not None:
            self.inline(part.inline_data.mime_type, part.inline_data.data)
        if part.text is not None:
            response = self._response()
            if part.thought:
                self._pass("serverContent.modelTurn.thought", _turn_of({"text": part.text, "thought": True}))
            elif response is not None:
                self._responses.text(response, part.text)
        for name, code in (
            ("executableCode", part.executable_code),
            ("codeExecutionResult", part.code_execution_result),
        ):
            if code is not None:
                self._response()
                self._pass(f"serverContent.modelTurn.{name}", _turn_of({name: code}))

    # ------------------------------------------------------------------ the ends of a turn

    def _interrupted(self) -> None:
        state, responses = self._state, self._responses
        is_echo = state.absorbs_interruption
        state.absorbs_interruption = False
        self._turns.final()
        if not is_echo and state.config.turn_detection is not None:
            self._turns.started()
        if not is_echo and responses.open is None and state.asked in ("text", "tool"):
            self._response()  # interrupted before it said anything: it is reported all the same
        was_open = responses.open is not None
        responses.end("cancelled", codes.TURN_DETECTED)
        state.owes_turn_end = was_open or state.discards or state.owes_turn_end
        state.discards = False
        self._next()

    def _turn_complete(self, content: wire.ServerContent) -> None:
        state, responses = self._state, self._responses
        if content.interaction_status in codes.IN_PROGRESS:
            return
        if state.discards:
            state.discards = False
        elif responses.open is not None:
            self._turns.final()
            self._end(content.turn_complete_reason)
        elif state.owes_turn_end and not (state.asked == "tool" and self._usage is not None):
            state.owes_turn_end = False
        elif state.asked or (self._turns.is_open and state.config.turn_detection is not None):
            # The model had nothing to say. Whoever waits for the answer must hear of it all the same.
            if self._response() is not None:
                self._end(content.turn_complete_reason)
        self._next()

    def _end(self, wire_reason: str) -> None:
        status, reason = codes.outcome(wire_reason)
        self._responses.end(cast("ResponseStatus", status), reason, wire_reason if reason else "")

    def _next(self) -> None:
        """What waited for the end of the response may go out now."""
        if self._responses.open is None:
            self._sender.answered()
            self._state.outbox += self._sender.release()

    # ------------------------------------------------------------------ function calls

    def _calls(self, tool_call: wire.ToolCall) -> None:
        if not tool_call.function_calls:
            return
        if self._state.discards:
            for call in tool_call.function_calls:
                item = requests.call_item(call.id, call.name, call.args)
                self._state.open_call(call.id, item)
                self._state.outbox += refuse_call(self._state, call.id)
            return
        response = self._response()
        for call in tool_call.function_calls:
            if call.will_continue or call.partial_args is not None:
                self._pass("toolCall", {"toolCall": {"functionCalls": [msgspec.to_builtins(call)]}})
            if response is not None and not call.will_continue:
                self._responses.call(response, call)
        if response is not None and response.output:
            self._responses.end("completed")
            self._state.continues = self._state.owes_turn_end = True
            self._next()

    def _calls_cancelled(self, cancellation: wire.ToolCallCancellation, data: dict[str, object]) -> None:
        for call_id in cancellation.ids:
            call = self._state.cancel_call(call_id)
            if call is not None:
                self._state.add_whole_item(cancelled_result(call.item))
        self._pass("toolCallCancellation", {"toolCallCancellation": data["toolCallCancellation"]})
        self._state.outbox += self._sender.release()

    # ------------------------------------------------------------------ trouble and the end

    def _error(self, message: wire.ServerMessage) -> None:
        body = message.error or {"code": message.code, "message": message.message, "status": message.status}
        code = str(body.get("status") or body.get("code") or "error")
        text = str(body.get("message") or code)
        state = self._state
        if state.is_ready and (self._responses.open is not None or state.asked):
            response = self._responses.open or self._response()
            if response is not None:
                self._responses.end("failed", code, text)
                state.owes_turn_end = True
                self._next()
                return
        state.events.append(ModelErrorEvent(error_type=codes.error_type(code), code=code, message=text))


def _turn_of(part: Mapping[str, object]) -> dict[str, object]:
    return {"serverContent": {"modelTurn": {"parts": [part]}}}
