"""What the commands that serve have in common, and ``futukit.cli.main`` run as a module."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from futukit.cli.serving import done_before
from futukit.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("words", "status"), [(["gateway", "--help"], 0), (["gateway", "-x"], 2)])
def test_the_way_in_can_be_run_as_a_module(words: list[str], status: int) -> None:
    command = [sys.executable, "-W", "error", "-m", "futukit.cli.main", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, "usage: futukit gateway" in done.stdout + done.stderr) == (
        status,
        True,
    )


def test_work_is_cancelled_when_the_end_comes_first() -> None:
    ended: list[str] = []

    async def work(stopped: asyncio.Event, then: str) -> None:
        try:
            if then == "stop":
                stopped.set()
                await asyncio.Event().wait()
            if then == "fail":
                raise UsageError("no")
        finally:
            ended.append(then)

    async def scenario() -> None:
        stopped = asyncio.Event()
        assert await done_before(stopped, work(stopped, "finish"))
        with pytest.raises(UsageError):
            await done_before(stopped, work(stopped, "fail"))
        assert not await done_before(stopped, work(stopped, "stop"))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())
    assert ended == ["finish", "fail", "stop"]
