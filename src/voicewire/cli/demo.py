"""The demo: a scripted user talks with the engine in real time; then the recording is listened to."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from voicewire.cli.common import EXIT_FAILURE, command, console

if TYPE_CHECKING:
    from voicewire.agent.tools import Tool
    from voicewire.cli.check_demo import CheckLine
    from voicewire.cli.scenario import Scenario
    from voicewire.models.model import RealtimeModel
    from voicewire.recording.recorder import SessionRecorder

_WEATHER: Final = {"london": "light rain", "paris": "sunshine"}


@command
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write.")] = Path("demo-out"),
    scenario: Annotated[Path, typer.Option(help="What the user says.")] = Path("demo/scenario.json"),
    model: Annotated[str, typer.Option("--model", help="Whom to talk with.")] = "local",
    check_only: Annotated[
        bool, typer.Option("--check-only", help="Check an earlier run; do not talk.")
    ] = False,
) -> None:
    """Play a whole spoken conversation from files and check the recording."""
    from voicewire.cli.scenario import read_scenario

    script = read_scenario(scenario)
    if not check_only:
        _talk(script, scenario.parent, output, model)
    console().print(f"\nListening to {output / 'conversation.wav'}", style="bold", soft_wrap=True)
    lines = _check(script, output)
    if not all(line.is_good for line in lines):
        console().print("The demo failed.", style="bold red")
        raise typer.Exit(EXIT_FAILURE)
    console().print(
        f"All good. Look at {output / 'timeline.html'} or {output / 'timeline.png'}.", soft_wrap=True
    )


def weather_tool() -> Tool:
    """The function that the demo offers to the model."""
    from voicewire.agent.tools import Tool
    from voicewire.events.session import ToolSpec

    def get_weather(city: str) -> dict[str, Any]:
        return {"city": city, "temperature_celsius": 14, "conditions": _WEATHER.get(city.lower(), "clouds")}

    return Tool(
        ToolSpec(
            name="get_weather",
            description="The weather in a city right now.",
            parameters={
                "type": "object",
                "properties": {"city": {"type": "string", "description": "Name of the city"}},
                "required": ["city"],
            },
        ),
        get_weather,
    )


def _talk(script: Scenario, folder: Path, output: Path, model_name: str) -> None:
    from voicewire.audio.files import read_audio
    from voicewire.cli.opening import make_model
    from voicewire.cli.signals import Interrupts
    from voicewire.recording.recorder import SessionRecorder

    model = make_model(model_name)
    rate_hz = model.capabilities.input_rates_hz[0]
    speech = [read_audio(folder / turn.file, sample_rate_hz=rate_hz).data for turn in script.turns]
    recorder = SessionRecorder(output, title=f"A conversation with {model.name}")
    with Interrupts() as interrupts, recorder:
        interrupts.run(partial(_converse, script, speech, model, recorder))


async def _converse(
    script: Scenario, speech: list[bytes], model: RealtimeModel, recorder: SessionRecorder
) -> None:
    import anyio

    from voicewire.agent.edges import VirtualMicrophone, VirtualSpeaker
    from voicewire.agent.session import VoiceSession
    from voicewire.cli.scenario import ScriptedUser
    from voicewire.cli.terminal import TerminalView
    from voicewire.clock import MonotonicClock

    clock = MonotonicClock()
    microphone = VirtualMicrophone(clock, model.capabilities.input_rates_hz[0])
    user = ScriptedUser(script, speech, microphone, recorder, clock)
    with TerminalView(console(), model.name) as view:
        session = VoiceSession(
            model,
            source=microphone,
            sink=VirtualSpeaker(clock, model.capabilities.output_rate_hz),
            tools=[weather_tool()],
            observers=[recorder, view, user.watch],
            clock=clock,
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(user.run, session)
            await session.run()
            tasks.cancel_scope.cancel()


def _check(script: Scenario, output: Path) -> list[CheckLine]:
    from voicewire.cli.check_demo import check_demo
    from voicewire.engine.asr import WhisperRecognizer

    recognizer = cache(WhisperRecognizer)
    lines = check_demo(output, script, lambda samples: recognizer().transcribe(samples, final=True).text)
    for line in lines:
        sign = "[green]ok[/]    " if line.is_good else "[red]failed[/]"
        console().print(sign, end=" ")
        console().print(f"{line.what:<14} {line.detail}", markup=False, soft_wrap=True)
    return lines
