"""What is due later."""

from __future__ import annotations

from futukit.sim.timetable import Timetable


def test_callbacks_run_in_the_order_of_their_times_and_of_their_setting() -> None:
    table, ran = Timetable(), list[str]()
    table.at(2.0, lambda: ran.append("late"))
    table.at(1.0, lambda: ran.append("first"))
    table.at(1.0, lambda: ran.append("second"))
    assert table.next == 1.0
    table.run(1.0)
    assert ran == ["first", "second"]
    table.run(5.0)
    assert ran[-1] == "late"
    assert table.next is None


def test_a_callback_may_set_another_that_is_due_at_once() -> None:
    table, ran = Timetable(), list[int]()
    table.at(1.0, lambda: table.at(1.0, lambda: ran.append(1)))
    table.run(1.0)
    assert ran == [1]
