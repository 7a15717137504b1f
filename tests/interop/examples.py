"""The example programs of the official Python package, run on the drop-in face.

They are read from the package's archive and changed as a user would change them: the import, and
the port of the OpenD. Copies stand in the test's own folder; nothing of them is committed.
"""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from tests.support import upstream

ROOT: Final = Path(__file__).resolve().parents[2]
SECONDS: Final = 30.0
ENDED: Final = "(the main thread has ended)"
_PORT: Final = re.compile(r"\b11111\b")
_IMPORTS: Final = (
    (re.compile(r"^from futu import \*", re.M), "from futukit.futu import *"),
    (re.compile(r"^import futu as ft", re.M), "import futukit.futu as ft"),
)
_TA_LIB: Final = "TA-Lib==0.8.2"

# The examples sleep for up to 15 seconds, to wait for pushes or to keep below a frequency limit:
# here each sleep is a tenth of that. {day} may set what the program takes for today.
_RUNNER: Final = """
import runpy, sys, threading, time

sleep = time.sleep
time.sleep = lambda seconds: sleep(seconds / 10)
{day}

def tell():
    threading.main_thread().join()
    print({ended!r}, flush=True)

threading.Thread(target=tell, daemon=True).start()
sys.argv = [{path!r}]
runpy.run_path({path!r}, run_name="__main__")
"""
_DAY: Final = """
import datetime
import pandas

class Day(datetime.datetime):
    @classmethod
    def today(cls):
        return datetime.datetime.fromisoformat({today!r})

datetime.datetime = Day
"""


class Example:
    """One example in a process of its own, against the OpenD on ``port``; ``with`` ends it.

    ``today`` (ISO format) is what the program takes for the present, ``libraries`` a folder of
    packages that it needs.
    """

    def __init__(
        self,
        name: str,
        home: Path,
        port: int,
        *,
        today: str | None = None,
        libraries: Path | None = None,
    ) -> None:
        self._home = home
        path = home / f"{name}.py"
        path.write_text(_changed(_source(name), port), encoding="utf-8")
        day = "" if today is None else _DAY.format(today=today)
        self._text = _RUNNER.format(day=day, ended=ENDED, path=str(path))
        folders = [str(ROOT), *([] if libraries is None else [str(libraries)])]
        self._environment = {
            "HOME": str(home),
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(folders),
            "PYTHONUTF8": "1",
        }
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._log = home / "stderr.log"

    def __enter__(self) -> Self:
        command = [sys.executable, "-u", "-c", self._text]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self._home,
                env=self._environment,
                text=True,
                encoding="utf-8",
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def line(self) -> str | None:
        """The next line that it prints; None at its end."""
        return self._lines.get(timeout=SECONDS)

    def output(self) -> str:
        """What it prints until its main thread ends."""
        told: list[str] = []
        while (line := self.line()) not in (None, ENDED):
            told.append(line or "")
        return "\n".join(told)

    def errors(self) -> str:
        """What it wrote to standard error."""
        return self._log.read_text("utf-8", "replace")

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Its status, when it has ended."""
        return self.process.wait(SECONDS)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


def run(name: str, home: Path, port: int, **options: str | Path | None) -> str:
    """Run an example that ends by itself, in order and without an error; gives what it prints."""
    with Example(name, home, port, **options) as example:  # type: ignore[arg-type]
        output = example.output()
        status = example.end()
        assert (status, example.errors()) == (0, ""), output
    return output


def ta_lib() -> Path:
    """A folder with TA-Lib in it, for macd_strategy; skips where there is no wheel of it."""
    version = f"py{sys.version_info[0]}{sys.version_info[1]}"
    folder = upstream.cache_folder() / f"{_TA_LIB.replace('==', '-')}-{version}"
    if not folder.exists():
        if upstream.offline():
            pytest.skip("TA-Lib is not in the cache and FUTUKIT_OFFLINE is set")
        with tempfile.TemporaryDirectory(dir=folder.parent) as partial:
            target = Path(partial) / "packages"
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            install += ["--disable-pip-version-check", "--only-binary", ":all:"]
            done = subprocess.run([*install, "--target", str(target), _TA_LIB], check=False)
            if done.returncode:
                pytest.skip("macd_strategy is not run: there is no TA-Lib for this Python")
            target.rename(folder)
    return folder


def _source(name: str) -> str:
    folder = upstream.unpacked(upstream.python_sdk_archive())
    return (folder / "futu" / "examples" / f"{name}.py").read_text("utf-8")


def _changed(text: str, port: int) -> str:
    """The program with another import and another port; both must have stood in it."""
    imports = 0
    for pattern, replacement in _IMPORTS:
        text, count = pattern.subn(replacement, text)
        imports += count
    text, ports = _PORT.subn(str(port), text)
    assert imports == 1
    assert ports
    return text
