"""The models that the gateways serve in these tests: they can be asked what reached them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from voicewire.events.session import SessionConfig, ToolSpec
from voicewire.models.echo import EchoRealtimeModel
from voicewire.models.model import RealtimeConnection, RealtimeModel
from voicewire.models.scripted import ScriptedRealtimeModel
from voicewire.protocols.openai.dialect_voicelive import VOICE_LIVE


class _Shown(RealtimeModel):
    """A model that shows its newest conversation."""

    _newest: RealtimeConnection | None = None

    @property
    def newest(self) -> RealtimeConnection:
        """The newest conversation, from the model's side."""
        assert self._newest is not None, "nobody has talked with it yet"
        return self._newest

    @property
    def in_force(self) -> SessionConfig:
        """The configuration of it."""
        return self.newest.config

    @asynccontextmanager
    async def _showing(
        self, opening: AbstractAsyncContextManager[RealtimeConnection]
    ) -> AsyncGenerator[RealtimeConnection, None]:
        async with opening as connection:
            self._newest = connection
            yield connection


class Witness(EchoRealtimeModel, _Shown):
    """``echo`` that takes every setting that some provider has."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = replace(
            self.capabilities,
            supports_idle_timeout=True,
            options=VOICE_LIVE.options | VOICE_LIVE.turn_kinds | {"smart_turn"},
        )

    def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AbstractAsyncContextManager[RealtimeConnection]:
        """Opens a conversation; see `RealtimeModel.open`."""
        return self._showing(super().open(instructions=instructions, tools=tools, config=config))


class ScriptedWitness(ScriptedRealtimeModel, _Shown):
    """``scripted`` that shows its newest conversation."""

    def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AbstractAsyncContextManager[RealtimeConnection]:
        """Opens a conversation; see `RealtimeModel.open`."""
        return self._showing(super().open(instructions=instructions, tools=tools, config=config))
