"""Where an OpenD listens, and what a URL's scheme can carry.

``tcp://127.0.0.1:11111``, ``tcp://[::1]``, ``wss://opend.lan``: :data:`SCHEMES` has them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from futukit.errors import UsageError

__all__ = [
    "BODIES",
    "ENCRYPTIONS",
    "SCHEMES",
    "Combination",
    "Dialect",
    "Endpoint",
    "Scheme",
    "check_port",
    "combinations",
    "is_local",
    "parse_endpoint",
]

BODIES: Final = ("protobuf", "json")
"""What a body can be."""

ENCRYPTIONS: Final = ("none", "ftaes_ecb", "aes_ecb", "aes_cbc")
"""What can be in force on a connection, besides TLS."""

Dialect = Literal["frames", "framed", "script", "grpc"]
"""Frames on a stream; a frame per WebSocket message; the JavaScript SDK's WebSocket packets; gRPC
calls and a stream of pushes."""


class Scheme(NamedTuple):
    """What a URL's scheme stands for; ``port`` is meant when a URL names none."""

    name: str
    dialect: Dialect
    tls: bool
    port: int
    bodies: tuple[str, ...] = BODIES
    encryptions: tuple[str, ...] = ENCRYPTIONS

    def refusal(self, body: str, encryption: str) -> str | None:
        """Why this cannot be, None where it can."""
        if body not in self.bodies:
            return f"{self.name}:// carries {' or '.join(self.bodies)} bodies, not {body}"
        if encryption not in self.encryptions:
            return f"{self.name}:// has no encryption of its own: use {self.name.rstrip('s')}s://"
        return None


_PLAIN_PROTOBUF: Final = (("protobuf",), ("none",))

SCHEMES: Final = {
    scheme.name: scheme
    for scheme in (
        Scheme("tcp", "frames", False, 11111),
        Scheme("tcps", "frames", True, 11111),
        Scheme("ws", "script", False, 33333, *_PLAIN_PROTOBUF),
        Scheme("wss", "script", True, 33333, *_PLAIN_PROTOBUF),
        Scheme("ft+ws", "framed", False, 33333),
        Scheme("ft+wss", "framed", True, 33333),
        Scheme("grpc", "grpc", False, 22500, *_PLAIN_PROTOBUF),
        Scheme("grpcs", "grpc", True, 22500, *_PLAIN_PROTOBUF),
    )
}
"""Every scheme that a URL may have."""


class Combination(NamedTuple):
    """One way to talk to an OpenD; ``refusal`` says why it cannot be, None where it can."""

    scheme: Scheme
    body: str
    encryption: str
    refusal: str | None


def combinations() -> Iterator[Combination]:
    """Every scheme with every body and every encryption, possible or not."""
    for scheme in SCHEMES.values():
        for body in BODIES:
            for encryption in ENCRYPTIONS:
                yield Combination(scheme, body, encryption, scheme.refusal(body, encryption))


class Endpoint(NamedTuple):
    """A parsed URL. ``query`` holds the options written behind the ``?``, still as text."""

    scheme: str
    host: str
    port: int
    query: dict[str, str]

    def __repr__(self) -> str:
        return f"Endpoint({self})"  # without the query, where keys may stand

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_endpoint(url: str) -> Endpoint:
    """Read a URL. The port may be left out: 11111 for frames, 33333 for WebSockets, 22500 for
    gRPC.

    Raises UsageError, naming the schemes that are known, for anything that is not such a URL.
    """
    if not isinstance(url, str):
        raise UsageError(f"a URL is a text, not {type(url).__name__}")
    if "@" in url:
        # Never echo the URL here: what stands before the @ may be a password.
        raise UsageError("a URL with a user name is not supported")
    known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
    shown = repr(url.partition("?")[0])  # what stands behind may be a key
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{shown} is not a URL: {error}") from error
    if parts.scheme not in SCHEMES:
        raise UsageError(f"unknown scheme {parts.scheme!r} in {shown}; known are {known}")
    if not host:
        raise UsageError(f"{shown} names no host")
    if port == 0:
        raise UsageError(f"port 0 in {shown} is not a port to connect to")
    if parts.path not in ("", "/") or parts.fragment:
        raise UsageError(f"{shown} has a path or fragment, which {parts.scheme} has no use for")
    return Endpoint(parts.scheme, host, port or SCHEMES[parts.scheme].port, _query(parts.query))


def _query(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError:
        # Without its cause: what it complains about may be a key.
        raise UsageError("bad options in the URL: each is name=value, with & between") from None
    options = dict(pairs)
    if len(options) != len(pairs):
        raise UsageError("an option stands twice in the URL")
    return options


def check_port(port: int) -> None:
    """Raise UsageError for what is no TCP port (0 stands for any free one)."""
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise UsageError(f"a port is a number from 0 to 65535, not {port!r}")


def is_local(host: str) -> bool:
    """Whether only this machine reaches what listens on ``host``."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
