"""A universe of a handful of securities, so that answers can be tested without a market."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from futukit.sim.question import Listed

NOW = datetime(2026, 3, 2, 10, 15)

STOCKS = (
    Listed(1, "00700", "Tencent", 380.0),
    Listed(1, "00001", "CK Hutchison", 40.0),
    *(Listed(1, f"0{number}", f"Stock {number}", 10.0) for number in range(1000, 1040)),
    Listed(11, "AAPL", "Apple", 190.0),
    Listed(21, "600519", "Moutai", 1700.0),
)
PLATES = (Listed(1, "LIST0001", "Banks", 1000.0), Listed(11, "LIST0002", "Chips", 1000.0))
OPTIONS = tuple(
    Listed(11, f"AAPL260619C{strike}000", f"Apple {strike} call", 5.0) for strike in range(180, 200)
)


class SmallUniverse:
    """Satisfies futukit.sim.question.Universe."""

    def listed(self, market: int | None) -> Sequence[Listed]:
        return _of(STOCKS, market)

    def plates(self, market: int | None) -> Sequence[Listed]:
        return _of(PLATES, market)

    def members(self, plate: Listed) -> Sequence[Listed]:
        return _of(STOCKS, plate.market)[:5] if plate in PLATES else ()

    def options(self, market: int | None) -> Sequence[Listed]:
        return _of(OPTIONS, market)

    def warrants(self, market: int | None) -> Sequence[Listed]:
        return ()

    def find(self, market: int, code: str) -> Listed | None:
        everything = (*STOCKS, *PLATES, *OPTIONS)
        return next((row for row in everything if row[:2] == (market, code)), None)

    def find_text(self, text: str) -> Listed | None:
        return next((row for row in STOCKS if text in (row.code, f"HK.{row.code}")), None)

    def local_time(self, market: int | None) -> datetime:
        return NOW


def _of(rows: Sequence[Listed], market: int | None) -> Sequence[Listed]:
    return [row for row in rows if market in (None, row.market)]
