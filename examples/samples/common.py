"""What the samples share: the environment, the audio file, and which service to talk with."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from dotenv import find_dotenv, load_dotenv

from voicewire.audio import read_audio
from voicewire.clients import AzureKeyCredential
from voicewire.errors import AudioError

RATE_HZ = 24_000
CHUNK_BYTES = 2 * RATE_HZ // 10


def fail(message: str) -> NoReturn:
    """Ends the program with a message."""
    print(message, file=sys.stderr)
    raise SystemExit(1)


def variable(name: str) -> str:
    """A variable that has to be set, in the environment or in ``.env``."""
    value = os.environ.get(name, "")
    if not value:
        fail(f"Environment variable '{name}' is not set or is empty.")
    return value


def service(provider: str) -> dict[str, Any]:
    """The arguments of a client for ``azure`` or ``openai``."""
    load_dotenv(find_dotenv(usecwd=True))
    if provider == "azure":
        return {
            "url": variable("AZURE_OPENAI_ENDPOINT"),
            "key_credential": AzureKeyCredential(variable("AZURE_OPENAI_API_KEY")),
            "azure_deployment": variable("AZURE_OPENAI_DEPLOYMENT"),
        }
    if provider == "openai":
        return {
            "url": os.environ.get("OPENAI_BASE_URL") or None,
            "key_credential": AzureKeyCredential(variable("OPENAI_API_KEY")),
            "model": variable("OPENAI_MODEL"),
        }
    fail(f"{provider!r} is neither azure nor openai")


def audio_of(path: str) -> bytes:
    """A file (WAV, MP3, OGG, FLAC, raw) as 24 kHz mono."""
    if not Path(path).is_file():
        fail(f"File {path} does not exist")
    if path.endswith(".raw"):
        return Path(path).read_bytes()
    try:
        return read_audio(Path(path), sample_rate_hz=RATE_HZ).data
    except AudioError as error:
        fail(str(error))


def folder(path: str) -> Path:
    """A folder that is there."""
    if not Path(path).is_dir():
        fail(f"Directory {path} does not exist")
    return Path(path)


def text_of(path: str) -> str:
    """The text of a file."""
    if not Path(path).is_file():
        fail(f"File {path} does not exist")
    return Path(path).read_text(encoding="utf-8")
