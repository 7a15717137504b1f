"""What can be set on a simulated OpenD."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from futukit.endpoint import BODIES, ENCRYPTIONS
from futukit.errors import UsageError
from futukit.sim.subscriptions import OPTION_QUOTA

__all__ = ["GRANTS", "LONGEST_ADVANCE_SECONDS", "Settings"]

GRANTS: Final = {
    "any": frozenset(ENCRYPTIONS[1:]),
    "ftaes_ecb": frozenset({"ftaes_ecb"}),
    "none": frozenset[str](),
}
"""Setting ``encryption`` → what a client with the RSA key may get."""

LONGEST_ADVANCE_SECONDS = 366 * 86_400
"""How far one command moves the clock at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The settings of a simulated OpenD; the defaults suit tests and first steps.

    seed: decides the whole market and every made-up answer.
    freeze: clock and market stand still until a control command advances them.
    speed: simulated seconds per real second, without ``freeze``.
    start: where the simulated clock starts, epoch seconds; ``None`` is a Monday morning in
        Hong Kong.
    intensity: scales how many orders reach the market.
    quota: the subscription tier, 100 / 300 / 1000 / 2000 units (any number is taken); options
        have the quota that goes with the tier, and history K-lines as many units as the tier.
    keep_alive_interval: what InitConnect tells the client, whole seconds.
    max_connections: clients beyond this many are refused.
    write_limit_bytes: a client that lets this much pile up unread is cut; from half of it on,
        nothing more is read from the client, and a command waits for it to read.
    patience_seconds: how long a command waits for a client that does not read at all, in real
        seconds; then the client is cut.
    push_format: the body format of pushes to clients that ask for none, protobuf or json.
    rsa_key: the private key that clients must have to get encryption, PEM text or a path.
    encryption: what such a client gets: "any" algorithm that it asks for, "ftaes_ecb" whatever
        it asks for, or "none".
    ws_key: the key that a login of the JavaScript SDK's WebSocket dialect must carry.
    grpc_key: the API key that gRPC calls must carry (``authorization: Bearer``); None: any may.
    trade_password: what unlocks trading on the real accounts.
    tls_cert, tls_key: PEM files for TLS on the WebSocket and gRPC ports and on that of tcps://.
    insecure_fixed_keys: connection ids and keys come from the seed instead of the operating
        system, so that whole byte streams repeat. For golden files only.
    """

    seed: int = 1
    freeze: bool = False
    speed: float = 1.0
    start: float | None = None
    intensity: float = 1.0
    quota: int = 1000
    keep_alive_interval: int = 10
    max_connections: int = 128
    write_limit_bytes: int = 16 * 2**20
    patience_seconds: float = 5.0
    push_format: str = "protobuf"
    rsa_key: str | None = field(default=None, repr=False)
    encryption: str = "any"
    ws_key: str | None = field(default=None, repr=False)
    grpc_key: str | None = field(default=None, repr=False)
    trade_password: str = field(default="123456", repr=False)
    tls_cert: str | None = None
    tls_key: str | None = None
    insecure_fixed_keys: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise UsageError(f"seed is a whole number, not {self.seed!r}")
        for name in ("speed", "intensity", "patience_seconds"):
            if not 0 < getattr(self, name) < 1e6:
                raise UsageError(f"{name} is a number above 0, not {getattr(self, name)!r}")
        for name in ("quota", "keep_alive_interval", "max_connections", "write_limit_bytes"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is at least 1, not {getattr(self, name)!r}")
        for name, known in (("push_format", BODIES), ("encryption", tuple(GRANTS))):
            if getattr(self, name) not in known:
                raise UsageError(
                    f"{name} is one of {', '.join(known)}, not {getattr(self, name)!r}"
                )
        if not isinstance(self.trade_password, str) or not self.trade_password:
            raise UsageError("trade_password is a text that is not empty")
        if (self.tls_cert is None) is not (self.tls_key is None):
            raise UsageError("tls_cert and tls_key go together")

    @property
    def option_quota(self) -> int:
        """Units of quota for option chains: what OpenD gives with the tier, else a fifth of it."""
        return OPTION_QUOTA.get(self.quota, self.quota // 5)
