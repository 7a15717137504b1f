"""Child processes that talk in JSON lines, and that end whatever happens.

A child ends when its standard input does, so none outlives this process, however it ends.
Children run in a session of their own: Ctrl-C reaches this process alone, which then ends
them in order.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["Child", "ChildError"]

_PATIENCE = 5.0
_SHOWN_LINES = 12


class ChildError(Exception):
    """A child process ended or failed where it should have answered."""


class Child:
    """A process that answers each JSON line with one; a context manager that ends it.

    ``name`` is what errors call it. Its standard error is kept and shown when it fails.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        # The file lives as long as the child does.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=folder,
            env=None if environment is None else {**os.environ, **environment},
            start_new_session=True,
        )

    @property
    def process_id(self) -> int:
        """The operating system's number of the process."""
        return self._process.pid

    def read(self, *, timeout: float = 120.0) -> dict[str, Any]:
        """The next answer. Raises ChildError if none comes within ``timeout`` seconds."""
        assert self._process.stdout is not None
        watchdog = threading.Timer(timeout, self._process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise ChildError(f"{self.name} ended without an answer{self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ChildError(f"{self.name}: {answer['error']}{self._last_words()}")
        return answer

    def ask(self, timeout: float = 120.0, /, **command: object) -> dict[str, Any]:
        """Send a command and read its answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise ChildError(f"{self.name} is gone{self._last_words()}") from error
        return self.read(timeout=timeout)

    def close(self) -> None:
        """End the child: first by the end of its input, then by a signal, then by force."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # What it has not read it does not need any more.
        with suppress(OSError):
            self._process.stdin.close()
        for insist in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(_PATIENCE)
                break
            except subprocess.TimeoutExpired:
                insist()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()[-_SHOWN_LINES:]
        return "".join(f"\n    {line}" for line in lines)
