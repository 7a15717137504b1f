"""What ``import`` costs: its time without the interpreter's start, and the memory afterwards.

Every round starts both interpreters anew; the files are in the cache and compiled.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from benchmarks import official
from benchmarks.clock import alternate
from benchmarks.figures import Absent, Outcome, figure
from benchmarks.run import Run

__all__ = ["import_cost", "measure"]

_GROUP: Final = "import"
_BASELINE: Final = "official import futu"
_ROOT: Final = Path(__file__).resolve().parents[2]
_CASES: Final = {
    "futukit": "import futukit",
    "futukit.aio": "import futukit.aio",
    "futukit.sync": "import futukit.sync",
    "futukit.futu": "import futukit.futu",
}
_FACE: Final = "futukit.futu"
_FACE_GATE: Final = 4.0

# The resource module's peak would include what the process was before it became this program.
_SCRIPT: Final = """
import json, time
started = time.perf_counter()
{statement}
seconds = time.perf_counter() - started
pages = int(open("/proc/self/statm").read().split()[1])
print(json.dumps([seconds, pages * __import__("os").sysconf("SC_PAGE_SIZE")]))
import os, sys
sys.stdout.flush()
os._exit(0)
"""


class _Cost(NamedTuple):
    """Of a statement alone: its time, and the whole process's memory after it."""

    seconds: float
    resident_bytes: float


def measure(run: Run) -> Iterator[Outcome]:
    """All figures of the group."""
    python = run.official
    missing = python.reason if isinstance(python, official.Unavailable) else None
    if not Path("/proc/self/statm").exists():
        missing = "memory is read from /proc, which this system does not have"
    if missing is not None or isinstance(python, official.Unavailable):
        for name in _CASES:
            yield Absent(_GROUP, name, _BASELINE, missing or "")
        return
    with TemporaryDirectory(prefix="futukit-sdk-home-") as home:
        for name, statement in _CASES.items():
            ours = partial(import_cost, sys.executable, statement, _ROOT, home)
            theirs = partial(import_cost, str(python), "import futu", Path(home), home)
            yield from _figures(name, alternate(ours, theirs, run.effort.long_rounds))


def _figures(name: str, pairs: list[tuple[_Cost, _Cost]]) -> Iterator[Outcome]:
    seconds = [(ours.seconds, theirs.seconds) for ours, theirs in pairs]
    gate = _FACE_GATE if name == _FACE else None
    yield figure(_GROUP, f"{name}, time", _BASELINE, seconds, unit="ms", scale=1e3, gate=gate)
    memory = [(ours.resident_bytes, theirs.resident_bytes) for ours, theirs in pairs]
    yield figure(_GROUP, f"{name}, memory", _BASELINE, memory, unit="MiB", scale=1 / 2**20)


def import_cost(python: str, statement: str, folder: Path, home: str, _turn: int = 0) -> _Cost:
    """Run the statement in a fresh interpreter."""
    done = subprocess.run(
        [python, "-c", _SCRIPT.format(statement=statement)],
        cwd=folder,
        env={"HOME": home, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=120,
    )
    return _Cost(*json.loads(done.stdout.splitlines()[-1]))
