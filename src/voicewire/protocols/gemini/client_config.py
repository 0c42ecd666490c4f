"""Changes of the configuration, on a wire that configures a session once."""

from __future__ import annotations

from typing import Any

from voicewire.errors import UnsupportedError
from voicewire.events.commands import UpdateSession
from voicewire.events.model import ModelSessionUpdatedEvent
from voicewire.events.session import SessionConfig
from voicewire.protocols.codec import Frame
from voicewire.protocols.gemini import client_requests as requests
from voicewire.protocols.gemini.client_state import ClientState
from voicewire.protocols.gemini.setup import setup_body

Json = dict[str, Any]
_CHANGEABLE = frozenset({"systemInstruction", "tools"})


def update_frames(state: ClientState, command: UpdateSession) -> list[Frame]:
    """The frames of a change: none when nothing changes on the wire, a context update, or a new ``setup``.

    Raises:
        UnsupportedError: The wire cannot change it in this connection, and there can be no other.
    """
    before = _body(state, state.config)
    config = state.config.updated(command)
    after = _body(state, config)
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    is_in_place = changed <= _CHANGEABLE and (not changed or state.traits.supports_context_update)
    if not is_in_place and not state.can_reopen:
        raise UnsupportedError(
            f"the Gemini Live wire cannot change {', '.join(sorted(changed))} while connected; open a new session"
        )
    state.configure(config)
    if not is_in_place:
        state.update_id = command.command_id
        return [reopening_frame(state)]
    state.events.append(
        ModelSessionUpdatedEvent(
            session_id=state.session_id, config=state.config, command_id=command.command_id
        )
    )
    return [_context_update(after, changed)] if changed else []


def reopening_frame(state: ClientState) -> requests.SetupFrame:
    """The setup of a connection that goes on with this session; nothing else goes out before its confirmation."""
    body = _body(state, state.config)
    if state.resumption_handle:
        body["sessionResumption"] = {**body.get("sessionResumption", {}), "handle": state.resumption_handle}
    state.is_ready = False
    state.asked = ""
    state.discards = state.owes_turn_end = state.absorbs_interruption = False
    return requests.setup_frame(body)


def _body(state: ClientState, config: SessionConfig) -> Json:
    return setup_body(config, defaults=state.traits.setup_defaults)


def _context_update(body: Json, changed: set[str]) -> str:
    update: Json = {}
    if "systemInstruction" in changed:
        update["systemInstruction"] = body.get("systemInstruction", {"parts": [{"text": ""}], "role": "user"})
    if "tools" in changed:
        update["tools"] = {"tools": body.get("tools", [])}
    return requests.encoded({"contextUpdate": update})
