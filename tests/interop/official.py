"""The official Python SDK in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Self

from tests.interop.child import Child
from tests.interop.modes import Mode
from tests.support.upstream import official_python

_DRIVER: Final = Path(__file__).with_name("official_session.py")
_SECONDS: Final = 30.0
"""No command may take longer; the SDK's own request timeout is 12 s, for a handshake 20 s."""

Enums = dict[str, str]
"""Column → class of the SDK, whose words come back as the protocol's numbers."""


class OfficialError(AssertionError):
    """A command that the SDK answered with an exception, or not at all."""


class OfficialSDK(Child):
    """A process with the official SDK in it, which talks as ``mode`` says."""

    def __init__(self, home: Path, mode: Mode, key_file: Path) -> None:
        # A home of its own: the SDK logs there. No PYTHONPATH: nothing of ours is seen.
        super().__init__(home, [official_python(), "-P", _DRIVER], {"PYTHONUTF8": "1"})
        self._mode = mode
        self._key_file = key_file

    def __enter__(self) -> Self:
        super().__enter__()
        self.do(
            "configure",
            as_json=self._mode.body == "json",
            encrypt=self._mode.encrypt,
            rsa_file=str(self._key_file) if self._mode.has_key else None,
        )
        return self

    def do(self, command: str, **details: Any) -> Any:
        """One command of ``official_session.py``; raises OfficialError."""
        self.send({"do": command, **details})
        answer = self.next_line(_SECONDS)
        if answer is None:
            raise OfficialError(f"no answer to {command} {details}\n{self.log_tail()}")
        if "error" in answer:
            raise OfficialError(f"{command} {details}: {answer['error']}")
        return answer["result"]

    def connect(
        self, port: int, name: str = "main", reconnect_seconds: float = 6, kind: str = "quote"
    ) -> Official:
        """A context of the SDK, connected; ``kind`` is "quote" or "trade"."""
        self.do("connect", name=name, port=port, reconnect_seconds=reconnect_seconds, kind=kind)
        context = Official(self, name)
        assert context.received("connected", 1) == [[0, ""]]
        return context


class Official:
    """One context of the SDK."""

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
