"""``local``: the embedded engine as a model like any other."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Iterable, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio.to_thread
import msgspec

from voicewire.clock import Clock
from voicewire.engine.runtime import EngineOptions, EngineRuntime
from voicewire.engine.session import EngineSession
from voicewire.events.base import MediaFormat
from voicewire.events.session import SessionConfig, ToolSpec, tool_specs
from voicewire.models.hosted import open_hosted
from voicewire.models.hosted_out import HostedLimits
from voicewire.models.model import Capabilities, RealtimeConnection, RealtimeModel

DEFAULT_INSTRUCTIONS = "You are a friendly voice assistant. Answer in one or two short sentences."

LOCAL_CAPABILITIES = Capabilities(
    input_modalities=frozenset({"text", "audio"}),
    input_rates_hz=(16000,),
    output_rate_hz=24000,
    voices=("heart", "espeak"),
    languages=("en",),
    supports_semantic_vad=True,
    supports_out_of_band=True,
)


class LocalRealtimeModel(RealtimeModel):
    """Voice activity, recognition, brain and voice on this machine: no key, no network, English.

    Its brain is a demo brain; ``brain`` replaces it in one word.

    Args:
        voice: A voice of the synthesizer; empty for its default one.
        brain: A GGUF file's path, an OpenAI-compatible base URL (``http://...``), ``rules`` for the
            deterministic skills alone, or None for the default.
        brain_model: Model name for a base URL.
        brain_api_key: Key for a base URL.
        use_turn_model: Whether the tone of a turn may shorten or stretch the silence wait.
        options: All of it at once, for replaced stages.
        instructions: What the model is to be, unless ``open`` says so.
        clock: Time; the machine's own by default.
        limits: The bounds of each conversation.
    """

    name = "local"
    capabilities = LOCAL_CAPABILITIES

    def __init__(
        self,
        *,
        voice: str = "",
        brain: str | None = None,
        brain_model: str = "",
        brain_api_key: str = "",
        use_turn_model: bool = True,
        options: EngineOptions | None = None,
        instructions: str = DEFAULT_INSTRUCTIONS,
        clock: Clock | None = None,
        limits: HostedLimits | None = None,
    ) -> None:
        self._options = options or EngineOptions(
            brain=brain or "",
            brain_model=brain_model,
            brain_api_key=brain_api_key,
            use_turn_model=use_turn_model,
        )
        self._voice = voice
        self._instructions = instructions
        self._clock = clock
        self._limits = limits

    def __repr__(self) -> str:
        return f"LocalRealtimeModel(voice={self._voice!r}, brain={self._options.brain!r})"

    def preload(self) -> Future[None]:
        """Starts to load the models in another thread, once.

        A conversation that opens meanwhile begins at once: its audio and requests wait until the models are
        there, and it ends by the error of loading them, if there is one.

        Returns:
            Done when they are loaded and warm; raises as ``open`` does.
        """
        return EngineRuntime.shared(self._options).preload()

    def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AbstractAsyncContextManager[RealtimeConnection]:
        """Opens a conversation; the first one of a process loads the models (about 3 s; see ``preload``).

        Raises:
            ModelLoadError: A weight file is missing or damaged; the message names the command that helps.
            ConfigError: The engine's packages are not installed.
            UnsupportedError: The configuration asks for what the engine cannot do.
        """
        return self._open(instructions, tools, config)

    @asynccontextmanager
    async def _open(
        self,
        instructions: str,
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None,
        config: SessionConfig | None,
    ) -> AsyncGenerator[RealtimeConnection, None]:
        base = config or SessionConfig(output_format=MediaFormat("audio/pcm", 24000))
        base = msgspec.structs.replace(
            base,
            model="local",
            instructions=instructions or base.instructions or self._instructions,
            voice=base.voice or self._voice,
            tools=tool_specs(tools) if tools is not None else base.tools,
        )
        runtime = EngineRuntime.shared(self._options)
        loaded = runtime.wait_until_loaded if runtime.is_loading else None
        if loaded is None:
            await anyio.to_thread.run_sync(runtime.load)
        async with open_hosted(
            lambda connection: EngineSession(runtime, connection),
            name=self.name,
            config=base,
            capabilities=self.capabilities,
            session=secrets.token_hex(8),
            clock=self._clock,
            limits=self._limits,
            loaded=loaded,
        ) as connection:
            yield connection
