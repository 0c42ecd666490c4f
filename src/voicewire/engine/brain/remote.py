"""Any OpenAI-compatible chat completions endpoint as a brain: Ollama, llama-server, vLLM, a cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import msgspec

from voicewire.engine.brain.base import (
    BrainDelta,
    BrainDone,
    BrainOutput,
    BrainToolCall,
    BrainTurn,
    Finish,
    Turn,
)
from voicewire.engine.brain.prompt import PLAIN_SYSTEM, tokens_in
from voicewire.errors import (
    AuthError,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    InvalidRequest,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    RemoteProtocolError,
)

if TYPE_CHECKING:
    import httpx

_CONNECT_S: Final = 10.0
_READ_S: Final = 60.0
_LONGEST_MESSAGE: Final = 300


class RemoteBrain:
    """Streams answers and tool calls from a chat completions endpoint.

    Args:
        base_url: The address up to and with ``/v1``, such as ``http://127.0.0.1:11434/v1``.
        model: The model's name there.
        api_key: The key, sent as a bearer token; None for servers that want none.
        transport: Replaces the network, for tests.

    Raises:
        ConfigError: The address is not an http(s) URL, or carries credentials.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"base_url must be an http or https address of a server, not {parts.scheme!r}:..."
            )
        if parts.username or parts.password:
            raise ConfigError("base_url carries a user or password; give the key as api_key instead")
        import httpx

        self._host = parts.hostname
        self._model = model
        self._key = api_key
        headers = {"Accept": "text/event-stream"} | (
            {"Authorization": f"Bearer {api_key}"} if api_key else {}
        )
        self._client = httpx.Client(
            base_url=base_url.rstrip("/") + "/",
            headers=headers,
            timeout=httpx.Timeout(_READ_S, connect=_CONNECT_S),
            transport=transport,
        )

    def __repr__(self) -> str:
        return f"RemoteBrain(host={self._host!r}, model={self._model!r})"

    @property
    def name(self) -> str:
        """Short name for logs and reports."""
        return f"remote:{self._model}"

    def respond(self, turn: BrainTurn, cancelled: Callable[[], bool]) -> Iterator[BrainOutput]:
        """See ``Brain.respond``."""
        import httpx

        body = request_body(turn, self._model)
        answer = _Answer(turn)
        try:
            with self._client.stream("POST", "chat/completions", json=body) as response:
                if response.status_code != 200:
                    raise self._refusal(response)
                for data in _event_data(response.iter_lines()):
                    if cancelled():
                        return
                    yield from answer.read(data)
        except httpx.ConnectTimeout as error:
            raise ConnectTimeout(
                f"the language model at {self._host!r} did not answer in {_CONNECT_S:.0f} s"
            ) from error
        except httpx.ConnectError as error:
            raise ConnectFailed(
                f"nothing answers at {self._host!r}; is the language model server running?"
            ) from error
        except (httpx.TransportError, httpx.StreamError) as error:
            raise ConnectionLost(
                f"the answer from {self._host!r} broke off ({type(error).__name__})"
            ) from error
        except RuntimeError as error:
            # httpx says so when the client was closed from another thread.
            raise ConnectionLost(f"the brain for {self._host!r} was closed") from error
        if not cancelled():
            yield from answer.finish()

    def _refusal(self, response: httpx.Response) -> ProviderError:
        response.read()
        message, code = _problem(response)
        if self._key:
            message = message.replace(self._key, "[key]")
        status = response.status_code
        kind = _ERRORS.get(status, ProviderUnavailable if status >= 500 else InvalidRequest)
        if status == 429 and "quota" in f"{code} {message}".lower():
            kind = QuotaExceeded
        return kind(
            f"the language model at {self._host!r} refused with status {status}: {message}",
            provider="openai-compatible",
            code=code,
            http_status=status,
            request_id=response.headers.get("x-request-id", ""),
        )

    def warm_up(self) -> None:
        """Nothing to load; the first request opens the connection that later ones reuse."""

    def close(self) -> None:
        """See ``Brain.close``."""
        self._client.close()


_ERRORS: Final[Mapping[int, type[ProviderError]]] = {
    401: AuthError,
    403: AuthError,
    402: QuotaExceeded,
    408: ProviderUnavailable,
    429: RateLimited,
}


def _problem(response: httpx.Response) -> tuple[str, str]:
    try:
        problem: object = response.json()
    except ValueError:
        return response.text.strip()[:_LONGEST_MESSAGE], ""
    if isinstance(problem, dict):
        body = cast("dict[str, object]", problem)
        problem = body.get("error", body)
    if isinstance(problem, dict):
        fields = cast("dict[str, object]", problem)
        message = fields.get("message") or fields.get("detail") or fields
        code = fields.get("code") or fields.get("type") or ""
        return str(message)[:_LONGEST_MESSAGE], str(code)
    return str(problem)[:_LONGEST_MESSAGE], ""


def _event_data(lines: Iterator[str]) -> Iterator[str]:
    """The ``data:`` payloads of a server-sent event stream, up to ``[DONE]``."""
    for line in lines:
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            return
        if data:
            yield data


class _FunctionPart(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _CallPart(msgspec.Struct):
    index: int | None = None
    function: _FunctionPart | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_CallPart] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(msgspec.Struct):
    """The part of a chat completion chunk that is read; other fields are ignored."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: object = None


@dataclass(slots=True)
class _ToolDraft:
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class _Answer:
    """Collects one streamed answer: text goes through at once, tool calls when they are whole."""

    turn: BrainTurn
    drafts: dict[int, _ToolDraft] = field(default_factory=dict[int, _ToolDraft])
    input_tokens: int = 0
    output_tokens: int = 0
    finish_reason: str = ""
    spoken: int = 0

    def read(self, data: str) -> Iterator[BrainOutput]:
        """One chunk.

        Raises:
            RemoteProtocolError: It is not a chat completion chunk.
            ProviderUnavailable: It reports an error in the middle of the stream.
        """
        chunk = _chunk(data)
        if chunk.usage is not None:
            self.input_tokens = chunk.usage.prompt_tokens or 0
            self.output_tokens = chunk.usage.completion_tokens or 0
        for choice in chunk.choices or ():
            self.finish_reason = choice.finish_reason or self.finish_reason
            delta = choice.delta or _Delta()
            for call in delta.tool_calls or ():
                draft = self.drafts.setdefault(call.index or 0, _ToolDraft())
                function = call.function or _FunctionPart()
                draft.name += function.name or ""
                draft.arguments += function.arguments or ""
            if delta.content:
                self.spoken += 1
                yield BrainDelta(delta.content)

    def finish(self) -> Iterator[BrainOutput]:
        """The tool calls and the end."""
        calls = [self.drafts[index] for index in sorted(self.drafts) if self.drafts[index].name]
        for call in calls:
            yield BrainToolCall(call.name, call.arguments or "{}")
        finish: Finish = "tool" if calls else "length" if self.finish_reason == "length" else "stop"
        read = self.input_tokens or sum(tokens_in(entry.text) for entry in self.turn.history)
        yield BrainDone(read, self.output_tokens or self.spoken, finish)


def _chunk(data: str) -> _Chunk:
    try:
        chunk = msgspec.json.decode(data.encode(), type=_Chunk)
    except msgspec.DecodeError as error:
        raise RemoteProtocolError(
            f"the language model sent something that is no chat completion chunk ({error})"
        ) from error
    if chunk.error:
        problem = chunk.error
        if isinstance(problem, dict):
            fields = cast("dict[str, object]", problem)
            problem = fields.get("message", fields)
        raise ProviderUnavailable(
            f"the language model failed: {str(problem)[:_LONGEST_MESSAGE]}", provider="openai-compatible"
        )
    return chunk


def request_body(turn: BrainTurn, model: str) -> dict[str, Any]:
    """The chat completions request of a turn."""
    guide = f"{PLAIN_SYSTEM}\n\n{turn.instructions}" if turn.instructions else PLAIN_SYSTEM
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": guide}, *(_message(entry) for entry in turn.history)],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": turn.max_tokens,
    }
    if turn.tools and turn.tool_choice != "none":
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                },
            }
            for tool in turn.tools
        ]
        is_named = turn.tool_choice not in ("auto", "required")
        body["tool_choice"] = (
            {"type": "function", "function": {"name": turn.tool_choice}} if is_named else turn.tool_choice
        )
    return body


def _message(entry: Turn) -> dict[str, Any]:
    if entry.role == "tool":
        return {"role": "tool", "tool_call_id": entry.call_id or "", "content": entry.text}
    message: dict[str, Any] = {"role": entry.role, "content": entry.text}
    if entry.tool_calls:
        message["content"] = entry.text or None
        message["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments_json},
            }
            for call in entry.tool_calls
        ]
    return message
