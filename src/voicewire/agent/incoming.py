"""What a front end or another agent says to an agent, as commands."""

from __future__ import annotations

from typing import Any, Final, Literal, cast

import msgspec

from voicewire.errors import AudioError, InvalidEventError
from voicewire.events.base import AudioPayload, EventBase, MediaFormat, decode_base64
from voicewire.events.client import ClientAudioAppendEvent, ClientImageAppendEvent
from voicewire.events.commands import AppendAudio, Command, CommitAudio, SendImage
from voicewire.events.server import AgentResponseAudioDeltaEvent, AgentResponseAudioDoneEvent
from voicewire.events.session import SessionConfig, ToolSpec, TurnDetection, tool_specs

Encoding = Literal["pcm16", "pcmu", "pcma"]

_ENCODINGS: Final[dict[str, Encoding]] = {
    "audio/pcm": "pcm16", "audio/l16": "pcm16", "audio/pcmu": "pcmu", "audio/pcma": "pcma",
}  # fmt: skip
_SILENCE_MS: Final = 800
"""What ends a turn where the configuration does not say; every provider's default is below it."""
_SILENCE_MARGIN_MS: Final = 400
_SEMANTIC_SILENCE_MS: Final = 2000
"""A detector that listens to the sense may wait longer."""
_PIECE_MS: Final = 100


class Incoming:
    """Makes audio of any source into commands; keeps the odd byte between two pieces of one source.

    Args:
        agent_id: The agent's own id; what it says itself is not heard.
    """

    def __init__(self, agent_id: str) -> None:
        self._agent_id = agent_id
        self._odd_bytes: dict[str, bytes] = {}
        self._speaking: dict[str, AppendAudio] = {}

    def client_audio(self, event: ClientAudioAppendEvent) -> list[Command]:
        """The audio of a front end, at the rate that it declares.

        Raises:
            AudioError: Not base64, a rate out of range, or a media type that is not raw audio.
        """
        append = self._append("", AudioPayload(base64=event.audio), event.format)
        return [] if append is None else [append]

    def other_agent(self, event: EventBase, config: SessionConfig) -> list[Command]:
        """Another agent's audio as the voice of the user; its end ends the turn. Other events say nothing.

        Raises:
            AudioError: See ``client_audio``.
        """
        if isinstance(event, AgentResponseAudioDeltaEvent):
            if event.agent_id == self._agent_id:
                return []
            append = self._append(event.agent_id, event.payload, event.format)
            if append is None:
                return []
            self._speaking[event.agent_id] = append
            return [append]
        if isinstance(event, AgentResponseAudioDoneEvent):
            self._odd_bytes.pop(event.agent_id, None)
            last = self._speaking.pop(event.agent_id, None)
            return [] if last is None else _end_of_turn(config.turn_detection, last)
        return []

    def _append(self, source: str, payload: AudioPayload, audio: MediaFormat) -> AppendAudio | None:
        encoding = _ENCODINGS.get(audio.type.partition(";")[0].strip().lower())
        if encoding is None:
            raise AudioError(
                f"audio format type {audio.type!r} is not raw audio; use one of {list(_ENCODINGS)}"
            )
        # Read here, so that text that is not base64 is this event's error and never reaches a provider.
        size_bytes = len(payload.pcm)
        if encoding != "pcm16":
            return AppendAudio(payload, audio.rate, encoding=encoding) if size_bytes else None
        odd = self._odd_bytes.pop(source, b"")
        if odd or size_bytes % 2:
            pcm = odd + payload.pcm
            self._odd_bytes[source] = pcm[len(pcm) // 2 * 2 :]
            payload = AudioPayload(pcm=pcm[: len(pcm) // 2 * 2])
        return AppendAudio(payload, audio.rate) if payload.size_bytes else None


def image_command(event: ClientImageAppendEvent) -> SendImage:
    """An image with the media type that the front end gives it, ``image/jpeg`` where it gives none.

    Raises:
        InvalidEventError: Not base64.
    """
    if not event.image.startswith("data:"):
        try:
            is_empty = not decode_base64(event.image)
        except AudioError as error:
            raise InvalidEventError("field 'image' is not base64") from error
        if is_empty:
            raise InvalidEventError("field 'image' is empty; send a whole image file in base64")
    names: list[Any] = [event.format.get("mime_type"), event.format.get("type")]
    media_types = [name for name in names if isinstance(name, str) and name.startswith("image/")]
    return SendImage(event.image, media_types[0] if media_types else "image/jpeg")


def _end_of_turn(detection: TurnDetection | None, last: AppendAudio) -> list[Command]:
    """A detector is given the silence that it waits for: audio of an agent stops without any."""
    if detection is None:
        return [CommitAudio()]
    silence_ms = detection.silence_duration_ms or (
        _SILENCE_MS if detection.kind == "server_vad" else _SEMANTIC_SILENCE_MS
    )
    samples = last.sample_rate_hz * _PIECE_MS // 1000
    quiet = {"pcm16": b"\0\0", "pcmu": b"\xff", "pcma": b"\xd5"}[last.encoding] * samples
    piece = AppendAudio(quiet, last.sample_rate_hz, encoding=last.encoding)
    return [piece] * -(-(silence_ms + _SILENCE_MARGIN_MS) // _PIECE_MS)


class SessionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The ``config`` of a ``client_session_create`` event. Keys that it does not know are left alone."""

    instructions: str | None = None
    user_name: str | None = None
    """Told to the model with the instructions."""
    agent_name: str | None = None
    model_provider: str | None = None
    model: str | None = None
    voice: str | None = None
    turn_detection: TurnDetection | None | msgspec.UnsetType = msgspec.UNSET
    tools: tuple[ToolSpec, ...] | None = None
    """Tools that the front end runs itself."""
    reports_playout: bool = False
    """Whether the front end tells what it has played (``client_playout_report``)."""

    @classmethod
    def read(cls, config: dict[str, Any]) -> SessionRequest:
        """Reads the event's configuration.

        Raises:
            InvalidEventError: A field has the wrong type; the message names it.
            ConfigError: An entry of ``tools`` is not a function tool.
        """
        texts = ("instructions", "user_name", "agent_name", "model_provider", "model", "voice")
        for name in texts:
            if not isinstance(config.get(name), str | None):
                raise InvalidEventError(f"config field {name!r} is not a string: {config[name]!r}")
        given = {name: config[name] for name in texts if config.get(name) is not None}
        reports_playout = config.get("reports_playout", False)
        if not isinstance(reports_playout, bool):
            raise InvalidEventError("config field 'reports_playout' is not true or false")
        tools = config.get("tools")
        listed = cast("list[object]", tools) if isinstance(tools, list) else []
        if not isinstance(tools, list | None) or not all(isinstance(tool, dict) for tool in listed):
            raise InvalidEventError("config field 'tools' is not a list of objects")
        detection: TurnDetection | None | msgspec.UnsetType = msgspec.UNSET
        if "turn_detection" in config:
            detection = _turn_detection(config["turn_detection"])
        specs = None if tools is None else tool_specs(cast("list[dict[str, Any]]", listed))
        return cls(**given, turn_detection=detection, tools=specs, reports_playout=reports_playout)

    def instructions_after(self, default: str) -> str:
        """What the model is to be, and with whom it talks."""
        told = default if self.instructions is None else self.instructions
        return f"{told}\nThe user's name is {self.user_name}." if self.user_name else told


def _turn_detection(value: object) -> TurnDetection | None:
    """Reads a kind, or an object with ``type`` and the fields of ``TurnDetection``, as every wire spells it."""
    if value is None or value == "none":
        return None
    fields: object = {"kind": value}
    if not isinstance(value, str):
        fields = value
    if isinstance(value, dict):
        named = cast("dict[str, object]", value)
        fields = {"kind" if name == "type" else name: field for name, field in named.items()}
    try:
        detection = msgspec.convert(fields, _StrictTurnDetection)
    except msgspec.ValidationError as error:
        raise InvalidEventError(f"config field 'turn_detection': {error}") from error
    return TurnDetection(**{name: getattr(detection, name) for name in TurnDetection.__struct_fields__})


class _StrictTurnDetection(TurnDetection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For reading: a field that does not exist is a mistake, not a wish."""
