"""Which frames a fault hits, and what is left of them."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from futukit._native.frame import Envelope, FrameReader, build_frame
from futukit.errors import FrameError, UsageError
from futukit.sim.faults import Corruption, Fault, FaultPlan, spoil


def test_the_first_fault_that_fits_is_taken_and_counted_down() -> None:
    plan = FaultPlan()
    plan.add(Fault("silence", connection_id=7, count=2))
    plan.add(Fault("cut", proto_id=3004))
    assert plan.take(1, 1002) is None
    assert [plan.take(7, 3004).kind for _ in range(3)] == ["silence", "silence", "cut"]  # type: ignore[union-attr]
    assert plan.take(7, 3004) is None
    assert len(plan) == 0


def test_a_fault_without_a_count_stays_until_it_is_cleared() -> None:
    plan = FaultPlan()
    plan.add(Fault("silence", count=None))
    assert all(plan.take(1, 3005) for _ in range(100))
    plan.clear()
    assert plan.take(1, 3005) is None


def test_refusals_and_other_faults_are_taken_apart() -> None:
    plan = FaultPlan()
    plan.add(Fault("refuse", proto_id=3004))
    assert plan.take(1, 3004) is None
    assert plan.take_refusal(1, 3005) is None
    assert plan.take_refusal(1, 3004) is not None


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "explode"},
        {"kind": "corrupt", "what": "mood"},
        {"kind": "cut", "count": 0},
        {"kind": "delay", "seconds": -1},
        {"kind": "cut", "at_byte": -1},
    ],
)
def test_impossible_faults_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Fault(**wrong)


def read_all(data: bytes) -> list[Envelope]:
    reader = FrameReader()
    reader.feed(data)
    return list(reader)


@pytest.mark.parametrize("body", [b"", b"some body"])
@pytest.mark.parametrize("what", get_args(Corruption))
def test_every_corruption_is_one_that_a_reader_refuses(what: Corruption, body: bytes) -> None:
    frame = build_frame(1002, 5, body)
    spoiled = spoil(frame, what)
    assert len(spoiled) == len(frame)
    with pytest.raises(FrameError):
        read_all(spoiled)
