"""A local language model as a brain, and as the judge between tools that words alone do not tell apart."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from voicewire.engine.brain import slots, tools
from voicewire.engine.brain.base import BrainDelta, BrainDone, BrainOutput, BrainTurn
from voicewire.engine.brain.llama import End, LlamaServer
from voicewire.engine.brain.prompt import Message, StreamGuard, Style, build, prefix, tokens_in
from voicewire.errors import ModelLoadError

if TYPE_CHECKING:
    from voicewire.engine.brain.base import JsonSchema, ToolSpec

_TINY_TOKENS: Final = 80
_GREEDY: Final[Mapping[str, object]] = {"temperature": 0, "repeat_penalty": 1.1, "repeat_last_n": 48}
_NO_TOOL: Final = "none"
_TOOL_TOKENS: Final = 120
_UNSURE: Final = "I'm not sure what to say to that."


class LlamaBrain:
    """A GGUF model without skills.

    Args:
        path: The GGUF file, or a callable that finds it on first use.
        name: Short name for logs.
        style: ``tiny`` for SmolLM2 (examples, two sentences at most, loops cut), ``plain`` for models that
            can do without.
        slots: Completions that run at once.
        context_tokens: Room of one completion.
        threads: Threads of the model.
    """

    def __init__(
        self,
        path: Path | Callable[[], Path],
        *,
        name: str = "gguf",
        style: Style = "plain",
        slots: int = 2,
        context_tokens: int = 4096,
        threads: int = 1,
    ) -> None:
        self._path = path
        self._name = name
        self._style: Style = style
        self._slots = slots
        self._context_tokens = context_tokens
        self._threads = threads
        self._lock = threading.Lock()
        self._server: LlamaServer | None = None
        self._is_closed = False

    @property
    def name(self) -> str:
        """Short name for logs and reports."""
        return self._name

    def server(self) -> LlamaServer:
        """The server, made on first use.

        Raises:
            ModelLoadError: The weights are not on this machine, or the brain was closed.
        """
        with self._lock:
            if self._is_closed:
                raise ModelLoadError(f"the brain {self._name!r} was closed; create a new one")
            if self._server is None:
                path = self._path if isinstance(self._path, Path) else self._path()
                self._server = LlamaServer(
                    path, slots=self._slots, context_tokens=self._context_tokens, threads=self._threads
                )
            return self._server

    def respond(self, turn: BrainTurn, cancelled: Callable[[], bool]) -> Iterator[BrainOutput]:
        """See ``Brain.respond``. Tools are left to ``LayeredBrain``."""
        is_tiny = self._style == "tiny"
        limit = max(
            1, min(turn.max_tokens, _TINY_TOKENS if is_tiny else turn.max_tokens, self._context_tokens // 2)
        )
        messages = build(turn, self._style, self._context_tokens)
        guard = StreamGuard(is_guarding=is_tiny)
        options = _GREEDY if is_tiny else {"temperature": 0.4}
        input_tokens, output_tokens, is_cut, has_spoken = (
            sum(tokens_in(m["content"]) for m in messages),
            0,
            False,
            False,
        )
        stream = self.server().chat(messages, max_tokens=limit, cancelled=cancelled, options=options)
        for result in stream:
            if isinstance(result, End):
                input_tokens, output_tokens, is_cut = result.input_tokens, result.output_tokens, result.is_cut
                break
            output_tokens += 1
            text = guard.push(result.text)
            if text:
                has_spoken = True
                yield BrainDelta(text)
            if guard.is_finished:
                break
        if cancelled():
            return
        rest = guard.close() if has_spoken else _UNSURE
        if rest:
            yield BrainDelta(rest)
        yield BrainDone(input_tokens, output_tokens, "length" if is_cut and not is_tiny else "stop")

    def decide(
        self, turn: BrainTurn, rivals: tuple[tools.Match, ...], cancelled: Callable[[], bool]
    ) -> tools.Call | None:
        """Let the model choose between tools, under a grammar that allows nothing else.

        The arguments that the utterance gives are kept; the model's own are taken only for what is missing,
        and only if their words were said.

        Returns:
            The call, or None when no tool is meant or a required argument stays unknown.
        """
        text = self.server().choose(
            choice_prompt(turn, rivals),
            max_tokens=_TOOL_TOKENS,
            cancelled=cancelled,
            response_format=choice_format(rivals, with_none=not tools.is_forced(turn)),
        )
        if cancelled():
            return None
        return read_choice(text, turn, rivals)

    def warm_up(self) -> None:
        """See ``Brain.warm_up``."""
        self.server().warm_up([*prefix(self._style), {"role": "user", "content": "Hello."}])

    def close(self) -> None:
        """See ``Brain.close``."""
        with self._lock:
            self._is_closed = True
            server, self._server = self._server, None
        if server is not None:
            server.close()


def choice_format(rivals: tuple[tools.Match, ...], *, with_none: bool) -> dict[str, object]:
    """A ``response_format`` that allows one object per tool, and one that means no tool."""
    options: list[dict[str, object]] = []
    for match in rivals:
        schemas = {name: schema for name, schema in slots.properties(match.tool).items() if name != "tool"}
        needed = [name for name in slots.required(match.tool) if name in schemas]
        options.append(
            {
                "type": "object",
                "properties": {"tool": {"const": match.tool.name}}
                | {name: _simple(schemas[name]) for name in schemas},
                "required": ["tool", *needed],
                "additionalProperties": False,
            }
        )
    if with_none:
        options.append(
            {
                "type": "object",
                "properties": {"tool": {"const": _NO_TOOL}},
                "required": ["tool"],
                "additionalProperties": False,
            }
        )
    return {"type": "json_schema", "json_schema": {"name": "choice", "schema": {"anyOf": options}}}


def _simple(schema: JsonSchema) -> dict[str, object]:
    """The part of a schema that the grammar compiler surely knows."""
    kept: dict[str, object] = {key: schema[key] for key in ("type", "enum") if key in schema}
    if not kept or kept.get("type") in ("object", "array"):
        kept = {"type": "string"}
    if kept.get("type") == "string" and "enum" not in kept:
        kept["maxLength"] = 60
    return kept


def choice_prompt(turn: BrainTurn, rivals: tuple[tools.Match, ...]) -> list[Message]:
    """Few-shot turns made from the tools themselves, and the utterance."""
    lines = [f"{match.tool.name}: {match.tool.description.strip()[:120]}" for match in rivals]
    messages: list[Message] = [
        {
            "role": "system",
            "content": "Choose the tool for the request, as JSON.\n"
            + "\n".join(lines)
            + f"\n{_NO_TOOL}: just talking",
        }
    ]
    for match in rivals:
        messages += [
            {"role": "user", "content": _example_request(match.tool)},
            {
                "role": "assistant",
                "content": json.dumps({"tool": match.tool.name, **_example_arguments(match.tool)}),
            },
        ]
    messages += [
        {"role": "user", "content": "That sounds nice, thank you."},
        {"role": "assistant", "content": json.dumps({"tool": _NO_TOOL})},
        {"role": "user", "content": turn.utterance.strip()[:300]},
    ]
    return messages


def _example_request(tool: ToolSpec) -> str:
    words = " ".join(slots.words_of(tool.name))
    values = " and ".join(
        f"{' '.join(slots.words_of(key))} {value}" for key, value in _example_arguments(tool).items()
    )
    return f"Please {words}" + (f", {values}." if values else ".")


def _example_arguments(tool: ToolSpec) -> dict[str, object]:
    samples: dict[str, object] = {"integer": 3, "number": 3, "boolean": True}
    found: dict[str, object] = {}
    schemas = slots.properties(tool)
    for name in slots.required(tool):
        schema = schemas.get(name, {})
        choices = schema.get("enum")
        found[name] = (
            choices[0]
            if isinstance(choices, (list, tuple)) and choices
            else samples.get(str(schema.get("type")), "Alpha")
        )
    return found


def read_choice(text: str, turn: BrainTurn, rivals: tuple[tools.Match, ...]) -> tools.Call | None:
    """The call that a model's JSON means, with grounded arguments only; a forced turn always gets one."""
    try:
        decoded: object = json.loads(text)
    except ValueError:
        decoded = None
    chosen = cast("dict[str, object]", decoded) if isinstance(decoded, dict) else {}
    wanted = chosen.get("tool")
    match = next((match for match in rivals if match.tool.name == wanted), None)
    is_forced = tools.is_forced(turn)
    if match is None:
        return tools.complete(rivals[0], turn.utterance) if is_forced and rivals else None
    arguments: dict[str, slots.Value] = dict(match.filled.arguments)
    for name in match.filled.missing:
        value = chosen.get(name)
        if isinstance(value, (str, int, float)) and slots.is_grounded(value, turn.utterance):
            arguments[name] = value
    if any(name not in arguments for name in slots.required(match.tool)):
        return tools.complete(match, turn.utterance) if is_forced else None
    return tools.Call(match.tool.name, arguments)
