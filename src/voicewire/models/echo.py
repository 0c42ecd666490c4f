"""``echo``: the deterministic model. It says back what it was told; no model file, no network, no chance.

========================  ======================================================================
the user                  the answer
========================  ======================================================================
text ``T``                ``You said: T``, spoken as a 440 Hz tone, 20 ms for each character
audio (a turn)            ``You sent N ms of audio``, spoken as the turn's own audio
text ``call NAME {json}`` that function call; after its result ``NAME returned: RESULT``
text ``speak N seconds``  a tone of N seconds, streamed at twice the speed of real time
text ``fail CODE``        a failed response with that code
text ``drop``             the connection is cut (1006) without a closing handshake
========================  ======================================================================

The transcript of a turn is ``[audio N ms]``, with a partial before it. Usage counts one token for a character
of text and one for 100 ms of audio. Turns end by commit or by a detector that only looks at the level.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import anyio
import msgspec

from voicewire.audio.format import AudioFrame
from voicewire.audio.pcm import tone
from voicewire.clock import NS_PER_MS, Clock
from voicewire.conversation.orders import (
    ApplyConfig,
    CloseInput,
    StartResponse,
    StopGeneration,
    TranscribeInput,
    WorkOrder,
)
from voicewire.errors import AudioError
from voicewire.events.base import decode_base64
from voicewire.events.items import Item
from voicewire.events.model import TokenUsage
from voicewire.events.session import SessionConfig, ToolSpec
from voicewire.models.energy_vad import EnergyVad, LevelFall
from voicewire.models.hosted import CUT, HostedConnection, open_hosted
from voicewire.models.hosted_out import HostedLimits
from voicewire.models.model import Capabilities, RealtimeConnection
from voicewire.models.opening import session_config
from voicewire.models.queue_door import RealtimeModelBase

TONE_HZ = 440
TONE_DBFS = -12.0
TONE_RATE_HZ = 24000
MS_PER_CHARACTER = 20
MS_PER_AUDIO_TOKEN = 100
_DELTA_MS = 100
_SPEAK_DELTA_MS = 40
_SPEAK_SPEED = 2
_MAX_SPEAK_S = 3600.0
_PREFIX_PADDING_MS = 300
_SILENCE_MS = 500
_KEPT_TURNS = 8
"""Turns whose audio is kept; the newest is what a reply needs."""

_CALL = re.compile(r"\s*call\s+(?P<name>[\w.-]+)\s*(?P<arguments>\{.*\})\s*", re.DOTALL)
_SPEAK = re.compile(r"\s*speak\s+(?P<seconds>\d+(?:\.\d+)?)\s+seconds?\s*", re.IGNORECASE)
_FAIL = re.compile(r"\s*fail\s+(?P<code>\S+)\s*")
_PIECE = re.compile(r"\S+\s*|\s+")

CAPABILITIES = Capabilities(
    input_modalities=frozenset({"text", "audio", "image"}),
    input_rates_hz=(24000, 16000, 8000, 11025, 12000, 22050, 32000, 44100, 48000),
    output_rate_hz=TONE_RATE_HZ,
    supports_semantic_vad=True,
    supports_out_of_band=True,
    is_deterministic=True,
)


class EchoRealtimeModel(RealtimeModelBase):
    """The deterministic model.

    Args:
        config: Defaults of every session.
        clock: Paces ``speak N seconds``; the machine's clock by default.
        limits: Bounds of every session.
    """

    def __init__(
        self,
        *,
        config: SessionConfig | None = None,
        clock: Clock | None = None,
        limits: HostedLimits | None = None,
    ) -> None:
        super().__init__("echo")
        self.name = "echo"
        self.capabilities = CAPABILITIES
        self._defaults = config or SessionConfig()
        self._clock = clock
        self._limits = limits

    def __repr__(self) -> str:
        return "EchoRealtimeModel()"

    def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AbstractAsyncContextManager[RealtimeConnection]:
        """Opens a conversation; see `RealtimeModel.open`."""
        chosen = session_config(
            self._defaults, model="echo", instructions=instructions, tools=tools, config=config
        )
        return self._open(chosen)

    @asynccontextmanager
    async def _open(self, config: SessionConfig) -> AsyncGenerator[RealtimeConnection, None]:
        async with open_hosted(
            EchoPerformer,
            name=self.name,
            config=config,
            capabilities=self.capabilities,
            session=uuid4().hex[:12],
            clock=self._clock,
            limits=self._limits,
        ) as connection:
            yield connection


@dataclass(frozen=True, slots=True)
class Turn:
    """The audio of one user turn."""

    pcm16: bytes
    rate_hz: int
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is to be said."""

    text: str
    turn: Turn | None = None
    """Audio to give back; else the tone."""
    tone_ms: int | None = None
    """Length of the tone when it is not that of the text; such a tone is paced."""


class EchoPerformer:
    """The model behind an ``echo`` connection."""

    def __init__(self, connection: HostedConnection) -> None:
        self._connection = connection
        self._vad: EnergyVad | None = None
        self._turns: dict[str, Turn] = {}
        self._durations_ms: dict[str, int] = {}
        self._scopes: dict[int, anyio.CancelScope] = {}

    # ------------------------------------------------------------------ listening

    def on_audio(self, frame: AudioFrame) -> None:
        """Looks for the beginning and the end of speech."""
        connection, host = self._connection, self._connection.host
        if host.config.turn_detection is None and not host.is_speech_open:
            self._vad = None
            return
        if self._vad is None:
            self._vad = EnergyVad(host.input_rate_hz, self._silence_ms(host.config))
        for change in self._vad.feed(frame):
            if isinstance(change, LevelFall):
                connection.apply(host.speech_stopped(change.at_sample))
                connection.apply(host.end_turn())
                # Settings hold for a turn: the next one may have others. The frame grid goes on.
                self._vad.configure(self._silence_ms(host.config))
            else:
                detection = host.config.turn_detection
                padding_ms = detection.prefix_padding_ms if detection is not None else None
                padding_ms = _PREFIX_PADDING_MS if padding_ms is None else padding_ms
                start_sample = max(0, change.at_sample - padding_ms * host.input_rate_hz // 1000)
                connection.apply(host.speech_started(start_sample, now_ms=connection.now_ms))

    @staticmethod
    def _silence_ms(config: SessionConfig) -> int:
        detection = config.turn_detection
        silence_ms = None if detection is None else detection.silence_duration_ms
        return _SILENCE_MS if silence_ms is None else silence_ms

    # ------------------------------------------------------------------ orders

    def on_order(self, order: WorkOrder) -> None:
        """Carries out one order."""
        match order:
            case StartResponse():
                self._connection.spawn(self._respond, order, name=f"response {order.generation}")
            case StopGeneration():
                scope = self._scopes.get(order.generation)
                if scope is not None:
                    scope.cancel()
            case TranscribeInput():
                self._transcribe(order)
            case CloseInput():
                if self._vad is not None:
                    self._vad.reset()
            case ApplyConfig():
                if self._vad is not None and not self._connection.host.is_speech_open:
                    self._vad.configure(self._silence_ms(order.config))

    def _transcribe(self, order: TranscribeInput) -> None:
        connection, host = self._connection, self._connection.host
        pcm16 = connection.input_audio(order.start_sample, order.end_sample)
        duration_ms = round((order.end_sample - order.start_sample) * 1000 / host.input_rate_hz)
        self._keep(order.item_id, Turn(pcm16, host.input_rate_hz, duration_ms))
        text = f"[audio {duration_ms} ms]"
        connection.apply(host.transcription_partial(order.item_id, "[audio"))
        connection.apply(
            host.transcription_final(
                order.item_id,
                text,
                input_tokens=audio_tokens(duration_ms),
                output_tokens=len(text),
                duration_s=duration_ms / 1000,
            )
        )

    def _keep(self, item_id: str, turn: Turn) -> None:
        self._turns[item_id] = turn
        self._durations_ms[item_id] = turn.duration_ms
        if len(self._turns) > _KEPT_TURNS:
            del self._turns[next(iter(self._turns))]

    # ------------------------------------------------------------------ answering

    async def _respond(self, order: StartResponse) -> None:
        with anyio.CancelScope() as scope:
            self._scopes[order.generation] = scope
            try:
                await self._answer(order)
            finally:
                del self._scopes[order.generation]

    async def _answer(self, order: StartResponse) -> None:
        connection, generation = self._connection, order.generation
        asked = next((item for item in reversed(order.history) if _asks(item)), None)
        usage = self._input_usage(order)
        connection.host.response_usage(generation, usage)
        text = asked.text if asked is not None and asked.kind == "message" else ""
        if text.strip() == "drop":
            connection.end(CUT, "dropped on request")
        elif (fail := _FAIL.fullmatch(text)) is not None:
            code = fail["code"]
            connection.response_failed(generation, code=code, message=f"failed on request: {code}")
        elif (call := _CALL.fullmatch(text)) is not None and _is_json(call["arguments"]):
            name, arguments = call["name"], call["arguments"]
            connection.apply(connection.host.response_tool_call(generation, name, arguments))
            spent = _with_output(usage, len(name) + len(arguments), 0)
            connection.response_finished(generation, spent)
        else:
            await self._say(order, self._answer_to(asked, order), usage)

    def _answer_to(self, asked: Item | None, order: StartResponse) -> Answer:
        if asked is None:
            return Answer(text="You said nothing")
        if asked.kind == "function_call_output":
            calls = (item for item in order.history if item.kind == "function_call")
            name = next((call.name for call in calls if call.call_id == asked.call_id), "the call")
            return Answer(text=f"{name} returned: {asked.output or ''}")
        if any(part.kind == "audio" for part in asked.content):
            turn = self._turns.get(asked.id) or self._turn_of(asked)
            return Answer(text=f"You sent {turn.duration_ms} ms of audio", turn=turn)
        if not any(part.kind == "text" for part in asked.content):
            return Answer(text="You sent an image")
        answer = f"You said: {asked.text}"
        if (speak := _SPEAK.fullmatch(asked.text)) is not None:
            seconds = min(float(speak["seconds"]), _MAX_SPEAK_S)
            return Answer(text=answer, tone_ms=round(seconds * 1000))
        return Answer(text=answer)

    async def _say(self, order: StartResponse, answer: Answer, usage: TokenUsage) -> None:
        connection, generation = self._connection, order.generation
        limit = order.config.max_output_tokens
        is_cut = limit is not None and limit < len(answer.text)
        text = answer.text[:limit] if is_cut else answer.text
        is_audio = order.config.modality == "audio"
        is_spread = answer.turn is None and answer.tone_ms is None
        samples_per_character = order.config.output_format.rate * MS_PER_CHARACTER // 1000
        for piece in _PIECE.finditer(text):
            start_sample = piece.start() * samples_per_character if is_audio and is_spread else None
            connection.apply(
                connection.host.response_text(generation, piece.group(), audio_start_sample=start_sample)
            )
        duration_ms = 0
        if is_audio:
            duration_ms = await self._sound(generation, answer, len(text))
        connection.response_finished(
            generation,
            _with_output(usage, len(text), duration_ms),
            status="incomplete" if is_cut else "completed",
            reason="max_output_tokens" if is_cut else "",
        )

    async def _sound(self, generation: int, answer: Answer, characters: int) -> int:
        """Speaks; gives the duration in milliseconds."""
        if answer.turn is not None:
            await self._give_back(generation, answer.turn)
            return answer.turn.duration_ms
        if answer.tone_ms is not None:
            await self._speak_paced(generation, answer.tone_ms)
            return answer.tone_ms
        duration_ms = characters * MS_PER_CHARACTER
        for at_ms in range(0, duration_ms, _DELTA_MS):
            await self._connection.room()
            self._tone(generation, at_ms, min(_DELTA_MS, duration_ms - at_ms))
        return duration_ms

    async def _give_back(self, generation: int, turn: Turn) -> None:
        step = max(1, turn.rate_hz * _DELTA_MS // 1000) * 2
        for at in range(0, len(turn.pcm16), step):
            await self._connection.room()
            self._connection.response_audio(generation, turn.pcm16[at : at + step], turn.rate_hz)

    async def _speak_paced(self, generation: int, duration_ms: int) -> None:
        """A piece goes out when it would be over at twice the speed, so that nothing is ever early."""
        clock = self._connection.clock
        start_ns = clock.now_ns()
        for at_ms in range(0, duration_ms, _SPEAK_DELTA_MS):
            length_ms = min(_SPEAK_DELTA_MS, duration_ms - at_ms)
            await clock.sleep_until_ns(start_ns + (at_ms + length_ms) * NS_PER_MS // _SPEAK_SPEED)
            await self._connection.room()
            self._tone(generation, at_ms, length_ms)

    def _tone(self, generation: int, at_ms: int, length_ms: int) -> None:
        samples_per_ms = TONE_RATE_HZ // 1000
        pcm16 = tone(
            TONE_HZ,
            length_ms * samples_per_ms,
            TONE_RATE_HZ,
            TONE_DBFS,
            start_sample=at_ms * samples_per_ms,
        )
        self._connection.response_audio(generation, pcm16, TONE_RATE_HZ)

    # ------------------------------------------------------------------ counting

    def _turn_of(self, item: Item) -> Turn:
        """The audio that the application put into an item itself, in the session's input format."""
        input_format = self._connection.config.input_format
        encoded = next((part.audio for part in item.content if part.audio), "")
        try:
            data = decode_base64(encoded)
        except AudioError:
            data = b""
        if input_format.type != "audio/pcm":
            from voicewire.audio import g711

            data = g711.decode(data, "pcmu" if input_format.type == "audio/pcmu" else "pcma")
        data = data[: len(data) // 2 * 2]
        duration_ms = round(len(data) // 2 * 1000 / input_format.rate)
        return Turn(data, input_format.rate, self._durations_ms.get(item.id, duration_ms))

    def _input_usage(self, order: StartResponse) -> TokenUsage:
        text_tokens = len(order.config.instructions)
        audio = images = 0
        for item in order.history:
            text_tokens += len(item.arguments or "") + len(item.output or "")
            for part in item.content:
                if part.kind == "image":
                    images += 1
                elif part.kind == "audio" and item.role == "user":
                    duration_ms = self._durations_ms.get(item.id)
                    audio += audio_tokens(
                        self._turn_of(item).duration_ms if duration_ms is None else duration_ms
                    )
                else:
                    text_tokens += len(part.text)
        return TokenUsage(input_text_tokens=text_tokens, input_audio_tokens=audio, input_image_tokens=images)


def audio_tokens(duration_ms: int) -> int:
    """One for every begun 100 ms."""
    return -(-duration_ms // MS_PER_AUDIO_TOKEN)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _with_output(usage: TokenUsage, characters: int, audio_ms: int) -> TokenUsage:
    return TokenUsage(
        input_text_tokens=usage.input_text_tokens,
        input_audio_tokens=usage.input_audio_tokens,
        input_image_tokens=usage.input_image_tokens,
        output_text_tokens=characters,
        output_audio_tokens=audio_tokens(audio_ms),
    )


def _asks(item: Item) -> bool:
    """Whether a reply answers this item: a message that is not its own, or a result."""
    return item.kind == "function_call_output" or (item.kind == "message" and item.role != "assistant")
