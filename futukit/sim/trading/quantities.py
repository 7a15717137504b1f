"""The largest quantities that an account can trade, as 2111 tells them."""

from __future__ import annotations

from futukit.messages.trd_common import MaxTrdQtys, OrderType, TrdSide
from futukit.sim.market import Instrument
from futukit.sim.trading.accounts import Account
from futukit.sim.trading.exchange import Exchange
from futukit.sim.trading.margins import Margins
from futukit.sim.trading.money import number
from futukit.sim.trading.orders import Order
from futukit.sim.trading.rules import Rules

__all__ = ["Quantities"]


class Quantities:
    """What could be traded at a price (in price units); ``instead_of`` is an order to change."""

    def __init__(self, exchange: Exchange, rules: Rules, margins: Margins) -> None:
        self._exchange = exchange
        self._rules = rules
        self._margins = margins

    def largest(
        self, account: Account, inst: Instrument, price: int, instead_of: Order | None = None
    ) -> MaxTrdQtys:
        """The largest quantities in every direction, in whole lots."""
        if account.futures:
            return self._of_contracts(account, inst, instead_of)
        day = self._exchange.day(inst)
        free = self._margins.can_sell(account, inst, day, instead_of)
        cash = self._buy(account, inst, price, instead_of, cash=True)
        lends = account.margin and self._rules.lends(inst, short=True)
        premium = number(price * inst.multiplier) if inst.is_option else None
        return MaxTrdQtys(
            max_cash_buy=float(cash),
            max_cash_and_margin_buy=float(
                self._buy(account, inst, price, instead_of, cash=False) if account.margin else cash
            ),
            max_position_sell=float(free - free % inst.unit),
            max_sell_short=float(
                self._most(account, inst, price, TrdSide.SELL_SHORT, instead_of, cash=False)
                if lends and account.held(inst) <= 0
                else 0
            ),
            max_buy_back=float(self._margins.can_buy_back(account, inst, instead_of)),
            long_required_im=premium,
        )

    def _of_contracts(
        self, account: Account, inst: Instrument, instead_of: Order | None
    ) -> MaxTrdQtys:
        held = account.held(inst)
        others = [o for o in account.live_orders() if o.inst is inst and o is not instead_of]
        closing = sum(order.left for order in others if order.buys is (held < 0))
        closable = float(max(0, abs(held) - closing))
        margin = number(self._rules.contract_margin(inst)[0])
        return MaxTrdQtys(
            max_cash_buy=0.0,
            max_position_sell=closable if held > 0 else 0.0,
            max_buy_back=closable if held < 0 else 0.0,
            long_required_im=margin,
            short_required_im=margin,
        )

    def _buy(
        self,
        account: Account,
        inst: Instrument,
        price: int,
        instead_of: Order | None,
        *,
        cash: bool,
    ) -> int:
        if account.held(inst) < 0:
            return 0
        return self._most(account, inst, price, TrdSide.BUY, instead_of, cash=cash)

    def _most(
        self,
        account: Account,
        inst: Instrument,
        price: int,
        side: TrdSide,
        instead_of: Order | None,
        *,
        cash: bool,
    ) -> int:
        def probe(lots: int) -> Order:
            return Order(
                order_id=0,
                order_id_ex="",
                inst=inst,
                side=side,
                order_type=OrderType.NORMAL,
                qty=lots * inst.unit,
                price=price,
                created=self._exchange.now,
                updated=self._exchange.now,
            )

        return self._margins.most(account, probe, instead_of, cash=cash) * inst.unit
