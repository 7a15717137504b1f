"""``futukit watch`` and ``demo``: what they show, how they end."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from futukit import aio
from futukit.cli.live import Live, Quote, Status, Trade, checked_codes
from futukit.cli.main import main
from futukit.cli.screen import Lines, TableScreen, line_of
from futukit.errors import UsageError
from futukit.messages.qot_common import (
    BasicQot,
    QotMarket,
    Security,
    Ticker,
    TickerDirection,
)
from futukit.sim import SimulatedOpenD

READY = aio.ClientState.READY
ROOT = Path(__file__).resolve().parents[3]
QUOTE = re.compile(r"^[A-Z]+\.\S+ quote \d\d:\d\d:\d\d\S* [\d.]+ (-|[+-][\d.]+%) volume \d+$")
TRADE = re.compile(r"^[A-Z]+\.\S+ ticker \d\d:\d\d:\d\d\S* [\d.]+ x \d+ \w+$")


@pytest.fixture(scope="module")
def opend() -> Iterator[SimulatedOpenD]:
    """In real time, only faster: pushes come by themselves."""
    with SimulatedOpenD(seed=1, speed=20.0) as running:
        yield running


def program(*arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    command = [sys.executable, "-W", "error", "-m", "futukit", *arguments]
    return subprocess.Popen(
        command, env=environment, text=True, stdout=stdout, stderr=subprocess.PIPE
    )


def test_elsewhere_than_on_a_terminal_it_prints_lines(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["watch", "HK.00700", "US.AAPL", "--url", opend.url, "--count", "60"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    state, *lines = printed.out.splitlines()
    assert state.startswith("state ready: connection ")
    assert len(lines) == 60
    assert [line for line in lines if not QUOTE.match(line) and not TRADE.match(line)] == []
    assert any(line.startswith("US.AAPL quote") for line in lines)
    assert printed.err == ""


def test_it_ends_after_the_seconds(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", "HK.00700", "--url", opend.url, "--seconds", "0.3"]) == 0
    assert capsys.readouterr().out.startswith("state ready")


def test_a_lost_connection_and_the_new_one_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def scenario() -> None:
        async with (
            SimulatedOpenD(seed=1, freeze=True) as opend,
            aio.connect(opend.url, reconnect_delay=0.01) as client,
        ):
            live = Live(client, ["HK.00700"])
            await live.start()
            await opend.fault("cut", proto_id=1002)
            with pytest.raises(ConnectionError):
                await client.system.get_global_state()
            ready = asyncio.Event()
            client.on_state(lambda change: change.state is READY and ready.set())  # type: ignore[func-returns-value]
            await ready.wait()
            with Lines() as screen:
                while not live.queue.empty():
                    screen.show(live.queue.get_nowait())

    asyncio.run(scenario())
    states = re.findall(r"^state (\w+)", capsys.readouterr().out, re.M)
    assert states == ["ready", "lost", "connecting", "ready"]


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["watch", "00700"], 2, "MARKET.CODE"),
        (["watch", "XX.1"], 2, "unknown market"),
        (["watch", "HK.00700", "--url", "http://x"], 2, "unknown scheme"),
        (["watch", "HK.00700", "--url", "tcp://127.0.0.1:1"], 1, "127.0.0.1:1"),
    ],
)
def test_what_cannot_be_watched_is_one_line_on_stderr(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, text: str
) -> None:
    assert main(arguments) == status
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert text in printed.err


def test_an_unknown_security_is_refused_by_the_server(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", "HK.99999", "--url", opend.url]) == 1
    assert "retType -1" in capsys.readouterr().err


def test_ctrl_c_ends_cleanly(opend: SimulatedOpenD) -> None:
    with program("watch", "HK.00700", "--url", opend.url) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("state ready")
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
        assert process.wait(10) == 130


@pytest.mark.parametrize("arguments", [["watch", "HK.00700"], ["call", "1002"]])
def test_a_closed_pipe_ends_without_a_trace(opend: SimulatedOpenD, arguments: list[str]) -> None:
    with program(*arguments, "--url", opend.url) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(10) == 1


def test_the_demo_shows_everything_and_succeeds() -> None:
    with program("demo", "--seconds", "1") as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    lines = out.splitlines()
    assert any(QUOTE.match(line) for line in lines)
    assert any(TRADE.match(line) for line in lines)
    summary = "\n".join(lines[-4:])
    assert re.search(
        r"^pushes: [1-9]\d* received, [1-9]\d* quotes and tickers shown$", summary, re.M
    )
    assert re.search(r"^history: 1000 day bars of HK\.00700 in \d+ ms$", summary, re.M)
    first, last = re.findall(r"^  (?:first|last) (\d{4}-\d\d-\d\d) ", summary, re.M)
    assert first < last


def test_on_a_terminal_the_demo_draws_a_table() -> None:
    control, terminal = pty.openpty()
    with program("demo", "--seconds", "1", stdout=terminal) as process:
        os.close(terminal)
        drawn = _read_all(control)
        assert process.wait(30) == 0
    os.close(control)
    assert "tickers, newest first" in drawn
    assert "━" in drawn
    assert "HK.00700" in drawn
    assert "history: 1000 day bars" in drawn


def _read_all(descriptor: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # Linux says so at the end of a terminal
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode("utf-8")


# The parts.


def quote(name: str = "TENCENT", price: float = 520.0, last_close: float = 500.0) -> Quote:
    row = BasicQot(
        security=Security(market=QotMarket.HK_SECURITY, code="00700"),
        name=name,
        is_suspended=False,
        list_time="2004-06-16",
        price_spread=0.5,
        update_time="2026-03-02 10:15:02",
        high_price=521.0,
        open_price=505.0,
        low_price=500.0,
        cur_price=price,
        last_close_price=last_close,
        volume=12_345_600,
        turnover=6.4e9,
        turnover_rate=0.1,
        amplitude=4.2,
    )
    return Quote("HK.00700", row)


def trade(direction: int = 1) -> Trade:
    row = Ticker(
        time="2026-03-02 10:15:02.125",
        sequence=1,
        dir=TickerDirection(direction),
        price=520.5,
        volume=200,
        turnover=104_100.0,
    )
    return Trade("HK.00700", row)


def test_lines_say_what_happened() -> None:
    assert line_of(quote()) == "HK.00700 quote 10:15:02 520.0 +4.00% volume 12345600"
    assert line_of(quote(last_close=0.0)) == "HK.00700 quote 10:15:02 520.0 - volume 12345600"
    assert line_of(trade(1)) == "HK.00700 ticker 10:15:02.125 520.5 x 200 bid"
    assert line_of(trade(99)) == "HK.00700 ticker 10:15:02.125 520.5 x 200 unlisted_99"
    assert line_of(Status("lost: gone")) == "state lost: gone"


def drawn(*happenings: Quote | Trade | Status) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    screen = TableScreen(console, ["HK.00700", "US.AAPL"])
    for happening in happenings:
        screen.show(happening)
    with console.capture() as capture:
        console.print(screen.render())
    return capture.get()


def test_the_table_has_a_row_for_each_security_from_the_start() -> None:
    assert re.search(r"HK\.00700 .*…", drawn())
    picture = drawn(quote(), trade(), Status("lost: gone"))
    assert re.search(r"HK\.00700 .*TENCENT .*520\.0 .*\+4\.00% .*12,345,600", picture)
    assert re.search(r"US\.AAPL .*…", picture)
    assert re.search(r"10:15:02\.125 .*520\.5 .*200 .*bid", picture)
    assert "lost: gone · 1 quotes, 1 tickers" in picture


def test_a_name_from_the_net_neither_marks_up_nor_steers() -> None:
    picture = drawn(quote(name="[red]\x1b[2JX"))
    assert "[red]?[2JX" in picture
    assert "\x1b" not in picture


def test_codes_are_checked_and_named_once() -> None:
    assert checked_codes(["HK.00700", "US..DJI", "HK.00700"]) == ["HK.00700", "US..DJI"]
    with pytest.raises(UsageError):
        checked_codes(["00700"])
    with pytest.raises(UsageError):
        checked_codes([])


def test_a_reader_that_is_too_slow_loses_the_oldest() -> None:
    async def scenario() -> None:
        async with SimulatedOpenD(freeze=True) as opend, aio.connect(opend.url) as client:
            live = Live(client, ["HK.00700"], queue=asyncio.Queue(2))
            for text in ("one", "two", "three"):
                live._put(Status(text))
            assert live.lost == 1
            assert live.queue.get_nowait() == Status("two")

    asyncio.run(scenario())
