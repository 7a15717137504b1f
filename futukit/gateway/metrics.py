"""What Prometheus reads at ``/metrics``. Each gateway has a registry of its own."""

from __future__ import annotations

from threading import Thread
from typing import Any, Final

from futukit.errors import ConnectError, UsageError

try:
    from prometheus_client import (
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        generate_latest,
        start_http_server,
    )
except ImportError as error:
    raise UsageError(
        "the gateway needs prometheus-client: pip install 'futukit[gateway]'"
    ) from error

__all__ = ["Metrics", "MetricsPort"]

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

    def text(self) -> str:
        """What ``/metrics`` shows now."""
        return generate_latest(self.registry).decode()


class MetricsPort:
    """Serves ``/metrics`` over HTTP in a daemon thread, until it is closed."""

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        try:
            server, thread = start_http_server(port, host, metrics.registry)
        except OSError as error:
            raise ConnectError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        self._server = server
        self._thread: Thread = thread
        self.port = int(server.server_port)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
