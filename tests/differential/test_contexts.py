"""Constructors, settings and states behave as in the official SDK."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential.compare import Judgement, deliberate
from tests.differential.contexts import SCRIPTS
from tests.differential.outcome import both_noted, judge_notes
from tests.differential.sides import Sides


@pytest.fixture(scope="module")
def noted(sides: Sides, key_file: Path) -> dict[str, Judgement]:
    """Note → judgement, for all scripts."""
    official, ours = both_noted(sides, SCRIPTS, key_file, "contexts")
    return judge_notes(official, ours)


@pytest.mark.parametrize("script", SCRIPTS)
def test_same_as_official(script: str, noted: dict[str, Judgement]) -> None:
    mine = {name: each for name, each in noted.items() if name.startswith(f"contexts/{script}:")}
    assert mine
    shown = [f"{name}: {each}" for name, found in mine.items() for each in found.differences]
    shown += [f"{name}: missing" for name, each in mine.items() if each.verdict == "not covered"]
    assert not shown, "\n".join(shown)


def test_no_deliberate_difference_is_out_of_date(noted: dict[str, Judgement]) -> None:
    seen = {reason for judgement in noted.values() for reason in judgement.reasons}
    mine = [entry for entry in deliberate() if entry.is_about("contexts/")]
    assert [entry for entry in mine if entry not in seen] == []
