"""The coverage table of docs/futu.md, made of what a run of all cases finds.

``python -m tests.differential.coverage`` writes it into the page, between its markers.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.differential.cases import all_cases
from tests.differential.compare import Deliberate, Judgement, Verdict
from tests.differential.names import HANDLERS
from tests.differential.outcome import Outcome, outcome_of
from tests.differential.pushes import PROTO_IDS
from tests.differential.sides import COMPARED_MODES, ROOT, both_sides
from tests.support.rsa import rsa_pem

PAGE: Final = ROOT / "docs" / "futu.md"
BEGIN: Final = "<!-- coverage: begin -->"
END: Final = "<!-- coverage: end -->"

_WORST_FIRST: Final[tuple[Verdict, ...]] = (
    "different",
    "deliberate difference",
    "same",
    "not covered",
)


class Row(NamedTuple):
    """A method, or a handler base."""

    name: str
    proto_ids: tuple[int, ...]
    comparisons: int
    verdict: Verdict
    reasons: tuple[Deliberate, ...]


def rows(outcome: Outcome) -> list[Row]:
    """The methods in the order of their first case, then the handler bases."""
    return [*_methods(outcome), *_handlers(outcome)]


def table(outcome: Outcome) -> str:
    """The table as Markdown, with a line of sums above it."""
    found = rows(outcome)
    sums = Counter(row.verdict for row in found)
    counted = ", ".join(f"{sums[verdict]} {verdict}" for verdict in _WORST_FIRST if sums[verdict])
    lines = [
        f"{len(found)} methods and handlers: {counted}.",
        "",
        "| method | proto ids | comparisons | result |",
        "|---|---|---|---|",
    ]
    lines += [_line(row) for row in found]
    return "\n".join(lines)


def written(page: str, outcome: Outcome) -> str:
    """The page with the table as it is now. Raises ValueError for a page without markers."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"the page needs one {BEGIN} and one {END}")
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{table(outcome)}\n\n{END}{tail}"


def _line(row: Row) -> str:
    verdict: str = row.verdict
    if row.reasons:
        verdict += ": " + "; ".join(reason.why for reason in row.reasons)
    numbers = ", ".join(map(str, row.proto_ids)) or "none"
    return f"| `{row.name}` | {numbers} | {row.comparisons or ''} | {verdict} |"


def _methods(outcome: Outcome) -> Iterator[Row]:
    by_method: defaultdict[str, list[str]] = defaultdict(list)
    for case in all_cases():
        if case.of_context:
            by_method[case.call].append(case.id)
    for method, ids in by_method.items():
        sent = {number for name in ids for number in outcome.comparison.official.sent[name]}
        yield _row(method, sorted(sent), [outcome.cases[name] for name in ids])


def _handlers(outcome: Outcome) -> Iterator[Row]:
    by_kind: defaultdict[str, list[Judgement]] = defaultdict(list)
    for name, judgement in outcome.pushes.items():
        by_kind[name.partition(": ")[2]].append(judgement)
    for kind, proto_id in PROTO_IDS.items():
        yield _row(HANDLERS[kind], [proto_id], by_kind[kind])


def _row(name: str, proto_ids: Iterable[int], found: list[Judgement]) -> Row:
    verdicts = {judgement.verdict for judgement in found}
    verdict = next(each for each in _WORST_FIRST if each in verdicts)
    reasons = dict.fromkeys(reason for each in found for reason in each.reasons)
    count = 0 if verdict == "not covered" else len(found)
    return Row(name, tuple(proto_ids), count, verdict, tuple(reasons))


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        key_file = Path(folder, "rsa.pem")
        key_file.write_text(rsa_pem(1024), encoding="utf-8")
        with both_sides(Path(folder)) as sides:
            outcome = outcome_of(sides, COMPARED_MODES[0], key_file)
    PAGE.write_text(written(PAGE.read_text("utf-8"), outcome), encoding="utf-8", newline="\n")
    differing = [name for name, each in outcome.judgements.items() if each.verdict == "different"]
    print(f"{PAGE.relative_to(ROOT)} is written")
    for name in differing:
        print(f"differs: {name}", file=sys.stderr)
    return bool(differing)


if __name__ == "__main__":
    sys.exit(main())
