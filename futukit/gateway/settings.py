"""What can be set on a gateway."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from futukit.endpoint import check_port
from futukit.errors import UsageError

__all__ = ["ANSWERS", "DEFAULT_GRPC_PORT", "RATE_LIMITS", "GatewayPorts", "GatewaySettings"]

ANSWERS: Final = ("whole", "s2c")
RATE_LIMITS: Final = ("queue", "refuse", "off")
DEFAULT_GRPC_PORT: Final = 22500


class GatewayPorts(NamedTuple):
    """Ports of a gateway; 0 is any free one, None is no such door.

    ``grpc`` and ``ws`` are under TLS where there is a certificate; ``ws`` takes both WebSocket
    dialects. ``metrics`` serves ``/metrics`` over HTTP.
    """

    grpc: int | None = None
    tcp: int | None = None
    tcps: int | None = None
    ws: int | None = None
    metrics: int | None = None

    def schemes(self, *, tls: bool) -> dict[str, int]:
        """The URL schemes that these ports serve."""
        web = ("wss", "ft+wss") if tls else ("ws", "ft+ws")
        ports = {"grpcs" if tls else "grpc": self.grpc, "tcp": self.tcp, "tcps": self.tcps}
        ports |= dict.fromkeys(web, self.ws)
        return {scheme: port for scheme, port in ports.items() if port is not None}


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewaySettings:
    """The settings of a gateway.

    upstream: the URL of the one OpenD, with the options of ``connect`` behind a "?".
    host: the address to serve on. One that is not local needs ``keys``, and TLS or ``insecure``.
    keys: the keys file; None: everybody may read quotes and accounts, on a local address only.
    tls_cert, tls_key: PEM files for TLS on the gRPC and WebSocket ports and on that of tcps://.
    rsa_key: private key for encrypted connections in frames, PEM text or a path.
    insecure: serve keys and data unencrypted on an address that is not local.
    rate_limit: what a request over OpenD's limits gets: "queue" waits for its turn, "refuse" is
        RESOURCE_EXHAUSTED at once, "off" leaves it to OpenD.
    answers: "whole" gives the whole Response over gRPC, "s2c" its S2C alone.
    queue_bytes: what may wait unread for one client; one that lets more pile up is cut.
    idle_seconds: how long a gRPC client without a push stream is kept when it says nothing.
    max_clients: clients beyond this many are refused.
    requests_under_way: how many requests of one client may wait for an answer at a time.
    audit: the file that audit lines are appended to, made for its owner alone; None writes none.
    """

    upstream: str = field(repr=False)  # its options may hold keys
    host: str = "127.0.0.1"
    keys: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    rsa_key: str | None = field(default=None, repr=False)
    insecure: bool = False
    rate_limit: str = "queue"
    answers: str = "whole"
    queue_bytes: int = 16 * 2**20
    idle_seconds: float = 300.0
    max_clients: int = 1000
    requests_under_way: int = 64
    audit: str | None = None

    def __post_init__(self) -> None:
        for name, known in (("rate_limit", RATE_LIMITS), ("answers", ANSWERS)):
            if getattr(self, name) not in known:
                raise UsageError(
                    f"{name} is one of {', '.join(known)}, not {getattr(self, name)!r}"
                )
        for name in ("queue_bytes", "max_clients", "requests_under_way"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UsageError(f"{name} is a whole number above 0, not {value!r}")
        if not self.idle_seconds > 0:
            raise UsageError(f"idle_seconds is a number above 0, not {self.idle_seconds!r}")
        if (self.tls_cert is None) is not (self.tls_key is None):
            raise UsageError("tls_cert and tls_key go together")

    def check_ports(self, ports: GatewayPorts, *, is_local: bool) -> None:
        """Raise UsageError for what is no port or may not be served on ``host``."""
        for port in ports:
            if port is not None:
                check_port(port)
        if all(port is None for port in ports[:-1]):
            raise UsageError("a gateway needs a port to serve on")
        if ports.tcps is not None and self.tls_cert is None:
            raise UsageError("a port for tcps:// needs tls_cert and tls_key")
        if is_local:
            return
        if self.keys is None:
            raise UsageError(f"without a keys file only a local address is served, not {self.host}")
        bare = [] if self.tls_cert is not None else ["grpc", "ws"]
        bare += [] if self.rsa_key is not None else ["tcp"]
        for door in bare:
            if getattr(ports, door) is not None and not self.insecure:
                needs = "rsa_key" if door == "tcp" else "tls_cert and tls_key"
                raise UsageError(
                    f"{door} on an address that is not local would carry keys for all to read: "
                    f"it needs {needs}, or insecure"
                )
