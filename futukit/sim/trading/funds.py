"""What an account is worth and what it can spend, as 2101 tells it."""

from __future__ import annotations

from typing import Any, Final

from futukit.messages.trd_common import (
    AccCashInfo,
    AccMarketInfo,
    CltRiskLevel,
    CltRiskStatus,
    Currency,
    DTStatus,
    Funds,
    SecurityFirm,
)
from futukit.sim.trading.accounts import Account
from futukit.sim.trading.exchange import Exchange
from futukit.sim.trading.margins import Margins, Needs
from futukit.sim.trading.money import convert, number
from futukit.sim.trading.rules import TRD_MARKETS, Rules, segment_of

__all__ = ["FundsView"]

_RISKIEST: Final = 9
_DAY_TRADES: Final = "3"


class FundsView:
    """Makes the funds of accounts; amounts are converted at the rates of ``rules.toml``."""

    def __init__(self, exchange: Exchange, rules: Rules, margins: Margins) -> None:
        self._exchange = exchange
        self._rules = rules
        self._margins = margins

    def funds(self, account: Account, wanted: Currency | None) -> Funds:
        """The funds in a currency; accounts with one currency always tell them in their own."""
        currency = account.currency
        if account.universal and wanted in self._rules.rates:
            currency = wanted or currency
        if account.futures:
            return self._of_futures(account)
        return _Securities(self, account, currency).funds()

    def converted(self, amount: int, source: Currency, target: Currency) -> int:
        """Money of one currency in another."""
        return convert(amount, source, target, self._rules.rates)

    def cash_rows(self, account: Account) -> tuple[AccCashInfo, ...]:
        """Cash by currency."""
        return tuple(
            AccCashInfo(
                currency=currency,
                cash=number(amount),
                available_balance=number(max(0, self._margins.free_cash(account, currency))),
                net_cash_power=number(max(0, self._margins.free_cash(account, currency))),
            )
            for currency, amount in account.cash.items()
        )

    def _of_futures(self, account: Account) -> Funds:
        margins, needs = self._margins, self._margins.needs(account)
        equity, room = margins.equity(account), margins.room(account)
        cash = account.cash[account.currency]
        holdings = account.positions.values()
        return Funds(
            power=number(max(0, room)),
            total_assets=number(equity),
            cash=number(cash),
            market_val=0.0,
            frozen_cash=number(equity - needs.initial - room),
            debt_cash=number(max(0, -cash)),
            avl_withdrawal_cash=number(max(0, min(room, cash))),
            currency=account.currency,
            available_funds=number(room),
            unrealized_pl=number(equity - cash),
            realized_pl=number(sum(position.realized for position in holdings)),
            risk_level=_level(equity, needs),
            initial_margin=number(needs.initial),
            maintenance_margin=number(needs.maintenance),
            margin_call_margin=number(needs.margin_call),
            cash_info_list=self.cash_rows(account),
        )

    def margins_of(self, account: Account) -> tuple[int, int, Needs]:
        """(equity, room for new holdings, margins needed), in the account's own currency."""
        margins = self._margins
        return margins.equity(account), margins.room(account), margins.needs(account)

    def free(self, account: Account, target: Currency) -> int:
        """Cash that no order has set aside, all currencies together."""
        free = (
            self.converted(self._margins.free_cash(account, one), one, target)
            for one in account.cash
        )
        return sum(free)

    def frozen(self, account: Account, target: Currency) -> int:
        """Cash set aside for orders, all currencies together."""
        rows = self._margins.frozen(account).items()
        return sum(self.converted(amount, one, target) for one, amount in rows)

    def held(self, account: Account, target: Currency) -> list[tuple[str, int]]:
        """(segment of the market, value) of every holding."""
        return [
            (
                segment_of(position.inst),
                self.converted(
                    position.value(self._exchange.last(position.inst)),
                    self._margins.currency_of(position.inst),
                    target,
                ),
            )
            for position in account.positions.values()
        ]

    def lever(self, account: Account, amount: int, *, short: bool) -> int:
        """The largest value that an amount of margin can carry."""
        least = self._rules.least_margin(account.segments, short=short)
        return 0 if least is None else amount * 100 // least

    def local_currency(self, segment: str) -> Currency:
        """The currency of a segment of the market."""
        return self._rules.segment(segment).currency


class _Securities:
    """The funds of one securities account in one currency."""

    def __init__(self, view: FundsView, account: Account, currency: Currency) -> None:
        self._view = view
        self._account = account
        self._currency = currency

    def _own(self, amount: int) -> int:
        """An amount of the account's own currency in the one asked for."""
        return self._view.converted(amount, self._account.currency, self._currency)

    def funds(self) -> Funds:
        view, account, currency = self._view, self._account, self._currency
        _, room, needs = view.margins_of(account)
        cash = [view.converted(amount, one, currency) for one, amount in account.cash.items()]
        held = [value for _, value in view.held(account, currency)]
        total, free = sum(cash) + sum(held), view.free(account, currency)
        power = self._power(room, free)
        least = min(free, self._own(room)) if account.margin else free
        margin = Needs(*map(self._own, needs)) if account.margin else Needs(0, 0, 0)
        return Funds(
            power=number(power),
            total_assets=number(total),
            cash=number(sum(cash)),
            market_val=number(sum(held)),
            frozen_cash=number(view.frozen(account, currency)),
            debt_cash=number(sum(max(0, -amount) for amount in cash)),
            avl_withdrawal_cash=number(max(0, least)),
            currency=currency,
            initial_margin=number(margin.initial),
            maintenance_margin=number(margin.maintenance),
            margin_call_margin=number(margin.margin_call),
            cash_info_list=view.cash_rows(account),
            max_power_short=number(self._short_power(room)),
            net_cash_power=number(max(0, free)),
            long_mv=number(sum(max(0, value) for value in held)),
            short_mv=number(sum(min(0, value) for value in held)),
            pending_asset=0.0,
            max_withdrawal=number(max(0, self._own(room) if account.margin else free)),
            risk_status=_status(total, margin),
            securities_assets=number(total),
            fund_assets=0.0,
            bond_assets=0.0,
            market_info_list=self._markets(),
            **self._day_trading(power),
        )

    def _power(self, room: int, free: int) -> int:
        if not self._account.margin:
            return max(0, free)
        return self._own(self._view.lever(self._account, max(0, room), short=False))

    def _short_power(self, room: int) -> int:
        if not self._account.margin:
            return 0
        return self._own(self._view.lever(self._account, max(0, room), short=True))

    def _markets(self) -> tuple[AccMarketInfo, ...]:
        """What is held on each market, with the cash in its currency, in that currency."""
        rows = []
        for market in self._account.markets:
            segment = TRD_MARKETS[market]
            local = self._view.local_currency(segment)
            held = sum(v for name, v in self._view.held(self._account, local) if name == segment)
            cash = self._account.cash.get(local, 0)
            rows.append(AccMarketInfo(trd_market=market, assets=number(held + cash)))
        return tuple(rows)

    def _day_trading(self, power: int) -> dict[str, Any]:
        if self._account.firm != SecurityFirm.FUTU_INC:
            return {}
        return {
            "is_pdt": False,
            "pdt_seq": _DAY_TRADES,
            "beginning_dtbp": number(power),
            "remaining_dtbp": number(power),
            "dt_call_amount": 0.0,
            "dt_status": DTStatus.UNLIMITED,
        }


def _status(equity: int, needs: Needs) -> CltRiskStatus:
    """Level 1 without margin, 2 to 8 as equity nears the maintenance margin, 9 below it."""
    if not needs.initial:
        return CltRiskStatus.LEVEL_1
    if equity < needs.maintenance:
        return CltRiskStatus.LEVEL_9
    used = needs.maintenance * (_RISKIEST - 2) // max(1, equity)
    return CltRiskStatus(2 + min(used, _RISKIEST - 3))


def _level(equity: int, needs: Needs) -> CltRiskLevel:
    if not needs.initial:
        return CltRiskLevel.ABSOLUTE_SAFE
    if equity >= needs.initial:
        return CltRiskLevel.SAFE
    return CltRiskLevel.WARNING if equity >= needs.maintenance else CltRiskLevel.DANGER
