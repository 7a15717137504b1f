"""A key and its grant for tests, and the messages that they are tried on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from futukit.codec.plan import plan_of
from futukit.enums import ModifyOrderOp, OrderType, QotMarket, TrdEnv, TrdMarket, TrdSide
from futukit.gateway.access import Access
from futukit.gateway.keys import Key, KeyStore, make_key
from futukit.gateway.limits import Counted
from futukit.gateway.refusals import Refused
from futukit.messages import (
    common,
    trd_common,
    trd_modify_order,
    trd_place_combo_order,
    trd_place_order,
    trd_reconfirm_order,
)
from futukit.messages.qot_common import ComboLeg, Security

NOW = 1_800_000_000.0  # 2027-01-15
PACKET = common.PacketID(conn_id=1, serial_no=1)


class Keyring:
    """A store with one key, the access over it, and a grant of that key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = KeyStore(path)
        self.access = Access(self.store)
        self.make()

    def make(self, scopes: tuple[str, ...] = (), **limits: Any) -> Key:
        """Replace the key by a new one with another text."""
        for key in self.store.keys:
            self.store.remove(key.name)
        key, text = make_key("desk", scopes, **limits)
        self.store.add(key)
        self.md5 = hashlib.md5(text.encode()).hexdigest()
        self.text = text
        self.grant = self.access.authenticate(text, NOW)
        return key

    def change(self, **fields: Any) -> None:
        """Give the key other scopes or limits, through the file; the grant stays."""
        (key,) = self.store.keys
        writer = KeyStore.load(self.path)
        writer.remove(key.name)
        writer.add(msgspec.structs.replace(key, **fields))
        self.store.reload()


def passes(ring: Keyring, proto_id: int, c2s: Any, now: float = NOW, listed: Any = None) -> Counted:
    """Check a request that must pass."""
    return ring.access.check(ring.grant, proto_id, c2s, now, listed)


def refused(
    ring: Keyring, proto_id: int, c2s: Any, now: float = NOW, listed: Any = None
) -> Refused:
    """How a request that must not pass is refused."""
    with pytest.raises(Refused) as caught:
        ring.access.check(ring.grant, proto_id, c2s, now, listed)
    return caught.value


def denied(ring: Keyring, proto_id: int, c2s: Any, listed: Any = None) -> str:
    """Why a request is outside of what the key may do."""
    error = refused(ring, proto_id, c2s, listed=listed)
    assert (error.status, error.retry_after) == ("PERMISSION_DENIED", 0.0)
    return error.reason


def header(
    env: TrdEnv = TrdEnv.SIMULATE, acc_id: int = 1, market: TrdMarket = TrdMarket.HK
) -> trd_common.TrdHeader:
    """A trade header, of a paper account in Hong Kong by default."""
    return trd_common.TrdHeader(trd_env=env, acc_id=acc_id, trd_market=market)


def place(**fields: Any) -> trd_place_order.C2S:
    """A limit order: buy 100 of HK.00700 at 300."""
    default: dict[str, Any] = {
        "packet_id": PACKET,
        "header": header(),
        "trd_side": TrdSide.BUY,
        "order_type": OrderType.NORMAL,
        "code": "00700",
        "qty": 100.0,
        "price": 300.0,
    }
    return trd_place_order.C2S(**default | fields)


def messages_below(cls: Any, seen: set[Any]) -> Iterator[Any]:
    """A message class and all that its fields lead to."""
    if cls not in seen:
        seen.add(cls)
        yield cls
        for field in plan_of(cls).fields:
            if field[4] == "message":
                yield from messages_below(field[6], seen)


def modify(op: int = ModifyOrderOp.NORMAL, order_id: int = 5, **fields: Any) -> Any:
    """A change of order 5, by default to 100 at 300."""
    default: dict[str, Any] = {"packet_id": PACKET, "header": header(), "order_id": order_id}
    default |= {"modify_order_op": ModifyOrderOp(op)}
    if op == ModifyOrderOp.NORMAL:
        default |= {"qty": 100.0, "price": 300.0}
    return trd_modify_order.C2S(**default | fields)


def reconfirm(order_id: int = 5) -> Any:
    """The word that an order which was held back is meant."""
    return trd_reconfirm_order.C2S(
        packet_id=PACKET, header=header(), order_id=order_id, reconfirm_reason=1
    )


def leg(code: str = "00700", side: Any = TrdSide.BUY, market: int = 1) -> ComboLeg:
    """A leg that buys HK.00700."""
    return ComboLeg(security=Security(market=QotMarket(market), code=code), side=side)


def combo(*legs: ComboLeg, **fields: Any) -> Any:
    """A limit order of these legs: 100 at 300."""
    default: dict[str, Any] = {"packet_id": PACKET, "header": header(), "combo_legs": legs}
    default |= {"qty": 100.0, "price": 300.0, "order_type": OrderType.NORMAL}
    return trd_place_combo_order.C2S(**default | fields)
