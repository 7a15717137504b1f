"""Everything both sides did in one mode, judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.differential.cases import all_cases
from tests.differential.compare import Judgement, differences, judge, judge_case
from tests.differential.pushes import SCRIPTS as PUSHES
from tests.differential.sides import Answers, Comparison, Side, SideError, Sides, compare_all
from tests.interop.modes import Mode

_MISSING: Final = {"kind": "missing"}

Script = Callable[[Side, Path], dict[str, Any]]


class Outcome(NamedTuple):
    """What both sides answered, and what is to be said of it."""

    comparison: Comparison
    cases: dict[str, Judgement]
    """Case id → judgement."""
    official_pushes: Answers
    pushes: dict[str, Judgement]
    """``pushes/script: kind`` → judgement."""

    @property
    def judgements(self) -> dict[str, Judgement]:
        """Of cases and pushes."""
        return {**self.cases, **self.pushes}


def outcome_of(sides: Sides, mode: Mode, key_file: Path) -> Outcome:
    """Run all cases and all pushes on both sides."""
    comparison = compare_all(sides, mode, key_file)
    official, ours = comparison
    cases = {
        case.id: judge_case(
            case,
            official.answers[case.id],
            ours.answers[case.id],
            (official.sent[case.id], ours.sent[case.id]),
        )
        for case in all_cases()
    }
    for side in sides:
        side.configure(mode, key_file)
    scripts = {name: partial(script, mode=mode) for name, script in PUSHES.items()}
    received, own_received = both_noted(sides, scripts, key_file, "pushes")
    return Outcome(comparison, cases, received, judge_notes(received, own_received))


def both_noted(
    sides: Sides, scripts: Mapping[str, Script], key_file: Path, group: str
) -> tuple[Answers, Answers]:
    """What scripts note on each side, as ``group/script: what``."""

    def noted(side: Side) -> Answers:
        found: Answers = {}
        for name, script in scripts.items():
            try:
                notes = script(side, key_file)
            except SideError as error:
                notes = {"failed": [str(error), side.face]}
                with suppress(SideError):  # it may not answer at all any more
                    side.do("close_all")
            found |= {f"{group}/{name}: {what}": note for what, note in notes.items()}
        return found

    with ThreadPoolExecutor(2) as pool:
        official, ours = pool.map(noted, sides)
    return official, ours


def judge_notes(official: Answers, ours: Answers) -> dict[str, Judgement]:
    """Note → judgement. What only one side noted differs."""
    found = {}
    for name in dict.fromkeys((*official, *ours)):
        theirs, own = (_listed(side.get(name, _MISSING)) for side in (official, ours))
        found[name] = judge(name, differences(theirs, own, "received"), own == _MISSING)
    return found


def _listed(note: Any) -> Any:
    """A list of descriptions as a description; anything else as it is."""
    described = not isinstance(note, list) or (note and isinstance(note[0], str))
    return note if described else {"kind": "list", "items": note}
