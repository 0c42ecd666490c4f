"""The half of a Gemini Live client that sends: what goes out now, what waits, and what it means to the events.

On this wire a request interrupts the answer that is running, and a cancel does not exist. So requests wait here
until the answer is over (as ``voicewire.conversation.responses.AskRule`` says), and a cancelled answer is ended here
at once while the rest of it is dropped as it comes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from voicewire.errors import UnsupportedError
from voicewire.events.commands import (
    AppendAudio,
    CancelResponse,
    ClearAudio,
    Command,
    CommitAudio,
    CreateItem,
    CreateResponse,
    DeleteItem,
    RetrieveItem,
    SendImage,
    SendText,
    SendToolResult,
    TruncateItem,
    UpdateSession,
)
from voicewire.events.items import ContentPart, Item
from voicewire.events.model import (
    ModelAudioDroppedEvent,
    ModelInputClearedEvent,
)
from voicewire.protocols.codec import Frame
from voicewire.protocols.gemini import client_requests as requests
from voicewire.protocols.gemini.client_calls import note_result, take_results
from voicewire.protocols.gemini.client_config import reopening_frame, update_frames
from voicewire.protocols.gemini.client_held import HeldCommands, merged, size_bytes
from voicewire.protocols.gemini.client_responses import ResponseReader
from voicewire.protocols.gemini.client_state import ClientState
from voicewire.protocols.gemini.client_turns import UserTurns
from voicewire.protocols.gemini.codes import CLIENT_CANCELLED, INPUT_RATE_HZ
from voicewire.protocols.gemini.setup import setup_body
from voicewire.protocols.openai.sequencer import Absorption

Json = dict[str, Any]


class Sender:
    """Encodes commands. Commands that have to wait are kept in order and encoded when their time has come."""

    def __init__(self, state: ClientState, turns: UserTurns, responses: ResponseReader) -> None:
        self._state = state
        self._turns = turns
        self._responses = responses
        self._absorption = Absorption()
        self._held = HeldCommands()
        self._is_activity_open = False
        self._is_clearing = False
        """What is discarded is the answer to audio that was taken back; it may never come."""
        self._is_commit_pending = False
        """The turn was committed by hand without asking for a response; the wire hears of it with the request."""

    # ------------------------------------------------------------------ now or later

    def encode(self, command: Command) -> list[Frame]:
        """The frames of one command; none when it waits or is absorbed."""
        if type(command) is not AppendAudio:
            check(command, self._state)
            if self._absorption.absorbs(command):
                return []
        if self._must_wait(command):
            self._hold(command)
            return []
        return self._encode(command)

    def release(self) -> list[Frame]:
        """The frames of commands whose time has come."""
        if not self._held:
            return []
        frames: list[Frame] = []
        waiting = self._held.take()
        while waiting:
            command = waiting.popleft()
            if self._must_wait(command):
                self._hold(command)
                continue
            try:
                frames += self._encode(merged(command, waiting))
            except UnsupportedError as error:
                # Whoever sent it was told that it went through; now an event has to say otherwise.
                self._state.refuse("unsupported", str(error), command.command_id)
        return frames

    def answered(self) -> None:
        """The response to what was asked last was reported done."""
        self._absorption.answered(self._absorption.ask)

    def _must_wait(self, command: Command) -> bool:
        state = self._state
        if isinstance(command, (CancelResponse, TruncateItem, DeleteItem, RetrieveItem)):
            return False
        if not state.is_ready:
            return True
        is_manual = state.config.turn_detection is None
        if isinstance(command, (AppendAudio, ClearAudio)):
            if state.is_audio_gated or self._held.has_audio:
                return True
            return is_manual and (self._responses.open is not None or bool(state.asked))
        if isinstance(command, CommitAudio):
            is_taken = self._is_answering or state.asked in ("text", "tool")
            return is_manual and (state.is_audio_gated or is_taken)
        if isinstance(command, SendImage) and not command.respond:
            return False
        if isinstance(command, (SendText, SendImage, CreateResponse)) or _is_message(command):
            return self._is_answering or state.asked in ("text", "tool")
        if isinstance(command, UpdateSession):
            return self._is_answering
        return False

    @property
    def _is_answering(self) -> bool:
        response = self._responses.open
        return response is not None and not response.is_generated

    def _hold(self, command: Command) -> None:
        dropped_samples = self._held.add(command)
        if dropped_samples:
            self._state.events.append(
                ModelAudioDroppedEvent(
                    samples=dropped_samples,
                    sample_rate_hz=INPUT_RATE_HZ,
                    reason="audio waited too long for the model's turn to end",
                )
            )

    def _encode(self, command: Command) -> list[Frame]:
        match command:
            case AppendAudio():
                return self._append(command)
            case CommitAudio():
                return self._commit(command)
            case ClearAudio():
                return self._clear()
            case SendText():
                return self._text(command)
            case SendImage():
                return self._image(command)
            case CreateItem():
                return self._create_item(command)
            case CreateResponse():
                return self._create_response(command)
            case CancelResponse():
                return self._cancel(command)
            case SendToolResult():
                return self._tool_result(command)
            case UpdateSession():
                return self._update(command)
            case _:
                return []

    # ------------------------------------------------------------------ audio

    def _append(self, command: AppendAudio) -> list[Frame]:
        frames = requests.audio_frames(command.base64)
        if self._state.config.turn_detection is None and not self._is_activity_open:
            self._is_activity_open = True
            self._turns.begin()
            if self._is_clearing:
                self._is_clearing = self._state.discards = False
            frames.insert(0, requests.ACTIVITY_START)
        self._turns.appended(size_bytes(command))
        return frames

    def _commit(self, command: CommitAudio) -> list[Frame]:
        state = self._state
        frames: list[Frame] = []
        if state.config.turn_detection is None:
            self._settle()
            state.asked = "" if state.asked == "audio" else state.asked
            frames = self.release()
        if not self._turns.has_audio:
            message = "Error committing input audio buffer: there is no audio to commit."
            state.refuse("input_audio_buffer_commit_empty", message, command.command_id)
            return frames
        self._turns.begin()
        self._turns.committed()
        if state.config.turn_detection is not None:
            return [*frames, requests.STREAM_END]
        if not command.respond:
            self._is_commit_pending = True
            return frames
        return frames + self._end_activity()

    def _end_activity(self) -> list[Frame]:
        self._is_commit_pending = False
        if not self._is_activity_open:
            return []
        self._is_activity_open = False
        self._state.asked = "audio"
        return [requests.ACTIVITY_END]

    def _clear(self) -> list[Frame]:
        state = self._state
        if state.config.turn_detection is not None and self._turns.is_open:
            raise UnsupportedError("the Gemini Live wire cannot take audio back that the model has heard")
        self._turns.discarded()
        state.events.append(ModelInputClearedEvent())
        if not self._is_activity_open:
            return []
        # What was sent cannot be taken back: its turn is ended, and its answer is not let through.
        self._is_activity_open = self._is_commit_pending = False
        state.discards = self._is_clearing = True
        return [requests.ACTIVITY_END]

    # ------------------------------------------------------------------ text, images, items

    def _text(self, command: SendText) -> list[Frame]:
        part = ContentPart(kind="text", text=command.text)
        item = Item(id=self._state.ids("item"), role=command.role, content=(part,))
        return self._turn(requests.text_turn(command.role, command.text), item, respond=command.respond)

    def _turn(self, turn: Json, item: Item, *, respond: bool) -> list[Frame]:
        self._settle()
        frames = take_results(self._state) if respond else []
        self._state.add_whole_item(item)
        self._state.remember(turn)
        if respond:
            self._ask("text")
        return [*frames, requests.content_frame([turn], is_complete=respond)]

    def _image(self, command: SendImage) -> list[Frame]:
        part = ContentPart(kind="image")
        self._state.add_whole_item(Item(id=self._state.ids("item"), role="user", content=(part,)))
        frames: list[Frame] = [requests.image_frame(command)]
        return frames + (self._request() if command.respond else [])

    def _create_item(self, command: CreateItem) -> list[Frame]:
        item = command.item
        if not item.id:
            item = msgspec.structs.replace(item, id=self._state.ids("item"))
        if item.kind == "function_call_output":
            result = SendToolResult(item.call_id or "", item.output or "", command_id=command.command_id)
            note_result(self._state, result, item_id=item.id)
            return []
        return self._turn(requests.item_turn(item), item, respond=False)

    # ------------------------------------------------------------------ responses

    def _create_response(self, command: CreateResponse) -> list[Frame]:
        self._state.metadata = dict(command.metadata)
        return self._request()

    def _request(self) -> list[Frame]:
        """Asks for a response to what was said so far."""
        self._settle()
        if self._state.held_results:
            frames = take_results(self._state)
            self._ask("tool")
            return frames + self.release()
        if self._is_commit_pending:
            return self._end_activity()
        if self._state.config.turn_detection is not None and self._state.asked == "audio":
            return []
        self._ask("text")
        return [requests.END_OF_TURN]

    def _ask(self, kind: Any) -> None:
        state = self._state
        if state.discards:
            state.absorbs_interruption = True
        state.asked = kind
        state.cancels_next = False

    def _settle(self) -> None:
        """A response that is generated and only waits for the playout is over when something new is said."""
        response = self._responses.open
        if response is not None and response.is_generated:
            self._turns.final()
            self._responses.end("completed")
            self._state.owes_turn_end = True
            self._state.absorbs_interruption = True

    def _cancel(self, command: CancelResponse) -> list[Frame]:
        state, response = self._state, self._responses.open
        if response is None:
            state.cancels_next = bool(state.asked) and command.response_id is None
            return []
        if command.response_id not in (None, response.response_id):
            return []
        self._responses.end("cancelled", CLIENT_CANCELLED)
        state.discards = True
        return self.release()

    # ------------------------------------------------------------------ function calls

    def _tool_result(self, command: SendToolResult) -> list[Frame]:
        call = self._state.calls.get(command.call_id)
        is_silent = not command.respond and call is not None and not call.is_blocking
        result = SendToolResult(command.call_id, command.output, command_id=command.command_id)
        note_result(self._state, result, is_silent=is_silent)
        if not command.respond and not is_silent:
            return []
        frames = take_results(self._state)
        if command.respond and call is not None and not self._state.calls:
            if self._responses.open is None:
                self._ask("tool")
        return frames + self.release()

    # ------------------------------------------------------------------ the configuration

    def _update(self, command: UpdateSession) -> list[Frame]:
        self._settle()
        frames = update_frames(self._state, command)
        if not self._state.is_ready:
            self._is_activity_open = False
        return frames

    def reopening(self) -> Frame:
        """The setup of a new connection that goes on with this session."""
        self._is_activity_open = False
        return reopening_frame(self._state)


def _is_message(command: Command) -> bool:
    return isinstance(command, CreateItem) and command.item.kind != "function_call_output"


def check(command: Command, state: ClientState) -> None:
    """Refuses what the wire cannot say, also when it would have to wait.

    Raises:
        UnsupportedError: The wire has no way to say it.
    """
    match command:
        case DeleteItem() | RetrieveItem() | TruncateItem():
            raise UnsupportedError(
                f"the Gemini Live wire does not let items be edited; {type(command).__name__} was not sent"
            )
        case CreateItem(previous_item_id=str()) if command.previous_item_id != state.last_item_id:
            raise UnsupportedError("the Gemini Live wire only adds items at the end")
        case CreateItem() if command.item.kind != "function_call_output":
            requests.item_turn(command.item)
        case SendImage():
            requests.image_frame(command)
        case CreateResponse():
            _check_response(command)
        case UpdateSession():
            setup_body(state.config.updated(command), defaults=state.traits.setup_defaults)
        case _:
            return


def _check_response(command: CreateResponse) -> None:
    lacks = {
        "instructions": command.instructions is not None,
        "modality": command.modality is not None,
        "voice": command.voice is not None,
        "tools": command.tools is not None,
        "tool_choice": command.tool_choice not in (None, "auto"),
        "max_output_tokens": command.max_output_tokens is not None,
        "input_items": command.input_items is not None,
        "is_out_of_band": command.is_out_of_band,
    }
    asked = [name for name, is_asked in lacks.items() if is_asked]
    if asked:
        raise UnsupportedError(
            f"the Gemini Live wire cannot set {', '.join(asked)} for one response; set it for the session"
        )
