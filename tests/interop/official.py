"""The official Python SDK in a child process, and the relay that watches its frames."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.support.upstream import official_python

_DRIVER: Final = Path(__file__).with_name("official_session.py")
_SECONDS: Final = 30.0
"""No command may take longer; the SDK's own request timeout is 12 s, for a handshake 20 s."""

Enums = dict[str, str]
"""Column → class of the SDK, whose words come back as the protocol's numbers."""


class OfficialError(AssertionError):
    """A command that the SDK answered with an exception, or not at all."""


class OfficialSDK:
    """A process with the official SDK in it; ``with`` starts and ends it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._log = home / "stderr.log"
        self._answers: queue.Queue[str | None] = queue.Queue()

    def __enter__(self) -> Self:
        python = official_python()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, "-P", _DRIVER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self._home,
                # A home of its own: the SDK logs there. No PYTHONPATH: nothing of ours is seen.
                env={"HOME": str(self._home), "PATH": os.defpath, "PYTHONUTF8": "1"},
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

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def do(self, command: str, **details: Any) -> Any:
        """One command of ``official_session.py``; raises OfficialError."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"do": command, **details}) + "\n")
            self._process.stdin.flush()
        try:
            line = self._answers.get(timeout=_SECONDS)
        except queue.Empty:
            line = None
        if line is None:
            raise OfficialError(f"no answer to {command} {details}\n{self.log_tail()}")
        answer = json.loads(line)
        if "error" in answer:
            raise OfficialError(f"{command} {details}: {answer['error']}")
        return answer["result"]

    def log_tail(self) -> str:
        """The end of what the SDK printed."""
        return self._log.read_text("utf-8", "replace")[-2000:]

    def connect(self, port: int, name: str = "main", reconnect_seconds: float = 6) -> Official:
        """A quote context of the SDK, connected."""
        self.do("connect", name=name, port=port, reconnect_seconds=reconnect_seconds)
        context = Official(self, name)
        assert context.received("connected", 1) == [[0, ""]]
        return context


class Official:
    """One OpenQuoteContext of the SDK."""

    def __init__(self, sdk: OfficialSDK, name: str) -> None:
        self._sdk = sdk
        self._name = name

    def call(self, method: str, *, enums: Enums | None = None, **arguments: Any) -> Any:
        """What the SDK's method returned: a list for its tuple, tables as lists of rows."""
        return self._sdk.do(
            "call", name=self._name, method=method, arguments=arguments, enums=enums
        )

    def ok(self, method: str, *, enums: Enums | None = None, **arguments: Any) -> Any:
        """The same where RET_OK is expected: what follows it, alone if it is one thing."""
        outcome, *content = self.call(method, enums=enums, **arguments)
        assert outcome == 0, f"{method}: {content}"
        return content[0] if len(content) == 1 else content

    def received(
        self, kind: str, count: int, *, seconds: float = 10.0, enums: Enums | None = None
    ) -> list[Any]:
        """The next ``count`` pushes of a kind, as the SDK's handler returned them."""
        found: list[Any] = self._sdk.do(
            "received", name=self._name, kind=kind, count=count, seconds=seconds, enums=enums
        )
        return found

    def pushed(self, kind: str, count: int, *, enums: Enums | None = None) -> list[Any]:
        """The content of exactly ``count`` pushes."""
        found = self.received(kind, count, enums=enums)
        assert len(found) == count, f"{len(found)} of {count} {kind} pushes arrived"
        contents = []
        for outcome, *content in found:
            assert outcome == 0, content
            contents.append(content[0] if len(content) == 1 else content)
        return contents

    @property
    def status(self) -> str:
        """The SDK's word for the state of the connection."""
        return str(self._sdk.do("status", name=self._name))

    def close(self) -> None:
        """Close the context."""
        self._sdk.do("close", name=self._name)
