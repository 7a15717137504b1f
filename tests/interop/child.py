"""A program that takes commands and answers them, one line of JSON each."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Child:
    """A child process that speaks lines of JSON; ``with`` starts and ends it.

    It runs in ``home``, a folder of its own, with nothing of our environment but what is named.
    What it writes to standard error goes to a file there.
    """

    def __init__(
        self, home: Path, command: Sequence[str | Path], environment: Mapping[str, str]
    ) -> None:
        self._home = home
        self._command = command
        self._environment = {"HOME": str(home), "PATH": os.defpath, **environment}
        self._log = home / "stderr.log"
        self._lines: queue.Queue[str | None] = queue.Queue()

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
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
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):  # a command that the process did not live to read
                pipe.close()

    def send(self, command: Mapping[str, Any]) -> None:
        """Give a command; a child that has died shows when its answer is waited for."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()

    def next_line(self, seconds: float) -> Any:
        """The next line that the child says; None if it says nothing for so long, or is dead."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return None
        return None if line is None else json.loads(line)

    def log_tail(self) -> str:
        """The end of what the child wrote to standard error."""
        return self._log.read_text("utf-8", "replace")[-2000:]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)
