"""The simulated market as the schema answers see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from futukit.messages import qot_common
from futukit.sim.market import Instrument, Market
from futukit.sim.question import Listed, Terms
from futukit.types import join_security, market_of

__all__ = ["MarketUniverse"]

_STOCKS: Final = (qot_common.SecurityType.EQTY, qot_common.SecurityType.TRUST)
_WITH_TERMS: Final = ("option", "warrant")


class MarketUniverse:
    """What ``Universe`` asks for, from a Market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._instruments = [market.instrument(key) for key in market.keys()]  # noqa: SIM118

    def listed(self, market: int | None) -> Sequence[Listed]:
        """Stocks and funds of one market, or of all."""
        return [self._priced(one) for one in self._of(market) if one.sec_type in _STOCKS]

    def plates(self, market: int | None) -> Sequence[Listed]:
        """Plates of one market, or of all."""
        return [self._priced(one) for one in self._of(market) if one.plate_set is not None]

    def members(self, plate: Listed) -> Sequence[Listed]:
        """The securities of a plate; empty for what is no plate."""
        key = join_security(plate.market, plate.code)
        if key not in self._market or self._market.instrument(key).plate_set is None:
            return ()
        return [self._priced(self._market.instrument(one)) for one in self._members_of(key)]

    def options(self, market: int | None) -> Sequence[Listed]:
        """Options of one market, or of all."""
        return [self._priced(one) for one in self._of(market) if one.is_option]

    def warrants(self, market: int | None) -> Sequence[Listed]:
        """Warrants of one market, or of all."""
        return [self._priced(one) for one in self._of(market) if one.kind == "warrant"]

    def find(self, market: int, code: str) -> Listed | None:
        """The security or plate with this code."""
        key = join_security(1 if market == 2 else market, code)
        return self._priced(self._market.instrument(key)) if key in self._market else None

    def find_text(self, text: str) -> Listed | None:
        """The security with this key, code or name."""
        wanted = text.strip().casefold()
        for instrument in self._instruments:
            names = (instrument.key, instrument.security.code, instrument.name)
            if wanted in map(str.casefold, names):
                return self._priced(instrument)
        return None

    def local_time(self, market: int | None) -> datetime:
        """The simulated time on the market's clock, without a zone."""
        zone = market_of(market).zone if market is not None and market > 0 else None
        return datetime.fromtimestamp(self._market.now, ZoneInfo(zone or "Asia/Hong_Kong")).replace(
            tzinfo=None
        )

    def _of(self, market: int | None) -> Iterator[Instrument]:
        for one in self._instruments:
            if market in (None, int(one.security.market)):
                yield one

    def _members_of(self, key: str) -> Iterator[str]:
        for row in self._market.plate_members(key):
            yield self._market.key_of(row.basic.security)

    def _priced(self, instrument: Instrument) -> Listed:
        security = instrument.security
        return Listed(
            int(security.market),
            security.code,
            instrument.name,
            self._market.basic_qot(instrument.key).cur_price,
            self._market.static_info(instrument.key),
            self._terms(instrument),
        )

    def _terms(self, instrument: Instrument) -> Terms | None:
        derivative = instrument.derivative
        if derivative is None or derivative.kind not in _WITH_TERMS:
            return None
        return Terms(
            owner=self._priced(self._market.instrument(derivative.owner)),
            strike=derivative.strike,
            expires=datetime.fromordinal(derivative.expires),
            call=derivative.call,
            ratio=derivative.conversion,
        )
