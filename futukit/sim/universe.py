"""The simulated market as the schema answers see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from futukit.messages import qot_common
from futukit.sim.market import Instrument, Market
from futukit.sim.question import Listed
from futukit.types import join_security, market_of

__all__ = ["MarketUniverse"]

_STOCKS: Final = (qot_common.SecurityType.EQTY, qot_common.SecurityType.TRUST)
_ALL_PLATES: Final = 0
_PLATE_PRICE: Final = 1000.0


class MarketUniverse:
    """What ``Universe`` asks for, from a Market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._instruments = [market.instrument(key) for key in market.keys()]  # noqa: SIM118
        self._plates = {
            number: tuple(
                Listed(int(row.plate.market), row.plate.code, row.name, _PLATE_PRICE)
                for row in market.plates(number, _ALL_PLATES)
            )
            for number in (1, 11, 21, 22)
        }

    def listed(self, market: int | None) -> Sequence[Listed]:
        """Stocks and funds of one market, or of all."""
        return [
            self._priced(instrument)
            for instrument in self._instruments
            if instrument.sec_type in _STOCKS and market in (None, int(instrument.security.market))
        ]

    def plates(self, market: int | None) -> Sequence[Listed]:
        """Plates of one market, or of all."""
        if market is not None:
            return self._plates.get(market, ())
        return [plate for plates in self._plates.values() for plate in plates]

    def options(self, market: int | None) -> Sequence[Listed]:
        """Options of one market, or of all."""
        return [
            self._priced(instrument)
            for instrument in self._instruments
            if instrument.is_option and market in (None, int(instrument.security.market))
        ]

    def find(self, market: int, code: str) -> Listed | None:
        """The security or plate with this code."""
        key = join_security(1 if market == 2 else market, code)
        if key in self._market:
            return self._priced(self._market.instrument(key))
        return next((plate for plate in self._plates.get(market, ()) if plate.code == code), None)

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

    def _priced(self, instrument: Instrument) -> Listed:
        quote = self._market.basic_qot(instrument.key)
        security = instrument.security
        return Listed(int(security.market), security.code, instrument.name, quote.cur_price)
