"""Keeping to OpenD's frequency limits: when a request may be sent, and who goes before it.

OpenD fails a request at once when request 1 and request n+1 are not more than the window apart,
or two successive ones too close together. A :class:`RateGuard` counts what one client sends and
gives each request its turn, first come first served. What other programs send to the same OpenD
it does not see.

::

    turn = guard.reserve(proto_id, c2s, now, longest_wait)     RateLimited: it would be too long
    with turn:                                                 given back if the block raises
        while turn.wait:
            ... wait so many seconds ...
            turn.claim(now)                                    the clock says so, or a bit more
        ... send it ...

A turn that is given back is free for those behind it: whoever waits is to claim again then.
"""

from __future__ import annotations

from math import inf
from types import TracebackType
from typing import Any, Final

from futukit.core._limits import LIMITS, Limit
from futukit.core.requests import request_kind
from futukit.errors import FutukitError, RateLimited
from futukit.messages import registry

__all__ = ["MAX_ACCOUNTS", "RateGuard", "Reservation", "limited_c2s"]

MAX_ACCOUNTS: Final = 1000
"""How many accounts (times the ids they ask) have counters of their own at one time."""

# OpenD's clock sees a request when it arrives: one that travelled longer than the next must not
# bring the two too close together.
_MARGIN: Final = 0.005
# Between two that become due together: they shall not wake in any other order.
_TURN: Final = 0.001
# Less than this is the rounding of sums, nothing to wait for.
_TICK: Final = 1e-6

_LAST_ACCOUNT: Final = 2**64 - 1
_OTHERS: Final = "others"

_Key = tuple[str | int, int | str | None]  # the limiter's name or id; account, or who else


class Reservation:
    """A turn to send one request, made by :meth:`RateGuard.reserve`.

    ``wait`` is in how many seconds it may be sent; 0.0 means that it is to be sent now, and is
    counted. As a context manager it is given back if the block raises before it was sent.
    """

    __slots__ = ("_limiter", "_proto_id", "_sent", "_time", "_until", "wait")

    def __init__(self, limiter: _Limiter | None, proto_id: int, until: float) -> None:
        self._limiter = limiter
        self._proto_id = proto_id
        self.wait = 0.0
        self._time = 0.0
        self._sent = False
        # When this turn has no more meaning for others: not taken until then, it is forfeited;
        # once sent, that is when it falls out of the window.
        self._until = until

    def claim(self, now: float) -> float:
        """Look again when ``wait`` is over; gives what is still to be waited, 0.0 to send now.

        Timers ring late and others wait for the same limit, so a turn may come a little later
        than it was first said, and earlier if one before it was given back. Raises RateLimited
        when it comes too late for the longest wait.
        """
        if not self._sent and self._limiter is not None:
            self._limiter.place(self, self._proto_id, now)
        return self.wait

    def cancel(self) -> None:
        """Give the turn back: nothing was sent, or will be. Doing so twice is harmless."""
        if self._limiter is not None:
            self._limiter.remove(self)

    def __enter__(self) -> Reservation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # An error says that nothing was sent; an interruption may come at any moment.
        if kind is not None and (not self._sent or issubclass(kind, Exception)):
            self.cancel()


class RateGuard:
    """The counters of one client. It holds no clock and no lock; ``now`` must never go back.

    Per counter it keeps one turn for each request of the last window and each that waits. At
    most ``MAX_ACCOUNTS`` accounts have counters of their own: those that have sent nothing for a
    window make room, and any beyond share one counter per limit, which is stricter and never
    lets more through.
    """

    def __init__(self) -> None:
        self._limiters: dict[_Key, _Limiter] = {}
        self._accounts: dict[_Key, _Limiter] = {}

    def reserve(self, proto_id: int, c2s: Any, now: float, longest_wait: float) -> Reservation:
        """The next free turn for a request, behind all that were given before.

        Args:
            proto_id: The request's id; one without a limit goes at once.
            c2s: Its C2S, see :func:`limited_c2s`. None for one that cannot be read: it counts,
                for an account of its own.
            now: Seconds of any clock that never goes back.
            longest_wait: In seconds; 0 takes a turn only if that is now.

        Raises:
            RateLimited: The turn would come later; no turn is taken, ``retry_after`` is set.
        """
        limit = LIMITS.get(proto_id)
        if limit is None or limit.max_requests is None or not _is_counted(limit, c2s):
            return _AT_ONCE
        return self._limiter(limit, c2s, now).reserve(proto_id, now, longest_wait)

    def _limiter(self, limit: Limit, c2s: Any, now: float) -> _Limiter:
        name = limit.limiter or limit.proto_id
        if limit.scope != "account":
            return self._limiters.setdefault((name, None), _Limiter(limit))
        key: _Key = (name, _account(c2s))
        found = self._accounts.pop(key, None)
        if found is None:
            self._make_room(now)
            others = self._limiters.get((name, _OTHERS))
            # While the shared counter counts, the newcomer may be among those it counted.
            if len(self._accounts) >= MAX_ACCOUNTS or (others and not others.idle(now)):
                return self._limiters.setdefault((name, _OTHERS), _Limiter(limit))
            found = _Limiter(limit)
        self._accounts[key] = found  # the last one used stands last
        return found

    def _make_room(self, now: float) -> None:
        while self._accounts:
            oldest = next(iter(self._accounts))
            if not self._accounts[oldest].idle(now):
                return
            del self._accounts[oldest]


class _Limiter:
    """One counter: the turns of the last window and those that wait, in their order."""

    __slots__ = ("_limit", "_most", "_turns", "_window")

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._most = limit.max_requests or 1
        self._window = limit.per_seconds + _MARGIN
        self._turns: list[Reservation] = []

    def idle(self, now: float) -> bool:
        """Whether nothing waits and nothing was sent within the window."""
        self._forget(now)
        return not self._turns

    def reserve(self, proto_id: int, now: float, longest_wait: float) -> Reservation:
        turn = Reservation(self, proto_id, now + longest_wait)
        self._forget(now)
        self._turns.append(turn)
        self.place(turn, proto_id, now)
        return turn

    def place(self, turn: Reservation, proto_id: int, now: float) -> None:
        """Say when the turn comes, after those before it; if that is now, it is taken."""
        self._forget(now)
        # One that was not claimed in time is no longer there; it could only go behind all.
        index = self._turns.index(turn) if turn in self._turns else len(self._turns)
        # Those before it that still wait: one of them may be late, or one may have gone.
        for before, waiting in enumerate(self._turns[:index]):
            if not waiting._sent:
                waiting._time = self._free_at(before, now)
        time = self._free_at(index, now)
        if time > turn._until or index == len(self._turns):
            self.remove(turn)
            raise _rate_limited(self._limit, proto_id, time - now)
        turn.wait = time - now if time - now > _TICK else 0.0
        turn._time = time
        if not turn.wait:
            turn._sent = True
            turn._until = turn._time + self._window

    def remove(self, turn: Reservation) -> None:
        if turn in self._turns:
            self._turns.remove(turn)

    def _free_at(self, index: int, now: float) -> float:
        """The earliest time for the turn at ``index``; those before it go first."""
        time = now
        if index:
            before = self._turns[index - 1]
            spacing = self._limit.min_spacing
            gap = spacing + _MARGIN if spacing else 0.0 if before._sent else _TURN
            time = max(time, _expected(before, now) + gap)
        if index >= self._most:
            time = max(time, _expected(self._turns[index - self._most], now) + self._window)
        return time

    def _forget(self, now: float) -> None:
        if self._turns and min(turn._until for turn in self._turns) < now:
            self._turns = [turn for turn in self._turns if turn._until >= now]


# For what has no limit; it keeps nothing, so all share it.
_AT_ONCE: Final = Reservation(None, 0, inf)


def limited_c2s(proto_id: int, message: Any, body_format: int = 0) -> Any:
    """What ``reserve`` has to see of a request: its C2S, or None where nothing depends on it.

    ``message`` is a Request, a bare C2S or a Request's bytes. None also for bytes that are no
    such Request.
    """
    limit = LIMITS.get(proto_id)
    if limit is None or limit.max_requests is None or not _looks_inside(limit):
        return None
    try:
        return request_kind(proto_id).c2s_of(message, body_format)
    except FutukitError:
        return None  # OpenD will say what is wrong with it


def _looks_inside(limit: Limit) -> bool:
    conditions = (limit.counted_if, limit.page_field, limit.free)
    return limit.scope == "account" or conditions != (None, None, None)


def _is_counted(limit: Limit, c2s: Any) -> bool:
    if c2s is None:
        return True
    if limit.counted_if is not None and not getattr(c2s, limit.counted_if, None):
        return False
    if limit.page_field is not None and getattr(c2s, limit.page_field, None):
        return False
    return limit.free is None or getattr(c2s, limit.free[0], None) != limit.free[1]


def _account(c2s: Any) -> int | None:
    """The account of a request; one that cannot be is like none."""
    account = getattr(getattr(c2s, "header", None), "acc_id", None)
    return account if isinstance(account, int) and 0 <= account <= _LAST_ACCOUNT else None


def _expected(turn: Reservation, now: float) -> float:
    """When a turn was taken, or will be at the earliest: one that is overdue comes now."""
    return turn._time if turn._sent else max(turn._time, now)


def _rate_limited(limit: Limit, proto_id: int, wait: float) -> RateLimited:
    spacing = f", {limit.min_spacing * 1000:g} ms apart" if limit.min_spacing else ""
    each = " for each account" if limit.scope == "account" else ""
    reason = (
        f"{registry.row(proto_id).name} ({proto_id}): OpenD takes {limit.max_requests} in "
        f"{limit.per_seconds} s{spacing}{each}; the next may go in {wait:.3g} s"
    )
    error = RateLimited("RESOURCE_EXHAUSTED", reason, proto_id)
    error.args = (reason,)  # no server has spoken: nothing of gRPC in the text
    error.retry_after = wait
    return error
