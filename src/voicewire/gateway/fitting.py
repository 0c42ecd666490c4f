"""What a client of one wire says, fitted to a model of another: where its wire, or its SDK, leaves it no choice.

Official clients name the voices of their own provider only, and some of them ask for semantic turn detection unasked.
Neither is a reason to turn such a client away: the model takes its own voice, and its own detector ends the turns. The
client is told what is in force. Everything else that a model lacks is refused.
"""

from __future__ import annotations

import msgspec

from voicewire.events.commands import Command, CreateResponse, UpdateSession
from voicewire.events.session import SessionConfig, TurnDetection
from voicewire.models.model import Capabilities, RealtimeModel
from voicewire.models.voices import fitting_voice

_SEMANTIC = "semantic_vad"


def fitting_config(config: SessionConfig, model: RealtimeModel) -> SessionConfig:
    """A configuration to open the model with.

    It names no model: what a client asked this gateway for is not what the provider calls it.
    """
    return msgspec.structs.replace(
        config,
        model="",
        voice=fitting_voice(config.voice, model),
        turn_detection=_fitting_turns(config.turn_detection, model.capabilities),
    )


def fitting_command(command: Command, model: RealtimeModel) -> Command:
    """A client's command to the model."""
    if isinstance(command, UpdateSession):
        if isinstance(command.voice, str) and not fitting_voice(command.voice, model):
            command = msgspec.structs.replace(command, voice=msgspec.UNSET)
        if isinstance(command.turn_detection, TurnDetection):
            turns = _fitting_turns(command.turn_detection, model.capabilities)
            command = msgspec.structs.replace(command, turn_detection=turns)
    elif isinstance(command, CreateResponse) and command.voice and not fitting_voice(command.voice, model):
        return msgspec.structs.replace(command, voice=None)
    return command


def _fitting_turns(turns: TurnDetection | None, capabilities: Capabilities) -> TurnDetection | None:
    if turns is None or turns.kind != _SEMANTIC or capabilities.supports_semantic_vad:
        return turns
    if not capabilities.supports_server_vad:
        return turns
    return msgspec.structs.replace(turns, kind="server_vad", eagerness=None)
