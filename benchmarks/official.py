"""The official Python SDK as a contender: in its own environment, in a child process."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.bodies import BodySet
from benchmarks.children import Child

__all__ = ["Unavailable", "decode_cost", "interpreter", "worker"]

_WORKER: Final = Path(__file__).with_name("official_worker.py")


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why there is no official SDK."""

    reason: str


def interpreter() -> Path | Unavailable:
    """The interpreter of the SDK's environment, which is made on first use."""
    try:
        import pytest

        from tests.support import upstream
    except ImportError as error:
        return Unavailable(f"the development extras are not installed ({error})")
    try:
        return upstream.official_python()
    except pytest.skip.Exception as skipped:
        return Unavailable(skipped.msg or "skipped")
    except (subprocess.CalledProcessError, OSError) as error:
        return Unavailable(f"its environment could not be made ({error})")


@contextmanager
def worker(python: Path) -> Iterator[Child]:
    """A running SDK; its logs go to a home of its own that is removed afterwards."""
    with (
        TemporaryDirectory(prefix="futukit-sdk-home-") as home,
        Child(
            "the official SDK", [str(python), "-P", str(_WORKER)], environment={"HOME": home}
        ) as child,
    ):
        child.read()
        yield child


def decode_cost(child: Child, name: str, kind: BodySet, path: Path) -> Callable[[int, int], float]:
    """Load bodies into the child; gives a function (first, count) → seconds per body there."""
    child.ask(do="load", name=name, path=str(path), proto_id=kind.proto_id)

    def cost(first: int, count: int) -> float:
        answer = child.ask(do="decode", name=name, first=first, count=count)
        return float(answer["seconds"]) / count

    return cost
