"""The fenced blocks of README.md and docs/*.md, and how one is run.

- ``python``: a script, or, where it defines ``test_…``, a test for pytest.
- ``sh``: every line is run, all must succeed; the ``make`` targets are only looked up.
- ``console``: ``$`` lines are run, the lines below are what must come out, in this order, where
  ``…`` stands for anything, also at the end of a line. A program that serves for ever is then
  ended with SIGINT.

Port 11111 in a block is replaced by one of a simulator that runs.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "proto_ids.md"),
]
LONGEST_SECONDS = 60.0
ENDLESS = ("futukit sim", "futukit gateway --")

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


class Snippet(NamedTuple):
    """A fenced block: where it begins, its language, its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def snippets() -> list[Snippet]:
    """All blocks of all pages."""
    return [found for page in PAGES for found in _snippets(page)]


def _snippets(page: Path) -> Iterator[Snippet]:
    text = page.read_text("utf-8")
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Snippet(page.relative_to(ROOT).as_posix(), line, match[1], match[2])


def environment(workspace: Path) -> dict[str, str]:
    """Where ``futukit`` and ``python`` are this checkout's, whatever else is installed."""
    commands = workspace / "bin"
    if not commands.exists():
        commands.mkdir()
        for name, arguments in (("futukit", "-m futukit"), ("python", "")):
            script = commands / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
            script.chmod(0o755)
    path = os.pathsep.join((str(commands), os.environ["PATH"]))
    # Lines must come as they are written, as on a terminal, and in a window of a known width.
    return {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(workspace),
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "100",
    }


def run_python(text: str, workspace: Path) -> None:
    """Run a script, or the tests that the block defines."""
    is_test = "def test_" in text
    script = workspace / ("test_snippet.py" if is_test else "snippet.py")
    script.write_text(text, "utf-8")
    command = [sys.executable, "-W", "error", str(script)]
    if is_test:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(script)]
        if "futukit.sim.pytest_plugin" not in _installed_plugins():
            command += ["-p", "futukit.sim.pytest_plugin"]
    _run(command, workspace)


def run_shell(text: str, workspace: Path) -> None:
    """Run all lines in one shell that stops at the first failure."""
    _run(["sh", "-euc", text], workspace)


def run_console(text: str, workspace: Path) -> None:
    """Run each ``$`` line and look for the lines below it in what comes out."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, expected = part.partition("\n")
        with _running(command, workspace) as lines:
            seen: list[str] = []
            for wanted in expected.splitlines():
                if wanted == "…":
                    continue
                found = any(_fits(line, wanted) for line in _noted(lines, seen))
                assert found, f"{command}: no {wanted!r} in\n" + "\n".join(seen)


def _fits(line: str, wanted: str) -> bool:
    return line.startswith(wanted[:-1]) if wanted.endswith("…") else line == wanted


def _noted(lines: Iterator[str], seen: list[str]) -> Iterator[str]:
    for line in lines:
        seen.append(line)
        yield line


@contextmanager
def _running(command: str, workspace: Path) -> Iterator[Iterator[str]]:
    process = subprocess.Popen(
        # exec: the signal must reach the program, not a shell around it.
        ["sh", "-c", f"exec {command}"],
        cwd=workspace,
        env=environment(workspace),
        stdout=subprocess.PIPE,
        text=True,
    )
    impatience = threading.Timer(LONGEST_SECONDS, process.kill)
    impatience.start()
    try:
        assert process.stdout is not None
        yield (line.rstrip("\n") for line in process.stdout)
        if command.startswith(ENDLESS):
            process.send_signal(signal.SIGINT)
        # 1 is a finding of codegen diff; what a snippet shows is checked by its lines.
        assert process.wait(LONGEST_SECONDS) in (0, 1), command
    finally:
        impatience.cancel()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _run(command: list[str], workspace: Path) -> None:
    done = subprocess.run(
        command,
        cwd=workspace,
        env=environment(workspace),
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}{done.stderr}"


def _installed_plugins() -> set[str]:
    from importlib.metadata import entry_points

    return {entry.value for entry in entry_points(group="pytest11")}
