"""Markets and symbols: what a request names, at any depth, must be allowed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from futukit.codec.plan import plan_of
from futukit.core.requests import request_kind
from futukit.enums import (
    OrderType,
    PlateSetType,
    QotMarket,
    SubType,
    TradeDateMarket,
    TrdEnv,
    TrdMarket,
)
from futukit.gateway.keys import SCOPES
from futukit.gateway.subjects import names_of
from futukit.messages import (
    qot_common,
    qot_get_basic_qot,
    qot_get_plate_set,
    qot_option_common,
    qot_request_trade_date,
    qot_set_option_event_alert,
    qot_sub,
    qot_update_basic_qot,
    qot_update_broker,
    registry,
    skill_wrap_api,
    trd_common,
    trd_get_funds,
    trd_get_margin_ratio,
    trd_get_max_trd_qtys,
    trd_get_order_list,
)
from futukit.messages.qot_common import Security
from tests.unit.gateway.keyring import NOW, Keyring, denied, header, messages_below, place

REQUESTS = [row for row in registry.rows() if row.kind == "request"]
PUSHES = [row for row in registry.rows() if row.kind == "push"]
TRADE_SCOPES = {TrdEnv.SIMULATE: "trade:simulate", TrdEnv.REAL: "trade:real"}


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keys.json")


# Markets and symbols.

HK_ONLY = {"markets": ("HK",)}
TENCENT = {"symbols": ("HK.00700",)}


def security(market: int, code: str) -> Security:
    return Security(market=QotMarket(market), code=code)


def quotes(*securities: Security) -> Any:
    return qot_get_basic_qot.C2S(security_list=securities)


@pytest.mark.parametrize(
    ("limits", "securities", "reason"),
    [
        (HK_ONLY, (), None),
        (HK_ONLY, (security(1, "00700"), security(1, "00001")), None),
        (HK_ONLY, (security(2, "HSImain"),), None),  # the obsolete number of the same market
        (HK_ONLY, (security(1, "00700"), security(11, "AAPL")), "market US"),
        (HK_ONLY, (security(0, "00700"),), "market of 00700 cannot be told"),
        (HK_ONLY, (security(777, "00700"),), "market of 00700 cannot be told"),
        (TENCENT, (), None),
        (TENCENT, (security(1, "00700"),), None),
        (TENCENT, (security(1, "00700"), security(1, "00001")), "HK.00001"),
        (TENCENT, (security(11, "00700"),), "US.00700"),
        (TENCENT, (security(1, "700"),), "HK.700"),
        (TENCENT, (security(1, " 00700"),), "HK. 00700"),
        (TENCENT, (security(777, "00700"),), "cannot be told"),
        (HK_ONLY | TENCENT, (security(1, "00700"),), None),
        (HK_ONLY | {"symbols": ("US.AAPL",)}, (security(11, "AAPL"),), "market US"),
    ],
)
def test_every_security_of_a_quote_request_must_be_allowed(
    ring: Keyring, limits: Any, securities: tuple[Security, ...], reason: str | None
) -> None:
    ring.make(scopes=("qot:read",), **limits)
    for proto_id, c2s in (
        (3004, quotes(*securities)),
        (
            3001,
            qot_sub.C2S(
                security_list=securities, sub_type_list=(SubType.BASIC,), is_sub_or_un_sub=True
            ),
        ),
    ):
        if reason is None:
            ring.access.check(ring.grant, proto_id, c2s, NOW)
        else:
            assert reason in denied(ring, proto_id, c2s)


def test_a_security_is_seen_at_any_depth() -> None:
    for row in REQUESTS:
        if row.module is None:
            continue
        kind = request_kind(row.proto_id)
        for cls, path in paths_to_security(kind.c2s or kind.request, ()):
            message = nested(cls, path)
            assert ("US.AAPL",) in [name.symbols for name in names_of(message)], (row.name, path)


def paths_to_security(cls: Any, seen: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Each way from a message class to a Security: the fields to go through."""
    for field in plan_of(cls).fields:
        if field[6] is Security:
            yield cls, (field,)
        elif field[4] == "message" and field[6] not in seen:
            for _, rest in paths_to_security(field[6], (*seen, cls)):
                yield cls, (field, *rest)


class Blank:
    """Stands for required fields that do not matter: false, as a market of 0 is."""

    def __bool__(self) -> bool:
        return False


def nested(cls: Any, path: tuple[Any, ...]) -> Any:
    field, *rest = path
    inner = nested(field[6], tuple(rest)) if rest else security(11, "AAPL")
    values: dict[str, Any] = {
        each[1]: None if each[4] == "message" else Blank()
        for each in plan_of(cls).fields
        if each[5] == "required"
    }
    return cls(**values | {field[1]: (inner,) if field[5] == "repeated" else inner})


@pytest.mark.parametrize(
    ("proto_id", "c2s", "reason"),
    [
        (
            3204,
            qot_get_plate_set.C2S(market=QotMarket(11), plate_set_type=PlateSetType.ALL),
            "market US",
        ),
        (3204, qot_get_plate_set.C2S(market=QotMarket(1), plate_set_type=PlateSetType.ALL), None),
        (3204, qot_get_plate_set.C2S(market=QotMarket(0), plate_set_type=PlateSetType.ALL), None),
        (
            3204,
            qot_get_plate_set.C2S(market=QotMarket(777), plate_set_type=PlateSetType.ALL),
            "cannot be told",
        ),
        (
            3219,
            qot_request_trade_date.C2S(market=TradeDateMarket.CN, begin_time="", end_time=""),
            "market SH",
        ),
        (
            3219,
            qot_request_trade_date.C2S(market=TradeDateMarket.ST, begin_time="", end_time=""),
            None,
        ),
        (3803, skill_wrap_api.TechnicalUnusualReq(stock_symbol="HK.00700"), None),
        (3803, skill_wrap_api.TechnicalUnusualReq(), None),
        (3803, skill_wrap_api.TechnicalUnusualReq(stock_symbol="US.AAPL"), "market US"),
        (3803, skill_wrap_api.TechnicalUnusualReq(stock_symbol="00700"), "cannot be told"),
    ],
)
def test_a_whole_market_and_a_text_are_names_too(
    ring: Keyring, proto_id: int, c2s: Any, reason: str | None
) -> None:
    if proto_id == 3803:  # of the three flat ones, the id that has this class
        ids = [row.proto_id for row in REQUESTS if row.request == type(c2s).__name__]
        (proto_id,) = ids
    ring.make(scopes=("qot:read",), **HK_ONLY)
    if reason is None:
        ring.access.check(ring.grant, proto_id, c2s, NOW)
    else:
        assert reason in denied(ring, proto_id, c2s)
    ring.make(scopes=("qot:read",), markets=("HK", "US", "SH", "SZ"), symbols=("HK.00700",))
    if reason is None:
        ring.access.check(ring.grant, proto_id, c2s, NOW)


def test_option_markets_are_markets() -> None:
    number = qot_option_common.OptionMarket.US_INDEX
    alert: Any = next(
        field[6]
        for field in plan_of(qot_set_option_event_alert.C2S).fields
        if field[4] == "message"
    )
    names = names_of(alert(option_market=number))
    assert [set(name.markets) for name in names] == [{"US"}]


def test_each_field_that_is_called_a_code_is_looked_at() -> None:
    # A new request with a field of this kind must be taught to ``subjects``.
    found = set()
    for row in REQUESTS:
        if row.module is None:
            continue
        kind = request_kind(row.proto_id)
        for cls in messages_below(kind.c2s or kind.request, set()):
            for field in plan_of(cls).fields:
                words = set(field[1].split("_"))
                if field[4] == "string" and words & {"code", "codes", "symbol", "symbols"}:
                    found.add((cls.__module__.rpartition(".")[2], field[1]))
    assert found - {("skill_wrap_api", "stock_symbol")} == {
        ("qot_common", "code"),
        ("trd_common", "code_list"),
        ("trd_get_max_trd_qtys", "code"),
        ("trd_place_order", "code"),
        ("verification", "code"),  # the digits of a login
        ("qot_get_financials_statements", "currency_code"),
        ("qot_get_financials_revenue_breakdown", "currency_code"),
        ("qot_get_company_operational_efficiency", "currency_code"),
        ("qot_get_option_zero_dte_screener", "product_code"),  # beside a Security
    }


def max_qtys(market: TrdMarket, code: str, sec_market: Any = None) -> Any:
    return trd_get_max_trd_qtys.C2S(
        header=header(market=market),
        order_type=OrderType.NORMAL,
        code=code,
        price=1.0,
        sec_market=sec_market,
    )


@pytest.mark.parametrize(
    ("limits", "market", "sec_market", "reason"),
    [
        (TENCENT, 1, None, None),
        (TENCENT, 1, 0, None),
        (TENCENT, 1, 1, None),
        (TENCENT, 5, 1, None),
        (TENCENT, 5, None, "JP.00700"),  # a future of four markets: not each is allowed
        (TENCENT, 2, None, "US.00700"),
        (TENCENT, 2, 1, "cannot be told"),  # contradicts itself
        (TENCENT, 0, 1, "cannot be told"),
        (TENCENT, 1, 777, "cannot be told"),
        ({"symbols": ("SH.00700",)}, 4, 31, None),
        ({"symbols": ("SH.00700",)}, 4, None, "SZ.00700"),
        ({"symbols": ("SH.00700", "SZ.00700")}, 3, None, None),
        ({"markets": ("SH",)}, 4, 31, None),
        ({"markets": ("SH",)}, 4, None, "market SZ"),
        ({"markets": ("HK",)}, 777, None, "cannot be told"),
    ],
)
def test_a_bare_code_is_read_with_its_header(
    ring: Keyring, limits: Any, market: int, sec_market: int | None, reason: str | None
) -> None:
    ring.make(scopes=SCOPES, **limits)
    sec = None if sec_market is None else trd_common.TrdSecMarket(sec_market)
    for proto_id, c2s in (
        (2111, max_qtys(TrdMarket(market), "00700", sec)),
        (2202, place(header=header(market=TrdMarket(market)), code="00700", sec_market=sec)),
    ):
        if reason is None:
            ring.access.check(ring.grant, proto_id, c2s, NOW)
        else:
            assert reason in denied(ring, proto_id, c2s)


def test_every_market_of_accounts_has_its_place() -> None:
    from futukit.gateway.subjects import in_trd_market

    assert [market for market in TrdMarket if not in_trd_market(market)] == [TrdMarket.UNKNOWN]


def order_list(codes: tuple[str, ...], market: int | None = None) -> Any:
    conditions = trd_common.TrdFilterConditions(
        code_list=codes, filter_market=None if market is None else TrdMarket(market)
    )
    return trd_get_order_list.C2S(header=header(), filter_conditions=conditions)


def test_account_reads_are_limited_where_they_name_something(ring: Keyring) -> None:
    ring.make(scopes=("acc:read",), **TENCENT)
    ring.access.check(ring.grant, 2201, order_list(("00700",)), NOW)
    ring.access.check(ring.grant, 2201, order_list(()), NOW)
    ring.access.check(ring.grant, 2101, trd_get_funds.C2S(header=header()), NOW)
    assert "HK.00001" in denied(ring, 2201, order_list(("00700", "00001")))
    assert "US.00700" in denied(ring, 2201, order_list(("00700",), 2))
    margin = trd_get_margin_ratio.C2S(header=header(), security_list=(security(11, "AAPL"),))
    assert "US.AAPL" in denied(ring, 2223, margin)
    ring.make(scopes=("acc:read",), markets=("US",))
    # The header's market is no name: the official SDK puts the account's first one there.
    ring.access.check(ring.grant, 2101, trd_get_funds.C2S(header=header()), NOW)
    assert "market HK" in denied(ring, 2201, order_list((), 1))
    ring.access.check(ring.grant, 2201, order_list((), 2), NOW)


# Pushes.


def basic(*securities: Security) -> Any:
    rows = plan_of(qot_common.BasicQot).fields
    values: dict[str, Any] = {row[1]: Blank() for row in rows if row[5] == "required"}
    quotes = [qot_common.BasicQot(**values | {"security": one}) for one in securities]
    return qot_update_basic_qot.S2C(basic_qot_list=tuple(quotes))


def test_pushes_of_quotes_go_by_their_securities(ring: Keyring) -> None:
    ring.make(scopes=("qot:read",), **TENCENT)
    tencent, apple = security(1, "00700"), security(11, "AAPL")
    assert ring.access.may_get(ring.grant, 3005, basic(tencent))
    assert not ring.access.may_get(ring.grant, 3005, basic(apple))
    assert not ring.access.may_get(ring.grant, 3005, basic(tencent, apple))
    assert not ring.access.may_get(ring.grant, 3005, basic())
    assert ring.access.may_get(ring.grant, 3015, qot_update_broker.S2C(security=tencent))
    assert not ring.access.may_get(ring.grant, 3015, qot_update_broker.S2C(security=apple))
    assert not ring.access.may_get(ring.grant, 3015, b"raw")
