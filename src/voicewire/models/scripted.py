"""``scripted:FILE``: plays a conversation from a file, the same way every time. Format: `script_steps`."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec

from voicewire.audio.format import AudioFrame
from voicewire.audio.pcm import tone
from voicewire.clock import NS_PER_MS, Clock
from voicewire.conversation.orders import StartResponse, StopGeneration, TranscribeInput, WorkOrder
from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio, Command
from voicewire.events.model import ModelErrorEvent, ModelEvents, ModelInputStartedEvent
from voicewire.events.session import SessionConfig, ToolSpec
from voicewire.models.hosted import CUT, INTERNAL_ERROR_CLOSE, HostedConnection, open_hosted
from voicewire.models.hosted_out import HostedLimits
from voicewire.models.model import Capabilities, RealtimeConnection
from voicewire.models.opening import session_config
from voicewire.models.queue_door import RealtimeModelBase
from voicewire.models.script_steps import Step, read_script

_RATE_HZ = 24000
_MAX_SEEN = 4096
"""Commands that wait to be expected; the oldest beyond them are forgotten."""

CAPABILITIES = Capabilities(
    input_modalities=frozenset({"text", "audio", "image"}),
    supports_semantic_vad=True,
    supports_out_of_band=True,
    is_deterministic=True,
)


class ScriptedRealtimeModel(RealtimeModelBase):
    """A model that follows a script.

    Args:
        script: Path of the script file, or its steps.
        config: Defaults of every session.
        clock: Measures ``wait_ms``; the machine's clock by default.
        limits: Bounds of every session.
        capabilities: What the model claims to be able to do.
    """

    def __init__(
        self,
        script: str | Path | Iterable[Step],
        *,
        config: SessionConfig | None = None,
        clock: Clock | None = None,
        limits: HostedLimits | None = None,
        capabilities: Capabilities = CAPABILITIES,
    ) -> None:
        is_file = isinstance(script, (str, Path))
        self._script = script if isinstance(script, (str, Path)) else tuple(script)
        super().__init__(str(script) if is_file else "steps")
        self.name = f"scripted:{self.model_name}"
        self.capabilities = capabilities
        self._defaults = config or SessionConfig()
        self._clock = clock
        self._limits = limits

    def __repr__(self) -> str:
        return f"ScriptedRealtimeModel({self.model_name!r})"

    def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AbstractAsyncContextManager[RealtimeConnection]:
        """Opens a conversation; see `RealtimeModel.open`.

        Raises:
            ConfigError: The script cannot be read or is not one.
        """
        chosen = session_config(
            self._defaults, model=self.model_name, instructions=instructions, tools=tools, config=config
        )
        return self._open(chosen)

    @asynccontextmanager
    async def _open(self, config: SessionConfig) -> AsyncGenerator[RealtimeConnection, None]:
        script = self._script
        steps = read_script(script) if isinstance(script, (str, Path)) else script
        players: list[ScriptPlayer] = []

        def make(connection: HostedConnection) -> ScriptPlayer:
            players.append(ScriptPlayer(connection, steps))
            return players[0]

        async with open_hosted(
            make,
            name=self.name,
            config=config,
            capabilities=self.capabilities,
            session=re.sub(r"\W", "", Path(self.model_name).stem) or "script",
            clock=self._clock,
            limits=self._limits,
        ) as connection:
            yield _ObservedConnection(connection, players[0])


class _ObservedConnection(RealtimeConnection):
    """The hosted connection, with the player looking on at the commands."""

    def __init__(self, inner: HostedConnection, player: ScriptPlayer) -> None:
        self._inner = inner
        self._player = player

    @property
    def session_id(self) -> str:
        return self._inner.session_id

    @property
    def config(self) -> SessionConfig:
        return self._inner.config

    async def send(self, command: Command) -> None:
        await self._inner.send(command)
        self._player.saw(command)

    def __aiter__(self) -> AsyncIterator[EventBase]:
        return aiter(self._inner)

    async def aclose(self) -> None:
        await self._inner.aclose()


class ScriptPlayer:
    """The model behind a scripted connection: one task that goes through the steps."""

    def __init__(self, connection: HostedConnection, steps: Iterable[Step]) -> None:
        self._connection = connection
        self._steps = tuple(steps)
        self._wants_audio = any(step.expect == "AppendAudio" for step in self._steps)
        self._seen: deque[Command] = deque(maxlen=_MAX_SEEN)
        self._due: deque[StartResponse] = deque()
        self._current: StartResponse | None = None
        self._turn_item_id = ""
        self._news = anyio.Event()
        self._is_over = False
        connection.spawn(self._play, name="script")

    # ------------------------------------------------------------------ what happens

    def on_audio(self, frame: AudioFrame) -> None:
        """Audio has no effect of its own; the script says what was heard."""

    def on_order(self, order: WorkOrder) -> None:
        """Notes what is due."""
        if isinstance(order, StartResponse):
            self._due.append(order)
            self._refuse_late()
        elif isinstance(order, StopGeneration):
            self._due = deque(due for due in self._due if due.generation != order.generation)
        elif isinstance(order, TranscribeInput):
            self._turn_item_id = order.item_id
        self._tell()

    def saw(self, command: Command) -> None:
        """The application sent a command and it has taken effect."""
        if self._wants_audio or not isinstance(command, AppendAudio):
            self._seen.append(command)
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    def _refuse_late(self) -> None:
        while self._is_over and self._due:
            order = self._due.popleft()
            self._connection.response_failed(
                order.generation, code="script_over", message="the script holds no further response"
            )

    # ------------------------------------------------------------------ playing

    async def _play(self) -> None:
        for step in self._steps:
            await self._do(step)
        self._is_over = True
        self._refuse_late()

    async def _do(self, step: Step) -> None:
        connection, clock = self._connection, self._connection.clock
        match step.verb:
            case "expect":
                await self._expect(step)
            case "wait_ms":
                await clock.sleep_until_ns(clock.now_ns() + (step.wait_ms or 0) * NS_PER_MS)
            case "error":
                event = ModelErrorEvent(
                    error_type="server_error", code=step.error or "", message=step.message
                )
                connection.apply([event])
            case "emit":
                connection.apply([ModelEvents.from_json(step.emit or {})])
            case "drop":
                connection.end(CUT, step.drop or "dropped by the script")
            case "close":
                connection.end(step.close or 1000, step.reason or "closed by the script")
            case "speech_started_ms" | "speech_stopped_ms" | "end_turn" | "partial" | "transcript":
                self._hear(step)
            case _:
                self._reply(step)

    async def _expect(self, step: Step) -> None:
        if step.expect == "response":
            while not self._due:
                await self._news.wait()
            self._current = self._due.popleft()
            return
        while True:
            while not self._seen:
                await self._news.wait()
            command = self._seen.popleft()
            if type(command).__name__ != step.expect:
                continue
            wrong = {
                name: got
                for name, wanted in (step.where or {}).items()
                if (got := msgspec.to_builtins(getattr(command, name, None))) != wanted
            }
            if wrong:
                wanted = f"{step.expect} with {step.where!r}"
                said = f"line {step.line} of the script expected {wanted}, got {wrong!r}"
                self._connection.end(INTERNAL_ERROR_CLOSE, said)
            return

    def _reply(self, step: Step) -> None:
        connection, host = self._connection, self._connection.host
        if self._current is None:
            said = f"line {step.line} of the script answers, but no response is due: expect one first"
            connection.end(INTERNAL_ERROR_CLOSE, said)
            return
        generation = self._current.generation
        match step.verb:
            case "say" | "audio_ms":
                if step.say:
                    connection.apply(host.response_text(generation, step.say))
                if step.audio_ms:
                    samples = step.audio_ms * _RATE_HZ // 1000
                    connection.response_audio(generation, tone(step.hz, samples, _RATE_HZ), _RATE_HZ)
            case "call":
                arguments = step.arguments
                if not isinstance(arguments, str):
                    arguments = msgspec.json.encode(arguments).decode()
                connection.apply(
                    host.response_tool_call(generation, step.call or "", arguments, call_id=step.call_id)
                )
            case "fail":
                connection.response_failed(generation, code=step.fail or "", message=step.message)
            case _:
                connection.response_finished(
                    generation,
                    step.usage,
                    status=step.finish or "completed",
                    reason=step.reason,
                    message=step.message,
                )

    def _hear(self, step: Step) -> None:
        connection, host = self._connection, self._connection.host
        if step.speech_started_ms is not None:
            at_sample = self._reached(step.speech_started_ms)
            outputs = host.speech_started(at_sample, now_ms=connection.now_ms)
            for output in outputs:
                if isinstance(output, ModelInputStartedEvent):
                    self._turn_item_id = output.item_id
            connection.apply(outputs)
        elif step.speech_stopped_ms is not None:
            connection.apply(host.speech_stopped(self._reached(step.speech_stopped_ms)))
        elif step.end_turn is not None:
            connection.apply(host.end_turn())
        elif step.partial is not None:
            connection.apply(host.transcription_partial(self._turn_item_id, step.partial))
        else:
            connection.apply(host.transcription_final(self._turn_item_id, step.transcript or ""))

    def _reached(self, at_ms: int) -> int:
        """The input position of a moment; input that nobody sent up to it counts as silence."""
        host = self._connection.host
        at_sample = at_ms * host.input_rate_hz // 1000
        self._connection.apply(host.audio_appended(max(0, at_sample - host.input_end_sample)))
        return at_sample
