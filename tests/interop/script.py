"""The official JavaScript SDK in a child process."""

from __future__ import annotations

import base64
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from futukit.codec.plan import plan_of
from futukit.types import split_security
from tests.interop.child import Child
from tests.support.upstream import javascript_sdk, node

_DRIVER: Final = Path(__file__).with_name("script_driver.mjs")
KEY: Final = "open sesame"
"""What the simulators of these tests want of a WebSocket login."""

_SECONDS: Final = 10.0
"""The SDK waits 5 s for an answer, and 1 s before it reconnects."""

Event = dict[str, Any]


class ScriptRefused(Exception):
    """A call that the SDK rejected; ``reason`` is the Response, or the SDK's word for it."""

    def __init__(self, reason: Any) -> None:
        super().__init__(reason)
        self.reason = reason


class ScriptSDK(Child):
    """A Node process with the official JavaScript SDK in it; trusts ``authority`` for TLS."""

    def __init__(self, home: Path, authority: Path | None = None) -> None:
        environment = {} if authority is None else {"NODE_EXTRA_CA_CERTS": str(authority)}
        super().__init__(home, [node(), _DRIVER, javascript_sdk()], environment)
        self._last_id = 0
        self._started = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._events: deque[Event] = deque()

    def begin(self, command: str, **details: Any) -> int:
        """Give a command of ``script_driver.mjs``; returns the id that its answer will carry."""
        self._last_id += 1
        self.send({"id": self._last_id, "do": command, **details})
        return self._last_id

    def answer(self, command_id: int) -> Any:
        """The answer to a command. Raises ScriptRefused."""
        while command_id not in self._answers:
            assert self._hear(_SECONDS), f"no answer\n{self.log_tail()}"
        answer = self._answers.pop(command_id)
        if "error" in answer:
            raise ScriptRefused(answer["error"])
        return answer["result"]

    def event(self, name: str, kind: str, seconds: float = _SECONDS) -> Event:
        """The next event of a kind on a connection; others stay for later."""
        while True:
            for event in self._events:
                if (event["name"], event["event"]) == (name, kind):
                    self._events.remove(event)
                    return event
            assert self._hear(seconds), f"no {kind} on {name}: {self._events}\n{self.log_tail()}"

    def events_so_far(self, name: str) -> list[str]:
        """The kinds of what has come and was not asked for; everything said so far is read."""
        self.answer(self.begin("nothing"))
        return [event["event"] for event in self._events if event["name"] == name]

    def start(self, url: str, key: str = "") -> Script:
        """Have the SDK connect to a ws:// or wss:// URL and log in, without waiting for it."""
        scheme, _, address = url.partition("://")
        host, _, port = address.rpartition(":")
        self._started += 1
        name = f"connection {self._started}"
        begun = self.begin(
            "start", name=name, ip=host, port=int(port), ssl=scheme == "wss", key=key
        )
        self.answer(begun)
        return Script(self, name)

    def connect(self, url: str, key: str = "") -> Script:
        """The same where the login must succeed."""
        script = self.start(url, key)
        script.logged_in()
        return script

    def _hear(self, seconds: float) -> bool:
        """Take one line of the child's; False if it says nothing for so long."""
        line = self.next_line(seconds)
        if line is None:
            return False
        if "id" in line:
            self._answers[line["id"]] = line
        else:
            self._events.append(line)
        return True


class Script:
    """One connection of the SDK; a ``with`` block closes it."""

    def __init__(self, sdk: ScriptSDK, name: str) -> None:
        self._sdk = sdk
        self._name = name
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def logged_in(self) -> int:
        """Wait for the login, which must be granted; returns the connection id that came."""
        login = self.event("login")
        assert login["granted"] is True, login
        assert login["error"] == 0
        self._open = True
        return int(login["connection"])

    def event(self, kind: str, seconds: float = _SECONDS) -> Event:
        """The next "login", "close", "failure" or "packet"."""
        if kind == "close":
            self._open = False
        return self._sdk.event(self._name, kind, seconds)

    def events_so_far(self) -> list[str]:
        """The kinds of what has come and was not asked for."""
        return self._sdk.events_so_far(self._name)

    def begin(self, method: str, **c2s: Any) -> int:
        """Have the SDK send a request; the answer is for ``answer``."""
        request = {"c2s": c2s}
        return self._sdk.begin("call", name=self._name, method=method, request=request)

    def answer(self, command_id: int) -> Any:
        """The Response. Raises ScriptRefused where the SDK rejects the call."""
        return self._sdk.answer(command_id)

    def call(self, method: str, **c2s: Any) -> Any:
        """One request and its Response."""
        return self.answer(self.begin(method, **c2s))

    def send(self, cmd: int, body: bytes) -> Any:
        """A request of any id below the SDK's methods: error, errmsg and body of the answer."""
        packed = base64.b64encode(body).decode()
        answer = self._sdk.answer(self._sdk.begin("send", name=self._name, cmd=cmd, body=packed))
        return {**answer, "body": base64.b64decode(answer["body"] or "")}

    def pushed(self, cmd: int, count: int) -> list[Any]:
        """The next pushes, which must all be of one id."""
        events = [self.event("push") for _ in range(count)]
        assert {event["cmd"] for event in events} <= {cmd}
        return [event["message"] for event in events]

    def close(self) -> None:
        """Close the connection, and wait until it is. One that never was reports no end."""
        self._sdk.answer(self._sdk.begin("close", name=self._name))
        if self._open:
            self.event("close")


def decoded(message: msgspec.Struct) -> dict[str, Any]:
    """One of our messages as the driver prints what the SDK decoded."""
    shown: dict[str, Any] = {}
    for _, attribute, _, json_name, kind, label, _, _ in plan_of(type(message)).fields:
        value = getattr(message, attribute)
        if label == "repeated":
            if value:
                shown[json_name] = [_shown(item, kind) for item in value]
        elif value is not None:
            shown[json_name] = _shown(value, kind)
    return shown


def _shown(value: Any, kind: str) -> Any:
    if kind == "message":
        return decoded(value)
    if kind == "bytes":
        return base64.b64encode(value).decode()
    return str(value) if kind in ("int64", "uint64") else value


def security(code: str) -> dict[str, Any]:
    """A security as the SDK wants it."""
    market, bare = split_security(code)
    return {"market": market, "code": bare}
