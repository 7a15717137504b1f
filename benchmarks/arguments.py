"""The command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.groups import GROUPS

__all__ = ["Arguments", "parse"]


@dataclass(frozen=True, slots=True)
class Arguments:
    """What to measure, how thoroughly, and where the figures go besides the screen."""

    groups: tuple[str, ...]
    quick: bool
    json: Path | None


def parse(arguments: Sequence[str]) -> Arguments:
    """Read the arguments; ends the process with status 2 when they make no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure futukit against baselines; every figure is a ratio.",
        epilog="Exit status: 0, or 1 when a figure is below its gate (never with --quick).",
    )
    parser.add_argument(
        "groups", nargs="*", type=_group, metavar="GROUP", help=f"{', '.join(GROUPS)}; default all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few short rounds, to see that everything works"
    )
    parser.add_argument(
        "--json", type=_writable, metavar="FILE", help="write figures and machine as JSON"
    )
    chosen = parser.parse_args(arguments)
    wanted = chosen.groups or list(GROUPS)
    groups = tuple(group for group in GROUPS if group in wanted)
    return Arguments(groups, chosen.quick, chosen.json)


def _group(name: str) -> str:
    if name not in GROUPS:
        raise argparse.ArgumentTypeError(f"no group {name!r}; there are {', '.join(GROUPS)}")
    return name


def _writable(name: str) -> Path:
    """Fail before the measuring, not after it."""
    path = Path(name)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"cannot write {name}: no such folder")
    return path
