"""One llama.cpp server in this process, shared by all sessions."""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

from voicewire.engine.brain.prompt import Message
from voicewire.errors import InferenceError, ModelLoadError

Chunk: TypeAlias = "Mapping[str, Any]"
"""One chunk of a chat completion, as the server gives it (a wire edge)."""


class _Server(Protocol):
    """The part of ``xllamacpp.Server`` that is used."""

    def handle_chat_completions(self, request: dict[str, Any], callback: Callable[[Chunk], bool], /) -> None:
        """Run one completion in the calling thread; a true result of ``callback`` stops it at that token."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A further piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class End:
    """The end of a completion that was not stopped."""

    input_tokens: int
    output_tokens: int
    is_cut: bool
    """Whether ``max_tokens`` ended it."""


@dataclass(frozen=True, slots=True)
class _Failure:
    message: str


class LlamaServer:
    """A GGUF model on xllamacpp, loaded on first use.

    Args:
        path: The GGUF file.
        slots: Chats that run at once, each with its own prompt cache; more wait. One slot more serves
            ``choose``, so that its prompts never push a chat's prefix out of a cache.
        context_tokens: Room of one slot, prompt and answer together.
        threads: Threads of the model. On a small machine one leaves the other core to the audio path.

    Concurrency: any number of threads. The GIL is released while the model runs.
    """

    def __init__(self, path: Path, *, slots: int = 2, context_tokens: int = 1280, threads: int = 1) -> None:
        self.path = path
        self.slots = slots
        self.context_tokens = context_tokens
        self._threads = threads
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._pool = ThreadPoolExecutor(max_workers=slots + 1, thread_name_prefix="voicewire-llm")
        self._is_closed = False

    def load(self) -> None:
        """Load the model. Idempotent.

        Raises:
            ModelLoadError: The file is missing or no GGUF model, or xllamacpp is not installed.
        """
        with self._lock:
            if self._is_closed:
                raise ModelLoadError(f"the language model {self.path.name!r} was closed; create a new brain")
            if self._server is None:
                self._server = self._start()

    def _start(self) -> _Server:
        if not self.path.is_file():
            raise ModelLoadError(
                f"there is no GGUF file at {str(self.path)!r}; give the path of an existing one"
            )
        try:
            module = importlib.import_module("xllamacpp")
        except ImportError as error:
            raise ModelLoadError(
                "xllamacpp is not installed; run: pip install 'voicewire[embedded]'"
            ) from error
        # The server insists on listening. A socket in a folder that only we may enter, a key that nobody is
        # told, and the folder removed at once: so it opens no port and nobody can reach it.
        folder = tempfile.mkdtemp(prefix="vw-")
        try:
            params = self._parameters(module.CommonParams(), os.path.join(folder, "s.sock"))
            return cast("_Server", module.Server(params))
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise ModelLoadError(
                f"{str(self.path)!r} could not be loaded as a GGUF model ({error}); check the file, "
                "or run: voicewire setup"
            ) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _parameters(self, params: Any, socket_path: str) -> Any:
        params.model.path = str(self.path)
        params.n_ctx = self.context_tokens * (self.slots + 1)
        params.n_parallel = self.slots + 1
        params.cpuparams.n_threads = self._threads
        params.cpuparams_batch.n_threads = self._threads
        params.hostnames = [socket_path]
        params.api_keys = [secrets.token_hex(16)]
        params.n_threads_http = 1
        params.ui = False
        params.endpoint_slots = False
        params.endpoint_props = False
        # The server's own store of old prompts may take 8 GiB by default; the slots' caches are enough here.
        params.cache_ram_mib = 0
        params.verbosity = -1
        return params

    def chat(
        self,
        messages: list[Message],
        *,
        max_tokens: int,
        cancelled: Callable[[], bool],
        options: Mapping[str, object] | None = None,
    ) -> Iterator[Piece | End]:
        """Complete a chat, streamed.

        Args:
            messages: The prompt.
            max_tokens: Upper bound of the answer.
            cancelled: Once true, the completion stops at the next token and the iterator ends without
                ``End``.
            options: Further fields of the request (``temperature``, ``response_format``, ``id_slot``, ...).

        Raises:
            ModelLoadError: The model could not be loaded.
            InferenceError: The model failed on this prompt.
        """
        self.load()
        # Holds all that one answer can produce, so the model never waits for its reader and nothing is
        # dropped.
        results: queue.Queue[Piece | End | _Failure | None] = queue.Queue(maxsize=max_tokens + 64)
        left = threading.Event()
        request: dict[str, Any] = {
            "messages": messages,
            "max_tokens": max_tokens,
            "stream": True,
            "cache_prompt": True,
        }
        request.update(options or {})

        def is_over() -> bool:
            return left.is_set() or self._is_closed or cancelled()

        try:
            self._pool.submit(self._run, request, results, is_over)
        except RuntimeError as error:
            raise ModelLoadError(
                f"the language model {self.path.name!r} was closed; create a new brain"
            ) from error
        try:
            while (result := results.get()) is not None:
                if isinstance(result, _Failure):
                    raise InferenceError(f"the language model {self.path.name!r} failed: {result.message}")
                if cancelled():
                    return
                yield result
        finally:
            left.set()

    def choose(
        self,
        messages: list[Message],
        *,
        max_tokens: int,
        cancelled: Callable[[], bool],
        response_format: Mapping[str, object],
    ) -> str:
        """The whole text of a completion under a grammar, in the slot kept for such; empty if cancelled.

        Raises:
            ModelLoadError: The model could not be loaded.
            InferenceError: The model failed on this prompt.
        """
        options = {"temperature": 0, "response_format": response_format, "id_slot": self.slots}
        results = self.chat(messages, max_tokens=max_tokens, cancelled=cancelled, options=options)
        text = "".join(result.text for result in results if isinstance(result, Piece))
        return "" if cancelled() else text

    def _run(
        self,
        request: dict[str, Any],
        results: queue.Queue[Piece | End | _Failure | None],
        is_over: Callable[[], bool],
    ) -> None:
        counter = _Counter()

        def on_chunk(chunk: Chunk) -> bool:
            # The server swallows exceptions of this callback, so they are caught and told here.
            try:
                for result in counter.read(chunk):
                    results.put_nowait(result)
            except (KeyError, IndexError, TypeError, queue.Full) as error:
                results.put_nowait(_Failure(f"unexpected output: {error!r}"))
                return True
            return is_over()

        try:
            server = self._server
            if server is not None and not is_over():
                server.handle_chat_completions(request, on_chunk)
        except (RuntimeError, ValueError, TypeError) as error:
            results.put_nowait(_Failure(str(error)))
        finally:
            with contextlib.suppress(queue.Full):
                results.put_nowait(None)

    def warm_up(self, messages: list[Message]) -> None:
        """Load, and read the common prefix into the prompt cache of every chat slot.

        Raises:
            ModelLoadError: The model could not be loaded.
            InferenceError: The model failed.
        """
        for slot in range(self.slots):
            for _ in self.chat(messages, max_tokens=1, cancelled=lambda: False, options={"id_slot": slot}):
                pass

    def close(self) -> None:
        """Stop completions under way at their next token and free the model. Idempotent."""
        self._is_closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            self._server = None


class _Counter:
    """Reads chunks and counts tokens."""

    def __init__(self) -> None:
        self._pieces = 0
        self._is_cut = False
        self._is_ended = False

    def read(self, chunk: Chunk) -> list[Piece | End | _Failure]:
        """What one chunk means."""
        problem = chunk.get("error")
        if isinstance(problem, Mapping):
            fields = cast("Mapping[str, object]", problem)
            return [_Failure(str(fields.get("message", fields)))]
        if problem is not None:
            return [_Failure(str(problem))]
        found: list[Piece | End | _Failure] = []
        for choice in chunk.get("choices") or ():
            text = choice["delta"].get("content")
            if text:
                self._pieces += 1
                found.append(Piece(str(text)))
            if choice.get("finish_reason") is not None:
                self._is_cut = choice["finish_reason"] == "length"
        timings = chunk.get("timings")
        if isinstance(timings, Mapping) and not self._is_ended and "predicted_n" in timings:
            self._is_ended = True
            counts = cast("Mapping[str, int | float]", timings)
            read_tokens = int(counts.get("cache_n", 0)) + int(counts.get("prompt_n", 0))
            found.append(End(read_tokens, int(counts["predicted_n"]), self._is_cut))
        return found
