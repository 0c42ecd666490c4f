"""``voicewire setup``: fetches the weights of the embedded engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from voicewire.cli.common import EXIT_FAILURE, command, console, megabytes

if TYPE_CHECKING:
    from voicewire.engine.weights import FetchProgress, SetupPlan


@command
def setup(
    check: Annotated[
        bool, typer.Option("--check", help="Read every byte again and compare; download nothing.")
    ] = False,
) -> None:
    """Fetch the models of the embedded engine (once, about 176 MB)."""
    from voicewire.engine import weights

    if check:
        _check()
        return
    plan = weights.plan()
    _print_plan(plan)
    if not plan.missing:
        return
    if console().is_terminal:
        _fetch_with_bar()
    else:
        stages: set[str] = set()

        def note(progress: FetchProgress) -> None:
            line = f"{progress.stage.value} {progress.label}"
            if line not in stages:
                stages.add(line)
                console().print(line, soft_wrap=True)

        weights.fetch(progress=note)
    console().print("Ready. Try: voicewire talk")


def _print_plan(plan: SetupPlan) -> None:
    if not plan.missing:
        console().print(f"Everything is there, in {plan.home}", soft_wrap=True)
        return
    console().print(
        f"To download: {megabytes(plan.download_bytes)}. On disk: {megabytes(plan.disk_bytes)}, "
        f"in {plan.home}",
        soft_wrap=True,
    )
    for item in plan.missing:
        weights = item.weights
        console().print(
            f"  {weights.name:<12} {megabytes(weights.size_bytes):>7}  {weights.purpose}; {weights.licence}, "
            f"{weights.origin}",
            soft_wrap=True,
        )


def _fetch_with_bar() -> None:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from voicewire.engine import weights

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console()) as bar:
        task = bar.add_task("starting", total=None)

        def show(progress: FetchProgress) -> None:
            label = f"{progress.stage.value} {progress.label}"
            bar.update(
                task, description=label, completed=progress.done_bytes, total=progress.total_bytes or None
            )

        weights.fetch(progress=show)


def _check() -> None:
    from rich.markup import escape

    from voicewire.engine import weights
    from voicewire.engine.weights import FileState

    results = weights.check()
    for result in results:
        colour = "green" if result.state is FileState.WHOLE else "red"
        detail = escape(result.detail or str(result.path))
        console().print(
            f"[{colour}]{result.state.value:<8}[/] {result.set_name:<12} {detail}", soft_wrap=True
        )
    if any(result.state is not FileState.WHOLE for result in results):
        console().print("Run `voicewire setup` to fetch what is missing or damaged.")
        raise typer.Exit(EXIT_FAILURE)
