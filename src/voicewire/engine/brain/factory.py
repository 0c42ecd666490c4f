"""From one line of configuration to a brain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voicewire.engine.brain.layered import LayeredBrain
from voicewire.engine.brain.llm import LlamaBrain
from voicewire.errors import ConfigError

if TYPE_CHECKING:
    from voicewire.engine.brain.base import Brain


def create_brain(
    spec: str | Path | None = None,
    *,
    model: str | None = None,
    api_key: str | None = None,
    skills: bool | None = None,
    threads: int = 1,
) -> Brain:
    """A brain by its one-line name. Nothing is loaded before ``warm_up`` or the first turn.

    Args:
        spec: None or ``default`` for skills, tools and SmolLM2; ``rules`` for skills and tools without a
            model; the path of a ``.gguf`` file; or the base URL of an OpenAI-compatible server
            (``http://127.0.0.1:11434/v1``), to which ``#model`` may be appended.
        model: For a URL: the model's name there.
        api_key: For a URL: the key, else ``VOICEWIRE_BRAIN_API_KEY``.
        skills: Whether the skills answer first. By default they do for SmolLM2 and do not for a GGUF file of
            the user.
        threads: Threads of a local model, 1 or more.

    Raises:
        ConfigError: ``spec`` is none of these, the file does not exist, or a URL comes without a model.
    """
    text = str(spec) if spec is not None else "default"
    if text == "default":
        smol = LlamaBrain(
            find_smollm2, name="smollm2", style="tiny", slots=2, context_tokens=1280, threads=threads
        )
        return LayeredBrain(smol, with_skills=skills is not False, name="layered:smollm2")
    if text == "rules":
        return LayeredBrain(None, name="rules")
    if text.startswith(("http://", "https://")):
        return _remote(text, model, api_key)
    if text.endswith(".gguf"):
        path = Path(text).expanduser()
        if not path.is_file():
            raise ConfigError(f"there is no GGUF file at {text!r}; give the path of an existing one")
        return LayeredBrain(
            LlamaBrain(path, name=path.stem, threads=threads), with_skills=skills is True, name=path.stem
        )
    raise ConfigError(
        f"unknown brain {text!r}; give 'default', 'rules', the path of a .gguf file or an http(s) base URL"
    )


def _remote(url: str, model: str | None, api_key: str | None) -> Brain:
    from voicewire.engine.brain.remote import RemoteBrain
    from voicewire.settings import get_settings

    address, _, named = url.partition("#")
    chosen = model or named
    if not chosen:
        raise ConfigError("a brain at a URL needs a model; append '#MODEL' to the URL or give model=")
    return RemoteBrain(
        address, chosen, api_key if api_key is not None else get_settings().secret("brain_api_key")
    )


def find_smollm2() -> Path:
    """The SmolLM2 file, wherever ``voicewire setup`` or the user put it.

    Raises:
        ModelLoadError: It is not on this machine; the message prints the command that fetches it.
    """
    from voicewire.engine.weights import locate

    found = locate("smollm2")
    if found.is_dir():
        return next(iter(sorted(found.rglob("*.gguf"))), found / "model.gguf")
    return found
