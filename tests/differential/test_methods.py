"""Every method asks the server what the official SDK's does, and returns the same: names, order,
types, values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.differential.cases import Case, all_cases
from tests.differential.compare import RET_OK, deliberate, return_code
from tests.differential.methods import INTERNAL, SET_UP
from tests.differential.outcome import Outcome
from tests.differential.sides import Sides
from tests.interop.modes import Mode

_SHOWN = 8

Outcomes = Callable[[Mode], Outcome]


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.id)
def test_same_as_official(mode: Mode, case: Case, outcome: Outcomes) -> None:
    """A method that our face does not have passes: test_coverage.py keeps the list of those."""
    found = outcome(mode)
    assert_expected(case, found.comparison.official.answers[case.id])
    differences = found.cases[case.id].differences
    shown = "\n".join(map(str, differences[:_SHOWN]))
    assert not differences, f"{len(differences)} differences\n{shown}"


def assert_expected(case: Case, official: Any) -> None:
    """That the case tests what it says: the official SDK succeeds, refuses or raises."""
    if case.thin:
        return
    kind = official["kind"] if isinstance(official, dict) else "scalar"
    assert kind != "failed", official["text"]
    assert (kind == "raised") is case.raises, official
    if not case.plain and not case.raises:
        succeeded = return_code(official) == RET_OK
        assert succeeded is (case.refused is None), official


def test_no_deliberate_difference_is_out_of_date(mode: Mode, outcome: Outcomes) -> None:
    judgements = outcome(mode).judgements.values()
    seen = {reason for judgement in judgements for reason in judgement.reasons}
    gone = [
        f"{entry.cases} {entry.places}"
        for entry in deliberate()
        if entry not in seen and not entry.is_about("contexts/")
    ]
    assert not gone, f"entries of differences.toml that explain nothing any more: {gone}"


def test_every_official_method_has_a_case(sides: Sides) -> None:
    methods = sides.official.do("names")["methods"]
    official = {name for kind in ("quote", "sec", "future") for name in methods[kind]}
    called = {case.call for case in all_cases() if case.of_context}
    assert official - INTERNAL - set(SET_UP) == called
