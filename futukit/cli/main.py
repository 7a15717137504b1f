"""The way in, which needs nothing but the standard library.

``sim``, ``gateway`` and ``codegen`` read their own arguments and run without the extra ``cli``.

Exit status: 0 success, 1 an error (one line on stderr), 2 the command was used wrongly,
130 interrupted with Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

from futukit.cli.outcome import FAILURE, complain, reported

__all__ = ["main"]

_EXTRA: Final = frozenset({"typer", "rich"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command (``sys.argv`` if ``None``) and give its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with reported():
            return _run(given)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))


def _run(arguments: list[str]) -> int:
    passed_on = _PASSED_ON.get(arguments[0]) if arguments else None
    if passed_on is not None:
        return passed_on(arguments[1:])
    try:
        from futukit.cli.app import run

        return run(arguments)
    except ModuleNotFoundError as error:
        if not _missing(error, _EXTRA):
            raise
        complain("the command line needs the extra 'cli': pip install 'futukit[cli]'")
        return FAILURE


def _sim(arguments: list[str]) -> int:
    from futukit.cli import sim

    return sim.main(arguments)


def _gateway(arguments: list[str]) -> int:
    from futukit.cli import gateway

    return gateway.main(arguments)


def _codegen(arguments: list[str]) -> int:
    try:
        codegen = import_module("futukit.codegen.__main__")
    except ModuleNotFoundError as error:
        if _missing(error, {"jinja2", "google", "grpc_tools"}):
            complain("codegen needs the extra 'codegen': pip install 'futukit[codegen]'")
        elif error.name in ("futukit.codegen", "futukit.codegen.__main__"):
            complain("futukit is not installed here; in its source tree, run python -m codegen")
        else:
            raise
        return FAILURE
    status: int = codegen.main(arguments)
    return status


_PASSED_ON: Final[dict[str, Callable[[list[str]], int]]] = {
    "sim": _sim,
    "gateway": _gateway,
    "codegen": _codegen,
}


def _missing(error: ModuleNotFoundError, packages: frozenset[str] | set[str]) -> bool:
    return (error.name or "").partition(".")[0] in packages


if __name__ == "__main__":
    sys.exit(main())
