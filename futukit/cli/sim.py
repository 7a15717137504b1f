"""``futukit sim``: serve a simulated OpenD until SIGTERM or SIGINT.

When it serves it prints one line of JSON, ``{"event": "ready", "tcp": 11111, …}``, and nothing
else. ``python -m futukit.cli.sim`` runs the same command where typer is not installed.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from futukit.cli.serving import port, stop_on_signals
from futukit.endpoint import BODIES
from futukit.errors import ConnectError, UsageError
from futukit.sim.control import ControlPort
from futukit.sim.host import Host, Ports
from futukit.sim.settings import GRANTS, Settings

__all__ = ["add_arguments", "main", "ports_of", "run", "settings_of"]

_DEFAULT_PORTS = Ports(tcp=11111)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``futukit sim``."""
    default = Settings()
    add = parser.add_argument
    add("--tcp", type=port, metavar="PORT", help="serve TCP there, 0: any free port [11111]")
    add("--ws", type=port, metavar="PORT", help="also serve WebSockets there, 0: any free port")
    add("--grpc", type=port, metavar="PORT", help="also serve gRPC there, 0: any free port")
    add("--tcps", type=port, metavar="PORT", help="also serve TCP under TLS there")
    add("--host", default="127.0.0.1", help="address to serve on")
    add("--control", type=port, metavar="PORT", help="also take commands there, 0: any free port")
    add("--seed", type=int, default=default.seed, help="decides the market")
    add("--freeze", action="store_true", help="the clock stands still until it is advanced")
    add("--speed", type=float, default=default.speed, help="simulated seconds per real second")
    add("--start", type=float, metavar="EPOCH", help="simulated time to start at, Unix seconds")
    add("--intensity", type=float, default=default.intensity, help="scales the flow of orders")
    add("--quota", type=int, default=default.quota, help="subscription tier, in units")
    add(
        "--keep-alive-interval",
        type=int,
        default=default.keep_alive_interval,
        metavar="SECONDS",
        help="what InitConnect tells the client",
    )
    add(
        "--max-connections",
        type=int,
        default=default.max_connections,
        metavar="N",
        help="clients beyond this many are refused",
    )
    add("--push-format", choices=BODIES, default=default.push_format, help="format of pushes")
    add("--rsa-key", metavar="FILE", help="private key for encrypted connections, PEM")
    add(
        "--encryption",
        choices=tuple(GRANTS),
        default=default.encryption,
        help="what a client with the RSA key may get",
    )
    add("--ws-key", metavar="KEY", help="key that a WebSocket login must carry")
    add("--grpc-key", metavar="KEY", help="API key that gRPC calls must carry")
    add(
        "--trade-password",
        default=default.trade_password,
        metavar="PASSWORD",
        help="what unlocks trading on the real accounts [123456]",
    )
    add("--tls-cert", metavar="FILE", help="certificate for TLS on --ws, --grpc and --tcps, PEM")
    add("--tls-key", metavar="FILE", help="its private key, PEM")
    add(
        "--insecure-fixed-keys",
        action="store_true",
        help="connection ids and keys from the seed, for golden files only",
    )


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings that the options name. Raises UsageError for values that cannot be."""
    names = {field.name for field in dataclasses.fields(Settings)}
    chosen = {name: value for name, value in vars(options).items() if name in names}
    return Settings(**chosen)


def ports_of(options: argparse.Namespace) -> Ports:
    """The ports that the options name; 11111 for TCP where they name none."""
    ports = Ports(options.tcp, options.tcps, options.ws, options.grpc)
    return _DEFAULT_PORTS if ports == Ports() else ports


def run(
    settings: Settings | None = None,
    *,
    host: str = "127.0.0.1",
    ports: Ports = _DEFAULT_PORTS,
    control: int | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, and print the ready line once it serves.

    Port 0 is any free one; no control port without ``control``. Raises ConnectError where it
    cannot listen.
    """
    asyncio.run(_serve(settings or Settings(), host, ports, control))


async def _serve(settings: Settings, host: str, ports: Ports, control: int | None) -> None:
    running = Host(settings)
    commands = ControlPort(running)
    await running.start(host, ports)
    try:
        control_port = None if control is None else await commands.start(control)
        stop_on_signals(running.stopped)
        ready: dict[str, object] = {"event": "ready"}
        ready |= {name: port for name, port in running.ports._asdict().items() if port is not None}
        for secure in ("wss", "grpcs"):
            if secure in running.schemes:
                ready[secure] = running.schemes[secure]
        if control_port is not None:
            ready["control"] = control_port
        print(msgspec.json.encode(ready).decode(), flush=True)
        await running.stopped.wait()
    finally:
        await commands.stop()
        await running.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, 1 for a failure, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="futukit sim", description="Serve a simulated OpenD.")
    add_arguments(parser)
    options: Any = parser.parse_args(arguments)
    try:
        settings = settings_of(options)
        run(settings, host=options.host, ports=ports_of(options), control=options.control)
    except UsageError as error:
        print(f"futukit sim: {error}", file=sys.stderr)
        return 2
    except ConnectError as error:
        print(f"futukit sim: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
