"""Pushes that both faces receive: from the market, from the simulator's notices, made from the
schema for kinds that the simulated market never sends, and of orders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from futukit import sync
from futukit.core.push import Push
from futukit.messages import get_global_state, qot_get_basic_qot, registry
from futukit.messages.qot_common import QotMarket, Security
from futukit.sim import Call, SimulatedOpenD
from futukit.sim.notices import NOTICES
from tests.differential.sides import Side, simulator
from tests.interop.modes import Mode

CODES: Final = ["HK.00700", "HK.00005", "US.AAPL"]
MARKET_KINDS: Final = {
    "quote": (3005, ["QUOTE"]),
    "kline": (3007, ["K_1M", "K_5M", "K_DAY"]),
    "rt": (3009, ["RT_DATA"]),
    "ticker": (3011, ["TICKER"]),
    "order_book": (3013, ["ORDER_BOOK"]),
}
SCHEMA_KINDS: Final = {
    "price_reminder": 3019,
    "indicator": 3261,
    "option_event": 3310,
    "event_order_book": 3450,
    "event_kline": 3451,
    "event_ticker": 3452,
}
TRADE_KINDS: Final = {"order": 2208, "deal": 2218}
PROTO_IDS: Final = {
    "notify": 1003,
    **TRADE_KINDS,
    **{kind: proto_id for kind, (proto_id, _) in MARKET_KINDS.items()},
    "broker": 3015,
    **SCHEMA_KINDS,
}
_SECONDS: Final = 5.0
_TRIGGER: Final = 1002

Received = dict[str, Any]
"""What was received, by kind; under ``set_handler …``, what registering said."""


def market_pushes(side: Side, key_file: Path, mode: Mode) -> Received:
    """A first push and 70 s of a moving market, for every kind of subscription."""
    received: Received = {}
    with simulator(mode, key_file) as opend:
        side.open("quote", "quote", opend.port)
        for kind in (*MARKET_KINDS, "broker"):
            received[f"set_handler {kind}"] = side.do("listen", name="quote", kind=kind)
        received["set_handler of no handler"] = side.do("refused_handler", name="quote")
        types = [name for _, names in MARKET_KINDS.values() for name in names]
        _ok(side, "quote", "subscribe", CODES, types)
        _ok(side, "quote", "subscribe", ["HK.00700"], ["BROKER"])
        opend.advance(70)
        for kind in (*MARKET_KINDS, "broker"):
            received[kind] = _received(side, "quote", kind, opend)
        side.do("close_all")
    return received


def other_sessions(side: Side, key_file: Path, mode: Mode) -> Received:
    """Quotes and order books of other kinds of security, and of US hours after the close."""
    received: Received = {}
    with simulator(mode, key_file, start=1_768_341_600) as opend:
        side.open("quote", "quote", opend.port)
        codes = ["US.AAPL", "US.AAPL260320C260000", "HK.HSImain", "HK.28123", "HK.800000"]
        for kind in ("quote", "rt", "kline"):
            side.do("listen", name="quote", kind=kind)
        _ok(side, "quote", "subscribe", codes, ["QUOTE", "RT_DATA", "K_DAY"])
        opend.advance(30)
        for kind in ("quote", "rt", "kline"):
            received[kind] = _received(side, "quote", kind, opend)
        side.do("close_all")
    return received


def paused(side: Side, key_file: Path, mode: Mode) -> Received:
    """Between ``stop`` and ``start`` nothing is handed on."""
    received: Received = {}
    with simulator(mode, key_file) as opend:
        side.open("quote", "quote", opend.port)
        side.do("listen", name="quote", kind="notify")
        for step, method in enumerate(("start", "stop", "start")):
            received[method] = side.do("call", name="quote", method=method)
            opend.notify("gtw_event", event_type="NONE", desc=str(step))
            # An answer after the push: what came before it has been read.
            _ok(side, "quote", "get_global_state")
            if method == "stop":
                # Pushes are handed on by a thread of their own: only this tells that none comes.
                received["while stopped"] = _wait_for_none(side)
            else:
                received[f"notify {step}"] = side.do(
                    "received", name="quote", kind="notify", count=1, seconds=_SECONDS
                )
        side.do("close_all")
    return received


def notices(side: Side, key_file: Path, mode: Mode) -> Received:
    """Every kind of notice."""
    with simulator(mode, key_file) as opend:
        side.open("quote", "quote", opend.port)
        side.do("listen", name="quote", kind="notify")
        for kind in NOTICES:
            opend.notify(kind)
        opend.notify("gtw_event", event_type="KICKED_OUT", desc="somebody else")
        opend.notify("program_status", status="LOGIN_FAILED", desc="why")
        opend.notify("api_quota", sub_quota=300, history_kl_quota=100)
        found = _received(side, "quote", "notify", opend)
        side.do("close_all")
    return {"notify": found}


def schema_pushes(side: Side, key_file: Path, mode: Mode) -> Received:
    """Kinds that no simulated event leads to, filled from the schema."""
    received: Received = {}
    with simulator(mode, key_file) as opend:
        side.open("quote", "quote", opend.port)
        for kind in SCHEMA_KINDS:
            received[f"set_handler {kind}"] = side.do("listen", name="quote", kind=kind)
        _push_from_schema(opend, SCHEMA_KINDS)
        for kind in SCHEMA_KINDS:
            if received[f"set_handler {kind}"] != {"kind": "missing"}:
                received[kind] = _received(side, "quote", kind, opend)
        side.do("close_all")
    return received


def trade_pushes(side: Side, key_file: Path, mode: Mode) -> Received:
    """Orders that rest, fill, change and end."""
    received: Received = {}
    with simulator(mode, key_file) as opend:
        side.open("sec", "sec", opend.port)
        for kind in TRADE_KINDS:
            received[f"set_handler {kind}"] = side.do("listen", name="sec", kind=kind)
        paper = {"trd_env": "SIMULATE"}
        resting = {"from": "resting", "path": [1], "column": "order_id"}
        for price, name in ((540.0, "filling"), (480.0, "resting")):
            arguments = [price, 100, "HK.00700", "BUY"]
            side.do(
                "call",
                name="sec",
                method="place_order",
                args=arguments,
                kwargs=paper,
                **{"as": name},
            )
        for operation, quantity, price in (("NORMAL", 200, 481.0), ("CANCEL", 0, 0)):
            arguments = [operation, resting, quantity, price]
            side.do("call", name="sec", method="modify_order", args=arguments, kwargs=paper)
        opend.advance(1)
        for kind in TRADE_KINDS:
            received[kind] = _received(side, "sec", kind, opend)
        side.do("close_all")
    return received


SCRIPTS: Final = {
    script.__name__: script
    for script in (market_pushes, other_sessions, notices, paused, schema_pushes, trade_pushes)
}


def _received(side: Side, name: str, kind: str, opend: SimulatedOpenD) -> Any:
    """All pushes of a kind that the simulator has sent."""
    count = opend.stats().pushes.get(PROTO_IDS[kind], 0)
    return side.do("received", name=name, kind=kind, count=count, seconds=_SECONDS)


def _ok(side: Side, name: str, method: str, *args: Any) -> None:
    returned = side.do("call", name=name, method=method, args=list(args))
    assert returned["items"][0] == ["int", "0"], f"{side.face}: {method}: {returned}"


def _wait_for_none(side: Side) -> Any:
    return side.do("received", name="quote", kind="notify", count=1, seconds=0.2)


def _push_from_schema(opend: SimulatedOpenD, kinds: Mapping[str, int]) -> None:
    """Push one message of each kind to everybody, from the simulator's own thread."""
    asked = qot_get_basic_qot.C2S(
        security_list=(Security(market=QotMarket.HK_SECURITY, code="00700"),)
    )

    def push_all(call: Call, _: Any) -> Any:
        others = [number for number in call.opend.peers if number != call.peer.connection_id]
        for proto_id in kinds.values():
            response = registry.response_class(proto_id)
            message = response(ret_type=0, s2c=call.opend.schema_answer(proto_id, asked))
            call.opend.push(others, Push(proto_id, message))
        return call.opend.schema_answer(_TRIGGER, get_global_state.C2S(user_id=0))

    opend.opend.handlers.replace(_TRIGGER, push_all)
    with sync.connect(opend.url) as trigger:
        trigger.system.get_global_state()
