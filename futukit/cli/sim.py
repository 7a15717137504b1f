"""``futukit sim``: serve a simulated OpenD until SIGTERM or SIGINT.

When it serves it prints one line of JSON, ``{"event": "ready", "tcp": 11111, …}``, and nothing
else. ``python -m futukit.cli.sim`` runs the same command where typer is not installed.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import msgspec

from futukit.errors import ConnectError, UsageError
from futukit.sim.control import ControlPort
from futukit.sim.host import Host
from futukit.sim.settings import Settings

__all__ = ["add_arguments", "main", "run", "settings_of"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``futukit sim``."""
    default = Settings()
    add = parser.add_argument
    add("--tcp", type=_port, default=11111, metavar="PORT", help="port to serve, 0: any free one")
    add("--host", default="127.0.0.1", help="address to serve on")
    add("--control", type=_port, metavar="PORT", help="also take commands there, 0: any free port")
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
    add(
        "--insecure-fixed-keys",
        action="store_true",
        help="connection ids and keys from the seed, for golden files only",
    )


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port < 2**16:
        raise argparse.ArgumentTypeError(f"a port is 0 to 65535, not {port}")
    return port


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings that the options name. Raises UsageError for values that cannot be."""
    names = {field.name for field in dataclasses.fields(Settings)}
    chosen = {name: value for name, value in vars(options).items() if name in names}
    return Settings(**chosen)


def run(
    settings: Settings | None = None,
    *,
    host: str = "127.0.0.1",
    tcp: int = 11111,
    control: int | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, and print the ready line once it serves.

    ``tcp`` and ``control`` are ports, 0 is any free one; no control port without ``control``.
    Raises ConnectError where it cannot listen.
    """
    asyncio.run(_serve(settings or Settings(), host, tcp, control))


async def _serve(settings: Settings, host: str, tcp: int, control: int | None) -> None:
    running = Host(settings)
    commands = ControlPort(running)
    await running.start(host, tcp)
    try:
        control_port = None if control is None else await commands.start(control)
        _on_signals(running)
        ready = {"event": "ready", "tcp": running.port}
        if control_port is not None:
            ready["control"] = control_port
        print(msgspec.json.encode(ready).decode(), flush=True)
        await running.stopped.wait()
    finally:
        await commands.stop()
        await running.stop()


def _on_signals(running: Host) -> None:
    loop = asyncio.get_running_loop()

    def stop(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(running.stopped.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, running.stopped.set)
        except NotImplementedError:
            # Windows: no signals in its event loop. Ctrl-C arrives this way; nothing sends
            # SIGTERM there, another process ends this one by the control command "stop".
            signal.signal(number, stop)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, 1 for a failure, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="futukit sim", description="Serve a simulated OpenD.")
    add_arguments(parser)
    options: Any = parser.parse_args(arguments)
    try:
        settings = settings_of(options)
        run(settings, host=options.host, tcp=options.tcp, control=options.control)
    except UsageError as error:
        print(f"futukit sim: {error}", file=sys.stderr)
        return 2
    except ConnectError as error:
        print(f"futukit sim: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
