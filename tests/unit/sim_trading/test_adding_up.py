"""Whatever is ordered, changed and cancelled: money, holdings and orders add up exactly."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from futukit.messages.qot_common import QotMarketState
from futukit.messages.trd_common import (
    Currency,
    ModifyOrderOp,
    OrderStatus,
    OrderType,
    TimeInForce,
    TrailType,
    TrdSide,
)
from futukit.sim.refusal import RefusalError
from futukit.sim.trading import Account, Order
from futukit.sim.trading.changes import Change
from tests.unit.sim_trading.floor import BUY, SELL, Floor

KEYS = {
    "universal": ["HK.00700", "HK.00388", "HK.28123", "HK.TCH260330C520000", "SH.600519"],
    "hong kong cash": ["HK.00700", "HK.00005", "HK.28123"],
    "paper china": ["SH.600519", "SZ.000001"],
    "futures": ["HK.HSImain", "HK.HSI2606"],
}
TYPES = [
    OrderType.NORMAL,
    OrderType.NORMAL,
    OrderType.NORMAL,
    OrderType.MARKET,
    OrderType.SPECIAL_LIMIT,
    OrderType.SPECIAL_LIMIT_ALL,
    OrderType.STOP,
    OrderType.LIMITIF_TOUCHED,
    OrderType.TRAILING_STOP,
]
STATES = [None, None, QotMarketState.CLOSED, QotMarketState.REST, QotMarketState.AUCTION]
BUYS = (TrdSide.BUY, TrdSide.BUY_BACK)


class Trading(RuleBasedStateMachine):
    """Random trading in four accounts over one market."""

    @initialize(seed=st.integers(1, 3))
    def open(self, seed: int) -> None:
        self.floor = Floor(seed=seed, intensity=0.2)
        self.accounts = [self.floor.account(name) for name in KEYS]
        self.start = {
            account.acc_id: Counter({key: p.qty for key, p in account.positions.items()})
            for account in self.accounts
        }

    @rule(
        which=st.integers(0, len(KEYS) - 1),
        key=st.integers(0, 9),
        side=st.sampled_from([BUY, SELL]),
        lots=st.integers(1, 12),
        steps=st.integers(-12, 12),
        order_type=st.sampled_from(TYPES),
        time_in_force=st.sampled_from([TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC]),
    )
    def place(
        self,
        which: int,
        key: int,
        side: TrdSide,
        lots: int,
        steps: int,
        order_type: OrderType,
        time_in_force: TimeInForce,
    ) -> None:
        account = self.accounts[which]
        keys = KEYS[account.name]
        inst = self.floor.market.instrument(keys[key % len(keys)])
        price = self.near(inst.key, steps)
        try:
            order = self.floor.place(
                account,
                inst.key,
                side,
                lots * inst.unit,
                order_type=order_type,
                price=price,
                aux_price=price,
                trail_type=TrailType.AMOUNT,
                trail_value=price / 200,
                time_in_force=time_in_force,
            )
        except RefusalError:
            return
        if order.price and order.filled:
            better = order.price * order.filled - order.traded
            assert better >= 0 if order.buys else better <= 0

    def near(self, key: str, steps: int) -> float:
        """A price some steps away from the last."""
        grid = self.floor.market.instrument(key).grid
        return grid.price(max(1, grid.number(self.floor.last(key)) + steps)) / 1000

    @rule(
        which=st.integers(0, len(KEYS) - 1),
        number=st.integers(0, 50),
        op=st.sampled_from([ModifyOrderOp(n) for n in range(1, 6)]),
        lots=st.integers(1, 12),
        steps=st.integers(-12, 12),
    )
    def modify(self, which: int, number: int, op: ModifyOrderOp, lots: int, steps: int) -> None:
        account = self.accounts[which]
        orders = list(account.orders.values())
        if not orders:
            return
        order = orders[number % len(orders)]
        price = self.near(order.inst.key, steps)
        change = Change(qty=lots * order.inst.unit, price=price, aux_price=price)
        with suppress(RefusalError):
            self.floor.desk.modify(account, order, op, change)

    @rule(which=st.integers(0, len(KEYS) - 1))
    def cancel_all(self, which: int) -> None:
        self.floor.desk.cancel_all(self.accounts[which], None)
        assert not self.accounts[which].live_orders()

    @rule(seconds=st.sampled_from([0.3, 5.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.floor.advance(seconds)

    @rule(market=st.sampled_from(["HK", "SH", "HK_FUTURE"]), state=st.sampled_from(STATES))
    def force(self, market: str, state: Any) -> None:
        if market == "HK_FUTURE" and state is not None:
            state = QotMarketState.FUTURE_DAY_CLOSE
        self.floor.state(market, state)

    @invariant()
    def everything_adds_up(self) -> None:
        for account in self.accounts:
            self.check_orders(account)
            self.check_cash(account)
            self.check_holdings(account)

    def check_orders(self, account: Account) -> None:
        fills: Counter[Order] = Counter()
        traded: Counter[Order] = Counter()
        for fill in account.fills:
            fills[fill.order] += fill.qty
            traded[fill.order] += fill.qty * fill.price
        for order in account.orders.values():
            assert order.filled == fills[order] <= order.qty
            assert order.traded == traded[order]
            assert (order.status == OrderStatus.FILLED_ALL) == (order.left == 0)
            assert order.live or order.book_id is None
            resting = order.status in (OrderStatus.SUBMITTED, OrderStatus.FILLED_PART)
            assert not order.live or resting == (order.book_id is not None)

    def check_cash(self, account: Account) -> None:
        moved: Counter[Currency] = Counter()
        kinds: Counter[str] = Counter()
        for flow in account.flows:
            moved[flow.currency] += flow.amount
            kinds[flow.kind] += flow.amount
        assert moved == account.cash
        assert -kinds["Fees"] == sum(order.fee for order in account.orders.values())
        for kind, sides in (("Buy", BUYS), ("Sell", (TrdSide.SELL, TrdSide.SELL_SHORT))):
            amount = sum(
                fill.qty * fill.price * fill.order.inst.multiplier
                for fill in account.fills
                if (fill.order.side in BUYS) == (sides is BUYS)
            )
            assert abs(kinds[kind]) == (0 if account.futures else amount)
        if not account.margin:
            for currency in account.cash:
                assert self.floor.desk.margins.free_cash(account, currency) >= 0
        funds = self.floor.desk.funds.funds(account, None)
        unrealized = funds.unrealized_pl or 0.0
        assert round(funds.cash + funds.market_val + unrealized - funds.total_assets, 3) == 0
        assert funds.power >= 0
        assert funds.avl_withdrawal_cash >= 0

    def check_holdings(self, account: Account) -> None:
        held = Counter(self.start[account.acc_id])
        for fill in account.fills:
            held[fill.order.inst.key] += fill.qty if fill.order.buys else -fill.qty
        for key, position in account.positions.items():
            assert position.qty == held[key]
            assert position.cost >= 0
            assert (position.cost == 0) == (position.qty == 0)
            if not account.margin:
                day = self.floor.desk.exchange.day(position.inst)
                assert self.floor.desk.margins.can_sell(account, position.inst, day) >= 0
                assert position.qty >= 0
        if account.futures:
            realized = sum(position.realized for position in account.positions.values())
            fees = sum(order.fee for order in account.orders.values())
            assert account.cash[account.currency] == account.flows[0].amount + realized - fees


TestTrading = Trading.TestCase
TestTrading.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, derandomize=True
)
