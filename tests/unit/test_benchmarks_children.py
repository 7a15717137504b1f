"""The benchmarks' child processes: the push source, its readers, and how children end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import baseline
from benchmarks.bodies import Bodies, BodySet
from benchmarks.children import Child, ChildError
from benchmarks.contenders import Asyncio, AsyncioStreams, Blocking, PlainSocket
from benchmarks.groups.pushes import source
from benchmarks.source import FrameFile

_ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
_ROOT = Path(__file__).resolve().parents[2]


def _has_ended(process_id: int, timeout: float = 10.0) -> bool:
    """Whether the process ends within the timeout."""
    try:
        handle = os.pidfd_open(process_id)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], timeout)[0])
    finally:
        os.close(handle)


# Children.


def test_a_child_answers_line_by_line_and_ends_with_its_input() -> None:
    with Child("echo", [sys.executable, "-c", _ECHO]) as child:
        assert child.ask(number=1) == {"number": 1}
        assert child.ask(number=2) == {"number": 2}
    assert _has_ended(child.process_id)


def test_a_child_that_dies_tells_its_last_words() -> None:
    with (
        Child("crash", [sys.executable, "-c", "raise SystemExit('no luck')"]) as child,
        pytest.raises(ChildError, match=r"crash ended without an answer\s+no luck"),
    ):
        child.read()


def test_an_answer_with_an_error_is_raised() -> None:
    with (
        Child("echo", [sys.executable, "-c", _ECHO]) as child,
        pytest.raises(ChildError, match="echo: out of luck"),
    ):
        child.ask(error="out of luck")


def test_a_child_that_does_not_answer_in_time_is_given_up() -> None:
    with (
        Child("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"]) as child,
        pytest.raises(ChildError),
    ):
        child.ask(0.2, number=1)


def test_an_interrupt_ends_the_child() -> None:
    child = Child("echo", [sys.executable, "-c", _ECHO])
    with pytest.raises(KeyboardInterrupt), child:
        raise KeyboardInterrupt
    assert _has_ended(child.process_id)


def test_a_child_ends_when_its_parent_is_killed() -> None:
    script = (
        "import sys\nfrom benchmarks.children import Child\n"
        f"child = Child('echo', [sys.executable, '-c', {_ECHO!r}])\n"
        "print(child.process_id, flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        process_id = int(parent.stdout.readline())
        parent.kill()
        assert _has_ended(process_id)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_its_children_and_removes_its_folder(
    number: signal.Signals, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path),
        "FUTUKIT_CACHE": str(tmp_path / "cache"),
        "FUTUKIT_OFFLINE": "1",
    }
    run = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED],
        cwd=_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with run:
        assert run.stdout is not None
        process_id = int(next(line for line in run.stdout if line.startswith("child ")).split()[1])
        os.killpg(run.pid, number)
        assert run.wait(20) == 128 + number
        assert _has_ended(process_id)
    assert not list(tmp_path.glob("futukit-*"))


# The program as it is, with a group that starts the source and then waits for ever.
_INTERRUPTED = """
import runpy, signal, sys, threading
from benchmarks.groups import frame, pushes

def measure(run):
    file = run.folder / "none.frames"
    file.touch()
    with pushes.source({"none": file}) as (child, _):
        print("child", child.process_id, flush=True)
        threading.Event().wait()

frame.measure = measure
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["benchmarks", "frame"]
runpy.run_module("benchmarks", run_name="__main__")
"""


# The push source and those who read from it.


def test_a_stream_goes_round_at_the_end_of_the_file() -> None:
    frames = [baseline.build(3011, number, b"x" * number) for number in range(4)]
    file = FrameFile(b"".join(frames))
    assert len(file) == 4
    assert file.stream(3, 6) == b"".join([frames[3], *frames, frames[0]])


@pytest.fixture(scope="module")
def tickers() -> BodySet:
    return Bodies().tickers(1)


@pytest.fixture(scope="module")
def served(
    tickers: BodySet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Child, int]]:
    path = tmp_path_factory.mktemp("frames") / "tickers"
    path.write_bytes(b"".join(baseline.build(3011, 0, body) for body in tickers.bodies[:1000]))
    with source({"tickers": path}) as running:
        yield running


@pytest.mark.parametrize("make", [Asyncio, Blocking, PlainSocket])
def test_every_contender_takes_all_pushes(
    make: Callable[..., Any], served: tuple[Child, int], tickers: BodySet
) -> None:
    child, port = served
    with make(port, [tickers if make is PlainSocket else tickers.cls]) as contender:
        for first in (0, 900):
            child.ask(arm="tickers", first=first, count=1500)
            assert contender.take(1500) > 0


@pytest.mark.parametrize("make", [Asyncio, AsyncioStreams, Blocking, PlainSocket])
def test_every_contender_makes_round_trips(
    make: Callable[..., Any], served: tuple[Child, int]
) -> None:
    _, port = served
    with make(port) as contender:
        spent = contender.calls(5)
    assert len(spent) == 5
    assert all(seconds > 0 for seconds in spent)
