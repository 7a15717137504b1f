"""Every request id with a schema is answered, and the official schema accepts the answer."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import grpc_tools
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.unknown_fields import UnknownFieldSet
from grpc_tools import protoc
from msgspec import Struct
from msgspec.structs import replace

from futukit import codec
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
from futukit.sim import SimulatedOpenD
from futukit.sim.schema import Field, fields_of, full_name_of
from tests.unit.sim.raw_client import RawClient, security

_SESSION = (1001, 1004)
_SUBSCRIBED = {3004: 1, 3006: 11, 3008: 5, 3010: 4, 3012: 2, 3014: 14}

REQUESTS = [
    row.proto_id
    for row in registry.rows()
    if row.kind == "request" and row.module and row.proto_id not in _SESSION
]


@pytest.fixture(scope="module")
def official(upstream_protos: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The official schema's message classes by full name."""
    out = tmp_path_factory.mktemp("official") / "all.desc"
    include = Path(grpc_tools.__file__).parent / "_proto"
    files = sorted(path.name for path in upstream_protos.glob("*.proto"))
    command = ["protoc", f"-I{upstream_protos}", f"-I{include}", f"--descriptor_set_out={out}"]
    assert protoc.main([*command, *files]) == 0
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file:
        pool.Add(file)
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


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


def test_every_request_id_is_answered_by_the_official_schema(
    opend: SimulatedOpenD, official: Any
) -> None:
    plate = opend_plate(opend)
    failures = {}
    with RawClient(opend.port) as raw:
        raw.subscribe(("HK.00700",), *_SUBSCRIBED.values())
        trader = Trader(raw)
        for proto_id in REQUESTS:
            request = question(registry.request_class(proto_id), plate)
            if "stock_symbol" in request.__struct_fields__:
                request = replace(request, stock_symbol="HK.00700")
            if proto_id == 3221:
                asked = replace(request.c2s, security=security("HK.00700"))  # type: ignore[attr-defined]
                request = replace(request, c2s=asked)
            if proto_id == 3220:
                asked = replace(request.c2s, **_REMINDER)  # type: ignore[attr-defined]
                request = replace(request, c2s=asked)
            if 2001 < proto_id < 2300:
                request = replace(request, c2s=trader.about(proto_id, request.c2s))  # type: ignore[attr-defined]
            if proto_id == 3218:
                request = replace(
                    request,
                    c2s=replace(request.c2s, security_list=(opend_future(raw),)),  # type: ignore[attr-defined]
                )
            got = raw.call_bytes(proto_id, codec.encode(request))
            response = official(full_name_of(registry.response_class(proto_id)))()
            response.ParseFromString(got.body)
            if response.retType != 0:
                failures[proto_id] = response.retMsg
            assert response.IsInitialized(), proto_id
            assert response.SerializeToString(deterministic=True) == got.body, proto_id
            assert not unknown_fields(response), proto_id
    assert failures.keys() == {2237}, failures
    assert "does not wait for a confirmation" in failures[2237]


class Trader:
    """Puts a paper account, and an order where one is needed, into the trading requests."""

    def __init__(self, raw: RawClient) -> None:
        self._raw = raw
        accounts = raw.ask(2001, trd_get_acc_list.C2S(user_id=0)).acc_list
        account = next(a for a in accounts if a.trd_env == trd_common.TrdEnv.SIMULATE)
        self._header = trd_common.TrdHeader(
            trd_env=account.trd_env, acc_id=account.acc_id, trd_market=trd_common.TrdMarket.HK
        )
        self._packets = 0

    def about(self, proto_id: int, c2s: Any) -> Any:
        """The same request, about things that exist."""
        known: dict[str, Any] = {
            "header": self._header,
            "code": "00700",
            "qty": 100.0,
            "price": 400.0,
            "filter_conditions": trd_common.TrdFilterConditions(
                begin_time="2026-03-01", end_time="2026-03-02"
            ),
            "pwd_md5": hashlib.md5(b"123456").hexdigest(),
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


def unknown_fields(message: Any) -> int:
    """How many fields the official schema does not know, at any depth."""
    found = len(UnknownFieldSet(message))
    for field, value in message.ListFields():
        if field.message_type:
            found += sum(map(unknown_fields, value if field.is_repeated else [value]))
    return found


def opend_plate(opend: SimulatedOpenD) -> Any:
    """Any plate of the simulated market."""
    with RawClient(opend.port) as raw:
        c2s = qot_get_plate_set.C2S(
            market=qot_common.QotMarket.HK_SECURITY, plate_set_type=qot_common.PlateSetType.ALL
        )
        return raw.ask(3204, c2s).plate_info_list[0].plate


def opend_future(raw: RawClient) -> Any:
    """Any future of the simulated market."""
    c2s = qot_get_static_info.C2S(sec_type=qot_common.SecurityType.FUTURE)
    return raw.ask(3202, c2s).static_info_list[0].basic.security


def test_the_table_of_ids_is_complete() -> None:
    assert len(REQUESTS) == len(set(REQUESTS)) == 164
