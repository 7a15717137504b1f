"""What Prometheus reads at ``/metrics``. Each gateway has a registry of its own."""

from __future__ import annotations

import socket
import sys
from http.server import ThreadingHTTPServer
from threading import BoundedSemaphore, Thread
from typing import Any, Final

from futukit.errors import ConnectError, UsageError

try:
    from prometheus_client import (
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        MetricsHandler,
        generate_latest,
    )
except ImportError as error:
    raise UsageError(
        "the gateway needs prometheus-client: pip install 'futukit[gateway]'"
    ) from error

__all__ = ["Metrics", "MetricsPort"]

_MOST_SCRAPES: Final = 16
_PATIENCE_SECONDS: Final = 5.0
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0, 12.0)


class Metrics:
    """Counters of one gateway; labels hold ids, outcomes and doors, never a name or a key."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        of: dict[str, Any] = {"namespace": "futukit_gateway", "registry": self.registry}
        self.requests = Counter(
            "requests", "Requests of members, by how they ended.", ("proto_id", "outcome"), **of
        )
        self.seconds = Histogram(
            "request_seconds", "From a request to its answer.", buckets=_SECONDS, **of
        )
        self.pushes_received = Counter("pushes_received", "Pushes that came from OpenD.", **of)
        self.pushes_sent = Counter("pushes_sent", "Pushes handed to members.", **of)
        self.refusals = Counter("refusals", "Refused calls, by status.", ("status",), **of)
        self.slow_cut = Counter("slow_clients_cut", "Clients ended for not reading.", **of)
        self.members = Gauge("members", "Clients that are connected.", **of)
        self.streams = Gauge("push_streams", "Open gRPC streams of pushes.", **of)
        self.topics = Gauge("topics", "Topics taken from OpenD.", **of)
        self.holders = Gauge("subscriptions", "Topics of members, each counted.", **of)
        self.up = Gauge("upstream_up", "1 while connected to OpenD.", **of)
        self.upstream_lost = Counter("upstream_lost", "How often OpenD was lost.", **of)
        self.audit_lost = Counter("audit_lost", "Audit lines that could not be written.", **of)

    def text(self) -> str:
        """What ``/metrics`` shows now."""
        return generate_latest(self.registry).decode()


class _Server(ThreadingHTTPServer):
    """A thread for each connection, and so many at most: one more is closed at once."""

    request_queue_size = 128  # the 5 of socketserver have clients wait for a second

    def __init__(self, address: tuple[str, int], handler: type[MetricsHandler]) -> None:
        self._room = BoundedSemaphore(_MOST_SCRAPES)
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family = found[0][0]
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection if there is room."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # there was no thread to be had
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve it in its thread and make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Complain, but not of clients that go away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class MetricsPort:
    """Serves ``/metrics`` over HTTP in daemon threads, until it is closed."""

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        # The time is for each reading and writing: who is silent is let go.
        served = {"registry": metrics.registry, "timeout": _PATIENCE_SECONDS}
        try:
            self._server = _Server((host, port), type("Handler", (MetricsHandler,), served))
        except OSError as error:
            raise ConnectError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        self.port = int(self._server.server_port)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
