"""The accounts of a trade context: which of OpenD's are its own, and which one a call means.

OpenD lists all accounts of its user (proto id 2001). A context takes those of its market and its
securities firm, keeps them, and answers from memory which account a call is about.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from futukit.errors import UsageError
from futukit.futu._enums import Market, SecurityFirm, TrdCategory, TrdEnv, TrdMarket
from futukit.futu.arguments import as_security, needed
from futukit.futu.constants import MKT_ENV_ENABLE_MAP, get_string_by_securityFirm

if TYPE_CHECKING:
    from futukit.messages.trd_common import TrdAcc

__all__ = ["Accounts", "is_traded", "market_of"]

Rows: TypeAlias = "tuple[TrdAcc, ...]"

_UNNAMED: Final = SecurityFirm.NONE

# What futures contexts take beside TrdMarket.FUTURES.
_FUTURES: Final = frozenset(
    {
        TrdMarket.FUTURES_SIMULATE_HK,
        TrdMarket.FUTURES_SIMULATE_US,
        TrdMarket.FUTURES_SIMULATE_JP,
        TrdMarket.FUTURES_SIMULATE_SG,
        TrdMarket.PREDICTION,
    }
)

# Markets of real accounts that the official map of markets and environments leaves out.
_REAL_ONLY: Final = frozenset({TrdMarket.AU, TrdMarket.SGFUND, TrdMarket.MYFUND, TrdMarket.JPFUND})

# Prefix of a security → the account's market, for paper trading of futures and for securities.
_FUTURES_ON_PAPER: Final = {
    Market.HK: TrdMarket.FUTURES_SIMULATE_HK,
    Market.US: TrdMarket.FUTURES_SIMULATE_US,
    Market.JP: TrdMarket.FUTURES_SIMULATE_JP,
    Market.SG: TrdMarket.FUTURES_SIMULATE_SG,
}
_SECURITIES: Final = {
    Market.HK: TrdMarket.HK,
    Market.US: TrdMarket.US,
    Market.SH: TrdMarket.HKCC,
    Market.SZ: TrdMarket.HKCC,
    Market.AU: TrdMarket.AU,
    Market.SG: TrdMarket.SG,
    Market.JP: TrdMarket.JP,
    Market.MY: TrdMarket.MY,
    Market.CA: TrdMarket.CA,
    Market.CC: TrdMarket.CRYPTO,
}


def is_traded(market: str, environment: object) -> bool:
    """Whether a trading market (TrdMarket) exists in an environment (TrdEnv)."""
    extra = market in _REAL_ONLY and environment == TrdEnv.REAL
    return isinstance(environment, str) and MKT_ENV_ENABLE_MAP.get((market, environment), extra)


def market_of(code: Any, environment: str, category: str) -> int:
    """The number of the account's market (Trd_Common.TrdMarket) that trades a security.

    Args:
        code: ``"HK.00700"``, or a list of such texts or of objects with a ``code``, of which
            the first decides.
        environment: A word of TrdEnv.
        category: What the context trades, a word of TrdCategory.

    Raises:
        UsageError: Not a security, or none at all.
    """
    if not isinstance(code, str) and isinstance(code, Iterable):
        code = next(iter(code), None)
    security = needed("code", as_security("code", getattr(code, "code", code)))
    prefix = Market._words.get(security.market, Market.NONE)
    if category == TrdCategory.FUTURE:
        if environment == TrdEnv.REAL:
            word = TrdMarket.PREDICTION if prefix == Market.EC else TrdMarket.FUTURES
        else:
            word = _FUTURES_ON_PAPER.get(prefix, TrdMarket.NONE)
    else:
        word = _SECURITIES.get(prefix, TrdMarket.NONE)
        if word == TrdMarket.HKCC and environment == TrdEnv.SIMULATE:
            word = TrdMarket.CN
    return TrdMarket._numbers[word]


class Accounts:
    """The accounts of one context, as OpenD listed them last.

    Args:
        market: The context's market, a word of TrdMarket; NONE takes all.
        firm: Its securities firm, a word of SecurityFirm; NONE is settled by the first real
            account that OpenD lists.
        category: What it trades, a word of TrdCategory.
        fetch: Asks OpenD for the accounts and hands them to ``keep``.
    """

    def __init__(self, market: str, firm: str, category: str, fetch: Callable[[], object]) -> None:
        self.market = market
        self.firm = firm
        self._category = category
        self._fetch = fetch
        self._own: Rows | None = None

    def keep(self, rows: Iterable[TrdAcc]) -> None:
        """Take what OpenD listed in place of what it listed before."""
        taken = tuple(rows)
        if self.firm == _UNNAMED:
            self.firm = next(self._real_firms(taken), _UNNAMED)
        self._own = tuple(account for account in taken if self._is_own(account))

    def forget(self) -> None:
        """What is known may be out of date: ask again before the next call."""
        self._own = None

    def own(self) -> Rows:
        """The accounts of this context, in OpenD's order; asks OpenD if they are not known."""
        own = self._own
        if own is None:
            self._fetch()
            own = self._own or ()
        return own

    def choose(self, environment: Any, acc_id: Any, acc_index: Any) -> TrdAcc:
        """The account that a call means; asks OpenD if it is none of those known.

        Args:
            environment: A word of TrdEnv.
            acc_id: The account's number; 0 leaves the choice to ``acc_index``.
            acc_index: Position among the accounts of this environment, from 0.

        Raises:
            UsageError: There is no such account, or it may trade nowhere.
        """
        number = TrdEnv._numbers.get(environment) if isinstance(environment, str) else None
        if number is None:
            raise UsageError(f"trd_env is one of {TrdEnv.get_all_keys()}, not {environment!r}")
        if self._category == TrdCategory.SECURITY and self.market == TrdMarket.FUTURES:
            raise UsageError("futures accounts need an OpenFutureTradeContext")
        wanted, index = _whole("acc_id", acc_id), _whole("acc_index", acc_index)
        known = self._own is not None
        try:
            return self._pick(number, wanted, index)
        except UsageError:
            if not known:
                raise
            self.forget()
            return self._pick(number, wanted, index)

    def takes_futures(self, markets: Iterable[object]) -> bool:
        """Whether these (words of TrdMarket) are of futures, and the context is for them."""
        return self.market == TrdMarket.FUTURES and not _FUTURES.isdisjoint(markets)

    def _pick(self, environment: int, acc_id: int, index: int) -> TrdAcc:
        accounts = [each for each in self.own() if each.trd_env == environment]
        if acc_id:
            accounts, index = [each for each in accounts if each.acc_id == acc_id], 0
        if not 0 <= index < len(accounts):
            raise UsageError(self._missing(environment, acc_id, index, accounts))
        if not accounts[index].trd_market_auth_list:
            raise UsageError(f"account {accounts[index].acc_id} may trade in no market")
        return accounts[index]

    def _missing(
        self, environment: int, acc_id: int, index: int, accounts: Sequence[TrdAcc]
    ) -> str:
        kind = TrdEnv._words[environment]
        if accounts:
            return f"acc_index {index} is none of the {len(accounts)} {kind} accounts"
        market = "any market" if self.market == TrdMarket.NONE else f"market {self.market}"
        firm = "" if self.firm == _UNNAMED else f" at {get_string_by_securityFirm(self.firm)}"
        number = f" with acc_id {acc_id}" if acc_id else ""
        return (
            f"there is no {kind} account{number} for {market}{firm}: "
            "see filter_trdmarket and security_firm of the context"
        )

    def _is_own(self, account: TrdAcc) -> bool:
        markets = {TrdMarket._words.get(each) for each in account.trd_market_auth_list}
        named = self.market == TrdMarket.NONE or self.market in markets
        if not named and not self.takes_futures(markets):
            return False
        if account.trd_env == TrdEnv._numbers[TrdEnv.SIMULATE]:
            return True
        firm = _firm(account)
        return _UNNAMED in (firm, self.firm) or firm == self.firm

    def _real_firms(self, rows: Iterable[TrdAcc]) -> Iterator[str]:
        for account in rows:
            firm, real = _firm(account), account.trd_env == TrdEnv._numbers[TrdEnv.REAL]
            if real and firm != _UNNAMED and self._is_own(account):
                yield firm


def _firm(account: TrdAcc) -> str:
    return SecurityFirm._words.get(account.security_firm or 0, _UNNAMED)


def _whole(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise UsageError(f"{name} is a whole number, not {value!r}") from None
