"""Background tasks have an owner that waits for them."""

from __future__ import annotations

import asyncio
import logging
import sys

import anyio
import anyio.lowlevel
import pytest

from voicewire.ownership import TaskOwner, run_to_end

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


async def test_closing_cancels_and_awaits_every_task() -> None:
    owner = TaskOwner("test")
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()  # a clean-up that itself waits
            ended.append(name)

    owner.start(work("a"), name="a")
    task = owner.start(work("b"), name="b")
    assert "voicewire test: b" in task.get_name()
    await anyio.wait_all_tasks_blocked()
    assert len(owner) == 2
    await owner.aclose()
    await owner.aclose()
    assert sorted(ended) == ["a", "b"]
    assert len(owner) == 0


async def test_joining_waits_for_the_natural_end() -> None:
    owner = TaskOwner("test")
    ended: list[int] = []

    async def work() -> None:
        await anyio.lowlevel.checkpoint()
        ended.append(1)

    owner.start(work(), name="w")
    await owner.join()
    assert ended == [1]


async def test_a_failure_reaches_its_handler() -> None:
    failures: list[Exception] = []
    owner = TaskOwner("test", on_error=failures.append)

    async def fail() -> None:
        raise ValueError("broken")

    owner.start(fail(), name="f")
    await owner.join()
    assert [str(failure) for failure in failures] == ["broken"]


async def test_a_failure_without_a_handler_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    owner = TaskOwner("test")

    async def fail() -> None:
        raise ValueError("broken")

    with caplog.at_level(logging.ERROR):
        owner.start(fail(), name="f")
        await owner.join()
    assert "background task failed" in caplog.text


async def test_cancelling_the_closer_still_ends_the_tasks() -> None:
    owner = TaskOwner("test")
    release = asyncio.Event()
    ended: list[int] = []

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await release.wait()
            ended.append(1)

    owner.start(work(), name="w")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(owner.aclose)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        release.set()
    assert ended == [1]


async def test_a_task_may_close_its_own_owner() -> None:
    owner = TaskOwner("test")
    ended: list[str] = []

    async def closer() -> None:
        await owner.aclose()
        ended.append("closer")

    async def other() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("other")

    owner.start(other(), name="o")
    await anyio.wait_all_tasks_blocked()
    owner.start(closer(), name="c")
    await owner.join()
    assert ended == ["other", "closer"]


@pytest.mark.parametrize("by_task", [False, True])
async def test_what_runs_to_its_end_does_so_however_it_is_cancelled(by_task: bool) -> None:
    done: list[str] = []
    may_end = anyio.Event()

    async def closing() -> None:
        await may_end.wait()
        done.append("closed")

    async def body() -> None:
        task = asyncio.current_task()
        assert task is not None
        for _ in range(3):
            asyncio.get_running_loop().call_soon(task.cancel if by_task else scope.cancel)
        asyncio.get_running_loop().call_later(0.001, may_end.set)
        await run_to_end(closing(), name="test")
        await anyio.lowlevel.checkpoint()
        done.append("never")

    with anyio.CancelScope() as scope:
        try:
            await body()
        except asyncio.CancelledError:
            assert done == ["closed"]
            if not by_task:
                raise
            task = asyncio.current_task()
            while sys.version_info >= (3, 11) and task is not None and task.uncancel():
                pass
    assert done == ["closed"]


async def test_what_runs_to_its_end_may_fail() -> None:
    async def closing() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await run_to_end(closing(), name="test")
