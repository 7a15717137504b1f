"""Orders from outside go into the same book as everybody's."""

from __future__ import annotations

import pytest

from futukit.errors import UsageError
from futukit.messages.qot_common import QotMarketState
from futukit.sim.market import Change, Market


def test_a_buyer_who_pays_the_ask_trades_at_once() -> None:
    market = Market(seed=1)
    best = market.order_book("HK.00700", 1).asks[0]
    before = market.basic_qot("HK.00700").volume
    placed = market.place("HK.00700", 1, best.price, 100, owner="me")
    assert placed.remaining == 0
    assert [(f.price, f.volume, f.owner, f.side) for f in placed.fills] == [
        (best.price, 100, "me", 1)
    ]
    assert market.take_fills() == list(placed.fills)
    assert market.take_fills() == []
    change = next(e for e in market.advance(0.0) if isinstance(e, Change) and e.key == "HK.00700")
    assert [row.sequence for row in change.tickers] == [f.sequence for f in placed.fills]
    assert change.tickers[0].dir == 1
    assert market.basic_qot("HK.00700").volume == before + 100


def test_a_resting_order_shows_in_the_book_and_is_never_cancelled_by_others() -> None:
    market = Market(seed=1)
    price = float(int(market.order_book("HK.00700", 10).bids[-1].price) - 25)
    placed = market.place("HK.00700", 1, price, 500, owner="me")
    assert placed.remaining == 500
    market.advance(120.0)
    view = market.order_book("HK.00700", 100, detail=True)
    own = [o for row in view.bids for o in row.detail_list if o.order_id == placed.order_id]
    assert [o.volume for o in own] == [500]
    assert market.cancel("HK.00700", placed.order_id) == 500
    assert market.cancel("HK.00700", placed.order_id) == 0


def test_a_resting_order_at_the_touch_is_filled_in_time() -> None:
    market = Market(seed=1)
    price = market.order_book("HK.00700", 1).bids[0].price
    placed = market.place("HK.00700", 1, price, 100, owner="me")
    for _ in range(600):
        market.advance(1.0)
        fills = market.take_fills()
        if fills:
            break
    assert [(f.order_id, f.price, f.volume) for f in fills] == [(placed.order_id, price, 100)]


def test_orders_end_with_the_day() -> None:
    market = Market(seed=1)
    price = float(int(market.order_book("HK.00700", 1).bids[0].price) - 50)
    placed = market.place("HK.00700", 1, price, 100, owner="me")
    market.set_market_state("HK", QotMarketState.CLOSED)
    assert market.take_expired() == [("HK.00700", placed.order_id)]
    with pytest.raises(UsageError, match="not trading"):
        market.place("HK.00700", 1, price, 100, owner="me")


@pytest.mark.parametrize(
    ("side", "price", "volume", "owner"),
    [
        (3, 500.0, 100, "me"),
        (1, 500.3, 100, "me"),
        (1, 500.0, 150, "me"),
        (1, 500.0, 0, "me"),
        (1, 500.0, 100, ""),
    ],
)
def test_an_impossible_order_is_refused(side: int, price: float, volume: int, owner: str) -> None:
    with pytest.raises(UsageError):
        Market(seed=1).place("HK.00700", side, price, volume, owner)
