"""The gateway against its upstream: what it costs to share one OpenD.

Upstream, gateway and clients are processes of their own, and the clients of both sides are the
same program: one side talks to the gateway, the other to the upstream itself over TCP. The
upstream sends canned answers and pushes, so that the gateway is what is measured. Unlike that of
the group roundtrip it sleeps when it has nothing to do: a way through the gateway keeps three
processes busy, and one that spins would take the gateway's processor.

Pushes are counted twice: "pushes" are those that the upstream sent, each of which has reached
every client, "deliveries" those that clients got. The memory of an idle client is set against
that of the least that a server in Python needs for one: asyncio's streams, grpcio's own server.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.children import Child
from benchmarks.clock import alternate
from benchmarks.figures import Absent, Outcome, figure
from benchmarks.groups.pushes import source
from benchmarks.groups.roundtrip import percentiles
from benchmarks.run import Run

__all__ = ["clients", "measure", "server"]

_GROUP: Final = "gateway"
_DIRECT: Final = "direct TCP"
_ROOT: Final = Path(__file__).resolve().parents[2]
_STREAM: Final = "tickers"
_IN_FLIGHT: Final = 32
_FRESH_CODES: Final = (f"HK.B{number}" for number in itertools.count())
_RECEIVERS: Final = (1, 10, 100)
_DIRECT_PUSHES: Final = 20_000
_IDLE_CLIENTS: Final = 500
_IDLE_ROUNDS: Final = 3
_MEMORY: Final = Path("/proc/self/statm")


class _Goal(NamedTuple):
    """What a ratio to the direct way may be at least, with room for a noisy machine; and the aim.

    All are below 1: a way through the gateway is two ways.
    """

    gate: float
    aim: float


class _Door(NamedTuple):
    """One way into the gateway.

    ``calls`` and ``burst`` are round trips of one turn, ``deliveries`` pushes that clients get; a
    door without a goal for those is not measured with them.
    """

    scheme: str
    calls: int
    burst: int
    deliveries: int
    p50: _Goal
    throughput: _Goal
    pushes: _Goal | None


_DOORS: Final = (
    _Door("grpc", 100, 500, 5_000, _Goal(0.015, 0.05), _Goal(0.02, 0.1), _Goal(0.002, 0.01)),
    _Door("tcp", 300, 2_000, 20_000, _Goal(0.08, 0.4), _Goal(0.08, 0.3), _Goal(0.01, 0.05)),
    _Door("ft+ws", 300, 1_000, 0, _Goal(0.06, 0.3), _Goal(0.06, 0.3), None),
)


class _Bare(NamedTuple):
    """What holds the clients of a scheme with the least effort; a kind of ``shared_server``."""

    scheme: str
    kind: str
    name: str
    goal: _Goal


_BARE: Final = (
    _Bare("grpc", "grpc", "grpcio's server", _Goal(0.4, 0.8)),
    _Bare("tcp", "streams", "asyncio streams", _Goal(0.2, 0.5)),
)


def measure(run: Run) -> Iterator[Outcome]:
    """All figures of the group."""
    tickers = run.bodies.tickers(1)
    files = {_STREAM: run.frame_file("push-tickers", [tickers])}
    # An upstream for each side: what the gateway asks at its leisure must not set off the
    # pushes that the other side waits for.
    with (
        source(files) as (shared, port),
        source(files) as (single, direct),
        server("gateway", port) as (_, ports),
        clients("tcp", direct) as theirs,
    ):
        for door in _DOORS:
            with clients(door.scheme, ports[door.scheme]) as ours:
                yield from _round_trips(run, door, ours, theirs)
        theirs.ask(do="subscribe", codes=sorted(tickers.codes))
        for door in (door for door in _DOORS if door.pushes is not None):
            for count in _RECEIVERS:
                with clients(door.scheme, ports[door.scheme], count) as ours:
                    ours.ask(do="subscribe", codes=sorted(tickers.codes))
                    sides = _Side(shared, ours), _Side(single, theirs)
                    yield from _pushes(run, door, count, *sides)
        for bare in _BARE:
            yield _memory(run, bare, port)


# The processes.


@contextmanager
def server(kind: str, upstream: int = 0) -> Iterator[tuple[Child, dict[str, int]]]:
    """A running ``benchmarks.shared_server`` and its ports by scheme."""
    command = [sys.executable, "-m", "benchmarks.shared_server", kind]
    command += ["--upstream", f"tcp://127.0.0.1:{upstream}"]
    with Child(f"the server ({kind})", command, folder=_ROOT) as child:
        yield child, child.read()["ports"]


@contextmanager
def clients(scheme: str, port: int, count: int = 1) -> Iterator[Child]:
    """A running ``benchmarks.gateway_clients``, connected."""
    command = [sys.executable, "-m", "benchmarks.gateway_clients"]
    command += [f"{scheme}://127.0.0.1:{port}", str(count)]
    with Child(f"clients over {scheme}", command, folder=_ROOT) as child:
        child.read()
        yield child


# The figures.


def _round_trips(run: Run, door: _Door, ours: Child, theirs: Child) -> Iterator[Outcome]:
    rounds, less = run.effort.middle_rounds, 5 if run.effort.quick else 1

    def latency(child: Child) -> tuple[float, float]:
        return percentiles(child.ask(do="calls", count=door.calls // less)["seconds"])

    def throughput(child: Child) -> float:
        count = door.burst // less
        return float(child.ask(do="burst", count=count, in_flight=_IN_FLIGHT)["seconds"]) / count

    pairs = alternate(lambda _: latency(ours), lambda _: latency(theirs), rounds)
    for number, percentile in enumerate(("p50", "p99")):
        yield figure(
            _GROUP,
            f"round trip {percentile}, {door.scheme}",
            _DIRECT,
            [(ours[number], theirs[number]) for ours, theirs in pairs],
            unit="µs",
            scale=1e6,
            # The last of a hundred waits for whatever else the machine does.
            **(door.p50._asdict() if percentile == "p50" else {}),
        )
    yield figure(
        _GROUP,
        f"{_IN_FLIGHT} in flight, {door.scheme}",
        _DIRECT,
        alternate(lambda _: throughput(ours), lambda _: throughput(theirs), rounds),
        unit="/s",
        rate=True,
        **door.throughput._asdict(),
    )


class _Side(NamedTuple):
    """An upstream and those who get its pushes, at once or through the gateway."""

    upstream: Child
    receivers: Child

    def cost(self, turn: int, pushes: int) -> float:
        """Seconds for one of so many pushes, each to all receivers."""
        self.upstream.ask(arm=_STREAM, first=turn * pushes, count=pushes)
        answer = self.receivers.ask(do="take", count=pushes, code=next(_FRESH_CODES))
        return float(answer["seconds"]) / pushes


def _pushes(run: Run, door: _Door, count: int, ours: _Side, theirs: _Side) -> Iterator[Outcome]:
    less = 10 if run.effort.quick else 1
    pairs = alternate(
        lambda turn: ours.cost(turn, door.deliveries // count // less),
        lambda turn: theirs.cost(turn, _DIRECT_PUSHES // less),
        run.effort.middle_rounds,
    )
    to = f"{count} × {door.scheme}" if count > 1 else door.scheme
    yield figure(
        _GROUP,
        f"deliveries, {to}",
        _DIRECT,
        [(mine / count, other) for mine, other in pairs],
        unit="/s",
        rate=True,
        **({} if door.pushes is None else door.pushes._asdict()),
    )
    if count > 1:
        yield figure(_GROUP, f"pushes, {to}", _DIRECT, pairs, unit="/s", rate=True)


def _memory(run: Run, bare: _Bare, upstream: int) -> Outcome:
    """KiB of an idle client; each round in fresh processes, which use no freed memory again."""
    case = f"idle client, {bare.scheme}"
    if not _MEMORY.exists():
        reason = "memory is read from /proc, which this system does not have"
        return Absent(_GROUP, case, bare.name, reason)
    count = _IDLE_CLIENTS // 10 if run.effort.quick else _IDLE_CLIENTS
    pairs = [
        (
            _idle_bytes("gateway", bare.scheme, count, upstream),
            _idle_bytes(bare.kind, bare.scheme, count, upstream),
        )
        for _ in range(1 if run.effort.quick else _IDLE_ROUNDS)
    ]
    return figure(_GROUP, case, bare.name, pairs, unit="KiB", scale=1 / 1024, **bare.goal._asdict())


def _idle_bytes(kind: str, scheme: str, count: int, upstream: int) -> float:
    # What the first client makes the server load is no client's own.
    with server(kind, upstream) as (child, ports), clients(scheme, ports[scheme]):
        before = child.ask(do="memory")["resident_bytes"]
        with clients(scheme, ports[scheme], count):
            return float(child.ask(do="memory")["resident_bytes"] - before) / count
