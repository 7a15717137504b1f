"""The HTTP port of the metrics: what it serves, and how many it lets wait."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from futukit.errors import ConnectError
from futukit.gateway import metrics as module
from futukit.gateway.metrics import Metrics, MetricsPort

SECONDS = 10.0


@contextlib.contextmanager
def serving() -> Iterator[MetricsPort]:
    port = MetricsPort(Metrics(), "127.0.0.1", 0)
    try:
        yield port
    finally:
        port.close()


def connect(port: MetricsPort) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port.port), timeout=SECONDS)


def scraped(port: MetricsPort) -> str:
    with urlopen(f"http://127.0.0.1:{port.port}/metrics", timeout=SECONDS) as answer:
        return str(answer.read().decode())


def test_it_serves_what_is_counted() -> None:
    with serving() as port:
        assert "futukit_gateway_audit_lost_total 0.0" in scraped(port)
        with pytest.raises(ConnectError, match=r"cannot listen on 127\.0\.0\.1"):
            MetricsPort(Metrics(), "127.0.0.1", port.port)


def test_who_is_silent_is_let_go(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.01)
    with serving() as port, connect(port) as silent, connect(port) as cut:
        cut.sendall(b"GET /metrics HTTP/1.0\r\nAccept")
        assert (silent.recv(1), cut.recv(1)) == (b"", b"")
    assert capfd.readouterr() == ("", "")


def test_many_silent_connections_get_few_threads(capfd: pytest.CaptureFixture[str]) -> None:
    with serving() as port:
        with contextlib.ExitStack() as held:
            before = threading.active_count()
            for _ in range(module._MOST_SCRAPES):
                held.enter_context(connect(port))
            for _ in range(10):
                one_more = held.enter_context(connect(port))
                assert one_more.recv(1) == b""
            assert threading.active_count() == before + module._MOST_SCRAPES
        # They have gone: so there is room again.
        assert port._server._room.acquire(timeout=SECONDS)
        port._server._room.release()
        for _ in range(module._MOST_SCRAPES + 1):
            assert "futukit_gateway" in scraped(port)
    assert capfd.readouterr() == ("", "")
