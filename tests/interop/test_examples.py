"""The official package's example programs on futukit.futu: another import, the same program."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from futukit.futu import RET_OK, OpenQuoteContext, OpenSecTradeContext, TrdEnv
from futukit.sim import SpawnedOpenD
from tests.interop.examples import Example, run, ta_lib

MACD_STOCK = "HK.00123"
"""Stands in the example."""
SUBSCRIBE = 3001


def test_get_mkt_snapshot_demo(opend_process: SpawnedOpenD, tmp_path: Path) -> None:
    output = run("get_mkt_snapshot_demo", tmp_path, opend_process.port)
    for market in ("HK", "US", "SZ", "SH"):
        assert f"get_stock_basicinfo: market={market}, sub_type=STOCK" in output
        assert f"Error market:'{market}'" not in output
    assert output.count("from 1, total") == 4
    assert output.count("columns]") == 4
    assert not opend_process.stats().connections


def test_quote_push(opend_process: SpawnedOpenD, tmp_path: Path) -> None:
    with Example("quote_push", tmp_path, opend_process.port) as example:
        output = example.output()
        # One of its codes is no longer listed, so the server may refuse the subscription.
        assert output.startswith("* subscribe : ("), output
        assert opend_process.stats().requests[SUBSCRIBE] == 1
        # It sets handlers and closes nothing: it lives on after its last line, until Ctrl-C.
        with pytest.raises(subprocess.TimeoutExpired):
            example.process.wait(0.5)
        assert len(opend_process.stats().connections) == 1
        assert example.errors() == ""
        example.interrupt()
        example.end()


def test_quote_and_trade_demo(opend_process: SpawnedOpenD, tmp_path: Path) -> None:
    with Example("quote_and_trade_demo", tmp_path, opend_process.port) as example:
        line = example.line()
        # Index futures have no broker queue, so the server may refuse the subscription.
        assert line is not None
        assert line.startswith("* subscribe : (")
        # It waits for pushes now.
        assert opend_process.notify("gtw_event", event_type="KICKED_OUT", desc="elsewhere") == 1
        output = example.output()
        assert "* SysNotify main_type='GTW_EVENT' sub_type='KickedOut' msg='elsewhere'" in output
        assert (example.end(), example.errors()) == (0, "")
    assert not opend_process.stats().connections


def test_simple_filter_demo(opend_process: SpawnedOpenD, tmp_path: Path) -> None:
    output = run("simple_filter_demo", tmp_path, opend_process.port)
    assert "error" not in output
    assert "HK.00700" in output
    assert not opend_process.stats().connections


def test_stocksell_demo_to_its_first_filled_order(
    opend_process: SpawnedOpenD, tmp_path: Path
) -> None:
    output = run("stocksell_demo", tmp_path, opend_process.port)
    assert output.startswith("* unlock_trade success"), output
    with OpenSecTradeContext(port=opend_process.port) as trades:
        ret, orders = trades.order_list_query(trd_env=TrdEnv.SIMULATE)
    assert ret == RET_OK, orders
    (first,) = orders[orders["price"] == 280.0].to_dict("records")
    told = (first["code"], first["trd_side"], first["order_status"], first["dealt_qty"])
    assert told == ("HK.00700", "SELL", "FILLED_ALL", 100)


def test_macd_strategy_to_its_first_order(opend_process: SpawnedOpenD, tmp_path: Path) -> None:
    libraries = ta_lib()
    day = _day_of_a_signal(opend_process.port)
    output = run("macd_strategy", tmp_path, opend_process.port, today=day, libraries=libraries)
    assert "MAKE BUY ORDER\n" in output, output
    with OpenSecTradeContext(port=opend_process.port) as trades:
        ret, orders = trades.order_list_query(trd_env=TrdEnv.SIMULATE)
    assert ret == RET_OK, orders
    assert list(orders["code"]) == [MACD_STOCK]
    assert list(orders["trd_side"]) == ["BUY"]


def _day_of_a_signal(port: int) -> str:
    """The day on which MACD crosses its signal most clearly from below: the program buys then."""
    with OpenQuoteContext(port=port) as quotes:
        answer: tuple[Any, ...] = quotes.request_history_kline(MACD_STOCK)
    assert answer[0] == RET_OK, answer[1]
    table = answer[1].iloc[-150:]
    macd = _average(table["close"], 12) - _average(table["close"], 26)
    above = macd - _average(macd, 9)
    clearness = above.where(above < -above.shift(), -above.shift())
    return str(table["time_key"][clearness.iloc[50:].idxmax()])


def _average(values: Any, days: int) -> Any:
    return values.ewm(span=days, adjust=False).mean()
