"""ONNX Runtime sessions as the engine uses them: one thread, processor only, our errors.

ONNX Runtime has no type information, so everything untyped about it stays in this file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from voicewire.errors import InferenceError, ModelLoadError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class OnnxNode(Protocol):
    """An input or output of a model."""

    @property
    def name(self) -> str:
        """Its name in the graph."""
        ...


class OnnxSession(Protocol):
    """What is used of ``onnxruntime.InferenceSession``; ``run`` is thread-safe and releases the GIL."""

    def get_inputs(self) -> Sequence[OnnxNode]:
        """The inputs of the model."""
        ...

    def get_outputs(self) -> Sequence[OnnxNode]:
        """The outputs of the model."""
        ...

    def run(self, output_names: None, input_feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """All outputs for one set of inputs."""
        ...


class _Options(Protocol):
    intra_op_num_threads: int
    inter_op_num_threads: int
    log_severity_level: int

    def add_session_config_entry(self, key: str, value: str) -> None: ...


class _Library(Protocol):
    """The part of ``onnxruntime`` that is used."""

    def SessionOptions(self) -> _Options: ...
    def InferenceSession(
        self, model: str | bytes, options: _Options, *, providers: list[str]
    ) -> OnnxSession: ...


def forbid_telemetry() -> None:
    """Keeps ONNX Runtime from reporting to its makers; to be called before anything imports it.

    Its official builds send events over the network and leave a file in the folder for temporary files; its
    own switch counts only when it is set before the first import. Whoever sets the variable is not overruled.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def open_session(model: Path | bytes, *, inputs: tuple[str, ...]) -> OnnxSession:
    """Load a model that has the given inputs, on one thread.

    Args:
        model: The file, or its bytes.
        inputs: Names that the model must take, to tell a wrong file at once.

    Raises:
        ModelLoadError: The runtime is not installed, or this is not that model.
    """
    where = repr(str(model)) if isinstance(model, Path) else "the model in memory"
    forbid_telemetry()
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelLoadError(
            "the embedded engine is not installed; run `pip install 'voicewire[embedded]'`"
        ) from error
    library = cast("_Library", onnxruntime)
    options = library.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Without this a waiting thread pool burns a core; with one thread there is nothing to wait for.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        opened = library.InferenceSession(
            str(model) if isinstance(model, Path) else model, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the runtime's own exceptions share no base class but this one
        raise ModelLoadError(
            f"{where} is not a model that can be loaded ({error}); run `voicewire setup` to fetch it again"
        ) from error
    names = {node.name for node in opened.get_inputs()}
    if not names.issuperset(inputs):
        raise ModelLoadError(
            f"{where} is another model: it takes {sorted(names)!r} and not {sorted(inputs)!r}"
        )
    return opened


def run_session(session: OnnxSession, feed: Mapping[str, NDArray[Any]], *, what: str) -> list[NDArray[Any]]:
    """Run the model.

    Raises:
        InferenceError: The runtime failed; ``what`` names the stage.
    """
    try:
        return session.run(None, feed)
    except Exception as error:  # the runtime's own exceptions share no base class but this one
        raise InferenceError(f"the {what} model failed: {error}") from error
