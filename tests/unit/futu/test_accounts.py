"""Which accounts are a context's own, and which one a call means."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from futukit.enums import SecurityFirm, TrdEnv, TrdMarket
from futukit.errors import UsageError
from futukit.futu.accounts import Accounts, is_traded, market_of
from futukit.messages.trd_common import TrdAcc

_IDS = itertools.count(1)


def account(
    environment: TrdEnv, *markets: TrdMarket, firm: SecurityFirm | None = None, acc_id: int = 0
) -> TrdAcc:
    return TrdAcc(
        trd_env=environment,
        acc_id=acc_id or next(_IDS),
        trd_market_auth_list=markets,
        security_firm=firm,
    )


def real(*markets: TrdMarket, firm: SecurityFirm | None = None, acc_id: int = 0) -> TrdAcc:
    return account(TrdEnv.REAL, *markets, firm=firm, acc_id=acc_id)


def paper(*markets: TrdMarket, acc_id: int = 0) -> TrdAcc:
    return account(TrdEnv.SIMULATE, *markets, acc_id=acc_id)


class Listing:
    """Accounts of a context whose OpenD lists ``rows``; ``asked`` counts how often."""

    def __init__(
        self,
        *rows: TrdAcc,
        market: str = "HK",
        firm: str = "FUTUSECURITIES",
        category: str = "SECURITY",
    ) -> None:
        self.rows = rows
        self.asked = 0
        self.accounts = Accounts(market, firm, category, self._fetch)

    def _fetch(self) -> None:
        self.asked += 1
        self.accounts.keep(self.rows)

    def own(self) -> list[int]:
        return [each.acc_id for each in self.accounts.own()]

    def choose(self, environment: Any = "REAL", acc_id: Any = 0, acc_index: Any = 0) -> int:
        return self.accounts.choose(environment, acc_id, acc_index).acc_id


HK, US, FUTURES = TrdMarket.HK, TrdMarket.US, TrdMarket.FUTURES
FUTU, INC = SecurityFirm.FUTU_SECURITIES, SecurityFirm.FUTU_INC


def test_accounts_of_other_markets_are_not_taken() -> None:
    rows = (real(HK, US, acc_id=1), real(US, acc_id=2), paper(HK, acc_id=3))
    assert Listing(*rows).own() == [1, 3]
    assert Listing(*rows, market="US").own() == [1, 2]
    assert Listing(*rows, market="N/A").own() == [1, 2, 3]


def test_real_accounts_of_other_firms_are_not_taken() -> None:
    rows = (real(HK, firm=INC, acc_id=1), real(HK, firm=FUTU, acc_id=2), paper(HK, acc_id=3))
    assert Listing(*rows).own() == [2, 3]
    assert Listing(*rows, firm="FUTUINC").own() == [1, 3]


def test_accounts_without_a_firm_are_taken() -> None:
    assert Listing(real(HK, acc_id=1)).own() == [1]


def test_the_first_real_account_settles_the_firm_if_none_was_named() -> None:
    rows = (
        paper(HK, acc_id=1),
        real(US, firm=FUTU, acc_id=2),
        real(HK, firm=INC, acc_id=3),
        real(HK, firm=FUTU, acc_id=4),
    )
    listing = Listing(*rows, firm="N/A")
    assert listing.own() == [1, 3]
    assert listing.accounts.firm == "FUTUINC"
    assert listing.asked == 1


def test_futures_contexts_take_paper_futures_and_predictions() -> None:
    rows = (
        real(FUTURES, acc_id=1),
        paper(TrdMarket.FUTURES_SIMULATE_HK, acc_id=2),
        real(TrdMarket.PREDICTION, acc_id=3),
        paper(HK, acc_id=4),
    )
    assert Listing(*rows, market="FUTURES", category="FUTURE").own() == [1, 2, 3]


def test_accounts_are_asked_for_once() -> None:
    listing = Listing(real(HK, acc_id=1), paper(HK, acc_id=2))
    assert [listing.choose(), listing.choose("SIMULATE"), listing.choose(acc_id=1)] == [1, 2, 1]
    assert listing.asked == 1


def test_what_is_forgotten_is_asked_for_again() -> None:
    listing = Listing(real(HK, acc_id=1))
    listing.choose()
    listing.rows = (real(HK, acc_id=9),)
    listing.accounts.forget()
    assert listing.choose() == 9


def test_an_unknown_account_is_looked_for_anew() -> None:
    listing = Listing(real(HK, acc_id=1))
    listing.choose()
    listing.rows = (*listing.rows, real(HK, acc_id=2))
    assert listing.choose(acc_id=2) == 2
    assert listing.asked == 2


def test_the_index_counts_within_the_environment() -> None:
    listing = Listing(paper(HK, acc_id=1), real(HK, acc_id=2), paper(HK, acc_id=3))
    assert listing.choose("SIMULATE", acc_index=1) == 3
    assert listing.choose("REAL", acc_index=0) == 2


def test_an_id_of_the_other_environment_is_refused() -> None:
    listing = Listing(paper(HK, acc_id=1), real(HK, acc_id=2))
    with pytest.raises(UsageError, match="no REAL account with acc_id 1"):
        listing.choose("REAL", acc_id=1)


@pytest.mark.parametrize("index", [-1, 1])
def test_an_index_out_of_range_is_refused(index: int) -> None:
    listing = Listing(real(HK))
    with pytest.raises(UsageError, match=f"acc_index {index} is none of the 1 REAL accounts"):
        listing.choose(acc_index=index)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"environment": "DREAM"}, "trd_env is one of REAL,SIMULATE"),
        ({"environment": None}, "trd_env"),
        ({"acc_id": "1"}, "acc_id is a whole number"),
        ({"acc_id": 1.0}, "acc_id is a whole number"),
        ({"acc_index": "0"}, "acc_index is a whole number"),
    ],
)
def test_what_names_no_account_is_refused_without_asking(
    arguments: dict[str, Any], words: str
) -> None:
    listing = Listing(real(HK))
    with pytest.raises(UsageError, match=words):
        listing.choose(**arguments)
    assert listing.asked == 0


def test_the_refusal_says_where_to_look() -> None:
    with pytest.raises(UsageError, match="no REAL account for market HK at FUTU HK"):
        Listing().choose()
    with pytest.raises(UsageError, match="no SIMULATE account for any market"):
        Listing(market="N/A").choose("SIMULATE")


def test_an_account_that_may_trade_nowhere_is_refused() -> None:
    with pytest.raises(UsageError, match="account 5 may trade in no market"):
        Listing(real(acc_id=5), market="N/A").choose()


def test_securities_contexts_have_no_futures_accounts() -> None:
    with pytest.raises(UsageError, match="OpenFutureTradeContext"):
        Listing(real(FUTURES), market="FUTURES").choose()


@pytest.mark.parametrize(
    ("code", "environment", "category", "market"),
    [
        ("HK.00700", "REAL", "SECURITY", TrdMarket.HK),
        ("US.AAPL", "SIMULATE", "SECURITY", TrdMarket.US),
        ("SH.600519", "REAL", "SECURITY", TrdMarket.HKCC),
        ("SZ.000001", "SIMULATE", "SECURITY", TrdMarket.CN),
        ("SG.D05", "REAL", "SECURITY", TrdMarket.SG),
        ("CC.BTCUSD", "REAL", "CRYPTO", TrdMarket.CRYPTO),
        ("HK.HSImain", "REAL", "FUTURE", TrdMarket.FUTURES),
        ("HK.HSImain", "SIMULATE", "FUTURE", TrdMarket.FUTURES_SIMULATE_HK),
        ("US.ESmain", "SIMULATE", "FUTURE", TrdMarket.FUTURES_SIMULATE_US),
        ("EC.X", "REAL", "FUTURE", TrdMarket.PREDICTION),
        ("EC.X", "SIMULATE", "FUTURE", TrdMarket.UNKNOWN),
        ("FX.USDHKD", "REAL", "SECURITY", TrdMarket.UNKNOWN),
        (["US.AAPL", "HK.00700"], "REAL", "SECURITY", TrdMarket.US),
        ([SimpleNamespace(code="HK.00700")], "REAL", "SECURITY", TrdMarket.HK),
    ],
)
def test_the_security_decides_the_market(
    code: Any, environment: str, category: str, market: TrdMarket
) -> None:
    assert market_of(code, environment, category) == market


@pytest.mark.parametrize("code", ["00700", "MOON.00700", "HK.", 700, [], [None], None])
def test_what_is_no_security_decides_nothing(code: Any) -> None:
    with pytest.raises(UsageError, match="code"):
        market_of(code, "REAL", "SECURITY")


@pytest.mark.parametrize(
    ("market", "environment", "traded"),
    [
        ("HK", "REAL", True),
        ("HKCC", "SIMULATE", False),
        ("CN", "REAL", False),
        ("AU", "REAL", True),
        ("AU", "SIMULATE", False),
        ("MOON", "REAL", False),
        ("HK", "DREAM", False),
        ("HK", None, False),
    ],
)
def test_markets_have_environments(market: str, environment: Any, traded: bool) -> None:
    assert is_traded(market, environment) is traded
