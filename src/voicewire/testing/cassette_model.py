"""``cassette:FILE``: a recorded session, played back as its provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicewire.errors import CassetteMismatch, ConfigError, UnknownModelError
from voicewire.models.model import Capabilities, RealtimeConnection
from voicewire.models.queue_door import RealtimeModelBase
from voicewire.testing.cassette_files import load_cassette
from voicewire.testing.cassette_link import CassetteLink
from voicewire.testing.cassette_script import Pace, ReplayScript
from voicewire.transport.cassette import Cassette, CassetteHeader
from voicewire.transport.frames import FrameReceiver, FrameTransport
from voicewire.transport.options import Connect

if TYPE_CHECKING:
    from voicewire.events.session import SessionConfig, ToolSpec
    from voicewire.models.remote_model import RemoteModel

_ADDRESS = "ws://cassette"
_PREVIEW = "2025-04-01-preview"
"""Any version of the preview: with one, Azure's model speaks the beta dialect."""


class CassetteRealtimeModel(RealtimeModelBase):
    """A model that answers as a provider answered when the session was recorded. Needs no key and no network.

    The session runs through the same codec as then. The application must send what was sent then, by kind and order;
    words, voices, tools and the sizes of audio frames may differ. When it does not, the session ends with
    `CassetteMismatch`, which names what was expected and what came.

    Each session plays the recording from its first connection on; where the recorded one was lost and restored,
    so is this one.

    Args:
        path: A file of ``--record``, or a recording that `load_cassette` can read.
        pace: ``fast``, or ``real-time`` for the recorded times between cause and answer.
        link: Arguments of ``set_link``, such as ``reconnect`` and ``record``.
    """

    def __init__(self, path: str | Path, *, pace: Pace = "fast", **link: Any) -> None:
        if pace not in ("fast", "real-time"):
            raise ConfigError(f"there is no pace {pace!r}; give 'fast' or 'real-time'")
        super().__init__(str(path))
        self.name = f"cassette:{path}"
        self._path = Path(path)
        self._pace: Pace = pace
        self._link = link
        self._cassette: Cassette | None = None
        self._capabilities: Capabilities | None = None

    def __repr__(self) -> str:
        return f"CassetteRealtimeModel({self.model_name!r})"

    @property
    def cassette(self) -> Cassette:
        """The recording; read when it is first needed.

        Raises:
            ConfigError: The file is not there, or no recording.
        """
        if self._cassette is None:
            self._cassette = load_cassette(self._path)
        return self._cassette

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]  # a value elsewhere; here it is in the file
        """What the recorded model can do."""
        if self._capabilities is None:
            self._capabilities = model_of(self.cassette.header, self.name).capabilities
        return self._capabilities

    def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AbstractAsyncContextManager[RealtimeConnection]:
        """Plays the recording from its beginning; see `RealtimeModel.open`."""
        return self._new_model().open(instructions=instructions, tools=tools, config=config)

    def _new_model(self) -> RemoteModel:
        """A model of one session, whose connections lead to the recording."""
        model = model_of(self.cassette.header, self.name)
        model.name = self.name
        model.set_link(wrap=_Player(self.cassette, self.model_name, self._pace).wrap).set_link(**self._link)
        return model


class _Player:
    """Connects one session to the recording, connection by connection."""

    def __init__(self, cassette: Cassette, name: str, pace: Pace) -> None:
        self._cassette = cassette
        self._name = name
        self._pace: Pace = pace
        self._count = 0

    def wrap(self, _connect: Connect) -> Connect:
        """A way to connect that leads to the recording, whatever the one given leads to."""
        return self._connect

    async def _connect(self, receiver: FrameReceiver) -> FrameTransport:
        numbers = self._cassette.connections
        if self._count >= len(numbers):
            raise CassetteMismatch(
                f"the cassette {self._name!r} holds {len(numbers)} connection{'s'[: len(numbers) != 1]} and the "
                "session opens one more; record the session again, or open it with reconnect=NO_RECONNECT",
                got="connection",
            )
        self._count += 1
        script = script_of(self._cassette, numbers[self._count - 1], self._name, self._pace)
        return CassetteLink(receiver, script).open()


def script_of(cassette: Cassette, connection: int, name: str, pace: Pace) -> ReplayScript:
    """The script of one connection of a recording."""
    return ReplayScript(
        cassette.of(connection), name=name, pace=pace, counts_frames=cassette.header.audio == "foreign"
    )


def model_of(header: CassetteHeader, name: str) -> RemoteModel:
    """The model whose codec speaks the recorded wire; it is never connected to its provider.

    Args:
        header: What was recorded.
        name: What the recording is called, for errors.

    Raises:
        ConfigError: Its provider is not one of ours.
    """
    from voicewire.models.registry import create_model
    from voicewire.models.remote_model import RemoteModel

    options: dict[str, Any] = {"api_key": "cassette", "base_url": _ADDRESS}
    if header.dialect == "beta":
        options |= {"api_version": _PREVIEW} if header.provider == "azure" else {"dialect": "beta"}
    try:
        model = create_model(header.model or header.provider, **options)
    except UnknownModelError as error:
        raise ConfigError(
            f"{name!r} was recorded from {header.model!r}, which this version cannot play ({error})"
        ) from error
    if not isinstance(model, RemoteModel):
        raise ConfigError(
            f"{name!r} was recorded from {header.model!r}, which has no wire that can be played"
        )
    return model
