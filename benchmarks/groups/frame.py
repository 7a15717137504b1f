"""Frames: split and verify, and build, against ``struct`` + ``hashlib``.

A frame's body is opaque here, so bodies of an exact size are cut out of real ones. The reader
gets its bytes in chunks of whole frames, as a socket would give them; the baseline gets the
same chunks, without having to keep a rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from benchmarks import baseline
from benchmarks.bodies import FEWEST
from benchmarks.compare import Side, compare, fresh
from benchmarks.figures import Figure, figure
from benchmarks.run import Run
from futukit._native.frame import FrameReader, build_frame

__all__ = ["cut", "measure"]

_PROTO_ID: Final = 3011
_BASELINE: Final = "struct + hashlib"

# One reader for all, as a connection has.
_READER: Final = FrameReader()


class _Case(NamedTuple):
    size: int
    label: str
    gate: float | None
    aim: float


_VERIFY: Final = (
    _Case(60, "60 B", 6.0, 12.0),
    _Case(300, "300 B", None, 6.0),
    _Case(2048, "2 KB", None, 1.9),
    _Case(65536, "64 KB", None, 1.16),
)
_BUILD: Final = (_Case(60, "60 B", None, 4.1), _Case(300, "300 B", None, 2.9))


def measure(run: Run) -> Iterator[Figure]:
    """All figures of the group."""
    for case in _VERIFY:
        frames = [
            baseline.build(_PROTO_ID, number, body)
            for number, body in enumerate(_bodies(run, case.size))
        ]
        pairs = compare(frames, Side(b"".join, _verify), Side(b"".join, baseline.split), run.effort)
        yield _figure(f"verify {case.label}", case, pairs)
    for case in _BUILD:
        bodies = _bodies(run, case.size)
        pairs = compare(bodies, Side(fresh, _build), Side(fresh, _build_by_hand), run.effort)
        yield _figure(f"build {case.label}", case, pairs)


def _figure(name: str, case: _Case, pairs: list[tuple[float, float]]) -> Figure:
    return figure(
        "frame", name, _BASELINE, pairs, unit="ns", scale=1e9, gate=case.gate, aim=case.aim
    )


def _bodies(run: Run, size: int) -> list[bytes]:
    return cut(run.bodies.small_material, size, FEWEST)


def cut(material: bytes, size: int, count: int) -> list[bytes]:
    """``count`` different pieces of exactly ``size`` bytes, spread over the whole material.

    Each is the first of its stretch of the material that is unlike all before it.
    """
    last = len(material) - size
    step = max(last // count, 1)
    pieces: dict[bytes, None] = {}
    for number in range(count):
        for at in range(number * step, min((number + 1) * step, last)):
            piece = material[at : at + size]
            if piece not in pieces:
                pieces[piece] = None
                break
        else:
            raise ValueError(f"the material does not have {count} different pieces of {size} bytes")
    return list(pieces)


def _verify(data: bytes) -> None:
    reader = _READER
    reader.feed(data)
    for _ in reader:
        pass


def _build(bodies: list[bytes]) -> None:
    for serial, body in enumerate(bodies):
        build_frame(_PROTO_ID, serial, body)


def _build_by_hand(bodies: list[bytes]) -> None:
    for serial, body in enumerate(bodies):
        baseline.build(_PROTO_ID, serial, body)
