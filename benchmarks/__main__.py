"""``python -m benchmarks``: measure, print, judge."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from importlib import import_module

from benchmarks import arguments, report
from benchmarks.figures import Figure, Outcome, Verdict, exit_status

__all__ = ["main"]


def main(argv: Sequence[str]) -> int:
    """Run the chosen groups; gives the exit status."""
    chosen = arguments.parse(argv)
    # The rest needs the compiled core and the development extras: --help does not.
    from benchmarks import clock, machine
    from benchmarks.run import Run

    described = machine.describe()
    print("\n".join(report.machine_lines(described)), flush=True)
    outcomes: list[Outcome] = []
    with closing(Run(clock.QUICK if chosen.quick else clock.FULL)) as run:
        for group in chosen.groups:
            outcomes += _measure(group, run)
    if chosen.json is not None:
        report.write_json(chosen.json, described, outcomes, quick=chosen.quick)
    return _judge(outcomes, quick=chosen.quick)


def _measure(group: str, run: object) -> list[Outcome]:
    from benchmarks.groups import GROUPS

    print(f"measuring {group} …", file=sys.stderr, flush=True)
    started = time.monotonic()
    outcomes = list(import_module(f"benchmarks.groups.{GROUPS[group]}").measure(run))
    print("\n" + "\n".join(report.table_lines(group, outcomes)), flush=True)
    print(f"{group}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return outcomes


def _judge(outcomes: Sequence[Outcome], *, quick: bool) -> int:
    figures = [outcome for outcome in outcomes if isinstance(outcome, Figure)]
    below = sum(figure.verdict is Verdict.BELOW_GATE for figure in figures)
    print(f"\n{len(figures)} figures, {below} below their gate", flush=True)
    if quick:
        print("a quick run is too short to judge: its exit status says only that all of it ran")
    return exit_status(outcomes, quick=quick)


def _terminate(_number: int, _frame: object) -> None:
    # As an exception, so that children and folders are cleaned up on the way out.
    raise SystemExit(128 + signal.SIGTERM)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
