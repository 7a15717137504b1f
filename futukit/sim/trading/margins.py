"""What an account can still do: cash set aside for its orders, margins, largest quantities."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from futukit.messages.trd_common import Currency, TrdSide
from futukit.sim.market import Instrument
from futukit.sim.refusal import NO_FUNDS, RefusalError
from futukit.sim.trading.accounts import Account
from futukit.sim.trading.fees import fees_of
from futukit.sim.trading.money import convert, number
from futukit.sim.trading.orders import Order
from futukit.sim.trading.rules import FUTURES, Rules, segment_of

__all__ = ["Margins", "Needs"]

_MOST_LOTS: Final = 1 << 30


class Needs(NamedTuple):
    """Margins that the holdings of an account need, in its own currency."""

    initial: int
    margin_call: int
    maintenance: int


class Margins:
    """Answers for any account; ``last`` gives the last price of an instrument in price units."""

    def __init__(self, rules: Rules, last: Callable[[Instrument], int]) -> None:
        self._rules = rules
        self._last = last

    # Cash.

    def cost(self, order: Order) -> int:
        """Cash that an order sets aside: what filling it may still take out of the account."""
        fee, amount = self._fee_left(order), order.left * order.hold_price * order.inst.multiplier
        if segment_of(order.inst) == FUTURES:
            return fee
        if order.buys:
            return amount + fee
        if order.side == TrdSide.SELL_SHORT:
            return fee
        return max(0, fee - amount)

    def frozen(
        self, account: Account, orders: Iterable[Order] | None = None
    ) -> dict[Currency, int]:
        """Cash set aside for orders (default: all live ones), by currency."""
        frozen: dict[Currency, int] = {}
        for order in account.live_orders() if orders is None else orders:
            currency = self._rules.market(order.inst).currency
            frozen[currency] = frozen.get(currency, 0) + self.cost(order)
        return frozen

    def free_cash(self, account: Account, currency: Currency) -> int:
        """Cash in one currency that no order has set aside; below 0 where money is owed."""
        return account.cash.get(currency, 0) - self.frozen(account).get(currency, 0)

    def _fee_left(self, order: Order) -> int:
        amount = order.amount + order.left * order.hold_price * order.inst.multiplier
        fees = fees_of(order.inst, amount, order.qty, buys=order.buys)
        return sum(fees.values()) - order.fee

    # Margin.

    def equity(self, account: Account) -> int:
        """What the account is worth, in its own currency: cash and holdings at last prices."""
        total = sum(self._own(account, amount, of) for of, amount in account.cash.items())
        for position in account.positions.values():
            price = self._last(position.inst)
            value = position.unrealized(price) if account.futures else position.value(price)
            total += self._own(account, value, self.currency_of(position.inst))
        return total

    def needs(self, account: Account) -> Needs:
        """Margins that the holdings need."""
        initial = call = maintenance = 0
        for position in account.positions.values():
            inst, own = position.inst, self.currency_of(position.inst)
            if account.futures:
                one, keep = self._rules.contract_margin(inst)
                initial += self._own(account, one * abs(position.qty), own)
                call += self._own(account, keep * abs(position.qty), own)
                maintenance += self._own(account, keep * abs(position.qty), own)
                continue
            value = self._own(account, abs(position.value(self._last(inst))), own)
            margin = self._rules.margin(inst, short=position.qty < 0)
            initial += value * margin.initial // 100
            call += value * margin.margin_call // 100
            maintenance += value * margin.maintenance // 100
        return Needs(initial, call, maintenance)

    def room(self, account: Account, orders: list[Order] | None = None) -> int:
        """What is left for new holdings, in the account's own currency; may be below 0.

        For accounts with margin: equity less the margins of holdings and of ``orders``.
        """
        live = account.live_orders() if orders is None else orders
        if account.futures:
            return self._room_for_contracts(account, live)
        held = sum(self._hold(account, order) for order in live)
        return self.equity(account) - self.needs(account).initial - held

    def _hold(self, account: Account, order: Order) -> int:
        inst, fee = order.inst, self._fee_left(order)
        price, last = order.hold_price, self._last(order.inst)
        units = order.left * inst.multiplier
        if order.side == TrdSide.BUY:
            margin = self._rules.margin(inst, short=False).initial
            hold = units * price * margin // 100 + units * max(0, price - last) + fee
        elif order.side == TrdSide.SELL_SHORT:
            margin = self._rules.margin(inst, short=True).initial
            hold = units * max(price, last) * margin // 100 + units * max(0, last - price) + fee
        else:
            hold = self.cost(order) if order.side == TrdSide.SELL else fee
        return self._own(account, hold, self.currency_of(inst))

    def _room_for_contracts(self, account: Account, orders: list[Order]) -> int:
        room = self.equity(account)
        instruments = {o.inst.key: o.inst for o in orders}
        instruments |= {key: position.inst for key, position in account.positions.items()}
        for inst in instruments.values():
            mine = [order for order in orders if order.inst is inst]
            for order in mine:
                gap = order.hold_price - self._last(inst)
                worse = max(0, gap if order.buys else -gap)
                room -= self._fee_left(order) + order.left * worse * inst.multiplier
            room -= self._exposed(account, inst, mine) * self._rules.contract_margin(inst)[0]
        return room

    @staticmethod
    def _exposed(account: Account, inst: Instrument, orders: list[Order]) -> int:
        """The most contracts, long or short, that some of the orders could leave open."""
        held = account.held(inst)
        bought = sum(order.left for order in orders if order.buys)
        sold = sum(order.left for order in orders if not order.buys)
        return max(abs(held), held + bought, sold - held)

    # Checks.

    def check(self, account: Account, order: Order, instead_of: Order | None = None) -> None:
        """Raise RefusalError when the account cannot pay for an order that is not in it yet."""
        others = [one for one in account.live_orders() if one is not instead_of]
        short = self._short_by(account, order, others)
        if short > 0:
            raise RefusalError(
                f"not enough funds: {number(short):.2f} {self._paid_in(account, order).name} "
                "are missing for this order",
                NO_FUNDS,
            )

    def _short_by(self, account: Account, order: Order, others: list[Order]) -> int:
        """How much money is missing, 0 or less when there is enough."""
        if not account.margin:
            currency = self.currency_of(order.inst)
            frozen = self.frozen(account, [*others, order])[currency]
            return frozen - account.cash.get(currency, 0)
        if order.side in (TrdSide.SELL, TrdSide.BUY_BACK) and not account.futures:
            return 0
        room = self.room(account, [*others, order])
        if account.futures and room < 0 and not self._opens(account, order, others):
            return 0
        return -room

    def _opens(self, account: Account, order: Order, others: list[Order]) -> bool:
        mine = [one for one in others if one.inst is order.inst]
        before = self._exposed(account, order.inst, mine)
        return self._exposed(account, order.inst, [*mine, order]) > before

    def _paid_in(self, account: Account, order: Order) -> Currency:
        return account.currency if account.margin else self.currency_of(order.inst)

    # Quantities.

    def can_sell(
        self, account: Account, inst: Instrument, day: int, instead_of: Order | None = None
    ) -> int:
        """The quantity of a long holding that may be sold on a day and that no order sells yet."""
        position = account.positions.get(inst.key)
        if position is None or position.qty <= 0:
            return 0
        free = position.qty - self._left(account, inst, TrdSide.SELL, instead_of)
        if not self._rules.market(inst).same_day_sale:
            free -= position.on(day).bought
        return max(0, free)

    def can_buy_back(
        self, account: Account, inst: Instrument, instead_of: Order | None = None
    ) -> int:
        """The quantity of a short holding that no order buys back yet."""
        owed = -account.held(inst)
        return max(0, owed - self._left(account, inst, TrdSide.BUY_BACK, instead_of))

    def most(
        self,
        account: Account,
        probe: Callable[[int], Order],
        instead_of: Order | None,
        *,
        cash: bool,
    ) -> int:
        """The most lots that can be traded; ``probe`` makes the order for some lots.

        With ``cash`` it is what the account's own cash in the security's currency pays.
        """
        others = [one for one in account.live_orders() if one is not instead_of]

        def enough(lots: int) -> bool:
            order = probe(lots)
            if not cash:
                return self._short_by(account, order, others) <= 0
            currency = self.currency_of(order.inst)
            frozen = self.frozen(account, [*others, order])[currency]
            return frozen <= account.cash.get(currency, 0)

        if not enough(1):
            return 0
        low, high = 1, 2
        while high < _MOST_LOTS and enough(high):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if enough(middle) else (low, middle)
        return low

    def currency_of(self, inst: Instrument) -> Currency:
        """The currency that a security is paid in."""
        return self._rules.market(inst).currency

    @staticmethod
    def _left(account: Account, inst: Instrument, side: TrdSide, instead_of: Order | None) -> int:
        return sum(
            order.left
            for order in account.live_orders()
            if order.inst is inst and order.side == side and order is not instead_of
        )

    def _own(self, account: Account, amount: int, currency: Currency) -> int:
        return convert(amount, currency, account.currency, self._rules.rates)
