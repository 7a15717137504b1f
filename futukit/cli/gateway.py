"""``futukit gateway``: serve one OpenD to many clients; ``futukit gateway keys``: their API keys.

When it serves it prints one line of JSON, ``{"event": "ready", "grpc": 22500, …}``, and nothing
else. SIGHUP reads the keys file again and reopens the audit file; SIGTERM and SIGINT end it. All of
them may come before it serves.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from futukit.cli import gateway_keys
from futukit.cli.outcome import reported
from futukit.cli.serving import done_before, port, set_on_hangup, stop_on_signals
from futukit.errors import UsageError
from futukit.gateway.settings import (
    ANSWERS,
    DEFAULT_GRPC_PORT,
    RATE_LIMITS,
    GatewayPorts,
    GatewaySettings,
)

if TYPE_CHECKING:
    from futukit.gateway import Gateway

__all__ = ["add_arguments", "main", "ports_of", "run", "settings_of"]

_KEYS: Final = "keys"
_UPSTREAM: Final = "tcp://127.0.0.1:11111"

_logger: Final = logging.getLogger("futukit.gateway")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``futukit gateway``."""
    default = GatewaySettings(upstream=_UPSTREAM)
    add = parser.add_argument
    add(
        "--upstream",
        default=os.environ.get("FUTUKIT_URL", _UPSTREAM),
        metavar="URL",
        help="the OpenD to share, options behind a '?' [FUTUKIT_URL, tcp://127.0.0.1:11111]",
    )
    add("--host", default=default.host, help="address to serve on [127.0.0.1]")
    add("--grpc", type=port, metavar="PORT", help="serve gRPC there, 0: any free port [22500]")
    add("--tcp", type=port, metavar="PORT", help="serve frames over TCP there")
    add("--tcps", type=port, metavar="PORT", help="serve frames over TCP under TLS there")
    add("--ws", type=port, metavar="PORT", help="serve WebSockets there, both dialects")
    add("--metrics", type=port, metavar="PORT", help="serve /metrics for Prometheus there")
    add("--keys", metavar="FILE", help="the keys file; without it everybody may read, locally")
    add("--tls-cert", metavar="FILE", help="certificate for TLS on --grpc, --ws and --tcps, PEM")
    add("--tls-key", metavar="FILE", help="its private key, PEM")
    add("--rsa-key", metavar="FILE", help="private key for encrypted connections on --tcp, PEM")
    add(
        "--insecure",
        action="store_true",
        help="serve unencrypted on an address that is not local",
    )
    add(
        "--rate-limit",
        choices=RATE_LIMITS,
        default=default.rate_limit,
        help="what a request over OpenD's limits gets [queue]",
    )
    add("--answers", choices=ANSWERS, default=default.answers, help="gRPC answers [whole]")
    for name, what in (
        ("--queue-bytes", "what may wait unread for one client; then it is cut"),
        ("--max-clients", "clients beyond this many are refused"),
        ("--requests-under-way", "requests of one client that may wait at a time"),
    ):
        value = getattr(default, name[2:].replace("-", "_"))
        add(name, type=int, default=value, metavar="N", help=f"{what} [{value}]")
    add(
        "--idle-seconds",
        type=float,
        default=default.idle_seconds,
        metavar="S",
        help="how long a silent gRPC client without a stream is kept [300]",
    )
    add("--audit", metavar="FILE", help="append audit lines (JSON) there")


def settings_of(options: argparse.Namespace) -> GatewaySettings:
    """The settings that the options name. Raises UsageError for values that cannot be."""
    names = {field.name for field in dataclasses.fields(GatewaySettings)}
    return GatewaySettings(
        **{name: value for name, value in vars(options).items() if name in names}
    )


def ports_of(options: argparse.Namespace) -> GatewayPorts:
    """The ports that the options name; 22500 for gRPC where they name none to serve on."""
    ports = GatewayPorts(options.grpc, options.tcp, options.tcps, options.ws, options.metrics)
    if ports[:-1] == (None,) * 4:
        ports = ports._replace(grpc=DEFAULT_GRPC_PORT)
    return ports


def run(settings: GatewaySettings, ports: GatewayPorts) -> None:
    """Serve until SIGTERM or SIGINT, and print the ready line once it serves, if it comes to that.

    Raises UsageError and ConnectError as ``Gateway.start`` does.
    """
    asyncio.run(_serve(settings, ports))


async def _serve(settings: GatewaySettings, ports: GatewayPorts) -> None:
    stopped, asked = asyncio.Event(), asyncio.Event()
    stop_on_signals(stopped)
    set_on_hangup(asked)
    # Not above: the keys can be kept where the extra "gateway" is not installed.
    from futukit.gateway import Gateway

    gateway = Gateway(settings, ports)
    if not await done_before(stopped, gateway.start()):
        return
    try:
        _print_ready(gateway)
        # Who asked before there was anything to reload gets it now.
        while await done_before(stopped, asked.wait()):
            asked.clear()
            _reload(gateway)
    finally:
        await gateway.stop()


def _print_ready(gateway: Gateway) -> None:
    ready: dict[str, object] = {"event": "ready"}
    ports = gateway.ports
    ready |= {name: port for name, port in ports._asdict().items() if port is not None}
    ready |= ports.schemes(tls=gateway.settings.tls_cert is not None)
    print(msgspec.json.encode(ready).decode(), flush=True)


def _reload(gateway: Gateway) -> None:
    try:
        gateway.reload()
    except UsageError as error:
        _logger.error("the keys stay as they were: %s", error)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, 1 for a failure, 2 for wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with reported():
            if given[:1] == [_KEYS]:
                _run_keys(given[1:])
            else:
                _run_gateway(given)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    return 0


def _run_keys(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="futukit gateway keys", description="API keys of a gateway."
    )
    gateway_keys.add_arguments(parser)
    gateway_keys.run(parser.parse_args(arguments), sys.stdout)


def _run_gateway(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="futukit gateway",
        description="Serve one OpenD to many clients.",
        epilog="'futukit gateway keys --help' is about the clients' API keys.",
    )
    add_arguments(parser)
    options: Any = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    run(settings_of(options), ports_of(options))


if __name__ == "__main__":
    sys.exit(main())
