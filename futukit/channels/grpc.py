"""What both gRPC channels have in common: the server's address, TLS, the key, and how calls end.

A channel of its own for each client: gRPC would let all clients of a process share one connection,
and a server tells subscriptions apart by connections.
"""

from __future__ import annotations

import ssl
from math import ceil
from pathlib import Path
from typing import Any, Final, NamedTuple

from futukit.core.links.grpc import Status
from futukit.endpoint import SCHEMES, Endpoint
from futukit.errors import UsageError
from futukit.options import Options

try:
    import grpc
except ImportError as error:
    raise UsageError("gRPC needs grpcio: pip install 'futukit[grpc]'") from error

__all__ = [
    "AROUND_A_BODY_BYTES",
    "RETRY_AFTER",
    "GrpcAccess",
    "access_of",
    "retry_metadata",
    "status_of",
]

AROUND_A_BODY_BYTES: Final = 64 * 1024
"""Room for what stands around a body in a message: texts and ids."""

RETRY_AFTER: Final = "retry-after"
"""Trailing metadata of RESOURCE_EXHAUSTED: in how many seconds one may come back."""

_HINTS: Final = (
    ("CERTIFICATE_VERIFY_FAILED", "the certificate of the server is not trusted; give tls_ca"),
    (
        "Hostname Verification Check failed",
        "the certificate of the server is for another name; give tls_server_name",
    ),
    ("WRONG_VERSION_NUMBER", "the server does not speak TLS"),
    ("(Socket closed)", "the server closed the connection in the TLS handshake; is that TLS?"),
)
"""What stands in grpcio's text → what it means, and what to do about it."""

_LARGEST_MESSAGE_BYTES: Final = 2**31 - 1


class GrpcAccess(NamedTuple):
    """How to reach a gRPC server: ``credentials`` are grpcio's, None without TLS."""

    target: str
    credentials: Any
    metadata: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, str | int], ...]

    def __repr__(self) -> str:
        return f"GrpcAccess({self.target})"  # without the metadata, where the key stands


def access_of(endpoint: Endpoint, options: Options) -> GrpcAccess:
    """Read the options that concern gRPC.

    Raises UsageError, naming the option, for a file or a name that cannot be used.
    """
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    largest = min(options.max_body_bytes + AROUND_A_BODY_BYTES, _LARGEST_MESSAGE_BYTES)
    settings: list[tuple[str, str | int]] = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", 0),
        ("grpc.enable_retries", 0),  # an order is never sent twice
        ("grpc.max_receive_message_length", largest),
        ("grpc.max_send_message_length", -1),
    ]
    credentials = None
    if SCHEMES[endpoint.scheme].tls:
        credentials, name = _tls(endpoint, options)
        settings.append(("grpc.ssl_target_name_override", name))
    key = options.api_key
    metadata = () if key is None else (("authorization", f"Bearer {key}"),)
    return GrpcAccess(f"{host}:{endpoint.port}", credentials, metadata, tuple(settings))


def _tls(endpoint: Endpoint, options: Options) -> tuple[Any, str]:
    """grpcio has a TLS of its own; what is wrong with a file is found the same way as elsewhere."""
    from futukit.channels.tls import client_context, server_name_of

    context = client_context(options)
    name = server_name_of(endpoint, options, context)
    if options.tls_ca is not None:
        roots = Path(options.tls_ca).read_bytes()
    else:
        known = context.get_ca_certs(binary_form=True)
        # Where the platform has a folder and no file, they load one by one: then grpcio's own.
        roots = "".join(map(ssl.DER_cert_to_PEM_cert, known)).encode()
    chain = None if options.tls_cert is None else Path(options.tls_cert).read_bytes()
    key = chain if options.tls_key is None else Path(options.tls_key).read_bytes()
    return grpc.ssl_channel_credentials(roots or None, key, chain), name


def status_of(call: Any) -> Status:
    """How a call of either of grpcio's faces ended; an error of asyncio's is one, too."""
    seconds = None
    for name, value in call.trailing_metadata() or ():
        if name == RETRY_AFTER:
            seconds = _seconds(value)
    name, text = call.code().name, call.details() or ""
    if name == "UNAVAILABLE":
        hint = next((hint for sign, hint in _HINTS if sign in text), None)
        text = text if hint is None else f"{hint} ({text})"
    return Status(name, text, seconds)


def retry_metadata(seconds: float | None) -> tuple[tuple[str, str], ...]:
    """The trailing metadata with which a server says when to come back; ``status_of`` reads it.

    Empty without seconds: whom waiting does not help is told nothing. Rounded up to milliseconds.
    """
    return ((RETRY_AFTER, f"{ceil(seconds * 1000) / 1000:.3f}"),) if seconds else ()


def _seconds(text: str | bytes) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
