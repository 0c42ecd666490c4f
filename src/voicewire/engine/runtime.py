"""The engine's models and threads: loaded once in a process, shared by all its conversations.

Threads (ADR 0004). Four lanes, each a small executor, so that a long answer never delays a turn's end:

==========  =======  ==========================================================
lane        threads  runs
==========  =======  ==========================================================
listen      1        voice activity of all sessions, a few 0.1 ms steps each
recognise   1        partial and final transcripts, 50 to 150 ms each
hint        1        the tone of a turn, about 40 ms
answer      4        one response each: brain, clauses, synthesis
==========  =======  ==========================================================

A queued job whose session is gone is cancelled before it runs; a running one ends within one step and
its result goes nowhere.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal, TypeVar, cast

from voicewire.engine.brain.base import Brain
from voicewire.engine.stages import Endpointer, EndpointSettings, Recognizer, Synthesizer, TurnModel, Vad
from voicewire.errors import ConfigError

T = TypeVar("T")
Lane = Literal["listen", "recognise", "hint", "answer"]
Stage = Literal["vad", "endpointer", "recognizer", "synthesizer", "brain", "turn_model"]

LANE_THREADS: dict[Lane, int] = {"listen": 1, "recognise": 1, "hint": 1, "answer": 4}

DEFAULTS: dict[Stage, str] = {
    "vad": "voicewire.engine.vad:SileroVad",
    "endpointer": "voicewire.engine.endpoint:SilenceEndpointer",
    "recognizer": "voicewire.engine.asr:WhisperRecognizer",
    "synthesizer": "voicewire.engine.tts:create_synthesizer",
    "brain": "voicewire.engine.brain:create_brain",
    "turn_model": "voicewire.engine.hints:SmartTurn",
}
"""What each stage is unless the options say otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Which stages the engine is made of. Equal options share one set of models.

    A stage is named by ``module:factory``, by the name of an entry point in the group
    ``voicewire.<stage>``, or left empty for the default.
    """

    brain: str = ""
    """A GGUF file's path, an OpenAI-compatible base URL, ``rules``, a stage's name, or empty for the default."""
    brain_model: str = ""
    """Model name for a base URL."""
    brain_api_key: str = field(default="", repr=False)
    """Key for a base URL."""
    vad: str = ""
    endpointer: str = ""
    """Called with the session's ``EndpointSettings``, once for each session."""
    recognizer: str = ""
    synthesizer: str = ""
    turn_model: str = ""
    use_turn_model: bool = True
    """Whether the tone of a turn may shorten or stretch the silence wait."""


def load_stage(stage: Stage, name: str) -> Callable[..., object]:
    """The factory of one stage.

    Raises:
        ConfigError: No module, entry point or factory of that name.
    """
    target = name or DEFAULTS[stage]
    for entry in entry_points(group=f"voicewire.{stage}", name=target):
        return cast("Callable[..., object]", entry.load())
    module_name, _, attribute = target.partition(":")
    try:
        return cast("Callable[..., object]", getattr(import_module(module_name), attribute))
    except (ImportError, AttributeError, ValueError) as error:
        extra = "; install the engine's parts with: pip install 'voicewire[embedded]'" if not name else ""
        raise ConfigError(f"no {stage} named {target!r}: {error}{extra}") from error


def _names_a_stage(stage: Stage, name: str) -> bool:
    """Whether a brain's one-line name is that of a stage: ``module:factory``, or an entry point."""
    if "/" in name or name.endswith(".gguf"):
        return False
    return ":" in name or bool(name and entry_points(group=f"voicewire.{stage}", name=name))


class EngineRuntime:
    """The loaded models of one set of options, and the lanes that run them.

    Thread-safe. ``load`` blocks (about 3 s cold) and belongs into a worker thread.
    """

    vad: Vad
    recognizer: Recognizer
    synthesizer: Synthesizer
    brain: Brain
    turn_model: TurnModel | None

    _shared: dict[EngineOptions, EngineRuntime] = {}  # noqa: RUF012  one registry for the process
    _shared_lock = threading.Lock()

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self._lanes = {
            lane: ThreadPoolExecutor(threads, thread_name_prefix=f"voicewire-{lane}")
            for lane, threads in LANE_THREADS.items()
        }
        self._lock = threading.Lock()
        self._is_loaded = False
        self._loading: Future[None] | None = None

    @classmethod
    def shared(cls, options: EngineOptions) -> EngineRuntime:
        """The one runtime of this process for these options."""
        with cls._shared_lock:
            if options not in cls._shared:
                cls._shared[options] = cls(options)
            return cls._shared[options]

    @classmethod
    def forget(cls, options: EngineOptions) -> None:
        """Lets go of a runtime: its threads end after their work, its models with their last session."""
        with cls._shared_lock:
            runtime = cls._shared.pop(options, None)
        if runtime is not None:
            for lane in runtime._lanes.values():
                lane.shutdown(wait=False, cancel_futures=True)

    @classmethod
    def loaded_stage(cls, stage: Stage, name: str) -> object | None:
        """A stage that a runtime of this process has loaded already, None when there is none."""
        with cls._shared_lock:
            runtimes = list(cls._shared.values())
        for runtime in runtimes:
            if runtime._is_loaded and getattr(runtime.options, stage) == name:
                return cast("object", getattr(runtime, stage))
        return None

    def new_endpointer(self, settings: EndpointSettings) -> Endpointer:
        """The policy of one new session."""
        return self._new_endpointer(settings)

    def load(self) -> None:
        """Loads and warms up every stage once; later calls return at once.

        Raises:
            ModelLoadError: A weight file is missing or damaged; the message names the command that helps.
            ConfigError: A stage's package is not installed, or no such stage.
        """
        with self._lock:
            if self._is_loaded:
                return
            options = self.options
            # Half of the time is the brain's; it needs nothing of the others.
            brain = self._lanes["hint"].submit(self._warm_brain, options)
            try:
                self._new_endpointer = cast(
                    "Callable[..., Endpointer]", load_stage("endpointer", options.endpointer)
                )
                self.vad = cast("Vad", load_stage("vad", options.vad)())
                self.recognizer = cast("Recognizer", load_stage("recognizer", options.recognizer)())
                self.synthesizer = cast("Synthesizer", load_stage("synthesizer", options.synthesizer)())
                self.turn_model = (
                    cast("TurnModel", load_stage("turn_model", options.turn_model)())
                    if options.use_turn_model
                    else None
                )
                self._warm_up()
            except BaseException:
                wait((brain,))  # a load that failed leaves no thread at work
                raise
            self.brain = brain.result()
            self._is_loaded = True

    def preload(self) -> Future[None]:
        """Starts to load in a thread of the answer lane, unless that was started before.

        Returns:
            What ``load`` returns or raises. Conversations that open meanwhile wait for it, not for each other.
        """
        with self._shared_lock:
            if self._loading is None:
                self._loading = self._lanes["answer"].submit(self.load)
            return self._loading

    @property
    def is_loading(self) -> bool:
        """Whether ``preload`` was called and has not ended."""
        return self._loading is not None and not self._loading.done()

    async def wait_until_loaded(self) -> None:
        """Waits for ``preload``. Cancellation: safe; the loading goes on.

        Raises:
            VoicewireError: See ``load``.
        """
        await asyncio.shield(asyncio.wrap_future(self.preload()))

    @staticmethod
    def _load_brain(options: EngineOptions) -> Brain:
        if _names_a_stage("brain", options.brain):
            return cast("Brain", load_stage("brain", options.brain)())
        create = cast("Callable[..., Brain]", load_stage("brain", ""))
        return create(
            options.brain or None, model=options.brain_model or None, api_key=options.brain_api_key or None
        )

    def _warm_brain(self, options: EngineOptions) -> Brain:
        brain = self._load_brain(options)
        brain.warm_up()
        return brain

    def _warm_up(self) -> None:
        """The first call of every model is up to ten times slower than the second; pay for it here."""
        import numpy as np

        from voicewire.engine.stages import LISTEN_RATE_HZ, VAD_FRAME_SAMPLES

        quiet = np.zeros(LISTEN_RATE_HZ, dtype=np.float32)
        self.vad.probability(self.vad.new_state(), quiet[:VAD_FRAME_SAMPLES])
        self.recognizer.transcribe(quiet, final=True)
        self.recognizer.transcribe(quiet, final=False)
        if self.turn_model is not None:
            self.turn_model.probability(quiet)
        self.synthesizer.synthesize("Hello there.")

    async def run(self, lane: Lane, work: Callable[..., T], *args: Any) -> T:
        """Runs blocking work in a lane's thread.

        Cancellation: work that has not begun is taken back; work that has begun ends by itself and its
        result is dropped.
        """
        return await asyncio.wrap_future(self._lanes[lane].submit(work, *args))

    def submit(self, lane: Lane, work: Callable[..., None], *args: Any) -> None:
        """Starts blocking work in a lane's thread; it reports by the means it was given."""
        self._lanes[lane].submit(work, *args)

    def backlog(self, lane: Lane) -> int:
        """How many jobs wait for a thread of the lane (for shedding partial transcripts under load)."""
        return self._lanes[lane]._work_queue.qsize()
