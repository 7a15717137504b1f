"""The table that people read and the file that programs read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Absent, Figure, Outcome

__all__ = ["machine_lines", "table_lines", "write_json"]

_HEADINGS: Final = (
    "case", "against", "ratio", "quartiles", "gate", "aim", "ours", "theirs", ""
)  # fmt: skip
_LEFT: Final = frozenset((0, 1, 8))
_DIGITS: Final = 3


def machine_lines(machine: Mapping[str, object]) -> list[str]:
    """The machine in a few lines."""
    # The machine is a mapping of plain JSON values: this one is true, false or null.
    sha = {True: "with", False: "without", None: "unknown:"}[machine["sha_ni"]]  # type: ignore[index]
    return [
        f"{machine['processor']}, {machine['cores']} cores, {sha} SHA instructions, "
        f"load {machine['load']}",
        f"{machine['system']}, {machine['python']}",
        f"futukit {machine['futukit']}, msgspec {machine['msgspec']}, "
        f"protobuf {machine['protobuf']} ({machine['protobuf_runtime']})",
    ]


def table_lines(group: str, outcomes: Sequence[Outcome]) -> list[str]:
    """One group as a table; what is absent stands below it with the reason."""
    rows = [_HEADINGS, *(_row(o) for o in outcomes if isinstance(o, Figure))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = [f"{group}"]
    for row in rows:
        cells = [
            cell.ljust(width) if column in _LEFT else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    lines += [
        f"  absent: {o.case}, against {o.baseline}: {o.reason}"
        for o in outcomes
        if isinstance(o, Absent)
    ]
    return lines


def _row(outcome: Figure) -> tuple[str, ...]:
    ratio = outcome.ratio
    return (
        outcome.case,
        outcome.baseline,
        f"{_short(ratio.median)} ×",
        f"{_short(ratio.lower)}–{_short(ratio.upper)}",
        "" if outcome.gate is None else f"{outcome.gate:g}",
        "" if outcome.aim is None else f"{outcome.aim:g}",
        f"{_short(outcome.ours)} {outcome.unit}",
        f"{_short(outcome.theirs)} {outcome.unit}",
        outcome.verdict.value,
    )


def _short(value: float) -> str:
    """Three significant digits, thousands apart, no exponent."""
    if value >= 10 ** (_DIGITS - 1):
        return f"{value:,.0f}"
    return f"{value:#.{_DIGITS}g}"


def write_json(
    path: Path, machine: Mapping[str, object], outcomes: Iterable[Outcome], *, quick: bool
) -> None:
    """Write everything that was measured, and what was not."""
    outcomes = list(outcomes)
    document = {
        "machine": machine,
        "quick": quick,
        "figures": [_plain(o) for o in outcomes if isinstance(o, Figure)],
        "absent": [_facts(o) for o in outcomes if isinstance(o, Absent)],
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _plain(outcome: Figure) -> dict[str, Any]:
    ratio = outcome.ratio
    return {
        **_facts(outcome),
        "ratio": ratio.median,
        "lower_quartile": ratio.lower,
        "upper_quartile": ratio.upper,
        "rounds": ratio.rounds,
        "gate": outcome.gate,
        "aim": outcome.aim,
        "ours": outcome.ours,
        "theirs": outcome.theirs,
        "unit": outcome.unit,
        "verdict": outcome.verdict.name.lower(),
    }


def _facts(outcome: Outcome) -> dict[str, Any]:
    facts = {"group": outcome.group, "case": outcome.case, "baseline": outcome.baseline}
    return facts if isinstance(outcome, Figure) else {**facts, "reason": outcome.reason}
