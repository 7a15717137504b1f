"""What an order must be before it exists: its security, quantity, price and type are checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Final

from futukit.errors import UsageError
from futukit.messages.common import Session
from futukit.messages.trd_common import (
    OrderType,
    TimeInForce,
    TrailType,
    TrdMarket,
    TrdSecMarket,
    TrdSide,
)
from futukit.sim.market import Instrument, Market
from futukit.sim.market.calendar import parse_when
from futukit.sim.refusal import (
    BAD_PARAMETER,
    BAD_PRICE,
    BAD_QUANTITY,
    MARKET_CLOSED,
    NO_POSITION,
    NOT_SIMULATED,
    UNKNOWN_SECURITY,
    WRONG_ACCOUNT,
    RefusalError,
)
from futukit.sim.trading.accounts import Account
from futukit.sim.trading.exchange import Exchange
from futukit.sim.trading.margins import Margins
from futukit.sim.trading.money import number, price_units
from futukit.sim.trading.orders import (
    TRIGGERED,
    Kind,
    Order,
    Trigger,
    is_trailing,
    kind_of,
    trigger_of,
)
from futukit.sim.trading.rules import FUTURES, SEC_MARKETS, TRD_MARKETS, Rules, segment_of

__all__ = ["REMARK_BYTES", "Admission", "Terms"]

REMARK_BYTES: Final = 64
_PREFIXES: Final = {"HK": ("HK",), "US": ("US",), "CN": ("SH", "SZ"), FUTURES: ("HK",)}
_FINEST_RATIO: Final = 100
"""Steps of one percent in a trailing ratio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a client asks an order to be; the fields are those of Trd_PlaceOrder.C2S (2202).

    ``price`` and ``aux_price`` are in the security's currency, ``adjust`` is
    ``adjustSideAndLimit`` where ``adjustPrice`` is set.
    """

    trd_market: TrdMarket
    side: TrdSide
    order_type: OrderType
    code: str
    qty: float
    price: float | None = None
    adjust: float | None = None
    sec_market: TrdSecMarket | None = None
    remark: str | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    outside_hours: bool = False
    session: Session | None = None
    aux_price: float | None = None
    trail_type: TrailType | None = None
    trail_value: float | None = None
    trail_spread: float | None = None
    expire_time: str | None = None


class Admission:
    """Makes orders out of terms, or refuses them with a reason."""

    def __init__(self, market: Market, exchange: Exchange, rules: Rules, margins: Margins) -> None:
        self._market = market
        self._exchange = exchange
        self._rules = rules
        self._margins = margins

    def order(self, account: Account, terms: Terms, order_id: int, order_id_ex: str) -> Order:
        """The order that the terms describe. Raises RefusalError where they cannot be met."""
        kind = kind_of(terms.order_type)
        if kind is None:
            raise RefusalError(f"orderType {terms.order_type.name} is not simulated", NOT_SIMULATED)
        if not terms.time_in_force.listed:
            raise RefusalError(f"timeInForce {int(terms.time_in_force)} is none")
        inst = self.instrument(account, terms.code, terms.sec_market, terms.trd_market)
        qty = self.quantity(inst, terms.qty)
        buys = self._buys(terms.side)
        priced = kind is not Kind.MARKET and terms.order_type != OrderType.TRAILING_STOP_LIMIT
        order = Order(
            order_id=order_id,
            order_id_ex=order_id_ex,
            inst=inst,
            side=self.side(account, inst, qty, buys=buys),
            order_type=terms.order_type,
            qty=qty,
            price=self.price(inst, terms.price, terms.adjust) if priced else 0,
            created=self._exchange.now,
            updated=self._exchange.now,
            time_in_force=terms.time_in_force,
            session=self._session(inst, terms),
            outside_hours=terms.outside_hours,
            remark=self._remark(terms.remark),
        )
        self._expire(order, terms)
        self.arm(order, terms)
        self._check_session(order)
        return order

    # The security.

    def instrument(
        self,
        account: Account,
        code: str,
        sec_market: TrdSecMarket | None,
        trd_market: TrdMarket,
    ) -> Instrument:
        """The security of a code, that the account may trade on this market."""
        segment = TRD_MARKETS.get(trd_market)
        if segment is None:
            raise RefusalError(
                f"nothing is simulated on trdMarket {trd_market.name}", NOT_SIMULATED
            )
        inst = self._tradable(self._find(segment, code, sec_market))
        if segment_of(inst) != segment or account.market_of(inst) != trd_market:
            raise RefusalError(
                f"{inst.key} is not traded on trdMarket {trd_market.name}", WRONG_ACCOUNT
            )
        if not account.trades_kind(inst):
            raise RefusalError(f"this paper account does not trade {inst.kind}s", WRONG_ACCOUNT)
        return inst

    def _find(self, segment: str, code: str, sec_market: TrdSecMarket | None) -> Instrument:
        keys = [f"{prefix}.{code.strip()}" for prefix in _PREFIXES[segment]]
        found = [self._market.instrument(key) for key in keys if key in self._market]
        if sec_market:
            found = [one for one in found if SEC_MARKETS[one.market] == sec_market]
        if not found:
            where = f" of secMarket {int(sec_market)}" if sec_market else ""
            raise RefusalError(f"unknown security {keys[0]}{where}", UNKNOWN_SECURITY)
        if len(found) > 1:
            # Of an index and a stock with one code, the stock is meant.
            found = [one for one in found if one.has_book] or found
        if len(found) > 1:
            raise RefusalError(f"{code} is listed twice: secMarket is needed", UNKNOWN_SECURITY)
        return found[0]

    def _tradable(self, inst: Instrument) -> Instrument:
        if inst.derivative is not None and inst.derivative.origin:
            # The main future stands for the contract that it follows.
            inst = self._market.instrument(inst.derivative.origin)
        if not inst.has_book:
            raise RefusalError(f"{inst.key} is an index or a plate: it cannot be traded")
        if self._exchange.expired(inst):
            raise RefusalError(
                f"{inst.key} expired on {self._exchange.expiry(inst)}", MARKET_CLOSED
            )
        return inst

    # Quantity and side.

    def quantity(self, inst: Instrument, asked: float) -> int:
        """A quantity in whole lots; decimals are cut off."""
        most = self._rules.market(inst).most
        if not isfinite(asked) or not 1 <= asked <= most:
            raise RefusalError(f"qty is 1 to {most} for {inst.key}, not {asked:.15g}", BAD_QUANTITY)
        if int(asked) % inst.unit:
            raise RefusalError(
                f"qty {int(asked)} is not in whole lots of {inst.unit} ({inst.key})", BAD_QUANTITY
            )
        return int(asked)

    @staticmethod
    def _buys(side: TrdSide) -> bool:
        if side not in (TrdSide.BUY, TrdSide.SELL):
            raise RefusalError(f"trdSide is BUY or SELL, not {side.name}")
        return side == TrdSide.BUY

    def side(
        self,
        account: Account,
        inst: Instrument,
        qty: int,
        *,
        buys: bool,
        instead_of: Order | None = None,
    ) -> TrdSide:
        """Whether an order opens or closes. Raises RefusalError for what may not be sold."""
        held = account.held(inst)
        if account.futures or (buys and held >= 0):
            return TrdSide.BUY if buys else TrdSide.SELL
        if buys:
            owed = self._margins.can_buy_back(account, inst, instead_of)
            if qty > owed:
                raise RefusalError(
                    f"{inst.key} is held short: {owed} can be bought back before buying more",
                    NO_POSITION,
                )
            return TrdSide.BUY_BACK
        free = self._margins.can_sell(account, inst, self._exchange.day(inst), instead_of)
        if qty <= free:
            return TrdSide.SELL
        lends = account.margin and self._rules.lends(inst, short=True)
        if held > 0 or not lends:
            raise RefusalError(f"no position: {free} of {inst.key} can be sold", NO_POSITION)
        return TrdSide.SELL_SHORT

    # Prices.

    def price(self, inst: Instrument, asked: float | None, adjust: float | None) -> int:
        """A limit price on the price steps and in bounds, in price units.

        ``adjust`` moves it to a step: by its sign up or down, by at most that part of it.
        """
        if asked is None:
            raise RefusalError("price is needed for this orderType", BAD_PRICE)
        price = self.step(inst, asked, adjust)
        rules = self._rules.market(inst)
        last, close = self._exchange.last(inst), self._exchange.last_close(inst)
        low, high = rules.price_bounds(inst.key, last, close)
        if not low <= price <= high:
            raise RefusalError(
                f"price {number(price):.15g} is out of bounds for {inst.key}: "
                f"{number(low):.15g} to {number(high):.15g}",
                BAD_PRICE,
            )
        return price

    def step(self, inst: Instrument, asked: float, adjust: float | None = None) -> int:
        """A price on the price steps. Raises RefusalError for one that is not."""
        price = price_units(asked)
        if price is None or price <= 0:
            raise RefusalError(f"price is a number above 0, not {asked:.15g}", BAD_PRICE)
        if inst.grid.holds(price):
            return price
        wide = inst.grid.step_at(price)
        if not adjust or not isfinite(adjust):
            raise RefusalError(
                f"price {asked:.15g} is not on the price steps of {inst.key}: "
                f"{number(wide):.15g} here",
                BAD_PRICE,
            )
        below = inst.grid.number(price)
        moved = inst.grid.price(below + 1 if adjust > 0 else below)
        if abs(moved - price) > abs(adjust) * price or moved <= 0:
            raise RefusalError(
                f"price {asked:.15g} cannot be moved to a price step within {adjust:.15g}",
                BAD_PRICE,
            )
        return moved

    # Triggers.

    def arm(self, order: Order, terms: Terms) -> None:
        """Set what an order waits for before it goes to the exchange, if its type waits."""
        if order.order_type not in TRIGGERED:
            return
        trail = 0
        if is_trailing(order.order_type):
            trail = self._trail(order, terms)
        elif terms.aux_price is None:
            raise RefusalError("auxPrice is needed for this orderType", BAD_PRICE)
        else:
            order.aux_price = self.step(order.inst, terms.aux_price, terms.adjust)
        order.trigger = self._trigger(order, trail)

    def _trigger(self, order: Order, trail: int) -> Trigger:
        return trigger_of(
            order.order_type,
            buys=order.buys,
            last=self._exchange.last(order.inst),
            aux=order.aux_price or 0,
            trail=trail,
            by_ratio=order.trail_type == TrailType.RATIO,
        )

    def _trail(self, order: Order, terms: Terms) -> int:
        kind, value = terms.trail_type, terms.trail_value
        if kind not in (TrailType.RATIO, TrailType.AMOUNT) or value is None:
            raise RefusalError("trailType and trailValue are needed for this orderType", BAD_PRICE)
        by_ratio = kind == TrailType.RATIO
        most = 99.0 if by_ratio else number(self._exchange.last(order.inst))
        if not isfinite(value) or not 0 < value < most:
            raise RefusalError(
                f"trailValue is above 0 and below {most:.15g}, not {value:.15g}", BAD_PRICE
            )
        order.trail_type, order.trail_value = kind, value
        if order.order_type == OrderType.TRAILING_STOP_LIMIT:
            spread = price_units(terms.trail_spread) if terms.trail_spread is not None else None
            if spread is None or spread < 0:
                raise RefusalError("trailSpread is needed, a number from 0 on", BAD_PRICE)
            order.trail_spread = spread
        trail = int(value * _FINEST_RATIO) if by_ratio else price_units(value)
        if not trail:
            raise RefusalError(f"trailValue {value:.15g} is too small", BAD_PRICE)
        return trail

    # When.

    @staticmethod
    def _session(inst: Instrument, terms: Terms) -> Session:
        if segment_of(inst) != "US":
            return Session.RTH
        if terms.session:
            if not terms.session.listed:
                raise RefusalError(f"session {int(terms.session)} is none")
            return terms.session
        return Session.ETH if terms.outside_hours else Session.RTH

    def _expire(self, order: Order, terms: Terms) -> None:
        if terms.time_in_force != TimeInForce.GTD:
            return
        calendar = self._exchange.calendar(order.inst)
        try:
            text = parse_when(terms.expire_time or "", end=True)
        except UsageError as error:
            raise RefusalError(str(error)) from error
        if not terms.expire_time:
            raise RefusalError("expireTime is needed for an order that is good till a date")
        local = datetime.fromisoformat(text).replace(tzinfo=calendar.zone)
        if local.timestamp() <= self._exchange.now:
            raise RefusalError(f"expireTime {text} is over", BAD_PARAMETER)
        order.expires, order.expire_time = local.timestamp(), text

    def _check_session(self, order: Order) -> None:
        """Refuse what can neither trade now nor wait."""
        if self._exchange.open_to(order):
            return
        waits = order.trigger is not None or order.kind is Kind.LIMIT
        if waits and self._exchange.may_wait(order):
            return
        state = self._exchange.state(order.inst).name
        raise RefusalError(f"the market of {order.inst.key} is closed ({state})", MARKET_CLOSED)

    @staticmethod
    def _remark(remark: str | None) -> str | None:
        if remark is not None and len(remark.encode()) > REMARK_BYTES:
            raise RefusalError(f"remark has at most {REMARK_BYTES} bytes")
        return remark
