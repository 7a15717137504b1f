"""Open enums, securities as text, exchange time."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from futukit import types
from futukit.core.securities import SecurityLike, security_text, to_securities, to_security
from futukit.errors import UsageError
from futukit.messages.qot_common import QotMarket, Security
from futukit.types import (
    MARKETS,
    OpenEnum,
    exchange_text,
    exchange_time,
    join_security,
    market_of,
    split_security,
)


class Colour(OpenEnum):
    RED = 1
    GREEN = 2
    ROUGE = 1


def test_an_open_enum_keeps_numbers_it_does_not_know() -> None:
    assert Colour(77) == 77
    assert Colour(77) is Colour(77)
    assert not Colour(77).listed
    assert Colour.RED.listed
    assert Colour(-(2**31)).name == "UNLISTED_-2147483648"
    assert list(Colour) == [Colour.RED, Colour.GREEN]
    assert Colour["ROUGE"] is Colour.RED
    assert repr(Colour(77)) == "<Colour.UNLISTED_77: 77>"


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, "x", None, 1.5])
def test_an_open_enum_takes_only_int32(value: Any) -> None:
    with pytest.raises(ValueError, match="not a valid Colour"):
        Colour(value)


def test_an_unknown_number_survives_pickle_and_copy() -> None:
    assert pickle.loads(pickle.dumps(Colour(77))) is Colour(77)
    assert copy.deepcopy(Colour(77)) is Colour(77)


def test_the_cache_of_unknown_numbers_is_bounded() -> None:
    class Wide(OpenEnum):
        ZERO = 0

    many = [Wide(number) for number in range(1, 1000)]
    assert [member.value for member in many] == list(range(1, 1000))
    assert len(types._unlisted[Wide]) == types._UNLISTED_CACHE_SIZE
    assert Wide(1) is many[0]
    assert Wide(999) == many[-1]


def test_threads_agree_on_an_unknown_number() -> None:
    class Shared(OpenEnum):
        ZERO = 0

    with ThreadPoolExecutor(8) as pool:
        for number in range(1, 50):
            assert len({id(member) for member in pool.map(Shared, [number] * 32)}) == 1


@pytest.mark.parametrize(
    ("text", "market", "code"),
    [
        ("HK.00700", 1, "00700"),
        ("US.AAPL", 11, "AAPL"),
        ("US..DJI", 11, ".DJI"),
        ("US.BRK.B", 11, "BRK.B"),
        ("SH.600519", 21, "600519"),
        ("HK_FUTURE.999010", 2, "999010"),
        ("CC.BTC", 91, "BTC"),
        ("999.X", 999, "X"),
    ],
)
def test_a_security_is_split_at_its_first_dot_and_joined_again(
    text: str, market: int, code: str
) -> None:
    assert split_security(text) == (market, code)
    assert join_security(market, code) == text
    assert to_security(text) == Security(market=QotMarket(market), code=code)
    assert security_text(to_security(text)) == text


@pytest.mark.parametrize("text", ["", "HK", "HK.", ".00700", "hk.00700", "XX.1", "-1.A", "٣.A"])
def test_what_is_no_security_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        split_security(text)


def test_a_single_security_is_no_list() -> None:
    security = to_security("HK.00700")
    mixed: list[SecurityLike] = ["HK.00700", security]
    assert to_security(security) is security
    assert to_securities(mixed) == (security, security)
    for wrong in ("HK.00700", security):
        with pytest.raises(UsageError):
            to_securities(wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        to_securities([1])  # type: ignore[list-item]


def test_the_table_of_markets_is_that_of_the_schema() -> None:
    assert {market.number for market in MARKETS} == {int(m) for m in QotMarket} - {0}
    assert market_of("US") == market_of(QotMarket.US_SECURITY) == market_of(11)
    assert market_of(999).zone is None


@pytest.mark.parametrize(
    ("text", "market", "utc"),
    [
        ("2024-03-08 09:30:00", "US", datetime(2024, 3, 8, 14, 30, tzinfo=UTC)),
        ("2024-03-11 09:30:00", "US", datetime(2024, 3, 11, 13, 30, tzinfo=UTC)),
        ("2024-11-01 16:00:00", 11, datetime(2024, 11, 1, 20, tzinfo=UTC)),
        ("2024-11-04 16:00:00", 11, datetime(2024, 11, 4, 21, tzinfo=UTC)),
        ("2024-07-01 09:30:00.250", "HK", datetime(2024, 7, 1, 1, 30, 0, 250000, tzinfo=UTC)),
        ("2024-07-01", "SH", datetime(2024, 6, 30, 16, tzinfo=UTC)),
        ("2024/07/01 09:30", "JP", datetime(2024, 7, 1, 0, 30, tzinfo=UTC)),
    ],
)
def test_an_exchange_time_is_placed_on_the_exchanges_clock(
    text: str, market: str | int, utc: datetime
) -> None:
    assert exchange_time(text, market) == utc


def test_an_hour_that_happens_twice_has_two_readings() -> None:
    first = exchange_time("2024-11-03 01:30:00", "US")
    second = exchange_time("2024-11-03 01:30:00", "US", fold=1)
    assert second.astimezone(UTC) - first.astimezone(UTC) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "market"),
    [
        ("", "US"),
        ("09:30:00", "US"),
        ("2024-13-01", "US"),
        ("2024-02-30 09:30:00", "US"),
        ("2024-01/02", "US"),
        ("2024-01-02T09:30:00", "US"),
        ("2024-01-02 09:30:00+08:00", "US"),
        ("2024-01-02", "FX"),
        ("2024-01-02", "MOON"),
    ],
)
def test_what_is_no_exchange_time_is_refused(text: str, market: str) -> None:
    with pytest.raises(UsageError):
        exchange_time(text, market)


def test_times_are_written_on_the_exchanges_clock() -> None:
    assert exchange_text("2024-01-02", "US") == "2024-01-02"
    assert exchange_text(date(2024, 1, 2), "US") == "2024-01-02"
    assert exchange_text(datetime(2024, 1, 2, 9, 30), "US") == "2024-01-02 09:30:00"
    aware = datetime(2024, 7, 1, 13, 30, tzinfo=UTC)
    assert exchange_text(aware, "US") == "2024-07-01 09:30:00"
    assert exchange_time(exchange_text(aware, "HK"), "HK") == aware
    with pytest.raises(UsageError):
        exchange_text(aware, "FX")
    with pytest.raises(UsageError, match="is not a time"):
        exchange_text(5, "US")  # type: ignore[arg-type]


def test_a_machine_without_time_zones_has_ours() -> None:
    asked = "from futukit.types import exchange_time; exchange_time('2024-01-02', 'US')"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        env={**os.environ, "PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
