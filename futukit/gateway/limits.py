"""The limits of a key, a check each. All raise Refused; an empty limit is none."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from futukit.errors import (
    ClientClosed,
    ConnectionLost,
    GatewayError,
    LocalProtocolError,
    UsageError,
)
from futukit.gateway.keys import Key
from futukit.gateway.orders import Act, Ledger
from futukit.gateway.refusals import denied, exhausted
from futukit.gateway.subjects import Named

__all__ = [
    "Counted",
    "check_accounts",
    "check_names",
    "check_order",
    "check_rate",
    "check_sides",
    "check_value",
    "limits_names",
    "limits_orders",
]

_WINDOW: Final = 60.0

_BEFORE_OPEND: Final = (
    UsageError,
    LocalProtocolError,
    ConnectionLost,
    ClientClosed,
    GatewayError,  # of our own rate limit too, and of a gateway further up
    CancelledError,
)
"""What a call fails with that OpenD has not seen, unless the error leaves it in doubt."""


class Counted:
    """That an order is counted, or with ``ledger`` None that none is: a context to send it in.

    Where it fails in there without having gone out, it is not counted any more. An order in doubt
    stays counted, and so does one that OpenD has answered, however it did.
    """

    __slots__ = ("_ledger", "_now")

    def __init__(self, ledger: Ledger | None = None, now: float = 0.0) -> None:
        self._ledger = ledger
        self._now = now

    def __enter__(self) -> None:
        """The order is about to be sent."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self._ledger is not None and _never_went_out(error):
            # Where the clock was set back meanwhile its time is another: then it stays counted.
            with suppress(ValueError):
                self._ledger.times.remove(self._now)

    def answered(self, now: float) -> None:
        """OpenD has answered. It may have waited for its turn: what counts is when it went."""
        if self._ledger is not None and now > self._now:
            with suppress(ValueError):
                self._ledger.times.remove(self._now)
                self._ledger.times.append(now)


def _never_went_out(error: BaseException | None) -> bool:
    # A cancellation says of itself what it left, or it is not the client's.
    return isinstance(error, _BEFORE_OPEND) and getattr(error, "requests_in_doubt", None) == ()


def limits_names(key: Key) -> bool:
    """Whether the key is limited to some markets or securities."""
    return bool(key.markets or key.symbols)


def limits_orders(key: Key) -> bool:
    """Whether the key is limited in what its orders may be, beyond how many there are."""
    return limits_names(key) or bool(key.sides) or key.max_order_value is not None


def check_accounts(key: Key, accounts: Iterable[int]) -> None:
    """Every account that is named must be among those of the key."""
    for account in accounts:
        if key.accounts and account not in key.accounts:
            raise denied(f"account {account} is not among those of key {key.name!r}")


def check_names(key: Key, names: Iterable[Named]) -> None:
    """Every market and security that is named must be allowed, in each of its readings."""
    names = tuple(names)
    if key.markets:
        for named in names:
            _check_market(key, named)
    if key.symbols:
        for named in names:
            _check_symbol(key, named)


def _check_market(key: Key, named: Named) -> None:
    if not named.markets:
        raise denied(f"the market of {named.code or 'the request'} cannot be told")
    for market in sorted(named.markets.difference(key.markets)):
        raise denied(f"market {market} is not among those of key {key.name!r}")


def _check_symbol(key: Key, named: Named) -> None:
    if named.code is None:
        return  # a whole market is no security
    if not named.markets:
        raise denied(f"the market of {named.code} cannot be told")
    for symbol in named.symbols:
        if symbol not in key.symbols:
            raise denied(f"{symbol} is not among the symbols of key {key.name!r}")


def check_order(key: Key, act: Act) -> None:
    """The securities of an order must be known and allowed, where the key is limited there."""
    if limits_names(key) and not act.names:
        raise denied(f"the security cannot be told: {act.unknown or 'the order names none'}")
    check_names(key, act.names)


def check_sides(key: Key, act: Act) -> None:
    """Each side of an order must be known and allowed."""
    if not key.sides:
        return
    if not act.sides or "" in act.sides:
        raise denied(f"the side cannot be told: {act.unknown or 'the order names none'}")
    for side in act.sides:
        if side not in key.sides:
            raise denied(f"key {key.name!r} may not {side}")


def check_value(key: Key, act: Act) -> None:
    """The value of an order must be known and within the limit."""
    largest = key.max_order_value
    if largest is None:
        return
    if act.value is None:
        raise denied(
            f"the order has no known value, and key {key.name!r} is limited to {largest}: "
            f"{act.unpriced or 'it needs a price and a quantity above 0'}"
        )
    if act.value > largest:
        raise denied(f"the order is worth {act.value}, key {key.name!r} is limited to {largest}")


def check_rate(key: Key, ledger: Ledger, now: float) -> Counted:
    """Count an order of the last 60 seconds, unless it would be one too many."""
    most = key.orders_per_minute
    if most is None:
        return Counted()
    times = ledger.times
    if times and times[-1] > now:
        # The clock was set back: what lay ahead has just been.
        kept = [min(each, now) for each in times]
        times.clear()
        times.extend(kept)
    while times and times[0] <= now - _WINDOW:
        times.popleft()
    if len(times) >= most:
        wait = times[len(times) - most] + _WINDOW - now
        raise exhausted(f"key {key.name!r} is limited to {most} orders a minute", wait)
    times.append(now)
    return Counted(ledger, now)
