"""``python -m codegen COMMAND``: sync, generate, check, diff, enums.

The exit status is 0, 1 for a finding (a stale file, a breaking change) or 2 for a failure.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import check, diff, enums, lock, render, sync
from .errors import CodegenError
from .model import Project

_ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()  # here and not at exit, where nobody could report that it failed
    except CodegenError as error:
        print(f"codegen: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read our output has gone; nothing may be flushed into the pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="codegen", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    def folders(sub: argparse.ArgumentParser, out: bool = False) -> None:
        sub.add_argument("--protos", type=Path, default=_ROOT / "protos", help="schema and tables")
        if out:
            checkout = (_ROOT / "futukit").is_dir()
            sub.add_argument(
                "--out",
                type=Path,
                default=_ROOT if checkout else None,
                required=not checkout,
                help="folder that holds futukit/",
            )
            text = "the schema is older than the tables: they may name what it does not have"
            sub.add_argument("--older", action="store_true", help=text)

    sub = command("sync", _sync, "read an SDK release into protos/")
    sub.add_argument("sources", nargs="+", metavar="SOURCE", help="archive, folder or package")
    folders(sub)
    folders(command("generate", _generate, "write the generated files"), out=True)
    folders(command("check", _check, "compare the generated files with the disk"), out=True)
    sub = command("diff", _diff, "what changed between two schemas, and what that breaks")
    sub.add_argument("old", metavar="OLD")
    sub.add_argument("new", metavar="NEW")
    folders(command("enums", _enums, "which integer fields carry an enum, and which might"))
    return parser


def _sync(options: argparse.Namespace) -> int:
    return sync.run(options.sources, options.protos)


def _generate(options: argparse.Namespace) -> int:
    rendered = _rendered(options)
    changed = render.write(rendered, options.out)
    print(f"{len(rendered)} files generated, {len(changed)} changed")
    return 0


def _rendered(options: argparse.Namespace) -> dict[str, str]:
    project = Project.load(options.protos, strict=not options.older)
    # The tables of the official Python API speak of the newest schema only.
    face = options.protos if (options.protos / "futu").is_dir() and not options.older else None
    return render.outputs(project, face)


def _check(options: argparse.Namespace) -> int:
    edited = lock.verify(options.protos)
    rendered = _rendered(options)
    found = check.differences(rendered, options.out)
    for entry in (*edited, *found):
        print(entry)
    if edited:
        print(f"{len(edited)} schema files are not what `codegen sync` wrote: run it again")
    if found:
        print(f"{len(found)} generated files are not what protos/ says: run `codegen generate`")
    return 1 if edited or found else 0


def _diff(options: argparse.Namespace) -> int:
    return diff.run(options.old, options.new)


def _enums(options: argparse.Namespace) -> int:
    return enums.run(options.protos)


if __name__ == "__main__":
    raise SystemExit(main())
