"""The trade contexts: their accounts, unlocking, money; orders are in :mod:`.orders`.

Accounts are asked for once per connection and then kept, so a call costs one round trip. They are
asked for again after a reconnect, after OpenD has refused a call, and when a call names an account
that is not among them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from futukit.errors import FutukitError, ServerError, UsageError
from futukit.futu._enums import (
    AssetCategory,
    Currency,
    SecurityFirm,
    TrdCategory,
    TrdEnv,
    TrdMarket,
)
from futukit.futu.accounts import Accounts, is_traded, market_of
from futukit.futu.arguments import as_enum, needed
from futukit.futu.config import logger
from futukit.futu.constants import Err
from futukit.futu.context import OpenContextBase
from futukit.futu.conversions import NOT_AVAILABLE
from futukit.futu.frames import frame
from futukit.futu.orders import OrderMethods
from futukit.futu.outcome import RET_OK, Outcome, answering

if TYPE_CHECKING:
    from futukit.messages.trd_common import Funds, TrdHeader

__all__ = [
    "OpenCryptoTradeContext",
    "OpenFutureTradeContext",
    "OpenSecTradeContext",
    "OpenTradeContextBase",
]

_ACCOUNT_CALLS: Final = range(2100, 3000)

# Beginnings of the columns about one currency: two spellings, the currency, its market.
_MONEY: Final = (
    ("hk", "hkd", Currency.HKD, TrdMarket.HK),
    ("us", "usd", Currency.USD, TrdMarket.US),
    ("cn", "cnh", Currency.CNH, TrdMarket.HKCC),
    ("jp", "jpy", Currency.JPY, TrdMarket.JP),
    ("sg", "sgd", Currency.SGD, TrdMarket.SG),
    ("au", "aud", Currency.AUD, TrdMarket.AU),
    ("ca", "cad", Currency.CAD, TrdMarket.CA),
    ("my", "myr", Currency.MYR, TrdMarket.MY),
)


class OpenTradeContextBase(OrderMethods, OpenContextBase):
    """One connection for the accounts of one market and one securities firm.

    On opening, and after every reconnect, it asks for its accounts (2001) and for their pushes
    (2008); what the program had unlocked is unlocked again (2005).

    Args:
        trd_mkt: Market whose accounts are meant (TrdMarket); NONE takes all.
        host: Where OpenD listens.
        port: On which port.
        is_encrypt: Whether to encrypt; None does as SysConfig says.
        security_firm: Broker of the real accounts (SecurityFirm); NONE takes that of the first
            real account that OpenD lists.
        trd_category: Kind of product (TrdCategory).
        need_general_sec_acc: Whether universal accounts are meant too.
        ai_type: Taken for the sake of programs that give it.

    Raises:
        ValueError: ``security_firm`` is no SecurityFirm; and what ``OpenContextBase`` raises.
    """

    def __init__(
        self,
        trd_mkt: str,
        host: str = "127.0.0.1",
        port: int = 11111,
        is_encrypt: bool | None = None,
        security_firm: str = SecurityFirm.FUTUSECURITIES,
        trd_category: str = TrdCategory.NONE,
        need_general_sec_acc: bool = False,
        ai_type: int = 0,
    ) -> None:
        if not SecurityFirm.if_has_key(security_firm):
            known = SecurityFirm.get_all_keys()
            raise UsageError(f"security_firm is one of {known}, not {security_firm!r}")
        self._category = needed("trd_category", as_enum("trd_category", trd_category, TrdCategory))
        self._category_word = trd_category
        self._general = bool(need_general_sec_acc)
        self._accounts = Accounts(trd_mkt, security_firm, trd_category, self._list_accounts)
        self._subscribed: tuple[int, ...] = ()
        self._password_md5: str | None = None
        super().__init__(host, port, is_encrypt=is_encrypt, ai_type=ai_type)

    # Accounts.

    @answering()
    def get_acc_list(self) -> Outcome:
        """The accounts of this context; always asks OpenD. (proto id 2001)

        Returns:
            ``(RET_OK, DataFrame)`` with a row for each account, or ``(RET_ERROR, text)``.
        """
        from futukit.futu import _tables

        self._list_accounts()
        return RET_OK, frame(_tables.accounts(self._accounts.own(), None))

    def is_futures_market_sim(self, trdMkt_list: Iterable[str]) -> bool:  # noqa: N803 - official
        """Whether accounts with these markets (TrdMarket) belong to this context's futures."""
        return self._accounts.takes_futures(trdMkt_list)

    def _list_accounts(self) -> None:
        """Ask for the accounts, and for the pushes of those that are new."""
        from futukit.messages import trd_get_acc_list

        c2s = trd_get_acc_list.C2S(
            user_id=0,  # the session's to fill in
            trd_category=_typed(self._category),
            need_general_sec_account=self._general,
        )
        self._accounts.keep(self._call(2001, trd_get_acc_list.Request(c2s=c2s)).acc_list)
        try:
            self._subscribe()
        except FutukitError as error:
            logger.warning("no pushes of orders and deals: %s", error)

    def _subscribe(self) -> None:
        from futukit.messages import trd_sub_acc_push

        acc_ids = tuple(account.acc_id for account in self._accounts.own())
        if acc_ids and acc_ids != self._subscribed:
            c2s = trd_sub_acc_push.C2S(acc_id_list=acc_ids)
            self._call(2008, trd_sub_acc_push.Request(c2s=c2s))
            self._subscribed = acc_ids

    def _trade_header(
        self,
        trd_env: Any = TrdEnv.REAL,
        acc_id: Any = 0,
        acc_index: Any = 0,
        code: Any = None,
        *,
        checked: bool = True,
    ) -> TrdHeader:
        from futukit.messages import trd_common

        if checked and not is_traded(self._accounts.market, trd_env):
            raise UsageError(f"market {self._accounts.market} has no trading in {trd_env!r}")
        account = self._accounts.choose(trd_env, acc_id, acc_index)
        market = account.trd_market_auth_list[0]
        if code is not None:
            market = _typed(market_of(code, trd_env, self._category_word))
        return trd_common.TrdHeader(
            trd_env=account.trd_env, acc_id=account.acc_id, trd_market=market
        )

    def _call(self, proto_id: int, request: Any) -> Any:
        try:
            return super()._call(proto_id, request)
        except ServerError:
            if proto_id in _ACCOUNT_CALLS:  # it may have been about the account
                self._accounts.forget()
            raise

    # Opening and unlocking.

    def close(self) -> None:
        """Close the connection, and forget what the program has unlocked with."""
        self._password_md5 = None
        super().close()

    def _on_ready(self) -> None:
        self._accounts.forget()
        self._subscribed = ()  # the client restores it too, but may have been refused
        try:
            self._list_accounts()
            if self._password_md5 is not None:
                self._send_unlock(True, self._password_md5)
        except FutukitError as error:
            logger.warning("the trade context is not ready for orders: %s", error)

    @answering()
    def unlock_trade(
        self,
        password: str | None = None,
        password_md5: str | None = None,
        is_unlock: bool = True,
    ) -> Outcome:
        """Unlock real trading, or lock it again, for all clients of this OpenD. (proto id 2005)

        Only the MD5 of the password is kept, to unlock again after a reconnect.

        Args:
            password: The trade password.
            password_md5: Its MD5 in hex, in place of it.
            is_unlock: False locks; needs no password.

        Returns:
            ``(RET_OK, None)``, or a note instead of None: OpenD's own, or that there is nothing
            to unlock; ``(RET_ERROR, text)``.
        """
        digest = ""
        if is_unlock:
            if not is_traded(self._accounts.market, TrdEnv.REAL):
                return RET_OK, Err.NoNeedUnlock.text
            digest = _digest(password, password_md5)
        if not any(_is_real(account) for account in self._accounts.own()):
            self._list_accounts()
            if not any(_is_real(account) for account in self._accounts.own()):
                raise UsageError("there is no real account: see the arguments of the context")
        note = self._send_unlock(bool(is_unlock), digest)
        self._password_md5 = digest if is_unlock else None
        return RET_OK, note

    def _send_unlock(self, unlock: bool, digest: str) -> str | None:
        """Returns OpenD's note, if it has one."""
        from futukit.messages import trd_unlock_trade

        firm = SecurityFirm._numbers[self._accounts.firm]
        c2s = trd_unlock_trade.C2S(unlock=unlock, pwd_md5=digest, security_firm=_typed(firm))
        response = self._respond(2005, trd_unlock_trade.Request(c2s=c2s))
        note: str | None = response.ret_msg
        return note or None

    # Money.

    @answering()
    def accinfo_query(
        self,
        trd_env: str = TrdEnv.REAL,
        acc_id: int = 0,
        acc_index: int = 0,
        refresh_cache: bool = False,
        currency: str = Currency.HKD,
        asset_category: str = AssetCategory.NONE,
    ) -> Outcome:
        """The money of an account, whole and by currency. (proto id 2101)

        Args:
            trd_env: Real or paper trading (TrdEnv).
            acc_id: Account id; 0 leaves the choice to acc_index.
            acc_index: Position among this environment's accounts, from 0.
            refresh_cache: Whether OpenD shall ask the server instead of its cache.
            currency: Currency of the amounts (Currency), for futures and universal accounts.
            asset_category: Country of the assets (AssetCategory), for Japanese accounts.

        Returns:
            ``(RET_OK, DataFrame)`` of one row, or ``(RET_ERROR, text)``.
        """
        from futukit.futu import _tables
        from futukit.messages import trd_get_funds

        c2s = trd_get_funds.C2S(
            header=self._trade_header(trd_env, acc_id, acc_index),
            refresh_cache=True if refresh_cache else None,
            currency=_typed(needed("currency", as_enum("currency", currency, Currency))),
            asset_category=_typed(as_enum("asset_category", asset_category, AssetCategory)),
        )
        answer = self._call(2101, trd_get_funds.Request(c2s=c2s))
        rows = () if answer.funds is None else (answer.funds,)
        columns = {
            **_tables.funds(rows, answer),
            **_money(rows),
            **_tables.funds_limits(rows, answer),
        }
        return RET_OK, frame(columns)


class OpenSecTradeContext(OpenTradeContextBase):
    """Accounts for stocks, funds, warrants and options.

    Args:
        filter_trdmarket: Market whose accounts are meant (TrdMarket); NONE takes all.
        host: Where OpenD listens.
        port: On which port.
        is_encrypt: Whether to encrypt; None does as SysConfig says.
        security_firm: Broker of the real accounts (SecurityFirm); NONE: that of the first one.
        ai_type: Taken for the sake of programs that give it.

    Raises:
        ValueError: ``security_firm`` is no SecurityFirm; and what ``OpenContextBase`` raises.
    """

    def __init__(
        self,
        filter_trdmarket: str = TrdMarket.HK,
        host: str = "127.0.0.1",
        port: int = 11111,
        is_encrypt: bool | None = None,
        security_firm: str = SecurityFirm.NONE,
        ai_type: int = 0,
    ) -> None:
        super().__init__(
            filter_trdmarket,
            host,
            port,
            is_encrypt=is_encrypt,
            security_firm=security_firm,
            trd_category=TrdCategory.SECURITY,
            need_general_sec_acc=True,
            ai_type=ai_type,
        )


class OpenFutureTradeContext(OpenTradeContextBase):
    """Accounts for futures and options on them; arguments as those of OpenSecTradeContext."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 11111,
        is_encrypt: bool | None = None,
        security_firm: str = SecurityFirm.NONE,
        ai_type: int = 0,
    ) -> None:
        super().__init__(
            TrdMarket.FUTURES,
            host,
            port,
            is_encrypt=is_encrypt,
            security_firm=security_firm,
            trd_category=TrdCategory.FUTURE,
            ai_type=ai_type,
        )


class OpenCryptoTradeContext(OpenTradeContextBase):
    """Accounts for crypto currencies; arguments as those of OpenSecTradeContext."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 11111,
        is_encrypt: bool | None = None,
        security_firm: str = SecurityFirm.FUTUSECURITIES,
        ai_type: int = 0,
    ) -> None:
        super().__init__(
            TrdMarket.CRYPTO,
            host,
            port,
            is_encrypt=is_encrypt,
            security_firm=security_firm,
            trd_category=TrdCategory.CRYPTO,
            need_general_sec_acc=True,
            ai_type=ai_type,
        )


def _typed(number: Any) -> Any:
    """An enum's number for a field that is typed with the enum's class."""
    return number


def _is_real(account: Any) -> bool:
    return bool(account.trd_env == TrdEnv._numbers[TrdEnv.REAL])


def _digest(password: Any, password_md5: Any) -> str:
    import hashlib

    if password_md5:
        return str(password_md5)
    if password is None:
        raise UsageError("unlocking needs password or password_md5")
    try:
        plain = str(password).encode("utf-8")
    except UnicodeEncodeError:
        # Without the error itself, which holds the password.
        raise UsageError("password holds characters that cannot be written") from None
    return hashlib.md5(plain, usedforsecurity=False).hexdigest()


def _money(rows: tuple[Funds, ...]) -> dict[str, list[Any]]:
    """The columns about single currencies; the last of several entries for one counts."""
    columns: dict[str, list[Any]] = {}
    for short, long, currency, market in _MONEY:
        cash = [_last(row.cash_info_list, "currency", Currency._numbers[currency]) for row in rows]
        assets = [
            _last(row.market_info_list, "trd_market", TrdMarket._numbers[market]) for row in rows
        ]
        columns[f"{short}_cash"] = [_amount(each, "cash", 0.0) for each in cash]
        columns[f"{short}_avl_withdrawal_cash"] = [
            _amount(each, "available_balance", 0.0) for each in cash
        ]
        columns[f"{long}_net_cash_power"] = [_amount(each, "net_cash_power") for each in cash]
        columns[f"{long}_assets"] = [_amount(each, "assets") for each in assets]
    return columns


def _last(entries: Any, field: str, number: int) -> Any:
    return next((each for each in reversed(entries) if getattr(each, field) == number), None)


def _amount(entry: Any, field: str, absent: Any = NOT_AVAILABLE) -> Any:
    """An amount of an entry that may not be there, "N/A" then."""
    if entry is None:
        return NOT_AVAILABLE
    value = getattr(entry, field)
    return absent if value is None else value
