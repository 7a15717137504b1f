"""Contexts on simulators, closed after each test, and settings that no test leaves behind."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

from futukit.futu import OpenQuoteContext, OpenSecTradeContext, SysConfig, context
from futukit.messages import init_connect
from futukit.sim import SimulatedOpenD
from tests.support.rsa import rsa_pem

SECONDS: Final = 10.0
"""What no test waits longer than."""
NOTIFY: Final = 1003
GLOBAL_STATE: Final = 1002

T = TypeVar("T")
Open = Callable[..., Any]


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """SysConfig as it was, after each test."""
    for name, value in list(vars(SysConfig).items()):
        if name.isupper():
            monkeypatch.setattr(SysConfig, name, value)


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost connections are tried again at once, those that never were ten times a second."""
    make = context._options

    def hurried(encrypt: bool) -> dict[str, Any]:
        return {**make(encrypt), "reconnect_delay": 0.02, "reconnect_max_delay": 0.05}

    monkeypatch.setattr(context, "_options", hurried)
    monkeypatch.setattr(context, "_RECONNECT_SECONDS", 0.1)


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key that client and server share."""
    path = tmp_path_factory.mktemp("keys") / "rsa.pem"
    path.write_text(rsa_pem(1024), encoding="ascii")
    return path


@pytest.fixture
def opened() -> Iterator[Open]:
    """Makes contexts; closes them at the end."""
    made: list[Any] = []

    def make(kind: Callable[..., T], *args: Any, **options: Any) -> T:
        made.append(kind(*args, **options))
        last: T = made[-1]
        return last

    yield make
    for each in made:
        each.close()


@pytest.fixture
def quotes(opend: SimulatedOpenD, opened: Open) -> OpenQuoteContext:
    """A quote context on the simulator."""
    made: OpenQuoteContext = opened(OpenQuoteContext, port=opend.port)
    return made


@pytest.fixture
def trades(opend: SimulatedOpenD, opened: Open) -> OpenSecTradeContext:
    """A trade context on the simulator."""
    made: OpenSecTradeContext = opened(OpenSecTradeContext, port=opend.port)
    return made


@pytest.fixture
def hellos(opend: SimulatedOpenD) -> queue.Queue[init_connect.C2S]:
    """What clients tell the simulator of themselves when they connect."""
    told: queue.Queue[init_connect.C2S] = queue.Queue()
    join = opend.opend.join

    def noting(welcome: Any, hello: init_connect.C2S, sink: Any) -> Any:
        told.put(hello)
        return join(welcome, hello, sink)

    opend.opend.join = noting  # type: ignore[method-assign]
    return told


def until(condition: Callable[[], object]) -> None:
    """Ask again until it is so; fails after a while."""
    deadline = time.monotonic() + SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        pause.wait(0.002)


def in_background(work: Callable[[], T]) -> Callable[[], T]:
    """Begin in another thread; what is returned waits for the end and gives the result."""
    results: queue.Queue[tuple[bool, Any]] = queue.Queue()

    def run() -> None:
        try:
            results.put((True, work()))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            results.put((False, error))

    threading.Thread(target=run, daemon=True).start()

    def wait() -> T:
        done, result = results.get(timeout=SECONDS)
        if not done:
            raise result
        value: T = result
        return value

    return wait


def drop(opend: SimulatedOpenD, ctx: Any) -> None:
    """Have the server close the context's connection, and wait until the context knows."""
    before = ctx.get_sync_conn_id()
    opend.fault("cut", proto_id=NOTIFY, connection_id=before)
    assert opend.notify("gtw_event")
    until(lambda: ctx.get_sync_conn_id() != before)


@contextmanager
def no_server() -> Iterator[int]:
    """A port on which nobody listens; nobody else gets it meanwhile."""
    with socket.socket() as reserved:
        # Bound and not listening: refused. A server may share it by the same option.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        yield port


def threads() -> list[str]:
    """The threads of all contexts that are left."""
    return [each.name for each in threading.enumerate() if each.name.startswith("futukit-")]
