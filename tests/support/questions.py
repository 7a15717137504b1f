"""For each request id a request that makes sense to the simulator: about things that exist."""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from futukit.messages import (
    common,
    qot_common,
    qot_get_plate_set,
    qot_get_static_info,
    registry,
    trd_common,
    trd_get_acc_list,
    trd_place_order,
)
from futukit.sim.schema import Field, fields_of, full_name_of
from tests.unit.sim.raw_client import RawClient, security

SUBSCRIBED = (1, 11, 5, 4, 2, 14)
"""What the pulls need: 3004, 3006, 3008, 3010, 3012 and 3014, of HK.00700."""

TRADE_PASSWORD = "123456"  # the simulator's, unless it is told another

_LISTS = ("security_list", "owner_list", "sub_type_list", "time_list")

_ASKED: dict[str, Any] = {
    "time_list": "2026-01-05",
    "owner": security("US.AAPL"),
    "plate": None,
    "event": None,
    "series": None,
    "begin": 0,
    "num": 10,
    "market": 1,
    "option_market": 1,
    "req_num": 10,
    "max_ret_num": 10,
    "reference_type": 1,
    "kl_type": 1,
    "begin_time": "2026-01-05",
    "end_time": "2026-02-05",
    "begin_date": "2026-01-05",
    "date": "2026-01-05",
    "clearing_date": "2026-01-05",
}


_REMINDER: dict[str, Any] = {
    "type": qot_common.PriceReminderType.PRICE_UP,
    "freq": qot_common.PriceReminderFreq.ONLY_ONCE,
    "value": 600.0,
}


def question(cls: type[Struct], plate: Any) -> Struct:
    """The smallest request of a class that makes sense."""
    values: dict[str, Any] = {}
    for field in fields_of(cls):
        if field.label == "required" or field.attribute in _LISTS:
            value = _value(field, plate)
            values[field.attribute] = (value,) if field.label == "repeated" else value
    return cls(**values)


def _value(field: Field, plate: Any) -> Any:
    asked = _ASKED.get(field.attribute)
    if asked is not None and field.kind != "message":
        return field.target(asked) if field.target else asked
    if field.kind == "message":
        if full_name_of(field.target) != "Qot_Common.Security":
            return question(field.target, plate)
        if field.attribute == "plate":
            return plate
        if field.attribute in ("event", "series"):
            return replace(plate, market=type(plate.market)(101), code="KXTEST")
        return asked or security("HK.00700")
    simple: dict[str, Any] = {"string": "A", "bytes": b"", "bool": True, "double": 1.0}
    if field.kind in simple:
        return simple[field.kind]
    return field.target(1) if field.target else 1


class Questions:
    """Makes a request for any id with a schema, over a connection that may ask everything.

    ``trd_env`` is that of the account that the trading requests are about.
    """

    def __init__(
        self, raw: RawClient, trd_env: trd_common.TrdEnv = trd_common.TrdEnv.SIMULATE
    ) -> None:
        self.trader = Trader(raw, trd_env)
        self._plate = _any_plate(raw)
        self._future = _any_future(raw)

    def request(self, proto_id: int) -> Any:
        """The whole Request, or the flat one."""
        request: Any = question(registry.request_class(proto_id), self._plate)
        if "stock_symbol" in request.__struct_fields__:
            return replace(request, stock_symbol="HK.00700")
        if proto_id == 3218:
            return replace(request, c2s=replace(request.c2s, security_list=(self._future,)))
        if proto_id == 3220:
            return replace(request, c2s=replace(request.c2s, **_REMINDER))
        if proto_id == 3221:
            return replace(request, c2s=replace(request.c2s, security=security("HK.00700")))
        if 2001 < proto_id < 2300:
            return replace(request, c2s=self.trader.about(proto_id, request.c2s))
        return request


class Trader:
    """Puts an account, and an order where one is needed, into the trading requests."""

    def __init__(self, raw: RawClient, trd_env: trd_common.TrdEnv) -> None:
        self._raw = raw
        accounts = raw.ask(2001, trd_get_acc_list.C2S(user_id=0)).acc_list
        account = next(a for a in accounts if a.trd_env == trd_env)
        self.header = trd_common.TrdHeader(
            trd_env=account.trd_env, acc_id=account.acc_id, trd_market=trd_common.TrdMarket.HK
        )
        self._packets = 0

    def about(self, proto_id: int, c2s: Any) -> Any:
        """The same request, about things that exist."""
        known: dict[str, Any] = {
            "header": self.header,
            "acc_id_list": (self.header.acc_id,),
            "code": "00700",
            "qty": 100.0,
            "price": 400.0,
            "filter_conditions": trd_common.TrdFilterConditions(
                begin_time="2026-03-01", end_time="2026-03-02"
            ),
            "pwd_md5": hashlib.md5(TRADE_PASSWORD.encode()).hexdigest(),
        }
        if "packet_id" in c2s.__struct_fields__:
            known["packet_id"] = self._packet()
        if proto_id in (2205, 2237):
            known["order_id"] = self._order()
        if proto_id == 2205:
            known["price"] = 410.0
        return replace(c2s, **{n: v for n, v in known.items() if n in c2s.__struct_fields__})

    def _packet(self) -> common.PacketID:
        self._packets += 1
        return common.PacketID(conn_id=self._raw.welcome.conn_id, serial_no=self._packets)

    def _order(self) -> int:
        c2s = question(trd_place_order.C2S, None)
        return int(self._raw.ask(2202, self.about(2202, c2s)).order_id)


def _any_plate(raw: RawClient) -> Any:
    c2s = qot_get_plate_set.C2S(
        market=qot_common.QotMarket.HK_SECURITY, plate_set_type=qot_common.PlateSetType.ALL
    )
    return raw.ask(3204, c2s).plate_info_list[0].plate


def _any_future(raw: RawClient) -> Any:
    c2s = qot_get_static_info.C2S(sec_type=qot_common.SecurityType.FUTURE)
    return raw.ask(3202, c2s).static_info_list[0].basic.security
