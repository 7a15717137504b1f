"""The gateway's benchmark: its child processes do what they say, its figures what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks import baseline
from benchmarks.bodies import Bodies
from benchmarks.children import Child, ChildError
from benchmarks.clock import QUICK
from benchmarks.figures import Absent, Figure
from benchmarks.groups import gateway
from benchmarks.groups.gateway import clients, server
from benchmarks.groups.pushes import source
from benchmarks.run import Run

Served = tuple[Child, dict[str, int], list[str]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A source with ticker pushes, the ports of a gateway in front of it, and their codes."""
    tickers = Bodies().tickers(1)
    path = tmp_path_factory.mktemp("frames") / "tickers"
    path.write_bytes(b"".join(baseline.build(3011, 0, body) for body in tickers.bodies[:200]))
    with source({"tickers": path}) as (child, port), server("gateway", port) as (_, ports):
        yield child, ports, sorted(tickers.codes)


@pytest.mark.parametrize("scheme", ["grpc", "tcp", "ft+ws"])
def test_round_trips_through_every_door(served: Served, scheme: str) -> None:
    _, ports, _ = served
    with clients(scheme, ports[scheme]) as child:
        spent = child.ask(do="calls", count=5)["seconds"]
        assert len(spent) == 5
        assert all(seconds > 0 for seconds in spent)
        assert child.ask(do="burst", count=70, in_flight=32)["seconds"] > 0


@pytest.mark.parametrize("scheme", ["grpc", "tcp"])
def test_every_client_gets_every_push(served: Served, scheme: str) -> None:
    upstream, ports, codes = served
    with clients(scheme, ports[scheme], 3) as child:
        assert child.ask(do="subscribe", codes=codes)["seconds"] == 3
        for turn in range(2):
            upstream.ask(arm="tickers", first=0, count=250)
            code = f"HK.{scheme}{turn}"
            assert child.ask(do="take", count=250, code=code)["seconds"] > 0


def test_a_push_too_few_is_waited_for(served: Served) -> None:
    upstream, ports, codes = served
    with clients("tcp", ports["tcp"]) as child:
        child.ask(do="subscribe", codes=codes)
        upstream.ask(arm="tickers", first=0, count=3)
        with pytest.raises(ChildError):
            child.ask(1.0, do="take", count=4, code="HK.too many")


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [("gateway", "grpc"), ("gateway", "tcp"), ("grpc", "grpc"), ("streams", "tcp")],
)
def test_servers_keep_idle_clients_and_tell_their_memory(kind: str, scheme: str) -> None:
    with (
        source({}) as (_, port),
        server(kind, port) as (child, ports),
        clients(scheme, ports[scheme], 5),
    ):
        assert child.ask(do="memory")["resident_bytes"] > 2**20


class _Told(Child):
    """A child that answers what it is told to, and notes what it was asked."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.asked: list[dict[str, object]] = []
        self._seconds = seconds

    def ask(self, timeout: float = 120.0, /, **command: object) -> dict[str, Any]:
        self.asked.append(command)
        return {"seconds": self._seconds}


def test_pushes_are_counted_once_and_deliveries_for_each_client() -> None:
    (door,) = (door for door in gateway._DOORS if door.scheme == "tcp")
    shared, single = _Told(), _Told()
    ours, theirs = gateway._Side(shared, _Told(2.0)), gateway._Side(single, _Told(1.0))
    with closing(Run(QUICK)) as run:
        made = list(gateway._pushes(run, door, 10, ours, theirs))
    deliveries, pushes = (one for one in made if isinstance(one, Figure))
    assert (deliveries.case, pushes.case) == ("deliveries, 10 × tcp", "pushes, 10 × tcp")
    assert pushes.ours == pytest.approx(200 / 2.0)  # a tenth of a tenth of 20 000 pushes
    assert deliveries.ours == pytest.approx(10 * pushes.ours)
    assert pushes.theirs == deliveries.theirs == pytest.approx(2_000 / 1.0)
    assert deliveries.ratio.median == pytest.approx(10 * pushes.ratio.median)
    assert {command["count"] for command in shared.asked} == {200}
    assert {command["count"] for command in single.asked} == {2_000}
    codes = [command["code"] for command in (*ours.receivers.asked, *theirs.receivers.asked)]  # type: ignore[attr-defined]
    assert len(set(codes)) == len(codes)


def test_memory_is_absent_where_nobody_tells_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gateway, "_MEMORY", tmp_path / "statm")
    with closing(Run(QUICK)) as run:
        rows = [gateway._memory(run, bare, 0) for bare in gateway._BARE]
    assert all(isinstance(row, Absent) and "/proc" in row.reason for row in rows)
