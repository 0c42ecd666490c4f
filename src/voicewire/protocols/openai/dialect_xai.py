"""xAI's session object, which alone sets it apart from the GA dialect. Both directions, pure."""

from __future__ import annotations

from typing import Any, Final, cast

from voicewire.protocols.openai.session_config import GA_ONLY_KEYS

_SAID_OTHERWISE: Final = GA_ONLY_KEYS | {
    "type",
    "output_modalities",
    "tool_choice",
    "max_output_tokens",
    "include",
}
"""Keys of the GA object that xAI does without, or that are sent only when they say something."""
_MARKS: Final = frozenset({"voice", "turn_detection"})
"""Stand at the top of xAI's object and nowhere near it in GA's."""
_KEYS: Final = _MARKS | {"instructions", "tools", "tool_choice", "audio", "max_response_output_tokens"}


def xai_session(body: dict[str, Any]) -> dict[str, Any]:
    """A GA session object as xAI takes it: voice and turn detection at the top, manual turns as a type of null."""
    session = {key: value for key, value in body.items() if key not in _SAID_OTHERWISE}
    if body.get("tool_choice", "auto") != "auto":
        session["tool_choice"] = body["tool_choice"]
    if body.get("max_output_tokens", "inf") != "inf":
        session["max_response_output_tokens"] = body["max_output_tokens"]
    audio: dict[str, dict[str, Any]] = {half: dict(part) for half, part in body.get("audio", {}).items()}
    if "turn_detection" in audio.get("input", {}):
        session["turn_detection"] = audio["input"].pop("turn_detection") or {"type": None}
    if "voice" in audio.get("output", {}):
        session["voice"] = audio["output"].pop("voice")
    if audio.get("output", {}).get("speed") == 1.0:
        del audio["output"]["speed"]
    audio = {half: part for half, part in audio.items() if part}
    return {**session, "audio": audio} if audio else {k: v for k, v in session.items() if k != "audio"}


def ga_session(session: dict[str, Any], *, is_sure: bool) -> dict[str, Any] | None:
    """An xAI session object as GA has it; None for one that is not xAI's.

    Args:
        session: What a client sent, not checked yet; without the ``type`` that GA demands.
        is_sure: Whether this client has shown before that it speaks to xAI; else one of the marks must be there,
            since GA's clients forget the ``type`` too.
    """
    if not session.keys() <= _KEYS or not (is_sure or session.keys() & _MARKS):
        return None
    given: object = session.get("audio", {})
    halves: dict[str, Any] = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    if halves is not given or not all(isinstance(part, dict) for part in halves.values()):
        return {"type": "realtime", "audio": given}  # wrong in GA as well, which says what is wrong
    audio: dict[str, dict[str, Any]] = {half: dict(part) for half, part in halves.items()}
    if "turn_detection" in session:
        turns = session["turn_detection"]
        is_manual = isinstance(turns, dict) and cast("dict[str, Any]", turns).get("type", "") is None
        audio.setdefault("input", {})["turn_detection"] = None if is_manual else turns
    if "voice" in session:
        audio.setdefault("output", {})["voice"] = session["voice"]
    body: dict[str, Any] = {
        key: session[key] for key in ("instructions", "tools", "tool_choice") if key in session
    }
    if "max_response_output_tokens" in session:
        body["max_output_tokens"] = session["max_response_output_tokens"]
    return {"type": "realtime", **body, **({"audio": audio} if audio else {})}
