"""The benchmarks' statistics, gates, report and command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks import arguments, machine, report
from benchmarks.clock import QUICK, alternate
from benchmarks.compare import Side, batch_size, compare, fresh, grouped, taken_in_turns
from benchmarks.figures import (
    Absent,
    Figure,
    Outcome,
    Spread,
    Verdict,
    exit_status,
    figure,
    spread,
)
from benchmarks.groups import GROUPS, frame, imports
from benchmarks.groups.roundtrip import percentiles
from benchmarks.official import Unavailable, interpreter
from benchmarks.run import Run


def _figure(ratio: float, gate: float | None = None, aim: float | None = None) -> Figure:
    return figure("frame", "case", "base", [(1.0, ratio)], unit="s", gate=gate, aim=aim)


# Statistics.


def test_spread_is_median_and_quartiles() -> None:
    assert spread([5.0, 1.0, 4.0, 2.0, 3.0]) == Spread(3.0, 2.0, 4.0, 5)


def test_spread_of_one_ratio_is_that_ratio() -> None:
    assert spread([2.5]) == Spread(2.5, 2.5, 2.5, 1)


def test_one_spoilt_round_does_not_move_the_median() -> None:
    assert spread([2.0, 2.0, 2.0, 2.0, 900.0]).median == 2.0


def test_ratio_is_the_median_of_paired_ratios_not_the_ratio_of_medians() -> None:
    made = figure("g", "c", "b", [(1.0, 2.0), (10.0, 20.0), (3.0, 3.0)], unit="s")
    assert made.ratio.median == 2.0


def test_costs_are_scaled_into_the_unit() -> None:
    made = figure("g", "c", "b", [(2e-6, 8e-6)], unit="µs", scale=1e6)
    assert (made.ratio.median, made.ours, made.theirs) == pytest.approx((4.0, 2.0, 8.0))


def test_rates_are_reciprocal_costs_with_the_same_ratio() -> None:
    made = figure("g", "c", "b", [(0.01, 0.04)], unit="/s", rate=True)
    assert (made.ratio.median, made.ours, made.theirs) == pytest.approx((4.0, 100.0, 25.0))


def test_percentiles_are_the_50th_and_the_99th() -> None:
    assert percentiles([float(value) for value in range(101)]) == (50.0, 99.0)


# Turns.


def test_sides_take_turns_in_changing_order_and_the_first_round_is_dropped() -> None:
    seen: list[tuple[str, int]] = []

    def side(name: str) -> Callable[[int], float]:
        def run(turn: int) -> float:
            seen.append((name, turn))
            return float(turn)

        return run

    assert alternate(side("ours"), side("theirs"), 3) == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]
    names = [name for name, _ in seen]
    assert names == ["ours", "theirs", "ours", "theirs", "theirs", "ours", "ours", "theirs"]


def test_batches_go_on_where_the_last_one_ended() -> None:
    batch = taken_in_turns([b"0", b"1", b"2", b"3", b"4"], 3)
    assert [batch(0), batch(1), batch(2)] == [
        [b"0", b"1", b"2"],
        [b"3", b"4", b"0"],
        [b"1", b"2", b"3"],
    ]


def test_bodies_are_grouped_by_size_without_losing_any() -> None:
    bodies = [bytes(30_000)] * 5 + [bytes(200_000)] + [b""]
    groups = list(grouped(bodies))
    assert [len(group) for group in groups] == [3, 3, 1]
    assert [body for group in groups for body in group] == bodies


def test_both_sides_get_the_same_bodies() -> None:
    taken: dict[str, list[bytes]] = {"ours": [], "theirs": []}

    def side(name: str) -> Side[list[bytes]]:
        return Side(fresh, lambda bodies: taken[name].extend(bodies))

    pairs = compare([b"%d" % number for number in range(50)], side("ours"), side("theirs"), QUICK)
    assert len(pairs) == QUICK.rounds
    # Settling the size of a batch took some more of theirs before.
    assert taken["theirs"][-len(taken["ours"]) :] == taken["ours"]


def test_batch_size_follows_the_cost() -> None:
    cheap = batch_size([b"x"], Side(list, lambda _: None), 0.0001)
    dear = batch_size([b"x"], Side(list, lambda bodies: [sum(range(2000)) for _ in bodies]), 0.0001)
    assert cheap > dear >= 1


# Gates.


@pytest.mark.parametrize(
    ("ratio", "gate", "aim", "verdict"),
    [
        (5.99, 6.0, 12.0, Verdict.BELOW_GATE),
        (6.0, 6.0, 12.0, Verdict.BELOW_AIM),
        (12.0, 6.0, 12.0, Verdict.PASSED),
        (0.5, None, 0.6, Verdict.BELOW_AIM),
        (0.5, 0.4, None, Verdict.PASSED),
        (0.5, None, None, Verdict.NO_GOAL),
    ],
)
def test_verdict(ratio: float, gate: float | None, aim: float | None, verdict: Verdict) -> None:
    assert _figure(ratio, gate, aim).verdict is verdict


def test_only_a_missed_gate_fails_a_full_run() -> None:
    absent = Absent("frame", "case", "base", "offline")
    passing: list[Outcome] = [_figure(2.0, gate=1.0), _figure(0.1, aim=1.0), absent]
    assert exit_status(passing, quick=False) == 0
    assert exit_status([*passing, _figure(0.9, gate=1.0)], quick=False) == 1


def test_a_quick_run_does_not_judge() -> None:
    assert exit_status([_figure(0.9, gate=1.0)], quick=True) == 0


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Outcome]:
    """What the frame group is made to measure."""
    outcomes: list[Outcome] = [_figure(2.0, gate=1.0)]
    monkeypatch.setattr(frame, "measure", lambda _run: iter(outcomes))
    return outcomes


def test_a_run_that_passes_ends_with_0(
    measured: list[Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["frame"]) == 0
    assert "1 figures, 0 below their gate" in capsys.readouterr().out


def test_a_figure_below_its_gate_is_marked_and_ends_with_1(
    measured: list[Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    measured.append(_figure(0.5, gate=1.0))
    assert program.main(["frame"]) == 1
    assert "BELOW GATE" in capsys.readouterr().out


def test_quick_shows_the_mark_says_why_and_ends_with_0(
    measured: list[Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    measured.append(_figure(0.5, gate=1.0))
    assert program.main(["frame", "--quick"]) == 0
    shown = capsys.readouterr().out
    assert "BELOW GATE" in shown
    assert "too short to judge" in shown


def test_json_holds_figures_absences_and_machine(measured: list[Outcome], tmp_path: Path) -> None:
    measured.append(Absent("frame", "other", "base", "offline"))
    file = tmp_path / "figures.json"
    program.main(["frame", "--json", str(file)])
    document = json.loads(file.read_text())
    assert document["machine"]["protobuf_runtime"] == "upb"
    assert document["quick"] is False
    assert document["figures"][0]["ratio"] == 2.0
    assert document["figures"][0]["verdict"] == "passed"
    assert document["absent"] == [
        {"group": "frame", "case": "other", "baseline": "base", "reason": "offline"}
    ]


# The report.


def test_table_shows_ratio_quartiles_gate_aim_and_mark() -> None:
    made = figure("g", "c", "base", [(1.0, 2.0), (1.0, 3.0), (1.0, 4.0)], unit="s", gate=4, aim=5)
    title, headings, row = report.table_lines("g", [made])
    assert title == "g"
    assert " ".join(headings.split()) == "case against ratio quartiles gate aim ours theirs"
    assert " ".join(row.split()) == "c base 3.00 × 2.50–3.50 4 5 1.00 s 3.00 s BELOW GATE"


def test_table_tells_why_a_row_is_absent() -> None:
    lines = report.table_lines("g", [Absent("g", "case", "the SDK", "offline")])
    assert lines[-1].strip() == "absent: case, against the SDK: offline"


def test_machine_is_described() -> None:
    described = machine.describe()
    assert {"processor", "cores", "sha_ni", "python", "msgspec", "protobuf"} <= set(described)
    assert f"protobuf {described['protobuf']} (upb)" in report.machine_lines(described)[-1]


# The command line.


def test_all_groups_by_default() -> None:
    chosen = arguments.parse([])
    assert chosen == arguments.Arguments(tuple(GROUPS), quick=False, json=None)


def test_chosen_groups_come_once_and_in_the_order_of_the_report(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    chosen = arguments.parse(["encode", "frame", "encode", "--quick", "--json", str(file)])
    assert chosen == arguments.Arguments(("frame", "encode"), quick=True, json=file)


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["frames"], "no group 'frames'; there are frame, decode"),
        (["--slow"], "--slow"),
        (["--json", "no/such/folder/file.json"], "no such folder"),
        (["--json", "."], "no such folder"),
    ],
)
def test_senseless_arguments_end_with_2(
    argv: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(argv)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


# Without the official SDK.


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache and no network."""
    monkeypatch.setenv("FUTUKIT_CACHE", str(tmp_path))
    monkeypatch.setenv("FUTUKIT_OFFLINE", "1")


def test_offline_the_official_sdk_is_unavailable_with_a_reason(offline: None) -> None:
    found = interpreter()
    assert isinstance(found, Unavailable)
    assert "FUTUKIT_OFFLINE" in found.reason


def test_offline_its_rows_are_absent_with_the_reason(offline: None) -> None:
    rows = list(imports.measure(Run(QUICK)))
    assert len(rows) == 4
    assert all(isinstance(row, Absent) and "FUTUKIT_OFFLINE" in row.reason for row in rows)
