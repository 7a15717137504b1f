"""The rate guard in any order of things: no window is too full, and nobody overtakes."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from futukit.core._limits import LIMITS
from futukit.core.limits import RateGuard, Reservation
from futukit.errors import RateLimited

PLACE_ORDER, MODIFY_ORDER, PLATE_SET = 2202, 2205, 3204
LONG = 1000.0
ROUNDING = 1e-6

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "reserve", "reserve", "cancel", "late"]),
        st.floats(0, 12),
        st.sampled_from([0.0, 0.3, 5.0, 40.0]),
        st.integers(0, 50),
    ),
    max_size=120,
)


def number_of(entry: tuple[float, int, Reservation]) -> int:
    return entry[1]


class Sender:
    """Runs a guard by a clock of its own, wakes who waits, and notes what is sent when."""

    def __init__(self, proto_id: int) -> None:
        self.guard = RateGuard()
        self.proto_id = proto_id
        self.now = 0.0
        self.made = 0
        self.waiting: list[tuple[float, int, Reservation]] = []
        self.sent: list[tuple[int, float]] = []
        self.refused: list[tuple[float, float]] = []

    def reserve(self, longest: float) -> None:
        try:
            turn = self.guard.reserve(self.proto_id, None, self.now, longest)
        except RateLimited as error:
            self.refused.append((longest, error.retry_after or 0.0))
            return
        self.made += 1
        assert turn.wait <= longest
        self.note(turn, self.made)

    def note(self, turn: Reservation, number: int, late: float = 0.0) -> None:
        if turn.wait:
            self.waiting.append((self.now + turn.wait + late, number, turn))
        else:
            self.sent.append((number, self.now))

    def cancel(self, index: int) -> None:
        if self.waiting:
            self.waiting.pop(index % len(self.waiting))[2].cancel()

    def look_again(self, random: Random) -> None:
        """Somebody has gone: all who wait ask anew, in any order."""
        waiting, self.waiting = self.waiting, []
        random.shuffle(waiting)
        for _, number, turn in waiting:
            turn.claim(self.now)
            self.note(turn, number)

    def delay(self, index: int, seconds: float) -> None:
        """Somebody will wake later than asked for."""
        if self.waiting:
            due, number, turn = self.waiting.pop(index % len(self.waiting))
            self.waiting.append((due + seconds, number, turn))

    def advance(self, until: float) -> None:
        while self.waiting and min(self.waiting)[0] <= until:
            due, number, turn = min(self.waiting, key=lambda entry: entry[:2])
            self.waiting.remove((due, number, turn))
            self.now = max(self.now, due)
            try:
                turn.claim(self.now)
            except RateLimited:
                continue
            self.note(turn, number)
        self.now = max(self.now, until)


@settings(deadline=None)
@given(
    st.sampled_from([PLATE_SET, PLACE_ORDER, MODIFY_ORDER]),
    st.integers(0, 45),
    st.lists(st.tuples(st.floats(0, 20), st.integers(0, 50)), max_size=20),
    st.randoms(use_true_random=False),
)
def test_a_turn_that_is_given_back_moves_up_all_behind_it(
    proto_id: int, calls: int, steps: list[tuple[float, int]], random: Random
) -> None:
    sender = Sender(proto_id)
    for _ in range(calls):
        sender.reserve(LONG)
    for seconds, index in steps:
        sender.advance(sender.now + seconds)
        sender.cancel(index)
        sender.look_again(random)
        # The same as if whoever has gone had never come.
        other = RateGuard()
        for _, time in sender.sent:
            assert other.reserve(proto_id, None, time, ROUNDING).wait == 0.0
        due = [
            sender.now + other.reserve(proto_id, None, sender.now, LONG).wait
            for _ in sender.waiting
        ]
        assert [entry[0] for entry in sorted(sender.waiting, key=number_of)] == pytest.approx(due)
    sender.advance(sender.now + LONG)
    assert [number for number, _ in sender.sent] == sorted(number for number, _ in sender.sent)


@settings(deadline=None)
@given(STEPS, st.sampled_from([PLATE_SET, PLACE_ORDER, MODIFY_ORDER]))
def test_no_window_holds_more_than_allowed_and_nobody_overtakes(
    steps: list[tuple[str, float, float, int]], proto_id: int
) -> None:
    sender = Sender(proto_id)
    for action, seconds, longest, index in steps:
        sender.advance(sender.now + seconds * (index % 3 == 0))
        if action == "reserve":
            for _ in range(1 + index % 12):
                sender.reserve(longest)
        elif action == "cancel":
            sender.cancel(index)
        else:
            sender.delay(index, seconds / 4)
    sender.advance(sender.now + LONG)
    assert not sender.waiting
    limit = LIMITS[proto_id]
    assert limit.max_requests is not None
    assert all(retry_after > longest for longest, retry_after in sender.refused)
    numbers = [number for number, _ in sender.sent]
    times = [time for _, time in sender.sent]
    assert numbers == sorted(numbers)
    assert times == sorted(times)
    for first, beyond in zip(times, times[limit.max_requests :], strict=False):
        assert beyond - first > limit.per_seconds
    for one, other in pairwise(times):
        assert other - one >= limit.min_spacing
