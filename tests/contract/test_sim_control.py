"""The control of a simulator: in this process, over its port, and of a child process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from futukit.cli import sim as command
from futukit.errors import ConnectError, ConnectionLost, LocalProtocolError, UsageError
from futukit.messages import common, get_global_state, notify, qot_common
from futukit.sim import Control, SimulatedOpenD, SpawnedOpenD
from futukit.sim.market import Change, Event, Market
from tests.unit.sim.raw_client import SECONDS, RawClient

STATE = get_global_state.C2S(user_id=0)


def test_a_frozen_market_stands_still_until_it_is_advanced(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        raw.subscribe(("HK.00700",), 1, 2, 4)
        before = raw.ask(1002, STATE).time
        assert raw.sync() == []
        moved = opend.advance(10)
        assert moved.trades > 0
        assert len(raw.sync()) == moved.pushes > 0
        assert raw.ask(1002, STATE).time == before + 10


def test_pushes_are_written_before_advance_returns(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        raw.subscribe(("HK.00700", "HK.09988"), 1, 2, 4)
        for _ in range(20):
            moved = opend.advance(1)
            assert len(raw.sync()) == moved.pushes


def test_a_long_advance_goes_in_slices_that_fit_into_memory(
    opend: SimulatedOpenD, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = opend.opend.market
    sizes: list[int] = []

    def advance(seconds: float) -> list[Event]:
        events = Market.advance(market, seconds)
        sizes.append(sum(len(event.tickers) for event in events if isinstance(event, Change)))
        return events

    monkeypatch.setattr(market, "advance", advance)
    with RawClient(opend.port) as raw:
        opend.advance(1800)
        most, total = max(sizes), sum(sizes)
        assert most < total / 10
        raw.subscribe(("HK.00700",), 1, 2, 4)
        sizes.clear()
        moved = opend.advance(300)
        assert len(raw.sync()) == moved.pushes > 300
        assert len(sizes) >= 300


def test_a_step_is_so_many_trades(opend: SimulatedOpenD) -> None:
    assert opend.step().trades >= 1
    moved = opend.step(25)
    assert moved.trades >= 25
    assert opend.advance(0).trades == 0


def test_advancing_in_parts_comes_to_the_same() -> None:
    def trades(*parts: float) -> list[bytes]:
        with SimulatedOpenD(freeze=True) as opend, RawClient(opend.port) as raw:
            raw.subscribe(("HK.00700",), 4)
            for seconds in parts:
                opend.advance(seconds)
            return [row.price for frame in raw.sync() for row in frame.read().s2c.ticker_list]

    assert trades(30) == trades(1, 2, 27) == trades(0.25, 29.75)


def test_a_step_does_not_wait_for_markets_that_stay_closed(opend: SimulatedOpenD) -> None:
    for market in ("HK", "US", "SH", "SZ", "HK_FUTURE"):
        opend.set_market_state(market, "CLOSED")
    with pytest.raises(UsageError, match="every market is closed"):
        opend.step()
    opend.set_market_state("HK", "MORNING")
    assert opend.step().trades >= 1


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_time_goes_forward_only(opend: SimulatedOpenD, seconds: float) -> None:
    with pytest.raises(UsageError, match="seconds"):
        opend.advance(seconds)


def test_impossible_commands_are_usage_errors(opend: SimulatedOpenD) -> None:
    with pytest.raises(UsageError, match="trade"):
        opend.step(0)
    with pytest.raises(UsageError, match="NOWHERE"):
        opend.set_market_state("NOWHERE", "REST")
    with pytest.raises(UsageError, match="BUSY"):
        opend.set_market_state("HK", "BUSY")
    with pytest.raises(UsageError, match="no notice"):
        opend.notify("weather")
    with pytest.raises(UsageError, match="colour"):
        opend.notify("gtw_event", colour="red")


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        (
            "gtw_event",
            {"event_type": "KickedOut", "desc": "elsewhere"},
            notify.NotifyType.GTW_EVENT,
        ),
        ("program_status", {"status": "FORCE_LOGOUT"}, notify.NotifyType.PROGRAM_STATUS),
        ("conn_status", {"qot_logined": False}, notify.NotifyType.CONN_STATUS),
        ("qot_right", {"hk": "LEVEL_1"}, notify.NotifyType.QOT_RIGHT),
        ("api_quota", {"sub_quota": 100}, notify.NotifyType.API_QUOTA),
        ("used_quota", {"used_sub_quota": 5}, notify.NotifyType.USED_QUOTA),
    ],
)
def test_notices_reach_those_who_asked_for_them(
    opend: SimulatedOpenD, kind: str, fields: dict[str, Any], expected: notify.NotifyType
) -> None:
    if kind == "gtw_event":
        fields = {**fields, "event_type": "KICKED_OUT"}
    with RawClient(opend.port, recv_notify=True) as asked, RawClient(opend.port) as other:
        assert opend.notify(kind, **fields) == 1
        (frame,) = asked.sync()
        assert frame.proto_id == 1003
        assert frame.read().s2c.type == expected
        assert other.sync() == []


def test_stats_count(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw, RawClient(opend.port, hello=False):
        raw.subscribe(("HK.00700",), 1)
        opend.advance(5)
        pushes = len(raw.sync())
        stats = opend.stats()
        assert stats.connections == (raw.welcome.conn_id,)
        assert stats.unintroduced == 1
        assert stats.requests == {3001: 1}
        assert stats.pushes == {3005: pushes}
        assert stats.used_quota == 1


def test_the_same_seed_and_the_same_commands_give_the_same_bytes() -> None:
    def session(seed: int) -> bytes:
        with (
            SimulatedOpenD(seed=seed, freeze=True, insecure_fixed_keys=True) as opend,
            RawClient(opend.port) as raw,
        ):
            raw.subscribe(("HK.00700", "US.AAPL"), 1, 2, 4, 5, 11, 6, is_first_push=True)
            opend.advance(20)
            opend.step(10)
            raw.sync()
            return bytes(raw.raw)

    first = session(5)
    assert len(first) > 10_000
    assert session(5) == first
    assert session(6) != first


def test_a_handler_can_be_replaced() -> None:
    async def scenario() -> None:
        async with SimulatedOpenD(freeze=True) as opend:
            opend.opend.handlers.replace(
                1002, lambda call, c2s: call.opend.schema_answer(1002, c2s)
            )

            def ask() -> Any:
                with RawClient(opend.port) as raw:
                    return raw.ask(1002, STATE)

            assert (await asyncio.to_thread(ask)).server_build_no != 7108

    asyncio.run(scenario())


def test_the_awaited_form_has_the_same_commands() -> None:
    async def scenario() -> None:
        async with SimulatedOpenD(freeze=True, control_port=0) as opend:
            assert opend.url == f"tcp://127.0.0.1:{opend.port}"
            assert opend.control_port
            moved = await opend.advance(5)
            assert (await opend.step(2)).now > moved.now
            await opend.fault("silence", proto_id=1)
            assert (await opend.stats()).faults == 1
            await opend.clear_faults()
            assert await opend.notify("conn_status") == 0
            await opend.set_market_state("HK", qot_common.QotMarketState.REST)
            await opend.set_market_state("HK", None)
            assert (await opend.stats()).faults == 0
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    asyncio.run(scenario())


def test_live_time_runs_by_itself() -> None:
    with SimulatedOpenD(speed=50) as opend, RawClient(opend.port) as raw:
        raw.subscribe(("HK.00700",), 1, 4)
        seen = {raw.read().proto_id for _ in range(20)}
        assert seen == {3005, 3011}


def test_commands_need_a_running_simulator() -> None:
    opend = SimulatedOpenD(freeze=True)
    with pytest.raises(LocalProtocolError):
        opend.advance(1)
    with pytest.raises(LocalProtocolError):
        _ = opend.url
    with opend:
        port = opend.port
    with pytest.raises(LocalProtocolError):
        opend.stats()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), SECONDS)


def test_a_taken_port_is_a_clear_error(opend: SimulatedOpenD) -> None:
    with pytest.raises(ConnectError, match=f":{opend.port}"), SimulatedOpenD(port=opend.port):
        pass
    taken = SimulatedOpenD(freeze=True, control_port=opend.port)
    with pytest.raises(ConnectError, match=f":{opend.port}"), taken:
        pass


def test_it_serves_on_ipv6_too() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        with SimulatedOpenD(freeze=True, host="::1") as opend:
            assert opend.url == f"tcp://[::1]:{opend.port}"
            socket.create_connection(("::1", opend.port), SECONDS).close()
    except ConnectError:
        pytest.skip("no IPv6 address on loopback here")


# The port.


class Line:
    """The control port, spoken to in plain lines."""

    def __init__(self, port: int | None) -> None:
        assert port
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._file = self._socket.makefile("rwb")

    def say(self, text: bytes) -> Any:
        self._file.write(text + b"\n")
        self._file.flush()
        return json.loads(self._file.readline())

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture
def controlled() -> Iterator[tuple[SimulatedOpenD, Line]]:
    with (
        SimulatedOpenD(freeze=True, control_port=0) as opend,
        contextlib.closing(Line(opend.control_port)) as line,
    ):
        yield opend, line


def test_commands_are_lines_of_json(controlled: tuple[SimulatedOpenD, Line]) -> None:
    opend, line = controlled
    reply = line.say(b'{"do": "advance", "seconds": 2}')
    assert reply["ok"]
    assert reply["result"]["now"] == opend.stats().now
    assert line.say(b'{"do": "stats"}')["result"]["connections"] == []
    assert line.say(b'{"do": "fault", "kind": "silence", "proto_id": 7}')["ok"]
    assert opend.stats().faults == 1
    assert line.say(b'{"do": "clear_faults"}')["ok"]
    assert line.say(b'{"do": "set_market_state", "market": "HK", "state": 4}')["ok"]
    assert line.say(b'{"do": "notify", "kind": "conn_status", "fields": {}}')["result"] == {
        "count": 0
    }


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello",
        b"[]",
        b'{"do": "explode"}',
        b'{"do": "advance"}',
        b'{"do": "advance", "seconds": "2"}',
        b'{"do": "advance", "seconds": -2}',
        b'{"do": "advance", "seconds": 1, "hurry": true}',
        b'{"do": "fault", "kind": "explode"}',
        b"\xff\xfe",
    ],
)
def test_wrong_lines_are_answered_and_the_port_goes_on(
    controlled: tuple[SimulatedOpenD, Line], text: bytes
) -> None:
    _, line = controlled
    reply = line.say(text)
    assert not reply["ok"]
    assert reply["error"]
    assert line.say(b'{"do": "stats"}')["ok"]


def test_an_endless_line_is_refused(controlled: tuple[SimulatedOpenD, Line]) -> None:
    _, line = controlled
    reply = line.say(b"x" * 100_000)
    assert reply == {"ok": False, "error": "the line is too long"}


# The child process.


def test_a_process_serves_and_is_controlled(opend_process: SpawnedOpenD) -> None:
    control: Control = opend_process
    with RawClient(opend_process.port) as raw:
        raw.subscribe(("HK.00700",), 1)
        moved = control.advance(5)
        assert len(raw.sync()) == moved.pushes > 0
        assert control.step(3).trades >= 3
        control.fault("refuse", proto_id=1002, ret_type=-500)
        assert raw.call(1002, STATE).ret_type == common.RetType.INVALID
        control.set_market_state("HK", "REST")
        assert raw.ask(1002, STATE).market_hk == qot_common.QotMarketState.REST
        assert control.notify("conn_status") == 0
        assert control.stats().connections == (raw.welcome.conn_id,)
        with pytest.raises(UsageError, match="seconds"):
            control.advance(-1)
        with pytest.raises(UsageError, match="no notice"):
            control.notify("weather")


def test_a_process_and_a_thread_give_the_same_bytes(opend_process: SpawnedOpenD) -> None:
    def bodies(opend: Control, port: int) -> list[bytes]:
        with RawClient(port) as raw:
            raw.subscribe(("HK.00700", "HK.00005"), 1, 2, 4)
            opend.advance(15)
            return [frame.body for frame in raw.sync()]

    with SimulatedOpenD(seed=1, freeze=True) as opend:
        expected = bodies(opend, opend.port)
    assert bodies(opend_process, opend_process.port) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_cleanly(number: int) -> None:
    arguments = ["--tcp", "0", "--freeze"]
    process = subprocess.Popen(
        [sys.executable, "-m", "futukit.cli.sim", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    ready = json.loads(process.stdout.readline())
    assert ready["event"] == "ready"
    assert set(ready) == {"event", "tcp"}
    with RawClient(ready["tcp"]) as raw:
        os.kill(process.pid, number)
        assert raw.at_end()
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_the_command_stop_ends_the_process_too(opend_process: SpawnedOpenD) -> None:
    with contextlib.closing(Line(opend_process.control_port)) as line:
        assert line.say(b'{"do": "stop"}')["ok"]
    assert opend_process.wait(SECONDS) == 0
    with pytest.raises(ConnectionLost):
        opend_process.stats()


def test_a_process_that_cannot_start_says_so(
    opend: SimulatedOpenD, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(ConnectError, match="exit status 1"),
        SimulatedOpenD.spawn(tcp=opend.port),
    ):
        pass
    assert f":{opend.port}" in capfd.readouterr().err


def test_wrong_usage_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--quota", "0"]) == 2
    assert "quota" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        command.main(["--push-format", "xml"])
    assert caught.value.code == 2


def test_a_taken_port_is_status_1(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--tcp", str(opend.port)]) == 1
    assert f":{opend.port}" in capsys.readouterr().err
