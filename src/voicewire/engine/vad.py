"""Voice activity: Silero VAD on ONNX Runtime.

The network reads 512 new samples behind 64 samples of context and carries a (2, 1, 128) state. It runs
on one thread: at 0.1 ms for 32 ms of audio, more threads would only fight over the core. The runtime
releases the GIL while it computes, and one loaded session serves any number of threads.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from voicewire.engine import weights
from voicewire.engine.onnx import open_session, run_session
from voicewire.engine.stages import LISTEN_RATE_HZ, VAD_FRAME_SAMPLES, VadState
from voicewire.errors import InferenceError

if TYPE_CHECKING:
    from voicewire.engine.stages import FloatArray

_CONTEXT_SAMPLES: Final = 64
_STATE_SHAPE: Final = (2, 1, 128)


class SileroVad:
    """Silero VAD v6. One for a process; see ``Vad`` for the contract.

    Args:
        path: The ONNX file; None to look it up (see ``weights.locate``).

    Raises:
        ModelLoadError: The file is missing or damaged, or the runtime is not installed.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        import numpy as np

        self._session = open_session(
            weights.locate(weights.SILERO_VAD, path), inputs=("input", "state", "sr")
        )
        self._rate = np.array(LISTEN_RATE_HZ, dtype=np.int64)

    def new_state(self) -> VadState:
        """The state for one new session."""
        import numpy as np

        return VadState(
            recurrent=np.zeros(_STATE_SHAPE, dtype=np.float32),
            context=np.zeros(_CONTEXT_SAMPLES, dtype=np.float32),
        )

    def probability(self, state: VadState, samples: FloatArray) -> float:
        """The speech probability of the next frame of 512 samples; changes ``state``."""
        import numpy as np

        if samples.shape != (VAD_FRAME_SAMPLES,):
            raise InferenceError(f"a VAD frame has shape (512,) at 16 kHz, this one has {samples.shape!r}")
        frame = np.concatenate((state.context, samples)).astype(np.float32, copy=False)
        outputs = run_session(
            self._session,
            {"input": frame[np.newaxis], "state": state.recurrent, "sr": self._rate},
            what="VAD",
        )
        # NaN samples would poison the state for the rest of the session.
        if not np.isfinite(outputs[1]).all():
            raise InferenceError("the audio holds values that are not finite numbers; the VAD state was kept")
        state.recurrent = outputs[1]
        state.context = frame[-_CONTEXT_SAMPLES:]
        return float(outputs[0][0, 0])
