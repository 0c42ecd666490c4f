"""What a client sends to sessions that are no conversations: Qwen-ASR listens, Qwen-TTS speaks."""

from __future__ import annotations

from voicewire.errors import UnsupportedError
from voicewire.events.commands import ClearAudio, Command, CommitAudio, CreateResponse, SendText
from voicewire.protocols.codec import Frame
from voicewire.protocols.dashscope import wire_client as wire
from voicewire.protocols.dashscope.client_requests import encoded
from voicewire.protocols.openai.client_requests import frame_of
from voicewire.protocols.openai.sequencer import Absorption, is_plain


def listening_frames(command: Command) -> list[Frame]:
    """The frames of a command to a session that only transcribes.

    Raises:
        UnsupportedError: It takes a session that responds.
    """
    if isinstance(command, CommitAudio | ClearAudio):
        return [frame_of(command)]
    raise UnsupportedError(f"this session only transcribes; {type(command).__name__} needs one that responds")


def speech_frames(command: Command, absorption: Absorption) -> list[Frame]:
    """The frames of a command to a session that speaks text.

    Args:
        command: What is to be done.
        absorption: Recognises the request that means a text which is spoken already.

    Raises:
        UnsupportedError: The session has no use for it.
    """
    event_id = command.command_id or None
    commit = encoded(wire.InputTextBufferCommit(event_id=event_id))
    match command:
        case SendText(role="user" | "assistant"):
            absorption.absorbs(command)
            text = encoded(wire.InputTextBufferAppend(event_id=event_id, text=command.text))
            return [text, commit] if command.respond else [text]
        case CreateResponse():
            if not is_plain(command):
                raise UnsupportedError("speech from text has no settings of one response; use UpdateSession")
            return [] if absorption.absorbs(command) else [commit]
        case _:
            raise UnsupportedError(f"this session speaks text; it has no use for {type(command).__name__}")
