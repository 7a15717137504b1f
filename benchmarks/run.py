"""What the groups of one run share."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import baseline, official
from benchmarks.bodies import Bodies, BodySet, interleaved
from benchmarks.clock import Effort
from benchmarks.official import Unavailable

__all__ = ["Run"]


class Run:
    """Inputs, effort and the official SDK's interpreter; everything is made when first used."""

    def __init__(self, effort: Effort) -> None:
        self.effort = effort
        self.bodies = Bodies()
        self._resources = ExitStack()

    def close(self) -> None:
        """Remove what was written."""
        self._resources.close()

    @cached_property
    def folder(self) -> Path:
        """A folder that lives as long as the run."""
        return Path(self._resources.enter_context(TemporaryDirectory(prefix="futukit-bench-")))

    @cached_property
    def official(self) -> Path | Unavailable:
        """The interpreter of the official SDK's environment, or why there is none."""
        return official.interpreter()

    def frame_file(self, name: str, sets: list[BodySet]) -> Path:
        """A file of frames: one of each set in turns, as many as the smallest set has."""
        path = self.folder / f"{name}.frames"
        if not path.exists():
            count = min(len(kind.bodies) for kind in sets)
            framed = interleaved(
                [baseline.build(kind.proto_id, 0, body) for body in kind.bodies[:count]]
                for kind in sets
            )
            path.write_bytes(b"".join(framed))
        return path
